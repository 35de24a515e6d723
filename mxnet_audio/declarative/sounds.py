"""Columns of sounds: missing ones filled, and each sound as the input of its encoder."""

from __future__ import annotations

import os
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mxnet_audio import training
from mxnet_audio.audio import load
from mxnet_audio.audio.source import source_identity
from mxnet_audio.data import AudioDataset
from mxnet_audio.data.fixed import FixedResults
from mxnet_audio.data.transforms import Transform
from mxnet_audio.datasets.missing import CONSTANT, fill_rows
from mxnet_audio.declarative.encoders import PretrainedEncoder
from mxnet_audio.declarative.table import Table
from mxnet_audio.engine import contexts
from mxnet_audio.errors import AudioError, InvalidAudioError
from mxnet_audio.features import AudioFeatureConfig, load_features
from mxnet_audio.inference.window_encoder import input_of, padded_length
from mxnet_audio.library.encoder_run import EncodeSound
from mxnet_audio.library.inputs import window_features
from mxnet_audio.models import SequenceNet
from mxnet_audio.pretrained import AudioEncoder
from mxnet_audio.pretrained.sound_encoder import sound_encoder

if TYPE_CHECKING:
    from mxnet_audio.declarative.encodings import AudioEncoding
    from mxnet_audio.declarative.features import AudioInput

__all__ = ["FilledSounds", "SequenceFeatures", "SoundColumn", "padded_batch", "sound_key"]


class FilledSounds(Sequence):
    """Column of sounds, in which missing ones are replaced as the configuration says.

    Parameters
    ----------
    feature : AudioInput
    table : Table
    constants_only : bool
        True leaves sounds missing that would be replaced by those of other rows, as for predictions.

    Raises
    ------
    DatasetError
        If the table has no such column.
    """

    def __init__(self, feature: AudioInput, table: Table, *, constants_only: bool = False):
        self._table, self._sounds = table, table.sounds(feature.column)
        self._fill_value = table.locate(feature.preprocessing.fill_value)
        strategy = feature.preprocessing.missing_value_strategy
        missing = self._sounds.missing
        self._rows: list[int | None] = [None if missing[row] else row for row in range(len(missing))]
        stays = strategy == "drop_row" or (constants_only and strategy != "fill_with_const")
        if missing.any() and not stays and (strategy == "fill_with_const" or not missing.all()):
            by_key = strategy == "fill_with_mode"
            keys = [
                None if missing[row] else (sound_key(self._sounds[row]) or row) if by_key else True
                for row in range(len(missing))
            ]
            self._rows = list(fill_rows(keys, strategy, self._fill_value))

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, row: Any) -> Any:
        """Return a sound; InvalidAudioError if it is missing."""
        source = self._rows[row]
        if source is None:
            raise InvalidAudioError(f"{self._table.row_name(row)}: the sound is missing", self._table.path)
        return self._fill_value if source == CONSTANT else self._sounds[source]

    @property
    def present(self) -> np.ndarray:
        """Return whether each row has a sound [shape=(n,)]."""
        return np.array([source is not None for source in self._rows])

    @property
    def filled(self) -> np.ndarray:
        """Return whether each row has the sound of another row, in place of a missing one [shape=(n,)]."""
        return np.array([source not in (row, None, CONSTANT) for row, source in enumerate(self._rows)])

    def key(self, row: int) -> Hashable:
        """Return a key that is equal for equal sounds of the table; None for the constant, or without a sound."""
        return None if self._rows[row] in (None, CONSTANT) else sound_key(self[row])


def sound_key(sound: Any) -> Hashable:
    """Return a key that is equal for equal sounds: the real path of a file, else its content; None if that fails."""
    try:
        if isinstance(sound, str | os.PathLike):
            return os.path.realpath(sound)
        return source_identity(sound)
    except (OSError, ValueError, AudioError):
        return None


class SequenceFeatures(Transform):
    """Features of a sound as a sequence of vectors [shape=(steps, bands)], without padding.

    Examples
    --------
    >>> SequenceFeatures(AudioFeatureConfig(type="fbank", sr=8000))((np.ones(8000), 8000)).shape
    (49, 80)
    """

    takes_source = True

    def __init__(self, config: AudioFeatureConfig):
        super().__init__(config=config)

    @property
    def key(self) -> str | None:
        """Name of the class, and key of the configuration."""
        return None if super().key is None else f"SequenceFeatures({self.config.key()})"

    def apply(self, x: Any) -> np.ndarray:
        """Load a sound, and compute its features; AudioError if that fails."""
        return np.moveaxis(load_features(x, self.config, pad=False), self.config.time_axis, 0)


class FromStart(Transform):
    """Give the start of a sound to a step that takes a source.

    Parameters
    ----------
    seconds : float > 0
        Length of the start.
    step : Transform
    """

    takes_source = True

    def __init__(self, seconds: float, step: Transform):
        super().__init__(seconds=seconds, step=step)

    @property
    def key(self) -> str | None:
        """Name of the class, its length, and key of the step."""
        return None if self.step.key is None else f"FromStart({self.seconds}, {self.step.key})"

    def apply(self, x: Any) -> Any:
        """Call the step; AudioError if the sound cannot be decoded, or the step fails."""
        return self.step(load(x, duration=self.seconds))


class SoundColumn:
    """Sounds of an audio feature as inputs of its encoder.

    Parameters
    ----------
    feature : AudioInput
    encoding : AudioEncoding
        Features of a sequence encoder.
    sounds : FilledSounds
    encoder : AudioEncoder, optional
        Pretrained encoder, with the devices that it computes on if it is frozen.
    cache : bool or str or os.PathLike
        As for `training.cache_options`.
    once : bool
        Whether each sound is read once, so that nothing needs to be kept in memory.
    threads : int > 0, optional
        Threads that read sounds that are kept in memory.

    Attributes
    ----------
    longest : int or None
        Length of the longest input; None for vectors, which have no length.
    """

    def __init__(
        self,
        feature: AudioInput,
        encoding: AudioEncoding,
        sounds: FilledSounds,
        *,
        encoder: AudioEncoder | None = None,
        cache: bool | str | os.PathLike = True,
        once: bool = False,
        threads: int | None = None,
    ):
        self.sounds = sounds
        self.longest: int | None = None
        self._time_axis, self._pads = 2, True
        self._window: AudioFeatureConfig | None = None  # features of a whole window, if inputs have its length
        loading = feature.preprocessing
        options = training.cache_options(loading, cache)
        steps: list[Transform]
        if encoder is None:
            steps = [SequenceFeatures(encoding.features)]
            self.longest, self._time_axis = encoding.steps, 0
        elif isinstance(feature.encoder, PretrainedEncoder) and not feature.encoder.trainable:
            model_ctx, data_ctx = contexts(encoder.model_ctx, encoder.data_ctx)
            frozen = sound_encoder(encoder.net, encoder.feature_config, model_ctx=model_ctx, data_ctx=data_ctx)
            steps = [EncodeSound(encoder.model_id, frozen)]
            if options["mode"] == "lazy":
                options["mode"] = "eager"  # encodes each sound once
        else:
            net = encoder.net
            assert isinstance(net, SequenceNet)  # others are not trained
            window = window_features(net, encoder.feature_config)
            open_input = training.OpenInput(window, net.min_input, pads=net.pads)
            self.longest, self._pads = open_input.longest, net.pads
            steps = [open_input.load_window, open_input]
            if net.fixed_steps is not None:
                steps, self._window = steps[:1], window
        if encoder is not None and feature.length_limit is not None:
            steps[0] = FromStart(feature.length_limit, steps[0])
        if once and options["mode"] == "eager":
            options["mode"] = "lazy"
        folder = options["cache_dir"] or loading.lazy_cache_dir
        results = FixedResults(AudioDataset(sounds, transforms=steps), options["mode"], folder, threads)
        self._get, self.available, self.flush = results.get, results.available, results.flush

    def get(self, row: int) -> tuple[np.ndarray, int]:
        """Return the input of a row and its length, 0 for vectors.

        Raises
        ------
        AudioError
            If the sound is missing, or cannot be used.
        """
        x = self._get(row)
        if self.longest is None:
            return x, 0
        if self._window is None:
            return x, x.shape[self._time_axis]
        sr = self._window.sr
        assert sr is not None  # as for every encoder
        frames = self._window.frames_in(len(x) / sr)
        x = input_of(x, self._window)
        return x, min(frames, x.shape[2])

    def stacked(self, inputs: list[tuple[np.ndarray, int]]) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        """Return inputs as one array [shape=(batch, ...)], and their lengths [shape=(batch,)] if they have such."""
        arrays = [x for x, _ in inputs]
        if self.longest is None:
            return np.stack(arrays)
        batch = padded_batch(arrays, self._time_axis, self.longest, repeats=not self._pads)
        return batch, np.array([length for _, length in inputs], np.float32)


def padded_batch(arrays: Sequence[np.ndarray], axis: int, longest: int, *, repeats: bool = False) -> np.ndarray:
    """Stack arrays of different lengths along an axis, padded to one of few lengths: MXNet keeps memory for each.

    Parameters
    ----------
    arrays : sequence of np.ndarray
    axis : int >= 0
    longest : int > 0
        Length of the longest possible array.
    repeats : bool
        Fill up to the longest possible array by repeating each, for networks for which padding would count: their
        outputs must not depend on the other arrays.

    Returns
    -------
    np.ndarray [shape=(n, ...)], float32

    Examples
    --------
    >>> padded_batch([np.arange(1, 3), np.arange(1, 4)], 0, 4, repeats=True)
    array([[1., 2., 1., 2.],
           [1., 2., 3., 1.]], dtype=float32)
    """
    shape = [len(arrays), *arrays[0].shape]
    length = longest if repeats else padded_length(max(x.shape[axis] for x in arrays), longest)
    shape[1 + axis] = length
    batch = np.zeros(shape, np.float32)
    for row, x in zip(np.moveaxis(batch, 1 + axis, 1), arrays):
        x = np.moveaxis(x, axis, 0)
        row[: len(x)] = x
        if repeats:
            row[:] = x[np.arange(length) % len(x)]
    return batch

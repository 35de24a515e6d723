"""Classifier for the .onnx files that `mxnet_audio.library.export.export_onnx` writes; needs no MXNet.

Packages needed beside this one:

- samples in, from a file with a front end: ``onnxruntime numpy lazy_loader``
- sound files as well: ``soundfile soxr`` (and ``av`` or ``audioread`` for formats that libsndfile does not read)
- a file without a front end, and every file of a network that takes sound of any length: ``scipy librosa pydantic
  pyyaml safetensors platformdirs`` as well

On CPython 3.13 and later, where MXNet does not run, ``pip install '.[runtime]'`` in a clone installs all of it without
MXNet. On 3.10 to 3.12 that command installs MXNet, too; ``pip install --no-deps .`` does not.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mxnet_audio import audio
from mxnet_audio.atomic import contents
from mxnet_audio.audio.channel import channel_sources, check_channel
from mxnet_audio.audio.source import naming_errors, source_name
from mxnet_audio.audio.spans import load_used
from mxnet_audio.checks import path_argument, real_number, whole_number
from mxnet_audio.errors import ModelError, ParameterError
from mxnet_audio.inference.known_sounds import KnownSounds, from_text
from mxnet_audio.inference.missing_packages import naming_missing_packages
from mxnet_audio.inference.onnx_session import OnnxSession
from mxnet_audio.inference.predictor import BATCH_SIZE, AudioSource, AudioSources, Predictor, as_list
from mxnet_audio.inference.results import Output, Prediction, TimedPrediction

if TYPE_CHECKING:  # needs more packages than running a model does
    from mxnet_audio.features import AudioFeatureConfig
    from mxnet_audio.inference.pooling import Frames
    from mxnet_audio.inference.window_encoder import WindowEncoder

__all__ = ["OnnxAudioClassifier"]

_LARGEST = 2 << 30  # [bytes], of a file: Protocol Buffers' limit


class OnnxAudioClassifier(Predictor):
    """Label sound, and compute embeddings, with an exported network: `AudioClassifier` without MXNet.

    Files of networks that take sound of any length are used as by the classifier or encoder that was exported: all of a
    sound counts, window by window. If the encoder has no classes, there are embeddings only, see `encode_many`. Where
    several classes can apply to one sound, their probabilities do not add up to 1.

    It can be pickled and copied.

    Parameters
    ----------
    path : str or os.PathLike
        File that `export_onnx` wrote.
    providers : sequence of str, optional
        Execution providers of ONNX Runtime, the first choice first; the CPU by default.
    threads : int > 0, optional
        Number of threads of the network; chosen by ONNX Runtime by default.

    Raises
    ------
    ModelError
        If the file is missing, damaged, of another tool or of a newer format, or ONNX Runtime is not installed.
    ParameterError
        If `path` is not a path, ONNX Runtime lacks a provider, or `threads` is below 1.

    Attributes
    ----------
    model_path : pathlib.Path
        The file.
    description : Description
        Metadata of the file.

    Examples
    --------
    >>> from mxnet_audio.inference.onnx_classifier import OnnxAudioClassifier     # doctest: +SKIP
    >>> classifier = OnnxAudioClassifier('songs.onnx')          # doctest: +SKIP
    >>> classifier.predict_class('new.mp3')                     # doctest: +SKIP
    'jazz'
    """

    def __init__(self, path: str | os.PathLike, providers: Sequence[str] | None = None, threads: int | None = None):
        path = path_argument("path", path)
        with naming_errors(path):
            try:
                data = contents(path, _LARGEST)
            except OSError as error:
                raise ModelError(f"cannot be read ({error.strerror})") from error
            self._open(data, providers, threads, path.absolute())

    def _open(self, data: bytes, providers: Sequence[str] | None, threads: int | None, model_path: Path) -> None:
        self._session = OnnxSession(data, providers, threads)
        self.description = self._session.description
        self.model_path = model_path
        self._state = {"data": data, "providers": providers, "threads": threads, "model_path": model_path}

    def __getstate__(self) -> dict[str, Any]:
        """Return the bytes of the file, and how to run it."""
        return self._state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Open the file again."""
        self._open(**state)

    def __repr__(self) -> str:
        """Return one line with the network, the number of classes and the identity of the embeddings."""
        return f"OnnxAudioClassifier(network={self.network!r}, classes={len(self.labels)}, model_id={self.model_id!r})"

    @property
    def network(self) -> str:
        """Name of the network."""
        return self.description.network

    @property
    def labels(self) -> list[int | str]:
        """Classes, in the order of the probabilities."""
        return self.description.labels

    @cached_property
    def feature_config(self) -> AudioFeatureConfig:
        """Configuration of the features that the network takes."""
        with naming_missing_packages():
            from mxnet_audio.features import AudioFeatureConfig

        try:
            return AudioFeatureConfig(**self.description.features)
        except ParameterError as error:
            raise ModelError(f"damaged: its features are invalid: {error.reason}", self.model_path) from error

    @cached_property
    def known_sounds(self) -> KnownSounds:
        """Description of the sounds that the model knows; ModelError if it has none."""
        return super().known_sounds if self.description.known is None else from_text(self.description.known)

    @property
    def views(self) -> int | None:
        """Number of parts, or shifts, of a sound that outputs are averaged over; None for as many as cover it."""
        return self.description.views

    @cached_property
    def thresholds(self) -> np.ndarray | None:  # type: ignore[override]
        """Lowest probability at which each class applies, if clips can have several labels; else None."""
        thresholds = self.description.thresholds
        return None if thresholds is None else np.array(thresholds)

    @property
    def model_id(self) -> str:
        """Identity of the embeddings: that of the classifier that was exported."""
        return self.description.model_id

    @property
    def embedding_dim(self) -> int:
        """Length of an embedding."""
        return self._session.embedding_dim

    def forward_many(
        self, paths: AudioSources, batch_size: int = BATCH_SIZE, *, channel: str | int = "mix"
    ) -> Iterator[Output]:
        """Compute probabilities and embeddings of many files, in order; parameters and errors as in `predict_many`.

        `batch_size` has no effect if the network takes sound of any length: as many windows pass it at a time as are
        half a minute long.
        """
        if self._window_encoder is None:
            yield from super().forward_many(paths, batch_size, channel=channel)
            return
        whole_number("batch_size", batch_size)
        outputs = self._window_encoder.encode_many(channel_sources(as_list(paths), channel))
        for source, vector, scores, error in outputs:
            if vector is not None and self._has_head:
                scores = self._classify(vector[np.newaxis])[0]
            yield Output(source_name(source), scores if self.labels else None, vector, error)

    def postprocess(self, output: Output) -> Prediction:
        """Make the prediction for one file from the outputs of the network; ModelError if it has no classes."""
        self._check_classes()
        return super().postprocess(output)

    def iter_timeline(
        self,
        path: AudioSource,
        window: float | None = None,
        hop: float | None = None,
        *,
        unknown: bool | float = False,
        channel: str | int = "mix",
    ) -> Iterator[TimedPrediction]:
        """Label a long file window by window, in constant memory; parameters and errors as in `predict_timeline`.

        A network that takes sound of any length takes each window as it is. Of a classifier, windows are by default a
        second long, and embeddings of longer ones than the network takes are pooled from inputs that overlap by half.
        Of an encoder with classes, windows are by default as long as the network takes, and at most.
        """
        encoder = self._window_encoder
        if encoder is None:
            return super().iter_timeline(path, window, hop, unknown=unknown, channel=channel)
        from mxnet_audio.inference.window_vectors import window_vectors  # needs more packages

        self._check_classes()
        self._check_unknown(unknown)
        (source,) = channel_sources([path], check_channel(channel))
        if self._has_head:
            return self._label_vectors(window_vectors(encoder, source, window, hop), self._classify, unknown)
        if window is not None and hop is None:
            hop = max(real_number("window", window, encoder.shortest) / 2, encoder.shortest)
        return self._label_parts(encoder.iter_windows(source, window, hop), unknown)

    def _label_parts(self, parts: Iterable[Frames], unknown: bool | float) -> Iterator[TimedPrediction]:
        """Label windows by their scores; digital silence has no label, unless there is a class for it."""
        windows = self.description.windows
        has_silence = windows is not None and windows.silence is not None
        for part in parts:
            rows = zip(part.silent, part.scores, part.vectors)
            outputs = [None if silent and not has_silence else (scores, vector) for silent, scores, vector in rows]
            yield from self._timed(part.times.tolist(), outputs, unknown)

    @cached_property
    def _window_encoder(self) -> WindowEncoder | None:
        """Encoder of sound of any length; None if the network takes inputs of one length."""
        windows = self.description.windows
        if windows is None:
            return None
        with naming_missing_packages():
            from mxnet_audio.inference.window_encoder import WindowEncoder  # needs more packages
        try:
            return WindowEncoder(
                self._forward_windows,
                self.feature_config,
                window=windows.seconds,
                min_input=windows.min_input,
                pads=windows.pads,
                pool=windows.pool,
                silence=windows.silence,
            )
        except ParameterError as error:
            raise ModelError(f"damaged: {error.reason}", self.model_path) from error

    @property
    def _has_head(self) -> bool:
        """True if probabilities are computed from the pooled embedding, not averaged over the windows."""
        return self.description.windows is not None and bool(self.description.windows.head)

    def _check_classes(self) -> None:
        if not self.labels:
            raise ModelError("computes embeddings only: it has no classes", self.model_path)

    def _classify(self, vectors: np.ndarray) -> np.ndarray:
        with naming_errors(self.model_path):
            return self._session.classify(vectors)

    def _forward_windows(self, x: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray | None, np.ndarray]:
        with naming_errors(self.model_path):
            return self._session.run(x, lengths)

    @property
    def _input_length(self) -> tuple[int, int]:
        return self.description.sr, self.description.n_samples

    def _input(self, source: AudioSource) -> np.ndarray:
        description = self.description
        if not description.front_end:
            return super()._input(source)
        # Samples [shape=(n_samples,)], read as `features.load_features` reads them.
        with naming_errors(source_name(source)):
            used = {"used" if description.crop == "start" else "middle": description.n_samples}
            y, _ = load_used(source, description.sr, reach=description.reach, **used)
        return self._inputs(y)

    def _inputs(self, y: np.ndarray) -> np.ndarray:
        description = self.description
        if not description.front_end:
            return super()._inputs(y)
        n_samples = description.n_samples
        return audio.fit_length(y if description.crop == "middle" else y[..., :n_samples], n_samples)

    def _forward(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self._check_classes()
        with naming_errors(self.model_path):
            probabilities, vectors = self._session.run(x)
        assert probabilities is not None
        return probabilities, vectors

"""Inputs of networks that take sound of any length up to a window: no longer than their sound."""

from __future__ import annotations

from typing import Any

import numpy as np

from mxnet_audio import audio
from mxnet_audio.audio.source import source_name
from mxnet_audio.audio.stream_windows import is_silent, stream_windows
from mxnet_audio.data.transforms import Transform
from mxnet_audio.errors import InvalidAudioError
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.inference.window_encoder import input_of, samples_of

__all__ = ["LoadWindow", "OpenInput"]


class LoadWindow(Transform):
    """Load the samples of a sound; of a longer sound, those of the first window that is not silent.

    Parameters
    ----------
    sr : int > 0 [Hz]
        Rate of the samples.
    n_samples : int > 0
        Length of a window.
    min_samples : int > 0
        Length of the shortest sound.

    Examples
    --------
    >>> LoadWindow(16000, 4000)((np.ones(6000), 16000)).shape
    (4000,)
    """

    takes_source = True

    def __init__(self, sr: int, n_samples: int, min_samples: int = 1):
        super().__init__(sr=sr, n_samples=n_samples, min_samples=min_samples)

    def apply(self, source: Any) -> np.ndarray:
        """Decode a sound [shape=(n,)]; AudioError if that fails, or the sound is silent or too short."""
        blocks = audio.blocks(source, self.sr, allow_silence=False)
        windows = stream_windows(blocks, self.n_samples, self.n_samples)
        samples = next(window.samples for window in windows if not is_silent(window.samples))
        if len(samples) < self.min_samples:
            shortest = f"give at least {self.min_samples / self.sr:.4f} s"
            raise InvalidAudioError(f"{len(samples) / self.sr:.4f} s is too short: {shortest}", source_name(source))
        return samples


class OpenInput(Transform):
    """Compute the input of a network from samples: as long as they are, and at most as long as a window.

    Samples that augmentation made too short for the network are padded with zeros.

    Parameters
    ----------
    config : AudioFeatureConfig
        Features of a window.
    min_frames : int > 0
        Smallest number of frames, or samples, that the network takes.
    pads : bool
        Whether the network takes inputs of different lengths in one batch, padded with zeros. If not, shorter inputs of
        a batch have to be repeated.

    Attributes
    ----------
    longest : int
        Number of frames, or samples, of a window.
    load_window : LoadWindow
        Step from a sound to its samples.

    Examples
    --------
    >>> step = OpenInput(AudioFeatureConfig(sr=16000, n_mels=64, n_frames=100))
    >>> step(np.ones(8000)).shape, step(np.ones(80000)).shape
    ((1, 64, 32), (1, 64, 100))
    """

    def __init__(self, config: AudioFeatureConfig, min_frames: int = 1, *, pads: bool = True):
        super().__init__(config=config, min_frames=min_frames, pads=pads)
        sr, samples = config.sr, config.n_samples
        assert sr is not None and samples is not None  # the features are those of a window
        self._open = config.model_copy(update={"n_frames": None}) if config.time_axis == -1 else config
        self._n_samples = samples
        self.longest = input_of(np.zeros(samples, np.float32), self._open).shape[-1]
        self.load_window = LoadWindow(sr, samples, samples_of(self._open, min_frames))

    @property
    def key(self) -> str | None:
        """Name of the class, and key of the configuration."""
        return None if super().key is None else f"OpenInput({self.config.key()})"

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Transform samples [shape=(n,)] to an input [shape=(1, bands, frames)]."""
        missing = max(0, self.load_window.min_samples - len(x))
        return input_of(np.pad(x, (0, missing))[: self._n_samples].astype(np.float32), self._open)

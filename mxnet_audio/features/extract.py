"""From samples, or from a file, to the features of a configuration."""

from __future__ import annotations

import os

import numpy as np

from mxnet_audio import audio
from mxnet_audio.errors import AudioError, FeatureError
from mxnet_audio.features.cache import FeatureCache
from mxnet_audio.features.config import AudioFeatureConfig
from mxnet_audio.features.spectral import log_mel

__all__ = ["extract", "load_features"]


def extract(y: np.ndarray, sr: float, config: AudioFeatureConfig) -> np.ndarray:
    """Features of samples.

    Samples are brought to ``config.sr`` and, where ``config.n_frames`` is set, fitted (centred crop, or zeros
    at the end) to the length that gives exactly so many frames.

    Parameters
    ----------
    y : np.ndarray [shape=(..., n)], float
        Samples.
    sr : number > 0 [Hz]
        Their rate.
    config : AudioFeatureConfig
        What to make.

    Returns
    -------
    np.ndarray [shape=(..., n_mels, frames)], float32 [dB]

    Raises
    ------
    FeatureError
        There are no samples, or fewer than one frame needs.

    Examples
    --------
    >>> extract(np.ones(44100, np.float32), 44100, AudioFeatureConfig(n_frames=47)).shape
    (96, 47)
    """
    y = np.asarray(y, dtype=np.float32)
    if y.ndim == 0 or y.shape[-1] == 0:
        raise FeatureError("there are no samples")
    y = audio.resample(y, sr, config.sr)
    if config.n_samples is not None:
        y = audio.fit_length(y, config.n_samples)
    spectrogram = log_mel(y, **config.model_dump(exclude={"type", "n_frames"}))
    # With a hop of one sample, a single frame is one less than the shortest sound gives.
    return spectrogram[..., : config.n_frames]


def load_features(path: str | os.PathLike, config: AudioFeatureConfig, cache: FeatureCache | None = None) -> np.ndarray:
    """Features of a file: the one way from the one to the other.

    Parameters
    ----------
    path : str or os.PathLike or binary file object or (array, rate)
        The sound, as `audio.load` takes it.
    config : AudioFeatureConfig
        What to make.
    cache : FeatureCache, optional
        Where to look first, and to keep the result; for files by path.

    Returns
    -------
    np.ndarray [shape=(n_mels, frames)], float32 [dB]

    Raises
    ------
    AudioError
        The file cannot be decoded, is truncated, silent or too short. Every error names the file.

    Examples
    --------
    >>> load_features("missing.wav", AudioFeatureConfig())
    Traceback (most recent call last):
    ...
    mxnet_audio.errors.AudioDecodeError: missing.wav: no such file
    """

    name = path if isinstance(path, str | os.PathLike) else None

    def compute() -> np.ndarray:
        try:
            y, sr = audio.load(path, sr=config.sr)
            return extract(audio.valid_audio(y, allow_silence=False), sr, config)
        except AudioError as error:
            if error.path is None and name is not None:
                raise type(error)(error.reason, name) from error
            raise

    return compute() if cache is None or name is None else cache.fetch(name, config, compute)

"""From samples, or from a file, to the features of a configuration."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mxnet_audio import audio
from mxnet_audio.audio.source import naming_errors, source_name
from mxnet_audio.errors import FeatureError, InvalidAudioError
from mxnet_audio.features import htk
from mxnet_audio.features.cepstral import mfcc
from mxnet_audio.features.chroma import chroma
from mxnet_audio.features.config import AudioFeatureConfig
from mxnet_audio.features.spectral import log_mel, melspectrogram

__all__ = ["as_image", "extract", "load_features"]

_FUNCTIONS = {
    "log_mel": log_mel,
    "mel": melspectrogram,
    "mfcc": mfcc,
    "chroma": chroma,
    "stft": htk.stft_magnitude,
    "stft_phase": htk.stft_phase,
    "fbank": htk.fbank,
    "group_delay": htk.group_delay,
}
_OURS = {"type", "sr", "n_frames"}  # keys that are no arguments of those functions
_OURS_OF_LUDWIGS = {"type", "sr", "norm", "audio_file_length_limit_in_s", "padding_value", "crop"}
_LEAST = 1e-10


def extract(y: np.ndarray, sr: float, config: AudioFeatureConfig) -> np.ndarray:
    """Features of samples.

    Samples are brought to ``config.sr``. For librosa's types they are, where ``config.n_frames`` is set, fitted
    (centred crop, or zeros at the end) to the length that gives exactly so many frames. For Ludwig's types the
    features are cut (at the end, or with ``crop='middle'`` at both) or padded at the end; with ``norm='per_file'``
    each column is brought to mean 0 and deviation 1 before that, over the whole sound (a constant column becomes 0).
    Without it only the samples within the limit are transformed.

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
    np.ndarray [shape=(..., *config.shape)], float32
        Bands x frames, or for Ludwig's types frames x bands: ``config.time_axis`` is the frames'.

    Raises
    ------
    FeatureError
        There are no samples, or fewer than one frame needs, or the configuration does not suit the rate or asks
        for more than the memory holds.
    InvalidAudioError
        Some samples are NaN or infinite, or the rate is not above zero.

    Examples
    --------
    >>> extract(np.ones(44100, np.float32), 44100, AudioFeatureConfig(n_frames=47)).shape
    (96, 47)
    >>> extract(np.ones(44100, np.float32), 44100, AudioFeatureConfig(type="fbank", sr=16000)).shape
    (374, 80)
    """
    y = np.asarray(y, dtype=np.float32)
    if y.ndim == 0 or y.shape[-1] == 0:
        raise FeatureError("there are no samples")
    if not (sr > 0 and math.isfinite(sr)):
        raise InvalidAudioError(f"sampling rates must be above 0 Hz, got {sr}")
    if config.reach is not None:
        y = y[..., : math.ceil(config.reach * sr)]
    # NaN spreads to both; no mask as large as the sound is made.
    if y.size and not (math.isfinite(y.min()) and math.isfinite(y.max())):
        raise InvalidAudioError("some samples are NaN or infinite")
    if config.sr is not None:
        y, sr = audio.resample(y, sr, config.sr), config.sr
        if y.shape[-1] == 0:
            raise FeatureError(f"there are no samples left at {sr} Hz")
    return _bands(y, config) if config.time_axis == -1 else _time_major(y, sr, config)


def _bands(y: np.ndarray, config: AudioFeatureConfig) -> np.ndarray:
    if config.n_samples is not None:
        y = audio.fit_length(y, config.n_samples)
    arguments = {key: value for key, value in config.identity().items() if key not in _OURS}
    # With a hop of one sample, a single frame is one less than the shortest sound gives.
    return _FUNCTIONS[config.type](y, config.sr, **arguments)[..., : config.n_frames]


def _time_major(y: np.ndarray, sr: float, config: AudioFeatureConfig) -> np.ndarray:
    rows, samples = config.limit(sr)
    if config.norm is None:
        y = y[..., _kept(y.shape[-1], samples, config.crop)]
    if config.type == "raw":
        features = y[..., np.newaxis]
    else:
        arguments = {key: value for key, value in config.identity().items() if key not in _OURS_OF_LUDWIGS}
        features = _FUNCTIONS[config.type](y, sr, **arguments)
    if config.norm == "per_file":
        features = _standardised(features)
    try:
        out = np.full((*features.shape[:-2], rows, features.shape[-1]), config.padding_value, dtype=np.float32)
    except (MemoryError, ValueError):  # ValueError: more than any memory holds
        limit = f"audio_file_length_limit_in_s ({config.audio_file_length_limit_in_s:g} s)"
        raise FeatureError(f"{limit} makes {rows} rows, more than the memory holds") from None
    out[..., : features.shape[-2], :] = features[..., _kept(features.shape[-2], rows, config.crop), :]
    return out


def _kept(have: int, most: int, crop: str) -> slice:
    """Which of those that there are to keep, of at most so many."""
    start = max(0, have - most) // 2 if crop == "middle" else 0
    return slice(start, start + most)


def _standardised(features: np.ndarray) -> np.ndarray:
    """Each column [shape=(..., T, W)] with mean 0 and, unless it is constant, an unbiased deviation of 1."""
    x = features.astype(np.float64)  # in which sums of equal float32 values are exact: nothing is left of a constant
    x -= x.mean(axis=-2, keepdims=True)
    deviation = np.sqrt(np.square(x).sum(axis=-2, keepdims=True) / max(1, x.shape[-2] - 1))
    return x / (deviation + _LEAST)


def load_features(source: Any, config: AudioFeatureConfig) -> np.ndarray:
    """Features of a sound: the one way from a file, or whatever it comes as, to its features.

    Parameters
    ----------
    source : path, binary file object, bytes, (array, rate), or an audio entry
        The sound, as `audio.load` takes it.
    config : AudioFeatureConfig
        What to make. Where it has a length limit, no more of a file is decoded than that needs.

    Returns
    -------
    np.ndarray [shape=config.shape], float32

    Raises
    ------
    AudioError
        The sound cannot be decoded, is truncated, silent or too short. Every error names the file.

    Examples
    --------
    >>> load_features("missing.wav", AudioFeatureConfig())
    Traceback (most recent call last):
    ...
    mxnet_audio.errors.AudioDecodeError: missing.wav: no such file
    """
    with naming_errors(source_name(source)):
        if hasattr(source, "read") and not (hasattr(source, "seekable") and source.seekable()):
            source = source.read()  # it may be looked at twice
        y, sr = audio.load(source, sr=config.sr, duration=config.reach)
        # Beyond the limit lies what the resampler needs, and the click that it makes of a cut.
        within = y if config.reach is None else y[: config.limit(sr)[1]]
        try:
            audio.valid_audio(within, allow_silence=False)
        except InvalidAudioError:
            if config.reach is None:
                raise
            # Its beginning is silent; is all of it?
            audio.valid_audio(audio.load(source, sr=config.sr)[0], allow_silence=False)
        return extract(y, sr, config)


def as_image(x: np.ndarray, time_axis: int) -> np.ndarray:
    """Features as networks take them: a channel of bands x frames.

    Parameters
    ----------
    x : np.ndarray [shape=(..., bands, frames), or the other way round]
    time_axis : {-1, -2}
        Axis that is time: `AudioFeatureConfig.time_axis`.

    Returns
    -------
    np.ndarray [shape=(..., 1, bands, frames)]

    Examples
    --------
    >>> as_image(np.ones((374, 80)), time_axis=-2).shape
    (1, 80, 374)
    """
    return np.moveaxis(x, time_axis, -1)[..., np.newaxis, :, :]

"""Features of samples, or of a file, by a configuration."""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Integral
from typing import Any

import numpy as np

from mxnet_audio import audio
from mxnet_audio.audio.source import MAX_RATE, naming_errors, source_name
from mxnet_audio.audio.spans import load_used
from mxnet_audio.checks import real_number
from mxnet_audio.errors import FeatureError, InvalidAudioError, ParameterError
from mxnet_audio.features import htk
from mxnet_audio.features.cepstral import mfcc
from mxnet_audio.features.checks import as_array, check_flag, check_samples
from mxnet_audio.features.chroma import chroma
from mxnet_audio.features.config import AudioFeatureConfig
from mxnet_audio.features.hub_fbanks import ast_fbank, speechbrain_fbank
from mxnet_audio.features.hub_mels import panns_mel, whisper_mel
from mxnet_audio.features.pretrained import musicnn_mel, yamnet_mel
from mxnet_audio.features.spectral import log_mel, melspectrogram

__all__ = ["as_image", "extract", "frames_of", "load_features"]

_FUNCTIONS: dict[str, Callable[..., np.ndarray]] = {
    "log_mel": log_mel,
    "mel": melspectrogram,
    "mfcc": mfcc,
    "chroma": chroma,
    "stft": htk.stft_magnitude,
    "stft_phase": htk.stft_phase,
    "fbank": htk.fbank,
    "group_delay": htk.group_delay,
    "yamnet": yamnet_mel,
    "musicnn": musicnn_mel,
    "whisper": whisper_mel,
    "ast": ast_fbank,
    "panns": panns_mel,
    "speechbrain": speechbrain_fbank,
}
# Keys that are not arguments of these functions.
_CONFIG_KEYS = {"type", "sr", "n_frames"}
_LUDWIG_CONFIG_KEYS = {"type", "sr", "norm", "audio_file_length_limit_in_s", "padding_value", "crop"}
_EPSILON = 1e-10
_VARIANCE_OFFSET = 1e-7


def extract(y: np.ndarray, sr: float, config: AudioFeatureConfig) -> np.ndarray:
    """Compute the features of samples.

    Samples are resampled to ``config.sr``. For librosa's types and those of pretrained encoders, if ``config.n_frames``
    is set, they are fitted (middle crop, or zeros at the end) to the length that gives exactly this number of frames;
    of types ``whisper``, ``ast``, ``panns`` and ``speechbrain`` the start is kept, and ``ast`` is padded with frames.
    For Ludwig's types, the features are cut (at the end, or with ``crop='middle'`` at both ends) or padded at the end.
    With ``norm='per_file'``, each column is brought to mean 0 and deviation 1 over the whole sound before that (a
    constant column becomes 0); without it, only the samples within the limit are transformed. ``'unit_variance'`` does
    the same to raw samples within the limit, and leaves quiet sound below a deviation of 1.

    Parameters
    ----------
    y : np.ndarray [shape=(..., n)], float
        Samples.
    sr : number > 0 [Hz]
        Sampling rate.
    config : AudioFeatureConfig
        Features to compute.

    Returns
    -------
    np.ndarray [shape=(...) + config.shape], float32
        Bands x frames, or for Ludwig's types frames x bands: see ``config.time_axis``.

    Raises
    ------
    FeatureError
        There are no samples, or fewer than one frame needs; or the configuration does not suit the rate or
        its result does not fit in memory.
    InvalidAudioError
        Some samples are NaN or infinite.
    ParameterError
        ``sr`` is not above 0.

    Examples
    --------
    >>> extract(np.ones(44100, np.float32), 44100, AudioFeatureConfig(n_frames=47)).shape
    (96, 47)
    >>> extract(np.ones(44100, np.float32), 44100, AudioFeatureConfig(type="fbank", sr=16000)).shape
    (374, 80)
    """
    check_config(config)
    with np.errstate(over="ignore"):  # larger values become infinite, which is refused below
        y = check_samples(y).astype(np.float32, copy=False)
    real_number("sr", sr, above=0, maximum=MAX_RATE)
    if config.reach is not None:
        y = y[..., : math.ceil(config.reach * sr)]
    # NaN spreads to both, and no mask as large as the sound is allocated.
    if y.size and not (math.isfinite(y.min()) and math.isfinite(y.max())):
        raise InvalidAudioError("some samples are NaN or infinite")
    if config.sr is not None:
        y, sr = audio.resample(y, sr, config.sr), config.sr
        if y.shape[-1] == 0:
            raise FeatureError(f"there are no samples left at {sr} Hz")
    return _bands_by_frames(y, config) if config.time_axis == -1 else _frames_by_bands(y, sr, config)


def _bands_by_frames(y: np.ndarray, config: AudioFeatureConfig) -> np.ndarray:
    n_samples = config.n_samples
    if n_samples is not None and config.kept_part == "start":
        y = y[..., :n_samples]
    if config.type == "ast":  # pads frames
        return frames_of(y, config, max_length=config.n_frames)
    if n_samples is not None:
        try:
            y = audio.fit_length(y, n_samples)
        except (MemoryError, OverflowError, TypeError, ValueError):  # the others: more than any memory holds
            reason = f"n_frames ({config.n_frames}) needs {n_samples} samples, which do not fit in memory"
            raise FeatureError(reason) from None
    # With a hop of one sample, even the shortest sound gives one frame too many.
    return frames_of(y, config)[..., : config.n_frames]


def frames_of(y: np.ndarray, config: AudioFeatureConfig, **changed: Any) -> np.ndarray:
    """Compute all frames of samples at ``config.sr``, of librosa's types and those of pretrained encoders.

    Parameters
    ----------
    y : np.ndarray [shape=(..., n)], float32
        Samples.
    config : AudioFeatureConfig
        Features to compute.
    **changed
        Arguments of the type's function that differ from the configuration.

    Returns
    -------
    np.ndarray [shape=(..., bands, frames)], float32
    """
    arguments = {key: value for key, value in config.identity().items() if key not in _CONFIG_KEYS}
    return _FUNCTIONS[config.type](y, config.sr, **arguments | changed)


def _frames_by_bands(y: np.ndarray, sr: float, config: AudioFeatureConfig) -> np.ndarray:
    rows, samples = config.limit(sr)
    if config.norm != "per_file":
        y = y[..., _crop_slice(y.shape[-1], samples, config.crop)]
    if config.type == "raw":
        features = y[..., np.newaxis]
    else:
        arguments = {key: value for key, value in config.identity().items() if key not in _LUDWIG_CONFIG_KEYS}
        features = _FUNCTIONS[config.type](y, sr, **arguments)
    if config.norm is not None:
        features = _normalize(features, config.norm)
    try:
        out = np.full((*features.shape[:-2], rows, features.shape[-1]), config.padding_value, dtype=np.float32)
    except (MemoryError, ValueError):  # ValueError: more than any memory holds
        limit = f"audio_file_length_limit_in_s ({config.audio_file_length_limit_in_s:g} s)"
        raise FeatureError(f"{limit} needs {rows} rows, which do not fit in memory") from None
    out[..., : features.shape[-2], :] = features[..., _crop_slice(features.shape[-2], rows, config.crop), :]
    return out


def _crop_slice(length: int, limit: int, crop: str) -> slice:
    """Return the slice that keeps at most ``limit`` of ``length`` items."""
    start = max(0, length - limit) // 2 if crop == "middle" else 0
    return slice(start, start + limit)


def _normalize(features: np.ndarray, norm: str) -> np.ndarray:
    """Bring each column [shape=(..., T, W)] to mean 0 and, unless it is constant, to a deviation of 1."""
    x = features.astype(np.float64)  # sums of equal float32 values are exact here, so that constants become 0
    x -= x.mean(axis=-2, keepdims=True)
    energy, n = np.square(x).sum(axis=-2, keepdims=True), x.shape[-2]
    if norm == "unit_variance":  # as Wav2Vec2FeatureExtractor
        return x / np.sqrt(energy / n + _VARIANCE_OFFSET)
    return x / (np.sqrt(energy / max(1, n - 1)) + _EPSILON)


def load_features(source: Any, config: AudioFeatureConfig, *, pad: bool = True) -> np.ndarray:
    """Load a sound and compute its features.

    Parameters
    ----------
    source : path, binary file object, bytes, (array, rate), or an audio entry
        Sound, as for `audio.load`.
    config : AudioFeatureConfig
        Features to compute. If it has a length limit, no more of a long file is read than necessary.
    pad : bool
        False leaves sound that is shorter than the length of the features as short as it is.

    Returns
    -------
    np.ndarray [shape=config.shape], float32
        With fewer frames if the sound has fewer, without `pad`.

    Raises
    ------
    FeatureError
        If `pad` is not True or False.
    AudioError
        The sound cannot be decoded, or is truncated, silent or too short. Every error names the file.

    Examples
    --------
    >>> load_features("missing.wav", AudioFeatureConfig())
    Traceback (most recent call last):
    ...
    mxnet_audio.errors.AudioDecodeError: missing.wav: no such file
    """
    check_config(config)
    check_flag(pad=pad)
    with naming_errors(source_name(source)):
        y, sr = load_used(source, config.sr, reach=config.reach, **_used(config))
        return extract(y, sr, config if pad else _without_padding(config, y.shape[-1], sr))


def _without_padding(config: AudioFeatureConfig, n: int, sr: float) -> AudioFeatureConfig:
    """Return the configuration of the features that n samples have without padding."""
    if config.time_axis == -2:
        seconds = min(config.audio_file_length_limit_in_s, (n + 0.5) / sr)  # half a sample: the product is rounded down
        return config.model_copy(update={"audio_file_length_limit_in_s": seconds})
    is_shorter = config.n_samples is not None and n < config.n_samples
    return config.model_copy(update={"n_frames": None}) if is_shorter else config


def _used(config: AudioFeatureConfig) -> dict[str, int | None]:
    """Return the length [samples] of the part of a sound that its features depend on, as `load_used` takes it."""
    if config.sr is None or config.norm == "per_file":
        return {}
    used = config.n_samples if config.time_axis == -1 else config.limit(config.sr)[1]
    return {"middle" if config.kept_part == "middle" else "used": used}


def check_config(config: AudioFeatureConfig) -> None:
    """Raise ParameterError unless an argument is a feature configuration."""
    if not isinstance(config, AudioFeatureConfig):
        raise ParameterError(f"config must be an AudioFeatureConfig, got {type(config).__name__}")


def as_image(x: np.ndarray, time_axis: int) -> np.ndarray:
    """Arrange features as the input of a network: a channel of bands x frames.

    Parameters
    ----------
    x : np.ndarray [shape=(..., bands, frames) or (..., frames, bands)]
        Features.
    time_axis : {-1, -2}
        Axis of the frames: `AudioFeatureConfig.time_axis`.

    Returns
    -------
    np.ndarray [shape=(..., 1, bands, frames)]

    Raises
    ------
    ParameterError
        ``time_axis`` is neither, or there are fewer than two axes.

    Examples
    --------
    >>> as_image(np.ones((374, 80)), time_axis=-2).shape
    (1, 80, 374)
    """
    if not isinstance(time_axis, Integral) or time_axis not in (-1, -2):
        raise ParameterError(f"time_axis must be -1 or -2, got {time_axis!r}")
    x = as_array("x", x)
    if x.ndim < 2:
        raise ParameterError(f"x must have bands and frames, got shape {x.shape}")
    return np.moveaxis(x, time_axis, -1)[..., np.newaxis, :, :]

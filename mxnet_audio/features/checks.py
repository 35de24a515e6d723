"""Checks of the samples and parameters that features and their Gluon blocks share."""

from __future__ import annotations

import sys
from numbers import Integral, Real
from typing import Any, Literal

import numpy as np

from mxnet_audio.audio.source import MAX_RATE
from mxnet_audio.errors import FeatureError, InvalidAudioError

__all__ = [
    "MIN_AMIN",
    "as_array",
    "check_bands",
    "check_decibels",
    "check_fixed_rate",
    "check_flag",
    "check_frames",
    "check_minimum",
    "check_rate",
    "check_real",
    "check_samples",
]

MIN_AMIN = float(np.finfo(np.float32).tiny)  # smaller values become 0, whose logarithm is infinite
_MAX_POWER = float(np.finfo(np.float32).max)
_MAX_NUMBER = 1 << 24  # of samples in a frame, of bands: far more than any transform has


def check_samples(y: Any) -> np.ndarray:
    """Return samples as an array of floats; FeatureError, or InvalidAudioError for integers, if they are none."""
    y = as_array("y", y)
    if y.ndim == 0 or y.shape[-1] == 0:
        raise FeatureError("there are no samples")
    if np.issubdtype(y.dtype, np.integer):
        raise InvalidAudioError(f"expected an array of floats, got {y.dtype}: load it, or divide it by its full scale")
    if not np.issubdtype(y.dtype, np.floating):
        raise FeatureError(f"y must be an array of floats, got {y.dtype}")
    return y


def check_frames(name: str, x: Any) -> np.ndarray:
    """Return features as a float32 array; FeatureError unless they are numbers [shape=(..., frames)]."""
    x = as_array(name, x)
    if x.ndim == 0 or not (np.issubdtype(x.dtype, np.integer) or np.issubdtype(x.dtype, np.floating)):
        raise FeatureError(f"{name} must be an array of numbers [shape=(..., frames)], got {x.shape} of {x.dtype}")
    return np.asarray(x, dtype=np.float32)


def as_array(name: str, value: Any) -> np.ndarray:
    """Return an argument as an array; FeatureError if it has none of one shape."""
    try:
        return np.asarray(value)
    except (TypeError, ValueError) as error:  # rows of different lengths
        raise FeatureError(f"{name} must be an array: {error}") from None


def check_minimum(minimum: int, **values: int) -> None:
    """Raise FeatureError unless the named numbers are whole and at least ``minimum``."""
    for name, value in values.items():
        whole = isinstance(value, Integral) and not isinstance(value, bool)
        if not whole or value < minimum:
            raise FeatureError(f"{name} must be a whole number >= {minimum}, got {value!r}")
        if value > _MAX_NUMBER:
            raise FeatureError(f"{name} must be at most {_MAX_NUMBER}, got {value!r}")


def check_real(name: str, value: Any, minimum: float, maximum: float = sys.float_info.max) -> None:
    """Raise FeatureError unless a value is a number within limits."""
    number: Any = value
    if not (isinstance(value, Real) and minimum <= number <= maximum):
        limits = f">= {minimum:g}" if maximum == sys.float_info.max else f"from {minimum:g} to {maximum:g}"
        raise FeatureError(f"{name} must be a number {limits}, got {value!r}")


def check_flag(**values: bool) -> None:
    """Raise FeatureError unless the named values are True or False, or 1 or 0."""
    for name, value in values.items():
        if not isinstance(value, Integral | np.bool_) or value not in (0, 1):
            raise FeatureError(f"{name} must be True or False, got {value!r}")


def check_rate(sr: float) -> None:
    """Raise FeatureError unless a sampling rate is above 0 and at most 10 million."""
    if not (isinstance(sr, Real) and 0 < sr <= MAX_RATE):
        raise FeatureError(f"sr must be above 0 Hz and at most {MAX_RATE} Hz, got {sr!r}")


def check_fixed_rate(encoder: str, sr: float, needed: int) -> None:
    """Raise FeatureError unless a sampling rate is the one of an encoder's features."""
    if not (isinstance(sr, Real) and sr == needed):
        raise FeatureError(f"sr must be {needed} Hz for {encoder}, got {sr!r}: resample the sound")


def check_bands(sr: float, fmin: float, fmax: float | None) -> None:
    """Raise FeatureError unless ``fmin`` to ``fmax`` is a range within 0 to ``sr / 2``."""
    check_rate(sr)
    for name, value in (("fmin", fmin), ("fmax", fmax)):
        if not (name == "fmax" and value is None):
            check_real(name, value, -MAX_RATE, MAX_RATE)
    top = sr / 2 if fmax is None else fmax
    if not top <= sr / 2:
        raise FeatureError(f"fmax ({top:g} Hz) is above sr / 2 ({sr / 2:g} Hz)")
    if not fmin >= 0:
        raise FeatureError(f"fmin ({fmin:g} Hz) is below 0")
    if not fmin < top:
        raise FeatureError(f"fmin ({fmin:g} Hz) is not below fmax ({top:g} Hz)")


def check_decibels(ref: float | Literal["max"], amin: float, top_db: float | None) -> None:
    """Raise FeatureError unless these parameters of a conversion to decibels are in range."""
    if not (ref == "max" if isinstance(ref, str) else isinstance(ref, Real) and 0 < ref <= _MAX_POWER):
        raise FeatureError(f"ref must be above 0, or 'max', got {ref!r}")
    if not (isinstance(amin, Real) and MIN_AMIN <= amin <= _MAX_POWER):
        raise FeatureError(f"amin must be >= {MIN_AMIN:.3g}, got {amin!r}")
    if top_db is not None and not (isinstance(top_db, Real) and 0 <= top_db <= _MAX_POWER):
        raise FeatureError(f"top_db must be >= 0, got {top_db!r}")

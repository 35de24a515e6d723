"""Checks of the parameters that features and their Gluon blocks share."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Literal

import numpy as np

from mxnet_audio.errors import FeatureError

__all__ = ["MIN_AMIN", "check_bands", "check_decibels", "check_minimum", "check_rate"]

MIN_AMIN = float(np.finfo(np.float32).tiny)  # smaller values become 0, whose logarithm is infinite


def check_minimum(minimum: int, **values: int) -> None:
    """Raise FeatureError unless the named numbers are whole and at least ``minimum``."""
    for name, value in values.items():
        if not isinstance(value, Integral) or value < minimum:
            raise FeatureError(f"{name} must be a whole number >= {minimum}, got {value!r}")


def check_rate(sr: float) -> None:
    """Raise FeatureError unless a sampling rate is above 0 and finite."""
    if not (isinstance(sr, Real) and 0 < sr < np.inf):
        raise FeatureError(f"sr must be above 0 Hz, got {sr!r}")


def check_bands(sr: float, fmin: float, fmax: float | None) -> None:
    """Raise FeatureError unless ``fmin`` to ``fmax`` is a range within 0 to ``sr / 2``."""
    check_rate(sr)
    for name, value in (("fmin", fmin), ("fmax", fmax)):
        if not isinstance(value, Real) and not (name == "fmax" and value is None):
            raise FeatureError(f"{name} must be a number, got {value!r}")
    top = sr / 2 if fmax is None else fmax
    if not top <= sr / 2:
        raise FeatureError(f"fmax ({top:g} Hz) is above sr / 2 ({sr / 2:g} Hz)")
    if not fmin >= 0:
        raise FeatureError(f"fmin ({fmin:g} Hz) is below 0")
    if not fmin < top:
        raise FeatureError(f"fmin ({fmin:g} Hz) is not below fmax ({top:g} Hz)")


def check_decibels(ref: float | Literal["max"], amin: float, top_db: float | None) -> None:
    """Raise FeatureError unless these parameters of a conversion to decibels are in range."""
    if not (ref == "max" if isinstance(ref, str) else isinstance(ref, Real) and ref > 0):
        raise FeatureError(f"ref must be above 0, or 'max', got {ref!r}")
    if not (isinstance(amin, Real) and amin >= MIN_AMIN):
        raise FeatureError(f"amin must be >= {MIN_AMIN:.3g}, got {amin!r}")
    if top_db is not None and not (isinstance(top_db, Real) and top_db >= 0):
        raise FeatureError(f"top_db must be >= 0, got {top_db!r}")

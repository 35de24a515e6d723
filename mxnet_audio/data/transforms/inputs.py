"""Checks of the arrays that transforms are given."""

from __future__ import annotations

from typing import Any

import numpy as np

from mxnet_audio import audio
from mxnet_audio.errors import InvalidAudioError

__all__ = ["as_numbers", "as_samples", "as_spectrogram"]


def as_samples(x: Any) -> np.ndarray:
    """Return samples as float32.

    Parameters
    ----------
    x : array of floats [shape=(..., n)]

    Returns
    -------
    np.ndarray [shape=(..., n)], float32
        ``x`` itself if it is float32.

    Raises
    ------
    InvalidAudioError
        If it is empty, has no axis, holds NaN or infinity, or is not of floats.
    """
    x = np.asarray(x)
    if np.issubdtype(x.dtype, np.floating) and x.dtype != np.float32:
        with np.errstate(over="ignore"):  # values beyond float32 become infinite, which valid_audio refuses
            x = x.astype(np.float32)
    audio.valid_audio(x if x.ndim < 3 else x.ravel())
    return x


def as_numbers(x: Any) -> np.ndarray:
    """Return samples like `as_samples`, but integers as they are.

    Parameters
    ----------
    x : array of floats or integers [shape=(..., n)]

    Returns
    -------
    np.ndarray [shape=(..., n)], float32 or integers

    Raises
    ------
    InvalidAudioError
        As `as_samples`.
    """
    x = np.asarray(x)
    if not np.issubdtype(x.dtype, np.integer):
        return as_samples(x)
    if x.size == 0 or x.ndim == 0:
        raise InvalidAudioError(f"there are no samples, only an array of shape {x.shape}")
    return x


def as_spectrogram(x: Any) -> np.ndarray:
    """Return a spectrogram as float32.

    Parameters
    ----------
    x : array of numbers [shape=(..., bands, frames)]

    Returns
    -------
    np.ndarray [shape=(..., bands, frames)], float32

    Raises
    ------
    InvalidAudioError
        If it is empty, has fewer than two axes, or is not of numbers.
    """
    x = np.asarray(x)
    if x.ndim < 2 or x.size == 0 or not np.issubdtype(x.dtype, np.number):
        raise InvalidAudioError(f"expected a spectrogram (..., bands, frames), got shape {x.shape} of {x.dtype}")
    return np.asarray(x, dtype=np.float32)

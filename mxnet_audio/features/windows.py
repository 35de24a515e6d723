"""Window functions, equal to SciPy's bit for bit.

The usual ones are computed here, since importing `scipy.signal` takes 0.3 s.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from mxnet_audio.errors import FeatureError
from mxnet_audio.features.checks import check_minimum

__all__ = ["get_window", "window_weights"]

# Weights of the cosines of 0, 1, 2, … times the phase. SciPy computes the second of hamming as a difference, too.
_COSINE_SUMS = {"boxcar": (1.0,), "hann": (0.5, 0.5), "hamming": (0.54, 1 - 0.54), "blackman": (0.42, 0.5, 0.08)}


def get_window(name: str | tuple[Any, ...] | float, length: int, *, periodic: bool = True) -> np.ndarray:
    """Return a window by name.

    Parameters
    ----------
    name : str
        A window that `scipy.signal.get_window` finds by its name alone.
    length : int >= 0 [samples]
        Length of the window.
    periodic : bool
        True for a period of a periodic function, as a Fourier transform needs; False for a symmetric window.

    Returns
    -------
    np.ndarray [shape=(length,)], float64

    Raises
    ------
    FeatureError
        SciPy has no such window, or it needs parameters.

    Examples
    --------
    >>> get_window("hann", 4), get_window("hann", 3, periodic=False)
    (array([0. , 0.5, 1. , 0.5]), array([0., 1., 0.]))
    """
    if not (isinstance(name, str) and name in (*_COSINE_SUMS, "bartlett")):
        from scipy import signal

        try:
            return signal.get_window(name, length, fftbins=periodic)
        except (ValueError, TypeError, OverflowError):
            raise FeatureError(f"window must be the name of a SciPy window without parameters, got {name!r}") from None
    if length <= 1:
        return np.ones(length)
    n = length + periodic
    if name == "bartlett":
        ramp = np.arange(n)
        weights = np.where(ramp <= (n - 1) / 2, 2.0 * ramp / (n - 1), 2.0 - 2.0 * ramp / (n - 1))
    else:
        phase = np.linspace(-np.pi, np.pi, n)
        weights = np.zeros(n)
        for k, weight in enumerate(_COSINE_SUMS[name]):
            weights += weight * np.cos(k * phase)
    return weights[:length]


def window_weights(name: str | tuple[Any, ...] | float, win_length: int | None, n_fft: int) -> np.ndarray:
    """Return a periodic window in the middle of a frame.

    Parameters
    ----------
    name : str
        As for `get_window`.
    win_length : int > 0 or None [samples]
        Length of the window, at most ``n_fft``; None is ``n_fft``.
    n_fft : int > 0 [samples]
        Length of the frame.

    Returns
    -------
    np.ndarray [shape=(n_fft,)], float32
        The window, with zeros on both sides. Shared: do not write to it.

    Raises
    ------
    FeatureError
        A parameter is out of range; it is named.
    """
    win_length = n_fft if win_length is None else win_length
    check_minimum(1, n_fft=n_fft, win_length=win_length)
    if win_length > n_fft:
        raise FeatureError(f"win_length ({win_length}) is above n_fft ({n_fft})")
    try:
        return _window_weights(name, win_length, n_fft)
    except TypeError:  # a name that cannot be hashed
        raise FeatureError(f"window must be the name of a SciPy window without parameters, got {name!r}") from None


@lru_cache(maxsize=32)
def _window_weights(name: str | tuple[Any, ...] | float, win_length: int, n_fft: int) -> np.ndarray:
    before = (n_fft - win_length) // 2
    weights = np.pad(get_window(name, win_length), (before, n_fft - win_length - before)).astype(np.float32)
    weights.setflags(write=False)
    return weights

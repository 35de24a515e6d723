"""Mel-frequency cepstral coefficients and their deltas, equal to librosa's."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.fft
from scipy.signal import savgol_filter

from mxnet_audio.errors import FeatureError
from mxnet_audio.features.spectral import log_mel

__all__ = ["check_delta", "delta", "mfcc"]


def mfcc(
    y: np.ndarray,
    sr: float,
    *,
    n_mfcc: int = 20,
    dct_type: int = 2,
    dct_norm: str | None = "ortho",
    lifter: float = 0.0,
    deltas: int = 0,
    delta_width: int = 9,
    **kwargs: Any,
) -> np.ndarray:
    """Mel-frequency cepstral coefficients: a cosine transform of `log_mel` along its bands.

    Parameters
    ----------
    y : np.ndarray [shape=(..., n)], float
        Samples.
    sr : number > 0 [Hz]
        Sampling rate.
    n_mfcc : int > 0
        Number of coefficients, at most that of the bands.
    dct_type : 1, 2, 3 or 4
        Kind of cosine transform.
    dct_norm : 'ortho' or None
        An orthonormal transform, or SciPy's plain one.
    lifter : float >= 0
        Weight coefficient ``k`` (from 1) by ``1 + lifter / 2 * sin(pi * k / lifter)``; 0 leaves them alone.
    deltas : int >= 0
        Stack the first so many orders of `delta` below the coefficients.
    delta_width : odd int >= 3 [frames]
        Width of their window.
    **kwargs
        The others of `log_mel`.

    Returns
    -------
    np.ndarray [shape=(..., n_mfcc * (1 + deltas), frames)], float32

    Raises
    ------
    FeatureError
        As `log_mel` and `delta`, there are fewer bands than coefficients, or another parameter is out of range.

    See Also
    --------
    librosa.feature.mfcc : the definition that this follows; ``top_db`` counts from each item's own peak here.

    Examples
    --------
    >>> mfcc(np.ones(12000, np.float32), 12000, n_fft=512, hop_length=256, n_mels=40, deltas=2).shape
    (60, 47)
    """
    decibels = log_mel(y, sr, **kwargs)
    _check(decibels.shape[-2], n_mfcc, dct_type, dct_norm, lifter)
    # Not as a product of matrices: OpenBLAS' threads go on turning for a while after each, and take the time of those
    # that read other files.
    every = scipy.fft.dct(decibels, type=dct_type, norm=dct_norm, axis=-2, overwrite_x=True, workers=1)
    coefficients = every[..., :n_mfcc, :].copy()
    if lifter > 0:
        weights = 1 + lifter / 2 * np.sin(np.pi * np.arange(1, 1 + n_mfcc) / lifter)
        coefficients *= weights[:, np.newaxis].astype(np.float32)
    if not deltas:
        return coefficients
    orders = [delta(coefficients, width=delta_width, order=order) for order in range(1, deltas + 1)]
    return np.concatenate([coefficients, *orders], axis=-2)


def delta(x: np.ndarray, *, width: int = 9, order: int = 1) -> np.ndarray:
    """Local derivative along time, by a Savitzky-Golay filter of degree ``order``.

    Parameters
    ----------
    x : np.ndarray [shape=(..., frames)], float
        Features.
    width : odd int >= 3 [frames]
        Width of the filter; at both ends the outermost polynomial goes on (librosa's mode 'interp').
    order : int > 0
        Which derivative.

    Returns
    -------
    np.ndarray [shape=(..., frames)], float32

    Raises
    ------
    FeatureError
        ``width`` is even, below 3, not above ``order``, or more than there are frames.

    See Also
    --------
    librosa.feature.delta : the definition that this follows.

    Examples
    --------
    >>> delta(np.arange(5.0) ** 2, width=3)
    array([2., 2., 4., 6., 6.], dtype=float32)
    """
    x = np.asarray(x, dtype=np.float32)
    check_delta(width, order, x.shape[-1] if x.ndim else 0)
    return savgol_filter(x, width, polyorder=order, deriv=order, axis=-1, mode="interp")


def check_delta(width: int, order: int, frames: int | None) -> None:
    """Raise when `delta` cannot be taken.

    Parameters
    ----------
    width, order : int
        As for `delta`.
    frames : int or None
        How many there are; None when that is not known yet.

    Raises
    ------
    FeatureError
        As `delta`.

    Examples
    --------
    >>> check_delta(9, 1, 5)
    Traceback (most recent call last):
    ...
    mxnet_audio.errors.FeatureError: delta_width (9) is above the number of frames (5)
    """
    if width < 3 or width % 2 == 0:
        raise FeatureError(f"delta_width must be odd and 3 or more, got {width}")
    if not 1 <= order < width:
        raise FeatureError(f"deltas of order {order} need an order of 1 or more, below delta_width ({width})")
    if frames is not None and width > frames:
        raise FeatureError(f"delta_width ({width}) is above the number of frames ({frames})")


def _check(n_mels: int, n_mfcc: int, dct_type: int, dct_norm: str | None, lifter: float) -> None:
    if not 1 <= n_mfcc <= n_mels:
        raise FeatureError(f"n_mfcc ({n_mfcc}) must be 1 or more, and at most the number of bands ({n_mels})")
    if dct_type not in (1, 2, 3, 4) or dct_norm not in ("ortho", None):
        raise FeatureError(f"dct_type must be 1 to 4 and dct_norm 'ortho' or None, got {dct_type} and {dct_norm!r}")
    if dct_type == 1 and n_mels < 2:
        raise FeatureError("dct_type 1 needs 2 bands or more")
    if not lifter >= 0:
        raise FeatureError(f"lifter must be 0 or more, got {lifter}")

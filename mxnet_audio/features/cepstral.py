"""Mel-frequency cepstral coefficients and their deltas, equal to librosa's."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
import scipy.fft

from mxnet_audio.errors import FeatureError
from mxnet_audio.features.checks import check_frames, check_minimum, check_real
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
    """Compute mel-frequency cepstral coefficients: a cosine transform of `log_mel` along its bands.

    Parameters
    ----------
    y : np.ndarray [shape=(..., n)], float
        Samples.
    sr : number > 0 [Hz]
        Sampling rate.
    n_mfcc : int > 0
        Number of coefficients, at most the number of bands.
    dct_type : 1, 2, 3 or 4
        Type of the cosine transform.
    dct_norm : 'ortho' or None
        'ortho' for an orthonormal transform, None for SciPy's plain one.
    lifter : float >= 0
        Coefficient ``k`` (from 1) is multiplied by ``1 + lifter / 2 * sin(pi * k / lifter)``; 0 weights nothing.
    deltas : int >= 0
        Number of orders of `delta` that are stacked below the coefficients.
    delta_width : odd int >= 3 [frames]
        Width of the filter of `delta`.
    **kwargs
        Other parameters of `log_mel`.

    Returns
    -------
    np.ndarray [shape=(..., n_mfcc * (1 + deltas), frames)], float32

    Raises
    ------
    FeatureError
        As `log_mel` and `delta`; or there are fewer bands than coefficients, or a parameter is out of range.

    See Also
    --------
    librosa.feature.mfcc : the definition that this follows, except that ``top_db`` refers to the peak of each item.

    Examples
    --------
    >>> mfcc(np.ones(12000, np.float32), 12000, n_fft=512, hop_length=256, n_mels=40, deltas=2).shape
    (60, 47)
    """
    check_minimum(0, deltas=deltas)
    decibels = log_mel(y, sr, **kwargs)
    _check_parameters(decibels.shape[-2], n_mfcc, dct_type, dct_norm, lifter)
    # Not as a product of matrices: after each product OpenBLAS' threads keep spinning for a while, and take time from
    # the threads that read other files.
    transformed = scipy.fft.dct(decibels, type=dct_type, norm=dct_norm, axis=-2, overwrite_x=True, workers=1)
    coefficients = transformed[..., :n_mfcc, :].copy()
    if lifter > 0:
        weights = 1 + lifter / 2 * np.sin(np.pi * np.arange(1, 1 + n_mfcc) / lifter)
        coefficients *= weights[:, np.newaxis].astype(np.float32)
    if not deltas:
        return coefficients
    orders = [delta(coefficients, width=delta_width, order=order) for order in range(1, deltas + 1)]
    return np.concatenate([coefficients, *orders], axis=-2)


def delta(x: np.ndarray, *, width: int = 9, order: int = 1) -> np.ndarray:
    """Compute the local derivative along time with a Savitzky-Golay filter of degree ``order``.

    Parameters
    ----------
    x : np.ndarray [shape=(..., frames)], float
        Features.
    width : odd int >= 3 [frames]
        Width of the filter; the outermost polynomials extend to both ends (librosa's mode 'interp').
    order : int > 0
        Order of the derivative.

    Returns
    -------
    np.ndarray [shape=(..., frames)], float32

    Raises
    ------
    FeatureError
        ``width`` is even, below 3, not above ``order``, or above the number of frames.

    See Also
    --------
    librosa.feature.delta : the definition that this follows.

    Examples
    --------
    >>> delta(np.arange(5.0) ** 2, width=3)
    array([2., 2., 4., 6., 6.], dtype=float32)
    """
    from scipy.signal import savgol_filter  # takes as long to import as all other features

    x = check_frames("x", x)
    check_delta(width, order, x.shape[-1])
    return savgol_filter(x, width, polyorder=order, deriv=order, axis=-1, mode="interp")


def check_delta(width: int, order: int, frames: int | None) -> None:
    """Raise FeatureError if `delta` cannot be computed.

    Parameters
    ----------
    width, order : int
        As for `delta`.
    frames : int or None
        Number of frames; None if it is not known yet.

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
    check_minimum(1, order=order)
    if not isinstance(width, Integral) or width < 3 or width % 2 == 0:
        raise FeatureError(f"delta_width must be odd and >= 3, got {width!r}")
    if order >= width:
        raise FeatureError(f"the order of deltas must be >= 1 and below delta_width ({width}), got {order}")
    if frames is not None and width > frames:
        raise FeatureError(f"delta_width ({width}) is above the number of frames ({frames})")


def _check_parameters(n_mels: int, n_mfcc: int, dct_type: int, dct_norm: str | None, lifter: float) -> None:
    check_minimum(1, n_mfcc=n_mfcc)
    if n_mfcc > n_mels:
        raise FeatureError(f"n_mfcc must be between 1 and the number of bands ({n_mels}), got {n_mfcc}")
    if not isinstance(dct_type, Integral) or dct_type not in (1, 2, 3, 4):
        raise FeatureError(f"dct_type must be 1, 2, 3 or 4, got {dct_type!r}")
    if not (dct_norm is None or (isinstance(dct_norm, str) and dct_norm == "ortho")):
        raise FeatureError(f"dct_norm must be 'ortho' or None, got {dct_norm!r}")
    if dct_type == 1 and n_mels < 2:
        raise FeatureError(f"dct_type 1 needs n_mels >= 2, got {n_mels}")
    check_real("lifter", lifter, 0)

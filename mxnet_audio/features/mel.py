"""Mel filters, equal to librosa's bit for bit.

They are computed here, since importing librosa takes 0.6 s.
"""

from __future__ import annotations

import warnings
from functools import lru_cache
from typing import Any

import numpy as np
import scipy.sparse

from mxnet_audio.errors import FeatureError
from mxnet_audio.features.checks import check_bands, check_flag, check_minimum

__all__ = ["mel_filters", "sparse_mel_filters", "triangles"]

# Slaney's mel scale (Auditory Toolbox, 1998): linear up to 1000 Hz, logarithmic above.
_LINEAR_STEP = 200.0 / 3
_LOG_START_HZ = 1000.0
_LOG_START_MEL = _LOG_START_HZ / _LINEAR_STEP
_LOG_STEP = np.log(6.4) / 27.0


def mel_filters(
    sr: float,
    n_fft: int,
    n_mels: int = 128,
    fmin: float = 0.0,
    fmax: float | None = None,
    htk: bool = False,
    norm: str | None = "slaney",
) -> np.ndarray:
    """Return triangular mel filters, equal to librosa's bit for bit, computed once.

    Parameters
    ----------
    sr : number > 0 [Hz]
        Sampling rate.
    n_fft : int > 0 [samples]
        Length of the transform.
    n_mels : int > 0
        Number of bands.
    fmin, fmax : float [Hz]
        Range of the bands; ``fmax`` None is ``sr / 2``.
    htk : bool
        HTK's mel scale in place of Slaney's.
    norm : 'slaney' or None
        Bands of equal area, or of equal height.

    Returns
    -------
    np.ndarray [shape=(n_mels, 1 + n_fft // 2)], float32
        Read-only, since it is shared.

    Raises
    ------
    FeatureError
        A parameter is out of range; it is named.

    Examples
    --------
    >>> mel_filters(12000, 512, 96).shape
    (96, 257)
    """
    return _mel_filters(*_checked(sr, n_fft, n_mels, fmin, fmax, htk, norm))


def _checked(
    sr: float, n_fft: int, n_mels: int, fmin: float, fmax: float | None, htk: bool, norm: str | None
) -> tuple[Any, ...]:
    """Return the parameters of `mel_filters` if they are in range, else raise FeatureError."""
    check_bands(sr, fmin, fmax)
    check_minimum(1, n_fft=n_fft, n_mels=n_mels)
    check_flag(htk=htk)
    if not (norm is None or (isinstance(norm, str) and norm == "slaney")):
        raise FeatureError(f"norm must be 'slaney' or None, got {norm!r}")
    return sr, n_fft, n_mels, fmin, fmax, htk, norm


@lru_cache(maxsize=32)
def _mel_filters(
    sr: float, n_fft: int, n_mels: int, fmin: float, fmax: float | None, htk: bool, norm: str | None
) -> np.ndarray:
    low, high = _hz_to_mel(fmin, htk), _hz_to_mel(float(sr) / 2 if fmax is None else fmax, htk)
    edges = _mel_to_hz(np.linspace(low, high, n_mels + 2), htk)
    filters = triangles(edges, np.fft.rfftfreq(n_fft, 1.0 / sr))
    if norm == "slaney":
        filters *= (2.0 / (edges[2:] - edges[:-2]))[:, np.newaxis]
    if not np.all((edges[:-2] == 0) | (filters.max(axis=1) > 0)):
        warnings.warn(
            f"some of {n_mels} mel bands lie between the frequencies of a transform of {n_fft} samples and stay empty: "
            "increase n_fft or reduce n_mels",
            stacklevel=3,
        )
    filters.setflags(write=False)
    return filters


def triangles(edges: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return overlapping triangles [shape=(len(edges) - 2, len(points))], float32, of height 1.

    Triangle ``i`` rises from ``edges[i]`` to ``edges[i + 1]``, and falls to ``edges[i + 2]``.
    """
    widths = np.diff(edges)
    ramps = np.subtract.outer(edges, points)
    out = np.empty((len(edges) - 2, len(points)), dtype=np.float32)
    for i, row in enumerate(out):
        rise, fall = -ramps[i] / widths[i], ramps[i + 2] / widths[i + 1]
        row[:] = np.maximum(0, np.minimum(rise, fall))
    return out


def sparse_mel_filters(*args: Any) -> scipy.sparse.csr_matrix:
    """Return `mel_filters` as a sparse matrix.

    A frequency lies in two bands at most: a sparse product does 2 % of the work of a dense one.
    """
    return _sparse_mel_filters(*_checked(*args))


@lru_cache(maxsize=32)
def _sparse_mel_filters(*args: Any) -> scipy.sparse.csr_matrix:
    return scipy.sparse.csr_matrix(_mel_filters(*args))


def _hz_to_mel(hz: float, htk: bool) -> float:
    if htk:
        return 2595.0 * np.log10(1.0 + hz / 700.0)
    if hz >= _LOG_START_HZ:
        return _LOG_START_MEL + np.log(hz / _LOG_START_HZ) / _LOG_STEP
    return hz / _LINEAR_STEP


def _mel_to_hz(mel: np.ndarray, htk: bool) -> np.ndarray:
    if htk:
        return 700.0 * (10.0 ** (mel / 2595.0) - 1.0)
    hz = _LINEAR_STEP * mel
    above = mel >= _LOG_START_MEL
    hz[above] = _LOG_START_HZ * np.exp(_LOG_STEP * (mel[above] - _LOG_START_MEL))
    return hz

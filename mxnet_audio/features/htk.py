"""Features of HTK and Ludwig: magnitude, phase, filter banks and group delay, time-major.

All start with a pre-emphasis of 0.97, cut frames from the first sample on and pad the last frame with zeros. They are
computed in float64, since phase and group delay depend on bins with almost no energy, and returned as float32.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from numbers import Real
from typing import Any

import numpy as np
import scipy.fft
import scipy.sparse

from mxnet_audio.errors import FeatureError
from mxnet_audio.features.checks import check_minimum, check_rate, check_samples
from mxnet_audio.features.windows import get_window

__all__ = [
    "WINDOWS",
    "fbank",
    "frame",
    "frame_count",
    "group_delay",
    "lengths",
    "preemphasis",
    "stft_magnitude",
    "stft_phase",
]

WINDOWS = ("bartlett", "blackman", "hamming", "hann")

_BLOCK_SIZE = 1 << 16  # samples in a block of frames: 512 KiB
_MAX_SECONDS = 100.0  # of a frame
_EPSILON = 1e-10  # keeps logarithms and quotients finite


def stft_magnitude(y: np.ndarray, sr: float, **kwargs: Any) -> np.ndarray:
    """Compute the magnitude of the short-time Fourier transform.

    Parameters
    ----------
    y : np.ndarray [shape=(..., n)], float
        Samples.
    sr : number > 0 [Hz]
        Sampling rate.
    window_length_in_s, window_shift_in_s : float > 0 [s]
        Length of a frame (0.04 by default), and distance from frame to frame (0.02), rounded down to samples.
    window_type : 'bartlett', 'blackman', 'hamming' or 'hann'
        Symmetric window; 'hamming' by default.
    num_fft_points : int or None [samples]
        Length of the transform, at least that of a frame, which is the default.

    Returns
    -------
    np.ndarray [shape=(..., T, 1 + num_fft_points // 2)], float32
        ``T`` is the number of frames, see `frame_count`.

    Raises
    ------
    FeatureError
        There are no samples, a length is less than a sample, ``num_fft_points`` is less than a frame, or the window is
        unknown.

    Examples
    --------
    >>> stft_magnitude(np.zeros((2, 16000)), 16000).shape
    (2, 49, 321)
    """
    return _by_frame(y, sr, lambda x, window, n_fft: np.abs(scipy.fft.rfft(x * window, n_fft)), **kwargs)


def stft_phase(y: np.ndarray, sr: float, **kwargs: Any) -> np.ndarray:
    """Compute the phase and the magnitude of the short-time Fourier transform, concatenated along frequency.

    Parameters
    ----------
    y, sr, **kwargs
        As for `stft_magnitude`.

    Returns
    -------
    np.ndarray [shape=(..., T, 2 * (1 + num_fft_points // 2))], float32
        Phases [radians] in [-pi, pi], then magnitudes.

    Raises
    ------
    FeatureError
        As `stft_magnitude`.

    Examples
    --------
    >>> stft_phase(np.zeros(16000), 16000).shape
    (49, 642)
    """

    def transform(x: np.ndarray, window: np.ndarray, n_fft: int) -> np.ndarray:
        spectrum = scipy.fft.rfft(x * window, n_fft)
        return np.concatenate([np.angle(spectrum), np.abs(spectrum)], axis=-1)

    return _by_frame(y, sr, transform, **kwargs)


def fbank(y: np.ndarray, sr: float, *, num_filter_bands: int = 80, **kwargs: Any) -> np.ndarray:
    """Compute the logarithm of HTK's mel filter bank: ``ln(energy + 1e-10)``.

    The mean of each frame (in the last frame, of its samples without the padding) is removed before the window. The
    filters are triangles between the bins ``floor((num_fft_points + 1) f / sr)``, for frequencies ``f`` that are evenly
    spaced from 0 to ``sr / 2`` on the scale ``2595 log10(1 + f / 700)``.

    Parameters
    ----------
    y, sr, **kwargs
        As for `stft_magnitude`.
    num_filter_bands : int > 0
        Number of filters. If there are few bins, some filters contain none; their value is the logarithm of 1e-10.

    Returns
    -------
    np.ndarray [shape=(..., T, num_filter_bands)], float32

    Raises
    ------
    FeatureError
        As `stft_magnitude`, or ``num_filter_bands`` is below 1.

    Examples
    --------
    >>> fbank(np.zeros(16000), 16000).shape
    (49, 80)
    """

    check_minimum(1, num_filter_bands=num_filter_bands)

    def transform(x: np.ndarray, window: np.ndarray, n_fft: int) -> np.ndarray:
        spectrum = scipy.fft.rfft(x * window, n_fft)
        power = np.square(spectrum.real) + np.square(spectrum.imag)
        return np.log((_filters(sr, n_fft, num_filter_bands) @ power.T).T + _EPSILON)

    return _by_frame(y, sr, transform, zero_mean=True, **kwargs)


def group_delay(y: np.ndarray, sr: float, **kwargs: Any) -> np.ndarray:
    """Compute the group delay: ``(Re X Re Y + Im X Im Y) / (|X|^2 + 1e-10)``.

    ``X`` is the transform of a frame, and ``Y`` that of the frame times the index of each sample.

    Parameters
    ----------
    y, sr, **kwargs
        As for `stft_magnitude`.

    Returns
    -------
    np.ndarray [shape=(..., T, 1 + num_fft_points // 2)], float32 [samples]

    Raises
    ------
    FeatureError
        As `stft_magnitude`.

    Examples
    --------
    >>> click = np.zeros(320); click[100] = 1e6
    >>> group_delay(click, 8000, num_fft_points=512).round()[0, 50]  # rounded: pre-emphasis adds a little
    100.0
    """

    def transform(x: np.ndarray, window: np.ndarray, n_fft: int) -> np.ndarray:
        x = x * window
        first, second = scipy.fft.rfft(x, n_fft), scipy.fft.rfft(x * np.arange(x.shape[-1]), n_fft)
        numerator = first.real * second.real + first.imag * second.imag
        return numerator / (np.square(first.real) + np.square(first.imag) + _EPSILON)

    return _by_frame(y, sr, transform, **kwargs)


def preemphasis(y: np.ndarray, coefficient: float = 0.97) -> np.ndarray:
    """Emphasise high frequencies: ``y[t] - coefficient * y[t - 1]``; the first sample is unchanged.

    Parameters
    ----------
    y : np.ndarray [shape=(..., n)], float
        Samples.
    coefficient : float
        Part of the previous sample that is subtracted.

    Returns
    -------
    np.ndarray [shape=(..., n)], float64

    Examples
    --------
    >>> preemphasis(np.ones(3), 0.75)
    array([1.  , 0.25, 0.25])
    """
    y = np.asarray(y)
    out = np.empty(y.shape, dtype=np.float64)
    out[..., :1] = y[..., :1]
    # Convert within the product: large temporary arrays cost more than the arithmetic.
    np.multiply(y[..., :-1], -coefficient, out=out[..., 1:], dtype=np.float64)
    out[..., 1:] += y[..., 1:]
    return out


def frame_count(n: int, window: int, shift: int) -> int:
    """Return the number of frames: ``ceil((n - window) / shift + 1)``, and at least 1.

    If ``shift`` is at most ``window``, they contain every sample.

    Parameters
    ----------
    n, window, shift : int [samples]
        Length of the sound, of a frame, and distance from frame to frame.

    Returns
    -------
    int

    Examples
    --------
    >>> frame_count(10, 4, 3), frame_count(11, 4, 3), frame_count(2, 4, 3)
    (3, 4, 1)
    """
    return max(1, 1 - (window - n) // shift)


def frame(y: np.ndarray, window: int, shift: int) -> np.ndarray:
    """Cut samples into frames; the last one is padded with zeros.

    Parameters
    ----------
    y : np.ndarray [shape=(..., n)]
        Samples.
    window, shift : int > 0 [samples]
        Length of a frame, and distance from frame to frame.

    Returns
    -------
    np.ndarray [shape=(..., frame_count(n, window, shift), window)]
        A read-only view of a padded copy.

    Raises
    ------
    FeatureError
        There are no samples, or a length is below 1.

    Examples
    --------
    >>> frame(np.arange(1, 6), 3, 2).tolist(), frame(np.arange(1, 5), 3, 2).tolist()
    ([[1, 2, 3], [3, 4, 5]], [[1, 2, 3], [3, 4, 0]])
    """
    y = _samples(y)
    if window < 1 or shift < 1:
        raise FeatureError(f"window and shift must be >= 1, got {window} and {shift}")
    end = (frame_count(y.shape[-1], window, shift) - 1) * shift + window
    padded = np.pad(y, [(0, 0)] * (y.ndim - 1) + [(0, end - y.shape[-1])])
    return np.lib.stride_tricks.sliding_window_view(padded, window, axis=-1)[..., ::shift, :]


def lengths(
    sr: float, window_length_in_s: float = 0.04, window_shift_in_s: float = 0.02, num_fft_points: int | None = None
) -> tuple[int, int, int]:
    """Convert the lengths of frame, shift and transform to samples.

    Parameters
    ----------
    sr, window_length_in_s, window_shift_in_s, num_fft_points
        As for `stft_magnitude`.

    Returns
    -------
    window, shift, n_fft : int [samples]

    Raises
    ------
    FeatureError
        A length is less than a sample, or ``num_fft_points`` is less than a frame.

    Examples
    --------
    >>> lengths(22050)
    (882, 441, 882)
    """
    check_rate(sr)
    for name, seconds in (("window_length_in_s", window_length_in_s), ("window_shift_in_s", window_shift_in_s)):
        if not (isinstance(seconds, Real) and 0 < seconds <= _MAX_SECONDS):
            raise FeatureError(f"{name} must be above 0 s and at most {_MAX_SECONDS:g} s, got {seconds!r}")
    window, shift = int(sr * window_length_in_s), int(sr * window_shift_in_s)
    for name, seconds, samples in (
        ("window_length_in_s", window_length_in_s, window),
        ("window_shift_in_s", window_shift_in_s, shift),
    ):
        if samples < 1:
            raise FeatureError(f"{name} ({seconds:g} s) is less than one sample at {sr:g} Hz")
    if num_fft_points is not None:
        check_minimum(1, num_fft_points=num_fft_points)
    if num_fft_points is not None and num_fft_points < window:
        length = f"window_length_in_s ({window_length_in_s:g} s: {window} samples at {sr:g} Hz)"
        raise FeatureError(f"num_fft_points ({num_fft_points}) is below {length}")
    return window, shift, num_fft_points or window


def _by_frame(
    y: np.ndarray,
    sr: float,
    transform: Callable[[np.ndarray, np.ndarray, int], np.ndarray],
    *,
    window_type: str = "hamming",
    zero_mean: bool = False,
    **kwargs: Any,
) -> np.ndarray:
    """Apply ``transform(frames, window, n_fft)`` to blocks of frames."""
    if not (isinstance(window_type, str) and window_type in WINDOWS):
        raise FeatureError(f"window_type must be one of {', '.join(WINDOWS)}, got {window_type!r}")
    size, shift, n_fft = lengths(sr, **kwargs)
    y = check_samples(y)
    frames = frame(preemphasis(y.reshape(-1, y.shape[-1])), size, shift)
    count = frames.shape[1]
    n_last = max(0, y.shape[-1] - (count - 1) * shift)  # samples in the last frame, without the padding
    window = get_window(window_type, size, periodic=False)
    step = max(1, _BLOCK_SIZE // n_fft)
    width = transform(np.zeros((1, size)), window, n_fft).shape[-1]
    out = np.empty((len(frames), count, width), dtype=np.float32)
    for item, rows in enumerate(frames):
        for start in range(0, count, step):
            block = rows[start : start + step]
            if zero_mean:
                block = block - block.mean(axis=-1, keepdims=True)
                if start + step >= count:
                    block[-1, :n_last] = rows[-1, :n_last] - rows[-1].sum() / max(1, n_last)
                    block[-1, n_last:] = 0
            out[item, start : start + step] = transform(block, window, n_fft)
    return out.reshape(*y.shape[:-1], count, width)


def _samples(y: np.ndarray) -> np.ndarray:
    y = np.asarray(y)
    if y.ndim == 0 or y.shape[-1] == 0:
        raise FeatureError("there are no samples")
    return y


@lru_cache(maxsize=32)
def _filters(sr: float, n_fft: int, count: int) -> scipy.sparse.csr_matrix:
    """Return triangular filters [shape=(count, 1 + n_fft // 2)]."""
    mel = np.linspace(0, 2595 * math.log10(1 + sr / 2 / 700), count + 2)
    edges = np.floor((n_fft + 1) * (700 * (10 ** (mel / 2595) - 1)) / sr)
    edges[-1] = (n_fft + 1) // 2  # sr / 2 has a rounding error after mel and back, which floor makes a whole bin
    low, middle, high = (edges[i : i + count, np.newaxis] for i in range(3))
    bins = np.arange(n_fft // 2 + 1)
    # Where two edges coincide, that side is missing, and nothing is divided by its width of 0.
    rise = (bins - low) / np.maximum(middle - low, 1) * ((low <= bins) & (bins < middle))
    fall = (high - bins) / np.maximum(high - middle, 1) * ((middle <= bins) & (bins < high))
    return scipy.sparse.csr_matrix(rise + fall)

"""Change the rate or the length of samples: resample, fit to a length, cut into windows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mxnet_audio.audio.source import MAX_RATE
from mxnet_audio.checks import real_number, whole_number
from mxnet_audio.errors import InvalidAudioError, ParameterError

__all__ = ["Windows", "fit_length", "repeat_to", "resample", "views", "windows"]

MAX_WINDOW = 1e9  # [samples]
MAX_RATIO = 1000  # of a new rate to that of the sound


class Windows(NamedTuple):
    """Overlapping windows of a sound.

    Attributes
    ----------
    samples : np.ndarray [shape=(n_windows, size)]
        Samples of each window.
    times : np.ndarray [shape=(n_windows, 2)], seconds
        Start and end of each window. The last end may lie beyond the sound, which is padded with zeros.
    """

    samples: np.ndarray
    times: np.ndarray


def resample(y: np.ndarray, orig_sr: float, target_sr: float) -> np.ndarray:
    """Resample with soxr at high quality ("HQ").

    Parameters
    ----------
    y : np.ndarray [shape=(..., n)], float32
        Samples.
    orig_sr, target_sr : number from 0.1 to 10 million [Hz]
        Current and new sampling rate.

    Returns
    -------
    np.ndarray [shape=(..., n * target_sr / orig_sr)], float32
        ``y`` itself if the rates are equal.

    Raises
    ------
    ParameterError
        A rate is out of range.
    InvalidAudioError
        The new rate is more than 1,000 times the current one, or more than 16 times with a result of over 2**28
        samples, or the result does not fit in memory.

    Examples
    --------
    >>> resample(np.zeros(44100, np.float32), 44100, 12000).shape
    (12000,)
    """
    for name, value in (("orig_sr", orig_sr), ("target_sr", target_sr)):
        real_number(name, value, 0.1, MAX_RATE)  # soxr hangs or crashes beyond these
    y = np.asarray(y, dtype=np.float32)
    if orig_sr == target_sr:
        return y
    check_enlargement(y.size, orig_sr, target_sr)
    try:
        return _resampled(y, orig_sr, target_sr)
    except MemoryError:
        raise InvalidAudioError(f"{y.size} samples do not fit in memory at {target_sr:g} Hz") from None


def check_enlargement(size: int, orig_sr: float, target_sr: float) -> None:
    """Raise InvalidAudioError if samples at a rate far below that of sound would become very many."""
    ratio = target_sr / orig_sr
    if ratio > MAX_RATIO or (ratio > 16 and size * ratio > 1 << 28):
        length = f"{size / orig_sr:.4g} s of sound" if size else "sound"
        mend = "check the rate" if ratio > MAX_RATIO else "load a part of it"
        raise InvalidAudioError(f"{length} at {orig_sr:g} Hz cannot be resampled to {target_sr:g} Hz: {mend}")


def _resampled(y: np.ndarray, orig_sr: float, target_sr: float) -> np.ndarray:
    import soxr

    if y.ndim == 1:
        return soxr.resample(y, orig_sr, target_sr, quality="HQ")
    if not y.size:  # an empty batch
        one = soxr.resample(np.zeros(y.shape[-1], np.float32), orig_sr, target_sr, quality="HQ")
        return np.empty((*y.shape[:-1], len(one)), dtype=np.float32)
    # Row by row: soxr expects channels in the last axis, which would cost a transposed copy.
    flat = y.reshape(-1, y.shape[-1])
    rows = [soxr.resample(np.ascontiguousarray(row), orig_sr, target_sr, quality="HQ") for row in flat]
    return np.stack(rows).reshape(*y.shape[:-1], -1)


def fit_length(y: np.ndarray, n: int) -> np.ndarray:
    """Fit the last axis to a length: keep the middle of a longer sound, pad a shorter one with zeros at the end.

    Parameters
    ----------
    y : np.ndarray [shape=(..., samples)]
        Samples.
    n : int > 0
        New length.

    Returns
    -------
    np.ndarray [shape=(..., n)]
        A view if nothing had to be padded.

    Raises
    ------
    ParameterError
        ``n`` is below 1.

    Examples
    --------
    >>> fit_length(np.arange(5), 3), fit_length(np.arange(2), 3)
    (array([1, 2, 3]), array([0, 1, 0]))
    """
    n = whole_number("n", n)
    y = np.asarray(y)
    length = y.shape[-1]
    if length >= n:
        start = (length - n) // 2
        return y[..., start : start + n]
    return np.pad(y, [(0, 0)] * (y.ndim - 1) + [(0, n - length)])


def repeat_to(y: np.ndarray, n: int) -> np.ndarray:
    """Repeat a sound until it has at least a length; a longer sound is unchanged.

    Parameters
    ----------
    y : np.ndarray [shape=(..., samples)]
        Samples.
    n : int > 0
        Minimum length.

    Returns
    -------
    np.ndarray [shape=(..., max(n, samples))]
        ``y`` itself if it is long enough.

    Raises
    ------
    ParameterError
        ``n`` is below 1.
    InvalidAudioError
        There are no samples to repeat.

    See Also
    --------
    fit_length : pads a shorter sound with zeros.

    Examples
    --------
    >>> repeat_to(np.arange(3), 7), repeat_to(np.arange(3), 2)
    (array([0, 1, 2, 0, 1, 2, 0]), array([0, 1, 2]))
    """
    n = whole_number("n", n)
    y = np.asarray(y)
    length = y.shape[-1] if y.ndim else 0
    if length == 0:
        raise InvalidAudioError(f"there are no samples to repeat, got shape {y.shape}")
    return y if length >= n else y[..., np.arange(n) % length]


def views(y: np.ndarray, n: int, count: int) -> np.ndarray:
    """Cut several views of one length from a sound, to average the predictions for them.

    Parameters
    ----------
    y : np.ndarray [shape=(samples,)]
        Samples.
    n : int > 0
        Length of a view.
    count : int > 0
        Number of views.

    Returns
    -------
    np.ndarray [shape=(count, n)]
        Of a longer sound, windows that are spread evenly from its start to its end (for one view, its middle). A
        shorter sound is padded with zeros and rotated, from view to view by an equal share of the length.

    Raises
    ------
    ParameterError
        ``n`` or ``count`` is below 1.

    Examples
    --------
    >>> views(np.arange(7), 3, 3)
    array([[0, 1, 2],
           [2, 3, 4],
           [4, 5, 6]])
    >>> views(np.arange(1, 4), 4, 2)
    array([[1, 2, 3, 0],
           [3, 0, 1, 2]])
    """
    n = whole_number("n", n)
    count = whole_number("count", count)
    excess = len(y) - n
    if excess > 0 and count > 1:
        starts = np.rint(np.linspace(0, excess, count)).astype(int)
        return np.stack([y[start : start + n] for start in starts])
    y = fit_length(y, n)
    return np.stack([np.roll(y, index * n // count) for index in range(count)])


def windows(y: np.ndarray, sr: float, window: float, hop: float) -> Windows:
    """Cut a sound into windows.

    There are as many windows as are needed to cover every sample; the last one is padded with zeros. A sound that is
    shorter than a window gives one window.

    Parameters
    ----------
    y : np.ndarray [shape=(n,)]
        Samples.
    sr : number > 0 [Hz]
        Sampling rate.
    window, hop : float > 0 [s]
        Length of a window, and distance from start to start, at most ``window``.

    Returns
    -------
    Windows
        ``samples`` [shape=(n_windows, size)] and ``times`` [shape=(n_windows, 2)], seconds.

    Raises
    ------
    InvalidAudioError
        ``y`` is empty, or does not have one dimension.
    ParameterError
        A length or the rate is not finite or too short, the window has more than a billion samples, or ``hop`` is above
        ``window``.

    Examples
    --------
    >>> cut = windows(np.arange(5.0), sr=1, window=2, hop=2)
    >>> cut.samples
    array([[0., 1.], [2., 3.], [4., 0.]])
    >>> cut.times.tolist()
    [[0.0, 2.0], [2.0, 4.0], [4.0, 6.0]]
    """
    y = np.asarray(y)
    if y.ndim != 1 or not len(y):
        raise InvalidAudioError(f"expected samples of one channel, got shape {y.shape}")
    for name, value in (("window", window), ("hop", hop), ("sr", sr)):
        real_number(name, value, above=0)
    if max(window, hop) * sr > MAX_WINDOW:
        raise ParameterError(f"window must be at most {MAX_WINDOW:g} samples at {sr} Hz, got {window} s")
    size, step = round(window * sr), round(hop * sr)
    if size < 1 or step < 1 or step > size:
        raise ParameterError(
            f"window ({window} s) and hop ({hop} s) must be one sample or longer, and hop must not be above window"
        )
    count = 1 + max(0, -(-(len(y) - size) // step))
    padded = fit_length(y, max(len(y), (count - 1) * step + size))
    starts = np.arange(count) * step
    # A copy, so that writing to one window does not change its neighbours.
    samples = np.lib.stride_tricks.sliding_window_view(padded, size)[::step][:count].copy()
    return Windows(samples, np.stack([starts, starts + size], axis=1) / sr)

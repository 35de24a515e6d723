"""Samples change rate or length: resample, fit, cut into windows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mxnet_audio.errors import InvalidAudioError

__all__ = ["Windows", "fit_length", "repeat_to", "resample", "views", "windows"]


class Windows(NamedTuple):
    """Overlapping pieces of a sound.

    Attributes
    ----------
    samples : np.ndarray [shape=(n_windows, size)]
        The pieces.
    times : np.ndarray [shape=(n_windows, 2), seconds]
        Where each starts and ends. The last end may lie behind the end of the sound (zeros).
    """

    samples: np.ndarray
    times: np.ndarray


def resample(y: np.ndarray, orig_sr: float, target_sr: float) -> np.ndarray:
    """Change the sampling rate with soxr at high quality ("HQ").

    Parameters
    ----------
    y : np.ndarray [shape=(..., n)], float32
        Samples.
    orig_sr, target_sr : number > 0 [Hz]
        Rate now and rate wanted.

    Returns
    -------
    np.ndarray [shape=(..., n * target_sr / orig_sr)], float32
        ``y`` itself when the rates agree.

    Raises
    ------
    InvalidAudioError
        A rate is not above zero.

    Examples
    --------
    >>> resample(np.zeros(44100, np.float32), 44100, 12000).shape
    (12000,)
    """
    if not (orig_sr > 0 and target_sr > 0):
        raise InvalidAudioError(f"sampling rates must be above 0 Hz, got {orig_sr} and {target_sr}")
    y = np.asarray(y, dtype=np.float32)
    if orig_sr == target_sr:
        return y
    import soxr

    if y.ndim == 1:
        return soxr.resample(y, orig_sr, target_sr, quality="HQ")
    if not y.size:  # a batch of none: as long as one would be
        one = soxr.resample(np.zeros(y.shape[-1], np.float32), orig_sr, target_sr, quality="HQ")
        return np.empty((*y.shape[:-1], len(one)), dtype=np.float32)
    # Row by row: soxr's own channels are the last axis, which would cost a transposed copy.
    flat = y.reshape(-1, y.shape[-1])
    rows = [soxr.resample(np.ascontiguousarray(row), orig_sr, target_sr, quality="HQ") for row in flat]
    return np.stack(rows).reshape(*y.shape[:-1], -1)


def fit_length(y: np.ndarray, n: int) -> np.ndarray:
    """Make the last axis ``n`` samples long: the middle of a longer sound, zeros after a shorter one.

    Parameters
    ----------
    y : np.ndarray [shape=(..., samples)]
        Samples.
    n : int > 0
        Length wanted.

    Returns
    -------
    np.ndarray [shape=(..., n)]
        A view when nothing had to be added.

    Raises
    ------
    InvalidAudioError
        ``n`` is below 1.

    Examples
    --------
    >>> fit_length(np.arange(5), 3), fit_length(np.arange(2), 3)
    (array([1, 2, 3]), array([0, 1, 0]))
    """
    if n < 1:
        raise InvalidAudioError(f"a length must be at least 1 sample, got {n}")
    y = np.asarray(y)
    have = y.shape[-1]
    if have >= n:
        start = (have - n) // 2
        return y[..., start : start + n]
    return np.pad(y, [(0, 0)] * (y.ndim - 1) + [(0, n - have)])


def repeat_to(y: np.ndarray, n: int) -> np.ndarray:
    """Repeat a shorter sound until it is ``n`` samples long; a longer one stays as it is.

    Parameters
    ----------
    y : np.ndarray [shape=(..., samples)]
        Samples.
    n : int > 0
        Least length wanted.

    Returns
    -------
    np.ndarray [shape=(..., max(n, samples))]
        ``y`` itself when it is long enough.

    Raises
    ------
    InvalidAudioError
        ``n`` is below 1, or there are no samples to repeat.

    See Also
    --------
    fit_length : zeros after a shorter sound.

    Examples
    --------
    >>> repeat_to(np.arange(3), 7), repeat_to(np.arange(3), 2)
    (array([0, 1, 2, 0, 1, 2, 0]), array([0, 1, 2]))
    """
    if n < 1:
        raise InvalidAudioError(f"a length must be at least 1 sample, got {n}")
    y = np.asarray(y)
    have = y.shape[-1] if y.ndim else 0
    if have == 0:
        raise InvalidAudioError(f"there are no samples to repeat, only an array of shape {y.shape}")
    return y if have >= n else y[..., np.arange(n) % have]


def views(y: np.ndarray, n: int, count: int) -> np.ndarray:
    """See a sound in several ways, to average what is said of them.

    Parameters
    ----------
    y : np.ndarray [shape=(samples,)]
        Samples.
    n : int > 0
        Length of a view.
    count : int > 0
        How many.

    Returns
    -------
    np.ndarray [shape=(count, n)]
        Of a longer sound, windows spread evenly from its start to its end (its middle, if only one is asked for). Of
        another, the sound with zeros after it, moved on from view to view by an equal share of the length; what leaves
        at the end comes in at the start.

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
    beyond = len(y) - n
    if beyond > 0 and count > 1:
        starts = np.rint(np.linspace(0, beyond, count)).astype(int)
        return np.stack([y[start : start + n] for start in starts])
    y = fit_length(y, n)
    return np.stack([np.roll(y, place * n // count) for place in range(count)])


def windows(y: np.ndarray, sr: float, window: float, hop: float) -> Windows:
    """Cut a sound into windows, ``hop`` seconds from start to start.

    The rule for the last one: windows go on while samples remain that none has covered; the last is filled up
    with zeros. A sound shorter than a window gives one. No window lies wholly behind the end.

    Parameters
    ----------
    y : np.ndarray [shape=(n,)]
        Samples.
    sr : number > 0 [Hz]
        Sampling rate.
    window, hop : float > 0 [s]
        Length of a window, and distance of their starts: at most ``window``, so that none is left out.

    Returns
    -------
    Windows
        ``samples`` [shape=(n_windows, size)] and ``times`` [shape=(n_windows, 2), seconds].

    Raises
    ------
    InvalidAudioError
        ``y`` is not one-dimensional or empty, or the lengths do not hold together.

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
        raise InvalidAudioError(f"windows are cut from one channel with samples, got shape {y.shape}")
    if not np.isfinite([window, hop, sr]).all():
        raise InvalidAudioError(f"window, hop and rate must be finite, got {window} s, {hop} s and {sr} Hz")
    size, step = round(window * sr), round(hop * sr)
    if size < 1 or step < 1 or step > size:
        raise InvalidAudioError(
            f"window ({window} s) and hop ({hop} s) must each be a sample or more, and hop at most window"
        )
    count = 1 + max(0, -(-(len(y) - size) // step))
    padded = fit_length(y, max(len(y), (count - 1) * step + size))
    starts = np.arange(count) * step
    # A copy: callers may write to a window without writing to its neighbours.
    samples = np.lib.stride_tricks.sliding_window_view(padded, size)[::step][:count].copy()
    return Windows(samples, np.stack([starts, starts + size], axis=1) / sr)

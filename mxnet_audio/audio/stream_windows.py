"""Windows of sound that comes in blocks, in the memory of one window."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from mxnet_audio.audio.reading import SILENCE_PEAK
from mxnet_audio.checks import whole_number
from mxnet_audio.errors import InvalidAudioError, ParameterError

__all__ = ["StreamedWindow", "Tail", "is_silent", "stream_windows"]

SHORT_REST = 0.01  # of a hop: a rest at the end that is no longer, such as a resampler's last sample, gives no window


class StreamedWindow(NamedTuple):
    """Window of a sound.

    Attributes
    ----------
    start, end : int [samples]
        Position of the window.
    samples : np.ndarray [shape=(n,)]
        Samples of the window, with those around it if more were asked for.
    first : int [samples]
        Position of the first of the samples.
    """

    start: int
    end: int
    samples: np.ndarray
    first: int

    @property
    def own_samples(self) -> np.ndarray:
        """Samples of the window alone [shape=(end - start,)]."""
        return self.samples[self.start - self.first : self.end - self.first]


def is_silent(y: np.ndarray) -> bool:
    """Return True for digital silence: a peak below -100 dBFS, the limit of `valid_audio`, or no samples.

    Examples
    --------
    >>> is_silent(np.zeros(8)), is_silent(np.array([0.0, 0.001]))
    (True, False)
    """
    return max(-float(y.min(initial=0)), float(y.max(initial=0))) < SILENCE_PEAK


def stream_windows(blocks: Iterable[np.ndarray], size: int, hop: int, around: int = 0) -> Iterator[StreamedWindow]:
    """Cut a sound that comes in blocks into overlapping windows.

    Windows start at 0, `hop`, ``2 * hop`` and so on, as long as they fit. If a rest of more than a hundredth of a hop
    remains, one more window ends with the sound. A sound that is shorter than a window gives one window, of its length.

    Parameters
    ----------
    blocks : iterable of np.ndarray [shape=(n,)]
        Samples, in blocks of any sizes.
    size, hop : int > 0 [samples]
        Length of a window, and distance from start to start, at most `size`.
    around : int >= 0 [samples]
        Length to give of the sound around a shorter window, which is in its middle; at both ends of the sound, the
        samples at its ends. Fewer are given only if the sound has fewer.

    Yields
    ------
    StreamedWindow
        In order.

    Raises
    ------
    InvalidAudioError
        There are no samples.
    ParameterError
        A length is out of range.

    See Also
    --------
    mxnet_audio.audio.windows : windows of samples, padded with zeros at the end.

    Examples
    --------
    >>> for window in stream_windows([np.arange(5), np.arange(5, 9)], size=4, hop=3):
    ...     print(window.start, window.end, window.samples)
    0 4 [0 1 2 3]
    3 7 [3 4 5 6]
    5 9 [5 6 7 8]
    >>> next(stream_windows([np.arange(9)], size=2, hop=2, around=5))
    StreamedWindow(start=0, end=2, samples=array([0, 1, 2, 3, 4]), first=0)
    """
    size, hop, around = whole_number("size", size), whole_number("hop", hop), whole_number("around", around, 0)
    if hop > size:
        raise ParameterError(f"hop must be at most the size of a window, {size}, got {hop}")
    return _windows(Tail(blocks), size, hop, max(around, size))


def _windows(sound: Tail, size: int, hop: int, length: int) -> Iterator[StreamedWindow]:
    """Yield windows, each within `length` samples."""

    def window(start: int, end: int) -> StreamedWindow:
        middle = max(0, (start + end - length) // 2)
        first = max(0, min(middle, sound.end - length)) if sound.is_complete else middle
        return StreamedWindow(start, end, sound.part(first, first + length), first)

    start = 0
    while sound.read_to(start + size):
        sound.read_to(max(0, start + (size - length) // 2) + length)
        yield window(start, start + size)
        start += hop
        sound.forget(start - length)  # what the last window may still need
    if not sound.end:
        raise InvalidAudioError("there are no samples")
    if not start or sound.end - (start - hop + size) > SHORT_REST * hop:
        yield window(max(0, sound.end - size), sound.end)


class Tail:
    """Samples of a stream from some position to the last that was read.

    Attributes
    ----------
    end : int
        Number of samples that were read so far.
    is_complete : bool
        True once the stream has ended.
    """

    def __init__(self, blocks: Iterable[np.ndarray]):
        self._blocks, self._kept, self._first = iter(blocks), deque[np.ndarray](), 0
        self.end, self.is_complete = 0, False

    def read_to(self, position: int) -> bool:
        """Read up to a position; return False if the stream ends before it."""
        while self.end < position and not self.is_complete:
            block = next(self._blocks, None)
            if block is None:
                self.is_complete = True
            else:
                self._kept.append(block)
                self.end += len(block)
        return self.end >= position

    def part(self, start: int, stop: int) -> np.ndarray:
        """Return the samples from `start` to `stop`, or to the last that was read; none if they are all after it."""
        parts, position = [], self._first
        for block in self._kept:
            if position < stop and position + len(block) > start:
                parts.append(block[max(0, start - position) : stop - position])
            position += len(block)
        return np.concatenate(parts) if parts else np.empty(0, np.float32)

    def forget(self, position: int) -> None:
        """Drop the blocks before a position."""
        while self._kept and self._first + len(self._kept[0]) <= position:
            self._first += len(self._kept.popleft())

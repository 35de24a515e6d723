"""Position and length of a sound track in its container, as FFmpeg tells them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

__all__ = ["MATROSKA", "MP4", "Track", "place_track", "with_silence"]

logger = logging.getLogger(__name__)

Blocks = Callable[[int, "int | None"], Iterator[np.ndarray]]

MP4, MATROSKA, _ASF = "mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "asf"  # FFmpeg's names
# Containers that declare the length of a track, and those that declare the time of their end. For others ("aac",
# "mpegts", …) FFmpeg estimates the length.
_DECLARE_TRACK = (MP4, "caf", "wav", "aiff", "ape", "wv", "tta")
_DECLARE_END = (MATROSKA, _ASF)
_START_AT_ZERO = (MP4, MATROSKA, _ASF)  # others count time from anywhere, and start with their first track
_MIN_DELAY = 0.1  # [s]; encoders pad the start of a track by less
_MAX_DELAY = 1 << 25  # frames; more only in files of more bytes
_BLOCK_FRAMES = 1 << 16


class Track(NamedTuple):
    """Times [s] of a sound track; None if unknown, and `end` also if another track may end later."""

    container: str  # FFmpeg's name of the format
    container_start: float
    start: float | None
    length: float | None
    end: float | None


def place_track(track: Track, sr: int, size: int, path: str | None) -> tuple[int, int | None]:
    """Return the frames of silence before a track, and those from the start of the container to the track's end.

    Parameters
    ----------
    track : Track
        Times of the track.
    sr : int [Hz]
        Sampling rate.
    size : int
        Bytes of the file: a delay of very many frames is not believed of a small file.
    path : str or None
        Path to name in a warning.

    Returns
    -------
    delay : int
        Frames before the track; 0 if it starts less than a tenth of a second later than the container.
    frames : int or None
        Declared length, with the delay; None if the container declares none.

    Examples
    --------
    >>> place_track(Track("caf", 0.0, 0.5, 2.0, None), 8000, 32000, None)
    (4000, 20000)
    >>> place_track(Track("mpegts", 1.4, 1.42, 2.0, None), 8000, 32000, None)
    (0, None)
    """
    start = track.container_start if track.start is None else track.start
    seconds = start - (0.0 if track.container in _START_AT_ZERO else track.container_start)
    delay = round(seconds * sr) if seconds >= _MIN_DELAY else 0
    if delay > max(_MAX_DELAY, size):
        logger.warning("%s: read without the %.0f s before its sound track", path or "a file", seconds)
        delay = 0
    if track.container in _DECLARE_TRACK and track.length is not None:
        return delay, delay + round(track.length * sr)
    if track.container in _DECLARE_END and track.end is not None:
        return delay, delay + max(0, round((track.end - start) * sr))
    return delay, None


def with_silence(blocks: Blocks, delay: int, channels: int) -> Blocks:
    """Return the blocks of a track as those of its container, which begins `delay` frames of silence before it.

    Examples
    --------
    >>> def ones(start, count):
    ...     yield np.ones((count, 1))
    >>> [block.ravel().tolist() for block in with_silence(ones, 3, 1)(1, 4)]
    [[0.0, 0.0], [1.0, 1.0]]
    """

    def padded(start: int, count: int | None) -> Iterator[np.ndarray]:
        silent_until = delay if count is None else min(start + count, delay)
        for first in range(start, silent_until, _BLOCK_FRAMES):
            yield np.zeros((min(_BLOCK_FRAMES, silent_until - first), channels), dtype=np.float32)
        remaining = None if count is None else count - max(0, silent_until - start)
        if remaining != 0:
            yield from blocks(max(0, start - delay), remaining)

    return padded

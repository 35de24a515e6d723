"""Channels of a stream mixed to one; where they cancel each other, one of them instead."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache

import numpy as np

from mxnet_audio.audio.stream import Stream

__all__ = ["mixed"]

logger = logging.getLogger(__name__)

# Power of the sum of the channels over the sum of their powers: 1 for channels without relation, for two of equal power
# 1 + their correlation. In real stereo recordings it is above 0.25 in 50 ms, above 0.55 in 0.2 s and above 0.8 in 1 s;
# with the side signal raised by 12 dB, above 0.2. One inverted channel gives 0 to 0.1.
_CANCELLED = 0.15
_MAX_SAMPLES = 1 << 22  # of all channels, that are kept until the first decision


def mixed(stream: Stream, name: str | None = None) -> Stream:
    """Return a stream of the average of the channels.

    If a channel has the opposite sign of another, as after a wrong connection, their average is silence, or what is
    left of a hum. Then the first channel that has sound is used, and a warning is logged, once a file. This is decided
    every 3 s, by all that was read, of which each 3 s count half as much as the next, and stays.

    Parameters
    ----------
    stream : Stream
        Sound of at least one channel.
    name : str or None
        Name for the warning.

    Returns
    -------
    Stream
        Stream of one channel; ``stream`` itself if it has no more.
    """
    if stream.channels == 1:
        return stream

    def blocks(start: int, count: int | None) -> Iterator[np.ndarray]:
        levels, channel = _Levels(stream.channels), None
        for parts in _stretches(stream, start, count):
            if channel is None:
                levels.fade()  # an hour of ordinary stereo does not hide that the next is cancelled
                for part in parts:
                    levels.add(part)
                channel = levels.replacement()
                if channel is not None:
                    # A sound without a name cannot be told from another.
                    (_warn if name else _warn.__wrapped__)(name, channel)
            for part in parts:
                yield _average(part)[:, np.newaxis] if channel is None else part[:, channel : channel + 1]

    return replace(stream, channels=1, blocks=blocks)


class _Levels:
    """Power of the channels of a sound and of their average; once as it is, and once without low frequencies.

    The first difference of the samples has no low frequencies: a hum that all channels share does not hide that the
    rest is cancelled.
    """

    def __init__(self, channels: int):
        self._channels = np.zeros((2, channels))
        self._average = np.zeros(2)

    def fade(self) -> None:
        """Halve the weight of what was added before."""
        self._channels /= 2
        self._average /= 2

    def add(self, block: np.ndarray) -> None:
        """Add a block [shape=(n, channels)]."""
        average = _average(block)
        with np.errstate(all="ignore"):  # samples that are infinite are refused later
            self._average += [_power(average), _power(np.diff(average))]
            for channel in range(block.shape[1]):
                y = block[:, channel]
                self._channels[:, channel] += [_power(y), _power(np.diff(y))]

    def replacement(self) -> int | None:
        """Return the channel to use in place of the average, or None if the channels do not cancel each other."""
        count = self._channels.shape[1]
        if not (self._average * count**2 < _CANCELLED * self._channels.sum(axis=1)).any():
            return None
        power = self._channels[0]
        return int(np.argmax(power >= power.max() / 2))


def _power(y: np.ndarray) -> float:
    return float(np.dot(y, y))


def _stretches(stream: Stream, start: int, count: int | None) -> Iterator[list[np.ndarray]]:
    """Yield the blocks of a stream in lists of at least 3 s; the last may be shorter."""
    frames = min(3 * stream.sr, _MAX_SAMPLES // stream.channels)
    parts: list[np.ndarray] = []
    length = 0
    for block in stream.blocks(start, count):
        parts.append(block)
        length += len(block)
        if length >= frames:
            yield parts
            parts.clear()  # the caller has this list, too
            length = 0
    yield parts


def _average(block: np.ndarray) -> np.ndarray:
    """Average the channels of a block [shape=(n, channels)] to [shape=(n,)]."""
    # Column by column: NumPy's mean over an axis of two is several times slower.
    total = block[:, 0] + block[:, 1]
    for channel in range(2, block.shape[1]):
        total += block[:, channel]
    total *= np.float32(1 / block.shape[1])
    return total


@lru_cache(maxsize=4096)
def _warn(name: str | None, channel: int) -> None:
    """Log that a channel is used in place of the mix: once for each name."""
    reason = "its channels cancel each other when they are mixed, as if one were inverted"
    logger.warning("%s: %s: channel %d is used alone", name or "a sound without a name", reason, channel)

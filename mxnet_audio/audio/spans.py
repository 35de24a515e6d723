"""Spans of long sound, read without the rest of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import gcd
from typing import Any

import numpy as np

from mxnet_audio.audio.mono_blocks import blocks
from mxnet_audio.audio.opened import open_source, rereadable
from mxnet_audio.audio.reading import check_not_silent, load
from mxnet_audio.audio.shape import resample
from mxnet_audio.audio.source import naming_errors, source_name
from mxnet_audio.audio.stream_windows import Tail, is_silent

__all__ = ["SpanReader", "load_used", "span_starts"]

MARGIN = 256  # samples at the lower rate before and after a span: more than the resampler's filter is long


class SpanReader:
    """Reader of spans of one sound, as one channel at one rate.

    They are read by seeking. Sound that does not declare its length is decoded twice, as a stream: to count its
    samples, and to take the spans from it.

    Parameters
    ----------
    source : as for `mxnet_audio.audio.load`
        Sound that can be read more than once, as `rereadable` returns it.
    sr : int > 0 [Hz]
        Rate of the spans.

    Raises
    ------
    AudioError
        As `mxnet_audio.audio.load`.

    Attributes
    ----------
    sr : int [Hz]
        Rate of the spans.
    length : int [samples]
        Length of the sound.

    Examples
    --------
    >>> reader = SpanReader((np.arange(8000) / 8000, 8000), 8000)
    >>> reader.length, next(reader.read([4000], 3))
    (8000, array([0.5     , 0.500125, 0.50025 ], dtype=float32))
    """

    def __init__(self, source: Any, sr: int):
        self._source, self.sr = source, sr
        with naming_errors(source_name(source)), open_source(source) as stream:
            self._rate = stream.sr
            declared = stream.frames if stream.slack is not None else None
            self._seeks = declared is not None and stream.seeks
        if declared is None:
            self.length = sum(map(len, blocks(source, sr)))
        else:
            self.length = (2 * declared * sr + self._rate) // (2 * self._rate)  # rounded, as the resampler does

    def read(self, starts: Sequence[int], n: int) -> Iterator[np.ndarray]:
        """Yield the spans of `n` samples that begin at `starts`, which ascend.

        They equal those of ``load(source, sr)[0]`` up to rounding. A file may end a little before the length that it
        declares, and its last span is then shorter.

        Raises
        ------
        AudioError
            As `mxnet_audio.audio.load`.
        """
        if self._seeks:
            yield from (self._load(start, n) for start in starts)
            return
        sound = Tail(blocks(self._source, self.sr))
        for start in starts:
            sound.forget(start)
            sound.read_to(start + n)
            yield sound.part(start, start + n)

    def _load(self, start: int, n: int) -> np.ndarray:
        """Load a span from a position that is a whole number of samples at both rates, and cut off what precedes it."""
        common = gcd(self.sr, self._rate)
        margin = 0 if self.sr == self._rate else MARGIN * self.sr // min(self.sr, self._rate)
        periods = max(0, start - margin) // (self.sr // common)
        before = start - periods * (self.sr // common)
        offset = periods * (self._rate // common) / self._rate
        y, _ = load(self._source, offset=offset, duration=(before + n + margin) / self.sr)
        return resample(y, self._rate, self.sr)[before : before + n]


def span_starts(length: int, n: int, count: int) -> list[int]:
    """Return the starts of spans of `n` samples that are spread evenly over a sound; of one span, in its middle.

    Examples
    --------
    >>> span_starts(100, 40, 3), span_starts(100, 40, 1)
    ([0, 30, 60], [30])
    """
    if count == 1:
        return [(length - n) // 2]
    return np.rint(np.linspace(0, length - n, count)).astype(int).tolist()


def load_used(
    source: Any, sr: int | None, *, middle: int | None = None, reach: float | None = None, used: int | None = None
) -> tuple[np.ndarray, int]:
    """Load the part of a sound that one input of a network is computed from; of a long file, no more is read.

    Parameters
    ----------
    source : as for `mxnet_audio.audio.load`
        Sound.
    sr : int > 0 or None [Hz]
        Rate to resample to; None keeps the sound's.
    middle : int > 0 [samples], optional
        Length of the middle that is used; of sound up to twice as long, all is loaded.
    reach : float > 0 [s], optional
        Length of the start that is loaded, in place of the middle.
    used : int > 0 [samples], optional
        Length of the start that is used: the resampler makes a click where the loaded part is cut.

    Returns
    -------
    y : np.ndarray [shape=(n,)], float32
        Samples.
    sr : int [Hz]
        Their rate.

    Raises
    ------
    AudioError
        As `mxnet_audio.audio.load`; InvalidAudioError also if the whole sound is silent.

    Examples
    --------
    >>> load_used((np.arange(1, 101) / 100, 8000), 8000, middle=2)
    (array([0.5 , 0.51], dtype=float32), 8000)
    """
    source = rereadable(source)
    reader = None if middle is None or sr is None else SpanReader(source, sr)
    if reader is not None and middle is not None and reader.length > 2 * middle:
        y, rate = next(reader.read(span_starts(reader.length, middle, 1), middle)), reader.sr
    else:
        y, rate = load(source, sr=sr, duration=reach)
    if is_silent(y[:used]):
        # Only this part may be silent. The resampled sound is checked: what is above its range is silent, too.
        check_not_silent(max(float(np.abs(block).max()) for block in blocks(source, sr)))
    return y, rate

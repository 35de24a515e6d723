"""Pieces of a file that together are a sound file of their own."""

from __future__ import annotations

import io
import os
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, BinaryIO

__all__ = ["MAX_PARTS", "Part", "matches"]

MAX_PARTS = 10_000  # joined sound files in one file
_CHUNK = 1 << 20
_BUFFER = 1 << 16


@dataclass(frozen=True)
class Part:
    """Sound file within a file.

    Attributes
    ----------
    pieces : tuple of bytes or range
        Contents: given bytes, and ranges of the file's bytes.
    frames : int or None
        Number of its frames; None leaves it to the decoder.
    slack : int or None
        Number of ``frames`` that may be missing although the part is complete; None if there is no telling.
    lead : int
        Number of frames, before those, that the decoder yields and nobody wants.
    warning : str or None
        Fault of the header that this part mends.
    """

    pieces: tuple[bytes | range, ...]
    frames: int | None = None
    slack: int | None = 0
    lead: int = 0
    warning: str | None = None

    def open(self, file: BinaryIO) -> BinaryIO:
        """Open the part as a file of its own, which reads from the given one."""
        return io.BufferedReader(_Pieces(file, self.pieces), _BUFFER)


class _Pieces(io.RawIOBase):
    """File that consists of given bytes and of ranges of another file."""

    def __init__(self, file: BinaryIO, pieces: Sequence[bytes | range]):
        self._file, self._pieces = file, pieces
        self._starts = [0, *accumulate(len(piece) for piece in pieces)]
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._starts[-1]}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: Any) -> int:
        if self._position >= self._starts[-1]:
            return 0
        index = bisect_right(self._starts, self._position) - 1
        piece = self._pieces[index]
        rest = piece[self._position - self._starts[index] :][: len(buffer)]
        if isinstance(rest, range):
            self._file.seek(rest.start)
            rest = self._file.read(len(rest))
        buffer[: len(rest)] = rest
        self._position += len(rest)
        return len(rest)


def matches(file: BinaryIO, pattern: re.Pattern[bytes], start: int, length: int) -> Iterator[int]:
    """Yield the positions of a pattern of ``length`` bytes in the rest of a file, in constant memory.

    A pattern that begins with letters, not with alternatives, is found several times faster.
    """
    position, tail = start, b""
    while True:
        file.seek(position)
        more = file.read(_CHUNK)
        if not more:
            return
        data, first = tail + more, position - len(tail)
        position += len(more)
        for match in pattern.finditer(data):
            yield first + match.start()
        tail = data[max(0, len(data) - length + 1) :]  # shorter than the pattern, which is not found twice

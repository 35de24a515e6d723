"""Length of FLAC files: by their header, by their last frame, and of files that were joined."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import BinaryIO

from mxnet_audio.audio.pieces import MAX_PARTS, Part, matches
from mxnet_audio.errors import AudioDecodeError

__all__ = ["flac_parts"]

_START = re.compile(rb"fLaC[\x00\x80]\x00\x00\x22")
_START_BYTES = 8
_STREAM_INFO = 42  # bytes of the signature and of the first block, which has the number of samples
_SYNC = re.compile(rb"\xff[\xf8\xf9][^\x00-\x0f]")
_TAIL = 1 << 16  # bytes to find the last frame in, at least
_MAX_TAIL = 1 << 20
_SMALL = 1 << 20  # bytes
_PROBE = 1 << 15
_PROBES = (0.0, 0.11, 0.23, 0.37, 0.52, 0.66, 0.79, 0.93)  # no multiples of one another


def flac_parts(file: BinaryIO, start: int, path: str | None = None) -> list[Part]:
    """Find the FLAC files in a file that begins with FLAC.

    The whole file is searched for other headers, unless it is large: frames are numbered, and if the last number
    agrees with the length in the header, and some between grow, this is one file with a right header.

    Parameters
    ----------
    file : binary file object
        Seekable.
    start : int
        Position of the header, after tags.
    path : str or None
        Path to name in the error.

    Returns
    -------
    list of Part
        Empty if this is one file, and its header is right, declares too much, or cannot be compared.

    Raises
    ------
    AudioDecodeError
        There are more than 10,000 parts.
    """
    size = file.seek(0, os.SEEK_END)
    info = _StreamInfo.read(file, start)
    if info is None:
        return []
    end, is_alone = info.last_end(file, start, size)
    if size > _SMALL and is_alone and end == info.total and info.numbers_grow(file, start, size):
        return []
    starts = [start]
    for position in matches(file, _START, start + _STREAM_INFO, _START_BYTES):
        starts.append(position)
        if len(starts) > MAX_PARTS:
            raise AudioDecodeError(f"more than {MAX_PARTS} FLAC files are joined in this file", path)
    stops = [*starts[1:], size]
    if len(starts) == 1 and (end is None or end <= info.total):  # truncated, which the decoder tells
        return []
    return [_part(file, *extent) for extent in zip(starts, stops, strict=True)]


def _part(file: BinaryIO, start: int, stop: int) -> Part:
    info = _StreamInfo.read(file, start)
    end = info.last_end(file, start, stop)[0] if info else None
    if info is None or end is None or end <= info.total:
        return Part((range(start, stop),))
    warning = f"its FLAC header declares {info.total} samples, it has {end}; all of them are read"
    return Part((info.declaring(end), range(start + _STREAM_INFO, stop)), warning=warning if info.total else None)


@dataclass(frozen=True)
class _StreamInfo:
    """First block of a FLAC file, with its signature."""

    data: bytes

    @classmethod
    def read(cls, file: BinaryIO, start: int) -> _StreamInfo | None:
        file.seek(start)
        data = file.read(_STREAM_INFO)
        return cls(data) if _START.match(data) and len(data) == _STREAM_INFO else None

    @property
    def total(self) -> int:
        """Number of samples in each channel; 0 if it is not declared."""
        return int.from_bytes(self.data[21:26], "big") & 0xFFFFFFFFF

    def declaring(self, total: int) -> bytes:
        """Return the block with another number of samples, and without the checksum of the samples."""
        return self.data[:21] + ((self.data[21] & 0xF0) << 32 | total).to_bytes(5, "big") + bytes(16)

    def last_end(self, file: BinaryIO, start: int, stop: int) -> tuple[int | None, bool]:
        """Return the number of samples before the end of the last frame, and whether no other file begins nearby.

        The number is None if there is no frame of this file near its end.
        """
        largest = int.from_bytes(self.data[15:18], "big")  # frame, in bytes; 0 if unknown
        first = max(start + _STREAM_INFO, stop - min(max(_TAIL, 2 * largest), _MAX_TAIL))
        file.seek(first)
        data = file.read(stop - first)
        is_alone = _START.search(data) is None
        at = len(data)
        while (at := data.rfind(b"\xff", 0, at)) >= 0:
            if extent := self._frame(data[at : at + 16]):
                return sum(extent), is_alone
        return None, is_alone

    def numbers_grow(self, file: BinaryIO, start: int, stop: int) -> bool:
        """Return whether some frames between are numbered in ascending order, and no other file begins near them."""
        last = -1
        for part in _PROBES:
            file.seek(start + _STREAM_INFO + int(part * (stop - start)))
            data = file.read(_PROBE)
            if _START.search(data):
                return False
            extents = (self._frame(data[match.start() : match.start() + 16]) for match in _SYNC.finditer(data))
            position = next((extent[0] for extent in extents if extent), None)
            if position is None:
                continue
            if position < last:
                return False
            last = position
        return True

    def _frame(self, head: bytes) -> tuple[int, int] | None:
        """Return the position of a frame and its length, in samples, by its first 16 bytes."""
        if len(head) < 16 or not _SYNC.match(head) or head[3] & 1 or not self._fits(head):
            return None
        number, at = _coded_number(head, 4)
        size_code, rate_code = head[2] >> 4, head[2] & 15
        extra = {6: 1, 7: 2}.get(size_code, 0)
        length = int.from_bytes(head[at : at + extra], "big") + 1
        if not extra:
            length = 192 if size_code == 1 else 576 << size_code - 2 if size_code < 6 else 256 << size_code - 8
        at += extra + {12: 1, 13: 2, 14: 2}.get(rate_code, 0)
        if number is None or _checksum(head[:at]) != head[at]:
            return None
        # Without the second flag, frames of one length are numbered.
        return (number if head[1] & 1 else number * int.from_bytes(self.data[10:12], "big")), length

    def _fits(self, head: bytes) -> bool:
        """Return whether channels and bits of a frame are those of the file."""
        channels = (self.data[20] >> 1 & 7) + 1
        bits = ((self.data[20] & 1) << 4 | self.data[21] >> 4) + 1
        assigned, sample_code = head[3] >> 4, head[3] >> 1 & 7
        in_frame = assigned + 1 if assigned < 8 else 2
        known = {1: 8, 2: 12, 4: 16, 5: 20, 6: 24, 7: 32}.get(sample_code, bits if sample_code == 0 else None)
        return assigned < 11 and in_frame == channels and known == bits and head[2] & 15 != 15


def _coded_number(data: bytes, at: int) -> tuple[int | None, int]:
    """Read a number that is coded as in UTF-8, with up to 36 bits; return it and the position after it."""
    first = data[at]
    if first < 0x80:
        return first, at + 1
    length = 8 - (first ^ 0xFF).bit_length()
    if not 2 <= length <= 7 or any(byte >> 6 != 2 for byte in data[at + 1 : at + length]):
        return None, at
    number = first & (0x7F >> length)
    for byte in data[at + 1 : at + length]:
        number = number << 6 | byte & 0x3F
    return number, at + length


def _checksum(data: bytes) -> int:
    """Return the CRC-8 of the header of a frame."""
    value = 0
    for byte in data:
        value = _CRC[value ^ byte]
    return value


def _checksum_of_byte(value: int) -> int:
    for _ in range(8):
        value = value << 1 ^ 0x107 if value & 0x80 else value << 1
    return value


_CRC = [_checksum_of_byte(value) for value in range(256)]

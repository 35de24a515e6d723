"""Frames of MPEG audio (MP3, MP2) in any bytes: their headers, and a search in linear time."""

from __future__ import annotations

import os
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

import numpy as np

__all__ = ["LENGTHS", "Frame", "first_bits", "frames", "kind_of", "skip_tag"]

_BIT_RATES = {  # kbit/s by (is MPEG-1, layer), index 1 to 14
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_SAMPLING_RATES = {  # Hz by version and index
    3: (44100, 48000, 32000),
    2: (22050, 24000, 16000),
    0: (11025, 12000, 8000),
}
_SAME = 0xFE0C  # bits of the second and third byte that all frames of a file share: version, layer, sampling rate
_NO_KIND = -1
_CHUNK = 1 << 18
_AHEAD = 3 * 2881  # bytes of the longest frames that confirm a first one
_TAGS = (b"ID3", b"TAG", b"APETAGEX")


class Frame(NamedTuple):
    """Frame of MPEG audio: ``data[at : at + length]``, at a position in the file."""

    data: bytes
    at: int
    position: int
    length: int
    kind: int


def _length(second: int, third: int) -> int:
    """Return the bytes of a frame by the second and third byte of its header; 0 if there is no such header."""
    version, layer = second >> 3 & 3, 4 - (second >> 1 & 3)
    rate, sampling, padding = third >> 4, third >> 2 & 3, third >> 1 & 1
    if second < 0xE0 or version == 1 or layer == 4 or not 0 < rate < 15 or sampling == 3:
        return 0
    bits, hz = _BIT_RATES[version == 3, layer][rate - 1] * 1000, _SAMPLING_RATES[version][sampling]
    if layer == 1:
        return (12 * bits // hz + padding) * 4
    return (72 if layer == 3 and version != 3 else 144) * bits // hz + padding


#: Bytes of a frame by the second and third byte of its header, as one number; 0 if there is no such header.
LENGTHS = [_length(key >> 8, key & 0xFF) if key >= 0xE000 else 0 for key in range(1 << 16)]
_LENGTHS = np.array(LENGTHS, np.int32)


def kind_of(data: bytes, at: int) -> int:
    """Return the version, layer, sampling rate and number of channels of the frame at a position, as one number.

    It is -1 if there is no frame.
    """
    key = data[at + 1] << 8 | data[at + 2]
    return key & _SAME | (data[at + 3] >= 0xC0) if data[at] == 0xFF and LENGTHS[key] else _NO_KIND


def first_bits(frame: Frame) -> int:
    """Return the number of bytes of sound (MP3) that a frame takes from the frames before it."""
    at = frame.at + (4 if frame.data[frame.at + 1] & 1 else 6)
    if frame.kind >> 11 & 3 == 3:
        return frame.data[at] << 1 | frame.data[at + 1] >> 7
    return frame.data[at]


def skip_tag(head: bytes) -> int:
    """Return the length of the tag (ID3 or APE) that begins with these 32 bytes; 0 if there is none."""
    if head[:3] == b"ID3" and len(head) >= 10 and max(head[6:10]) < 0x80:
        length = 0
        for byte in head[6:10]:  # seven bits in each byte
            length = length << 7 | byte
        return 10 + length + (10 if head[5] & 0x10 else 0)
    if head[:8] == b"APETAGEX" and len(head) == 32:
        return 32 + (int.from_bytes(head[12:16], "little") if head[23] & 0x20 else 0)  # a header, or the end
    if head[:3] == b"TAG":
        return 227 if head[3:4] == b"+" else 128
    return 0


def frames(file: BinaryIO, start: int, reach: int | None = None) -> Iterator[Frame]:
    """Yield the complete frames after a position; tags and foreign bytes are skipped.

    Foreign bytes may look like a header by chance, but hardly three times in a row: a frame after foreign bytes, and
    of another kind than the last, counts if two of its kind follow, or one and the end of the file or a tag.

    Parameters
    ----------
    file : binary file object
        Seekable. It is read in pieces of constant size.
    start : int
        Position to begin at.
    reach : int or None
        Number of foreign bytes after which the search for a first frame ends; None searches the whole file.

    Yields
    ------
    Frame
    """
    size = file.seek(0, os.SEEK_END)
    data, at, base, kind = b"", 0, start, _NO_KIND
    while True:
        base, data = base + at, data[at:]
        file.seek(base + len(data))
        more = file.read(_CHUNK)
        data, at = data + more, 0
        limit = len(data) - (_AHEAD if more else 3)
        starts: list[int] | None = None
        while at < limit:
            key = data[at + 1] << 8 | data[at + 2]
            if data[at] == 0xFF and LENGTHS[key] and key & _SAME | (data[at + 3] >= 0xC0) == kind:
                length = LENGTHS[key]
                if at + length > len(data):
                    return  # incomplete, at the end of the file
                if not _may_follow(data, at + length):
                    # Perhaps the file was cut within this frame, and another appended.
                    starts = _starts(data, not more) if starts is None else starts
                    index = bisect_right(starts, at)
                    if index < len(starts) and starts[index] < at + length:
                        at, kind = starts[index], kind_of(data, starts[index])
                        continue
                yield Frame(data, at, base + at, length, kind)
                at += length
                continue
            tag = skip_tag(data[at : at + 32]) if data[at] in b"ITA" else 0
            if 0 < tag <= size - base - at:
                at += tag
                continue
            if starts is None:
                starts = _starts(data, not more)
            index = bisect_left(starts, at)
            if index == len(starts) or starts[index] >= limit:
                at = limit
                break
            at = starts[index]
            kind = kind_of(data, at)
        if not more or (kind == _NO_KIND and reach is not None and base + at > start + reach):
            return


def _may_follow(data: bytes, at: int) -> bool:
    """Return whether a frame, a tag or the end is at a position."""
    if at + 3 >= len(data):
        return True
    if data[at] == 0xFF:
        return LENGTHS[data[at + 1] << 8 | data[at + 2]] > 0
    return data[at] in b"ITA" and skip_tag(data[at : at + 32]) > 0


def _starts(data: bytes, is_end: bool) -> list[int]:
    """Return the positions of all frames that two of their kind follow, or one and the end or a tag."""
    values = np.frombuffer(data, np.uint8)
    keys = values[1:-2].astype(np.uint16) << 8 | values[2:-1]
    lengths = np.where(values[:-3] == 0xFF, _LENGTHS[keys], 0)
    kinds = keys & _SAME | (values[3:] >= 0xC0)
    ends = [len(data)] if is_end else []
    for tag in _TAGS:
        found = data.find(tag)
        while found >= 0:
            ends.append(found)
            found = data.find(tag, found + 1)
    first = at = np.flatnonzero(lengths)
    good, alive = np.zeros(len(at), bool), np.ones(len(at), bool)
    for followers in range(2):
        at = at + lengths[at]
        if followers:
            good |= alive & np.isin(at, ends)
        alive &= at < len(lengths)
        at = np.minimum(at, len(lengths) - 1)
        alive &= (lengths[at] > 0) & (kinds[at] == kinds[first])
    return first[good | alive].tolist()

"""Length of MP3 files, which libsndfile only estimates.

An MP3 file has no header of its own. Encoders store the number of frames in a first, silent frame (the Xing or Info
header). Without it, libsndfile estimates the length from the size and the first bit rate. With a variable bit rate the
estimate can be wrong by any factor, and libsndfile never returns more samples than it estimated.
"""

from __future__ import annotations

import io
import struct
from typing import BinaryIO

__all__ = ["length_slack", "with_length"]

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
_MAX_TAGS = 100


def length_slack(file: BinaryIO) -> int | None:
    """Return the number of samples by which a complete MP3 may be shorter than it declares.

    Parameters
    ----------
    file : binary file object
        Seekable; its position is kept.

    Returns
    -------
    int or None [samples]
        0 with a full header (LAME, FFmpeg); one frame with a bare header, since old encoders count the header itself;
        None without a header, when no length is declared.
    """
    back = file.tell()
    file.seek(_after_tags(file))
    start = file.read(4096)
    file.seek(back)
    for name in (b"Xing", b"Info"):
        at = start.find(name)
        if at >= 0 and len(start) >= at + 12:
            flags, frames = struct.unpack(">II", start[at + 4 : at + 12])
            if flags & 1 and frames:
                return 0 if start[at + 120 : at + 123] in (b"LAM", b"Lav") else 1152
    return None


def with_length(file: BinaryIO) -> BinaryIO | None:
    """Add a Xing header to an MP3 without one, after counting its frames.

    Parameters
    ----------
    file : binary file object
        Seekable; an MP3 without a Xing header.

    Returns
    -------
    io.BytesIO or None
        The MP3 behind a Xing header; None if it has no frames of layer III.
    """
    file.seek(_after_tags(file))
    data = file.read()
    first, count = _count_frames(data)
    if count == 0 or _layer(data[first + 1]) != 3:
        return None
    flags, rate, mode = data[first + 1], data[first + 2], data[first + 3]
    header = bytes([0xFF, flags | 1, 9 << 4 | rate & 0x0C, mode])  # no checksum; a bit rate with enough room
    mpeg1, mono = flags >> 3 & 3 == 3, mode >> 6 == 3
    side = {(True, False): 32, (True, True): 17, (False, False): 17, (False, True): 9}[mpeg1, mono]
    frame = header + bytes(side) + b"Xing" + struct.pack(">II", 1, count)
    return io.BytesIO(frame.ljust(_frame_length(header, 0), b"\0") + data[first:])


def _after_tags(file: BinaryIO) -> int:
    """Return the position of the first byte after the ID3v2 tags."""
    position = 0
    for _ in range(_MAX_TAGS):
        file.seek(position)
        tag = file.read(10)
        if len(tag) < 10 or tag[:3] != b"ID3":
            break
        length = 0
        for byte in tag[6:10]:  # seven bits in each byte
            length = length << 7 | byte & 0x7F
        position += 10 + length + (10 if tag[5] & 0x10 else 0)
    return position


def _count_frames(data: bytes) -> tuple[int, int]:
    """Return the position of the first frame, and the number of frames; foreign bytes between them are skipped."""
    first, count, position = 0, 0, 0
    while True:
        length = _frame_length(data, position)
        # Foreign bytes may look like a header by chance, but not twice in a row.
        if length and (count or _frame_length(data, position + length)):
            first = position if count == 0 else first
            count += 1
            position += length
        else:
            position = data.find(b"\xff", position + 1)
            if position < 0:
                return first, count


def _frame_length(data: bytes, at: int) -> int:
    """Return the number of bytes in the frame at a position; 0 if there is none."""
    if at + 4 > len(data) or data[at] != 0xFF or data[at + 1] & 0xE0 != 0xE0:
        return 0
    version, layer = data[at + 1] >> 3 & 3, _layer(data[at + 1])
    rate, sampling, padding = data[at + 2] >> 4, data[at + 2] >> 2 & 3, data[at + 2] >> 1 & 1
    if version == 1 or layer == 4 or not 0 < rate < 15 or sampling == 3:
        return 0
    bits, hz = _BIT_RATES[version == 3, layer][rate - 1] * 1000, _SAMPLING_RATES[version][sampling]
    if layer == 1:
        return (12 * bits // hz + padding) * 4
    return (72 if layer == 3 and version != 3 else 144) * bits // hz + padding


def _layer(byte: int) -> int:
    return 4 - (byte >> 1 & 3)

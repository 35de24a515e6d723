"""Length of MPEG audio files (MP3, MP2), which libsndfile only estimates or takes from a header that may be wrong.

An MP3 file has no header of its own. Encoders store the number of frames in a first, silent frame (the Xing or Info
header). libsndfile never returns more samples than this header declares, also if another file was appended. Without
it, libsndfile estimates the length from the size and the first bit rate. With a variable bit rate the estimate can be
wrong by any factor. So the frames are counted, unless the header agrees with the size of the file.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass, field, replace
from typing import BinaryIO

from mxnet_audio.audio.mp3_frames import LENGTHS, Frame, first_bits, frames, kind_of, skip_tag
from mxnet_audio.audio.pieces import MAX_PARTS, Part
from mxnet_audio.errors import AudioDecodeError, TruncatedAudioError

__all__ = ["after_tags", "mpeg_parts"]

_MAX_TAGS = 100
_MAX_PIECES = 10_000  # more gaps than this are left to the decoder
_MAX_UNREAD = 1 << 14  # bytes behind the last frame that cause no warning: half a frame, lyrics
_XING_FIELDS = 16  # bytes: name, flags, number of frames, number of bytes
_LAME_TAG, _LAME_PADDING = 120, 142  # bytes after the beginning of a full Xing header
_FRAME = 1152  # samples
_HEADER_BIT_RATE = 9  # index of a bit rate with enough room for a Xing header


def after_tags(file: BinaryIO, position: int = 0) -> int:
    """Return the position of the first byte after the complete tags (ID3, APE) at a position."""
    size = file.seek(0, os.SEEK_END)
    for _ in range(_MAX_TAGS):
        file.seek(position)
        length = skip_tag(file.read(32))
        if not 0 < length <= size - position:
            break
        position += length
    return position


def mpeg_parts(file: BinaryIO, path: str | None = None, reach: int | None = None) -> list[Part] | None:
    """Find the MP3 or MP2 files in a file: one, or several that were joined.

    A new file begins with a Xing or Info header, at another sampling rate or number of channels, and after the last
    frame that a header declares. Tags and foreign bytes between frames are left out.

    Parameters
    ----------
    file : binary file object
        Seekable.
    path : str or None
        Path to name in the error.
    reach : int or None
        Foreign bytes to search for a first frame; None searches the whole file.

    Returns
    -------
    list of Part or None
        Empty if there are no frames; None if this is one MP3 whose header is right.

    Raises
    ------
    AudioDecodeError
        There are more than 10,000 parts.
    TruncatedAudioError
        A part ends after its header.
    """
    size = file.seek(0, os.SEEK_END)
    start = after_tags(file)
    end = _right_end(file, start, size)
    if end is not None:
        # Of tags behind that take more than a hundredth, libsndfile's decoder prints a complaint.
        return [Part((range(start, end),))] if 100 * (size - end) > size else None
    runs: list[_Run] = []
    for frame in frames(file, start, reach):
        header = _Header.of(frame)
        run = runs[-1] if runs else None
        if run is None or header or frame.kind != run.kind or (run.is_complete and not first_bits(frame)):
            if len(runs) == MAX_PARTS:
                raise AudioDecodeError(f"more than {MAX_PARTS} MP3 files are joined in this file", path)
            run = _Run(frame.kind, frame.data[frame.at : frame.at + 4], header, count=-1 if header else 0)
            runs.append(run)
        run.add(frame)
    for number, run in enumerate(runs, 1):
        if run.header and run.header.frames > run.count == 0:
            reason = f"part {number} of {len(runs)} declares {run.header.frames} MP3 frames, and has none"
            raise TruncatedAudioError(f"truncated: {reason}", path)
    runs = [run for run in runs if run.count]
    if not runs:
        return []
    # Who cuts a file short cuts off the tags at its end.
    unread = size - after_tags(file, runs[-1].stop)
    parts = [run.part(is_whole=run is runs[-1] and run.stop < size and not unread) for run in runs]
    if unread > _MAX_UNREAD and not parts[-1].warning:
        warning = f"{unread} bytes of no known kind follow the MP3 frames, and are not read"
        parts[-1] = replace(parts[-1], warning=warning)
    return parts


def _right_end(file: BinaryIO, start: int, size: int) -> int | None:
    """Return the end of the frames if an MP3 begins with a full Xing header, and only tags follow what it declares."""
    file.seek(start)
    data = file.read(4096)
    kind = kind_of(data, 0) if len(data) >= 4 else -1
    header = _Header.of(Frame(data, 0, start, LENGTHS[data[1] << 8 | data[2]], kind)) if kind >= 0 else None
    if header is None or not header.is_full or not 0 < header.size <= size - start:
        return None
    return start + header.size if after_tags(file, start + header.size) >= size else None


@dataclass(frozen=True)
class _Header:
    """Xing or Info header: a frame, and the position of the header in it."""

    data: bytes
    at: int
    frames: int
    size: int

    @classmethod
    def of(cls, frame: Frame) -> _Header | None:
        at = 4 + _side_length(frame.kind)
        begin = frame.at + at
        if frame.data[begin : begin + 4] not in (b"Xing", b"Info") or _layer(frame.kind) != 3:
            return None
        data = bytes(frame.data[frame.at : frame.at + frame.length])
        fields = data[at + 4 : at + _XING_FIELDS].ljust(12, b"\0")
        flags, frames_declared, size = struct.unpack(">III", fields)
        if not flags & 1:
            return cls(data, at, 0, 0)
        return cls(data, at, frames_declared, size if flags & 2 else 0)

    @property
    def is_full(self) -> bool:
        """True if an encoder wrote this that does not count the header itself, and that gives its delay."""
        return self.data[self.at + _LAME_TAG :][:3] in (b"LAM", b"Lav")

    def declaring(self, count: int, size: int) -> bytes:
        """Return the frame with other numbers of frames and bytes, and without padding to cut off at the end."""
        data, flags = bytearray(self.data), self.data[self.at + 7]
        data[self.at + 8 : self.at + 12] = struct.pack(">I", count)
        if flags & 2:
            data[self.at + 12 : self.at + 16] = struct.pack(">I", size)
        if self.is_full and len(data) > self.at + _LAME_PADDING + 1:
            data[self.at + _LAME_PADDING] &= 0xF0
            data[self.at + _LAME_PADDING + 1] = 0
        return bytes(data)


@dataclass
class _Run:
    """Frames of one kind that are decoded together."""

    kind: int
    first: bytes  # four bytes: the header of the first frame
    header: _Header | None
    count: int  # of frames with sound
    starts: list[int] = field(default_factory=list)  # of its pieces
    stops: list[int] = field(default_factory=list)

    @property
    def stop(self) -> int:
        return self.stops[-1]

    @property
    def pieces(self) -> list[range]:
        return [range(start, stop) for start, stop in zip(self.starts, self.stops, strict=True)]

    @property
    def is_complete(self) -> bool:
        return self.header is not None and self.count == self.header.frames > 0

    def add(self, frame: Frame) -> None:
        start, stop = frame.position, frame.position + frame.length
        if self.stops and (self.stops[-1] == start or len(self.stops) == _MAX_PIECES):
            self.stops[-1] = stop
        else:
            self.starts.append(start)
            self.stops.append(stop)
        self.count += 1

    def part(self, is_whole: bool) -> Part:
        """Return the frames behind a header that declares them.

        If a header declares more frames than there are, this is to be told as truncated when they are decoded, unless
        the file ``is_whole``.
        """
        if self.header is None or not self.header.frames:
            return self._behind_new_header()
        pieces, missing = self.pieces, self.header.frames - self.count
        counts_itself = missing == 1 and not self.header.is_full  # as old encoders do
        if missing == 0 or (missing > 0 and not is_whole and not counts_itself):
            return Part(tuple(pieces), slack=0 if self.header.is_full else _FRAME)
        head = len(self.header.data)
        sound = (range(pieces[0].start + head, pieces[0].stop), *pieces[1:])
        frame = self.header.declaring(self.count, head + sum(map(len, sound)))
        seen = f"its header declares {self.header.frames} MP3 frames, it has {self.count}; all of them are read"
        return Part((frame, *sound), slack=_FRAME, warning=None if counts_itself else seen)

    def _behind_new_header(self) -> Part:
        pieces = self.pieces
        if self.header is not None:  # one that declares nothing
            pieces = [range(pieces[0].start + len(self.header.data), pieces[0].stop), *pieces[1:]]
        second, third, mode = self.first[1] | 1, self.first[2] & 0x0C, self.first[3]  # without a checksum
        if _layer(self.kind) == 3:
            header = bytes([0xFF, second, _HEADER_BIT_RATE << 4 | third, mode])
            frame = header + bytes(_side_length(self.kind)) + b"Xing" + struct.pack(">II", 1, self.count)
            return Part((frame.ljust(LENGTHS[second << 8 | header[2]], b"\0"), *pieces), slack=None)
        # libsndfile estimates the length by the first frame. A silent one of the lowest bit rate makes it long enough.
        header = bytes([0xFF, second, 1 << 4 | third, mode])
        samples = 384 if _layer(self.kind) == 1 else _FRAME
        silence = header.ljust(LENGTHS[second << 8 | header[2]], b"\0")
        return Part((silence, *pieces), frames=self.count * samples, slack=None, lead=samples)


def _layer(kind: int) -> int:
    return 4 - (kind >> 9 & 3)


def _side_length(kind: int) -> int:
    """Return the bytes between the header of an MP3 frame and its sound, or its Xing header."""
    is_mpeg1, is_mono = kind >> 11 & 3 == 3, kind & 1
    return (32, 17)[is_mono] if is_mpeg1 else (17, 9)[is_mono]

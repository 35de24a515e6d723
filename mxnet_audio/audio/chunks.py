"""Samples in WAV, AIFF, CAF, Wave64 and AU files: their size by the header, and by the file.

Recorders that lose power never write the size of the samples, some writers get it wrong by the size of the header, and
files of more than 4 GiB exceed the field. Joined files follow one another.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

from mxnet_audio.audio.pieces import MAX_PARTS, Part, matches
from mxnet_audio.errors import AudioDecodeError

__all__ = ["MAX_CHUNKS", "Samples", "chunk_parts", "find_samples"]

_SLIP = 128  # bytes that a header may declare too many, mostly its own size; a file that was cut short lacks more
MAX_CHUNKS = 100_000  # bounds the time that a hostile file takes
_LONGEST = 0xFFFFFFFF  # of a field of 32 bits
# Sizes that streaming writers leave in the header, since they cannot return to it: FFmpeg, SoX, eSpeak and others.
_UNKNOWN = (0x7FFFFFFF, 0x7FFFF000, 0x80000000, _LONGEST)
_START_BYTES = 12
_AU_HEADER_BYTES = 24  # at least
_STARTS = {
    b"RIFF": rb"RIFF....WAVE",
    b"RIFX": rb"RIFX....WAVE",
    b"RF64": rb"RF64....WAVE",
    b"BW64": rb"BW64....WAVE",
    b"FORM": rb"FORM....AIF[FC]",
    b"caff": rb"caff\x00\x01.{6}",
    b".snd": rb"\.snd\x00\x00.{6}",
    b"dns.": rb"dns\...\x00\x00.{4}",
    b"riff": rb"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb",
}
_START = re.compile(b"|".join(_STARTS.values()), re.DOTALL)
_SILENCE = bytes(16)
_FOREIGN = (b"ID3", b"TAG", b"APETAGEX", b"LYRICSBEGIN", _SILENCE)  # tags, and zeros behind the samples


class _Field(NamedTuple):
    """Field of a header for a size: its position and type, and the position from which the size counts."""

    position: int
    code: str
    origin: int


@dataclass(frozen=True)
class Samples:
    """Position and size of the samples of a file, in bytes.

    Attributes
    ----------
    format : str
        Name of the format.
    base, start : int
        Positions of the header, and of what follows it: the samples.
    declared : int or None
        Size of the samples by the header; None if it declares none.
    fields : tuple
        Fields of the header for sizes.
    chunk : struct.Struct or None
        Header of a chunk; None in a format without chunks.
    step : int
        Chunks are padded to multiples of this.
    """

    format: str
    base: int
    start: int
    declared: int | None
    fields: tuple[_Field, ...]
    chunk: struct.Struct | None = None
    step: int = 1

    def missing(self, size: int) -> int:
        """Return the number of declared bytes that a file of this size lacks, apart from small errors."""
        missing = (self.declared or 0) - max(0, size - self.start)
        return missing if missing > min(_SLIP, max(0, size - self.start)) else 0


def find_samples(file: BinaryIO, base: int = 0, path: str | os.PathLike | None = None) -> Samples | str | None:
    """Read the header of a file of samples, which begins at a position of a file.

    Returns
    -------
    Samples, str or None
        A message if the samples are missing; None if this is another format.

    Raises
    ------
    AudioDecodeError
        The samples of an AU file begin within its header: libsndfile reads others after a seek than without.
    """
    file.seek(base)
    head = file.read(_START_BYTES)
    if not _START.match(head):
        return None
    if head[:4] in (b".snd", b"dns."):
        order = ">" if head[:4] == b".snd" else "<"
        offset, declared = struct.unpack(order + "II", head[4:])
        if offset < _AU_HEADER_BYTES:
            raise AudioDecodeError(f"damaged: its AU header declares that the samples begin at byte {offset}", path)
        start = base + offset
        return Samples("AU", base, start, _known(declared), (_Field(base + 8, order + "I", start),))
    if head[:4] == b"caff":
        return _samples_of_chunk(file, base, "CAF", b"data", ">4sq", 1, base + 8)
    if head[:4] == b"riff":
        whole = _Field(base + 16, "<q", base)
        return _samples_of_chunk(file, base, "Wave64", b"data", "<4s12xq", 8, base + 40, whole)
    name, identifier = ("AIFF", b"SSND") if head[:4] == b"FORM" else ("WAV", b"data")
    order = ">" if head[:4] in (b"FORM", b"RIFX") else "<"
    whole = _Field(base + 4, order + "I", base + 8)
    return _samples_of_chunk(file, base, name, identifier, order + "4sI", 2, base + 12, whole)


def _known(size: int) -> int | None:
    return size if size > 0 and size not in _UNKNOWN else None


def _samples_of_chunk(
    file: BinaryIO, base: int, name: str, wanted: bytes, header: str, step: int, first: int, *fields: _Field
) -> Samples | str:
    """Find the chunk of samples, from the first chunk on."""
    chunk, code = struct.Struct(header), header[0] + header[-1]
    long_size = None
    for identifier, start, length in _chunks(file, chunk, step, first):
        if identifier == b"ds64":  # the 64-bit sizes of RF64: of the file, then of the samples
            file.seek(start)
            long_size = int.from_bytes(file.read(16)[8:], "little")
            fields = (_Field(start, "<Q", base + 8),)
            size_at = start + 8
        if identifier == wanted:
            if length == _LONGEST and long_size is not None:
                declared = _known(long_size if long_size < 1 << 63 else 0)
                fields = (*fields, _Field(size_at, "<Q", start))
            else:
                declared = _known(length)
                origin = start - chunk.size if name == "Wave64" else start
                fields = (*fields, _Field(start - struct.calcsize(code), code, origin))
            return Samples(name, base, start, declared, fields, chunk, step)
    return f"the {name} file ends before its samples begin"


def _chunks(file: BinaryIO, chunk: struct.Struct, step: int, position: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield (identifier, position of the contents, their size) of the chunks from a position on."""
    for _ in range(MAX_CHUNKS):
        file.seek(position)
        entry = file.read(chunk.size)
        if len(entry) < chunk.size:
            return
        identifier, length = chunk.unpack(entry)
        if chunk.size == 24:  # Wave64 counts the header of the chunk
            length -= chunk.size
        yield identifier, position + chunk.size, length
        if length < 0:
            return
        position += chunk.size + length + -length % step


def chunk_parts(file: BinaryIO, path: str | None = None) -> list[Part] | None:
    """Find the sound files in a file that begins with WAV, AIFF, CAF, Wave64 or AU.

    Parameters
    ----------
    file : binary file object
        Seekable.
    path : str or None
        Path to name in errors.

    Returns
    -------
    list of Part or None
        None if this is another format; empty if this is one file whose header is right. If a header declares no size
        of the samples, or one that is wrong, the part has a right one, and a warning.

    Raises
    ------
    AudioDecodeError
        There are more than 10,000 parts, or a size does not fit into the header.
    """
    size = file.seek(0, os.SEEK_END)
    parts: list[Part] = []
    base: int | None = 0
    while base is not None:
        if len(parts) == MAX_PARTS:
            raise AudioDecodeError(f"more than {MAX_PARTS} sound files are joined in this file", path)
        samples = find_samples(file, base, path)
        if samples is None and not parts:
            return None
        if not isinstance(samples, Samples):  # of another format, or without samples
            return [*parts, Part((range(base, size),))] if parts else []
        stop, following, warning = _extent(file, size, samples)
        if stop is None:
            parts.append(Part((range(base, size if following is None else following),), warning=warning))
        else:
            parts.append(Part((_header(file, samples, stop, path), range(samples.start, stop)), warning=warning))
        base = following
    return parts if len(parts) > 1 or parts[0].warning else []


def _extent(file: BinaryIO, size: int, samples: Samples) -> tuple[int | None, int | None, str | None]:
    """Return the end of the samples if the header is wrong, the start of the next sound file, and a warning."""
    present = size - samples.start
    if samples.declared is None:
        file.seek(samples.start)
        is_sound = file.read(len(_SILENCE)) == _SILENCE or not _next_header(file, size, samples, samples.start)[1]
        if present < samples.step * 8 or not is_sound:
            return None, None, None  # there are no samples
        following = _next_alike(file, samples, samples.start)
        warning = f"its {samples.format} header declares no size of the samples, as if it was never finished"
        return following or size, following, f"{warning}; they are read to the end"
    missing = samples.declared - present
    if missing > 0:
        if samples.missing(size):
            return None, None, None  # truncated
        declares = f"its {samples.format} header declares {samples.declared} bytes of samples"
        return size, None, f"{declares}, the file has {present}, which are read"
    if missing == 0:
        return None, None, None
    stop = samples.start + samples.declared
    following, is_end = _next_header(file, size, samples, stop)
    overflow = (size - stop) >> 32 << 32  # by which the size exceeds a field of 32 bits
    if overflow and following is None and samples.fields[-1].code[-1] == "I":
        declares = f"its {samples.format} header declares {samples.declared} bytes of samples"
        return stop + overflow, None, f"{declares} of {stop + overflow - samples.start}, which are read"
    if following is not None or is_end:
        return None, following, None
    following = _next_alike(file, samples, stop)
    unread = (following or size) - stop
    return None, following, f"{unread} bytes of no known kind follow the samples, and are not read"


def _next_alike(file: BinaryIO, samples: Samples, start: int) -> int | None:
    """Return the position of the next sound file of this format."""
    file.seek(samples.base)
    alike = re.compile(_STARTS[file.read(4)], re.DOTALL)
    return next(matches(file, alike, start, _START_BYTES), None)


def _next_header(file: BinaryIO, size: int, samples: Samples, stop: int) -> tuple[int | None, bool]:
    """Return the position of a sound file that follows, and whether else only chunks, tags or zeros follow."""
    for position in (stop, stop + -(stop - samples.start) % samples.step):  # padding is sometimes left out
        file.seek(position)
        if _START.match(file.read(_START_BYTES)):
            return position, False
    if samples.chunk is not None:
        for _, start, length in _chunks(file, samples.chunk, samples.step, position):
            position = start - samples.chunk.size
            file.seek(position)
            head = file.read(_START_BYTES)
            if _START.match(head):
                return position, False
            if not (head[:4].isascii() and head[:4].decode("ascii").isprintable() and 0 <= length <= size - start):
                break
            position = start + length
    file.seek(position)
    rest = file.read(16)
    return None, len(rest) < 16 or rest.startswith(_FOREIGN)


def _header(file: BinaryIO, samples: Samples, stop: int, path: str | None) -> bytes:
    """Return the header of a file with the size that its samples have if they end at a position."""
    file.seek(samples.base)
    header = bytearray(file.read(samples.start - samples.base))
    if stop - samples.base > _LONGEST and any(field.code[-1] == "I" for field in samples.fields):
        if samples.format != "WAV" or header[:4] != b"RIFF":
            raise AudioDecodeError(f"more than 4 GiB of samples in {samples.format}: convert it to Wave64", path)
        sizes = struct.pack("<4sIQQQI", b"ds64", 28, stop - samples.base + 28, stop - samples.start, 0, 0)
        return b"RF64\xff\xff\xff\xffWAVE" + sizes + header[12:-4] + b"\xff\xff\xff\xff"
    for field in samples.fields:
        struct.pack_into(field.code, header, field.position - samples.base, stop - field.origin)
    return bytes(header)

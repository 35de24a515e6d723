"""What a file declares about its own length: the check that decoders leave out.

Decoders are forgiving. libsndfile clamps a WAV to the bytes that are there, stops an Ogg at the last whole
page and fills no gap of an MP3, all without a word. These checks read a few header bytes and compare.
"""

from __future__ import annotations

import os
import struct
from typing import BinaryIO

from mxnet_audio.errors import AudioDecodeError, TruncatedAudioError

__all__ = ["check_complete"]

# Streaming writers put these where they cannot go back; the last is CAF's.
_UNKNOWN = (0, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, -1)
_OGG_PAGE = 65307  # the longest page that the format allows
_WAVE64 = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb"  # the first 12 bytes of the 16 that name it
_MAX_CHUNKS = 100_000  # a walk over a hostile file ends


def check_complete(file: BinaryIO, path: str | os.PathLike | None = None) -> None:
    """Raise when the container's own header says that bytes are missing.

    Knows WAV (RIFF, RIFX, RF64, Wave64), AU, AIFF, CAF, Ogg and MP4. Other formats pass. FLAC, MP3 and Matroska
    need no check here, for their decoders say what was declared; of rare ones such as VOC, NIST and MAT
    libsndfile reads what is there.

    Parameters
    ----------
    file : binary file object
        Seekable; left at position 0.
    path : str or os.PathLike, optional
        Named in the error.

    Raises
    ------
    AudioDecodeError
        The file is empty.
    TruncatedAudioError
        It ends before the length that it declares.

    Examples
    --------
    >>> import io
    >>> check_complete(io.BytesIO(b"OggS" + bytes(100)), "half.ogg")
    Traceback (most recent call last):
    ...
    mxnet_audio.errors.TruncatedAudioError: half.ogg: truncated: the last Ogg page is not marked as the end
    """
    size = file.seek(0, os.SEEK_END)
    if size == 0:
        raise AudioDecodeError("the file is empty (0 bytes)", path)
    file.seek(0)
    head = file.read(12)
    missing = None
    if head[:4] in (b"RIFF", b"RIFX", b"RF64") and head[8:] == b"WAVE":
        missing = _check_chunks(file, size, 12, ">4sI" if head[:4] == b"RIFX" else "<4sI", b"data", "WAV")
    elif head == _WAVE64:
        missing = _check_wave64(file, size)
    elif head[:4] == b"FORM" and head[8:] in (b"AIFF", b"AIFC"):
        missing = _check_chunks(file, size, 12, ">4sI", b"SSND", "AIFF")
    elif head[:4] == b"caff":
        missing = _check_chunks(file, size, 8, ">4sq", b"data", "CAF")
    elif head[:4] in (b".snd", b"dns."):
        missing = _check_au(head, size)
    elif head[:4] == b"OggS":
        missing = _check_ogg(file, size)
    elif head[4:8] == b"ftyp":
        missing = _check_mp4(file, size)
    file.seek(0)
    if missing:
        raise TruncatedAudioError(f"truncated: {missing}", path)


def _check_chunks(file: BinaryIO, size: int, start: int, header: str, data_id: bytes, name: str) -> str | None:
    """Find the chunk of samples and compare its size with the bytes that follow it."""
    position, long_size, head = start, None, struct.Struct(header)
    for _ in range(_MAX_CHUNKS):
        file.seek(position)
        entry = file.read(head.size)
        if len(entry) < head.size:
            break
        chunk, length = head.unpack(entry)
        position += head.size
        if chunk == b"ds64":  # RF64 keeps the 64-bit sizes here: RIFF size, then data size
            sizes = file.read(16)
            if len(sizes) == 16:
                long_size = struct.unpack("<8xQ", sizes)[0]
        if chunk == data_id:
            if length == 0xFFFFFFFF and long_size is not None:
                length = long_size
            elif length in _UNKNOWN:
                return None
            present = size - position
            if length > present:
                return f"the {name} header declares {length} bytes of samples, the file holds {present}"
            return None
        if length < 0:
            break
        position += length + (length % 2 if head.size == 8 else 0)  # CAF does not pad
    return f"the {name} file ends before its samples begin"


def _check_wave64(file: BinaryIO, size: int) -> str | None:
    """Compare the size of the whole, which Wave64 puts behind its name, with the file."""
    file.seek(16)
    length = int.from_bytes(file.read(8), "little")
    return f"the Wave64 header declares {length} bytes, the file holds {size}" if length > size else None


def _check_au(head: bytes, size: int) -> str | None:
    """Compare the size field of an AU header with the file."""
    if len(head) < 12:
        return "the AU header is incomplete"
    start, length = struct.unpack((">" if head[:4] == b".snd" else "<") + "II", head[4:12])
    if length not in _UNKNOWN and start + length > size:
        return f"the AU header declares {length} bytes of samples, the file holds {max(0, size - start)}"
    return None


def _check_ogg(file: BinaryIO, size: int) -> str | None:
    """Look at the last page: it must be whole and marked as the end of its stream."""
    file.seek(max(0, size - 2 * _OGG_PAGE))
    tail = file.read()
    at = tail.rfind(b"OggS")
    while at > 0 and tail[at + 4 : at + 5] not in (b"\0", b""):  # the four letters inside packed sound
        at = tail.rfind(b"OggS", 0, at)
    if at < 0:
        return None  # foreign bytes appended: nothing can be said
    page = tail[at:]
    segments = page[26] if len(page) > 26 else 0
    whole = 27 + segments + sum(page[27 : 27 + segments])
    if len(page) < 27 + segments or len(page) < whole:
        return "the last Ogg page is incomplete"
    if not page[5] & 4:
        return "the last Ogg page is not marked as the end"
    return None


def _check_mp4(file: BinaryIO, size: int) -> str | None:
    """Walk the top-level boxes: each must lie in the file, and the index ("moov") must be among them."""
    position, index = 0, False
    for _ in range(_MAX_CHUNKS):
        if position >= size:
            break
        file.seek(position)
        header = file.read(16)
        if len(header) < 8:
            break  # a few stray bytes after the last box do no harm
        length, box = struct.unpack(">I4s", header[:8])
        index = index or box == b"moov"
        if length == 1 and len(header) == 16:
            length = struct.unpack(">Q", header[8:])[0]
        elif length == 0:  # to the end of the file
            length = size - position
        if length < 8:
            break
        if position + length > size:
            name = box.decode("latin-1")
            return f"the MP4 box {name!r} declares {length} bytes, of which {size - position} exist"
        position += length
    return None if index else "the MP4 file has no index (moov box)"

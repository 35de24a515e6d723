"""Checks of the length that a file declares in its header.

Decoders accept truncated files silently: libsndfile reads a WAV up to its last byte, an Ogg up to its last complete
page, and skips the gaps of an MP3. These checks read a few bytes of the header and compare them with the file.
"""

from __future__ import annotations

import os
import struct
from typing import BinaryIO

from mxnet_audio.audio.chunks import Samples, find_samples
from mxnet_audio.errors import AudioDecodeError, TruncatedAudioError

__all__ = ["check_complete"]

_MAX_OGG_PAGE = 65307  # bytes, by the format
_MAX_CHUNKS = 100_000  # bounds the time that a hostile file takes


def check_complete(file: BinaryIO, path: str | os.PathLike | None = None) -> None:
    """Raise TruncatedAudioError if a file is shorter than its header declares.

    WAV (RIFF, RIFX, RF64, Wave64), AU, AIFF, CAF, Ogg and MP4 are checked; other formats pass. FLAC, MP3 and Matroska
    need no check here, since their decoders report the declared length. Truncated files of rare formats such as VOC,
    NIST and MAT are read up to their end. Headers that declare no length pass, and those that declare up to 128 bytes
    too many, mostly the size of the header itself.

    Parameters
    ----------
    file : binary file object
        Seekable; its position is 0 afterwards.
    path : str or os.PathLike, optional
        Path to name in the error.

    Raises
    ------
    AudioDecodeError
        The file is empty, or consists of several MP4 files.
    TruncatedAudioError
        The file ends before the length that it declares.

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
    if head[:4] == b"OggS":
        missing = _check_ogg(file, size)
    elif head[4:8] == b"ftyp":
        missing = _check_mp4(file, size, path)
    else:
        missing = _check_samples(find_samples(file), size)
    file.seek(0)
    if missing:
        raise TruncatedAudioError(f"truncated: {missing}", path)


def _check_samples(samples: Samples | str | None, size: int) -> str | None:
    """Compare the declared size of the samples with the bytes that follow the header."""
    if not isinstance(samples, Samples):
        return samples
    if not samples.missing(size):
        return None
    present = max(0, size - samples.start)
    return f"the {samples.format} header declares {samples.declared} bytes of samples, the file has {present}"


def _check_ogg(file: BinaryIO, size: int) -> str | None:
    """Check that the last page is complete and marked as the end of its stream."""
    file.seek(max(0, size - 2 * _MAX_OGG_PAGE))
    tail = file.read()
    at = tail.rfind(b"OggS")
    while at > 0 and tail[at + 4 : at + 5] not in (b"\0", b""):  # these letters, by chance, in encoded sound
        at = tail.rfind(b"OggS", 0, at)
    if at < 0:
        return None  # foreign bytes are appended, and hide the last page
    page = tail[at:]
    segments = page[26] if len(page) > 26 else 0
    page_size = 27 + segments + sum(page[27 : 27 + segments])
    if len(page) < 27 + segments or len(page) < page_size:
        return "the last Ogg page is incomplete"
    if not page[5] & 4:
        return "the last Ogg page is not marked as the end"
    return None


def _check_mp4(file: BinaryIO, size: int, path: str | os.PathLike | None) -> str | None:
    """Check that all top-level boxes lie within the file, and that the index ("moov") is one of them, once."""
    position, has_index = 0, False
    for _ in range(_MAX_CHUNKS):
        if position >= size:
            break
        file.seek(position)
        header = file.read(16)
        if len(header) < 8:
            break  # a few stray bytes after the last box are harmless
        length, box = struct.unpack(">I4s", header[:8])
        if box == b"moov" and has_index:
            raise AudioDecodeError("several MP4 files are joined in this file: decoders read the first alone", path)
        has_index = has_index or box == b"moov"
        if length == 1 and len(header) == 16:
            length = struct.unpack(">Q", header[8:])[0]
        elif length == 0:  # to the end of the file
            length = size - position
        if length < 8:
            break
        if position + length > size:
            name = box.decode("latin-1")
            return f"the MP4 box {name!r} declares {length} bytes, the file has {size - position}"
        position += length
    return None if has_index else "the MP4 file has no index (moov box)"

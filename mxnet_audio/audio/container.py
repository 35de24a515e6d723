"""Checks of the length that a file declares in its header.

Decoders accept truncated files silently: libsndfile reads a WAV up to its last byte, an Ogg up to its last complete
page, and skips the gaps of an MP3. These checks read a few bytes of the header and compare them with the file.
"""

from __future__ import annotations

import os
import re
import struct
from typing import BinaryIO

from mxnet_audio.audio.chunks import MAX_CHUNKS, Samples, find_samples
from mxnet_audio.audio.mp3 import after_tags
from mxnet_audio.audio.pieces import matches
from mxnet_audio.errors import AudioDecodeError, TruncatedAudioError

__all__ = ["check_complete"]

_MAX_OGG_PAGE = 65307  # bytes, by the format
_MATROSKA = "Matroska"
_HEADER_BYTES = 14  # of the longest in this table
# Decoders read the first file alone if several of these are joined (of three Matroska files, two).
_FIRST_ALONE = {
    "FLV": re.compile(rb"FLV\x01[\x01\x04\x05]\x00\x00\x00\x09"),
    "TTA": re.compile(rb"TTA1[\x01-\x03]\x00"),
    "Monkey's Audio": re.compile(rb"MAC .\x0f\x00\x00\x34\x00\x00\x00", re.DOTALL),
    "SVX": re.compile(rb"FORM....(?:8SVX|16SV)", re.DOTALL),
    _MATROSKA: re.compile(rb"\x1a\x45\xdf\xa3(?:[\x81-\xfe]|\x01\x00{6}.)\x42[\x82\x86]", re.DOTALL),
}
_SEGMENT = b"\x18\x53\x80\x67"  # all that follows the header of a Matroska file


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
        The file is empty, the header is damaged, or several files of a format are joined of which decoders read the
        first alone, such as MP4, Matroska and FLV.
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
    head = file.read(_HEADER_BYTES)
    if head[:4] == b"OggS":
        missing = _check_ogg(file, size)
    elif head[4:8] == b"ftyp":
        missing = _check_mp4(file, size, path)
    elif name := next((name for name, header in _FIRST_ALONE.items() if header.match(head)), None):
        start = _matroska_end(file) if name == _MATROSKA else 4
        if next(matches(file, _FIRST_ALONE[name], start, _HEADER_BYTES), None) is not None:
            raise _joined(name, path)
        missing = None
    else:
        missing = _check_samples(find_samples(file, path=path), size)
    file.seek(0)
    if missing:
        raise TruncatedAudioError(f"truncated: {missing}", path)


def _joined(name: str, path: str | os.PathLike | None) -> AudioDecodeError:
    reason = f"several {name} files are joined in this file, and decoders read the first alone"
    return AudioDecodeError(f"{reason}: split them, or join them with ffmpeg", path)


def _matroska_end(file: BinaryIO) -> int:
    """Return the end of the first Matroska file, or a position after its start if its header declares no size."""
    file.seek(0)
    head = file.read(256).ljust(256, b"\0")
    header_size, at = _matroska_size(head, 4)
    at += header_size
    if head[at : at + 4] != _SEGMENT:
        return 4
    size, start = _matroska_size(head, at + 4)
    return start + size


def _matroska_size(data: bytes, at: int) -> tuple[int, int]:
    """Return a size, of as many bytes as its leading zero bits tell, and the position after it; 0 if it is unknown."""
    length = 9 - data[at].bit_length()
    unknown = (1 << 7 * length) - 1
    size = int.from_bytes(data[at : at + length], "big") & unknown
    return size if size != unknown else 0, at + length


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
    for _ in range(MAX_CHUNKS):
        if position >= size:
            break
        file.seek(position)
        header = file.read(16)
        if len(header) < 8:
            break  # a few stray bytes after the last box are harmless
        length, box = struct.unpack(">I4s", header[:8])
        if box == b"moov" and has_index:
            raise _joined("MP4", path)
        has_index = has_index or box == b"moov"
        if length == 1 and len(header) == 16:
            length = struct.unpack(">Q", header[8:])[0]
        elif length == 0:  # to the end of the file
            length = size - position
        if length < 8:
            break
        if position + length > size:
            if has_index and (not box.isalnum() or after_tags(file, position) == size):
                break  # junk or a tag after the last box
            name = box.decode("latin-1")
            return f"the MP4 box {name!r} declares {length} bytes, the file has {size - position}"
        position += length
    return None if has_index else "the MP4 file has no index (moov box)"

"""Sound files that were joined in one file, or whose header is wrong."""

from __future__ import annotations

from typing import BinaryIO

from mxnet_audio.audio.chunks import chunk_parts
from mxnet_audio.audio.flac import flac_parts
from mxnet_audio.audio.formats import ffmpeg_formats
from mxnet_audio.audio.mp3 import after_tags, mpeg_parts
from mxnet_audio.audio.ogg import ogg_parts
from mxnet_audio.audio.pieces import Part

__all__ = ["find_parts"]

_REACH = 1 << 16  # foreign bytes before the first frame of a file that nothing but this frame shows to be an MP3


def find_parts(file: BinaryIO, path: str | None = None) -> list[Part] | None:
    """Find the sound files in a file that libsndfile would read as one, up to the length in the first header.

    Parameters
    ----------
    file : binary file object
        Seekable.
    path : str or None
        Path to name in errors.

    Returns
    -------
    list of Part or None
        None if this is one file, and its header is right; an empty list if this may be MP3 or MP2, but has no frames.

    Raises
    ------
    AudioDecodeError
        There are more than 10,000 parts.
    """
    if (parts := chunk_parts(file, path)) is not None:
        return parts or None
    start = after_tags(file)
    file.seek(start)
    head = file.read(4)
    if head == b"OggS":
        return ogg_parts(file, path) or None
    if head == b"fLaC":
        return flac_parts(file, start, path) or None
    named = path is not None and path.lower().endswith(".mp3")
    formats = ffmpeg_formats(file)
    if "mp3" in formats.split(",") if formats else start or named:
        return mpeg_parts(file, path, None if start or named else _REACH)
    return None

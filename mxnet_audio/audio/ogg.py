"""Chained Ogg: streams of Vorbis, Opus or FLAC after one another in one file."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from typing import BinaryIO

from mxnet_audio.audio.pieces import MAX_PARTS, Part, matches
from mxnet_audio.errors import AudioDecodeError

__all__ = ["ogg_parts"]

_FIRST_PAGE = re.compile(rb"OggS\x00[\x02\x06]")  # of a stream
_CODEC = re.compile(rb"\x01vorbis|OpusHead")
_HEADER_BYTES = 27
_HEAD_BYTES = 1 << 12


def ogg_parts(file: BinaryIO, path: str | None = None) -> list[Part]:
    """Find the links of a chained Ogg file.

    The whole file is searched for first pages, since nothing in the first link tells of a second.

    Parameters
    ----------
    file : binary file object
        Seekable; an Ogg file.
    path : str or None
        Path to name in the error.

    Returns
    -------
    list of Part
        One for each link; empty if there is only one, or if libsndfile cannot read the first: PyAV reads links itself.
        Streams that run side by side, such as a video's, are one link.

    Raises
    ------
    AudioDecodeError
        There are more than 10,000 links.
    """
    starts: list[int] = []
    header_end = 0
    for position in matches(file, _FIRST_PAGE, 0, 6):
        file.seek(position)
        page = file.read(_HEADER_BYTES + 255)
        if len(page) < _HEADER_BYTES:
            continue
        segments = page[26]
        if position != header_end or not starts:
            starts.append(position)
        header_end = position + _HEADER_BYTES + segments + sum(page[_HEADER_BYTES : _HEADER_BYTES + segments])
        if len(starts) > MAX_PARTS:
            raise AudioDecodeError(f"more than {MAX_PARTS} streams are joined in this file", path)
    file.seek(starts[0] if starts else 0)
    if not _CODEC.search(file.read(_HEAD_BYTES)):
        return []
    stops = [*starts[1:], file.seek(0, os.SEEK_END)]
    parts = [Part((range(start, stop),)) for start, stop in zip(starts, stops, strict=True)]
    if starts and starts[0]:
        warning = f"the first {starts[0]} bytes belong to a stream without its headers, and are not read"
        return [replace(parts[0], warning=warning), *parts[1:]]
    return parts if len(parts) > 1 else []

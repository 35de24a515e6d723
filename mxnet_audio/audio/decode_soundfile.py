"""Decoder by soundfile (libsndfile): WAV, FLAC, Ogg, MP3, AIFF and many more."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack
from functools import lru_cache
from typing import Any, BinaryIO

import numpy as np
import soundfile as sf

from mxnet_audio.audio.container import check_complete
from mxnet_audio.audio.joined import join
from mxnet_audio.audio.parts import find_parts
from mxnet_audio.audio.pieces import Part
from mxnet_audio.audio.stream import UNKNOWN_FRAMES, Refused, Stream
from mxnet_audio.errors import AudioDecodeError, TruncatedAudioError

__all__ = ["open_soundfile"]

logger = logging.getLogger(__name__)

BLOCK_FRAMES = 1 << 16  # frames per read: few reads, and little memory beside the result
_MP3_PREROLL = 32 * 1152  # samples decoded before a seek's target: frames borrow bits from those before them
_MAX_OGG_PAGE_FRAMES = 1 << 18  # 255 packets of 1,024 samples
_SYSTEM_ERROR, _MALFORMED_FILE, _BAD_FILE = 2, 3, 7  # error codes of libsndfile


class _SoundFile(sf.SoundFile):
    """Sound file that is read without seeking.

    soundfile seeks to the current position after every read, and after a seek the first frames of an MP3 decode to
    silence, since they borrow bits from the frames before them: every block of an MP3 would begin with a gap.
    """

    def seekable(self) -> bool:
        return False


def open_soundfile(target: Any, file: BinaryIO, path: str | None, stack: ExitStack) -> Stream:
    """Open a sound file with libsndfile, or several that were joined in one file.

    Parameters
    ----------
    target : str or binary file object
        Source: a path, if there is one.
    file : binary file object
        The same file, opened, at position 0.
    path : str or None
        Path to name in errors.
    stack : contextlib.ExitStack
        Closes the file.

    Returns
    -------
    Stream

    Raises
    ------
    Refused
        libsndfile cannot read the format.
    AudioDecodeError
        The file is damaged, or a part of it cannot be read.
    """
    parts = find_parts(file, path)
    if not parts:
        # By the suffix ".mp3", libsndfile would search for frames, of which there are none, and print complaints.
        named = isinstance(target, str) and parts is None
        file.seek(0)
        sound = stack.enter_context(_open(_encoded(target) if named else file, path))
        slack = None if parts == [] or _is_estimated(sound) else 0

        def blocks(start: int, count: int | None) -> Iterator[np.ndarray]:
            return _read(sound, start, count, path)

        return Stream(path, sound.samplerate, sound.channels, _frames(sound), slack, sound.format, "soundfile", blocks)
    for number, part in enumerate(parts, 1):
        if part.warning:
            name = f"part {number} of {len(parts)}: " if len(parts) > 1 else ""
            # A sound without a name cannot be told from another.
            (_warn if path else _warn.__wrapped__)(path, name + part.warning)
    if len(parts) == 1:
        return _part_stream(parts[0], file, path)
    return join([_checked_part(parts, index, file, path) for index in range(len(parts))])


@lru_cache(maxsize=4096)
def _warn(path: str | None, fault: str) -> None:
    """Log a fault of a file: once, though its header is read again and again."""
    logger.warning("%s: %s", path or "a sound without a name", fault)


def _checked_part(parts: list[Part], index: int, file: BinaryIO, path: str | None) -> Stream:
    """Open one of several parts. No other decoder is tried, since it would return the first part alone."""
    part = f"part {index + 1} of {len(parts)}"
    try:
        check_complete(parts[index].open(file), path)
        stream = _part_stream(parts[index], file, path)
    except AudioDecodeError as error:
        raise type(error)(f"{part}: {error.reason}", path) from error
    except Refused as refused:
        raise AudioDecodeError(f"{part} cannot be read: {refused}", path) from refused
    if stream.frames is None:
        raise AudioDecodeError(f"{part} declares no length", path)
    return stream


def _part_stream(part: Part, file: BinaryIO, path: str | None) -> Stream:
    """Open a part to read its header, and again to decode it: thousands may be joined."""
    with _open(part.open(file), path) as sound:
        sr, channels, kind = sound.samplerate, sound.channels, sound.format
        frames = _frames(sound) if part.frames is None else part.frames
        slack = part.slack if kind == "MP3" or not _is_estimated(sound) else None

    def blocks(start: int, count: int | None) -> Iterator[np.ndarray]:
        with _open(part.open(file), path) as sound:
            yield from _read(sound, part.lead + start, count, path)

    return Stream(path, sr, channels, frames, slack, kind, "soundfile", blocks)


def _encoded(name: str) -> str | bytes:
    """Return the form of a name that soundfile opens: on Windows, text; elsewhere, bytes, also if it is not Unicode."""
    return name if os.name == "nt" else os.fsencode(name)


def _open(name: str | bytes | BinaryIO, path: str | None) -> _SoundFile:
    try:
        sound = _SoundFile(name)
    except sf.LibsndfileError as error:
        if error.code == _MALFORMED_FILE:
            raise AudioDecodeError(f"damaged: {error.error_string}", path) from error
        # Its message for MP3 without frames is "file does not exist", which is wrong: the file was opened above.
        reason = "Format not recognised." if error.code in (_SYSTEM_ERROR, _BAD_FILE) else error.error_string
        raise Refused(f"soundfile: {reason}") from error
    except TypeError as error:  # the suffix ".raw" requires parameters that are unknown
        raise Refused(f"soundfile: {error}") from error
    if sound.format == "RAW":  # libsndfile reads junk with a suffix like ".au" as raw samples
        sound.close()
        raise Refused("soundfile: Format not recognised.")
    return sound


def _frames(sound: sf.SoundFile) -> int | None:
    return sound.frames if sound.frames < UNKNOWN_FRAMES else None


def _is_estimated(sound: sf.SoundFile) -> bool:
    """Return whether nothing, or only an estimate, is declared of the length."""
    if sound.format == "MP3":
        return sound.subtype != "MPEG_LAYER_III"
    return _frames(sound) is None or sound.subtype.startswith("MPEG")


def _read(sound: sf.SoundFile, start: int, count: int | None, path: str | None) -> Iterator[np.ndarray]:
    """Yield blocks from a frame on."""
    # Not beyond the last frame: libsndfile complains of tags behind FLAC.
    remaining = sound.frames - start if count is None else min(count, sound.frames - start)
    done = start
    try:
        if start:
            position = _seek_target(sound, start)
            if position:
                sound.seek(position)
            while position < start and len(block := sound.read(min(BLOCK_FRAMES, start - position), dtype="float32")):
                position += len(block)
        while remaining > 0:
            block = sound.read(min(BLOCK_FRAMES, remaining), dtype="float32", always_2d=True)
            if len(block) == 0:
                return
            yield block
            remaining -= len(block)
            done += len(block)
    except sf.LibsndfileError as error:
        after = f"after {done / sound.samplerate:.3f} s: {error.error_string}"
        raise TruncatedAudioError(f"damaged or truncated: decoding stopped {after}", path) from error


def _seek_target(sound: sf.SoundFile, start: int) -> int:
    """Return the frame to seek to and read on from, so that samples equal those of a read without a seek."""
    if not sf.SoundFile.seekable(sound):  # GSM and G.72x
        return 0
    if sound.subtype.startswith("MPEG"):
        return max(0, start - _MP3_PREROLL)
    if sound.subtype == "VORBIS":
        # Encoders shorten the last page, and libvorbis counts back from its end: seeks into it are wrong.
        return min(start, max(0, sound.frames - _MAX_OGG_PAGE_FRAMES))
    if sound.subtype == "OPUS":  # some seeks near the borders of pages are off, too
        return max(0, min(start, sound.frames - _MAX_OGG_PAGE_FRAMES) - sound.samplerate)
    return start

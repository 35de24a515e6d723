"""Decoder by soundfile (libsndfile): WAV, FLAC, Ogg, MP3, AIFF and many more."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, BinaryIO

import numpy as np
import soundfile as sf

from mxnet_audio.audio.mp3 import length_slack, with_length
from mxnet_audio.audio.stream import UNKNOWN_FRAMES, Refused, Stream
from mxnet_audio.errors import AudioDecodeError, TruncatedAudioError

__all__ = ["open_soundfile"]

BLOCK_FRAMES = 1 << 16  # frames per read: few reads, and little memory beside the result
_MP3_PREROLL = 32 * 1152  # samples decoded before a seek's target: frames borrow bits from those before them
_MAX_OGG_PAGE_FRAMES = 1 << 18  # 255 packets of 1,024 samples
_SYSTEM_ERROR, _MALFORMED_FILE = 2, 3  # error codes of libsndfile


class _SoundFile(sf.SoundFile):
    """Sound file that is read without seeking.

    soundfile seeks to the current position after every read, and after a seek the first frames of an MP3 decode to
    silence, since they borrow bits from the frames before them: every block of an MP3 would begin with a gap.
    """

    def seekable(self) -> bool:
        return False


def open_soundfile(target: Any, file: BinaryIO, path: str | None, stack: ExitStack) -> Stream:
    """Open a sound file with libsndfile.

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
        The file is damaged.
    """
    # soundfile refuses names that are not Unicode; as bytes, every name works.
    name = os.fsencode(target) if isinstance(target, str) else target
    try:
        sound = stack.enter_context(_SoundFile(name))
        layer3 = sound.format == "MP3" and sound.subtype == "MPEG_LAYER_III"
        slack = length_slack(file) if layer3 else 0
        if slack is None and (counted := with_length(file)):
            sound = stack.enter_context(_SoundFile(counted))
    except sf.LibsndfileError as error:
        if error.code == _MALFORMED_FILE:
            raise AudioDecodeError(f"damaged: {error.error_string}", path) from error
        # For junk called ".mp3" its message is "file does not exist", which is wrong: the file was opened above.
        reason = "Format not recognised." if error.code == _SYSTEM_ERROR else error.error_string
        raise Refused(f"soundfile: {reason}") from error
    except TypeError as error:  # the suffix ".raw" requires parameters that are unknown
        raise Refused(f"soundfile: {error}") from error
    if sound.format == "RAW":  # libsndfile reads junk with a suffix like ".au" as raw samples
        raise Refused("soundfile: Format not recognised.")
    frames = sound.frames if sound.frames < UNKNOWN_FRAMES else None
    if frames is None or (sound.subtype.startswith("MPEG") and not layer3):
        slack = None  # nothing is declared, or only an estimate

    def blocks(start: int, count: int | None) -> Iterator[np.ndarray]:
        remaining = count if count is not None else UNKNOWN_FRAMES
        done = start
        try:
            if start:
                target = _seek_target(sound, start)
                sound.seek(target)
                sound.read(start - target, dtype="float32")
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

    return Stream(path, sound.samplerate, sound.channels, frames, slack, sound.format, "soundfile", blocks)


def _seek_target(sound: sf.SoundFile, start: int) -> int:
    """Return the frame to seek to and read on from, so that samples equal those of a read without a seek."""
    if sound.subtype.startswith("MPEG"):
        return max(0, start - _MP3_PREROLL)
    if sound.subtype == "VORBIS":
        # Encoders shorten the last page, and libvorbis counts back from its end: seeks into it are wrong.
        return min(start, max(0, sound.frames - _MAX_OGG_PAGE_FRAMES))
    return start

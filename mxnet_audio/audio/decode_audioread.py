"""Decoder by audioread: the codecs of the system, such as macOS's Core Audio."""

from __future__ import annotations

import os
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np

from mxnet_audio.audio.stream import UNKNOWN_FRAMES, Refused, Stream
from mxnet_audio.errors import AudioDecodeError

__all__ = ["open_audioread"]

_AUDIOREAD_LOCK = threading.Lock()


def open_audioread(own_path: str | None, path: str | None, stack: ExitStack) -> Stream:
    """Open a sound file with audioread.

    Parameters
    ----------
    own_path : str or None
        Path of the file; None if there is only a file object.
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
        audioread cannot read the format.
    """
    if own_path is None:
        raise Refused("audioread: needs a path")
    try:
        audioread = _import_audioread()
    except ImportError:
        raise Refused("audioread: not installed") from None
    # Its reader of raw WAV, AU and AIFF accepts more than libsndfile, which has refused the file already. Its call of
    # ffmpeg restricts neither formats nor protocols, and holds the whole sound in memory.
    others = (audioread.rawread.RawAudioFile, audioread.ffdec.FFmpegAudioFile)
    backends = [backend for backend in audioread.available_backends() if backend not in others]
    try:
        sound = stack.enter_context(audioread.audio_open(os.path.realpath(own_path), backends=backends))
    except (audioread.DecodeError, OSError, EOFError) as error:
        raise Refused(f"audioread: {str(error) or 'no system codec reads it'}") from error
    if not (sound.samplerate and sound.channels):
        raise Refused("audioread: the sound states no sampling rate or channels")
    frames = round(sound.duration * sound.samplerate) if sound.duration else None

    def blocks(start: int, count: int | None) -> Iterator[np.ndarray]:
        remaining = count if count is not None else UNKNOWN_FRAMES
        position, rest = 0, b""
        try:
            for data in sound:
                data = rest + data  # its blocks may end within a frame
                complete = len(data) - len(data) % (2 * sound.channels)
                data, rest = data[:complete], data[complete:]
                block = np.frombuffer(data, dtype="<i2").reshape(-1, sound.channels)
                skip = max(0, start - position)
                position += len(block)
                block = block[skip : skip + remaining]
                remaining -= len(block)
                if len(block):
                    yield block.astype(np.float32) / np.float32(32768)
                if remaining <= 0:
                    return
        except (audioread.DecodeError, OSError, EOFError) as error:
            raise AudioDecodeError(f"damaged: {error}", path) from error

    # Its durations are parsed from rounded text: only a gap of more than a tenth of a second counts.
    slack = sound.samplerate // 10
    return Stream(path, sound.samplerate, sound.channels, frames, slack, "unknown", "audioread", blocks, seeks=False)


def _import_audioread() -> Any:
    """Import audioread without the warnings of its reader of raw sound, which is imported but not used here."""
    with _AUDIOREAD_LOCK:  # warning filters belong to the whole process
        if "audioread.rawread" in sys.modules:
            import audioread
        else:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"audioread\.rawread")
                import audioread.rawread
    return audioread

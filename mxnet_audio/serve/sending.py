"""Sounds as bodies of requests: files as they are, as a stream, and arrays as WAV."""

from __future__ import annotations

import io
import mimetypes
import os
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, BinaryIO

import soundfile as sf

from mxnet_audio.audio import load
from mxnet_audio.audio.open_file import open_file
from mxnet_audio.audio.source import resolve
from mxnet_audio.errors import AudioDecodeError

__all__ = ["Body", "open_body"]

_BLOCK = 1 << 16  # [bytes]


class Body:
    """File that is sent as a stream, at every try from its beginning.

    It knows its length: requests would take that of the file underneath, which is another for a gzip file object.

    Parameters
    ----------
    file : binary file object
        Seekable; it stays open.
    type : str
        Content type.

    Examples
    --------
    >>> body = Body(io.BytesIO(b"RIFF"), "audio/wav")
    >>> len(body), list(body)
    (4, [b'RIFF'])
    """

    def __init__(self, file: BinaryIO, type: str):
        self.type = type
        self._file = file
        self._length = file.seek(0, os.SEEK_END)

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[bytes]:
        """Yield blocks, as many bytes as `len` says; AudioDecodeError if there are fewer by now."""
        self._file.seek(0)
        left = self._length
        while left:
            block = self._file.read(min(_BLOCK, left))
            if not block:
                raise AudioDecodeError("became shorter while it was sent")
            left -= len(block)
            yield block


def open_body(sound: Any, stack: ExitStack) -> Body:
    """Open a sound to send it.

    Parameters
    ----------
    sound : str or os.PathLike or binary file object or bytes or (np.ndarray, rate) or mapping
        As `mxnet_audio.audio.load` takes it.
    stack : contextlib.ExitStack
        Closes the file.

    Returns
    -------
    Body
        Samples are float32 WAV, with all channels.

    Raises
    ------
    AudioDecodeError, InvalidAudioError, ParameterError
        As `mxnet_audio.audio.load`; the content of files is not checked.
    """
    target: Any = sound if hasattr(sound, "opened") else resolve(sound)
    if hasattr(target, "opened") or isinstance(target, tuple):
        y, rate = load(target, mono=False)
        wav = io.BytesIO()
        sf.write(wav, y.T, rate, format="WAV", subtype="FLOAT")
        return Body(wav, "audio/wav")
    file, path, _ = open_file(target, stack)
    type, _ = mimetypes.guess_type(path or "")
    return Body(file, type if type and type.startswith(("audio/", "video/")) else "application/octet-stream")

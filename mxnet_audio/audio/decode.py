"""Decoders: files become blocks of float32 samples, by soundfile (libsndfile), PyAV, ffmpeg or audioread."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from typing import Any, BinaryIO

import numpy as np

from mxnet_audio.audio.container import check_complete
from mxnet_audio.audio.decode_audioread import open_audioread
from mxnet_audio.audio.decode_ffmpeg import open_ffmpeg
from mxnet_audio.audio.decode_soundfile import open_soundfile
from mxnet_audio.audio.formats import ffmpeg_formats
from mxnet_audio.audio.open_file import open_file
from mxnet_audio.audio.source import is_rate
from mxnet_audio.audio.stream import Refused, Stream
from mxnet_audio.errors import AudioDecodeError, AudioError

__all__ = ["open_stream"]

# Monkey's Audio, the densest, stores 294,912 frames of digital silence in 12 bytes.
_MAX_FRAMES_PER_BYTE = 1 << 15


@contextmanager
def open_stream(source: str | os.PathLike | BinaryIO) -> Iterator[Stream]:
    """Open a sound file with the first decoder that can read it.

    If the file has a format of libsndfile but is damaged or truncated, this raises without trying the other decoders,
    which would silently return shorter sound.

    Parameters
    ----------
    source : str, os.PathLike or binary file object
        A file object is read from its beginning, and stays open. A pipe is read to its end: at most 256 MiB.

    Yields
    ------
    Stream
        Its blocks raise AudioDecodeError, whatever fails while they are decoded.

    Raises
    ------
    AudioDecodeError
        The file is missing, a directory, a device, not permitted, or no decoder can read it; each decoder's reason is
        given.
    TruncatedAudioError
        The file is shorter than its header declares.
    """
    with ExitStack() as stack:
        file, path, is_regular = open_file(source, stack)
        with _naming_failures(path):
            check_complete(file, path)
            size = file.seek(0, os.SEEK_END)
            # libsndfile opens a path by itself: reading through a Python object would need the GIL at each step.
            stream = _open_with_first(path if is_regular else None, file, path, stack)
        if not is_rate(stream.sr):
            raise AudioDecodeError(f"damaged: declares a sampling rate of {stream.sr} Hz", path)
        if stream.slack is not None and stream.frames is not None and stream.frames > size * _MAX_FRAMES_PER_BYTE:
            raise AudioDecodeError(f"damaged: declares {stream.frames} frames in {size} bytes", path)

        def blocks(start: int, count: int | None) -> Iterator[np.ndarray]:
            with _naming_failures(path):
                yield from stream.blocks(start, count)

        yield replace(stream, blocks=blocks)


def _open_with_first(own_path: str | None, file: BinaryIO, path: str | None, stack: ExitStack) -> Stream:
    """Open a file with the first decoder that can read it; `own_path` is None if there is only the file object."""
    file.seek(0)
    try:
        return _open_soundfile(own_path, file, path, stack)
    except Refused as refused:
        refusals = [str(refused)]
    if formats := ffmpeg_formats(file):
        for open_one in (
            lambda: _open_av(file, path, formats, stack),
            lambda: open_ffmpeg(own_path, formats, path, stack),
            lambda: open_audioread(own_path, path, stack),
        ):
            file.seek(0)
            try:
                return open_one()
            except Refused as refused:
                refusals.append(str(refused))
    else:
        refusals.append("PyAV, ffmpeg, audioread: the first bytes are of no known format")
    raise AudioDecodeError("no decoder reads this as sound (" + "; ".join(refusals) + ")", path)


@contextmanager
def _naming_failures(path: str | None) -> Iterator[None]:
    """Raise AudioDecodeError, whatever fails: the decoders, the disk or the memory."""
    try:
        yield
    except (AudioError, Refused):
        raise
    except MemoryError as error:
        raise AudioDecodeError("there is not enough memory to decode this", path) from error
    except Exception as error:
        raise AudioDecodeError(f"cannot be decoded: {str(error) or type(error).__name__}", path) from error


class _FailsLater:
    """File object whose failures are raised later, since libsndfile would take them for the end of the file."""

    def __init__(self, file: BinaryIO):
        self._file, self.tell = file, file.tell
        self._error: Exception | None = None

    def read(self, count: int = -1) -> bytes:
        """Read bytes; none after a failure."""
        try:
            return self._file.read(count)
        except Exception as error:
            self._error = error
            return b""

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Change the position, unless it would lie before the start, as in damaged files."""
        with suppress(OSError, ValueError):
            self._file.seek(offset, whence)
        return self.tell()

    @contextmanager
    def raising(self) -> Iterator[None]:
        """Raise a failure in the place of what it led to."""
        try:
            yield
        finally:
            if self._error is not None:
                raise self._error


def _open_soundfile(own_path: str | None, file: BinaryIO, path: str | None, stack: ExitStack) -> Stream:
    if own_path is not None:
        return open_soundfile(own_path, file, path, stack)
    guarded: Any = _FailsLater(file)
    with guarded.raising():
        stream = open_soundfile(guarded, guarded, path, stack)

    def blocks(start: int, count: int | None) -> Iterator[np.ndarray]:
        with guarded.raising():
            yield from stream.blocks(start, count)

    return replace(stream, blocks=blocks)


def _open_av(file: BinaryIO, path: str | None, formats: str, stack: ExitStack) -> Stream:
    try:
        import av  # optional, and slow to import
    except ImportError:
        raise Refused("PyAV, which reads m4a/AAC, is not installed: pip install av") from None
    from mxnet_audio.audio.decode_av import open_av

    try:
        return open_av(file, path, formats, stack)
    except (av.error.FFmpegError, ValueError) as error:
        raise Refused(f"PyAV: {getattr(error, 'strerror', None) or error}") from error

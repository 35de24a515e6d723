"""Decoders: files become blocks of float32 samples, by soundfile (libsndfile), else by PyAV, else by audioread."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from mxnet_audio.audio.container import check_complete
from mxnet_audio.audio.decode_audioread import open_audioread
from mxnet_audio.audio.decode_soundfile import open_soundfile
from mxnet_audio.audio.source import missing_reason
from mxnet_audio.audio.stream import Refused, Stream
from mxnet_audio.errors import AudioDecodeError

__all__ = ["open_stream"]


@contextmanager
def open_stream(source: str | os.PathLike | BinaryIO) -> Iterator[Stream]:
    """Open a sound file with the first decoder that can read it.

    If the file has a format of libsndfile but is damaged or truncated, this raises without trying the other decoders,
    which would silently return shorter sound.

    Parameters
    ----------
    source : str, os.PathLike or binary file object
        A file object is read from its beginning, and stays open.

    Yields
    ------
    Stream

    Raises
    ------
    AudioDecodeError
        The file is missing, a directory, not permitted, or no decoder can read it; each decoder's reason is given.
    TruncatedAudioError
        The file is shorter than its header declares.
    """
    with ExitStack() as stack:
        file, path = _open_bytes(source, stack)
        check_complete(file, path)
        # libsndfile opens a path by itself: reading through a Python object would need the GIL at each step.
        target = path if isinstance(source, str | os.PathLike) else file
        refusals = []
        for open_one in (open_soundfile, _open_av, open_audioread):
            file.seek(0)
            try:
                stream = open_one(target, file, path, stack)
            except Refused as refused:
                refusals.append(str(refused))
            else:
                yield stream
                return
        raise AudioDecodeError("no decoder reads this as sound (" + "; ".join(refusals) + ")", path)


def _open_bytes(source: Any, stack: ExitStack) -> tuple[BinaryIO, str | None]:
    if isinstance(source, str | os.PathLike):
        path = os.fspath(source)
        try:
            if Path(path).is_dir():
                raise AudioDecodeError("this is a directory, not a sound file", path)
            return stack.enter_context(open(path, "rb")), path  # noqa: PTH123 - bytes paths are strings here
        except FileNotFoundError:
            raise AudioDecodeError(missing_reason(path), path) from None
        except PermissionError:
            raise AudioDecodeError("no permission to read this file", path) from None
        except (OSError, ValueError) as error:
            raise AudioDecodeError(f"cannot be opened: {error}", path) from error
    name = getattr(source, "name", None)
    path = name if isinstance(name, str) else None
    try:
        if not (hasattr(source, "seekable") and source.seekable()):
            return io.BytesIO(source.read()), path
        source.read(0)  # fails here if the file object is closed, or open for writing only
    except (OSError, TypeError, ValueError) as error:
        raise AudioDecodeError(f"the file object cannot be read: {error}", path) from error
    return source, path


def _open_av(target: Any, file: BinaryIO, path: str | None, stack: ExitStack) -> Stream:
    try:
        import av  # optional, and slow to import
    except ImportError:
        raise Refused("PyAV, which reads m4a/AAC, is not installed: pip install av") from None
    from mxnet_audio.audio.decode_av import open_av

    try:
        return open_av(file, path, stack)
    except (av.error.FFmpegError, ValueError) as error:
        raise Refused(f"PyAV: {getattr(error, 'strerror', None) or error}") from error

"""Opening of sound files: regular files as they are, pipes in memory; devices and sockets are refused."""

from __future__ import annotations

import io
import logging
import os
import selectors
import stat
from collections.abc import Iterator
from contextlib import ExitStack
from typing import BinaryIO

from mxnet_audio.audio.source import missing_reason
from mxnet_audio.errors import AudioDecodeError

__all__ = ["open_file"]

logger = logging.getLogger(__name__)

_MAX_PIPE_BYTES = 1 << 28
_QUIET_SECONDS = 2.0  # without data from a pipe, until a message says so
_MAX_WAIT = 10.0  # [s] without data from a pipe
_READ_BYTES = 1 << 20


def open_file(source: str | os.PathLike | BinaryIO, stack: ExitStack) -> tuple[BinaryIO, str | None, bool]:
    """Open a file for reading.

    Parameters
    ----------
    source : str, os.PathLike or binary file object
        A pipe, and a file object that cannot seek, is read to its end into memory: at most 256 MiB.
    stack : contextlib.ExitStack
        Closes the file; file objects stay open.

    Returns
    -------
    file : binary file object
        Seekable.
    path : str or None
        Path to name in errors.
    is_regular : bool
        True if the path can be opened again.

    Raises
    ------
    AudioDecodeError
        The file is missing, a directory, a device, a socket, or not permitted; a pipe has no data for ten seconds, or
        more than 256 MiB; the file object cannot be read.
    """
    if not isinstance(source, str | os.PathLike):
        return *_open_object(source), False
    path = os.fsdecode(source)
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116
        if stat.S_ISREG(mode):
            return stack.enter_context(open(path, "rb")), path, True  # noqa: PTH123
        if stat.S_ISFIFO(mode):
            return _whole(_pipe_data(path), path), path, False
    except (FileNotFoundError, NotADirectoryError):
        raise AudioDecodeError(missing_reason(path), path) from None
    except PermissionError:
        raise AudioDecodeError("no permission to read this file", path) from None
    except (OSError, ValueError) as error:
        raise AudioDecodeError(f"cannot be opened: {error}", path) from error
    kind = "directory" if stat.S_ISDIR(mode) else "socket" if stat.S_ISSOCK(mode) else "device"
    raise AudioDecodeError(f"this is a {kind}, not a sound file", path)


def _open_object(source: BinaryIO) -> tuple[BinaryIO, str | None]:
    name = getattr(source, "name", None)
    path = name if isinstance(name, str) else None
    try:
        if hasattr(source, "seekable") and source.seekable():
            source.read(0)  # fails here if the file object is closed, or open for writing only
            return source, path
        return _whole(iter(lambda: source.read(_READ_BYTES), b""), path), path
    except (OSError, TypeError, ValueError) as error:
        raise AudioDecodeError(f"the file object cannot be read: {error}", path) from error


def _whole(parts: Iterator[bytes], path: str | None) -> BinaryIO:
    """Join the parts of what cannot be read twice."""
    file = io.BytesIO()
    for part in parts:
        file.write(part)
        if file.tell() > _MAX_PIPE_BYTES:
            limit = _MAX_PIPE_BYTES >> 20
            raise AudioDecodeError(f"a pipe with more than {limit} MiB: write it to a file, and read that", path)
    return file


def _pipe_data(path: str) -> Iterator[bytes]:
    """Yield what is written into a pipe, until its writers close it."""
    pipe = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # returns at once, although nobody may write
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, selectors.EVENT_READ)
            while True:
                if not selector.select(_QUIET_SECONDS):
                    logger.warning("%s: waiting for data from this pipe", path)
                    if not selector.select(_MAX_WAIT - _QUIET_SECONDS):
                        raise AudioDecodeError(f"nothing was written into this pipe for {_MAX_WAIT:g} s", path)
                try:
                    part = os.read(pipe, _READ_BYTES)
                except BlockingIOError:
                    continue
                if not part:
                    return
                yield part
    finally:
        os.close(pipe)

"""Sources of any form opened as streams: files are decoded, arrays are cut into blocks; pipes are read once."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from dataclasses import replace
from typing import Any, BinaryIO, Protocol

import numpy as np

from mxnet_audio.audio.array import array_stream
from mxnet_audio.audio.open_file import open_file
from mxnet_audio.audio.source import resolve
from mxnet_audio.audio.stream import Stream
from mxnet_audio.errors import AudioDecodeError

__all__ = ["Source", "open_source", "rereadable"]


class Opener(Protocol):
    """Source that opens itself, such as `Played` and `Channel`."""

    def opened(self) -> AbstractContextManager[Stream]:
        """Open the sound as a stream."""


Source = str | os.PathLike | BinaryIO | bytes | tuple[np.ndarray, float] | Mapping | Opener


def open_source(source: Any) -> AbstractContextManager[Stream]:
    """Open a source of any form as a stream of all its channels.

    Parameters
    ----------
    source : as for `mxnet_audio.audio.source.resolve`
        An object with a method ``opened()`` opens itself.

    Returns
    -------
    context manager of Stream

    Raises
    ------
    AudioError
        As `resolve`; AudioDecodeError also on entering the context.

    Examples
    --------
    >>> import numpy as np
    >>> with open_source((np.zeros((2, 800)), 8000)) as stream:
    ...     stream.channels, [block.shape for block in stream.blocks(0, None)]
    (2, [(800, 2)])
    """
    if hasattr(source, "opened"):
        return source.opened()
    target = resolve(source)
    if isinstance(target, tuple):
        return nullcontext(array_stream(*target))
    return _open_file(target)


def rereadable(source: Any, *, at_once: bool = False) -> Any:
    """Return a source that can be read more than once: pipes, and open files that cannot seek, are read into memory.

    Parameters
    ----------
    source : as for `mxnet_audio.audio.load`
    at_once : bool
        Read other open files into memory, too: two readers at once would share the position in the file.

    Returns
    -------
    source
        The same, or an entry of its bytes.

    Raises
    ------
    AudioDecodeError
        It cannot be read, or is a pipe with more than 256 MiB.

    Examples
    --------
    >>> rereadable("clip.wav")
    'clip.wav'
    """
    if hasattr(source, "opened"):  # a channel, or a sound at another speed
        return replace(source, source=rereadable(source.source, at_once=at_once))
    if hasattr(source, "read") or (isinstance(source, str | os.PathLike) and _is_pipe(source)):
        with ExitStack() as stack:
            file, name, _ = open_file(source, stack)
            if at_once or file is not source:
                return {"bytes": _content(file, name), "path": name}
    return source


def _content(file: BinaryIO, path: str | None) -> bytes:
    try:
        file.seek(0)
        return file.read()
    except Exception as error:  # a file object may raise anything, such as an archive's errors
        raise AudioDecodeError(f"the file object cannot be read: {error}", path) from error


def _is_pipe(path: str | os.PathLike) -> bool:
    with suppress(OSError, ValueError):  # which opening it reports
        return stat.S_ISFIFO(os.stat(path).st_mode)  # noqa: PTH116 - names that are not UTF-8
    return False


@contextmanager
def _open_file(file: str | os.PathLike | BinaryIO) -> Iterator[Stream]:
    """Open a file, and check in each block that the number of channels stays the same."""
    from mxnet_audio.audio.decode import open_stream  # arrays need no decoder

    with open_stream(file) as stream:

        def blocks(start: int, count: int | None) -> Iterator[np.ndarray]:
            for block in stream.blocks(start, count):
                if block.shape[1] != stream.channels:
                    raise AudioDecodeError("the number of channels changes within the file", stream.path)
                yield block

        yield replace(stream, blocks=blocks)

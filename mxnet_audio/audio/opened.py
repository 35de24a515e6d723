"""Sources of any form opened as streams: files are decoded, arrays are cut into blocks."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from typing import Any, BinaryIO, Protocol

import numpy as np

from mxnet_audio.audio.array import array_stream
from mxnet_audio.audio.source import resolve
from mxnet_audio.audio.stream import Stream
from mxnet_audio.errors import AudioDecodeError

__all__ = ["Source", "open_source"]


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

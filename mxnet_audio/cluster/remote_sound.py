"""Sounds of stores: copied to this machine when they are opened."""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mxnet_audio.audio.opened import Source, open_source
from mxnet_audio.audio.stream import Stream
from mxnet_audio.cluster.storage import find_sounds, open_file
from mxnet_audio.cluster.urls import check_url, display_name, is_url
from mxnet_audio.errors import AudioError

__all__ = ["sound"]

LARGEST = 4 << 30  # [bytes] that are copied to the temporary folder


def sound(url: str) -> Source:
    """Return a file as a source of sound, as `mxnet_audio.audio.load` takes it.

    A URL is copied to the temporary folder when it is first opened, in the thread that decodes it; the copy is removed
    when the source is not used anymore. Files above 4 GiB are an AudioError.
    """
    place = check_url(url)
    return _RemoteSound(_Copy(place)) if is_url(place) else place


class _Copy(os.PathLike):
    """Temporary copy of a file in a store, which is made when its path is first asked for."""

    def __init__(self, url: str):
        self.url = url
        self._path: str | None = None
        self._lock = threading.Lock()

    def __fspath__(self) -> str:
        with self._lock:
            if self._path is None:
                self._path = self._download()
                weakref.finalize(self, Path(self._path).unlink, missing_ok=True)
            return self._path

    def _download(self) -> str:
        name = display_name(self.url)
        suffix = os.path.splitext(name)[1]  # noqa: PTH122
        try:
            handle, path = tempfile.mkstemp(suffix if len(suffix) < 10 else "", "mxnet-audio-")
            try:
                with os.fdopen(handle, "wb") as copy, open_file(self.url) as file:
                    while block := file.read(1 << 20):
                        if copy.tell() + len(block) > LARGEST:
                            raise AudioError(f"larger than the {LARGEST >> 30} GiB that are read", name)
                        copy.write(block)
            except BaseException:
                Path(path).unlink(missing_ok=True)
                raise
        except OSError as error:  # such as a full disk
            raise AudioError(f"cannot be copied to the temporary folder ({error.strerror or error})", name) from error
        return path


@dataclass(frozen=True)
class _RemoteSound:
    """Source of sound in a store; `source` is the copy of its file."""

    source: _Copy

    @property
    def name(self) -> str:
        """Name for messages and results."""
        return display_name(self.source.url)

    def identity(self) -> str:
        """Return a text that changes when the sound changes, as `mxnet_audio.audio.source.source_identity`."""
        (file,) = find_sounds([self.source.url])
        return f"url\0{file.url}\0{file.stamp}"

    @contextlib.contextmanager
    def opened(self) -> Iterator[Stream]:
        """Open the sound as a stream; errors name the URL."""
        path = os.fspath(self.source)
        try:
            with open_source(path) as stream:
                yield stream
        except AudioError as error:
            if error.path == path:
                raise type(error)(error.reason.replace(path, self.name), self.name) from error
            raise

"""Journal of an index: files indexed since the last save, one line each, by any number of writers."""

from __future__ import annotations

import base64
import binascii
import json
import logging
import os
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from mxnet_audio.atomic import parse_json
from mxnet_audio.errors import SearchError
from mxnet_audio.search import store

__all__ = ["Journal", "Record", "journal_length", "replay"]

_logger = logging.getLogger(__name__)
_JOURNAL = "journal.jsonl"


class Record(NamedTuple):
    """Record of a journal: the description of a file, its vector, and the position in bytes where the record ends."""

    entry: dict[str, Any]
    vector: np.ndarray
    end: int


class Span(NamedTuple):
    """Position of a record: generation of the index, and first and last byte in its journal."""

    generation: str
    start: int
    end: int


class Journal:
    """Writer of the journal of a saved index.

    Every record is flushed to the operating system at once, so it survives a killed process. After every `sync_every`
    records the file is forced to the disk, so they survive a power failure, too. When another writer saves the index,
    which puts the records into the new generation, the journal of that one is continued.

    Parameters
    ----------
    directory : Path
        Directory of the index.
    model_id : str or None
        Model of the vectors.
    metric : str
    sync_every : int > 0 [records]

    Raises
    ------
    SearchError
        If the journal cannot be written, or the directory holds an index of another model now; raised by the methods,
        too.
    """

    def __init__(self, directory: Path, model_id: str | None, metric: str, sync_every: int):
        self.directory = directory
        self._model, self._sync_every = (model_id, metric), sync_every
        self._count = 0
        self._generation = ""
        self._manifest_stamp: tuple[int, ...] = ()
        self._file: IO[bytes] | None = None
        with store.locked(directory):
            self._follow()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        file, self._file = self._file, None
        if file is not None:
            with store.naming_errors(file.name), file:
                os.fsync(file.fileno())

    def _follow(self) -> IO[bytes]:
        """Open the journal of the current generation, if it is not open yet."""
        stamp = store.manifest_stamp(self.directory)
        if self._file is not None and stamp == self._manifest_stamp:
            return self._file
        manifest = store.read_manifest(self.directory)
        if (manifest["model_id"], manifest["metric"]) != self._model:
            raise SearchError(
                f"another index has replaced this one, of the model {manifest['model_id']} ({manifest['metric']}): "
                "save the index of this model in another directory",
                self.directory,
            )
        self._manifest_stamp = stamp
        if self._file is None or manifest["generation"] != self._generation:
            self.__exit__()
            self._generation = manifest["generation"]
            path = store.generation_folder(self.directory, self._generation) / _JOURNAL
            with store.naming_errors(path):
                self._file = path.open("a+b", buffering=0)
        return self._file

    def append(self, entry: dict[str, Any], vector: np.ndarray) -> Span:
        """Append a record; `entry` consists of JSON types. The caller holds the lock of the directory."""
        file = self._follow()
        numbers = base64.b64encode(np.asarray(vector, dtype="<f4").tobytes()).decode("ascii")
        body = json.dumps({**entry, "vector": numbers}).encode("ascii")
        line = b"%08x %s\n" % (zlib.crc32(body), body)
        with store.naming_errors(file.name):
            start = file.seek(0, os.SEEK_END)
            if start and not _ends_with_line(file):
                line = b"\n" + line  # a writer was killed within its last record
            _write_all(file, line)
            self._count += 1
            if self._count % self._sync_every == 0:
                os.fsync(file.fileno())
        return Span(self._generation, start, start + len(line))


def _ends_with_line(file: IO[bytes]) -> bool:
    file.seek(-1, os.SEEK_END)
    return file.read(1) == b"\n"


def _write_all(file: IO[bytes], data: bytes) -> None:
    """Write all bytes at the end of an unbuffered file, of which one call may write a part."""
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


def journal_length(folder: Path) -> int:
    """Return the number of bytes in the journal of a generation; 0 if there is none."""
    try:
        status = (folder / _JOURNAL).stat()
    except OSError:
        return 0
    return status.st_size if stat.S_ISREG(status.st_mode) else 0


def replay(folder: Path) -> Iterator[Record]:
    """Yield the records of the journal of a generation; one that is damaged, as by a killed writer, is left out.

    SearchError is raised if the journal cannot be read.
    """
    if not journal_length(folder):
        return
    end = 0
    try:
        file = (folder / _JOURNAL).open("rb")
    except OSError as error:
        raise SearchError(f"the index cannot be read: {error.strerror}", folder / _JOURNAL) from error
    with file:
        for number, line in enumerate(file, 1):
            end += len(line)
            try:
                if not line.endswith(b"\n") or int(line[:8], 16) != zlib.crc32(line[9:-1]):
                    raise ValueError("it is truncated or changed")
                entry = parse_json(line[9:-1])
                vector = np.frombuffer(base64.b64decode(entry.pop("vector")), dtype="<f4")
            except (ValueError, KeyError, TypeError, AttributeError, binascii.Error) as error:
                _logger.warning("%s: record %d is damaged (%s) and ignored", file.name, number, error)
                continue
            yield Record(entry, vector, end)

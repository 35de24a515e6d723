"""Entries of an index and their vectors in an engine, and the files of a generation that hold them."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from mxnet_audio.atomic import read_json
from mxnet_audio.audio.channel import file_of
from mxnet_audio.errors import ParameterError, SearchError
from mxnet_audio.search.engines import Engine, create_engine
from mxnet_audio.search.journal import replay
from mxnet_audio.search.vectors import check_vectors

__all__ = ["AUTO_EXACT_LIMIT", "Contents", "Entry", "Neighbour", "is_missing", "real_path"]

# Limit of engine='auto': up to this size an exact search takes a few milliseconds.
AUTO_EXACT_LIMIT = 20_000
_ENTRIES = "entries.json"
_MAX_ENTRIES_BYTES = 1 << 32

_logger = logging.getLogger(__name__)


class Neighbour(NamedTuple):
    """A file found by a search: its path as given to `VectorIndex.add`, and its distance."""

    path: str
    distance: float


@dataclass(frozen=True)
class Entry:
    """Entry of an index.

    Attributes
    ----------
    id : int
        Number of its vector in the engine.
    path : str
        Path as it was given; of a single channel, with its name, as in ``call.wav [left]``.
    real : str
        Real path, which identifies the entry.
    stamp : tuple of int or None
        Size and time of the file when it was read; None if the vector did not come from a file.
    """

    id: int
    path: str
    real: str
    stamp: tuple[int, ...] | None


def real_path(path: str | os.PathLike) -> str:
    """Return the absolute path with symbolic links resolved, which identifies a file; ParameterError if it is none.

    The name of a channel keeps its ending: ``call.wav [left]``.
    """
    try:
        name = os.fsdecode(path)
        file = file_of(name)
        return os.path.realpath(file) + name[len(file) :]
    except (TypeError, ValueError):  # ValueError: a null character
        raise ParameterError(f"path must be a path, got {path!r}") from None


def is_missing(entry: Entry) -> bool:
    """Return True if an entry was read from a file that does not exist now; False if that cannot be told."""
    if entry.stamp is None:
        return False
    try:
        os.stat(file_of(entry.real))  # noqa: PTH116 - Path.exists hides other errors
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):  # such as a folder that must not be read
        pass
    return False


class Contents:
    """Entries by real path, in the order of insertion, and the engine that holds their vectors.

    It is not safe for threads: `VectorIndex` is, which holds one.

    Parameters
    ----------
    choice : {'auto', 'exact', 'voyager', 'annoy'}
        Engine; 'auto' is exact up to 20,000 vectors and voyager above.
    metric : {'cosine', 'euclidean'}

    Raises
    ------
    ParameterError
        If the engine or the metric is unknown.
    SearchError
        If the engine's package is not installed.
    """

    def __init__(self, choice: str = "auto", metric: str = "cosine"):
        self.choice, self.metric = choice, metric
        self.entries: dict[str, Entry] = {}
        self._real_of: dict[int, str] = {}
        self._next_id = 0
        self._new_engine()

    def _new_engine(self) -> None:
        self.engine: Engine = create_engine("exact" if self.choice == "auto" else self.choice, self.metric)

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def dim(self) -> int | None:
        """Size of the vectors; None if there was never one."""
        return self.engine.table.dim

    def vectors(self, reals: Iterable[str]) -> np.ndarray:
        """Return vectors by real path [shape=(n, dim), float32]."""
        return self.engine.table.vectors(self.entries[real].id for real in reals)

    def add(self, path: str, real: str, vector: ArrayLike, stamp: Iterable[int] | None) -> None:
        """Add an entry; an existing one gets the new vector and keeps its position. SearchError for a bad vector."""
        row = check_vectors(vector, self.dim, self.metric, path)
        if len(row) != 1:
            raise SearchError(f"a file must have one vector, got {len(row)}", path)
        existing = self.entries.get(real)
        key = self._next_id if existing is None else existing.id
        self.engine.add([key], row)
        self.entries[real] = Entry(key, path, real, None if stamp is None else tuple(stamp))
        self._real_of[key] = real
        self._next_id = max(self._next_id, key + 1)
        if self.choice == "auto" and self.engine.name == "exact" and len(self) > AUTO_EXACT_LIMIT:
            self.engine = create_engine("voyager", self.metric, self.engine.table)

    def remove(self, reals: Iterable[str]) -> None:
        """Remove entries by real path."""
        keys = [self.entries.pop(real).id for real in reals]
        self.engine.remove(keys)
        for key in keys:
            del self._real_of[key]
        if not self.entries:  # without entries, vectors of any size are accepted
            self._new_engine()

    def nearest(
        self, vector: ArrayLike, top_k: int, excluded: set[str], keep: Callable[[Entry], bool] | None
    ) -> list[Neighbour]:
        """Find the entries with the nearest vectors, without those excluded and those that `keep` refuses."""
        row = check_vectors(vector, self.dim, self.metric)
        if len(row) != 1:
            raise SearchError(f"a query must be one vector, got {len(row)}")
        excluded = excluded & self.entries.keys()
        verdicts: dict[str, bool] = dict.fromkeys(excluded, False)
        count = top_k + len(excluded)
        while len(self) > len(excluded):
            found = []
            ids, distances = self.engine.query(row[0], count)
            for key, distance in zip(ids.tolist(), distances.tolist()):
                entry = self.entries[self._real_of[key]]
                if entry.real not in verdicts:
                    verdicts[entry.real] = keep is None or keep(entry)
                if verdicts[entry.real]:
                    found.append(Neighbour(entry.path, distance))
                if len(found) == top_k:
                    return found
            if count >= len(self):
                return found
            count *= 2
        return []

    def find(self, paths: Iterable[str | os.PathLike]) -> dict[str, list[tuple[str, str]]]:
        """Find the entries of files and folders.

        Parameters
        ----------
        paths : iterable of path
            Names of entries, files (which stand for their channels, too), or folders.

        Returns
        -------
        dict of str to list of (str, str)
            Of each path the real paths of its entries and, of each, the part of its name that follows the path.
        """
        found: dict[str, list[tuple[str, str]]] = {os.fsdecode(path): [] for path in paths}
        names: dict[str, list[str]] = {}
        for path in found:
            for name in dict.fromkeys((real_path(path), os.path.normpath(Path(path).absolute()))):
                names.setdefault(name, []).append(path)
        for entry in self.entries.values():
            matched: set[str] = set()
            for name, rest in _names(entry):
                for path in names.get(name, ()):
                    if path not in matched:
                        matched.add(path)
                        found[path].append((entry.real, rest))
        return found

    def rename(self, new_names: dict[str, tuple[str, str]]) -> None:
        """Give entries, by real path, a new path and real path; where another entry has that already, it is kept."""
        kept, dropped = {}, []
        for real, entry in self.entries.items():
            path, new = new_names.get(real, (entry.path, real))
            if new != real and new in self.entries and new not in new_names:
                dropped.append(entry.id)
                continue
            kept[new] = replace(entry, path=path, real=new)
            self._real_of[entry.id] = new
        self.entries = kept
        self.engine.remove(dropped)
        for key in dropped:
            del self._real_of[key]

    def write(self, folder: Path) -> None:
        """Write the files of a generation."""
        self.engine.save(folder)
        rows = [[entry.id, entry.path, entry.real, entry.stamp] for entry in self.entries.values()]
        # ASCII: a name that is not Unicode has lone surrogates, which are valid JSON as escapes.
        (folder / _ENTRIES).write_text(json.dumps(rows, indent=0), encoding="ascii")

    @classmethod
    def read(cls, folder: Path, manifest: dict[str, Any]) -> tuple[Contents, int]:
        """Read a generation and its journal; return the contents, and the length of the journal in bytes.

        Raises
        ------
        SearchError
            If they are damaged.
        """
        try:
            contents = cls(manifest["choice"], manifest["metric"])
            if contents.engine.name != manifest["engine"]:
                contents.engine = create_engine(manifest["engine"], manifest["metric"])
        except ParameterError as error:
            raise SearchError(f"the index is damaged: {error.reason}", folder.parent) from error
        contents.engine.load(folder)
        try:
            rows = [_entry(*row) for row in read_json(folder / _ENTRIES, _MAX_ENTRIES_BYTES)]
        except (OSError, ValueError, TypeError) as error:
            raise SearchError(f"the list of files is damaged: {error}", folder) from error
        contents.entries = {entry.real: entry for entry in rows}
        contents._real_of = {entry.id: entry.real for entry in rows}
        table = contents.engine.table
        matching = manifest["count"] == len(rows) == len(table) == len(contents.entries)
        if not matching or list(contents._real_of) != table.ids.tolist():
            raise SearchError("the index is damaged: its files and vectors do not match", folder.parent)
        contents._next_id = 1 + max(contents._real_of, default=-1)
        length = 0
        for record in replay(folder):
            length = record.end
            try:
                entry = _entry(0, record.entry.get("path"), record.entry.get("real"), record.entry.get("stamp"))
                contents.add(entry.path, entry.real, record.vector, entry.stamp)
            except (SearchError, TypeError) as error:
                _logger.warning("a record of the journal is ignored: %s", error)
        return contents, length


def _entry(key: Any, path: Any, real: Any, stamp: Any) -> Entry:
    """Return an entry that was read from a file; TypeError if a value is of another type."""
    numbers = [key, *(() if stamp is None else stamp)]
    if not isinstance(path, str) or not isinstance(real, str) or not all(type(number) is int for number in numbers):
        raise TypeError(f"{path!r} is no entry")
    return Entry(key, path, real, None if stamp is None else tuple(stamp))


def _names(entry: Entry) -> Iterator[tuple[str, str]]:
    """Yield the names under which an entry is found: its own, its file's and its folders'; with the rest of each.

    An entry that did not come from a file is in no folder.
    """
    given = [os.path.normpath(entry.path)] if Path(entry.path).is_absolute() else []
    for name in dict.fromkeys([entry.real, *given]):
        yield name, ""
        if entry.stamp is None:
            continue
        if (part := file_of(name)) != name:
            yield part, name[len(part) :]
        while part := part.rpartition(os.sep)[0]:
            yield part, name[len(part) :]
        yield os.sep, name

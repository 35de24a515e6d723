"""Entries of an index and their vectors in an engine, and the files of a generation that hold them."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from mxnet_audio.atomic import read_json
from mxnet_audio.errors import ParameterError, SearchError
from mxnet_audio.search.engines import Engine, create_engine
from mxnet_audio.search.entries import Entry, parse_entry
from mxnet_audio.search.journal import replay
from mxnet_audio.search.vectors import check_vectors

__all__ = ["AUTO_EXACT_LIMIT", "Contents", "Neighbour"]

# Limit of engine='auto': up to this size an exact search takes a few milliseconds.
AUTO_EXACT_LIMIT = 20_000
_ENTRIES = "entries.json"
_MAX_ENTRIES_BYTES = 1 << 32

_logger = logging.getLogger(__name__)


class Neighbour(NamedTuple):
    """A file found by a search: its path as given to `VectorIndex.add`, and its distance."""

    path: str
    distance: float


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

    def take_over(self, reals: Iterable[str], other: Contents) -> None:
        """Make the entries of some real paths those of other contents: add, replace or remove them."""
        self.remove([real for real in reals if real in self.entries and real not in other.entries])
        kept = [real for real in reals if real in other.entries]
        for real, vector in zip(kept, other.vectors(kept)):
            entry = other.entries[real]
            self.add(entry.path, real, vector, entry.stamp)

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
            rows = [parse_entry(*row) for row in read_json(folder / _ENTRIES, _MAX_ENTRIES_BYTES)]
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
                entry = parse_entry(0, record.entry.get("path"), record.entry.get("real"), record.entry.get("stamp"))
                contents.add(entry.path, entry.real, record.vector, entry.stamp)
            except (SearchError, TypeError) as error:
                _logger.warning("a record of the journal is ignored: %s", error)
        return contents, length

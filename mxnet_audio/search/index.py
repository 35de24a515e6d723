"""Index of files and their vectors: add, remove, query, save and load."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from mxnet_audio.checks import path_argument, whole_number
from mxnet_audio.errors import ParameterError, SearchError
from mxnet_audio.search import store
from mxnet_audio.search.engines import Engine, create_engine
from mxnet_audio.search.vectors import check_vectors

__all__ = ["AUTO_EXACT_LIMIT", "Neighbour", "VectorIndex", "real_path"]

# Limit of engine='auto': up to this size an exact search takes a few milliseconds.
AUTO_EXACT_LIMIT = 20_000


class Neighbour(NamedTuple):
    """A file found by a search: its path as given to :meth:`VectorIndex.add`, and its distance."""

    path: str
    distance: float


@dataclass(frozen=True)
class _Entry:
    id: int
    path: str
    stamp: tuple[int, ...] | None


def real_path(path: str | os.PathLike) -> str:
    """Return the absolute path with symbolic links resolved, which identifies a file; ParameterError if it is none."""
    try:
        return os.path.realpath(os.fsdecode(path))
    except TypeError:
        raise ParameterError(f"path must be a path, got {path!r}") from None


class VectorIndex:
    """Index of files, with one vector each, for nearest-neighbour search.

    A file is identified by its real path, so ``a.wav``, ``./a.wav`` and a link to it are one file. Results have the
    paths as they were given. An index can be copied (``copy.deepcopy``) and sent to other processes (joblib,
    multiprocessing).

    Parameters
    ----------
    engine : {'auto', 'exact', 'voyager', 'annoy'}
        'auto' is exact up to 20,000 vectors and voyager above.
    metric : {'cosine', 'euclidean'}
    model_id : str, optional
        Identifier of the model that computes the vectors; saved with them.

    Attributes
    ----------
    model : dict or None
        Description of the model as JSON types, by which it can be found again; saved with the vectors.
    notes : dict
        Additional data as JSON types, saved atomically with the vectors.

    Raises
    ------
    ParameterError
        If the engine or the metric is unknown.
    SearchError
        If the engine's package is not installed.

    Examples
    --------
    >>> index = VectorIndex()
    >>> index.add('wind.wav', [0, 1, 1])
    >>> index.add('rain.wav', [0, 1, 2])
    >>> [path for path, distance in index.query([0, 1, 3], top_k=2)]
    ['rain.wav', 'wind.wav']
    >>> 'rain.wav' in index, len(index)
    (True, 2)
    """

    def __init__(self, engine: str = "auto", metric: str = "cosine", model_id: str | None = None):
        self._requested_engine = engine
        self.metric = metric
        self._clear_engine()
        self.model_id = model_id
        self.model: dict[str, Any] | None = None
        self.notes: dict[str, Any] = {}
        self._entries: dict[str, _Entry] = {}  # by real path, in the order of insertion
        self._real_paths: dict[int, str] = {}  # by id
        self._next_id = 0
        self._saved: tuple[str, str] | None = None  # directory and generation of the last save or load
        self._changed = True  # since then

    def _clear_engine(self) -> None:
        self._engine: Engine = create_engine(
            "exact" if self._requested_engine == "auto" else self._requested_engine, self.metric
        )

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, path: str | os.PathLike) -> bool:
        return real_path(path) in self._entries

    def __repr__(self) -> str:
        return f"VectorIndex({len(self)} vectors, dim={self.dim}, engine={self.engine!r}, metric={self.metric!r})"

    @property
    def engine(self) -> str:
        """Name of the engine in use."""
        return self._engine.name

    @property
    def dim(self) -> int | None:
        """Size of the vectors; None if the index is empty."""
        return self._engine.table.dim

    @property
    def paths(self) -> list[str]:
        """Paths as they were given, in the order of insertion."""
        return [entry.path for entry in self._entries.values()]

    @property
    def real_paths(self) -> list[str]:
        """Real paths, in the order of insertion."""
        return list(self._entries)

    @property
    def vectors(self) -> np.ndarray:
        """Vectors in the order of insertion [shape=(n, dim), float32]."""
        return self._engine.table.vectors()

    def vector(self, path: str | os.PathLike) -> np.ndarray:
        """Return the vector of a file [shape=(dim,), float32], or raise SearchError if it is not in the index."""
        return self._engine.table.vectors([self._entry(path).id])[0]

    def stamp(self, path: str | os.PathLike) -> tuple[int, ...] | None:
        """Return the stamp of a file; None if it has none or is not in the index."""
        entry = self._entries.get(real_path(path))
        return None if entry is None else entry.stamp

    def _entry(self, path: str | os.PathLike) -> _Entry:
        try:
            return self._entries[real_path(path)]
        except KeyError:
            raise SearchError("the file is not in the index", path) from None

    def add(self, path: str | os.PathLike, vector: ArrayLike, stamp: Iterable[int] | None = None) -> None:
        """Add the vector of a file; an existing file gets the new vector and keeps its position.

        Parameters
        ----------
        path : str or os.PathLike
        vector : array_like [shape=(dim,)]
        stamp : iterable of int, optional
            Numbers that change with the file, such as its size and modification time.

        Raises
        ------
        SearchError
            If the vector has another size than the others, holds NaN or infinity, or is zero with 'cosine'.
        """
        self._add(os.fsdecode(path), real_path(path), vector, stamp)

    def _add(self, path: str, real: str, vector: ArrayLike, stamp: Iterable[int] | None) -> None:
        row = check_vectors(vector, self.dim, self.metric, path)
        if len(row) != 1:
            raise SearchError(f"a file must have one vector, got {len(row)}", path)
        existing = self._entries.get(real)
        key = self._next_id if existing is None else existing.id
        self._engine.add([key], row)
        self._entries[real] = _Entry(key, path, None if stamp is None else tuple(stamp))
        self._real_paths[key] = real
        self._next_id = max(self._next_id, key + 1)
        self._changed = True
        if self._requested_engine == "auto" and self.engine == "exact" and len(self) > AUTO_EXACT_LIMIT:
            self._engine = create_engine("voyager", self.metric, self._engine.table)

    def remove(self, path: str | os.PathLike) -> None:
        """Remove a file, or raise SearchError if it is not in the index."""
        key = self._entry(path).id
        self._engine.remove([key])
        del self._entries[self._real_paths.pop(key)]
        if not self._entries:  # an empty index accepts vectors of any size
            self._clear_engine()
        self._changed = True

    def query(self, vector: ArrayLike, top_k: int = 10, exclude: Iterable[str | os.PathLike] = ()) -> list[Neighbour]:
        """Find the files with the nearest vectors.

        Parameters
        ----------
        vector : array_like [shape=(dim,)]
        top_k : int > 0
            Number of neighbours; a smaller index returns all its files.
        exclude : iterable of path
            Files to leave out, identified by their real paths.

        Returns
        -------
        list of Neighbour
            Nearest first, equal distances in the order of insertion.

        Raises
        ------
        ParameterError
            If `top_k` is not a whole number of at least 1.
        SearchError
            If the vector has another size than those of the index, is not finite or, with 'cosine', zero.
        """
        top_k = whole_number("top_k", top_k)
        row = check_vectors(vector, self.dim, self.metric)
        if len(row) != 1:
            raise SearchError(f"a query must be one vector, got {len(row)}")
        excluded = {real_path(path) for path in exclude} & self._entries.keys()
        if len(self) == len(excluded):
            return []
        ids, distances = self._engine.query(row[0], top_k + len(excluded))
        found = [(self._real_paths[key], distance) for key, distance in zip(ids.tolist(), distances.tolist())]
        neighbours = [Neighbour(self._entries[real].path, dist) for real, dist in found if real not in excluded]
        return neighbours[:top_k]

    def pairwise(self, vectors: ArrayLike) -> np.ndarray:
        """Compute the distance from each vector to each file of :attr:`paths` [shape=(m, n), float64]."""
        return self._engine.table.pairwise(check_vectors(vectors, self.dim, self.metric))

    def saved_in(self, directory: str | os.PathLike) -> bool:
        """Return True if the index was last loaded from or saved to the directory and no other has replaced it."""
        if self._saved is None or self._saved[0] != real_path(directory) or not store.has_index(directory):
            return False
        return store.read_manifest(directory)["generation"] == self._saved[1]

    def save(self, directory: str | os.PathLike) -> None:
        """Save the index atomically: at any moment the directory holds the previous index or this one, complete.

        An existing index is replaced. If only `notes` changed since the last save, only they are written.

        Raises
        ------
        ParameterError
            If `directory` is not a path.
        SearchError
            If the directory cannot be written.
        """
        directory = path_argument("directory", directory)
        fields = {
            "engine": self.engine, "choice": self._requested_engine, "metric": self.metric, "dimension": self.dim,
            "model_id": self.model_id, "model": self.model, "count": len(self), "notes": self.notes,
        }  # fmt: skip
        if not self._changed and self.saved_in(directory):
            store.write_manifest(directory, {**store.read_manifest(directory), **fields})
            return
        manifest = store.write(directory, self._write_files, fields)
        self._saved, self._changed = (real_path(directory), manifest["generation"]), False

    def _write_files(self, folder: Path) -> None:
        self._engine.save(folder)
        entries = [[entry.id, entry.path, real, entry.stamp] for real, entry in self._entries.items()]
        (folder / "entries.json").write_text(json.dumps(entries, indent=0), encoding="ascii")

    def journal(self, directory: str | os.PathLike, sync_every: int) -> store.Journal:
        """Open the journal of the saved index, for :meth:`record`."""
        if self._changed or self._saved is None or not self.saved_in(directory):
            raise SearchError("save the index before opening its journal", directory)
        return store.Journal(store.generation_folder(directory, self._saved[1]), sync_every)

    def record(self, journal: store.Journal, path: str | os.PathLike) -> None:
        """Append a file of the index to the journal, from which :meth:`load` reads it."""
        entry = self._entry(path)
        journal.append({"path": entry.path, "real": real_path(path), "stamp": entry.stamp}, self.vector(path))

    @classmethod
    def load(cls, directory: str | os.PathLike, model_id: str | None = None, dim: int | None = None) -> VectorIndex:
        """Load an index that :meth:`save` wrote, and its journal.

        Parameters
        ----------
        directory : str or os.PathLike
        model_id : str, optional
            Required model; vectors of another model are refused.
        dim : int, optional
            Required size of the vectors.

        Returns
        -------
        VectorIndex

        Raises
        ------
        ParameterError
            If `directory` is not a path.
        SearchError
            If the index is missing, damaged, of a newer format, of another model or of another size of vectors.
        """
        directory = path_argument("directory", directory)
        while True:
            manifest = store.read_manifest(directory)
            try:
                return cls._load(directory, manifest, model_id, dim)
            except SearchError:
                # Another process may have replaced the generation while it was read: then read the new one.
                if store.read_manifest(directory)["generation"] == manifest["generation"]:
                    raise

    @classmethod
    def _load(cls, directory: Path, manifest: dict, model_id: str | None, dim: int | None) -> VectorIndex:
        folder = store.verify(directory, manifest)
        try:
            index = cls(manifest["choice"], manifest["metric"], manifest["model_id"])
            if index.engine != manifest["engine"]:
                index._engine = create_engine(manifest["engine"], manifest["metric"])
        except ParameterError as error:
            raise SearchError(f"the index is damaged: {error.reason}", directory) from error
        index.model, index.notes = manifest["model"], manifest["notes"]
        index._engine.load(folder)
        try:
            rows = json.loads((folder / "entries.json").read_text(encoding="ascii"))
            for key, path, real, stamp in rows:
                index._entries[real] = _Entry(key, path, None if stamp is None else tuple(stamp))
                index._real_paths[key] = real
        except (OSError, ValueError, TypeError) as error:
            raise SearchError(f"the list of files is damaged: {error}", folder) from error
        table = index._engine.table
        if not manifest["count"] == len(rows) == len(table) or list(index._real_paths) != table.ids.tolist():
            raise SearchError("the index is damaged: its files and vectors do not match", directory)
        index._next_id = 1 + max(index._real_paths, default=-1)
        for entry, vector in store.replay(folder):
            index._add(entry["path"], entry["real"], vector, entry["stamp"])
        index.check(model_id, dim, directory)
        index._saved = (real_path(directory), manifest["generation"])
        index._changed = store.has_journal(folder)
        return index

    def check(
        self, model_id: str | None = None, dim: int | None = None, directory: str | os.PathLike | None = None
    ) -> None:
        """Check that the index may be used with a model; parameters and errors as in :meth:`load`."""
        if not len(self):
            return
        if model_id is not None and self.model_id != model_id:
            raise SearchError(
                f"the index holds vectors of the model {self.model_id}, the loaded model is {model_id}: "
                "load that model, or keep the files indexed with this one in another directory",
                directory,
            )
        if dim is not None and self.dim != dim:
            raise SearchError(f"the index holds vectors of {self.dim} numbers, the loaded model makes {dim}", directory)

"""Paths and their vectors: an index that can be asked for neighbours, saved and loaded."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mxnet_audio.errors import SearchError
from mxnet_audio.search import store
from mxnet_audio.search.engines import create_engine
from mxnet_audio.search.vectors import check_vectors

__all__ = ["AUTO_EXACT_LIMIT", "Neighbour", "VectorIndex", "real_path"]

# With engine='auto': up to here comparing with every vector takes a few milliseconds, and nothing is missed.
AUTO_EXACT_LIMIT = 20_000


class Neighbour(NamedTuple):
    """A file that was found: its path as it was given when it was indexed, and its distance."""

    path: str
    distance: float


@dataclass(frozen=True)
class _Entry:
    id: int
    path: str
    stamp: tuple[int, ...] | None


def real_path(path: str | os.PathLike) -> str:
    """Return what tells files apart: the absolute path, with links followed."""
    return os.path.realpath(os.fsdecode(path))


class VectorIndex:
    """Vectors of files, one each, and the search among them.

    A file is known by its real path, so that ``a.wav``, ``./a.wav`` and a link to it are one; its path is
    handed out as it was given.

    Parameters
    ----------
    engine : {'auto', 'exact', 'voyager', 'annoy'}
        'auto' is exact up to 20,000 vectors, and moves to voyager above.
    metric : {'cosine', 'euclidean'}
    model_id : str, optional
        The model that makes the vectors; saved with them.

    Attributes
    ----------
    notes : dict
        Anything JSON can say that is to be saved in the same instant as the vectors.

    Raises
    ------
    SearchError
        Another engine or metric, or the engine's package is not installed.

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
        self._choice = engine
        self.metric = metric
        self._empty_engine()
        self.model_id = model_id
        self.notes: dict = {}
        self._entries: dict[str, _Entry] = {}  # by real path, in the order of insertion
        self._real: dict[int, str] = {}  # by id
        self._next = 0
        self._home: tuple[str, str] | None = None  # directory and generation that hold all but `_changed`
        self._changed = True

    def _empty_engine(self) -> None:
        self._engine = create_engine("exact" if self._choice == "auto" else self._choice, self.metric)

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, path: str | os.PathLike) -> bool:
        return real_path(path) in self._entries

    @property
    def engine(self) -> str:
        """The engine at work."""
        return self._engine.name

    @property
    def dim(self) -> int | None:
        """Size of the vectors; None while the index is empty."""
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
        """Return the vector of a file [shape=(dim,), float32]; SearchError when it is not in the index."""
        return self._engine.table.vectors([self._entry(path).id])[0]

    def stamp(self, path: str | os.PathLike) -> tuple[int, ...] | None:
        """Return the stamp that the file was added with; None also when it is not in the index."""
        entry = self._entries.get(real_path(path))
        return None if entry is None else entry.stamp

    def _entry(self, path: str | os.PathLike) -> _Entry:
        try:
            return self._entries[real_path(path)]
        except KeyError:
            raise SearchError("this file is not in the index", path) from None

    def add(self, path: str | os.PathLike, vector, stamp: Iterable[int] | None = None) -> None:
        """Add a file's vector; a file that is there gets the new one and keeps its place.

        Parameters
        ----------
        path : str or os.PathLike
        vector : array_like [shape=(dim,)]
        stamp : iterable of int, optional
            What tells whether the file changed since, such as its size and time.

        Raises
        ------
        SearchError
            The vector is of another size than the others, holds NaN or infinity, or is zero under 'cosine'.
        """
        self._add(os.fsdecode(path), real_path(path), vector, stamp)

    def _add(self, path: str, real: str, vector, stamp) -> None:
        vector = check_vectors(vector, self.dim, self.metric, path)
        if len(vector) != 1:
            raise SearchError(f"a file has one vector, not {len(vector)}", path)
        known = self._entries.get(real)
        key = self._next if known is None else known.id
        self._engine.add([key], vector)
        self._entries[real] = _Entry(key, path, None if stamp is None else tuple(stamp))
        self._real[key] = real
        self._next = max(self._next, key + 1)
        self._changed = True
        if self._choice == "auto" and self.engine == "exact" and len(self) > AUTO_EXACT_LIMIT:
            self._engine = create_engine("voyager", self.metric, self._engine.table)

    def remove(self, path: str | os.PathLike) -> None:
        """Take a file out; SearchError when it is not in the index."""
        key = self._entry(path).id
        self._engine.remove([key])
        del self._entries[self._real.pop(key)]
        if not self._entries:  # nothing is left that could bind it to a size
            self._empty_engine()
        self._changed = True

    def query(self, vector, top_k: int = 10, exclude: Iterable[str | os.PathLike] = ()) -> list[Neighbour]:
        """Find the files with the nearest vectors.

        Parameters
        ----------
        vector : array_like [shape=(dim,)]
        top_k : int > 0
            How many; a smaller index gives all it has.
        exclude : iterable of path
            Files to leave out, by their real paths.

        Returns
        -------
        list of Neighbour
            Nearest first, equal distances in the order of insertion.

        Raises
        ------
        SearchError
            `top_k` is below 1, or the vector is of another size, not finite or, under 'cosine', zero.
        """
        if isinstance(top_k, bool) or not isinstance(top_k, (int, np.integer)) or top_k < 1:
            raise SearchError(f"top_k must be a whole number of 1 or more, not {top_k!r}")
        vector = check_vectors(vector, self.dim, self.metric)
        if len(vector) != 1:
            raise SearchError(f"a query is one vector, not {len(vector)}")
        hidden = {real_path(path) for path in exclude} & self._entries.keys()
        if len(self) == len(hidden):
            return []
        ids, distances = self._engine.query(vector[0], top_k + len(hidden))
        found = ((self._real[key], distance) for key, distance in zip(ids.tolist(), distances.tolist()))
        shown = [Neighbour(self._entries[real].path, far) for real, far in found if real not in hidden]
        return shown[:top_k]

    def pairwise(self, vectors: np.ndarray) -> np.ndarray:
        """Distances from each vector to each file, in the order of :attr:`paths` [shape=(m, n), float64]."""
        return self._engine.table.pairwise(check_vectors(vectors, self.dim, self.metric))

    def saved_in(self, directory: str | os.PathLike) -> bool:
        """Whether this index was loaded from or saved to the directory, and nobody else wrote there since."""
        if self._home is None or self._home[0] != real_path(directory) or not store.has_index(directory):
            return False
        return store.read_manifest(directory)["generation"] == self._home[1]

    def save(self, directory: str | os.PathLike) -> None:
        """Save the index: at any moment the directory holds the former index whole, or this one.

        An index that was there before is replaced. When only `notes` changed since, only they are written.

        Raises
        ------
        SearchError
            The directory cannot be written.
        """
        fields = {
            "engine": self.engine, "choice": self._choice, "metric": self.metric, "dimension": self.dim,
            "model_id": self.model_id, "count": len(self), "notes": self.notes,
        }  # fmt: skip
        if not self._changed and self.saved_in(directory):
            store.write_manifest(directory, {**store.read_manifest(directory), **fields})
            return
        manifest = store.write(directory, self._fill, fields)
        self._home, self._changed = (real_path(directory), manifest["generation"]), False

    def _fill(self, folder: Path) -> None:
        self._engine.save(folder)
        entries = [[entry.id, entry.path, real, entry.stamp] for real, entry in self._entries.items()]
        (folder / "entries.json").write_text(json.dumps(entries, indent=0), encoding="ascii")

    def journal(self, directory: str | os.PathLike, sync_every: int) -> store.Journal:
        """Open the journal of the saved index, for :meth:`record`."""
        if self._changed or not self.saved_in(directory):
            raise SearchError("save the index before its journal is opened", directory)
        return store.Journal(store.generation_folder(directory, self._home[1]), sync_every)

    def record(self, journal: store.Journal, path: str | os.PathLike) -> None:
        """Append a file of the index to the journal; :meth:`load` reads it from there."""
        entry = self._entry(path)
        journal.append({"path": entry.path, "real": real_path(path), "stamp": entry.stamp}, self.vector(path))

    @classmethod
    def load(cls, directory: str | os.PathLike, model_id: str | None = None, dim: int | None = None) -> VectorIndex:
        """Load what :meth:`save` wrote, and what the journal holds since.

        Parameters
        ----------
        directory : str or os.PathLike
        model_id : str, optional
            Refuse the vectors of another model.
        dim : int, optional
            Refuse vectors of another size.

        Raises
        ------
        SearchError
            Missing, damaged, of a newer format, of another model or of another size of vectors.
        """
        while True:
            manifest = store.read_manifest(directory)
            try:
                return cls._load(Path(directory), manifest, model_id, dim)
            except SearchError:
                # A writer may have replaced the generation while it was being read: then read the new one.
                if store.read_manifest(directory)["generation"] == manifest["generation"]:
                    raise

    @classmethod
    def _load(cls, directory: Path, manifest: dict, model_id: str | None, dim: int | None) -> VectorIndex:
        folder = store.verify(directory, manifest)
        index = cls(manifest["choice"], manifest["metric"], manifest["model_id"])
        index.notes = manifest["notes"]
        if index.engine != manifest["engine"]:
            index._engine = create_engine(manifest["engine"], manifest["metric"])
        index._engine.load(folder)
        try:
            rows = json.loads((folder / "entries.json").read_text(encoding="ascii"))
            for key, path, real, stamp in rows:
                index._entries[real] = _Entry(key, path, None if stamp is None else tuple(stamp))
                index._real[key] = real
        except (OSError, ValueError, TypeError) as error:
            raise SearchError(f"the list of files is damaged: {error}", folder) from error
        table = index._engine.table
        if not manifest["count"] == len(rows) == len(table) or list(index._real) != table.ids.tolist():
            raise SearchError("the index is damaged: its files and vectors do not match", directory)
        index._next = 1 + max(index._real, default=-1)
        for entry, vector in store.replay(folder):
            index._add(entry["path"], entry["real"], vector, entry["stamp"])
        index._check(directory, model_id, dim)
        index._home = (real_path(directory), manifest["generation"])
        index._changed = store.has_journal(folder)
        return index

    def _check(self, directory: Path, model_id: str | None, dim: int | None) -> None:
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

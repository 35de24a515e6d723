"""Index of files and their vectors: add, remove, query, save and load."""

from __future__ import annotations

import copy
import os
import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mxnet_audio.checks import iterable_argument, path_argument, whole_number
from mxnet_audio.errors import ParameterError, SearchError
from mxnet_audio.search import store
from mxnet_audio.search.changes import merged
from mxnet_audio.search.contents import Contents, Neighbour
from mxnet_audio.search.entries import (
    Entry,
    absolute_path,
    check_prunable,
    check_stamp,
    find_entries,
    is_missing,
    moved,
    real_path,
)
from mxnet_audio.search.journal import Journal
from mxnet_audio.search.saved import Saved, read
from mxnet_audio.search.vectors import check_vectors

__all__ = ["VectorIndex"]


class VectorIndex:
    """Index of files, with one vector each, for nearest-neighbour search.

    A file is identified by its real path, so ``a.wav``, ``./a.wav`` and a link to it are one file. Results have the
    paths as they were given. An index can be copied (``copy.deepcopy``) and sent to other processes (joblib,
    multiprocessing), and threads can share one.

    Parameters
    ----------
    engine : {'auto', 'exact', 'voyager', 'annoy'}
        'auto' is exact up to 20,000 vectors and voyager above.
    metric : {'cosine', 'euclidean'}
    model_id : str, optional
        Identifier of the model that computes the vectors; saved with them.

    Attributes
    ----------
    lock : threading.RLock
        Held during each call; hold it to make several calls in one step, and to change `notes`. Release it before
        :meth:`save` and :meth:`record`, which may wait for other processes.
    directory : str or None
        Absolute path, with its links, of the directory that the index was last loaded from or saved in.
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
        self.lock = threading.RLock()
        self._contents = Contents(engine, metric)
        self.model_id = model_id
        self.model: dict[str, Any] | None = None
        self.notes: dict[str, Any] = {}
        self.directory: str | None = None
        self._saved: Saved | None = None
        self._changes: dict[str, None] = {}  # real paths of entries that were added, replaced or removed since then

    def __getstate__(self) -> dict[str, Any]:
        """Return a copy of the attributes, which other threads do not change while it is written."""
        with self.lock:
            return copy.deepcopy({name: value for name, value in vars(self).items() if name != "lock"})

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, lock=threading.RLock())

    def __len__(self) -> int:
        return len(self._contents)

    def __contains__(self, path: str | os.PathLike) -> bool:
        return real_path(path) in self._contents.entries

    def __repr__(self) -> str:
        return f"VectorIndex({len(self)} vectors, dim={self.dim}, engine={self.engine!r}, metric={self.metric!r})"

    @property
    def engine(self) -> str:
        """Name of the engine in use."""
        return self._contents.engine.name

    @property
    def metric(self) -> str:
        """Name of the distance."""
        return self._contents.metric

    @property
    def dim(self) -> int | None:
        """Size of the vectors; None if the index is empty."""
        return self._contents.dim

    @property
    def entries(self) -> list[Entry]:
        """Entries in the order of insertion."""
        with self.lock:
            return list(self._contents.entries.values())

    @property
    def paths(self) -> list[str]:
        """Paths as they were given, in the order of insertion."""
        return [entry.path for entry in self.entries]

    @property
    def real_paths(self) -> list[str]:
        """Real paths, in the order of insertion."""
        return [entry.real for entry in self.entries]

    @property
    def vectors(self) -> np.ndarray:
        """Vectors in the order of insertion [shape=(n, dim), float32]."""
        with self.lock:
            return self._contents.engine.table.vectors()

    def vector(self, path: str | os.PathLike) -> np.ndarray:
        """Return the vector of a file [shape=(dim,), float32], or raise SearchError if it is not in the index."""
        with self.lock:
            return self._contents.vectors([self._entry(path).real])[0]

    def stamp(self, path: str | os.PathLike) -> tuple[int, ...] | None:
        """Return the stamp of a file; None if it has none or is not in the index."""
        entry = self._contents.entries.get(real_path(path))
        return None if entry is None else entry.stamp

    def lookup(self, paths: Iterable[str | os.PathLike]) -> dict[str, Entry]:
        """Return the entries of those files that are in the index, by real path."""
        entries = self._contents.entries
        return {real: entries[real] for path in paths if (real := real_path(path)) in entries}

    def _entry(self, path: str | os.PathLike) -> Entry:
        try:
            return self._contents.entries[real_path(path)]
        except KeyError:
            raise SearchError("the file is not in the index", path) from None

    def add(self, path: str | os.PathLike, vector: ArrayLike, stamp: Iterable[int] | None = None) -> None:
        """Add the vector of a file; an existing file gets the new vector and keeps its position.

        Parameters
        ----------
        path : str or os.PathLike
        vector : array_like [shape=(dim,)]
        stamp : iterable of int, optional
            Numbers that change with the file, such as its size and modification time. With them, the path is known to
            be one of a file, which may be missing later.

        Raises
        ------
        ParameterError
            If `path` is not a path, or `stamp` does not consist of whole numbers.
        SearchError
            If the vector has another size than the others, holds NaN or infinity, or is zero with 'cosine'.
        """
        real = real_path(path)
        numbers = check_stamp(stamp)
        with self.lock:
            self._contents.add(os.fsdecode(path), real, vector, numbers)
            self._changes[real] = None

    def remove(self, paths: str | os.PathLike | Iterable[str | os.PathLike]) -> None:
        """Remove a file or several; if one is not in the index, raise SearchError and remove none."""
        single = isinstance(paths, str | bytes | os.PathLike)
        given: Any = [paths] if single else iterable_argument("path", paths, "paths")
        with self.lock:
            reals = list(dict.fromkeys(self._entry(path).real for path in given))
            self._contents.remove(reals)
            self._changes.update(dict.fromkeys(reals))

    def find(self, paths: Iterable[str | os.PathLike]) -> dict[str, list[str]]:
        """Find the entries of files and folders.

        Parameters
        ----------
        paths : iterable of path
            Names of entries, files (which stand for their channels, too), or folders, which need not exist.

        Returns
        -------
        dict of str to list of str
            Real paths of the entries for each path; none for a path that is not in the index.
        """
        return {path: [real for real, _ in found] for path, found in find_entries(paths, self.entries).items()}

    def relocate(self, old: str | os.PathLike, new: str | os.PathLike) -> dict[str, tuple[str, str]]:
        """Give the entries of a file or a folder that was moved their new paths; their vectors stay.

        An entry whose new path is in the index already is removed: the other was read from where the file is now.

        Parameters
        ----------
        old, new : str or os.PathLike
            File or folder, before and after it was moved.

        Returns
        -------
        dict of str to (str, str)
            New path and new real path of each entry, by its former real path.

        Raises
        ------
        ParameterError
            If `old` or `new` is not a path.
        SearchError
            If the index has nothing of `old`.
        """
        former, target = os.fsdecode(path_argument("old", old)), os.fsdecode(path_argument("new", new))
        with self.lock:
            (found,) = find_entries([former], self.entries).values()
            if not found:
                raise SearchError("neither a file nor a folder of the index", former)
            names = {real: moved(former, target, rest) for real, rest in found}
            renamed = {real: (path, real_path(path)) for real, path in names.items()}
            self._contents.rename(renamed)
            self._changes.update(dict.fromkeys([*renamed, *(real for _, real in renamed.values())]))
            return renamed

    def missing(self) -> list[Entry]:
        """Return the entries whose files do not exist, such as moved and deleted ones.

        Sounds that were added without a stamp are never missing.
        """
        return [entry for entry in self.entries if is_missing(entry)]

    def prune(self) -> list[Entry]:
        """Remove the entries whose files do not exist, and return them.

        Raises
        ------
        SearchError
            If the folder of such a file is missing or empty, too, or all files are missing: a disk may not be mounted.
            Then nothing is removed.
        """
        entries = self.entries  # not under the lock: a slow disk may be asked
        missing = [entry for entry in entries if is_missing(entry)]
        check_prunable(missing, entries)
        with self.lock:
            missing = [entry for entry in missing if self._contents.entries.get(entry.real) == entry]
            self.remove([entry.real for entry in missing])
            return missing

    def query(
        self,
        vector: ArrayLike,
        top_k: int = 10,
        exclude: Iterable[str | os.PathLike] = (),
        keep: Callable[[Entry], bool] | None = None,
    ) -> list[Neighbour]:
        """Find the files with the nearest vectors.

        Parameters
        ----------
        vector : array_like [shape=(dim,)]
        top_k : int > 0
            Number of neighbours; a smaller index returns all its files.
        exclude : iterable of path
            Files to leave out, identified by their real paths.
        keep : callable, optional
            Function of an entry that returns False to leave it out; called for the nearest ones, in their order, until
            `top_k` are found.

        Returns
        -------
        list of Neighbour
            Nearest first, equal distances in the order of insertion.

        Raises
        ------
        ParameterError
            If `top_k` is not a whole number of at least 1, or `keep` cannot be called.
        SearchError
            If the vector has another size than those of the index, is not finite or, with 'cosine', zero.
        """
        top_k = whole_number("top_k", top_k)
        if keep is not None and not callable(keep):
            raise ParameterError(f"keep must be a function of an entry, got {keep!r}")
        excluded = {real_path(path) for path in exclude}
        with self.lock:
            return self._contents.nearest(vector, top_k, excluded, keep)

    def pairwise(self, vectors: ArrayLike) -> np.ndarray:
        """Compute the distance from each vector to each file of :attr:`paths` [shape=(m, n), float64]."""
        with self.lock:
            return self._contents.engine.table.pairwise(check_vectors(vectors, self.dim, self.metric))

    def saved_in(self, directory: str | os.PathLike) -> bool:
        """Return True if the index was last loaded from or saved to the directory, and one is still there."""
        return self._saved is not None and self._saved.directory == real_path(directory) and store.has_index(directory)

    def is_current(self) -> bool:
        """Return True if :attr:`directory` holds what it held when the index was loaded or saved.

        Raises
        ------
        SearchError
            If there is no index any more, or it is damaged.
        """
        if self._saved is None or self.directory is None:
            return False
        return Saved.now(self.directory).version == self._saved.version

    def save(self, directory: str | os.PathLike) -> None:
        """Save the index atomically: at any moment the directory holds the previous index or this one, complete.

        If the index was loaded from the directory, or saved there before, what others have changed there since is kept
        and is in this index afterwards: files that they added or removed, and `notes`. Of a file that both changed,
        this index is kept. Any other index in the directory is replaced. Nothing is written if nothing changed, and if
        only `notes` changed, only they are.

        Raises
        ------
        ParameterError
            If `directory` is not a path, or `notes` are not of JSON types.
        SearchError
            If the directory cannot be written, or another index of another model has replaced this one there.
        """
        directory = path_argument("directory", directory)
        with self.lock:
            base, changed = self._saved, self._is_changed(directory)
        if not changed:
            others = self._read_others(directory)
            with self.lock:
                if self._saved is base:
                    self._merge(*others)
            return
        with store.locked(directory), self.lock:
            # In this order: who waits for other processes does not block other threads.
            saved = None
            if self.saved_in(directory):
                self._merge(*self._read_others(directory))
                saved = self._saved
            header = self._header()
            if saved is None or self._changes or saved.journal_length:
                fields = {
                    "engine": self.engine, "choice": self._contents.choice, "metric": self.metric,
                    "dimension": self.dim, "count": len(self), **header,
                }  # fmt: skip
                manifest = store.write(directory, self._contents.write, fields)
            else:
                manifest = {**saved.manifest, **header}
                store.write_manifest(directory, manifest)
            self._saved = Saved(real_path(directory), manifest, 0)
            self.directory = absolute_path(os.fspath(directory))
            self._changes.clear()

    def _header(self) -> dict[str, Any]:
        return copy.deepcopy({"model_id": self.model_id, "model": self.model, "notes": self.notes})

    def _is_changed(self, directory: Path) -> bool:
        """Return True if there is something to write to the directory."""
        if self._saved is None or not self.saved_in(directory) or self._changes or self._header() != self._saved.header:
            return True
        # Only the journal is to be put in order, which is not done in a directory that is for reading.
        return Saved.now(directory).journal_length > 0 and os.access(directory, os.W_OK)

    def _read_others(self, directory: Path) -> tuple[Contents, Saved]:
        """Return what is in the directory now, with the contents of this index if they are the same."""
        base, contents, now = self._saved, self._contents, Saved.now(directory)
        return (contents, now) if base is not None and base.version == now.version else read(directory)

    def _merge(self, theirs: Contents, saved: Saved) -> None:
        """Take over what is in the directory now, with the changes of this index applied to it."""
        base, mine = self._saved, self._contents
        assert base is not None
        before, now = base.header, saved.header
        added = any(real in mine.entries for real in self._changes)
        own_model = (self.model_id, self.model) != (before["model_id"], before["model"])
        other_model = now["model_id"] != self.model_id
        if other_model and (added or own_model) and theirs is not mine and len(theirs):
            raise SearchError(
                f"another index has replaced this one, of the model {now['model_id']}: "
                "save this one in another directory",
                saved.directory,
            )
        if theirs is not mine:
            theirs.take_over(self._changes, mine)
            self._contents = theirs
        if not own_model and not (added and other_model):
            self.model_id, self.model = now["model_id"], copy.deepcopy(now["model"])
        self.notes = copy.deepcopy(merged(before["notes"], self.notes, now["notes"]))
        self._saved = saved

    def journal(self, directory: str | os.PathLike, sync_every: int) -> Journal:
        """Open the journal of the saved index, for :meth:`record`."""
        if not self.saved_in(directory):
            raise SearchError("save the index before opening its journal", directory)
        return Journal(path_argument("directory", directory), self.model_id, self.metric, sync_every)

    def record(self, journal: Journal, path: str | os.PathLike) -> None:
        """Append a file to the journal, from which :meth:`load` reads it, unless it was removed meanwhile."""
        with store.locked(journal.directory), self.lock:
            entry = self._contents.entries.get(real_path(path))
            if entry is None:
                return
            fields = {"path": entry.path, "real": entry.real, "stamp": entry.stamp}
            span = journal.append(fields, self._contents.vectors([entry.real])[0])
            # The file is saved now: if another writer removes it before the next save, it stays removed.
            self._changes.pop(entry.real, None)
            saved = self._saved
            if saved is not None and saved.version == span[:2]:
                self._saved = replace(saved, journal_length=span.end)

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
        contents, saved = read(path_argument("directory", directory))
        index = cls(contents.choice, contents.metric)
        index._contents, index._saved = contents, saved
        index.directory = absolute_path(os.fsdecode(directory))
        for name, value in copy.deepcopy(saved.header).items():
            setattr(index, name, value)
        index.check(model_id, dim, directory)
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

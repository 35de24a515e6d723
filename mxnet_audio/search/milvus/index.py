"""Index of files and their vectors in Milvus, with the calls of `VectorIndex`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mxnet_audio.checks import iterable_argument, one_of, path_argument, shown, whole_number
from mxnet_audio.errors import ParameterError, SearchError
from mxnet_audio.search.contents import Neighbour
from mxnet_audio.search.entries import Entry, check_prunable, check_stamp, find_entries, is_missing, moved, real_path
from mxnet_audio.search.milvus import collection as collections
from mxnet_audio.search.milvus.connection import Connection
from mxnet_audio.search.milvus.queries import nearest
from mxnet_audio.search.milvus.rows import (
    ENTRY_FIELDS,
    below,
    check_metadata,
    check_name,
    check_where,
    insertion_order,
    metadata_of,
    none_of,
    text_of,
)  # fmt: skip
from mxnet_audio.search.milvus.table import Table
from mxnet_audio.search.milvus.writes import NewEntry, rename, upsert
from mxnet_audio.search.vectors import check_vectors

__all__ = ["MilvusIndex"]

_PATHS_AT_ONCE = 100  # of a search for files and folders


class MilvusIndex:
    """Index of files, with one vector each, in a collection of a Milvus server or of Milvus Lite.

    A file is identified by its real path, as in :class:`~mxnet_audio.search.VectorIndex`, whose calls, results and
    distances this class has: Milvus proposes candidates, and their distances are computed exactly. What a call that
    writes has returned for is acknowledged by the server, and is not lost if the server is killed. Several processes
    can write to one collection at the same time. An index connects on first use, can be pickled, and shared by threads.

    The collection is created by the first vector. It keeps the metric and the model of its vectors, and others are
    refused.

    Parameters
    ----------
    uri : str
        ``http://host:19530``, ``https://host``, or the path of a file of Milvus Lite, which ends in ``.db``.
    collection : str
        Name of the collection: letters, digits and underscores.
    model_id : str, optional
        Identifier of the model that computes the vectors; by default that of the collection.
    metric : {'cosine', 'euclidean'}, optional
        Distance; by default that of the collection, and 'cosine' for a new one.
    token : str, optional
        Key of an API, or ``user:password``.
    database : str, optional
        Name of the database on the server.
    index_type : {'HNSW', 'IVF_FLAT', 'IVF_PQ', 'FLAT'}, optional
        Type of a new collection's index; by default 'HNSW', and 'FLAT' in Milvus Lite. An existing collection must
        have the given one.
    index_params : dict, optional
        Parameters of a new collection's index in Milvus's names, such as ``{'M': 32, 'efConstruction': 400}``.
    search_params : dict, optional
        Parameters of queries, such as ``{'ef': 500}`` or ``{'nprobe': 128}``.
    consistency : {'Session', 'Strong', 'Bounded', 'Eventually'}
        Rows that a query finds: with 'Session' all that this process wrote, and those that others wrote soon after;
        with 'Strong' those as well at once, up to 0.2 s slower. All other calls are strongly consistent.
    tls : mapping of str to path, optional
        Files of certificates: 'ca', 'certificate', 'key', and 'server_name', the name in the server's certificate.
    timeout : float > 0 [s]
        Time for which a call is tried again while the server is away.

    Raises
    ------
    ParameterError
        If an argument is wrong.

    References
    ----------
    Wang et al., "Milvus: A Purpose-Built Vector Data Management System", SIGMOD 2021.

    Examples
    --------
    >>> index = MilvusIndex('http://localhost:19530', 'songs')          # doctest: +SKIP
    >>> index.add('live.wav', vector, metadata={'year': 1969})          # doctest: +SKIP
    >>> index.query(vector, top_k=1, where='year < 1970')               # doctest: +SKIP
    [Neighbour(path='live.wav', distance=0.0)]
    """

    engine = "milvus"

    def __init__(
        self,
        uri: str,
        collection: str,
        *,
        model_id: str | None = None,
        metric: str | None = None,
        token: str | None = None,
        database: str | None = None,
        index_type: str | None = None,
        index_params: Mapping[str, Any] | None = None,
        search_params: Mapping[str, Any] | None = None,
        consistency: str = "Session",
        tls: Mapping[str, str] | None = None,
        timeout: float = 60.0,
    ):
        if metric is not None:
            one_of("metric", metric, tuple(collections.METRICS))
        self._consistency = one_of("consistency", consistency, ("Session", "Strong", "Bounded", "Eventually"))
        connection = Connection(uri, token, database, tls, timeout)
        collections.check_index(index_type, index_params, connection.is_lite)
        if search_params is not None and not isinstance(search_params, Mapping):
            raise ParameterError(f"search_params must be a dict of Milvus's names, got {shown(search_params)}")
        self._search_params = search_params
        name = check_name("collection", collection)
        self._table = Table(connection, name, metric, model_id, index_type, index_params)

    def __len__(self) -> int:
        return self._table.count()

    def __contains__(self, path: str | os.PathLike) -> bool:
        return bool(self._table.rows([text_of(real_path(path))], ["real_path"]))

    def __repr__(self) -> str:
        return f"MilvusIndex({self.address!r}, {self.collection!r})"

    @property
    def address(self) -> str:
        """Address of the server without credentials, or the file of Milvus Lite."""
        return self._table.connection.address

    @property
    def collection(self) -> str:
        """Name of the collection."""
        return self._table.name

    @property
    def metric(self) -> str:
        """Name of the distance."""
        return self._table.metric

    @property
    def dim(self) -> int | None:
        """Size of the vectors; None if there is no collection yet."""
        state = self._table.state()
        return None if state is None else state.dim

    @property
    def index_type(self) -> str | None:
        """Type of the collection's index; None if there is no collection yet."""
        state = self._table.state()
        return None if state is None else state.index_type

    @property
    def model_id(self) -> str | None:
        """Identifier of the model: that of the collection or, before it is created, the one that it will have."""
        state = self._table.state()
        return self._table.model_id if state is None else state.model_id

    @model_id.setter
    def model_id(self, value: str | None) -> None:
        self._table.model_id = value
        self._table.forget_state()

    @property
    def model(self) -> dict[str, Any] | None:
        """Description of the model as JSON types, by which it can be found again; set before the first vector."""
        state = self._table.state()
        return self._table.model if state is None else state.model

    @model.setter
    def model(self, value: dict[str, Any] | None) -> None:
        self._table.model = value

    @property
    def entries(self) -> Iterator[Entry]:
        """Entries, in the order of their real paths, read from the server while they are used."""
        return (entry for rows in self._table.pages(ENTRY_FIELDS) for entry in self._table.entries(rows))

    @property
    def paths(self) -> Iterator[str]:
        """Paths as they were given, in the order of their real paths."""
        return (entry.path for entry in self.entries)

    @property
    def real_paths(self) -> Iterator[str]:
        """Real paths, in order."""
        return (entry.real for entry in self.entries)

    def batches(
        self, size: int = 1000, *, where: str | None = None, partition: str | None = None
    ) -> Iterator[tuple[list[Entry], np.ndarray]]:
        """Read the index in parts: entries and their vectors [shape=(n, dim), float32].

        Parameters
        ----------
        size : int > 0
            Largest number of entries of a part.
        where, partition : str, optional
            As for :meth:`query`.

        Yields
        ------
        entries : list of Entry
            In the order of their real paths.
        vectors : np.ndarray [shape=(n, dim), float32]
        """
        size = whole_number("size", size)
        where = None if where is None else check_where(where)
        for rows in self._table.pages([*ENTRY_FIELDS, "vector"], "", size, where, partition):
            yield self._table.entries(rows), self._table.vectors(rows)

    def _row(self, path: str | os.PathLike, fields: list[str]) -> dict[str, Any]:
        rows = self._table.rows([text_of(real_path(path))], ["real_path", *fields])
        if not rows:
            raise SearchError("the file is not in the index", path)
        return rows[0]

    def vector(self, path: str | os.PathLike) -> np.ndarray:
        """Return the vector of a file [shape=(dim,), float32], or raise SearchError if it is not in the index."""
        return self._table.vectors([self._row(path, ["vector"])])[0]

    def vectors(self, paths: Iterable[str | os.PathLike]) -> np.ndarray:
        """Return the vectors of files in their order [shape=(n, dim), float32]; SearchError as :meth:`vector`."""
        names = [(text_of(real_path(path)), path) for path in iterable_argument("paths", paths, "paths")]
        found: dict[str, np.ndarray] = {}
        keys = list(dict(names))
        for texts in _parts(keys, self._table.message_rows()):  # lists of Python's take ten times the memory
            rows = self._table.rows(texts, ["real_path", "vector"])
            found.update(zip((row["real_path"] for row in rows), self._table.vectors(rows)))
        if missing := [path for text, path in names if text not in found]:
            raise SearchError("the file is not in the index", missing[0])
        return np.stack([found[text] for text, _ in names]) if names else np.empty((0, self.dim or 0), np.float32)

    def metadata(self, path: str | os.PathLike) -> dict[str, Any]:
        """Return the metadata of a file, or raise SearchError if it is not in the index."""
        return metadata_of(self._row(path, ["$meta"]))

    def stamp(self, path: str | os.PathLike) -> tuple[int, ...] | None:
        """Return the stamp of a file; None if it has none or is not in the index."""
        return self.stamps([path]).get(real_path(path))

    def stamps(self, paths: Iterable[str | os.PathLike]) -> dict[str, tuple[int, ...] | None]:
        """Return the stamps of those files that are in the index, by real path."""
        return {real: entry.stamp for real, entry in self.lookup(paths).items()}

    def lookup(self, paths: Iterable[str | os.PathLike]) -> dict[str, Entry]:
        """Return the entries of those files that are in the index, by real path."""
        texts = [text_of(real_path(path)) for path in iterable_argument("paths", paths, "paths")]
        return {entry.real: entry for entry in self._table.entries(self._table.rows(texts, ENTRY_FIELDS))}

    def add(
        self,
        path: str | os.PathLike,
        vector: ArrayLike,
        stamp: Iterable[int] | None = None,
        metadata: Mapping[str, Any] | None = None,
        *,
        partition: str | None = None,
    ) -> None:
        """Add the vector of a file, as :meth:`add_many`, which is faster for several."""
        real_path(path)  # raises an error if it is no path
        row = check_vectors(vector, None, self.metric, os.fsdecode(path))
        if len(row) != 1:
            raise SearchError(f"a file must have one vector, got {len(row)}", os.fsdecode(path))
        self.add_many([path], row, [stamp], [metadata], partition=partition)

    def add_many(
        self,
        paths: Iterable[str | os.PathLike],
        vectors: ArrayLike,
        stamps: Iterable[Iterable[int] | None] | None = None,
        metadata: Iterable[Mapping[str, Any] | None] | None = None,
        *,
        partition: str | None = None,
    ) -> None:
        """Add the vectors of files; an existing file gets the new vector and keeps its position.

        The arguments are checked before anything is written. They are written in messages of at most 8 MiB of vectors,
        each of which is complete or missing after an error. To resume, repeat the call.

        Parameters
        ----------
        paths : iterable of path
            Of a path that occurs twice, the last vector is kept.
        vectors : array_like [shape=(n, dim)]
        stamps : iterable of (iterable of int or None), optional
            As in :meth:`VectorIndex.add`.
        metadata : iterable of (dict or None), optional
            Fields of each file as JSON types, for `where`. None keeps those that an existing file has. (Milvus Lite
            keeps former fields without a new value in any case.)
        partition : str, optional
            Partition to write to, which is created if it is missing. By default, an existing file stays where it is,
            and others are added to Milvus's own, ``_default``.

        Raises
        ------
        ParameterError
            If a path, stamp, metadata or the partition's name is wrong, or they differ in number.
        SearchError
            If a vector has another size than those of the collection, holds NaN or infinity, or is zero with 'cosine';
            if the collection is of another model or not an index; or if the server stays away.
        """
        reals = [(path, real_path(path)) for path in iterable_argument("paths", paths, "paths")]
        names = [os.fsdecode(path) for path, _ in reals]
        columns = _column("stamps", stamps, len(names)), _column("metadata", metadata, len(names))
        if partition is not None:
            check_name("partition", partition)
        if not names:
            return
        new: dict[str, NewEntry] = {}
        for (_, real), name, vector, stamp, fields in zip(reals, names, self._checked(names, vectors), *columns):
            entry = Entry(0, name, real, check_stamp(stamp))
            new[text_of(entry.real)] = NewEntry(entry, vector, None if fields is None else check_metadata(fields))
            text_of(name)  # raises an error if it is too long
        self._table.create(len(vector))
        if partition is not None:
            self._table.create_partition(partition)
        widest = max(len(str(each.entry)) + len(str(each.metadata)) for each in new.values())
        for texts in _parts(list(new), self._table.message_rows(4 * widest)):
            upsert(self._table, {text: new[text] for text in texts}, partition)

    def _checked(self, names: list[str], vectors: ArrayLike) -> np.ndarray:
        """Return vectors as a matrix, or raise SearchError, which names the file where it can."""
        dim = self.dim
        try:
            matrix = check_vectors(vectors, dim, self.metric)
        except SearchError:
            for name, vector in zip(names, np.asarray(vectors, object)):
                check_vectors(vector, dim, self.metric, name)
            raise
        if len(matrix) != len(names):
            raise ParameterError(f"paths and vectors must have the same length, got {len(names)} and {len(matrix)}")
        return matrix

    def remove(self, paths: str | os.PathLike | Iterable[str | os.PathLike]) -> None:
        """Remove a file or several; if one is not in the index, raise SearchError and remove none."""
        single = isinstance(paths, str | bytes | os.PathLike)
        given: Any = [paths] if single else iterable_argument("path", paths, "paths")
        names = {text_of(real_path(path)): path for path in given}
        found = {row["real_path"] for row in self._table.rows(list(names), ["real_path"])}
        for key, path in names.items():
            if key not in found:
                raise SearchError("the file is not in the index", path)
        self._table.delete(list(names))

    def find(self, paths: Iterable[str | os.PathLike]) -> dict[str, list[str]]:
        """Find the entries of files and folders; see :meth:`VectorIndex.find`."""
        given = list(iterable_argument("paths", paths, "paths"))
        return {path: [real for real, _ in found] for path, found in self._find(given).items()}

    def _find(self, paths: list[str | os.PathLike]) -> dict[str, list[tuple[str, str]]]:
        find_entries(paths, ())  # checks them
        names = [name for path in paths for name in (real_path(path), os.path.abspath(os.fsdecode(path)))]  # noqa: PTH100
        entries: dict[str, Entry] = {}
        for some in _parts(list(dict.fromkeys(names)), _PATHS_AT_ONCE):
            for rows in self._table.pages(ENTRY_FIELDS, below(some)):
                entries.update((entry.real, entry) for entry in self._table.entries(rows))
        return find_entries(paths, sorted(entries.values(), key=insertion_order))

    def relocate(self, old: str | os.PathLike, new: str | os.PathLike) -> dict[str, tuple[str, str]]:
        """Give the entries of a file or a folder that was moved their new paths; see :meth:`VectorIndex.relocate`.

        An interrupted call is resumed by the same call.
        """
        former, target = os.fsdecode(path_argument("old", old)), os.fsdecode(path_argument("new", new))
        (found,) = self._find([former]).values()
        if not found:
            raise SearchError("neither a file nor a folder of the index", former)
        names = {real: moved(former, target, rest) for real, rest in found}
        renamed = {real: (path, real_path(path)) for real, path in names.items()}
        # If one entry gets the former path of another, the other is moved first.
        deeper = any(len(new_real) > len(real) for real, (_, new_real) in renamed.items())
        for some in _parts(sorted(renamed, key=len, reverse=deeper), self._table.message_rows()):
            rename(self._table, {real: renamed[real] for real in some}, renamed)
        return renamed

    def missing(self) -> list[Entry]:
        """Return the entries whose files do not exist; see :meth:`VectorIndex.missing`."""
        return sorted((entry for entry in self.entries if is_missing(entry)), key=insertion_order)

    def prune(self) -> list[Entry]:
        """Remove the entries whose files do not exist, and return them; see :meth:`VectorIndex.prune`."""
        missing = self.missing()
        check_prunable(missing, self.entries)
        # Another writer may have replaced one meanwhile.
        now = set(self._table.entries(self._table.rows([text_of(entry.real) for entry in missing], ENTRY_FIELDS)))
        missing = [entry for entry in missing if entry in now]
        self._table.delete([text_of(entry.real) for entry in missing])
        return missing

    def query(
        self,
        vector: ArrayLike,
        top_k: int = 10,
        exclude: Iterable[str | os.PathLike] = (),
        keep: Callable[[Entry], bool] | None = None,
        *,
        where: str | None = None,
        partition: str | None = None,
    ) -> list[Neighbour]:
        """Find the files with the nearest vectors.

        Parameters
        ----------
        vector : array_like [shape=(dim,)]
        top_k : int > 0
            Number of neighbours, at most 16,384, or 8 MiB of vectors; a smaller index returns all its files.
        exclude : iterable of path
            Files to leave out, identified by their real paths.
        keep : callable, optional
            Function of an entry that returns False to leave it out; called for the nearest ones, until `top_k` are
            found, or Milvus's limit of 16,384 is reached.
        where : str, optional
            Expression of Milvus on the metadata, such as ``'genre == "jazz" and year < 1970'``: only files for which it
            is true are searched.
        partition : str, optional
            Partition to search; by default all.

        Returns
        -------
        list of Neighbour
            Nearest first, equal distances in the order of insertion.

        Raises
        ------
        ParameterError
            If `top_k` is out of range, `keep` cannot be called, or Milvus refuses `where`.
        SearchError
            If the vector has another size than those of the index, is not finite or, with 'cosine', zero; if there is
            no such partition; or if the server stays away.
        """
        row = check_vectors(vector, self.dim, self.metric)
        if len(row) != 1:
            raise SearchError(f"a query must be one vector, got {len(row)}")
        return self.query_many(row, top_k, exclude, keep, where=where, partition=partition)[0]

    def query_many(
        self,
        vectors: ArrayLike,
        top_k: int = 10,
        exclude: Iterable[str | os.PathLike] = (),
        keep: Callable[[Entry], bool] | None = None,
        *,
        where: str | None = None,
        partition: str | None = None,
    ) -> list[list[Neighbour]]:
        """Find the files nearest to each of several vectors [shape=(n, dim)], in few messages; as :meth:`query`.

        `keep` is called once for each entry.
        """
        top_k = whole_number("top_k", top_k)
        if keep is not None and not callable(keep):
            raise ParameterError(f"keep must be a function of an entry, got {keep!r}")
        excluded = [text_of(real_path(path)) for path in iterable_argument("exclude", exclude, "paths")]
        conditions = [] if where is None else [f"({check_where(where)})"]
        conditions += [none_of("real_path", excluded)] if excluded else []
        queries = check_vectors(vectors, self.dim, self.metric)
        largest = self._table.largest_search()
        if top_k > largest and self._table.count(partition) > largest:
            raise ParameterError(f"top_k must be <= {largest}, a limit of Milvus, got {top_k}")
        return nearest(
            self._table, queries, top_k, keep, self._search_params,
            condition=" and ".join(conditions), where=where, consistency_level=self._consistency,
            **self._table.partitions(partition),
        )  # fmt: skip

    def check(self, model_id: str | None = None, dim: int | None = None) -> None:
        """Check that the collection may be used with a model: SearchError if it is of another, or another size."""
        state = self._table.state()
        if state is None:
            return
        if model_id is not None and state.model_id != model_id:
            raise self._table.error(
                f"it holds vectors of the model {state.model_id}, the loaded model is {model_id}: "
                "load that model, or choose another collection"
            )
        if dim is not None and state.dim != dim:
            raise self._table.error(f"it holds vectors of {state.dim} numbers, the loaded model makes {dim}")

    def drop(self) -> None:
        """Delete the collection with all that it holds, if there is one."""
        if self._table.state() is not None:
            self._table.call("drop_collection")
            self._table.forget_state()

    def close(self) -> None:
        """Release the connection, as at the end of a ``with`` block; the next call opens it again."""
        self._table.connection.close()

    def __enter__(self) -> MilvusIndex:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _parts(items: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _column(name: str, values: Iterable[Any] | None, count: int) -> list[Any]:
    """Return an optional argument with one value for each path."""
    given = [None] * count if values is None else list(iterable_argument(name, values))
    if len(given) != count:
        raise ParameterError(f"paths and {name} must have the same length, got {count} and {len(given)}")
    return given

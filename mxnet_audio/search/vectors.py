"""Vectors by id, and exact distances to them: the one source of every distance that the engines report."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from mxnet_audio.errors import SearchError

__all__ = ["VectorTable", "check_vectors"]

_METRICS = ("cosine", "euclidean")

# Rows that are widened to float64 at a time: bounds the memory of an exact pass.
_BLOCK = 8192
# A shorter vector has no direction that float32 could tell.
_SHORTEST = 1e-30


def check_vectors(vectors, dim: int | None = None, metric: str = "cosine", path=None) -> np.ndarray:
    """Check vectors and return them as a float32 matrix.

    Parameters
    ----------
    vectors : array_like [shape=(dim,) or (n, dim)]
        One vector or several.
    dim : int, optional
        The size that they must have.
    metric : {'cosine', 'euclidean'}
        Under 'cosine' a zero vector, which has no direction, is refused.
    path : str or os.PathLike, optional
        The file to name in errors.

    Returns
    -------
    np.ndarray [shape=(n, dim), float32]

    Raises
    ------
    SearchError
        Not numbers, another size, NaN or infinity, or a zero vector under 'cosine'.

    Examples
    --------
    >>> check_vectors([3, 4])
    array([[3., 4.]], dtype=float32)
    >>> check_vectors([3, 4], dim=128)
    Traceback (most recent call last):
    mxnet_audio.errors.SearchError: the vector has 2 numbers, the index holds vectors of 128
    """
    try:
        with np.errstate(over="ignore"):  # too large for float32 becomes infinity, refused below
            array = np.ascontiguousarray(vectors, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise SearchError(f"not a vector of numbers: {error}", path) from error
    # ascontiguousarray makes a scalar one-dimensional, so its own shape is asked.
    if np.ndim(vectors) not in (1, 2) or array.shape[-1] == 0:
        raise SearchError(f"a vector has one axis, vectors have two; got shape {np.shape(vectors)}", path)
    array = np.atleast_2d(array)
    if dim is not None and array.shape[1] != dim:
        raise SearchError(f"the vector has {array.shape[1]} numbers, the index holds vectors of {dim}", path)
    if not np.isfinite(array).all():
        raise SearchError("the vector holds NaN or infinity", path)
    if metric == "cosine" and (_norms(array) < _SHORTEST).any():
        raise SearchError("a zero vector has no direction: cosine distance is not defined for it", path)
    return array


def _norms(array: np.ndarray) -> np.ndarray:
    wide = array.astype(np.float64)
    return np.sqrt((wide * wide).sum(axis=1))


class VectorTable:
    """Vectors by id, in the order of insertion, with exact distances.

    Distances are computed row by row in float64 from the difference of the (unit) vectors, so that they do
    not depend on which other rows are looked at, and close vectors do not drown in rounding.

    Parameters
    ----------
    metric : {'cosine', 'euclidean'}
        'cosine' is ``1 - cos`` in [0, 2]; 'euclidean' is the plain L2 distance.

    Raises
    ------
    SearchError
        Another metric.

    Examples
    --------
    >>> table = VectorTable('cosine')
    >>> table.add([7, 8], [[1, 0], [0, 1]])
    >>> ids, distances = table.nearest(np.float32([0, 2]), k=2)
    >>> ids.tolist(), distances.tolist()
    ([8, 7], [0.0, 1.0])
    """

    def __init__(self, metric: str = "cosine"):
        if metric not in _METRICS:
            raise SearchError(f"unknown metric {metric!r}: choose one of {', '.join(_METRICS)}")
        self.metric = metric
        self._clear()

    def _clear(self) -> None:
        self._row: dict[int, int] = {}
        self._used = 0
        self._ids = np.empty(0, np.int64)
        self._alive = np.empty(0, bool)
        self._norm = np.empty(0, np.float64)
        self._matrix = np.empty((0, 0), np.float32)

    def __len__(self) -> int:
        return len(self._row)

    @property
    def dim(self) -> int | None:
        """Size of the vectors; None while the table never held one."""
        return self._matrix.shape[1] or None

    @property
    def ids(self) -> np.ndarray:
        """Ids in the order of insertion [shape=(n,), int64]."""
        return self._ids[self._rows()]

    def vectors(self, ids: Iterable[int] | None = None) -> np.ndarray:
        """Vectors of these ids, or all in the order of insertion [shape=(n, dim), float32]."""
        return self._matrix[self._rows(ids)]

    def _rows(self, ids: Iterable[int] | None = None) -> np.ndarray:
        if ids is None:
            return np.flatnonzero(self._alive[: self._used])
        return np.fromiter((self._row[int(key)] for key in ids), np.intp)

    def add(self, ids: Sequence[int], vectors) -> None:
        """Add vectors; an id that is there gets the new vector and keeps its place."""
        vectors = check_vectors(vectors, self.dim, self.metric)
        if len(ids) != len(vectors):
            raise SearchError(f"{len(ids)} ids were given for {len(vectors)} vectors")
        self._reserve(self._used + len(ids), vectors.shape[1])
        for key, vector, norm in zip(map(int, ids), vectors, _norms(vectors)):
            row = self._row.get(key)
            if row is None:
                row = self._row[key] = self._used
                self._used += 1
            self._ids[row], self._alive[row], self._norm[row] = key, True, norm
            self._matrix[row] = vector

    def _reserve(self, rows: int, dim: int) -> None:
        if rows <= len(self._ids) and dim == self.dim:
            return
        size = max(rows, 2 * len(self._ids), 16)  # doubling: adding one by one stays linear
        for name in ("_ids", "_alive", "_norm", "_matrix"):
            old = getattr(self, name)
            new = np.zeros((size, dim) if name == "_matrix" else size, old.dtype)
            if self._used:
                new[: self._used] = old[: self._used]
            setattr(self, name, new)

    def remove(self, ids: Iterable[int]) -> None:
        """Remove ids.

        Raises
        ------
        SearchError
            One of them is not there; then nothing is removed.
        """
        ids = {int(key) for key in ids}
        if missing := ids - self._row.keys():
            raise SearchError(f"no vector has the id {min(missing)}")
        for key in ids:
            self._alive[self._row.pop(key)] = False
        if self._used > 2 * len(self._row):  # amortised: the rest moves together now and then
            rows = self._rows()
            for name in ("_ids", "_alive", "_norm", "_matrix"):
                setattr(self, name, getattr(self, name)[rows])
            self._used = len(rows)
            self._row = {int(key): row for row, key in enumerate(self._ids)}

    def nearest(self, query, k: int, ids: Iterable[int] | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Find the nearest of all vectors, or of those with the given ids.

        Parameters
        ----------
        query : np.ndarray [shape=(dim,)]
        k : int > 0
        ids : iterable of int, optional

        Returns
        -------
        ids : np.ndarray [shape=(min(k, n),), int64]
            Nearest first, equal distances in the order of insertion.
        distances : np.ndarray [shape=(min(k, n),), float64]
        """
        rows = self._shortlist(query, k) if ids is None else self._rows(ids)
        distances = self._exact(query, rows)
        order = np.lexsort((rows, distances))[:k]
        return self._ids[rows[order]], distances[order]

    def _shortlist(self, query: np.ndarray, k: int) -> np.ndarray:
        """Rows that can be among the `k` nearest: a fast float32 product, and what its rounding hides."""
        rows = self._rows()
        if k >= len(rows):
            return rows
        norm, matrix = self._norm[: self._used], self._matrix[: self._used]
        length = float(_norms(query[None])[0])
        rounding = (self.dim + 4) * float(np.finfo(np.float32).eps)  # twice the bound for a sum of dim products
        with np.errstate(all="ignore"):
            if self.metric == "cosine":
                rough = -(matrix @ (query / length).astype(np.float32)) / norm
            else:
                rough = norm**2 - 2.0 * (matrix @ query)
                rounding *= 2 * length * norm[rows].max()
        rough = rough[rows]
        limit = np.partition(rough, k - 1)[k - 1] + rounding
        return rows[rough <= limit] if np.isfinite(rough).all() else rows  # overflow: look at them all

    def _exact(self, query: np.ndarray, rows: np.ndarray) -> np.ndarray:
        query = query.astype(np.float64)
        distances = np.empty(len(rows))
        for start in range(0, len(rows), _BLOCK):
            part = slice(start, start + _BLOCK)
            block = self._matrix[rows[part]].astype(np.float64)
            if self.metric == "cosine":
                difference = block / self._norm[rows[part], None] - query / np.sqrt((query * query).sum())
                # |u - v|^2 / 2 is 1 - cos for unit vectors, without cancellation
                distances[part] = np.minimum((difference * difference).sum(axis=1) / 2, 2.0)
            else:
                difference = block - query
                distances[part] = np.sqrt((difference * difference).sum(axis=1))
        return distances

    def pairwise(self, queries: np.ndarray) -> np.ndarray:
        """Distances from each query to all vectors, by matrix products.

        Parameters
        ----------
        queries : np.ndarray [shape=(m, dim)]

        Returns
        -------
        np.ndarray [shape=(m, n), float64]
            Columns in the order of insertion. Good to about 1e-15 under 'cosine', 1e-7 of the vectors' length
            under 'euclidean'; :meth:`nearest` is exact.
        """
        rows = self._rows()
        queries = queries.astype(np.float64)
        length = np.sqrt((queries * queries).sum(axis=1, keepdims=True))
        out = np.empty((len(queries), len(rows)))
        for start in range(0, len(rows), _BLOCK):
            part = rows[start : start + _BLOCK]
            product = queries @ self._matrix[part].astype(np.float64).T
            if self.metric == "cosine":
                block = np.clip(1 - product / length / self._norm[part], 0, 2)
            else:
                block = np.sqrt(np.maximum(length**2 + self._norm[part] ** 2 - 2 * product, 0))
            out[:, start : start + _BLOCK] = block
        return out

    def save(self, path: Path) -> None:
        """Write ids and vectors to an ``.npz`` file."""
        np.savez(path, ids=self.ids, vectors=self.vectors())

    def load(self, path: Path) -> None:
        """Read what :meth:`save` wrote, in place of what the table holds.

        Raises
        ------
        SearchError
            The file is missing or damaged.
        """
        try:
            with np.load(path) as data:
                ids, vectors = data["ids"], data["vectors"]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise SearchError(f"the vectors cannot be read: {error}", path) from error
        self._clear()
        if len(vectors):
            self.add(ids, vectors)

"""Table of vectors by id, with the exact distances that all engines report."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from mxnet_audio.errors import ParameterError, SearchError

__all__ = ["VectorTable", "check_vectors"]

_METRICS = ("cosine", "euclidean")

# Rows converted to float64 at a time: bounds the memory of an exact pass.
_BLOCK_ROWS = 8192
# The direction of a shorter vector cannot be represented in float32.
_MIN_NORM = 1e-30


def check_vectors(
    vectors: ArrayLike, dim: int | None = None, metric: str = "cosine", path: str | os.PathLike | None = None
) -> np.ndarray:
    """Check vectors and return them as a float32 matrix.

    Parameters
    ----------
    vectors : array_like [shape=(dim,) or (n, dim)]
        One vector or several.
    dim : int, optional
        Required size.
    metric : {'cosine', 'euclidean'}
        With 'cosine', zero vectors are refused, as they have no direction.
    path : str or os.PathLike, optional
        File to name in errors.

    Returns
    -------
    np.ndarray [shape=(n, dim), float32]

    Raises
    ------
    SearchError
        If the vectors are not numbers, have another size, hold NaN or infinity, or one is zero with 'cosine'.

    Examples
    --------
    >>> check_vectors([3, 4])
    array([[3., 4.]], dtype=float32)
    >>> check_vectors([3, 4], dim=128)
    Traceback (most recent call last):
    mxnet_audio.errors.SearchError: the index holds vectors of 128 numbers, got 2
    """
    try:
        with np.errstate(over="ignore"):  # too large for float32: becomes infinity, which is refused below
            array = np.ascontiguousarray(vectors, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise SearchError(f"not a vector of numbers: {error}", path) from error
    # ascontiguousarray makes a scalar one-dimensional, so the shape of the argument is checked.
    if np.ndim(vectors) not in (1, 2) or array.shape[-1] == 0:
        raise SearchError(f"expected a vector of one axis or vectors of two, got shape {np.shape(vectors)}", path)
    array = np.atleast_2d(array)
    if dim is not None and array.shape[1] != dim:
        raise SearchError(f"the index holds vectors of {dim} numbers, got {array.shape[1]}", path)
    if not np.isfinite(array).all():
        raise SearchError("the vector holds NaN or infinity", path)
    if metric == "cosine" and (_norms(array) < _MIN_NORM).any():
        raise SearchError("the cosine distance to a zero vector is not defined", path)
    return array


def _norms(array: np.ndarray) -> np.ndarray:
    """Return the L2 norm of each row, computed in float64."""
    wide = array.astype(np.float64)
    return np.sqrt((wide * wide).sum(axis=1))


class VectorTable:
    """Vectors by id, in the order of insertion, with exact distances.

    Distances are computed row by row in float64 from the difference of the (unit) vectors. So they do not depend on
    the other rows in a comparison, and those of close vectors are not lost in rounding.

    Parameters
    ----------
    metric : {'cosine', 'euclidean'}
        'cosine' is ``1 - cos`` in [0, 2]; 'euclidean' is the L2 distance.

    Raises
    ------
    ParameterError
        If the metric is unknown.

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
            raise ParameterError(f"metric must be one of {', '.join(_METRICS)}, got {metric!r}")
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

    def __repr__(self) -> str:
        return f"VectorTable({len(self)} vectors, dim={self.dim}, metric={self.metric!r})"

    @property
    def dim(self) -> int | None:
        """Size of the vectors; None if no vector was ever added."""
        return self._matrix.shape[1] or None

    @property
    def ids(self) -> np.ndarray:
        """Ids in the order of insertion [shape=(n,), int64]."""
        return self._ids[self._rows()]

    def vectors(self, ids: Iterable[int] | None = None) -> np.ndarray:
        """Return the vectors of `ids`, by default all in the order of insertion [shape=(n, dim), float32]."""
        return self._matrix[self._rows(ids)]

    def _rows(self, ids: Iterable[int] | None = None) -> np.ndarray:
        if ids is None:
            return np.flatnonzero(self._alive[: self._used])
        return np.fromiter((self._row[int(key)] for key in ids), np.intp)

    def add(self, ids: Sequence[int], vectors: ArrayLike) -> None:
        """Add vectors; an existing id gets the new vector and keeps its position.

        Raises
        ------
        ParameterError
            If ids and vectors differ in number.
        SearchError
            If a vector has another size than those of the table, is not finite or, with 'cosine', zero.
        """
        vectors = check_vectors(vectors, self.dim, self.metric)
        if len(ids) != len(vectors):
            raise ParameterError(f"ids and vectors must have the same length, got {len(ids)} and {len(vectors)}")
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
        size = max(rows, 2 * len(self._ids), 16)  # doubled: adding one by one takes linear time
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
            If one of them is missing; then none is removed.
        """
        ids = {int(key) for key in ids}
        if missing := [key for key in ids if key not in self._row]:  # a difference of sets would walk all rows
            raise SearchError(f"no vector has the id {min(missing)}")
        for key in ids:
            self._alive[self._row.pop(key)] = False
        if self._used > 2 * len(self._row):  # the other rows are compacted now and then: amortised constant time
            rows = self._rows()
            for name in ("_ids", "_alive", "_norm", "_matrix"):
                setattr(self, name, getattr(self, name)[rows])
            self._used = len(rows)
            self._row = {int(key): row for row, key in enumerate(self._ids)}

    def nearest(self, query: np.ndarray, k: int, ids: Iterable[int] | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Find the nearest vectors.

        Parameters
        ----------
        query : np.ndarray [shape=(dim,)]
        k : int > 0
            Number of neighbours.
        ids : iterable of int, optional
            Candidates; by default all ids.

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
        """Return the rows that can be among the `k` nearest: a fast float32 product, with a bound of its rounding."""
        rows = self._rows()
        if k >= len(rows):
            return rows
        norm, matrix = self._norm[: self._used], self._matrix[: self._used]
        length = float(_norms(query[None])[0])
        rounding = (matrix.shape[1] + 4) * float(np.finfo(np.float32).eps)  # twice the bound for a sum of dim products
        with np.errstate(all="ignore"):
            if self.metric == "cosine":
                rough = -(matrix @ (query / length).astype(np.float32)) / norm
            else:
                rough = norm**2 - 2.0 * (matrix @ query)
                rounding *= 2 * length * norm[rows].max()
        rough = rough[rows]
        limit = np.partition(rough, k - 1)[k - 1] + rounding
        return rows[rough <= limit] if np.isfinite(rough).all() else rows  # overflow: compare with all

    def _exact(self, query: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return the distances from the query to the rows."""
        query = query.astype(np.float64)
        distances = np.empty(len(rows))
        for start in range(0, len(rows), _BLOCK_ROWS):
            part = slice(start, start + _BLOCK_ROWS)
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
        """Compute the distances from each query to all vectors, by matrix products.

        Parameters
        ----------
        queries : np.ndarray [shape=(m, dim)]

        Returns
        -------
        np.ndarray [shape=(m, n), float64]
            Columns in the order of insertion. The error is about 1e-15 with 'cosine', and 1e-7 of the vectors' length
            with 'euclidean'; :meth:`nearest` is exact.
        """
        rows = self._rows()
        queries = queries.astype(np.float64)
        length = np.sqrt((queries * queries).sum(axis=1, keepdims=True))
        out = np.empty((len(queries), len(rows)))
        for start in range(0, len(rows), _BLOCK_ROWS):
            part = rows[start : start + _BLOCK_ROWS]
            product = queries @ self._matrix[part].astype(np.float64).T
            if self.metric == "cosine":
                block = np.clip(1 - product / length / self._norm[part], 0, 2)
            else:
                block = np.sqrt(np.maximum(length**2 + self._norm[part] ** 2 - 2 * product, 0))
            out[:, start : start + _BLOCK_ROWS] = block
        return out

    def save(self, path: Path) -> None:
        """Write ids and vectors to an ``.npz`` file."""
        np.savez(path, ids=self.ids, vectors=self.vectors())

    def load(self, path: Path) -> None:
        """Replace the contents of the table by what :meth:`save` wrote.

        Raises
        ------
        SearchError
            If the file is missing or damaged.
        """
        try:
            with np.load(path) as data:
                if any(info.compress_size != info.file_size for info in data.zip.infolist()):
                    raise ValueError("it is compressed")  # a small file could become very large
                ids, vectors = data["ids"], data["vectors"]
            if (ids.ndim, vectors.ndim) != (1, 2) or ids.dtype.kind != "i":
                raise ValueError(f"its arrays have shapes {ids.shape} and {vectors.shape}")
        except (OSError, ValueError, KeyError, EOFError, AttributeError, MemoryError, zipfile.BadZipFile) as error:
            raise SearchError(f"the vectors cannot be read: {error}", path) from error
        self._clear()
        if len(vectors):
            self.add(ids, vectors)

"""Protocol of search engines, and the exact engine, which is the reference for the others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from mxnet_audio.checks import whole_number
from mxnet_audio.search.vectors import VectorTable, check_vectors

__all__ = ["Engine", "ExactEngine"]


class Engine(Protocol):
    """Protocol of search engines.

    Attributes
    ----------
    name : str
        Name in the registry.
    table : VectorTable
        The vectors.
    """

    name: str
    table: VectorTable

    def add(self, ids: Sequence[int], vectors: ArrayLike) -> None:
        """Add vectors; an existing id gets the new vector and keeps its position."""

    def remove(self, ids: Iterable[int]) -> None:
        """Remove ids, or raise SearchError if one is missing."""

    def query(self, vectors: ArrayLike, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return ids and distances of the ``min(k, n)`` nearest [shape=(k,) or (queries, k)], nearest first."""

    def save(self, path: Path) -> None:
        """Write the engine to files in the directory `path`."""

    def load(self, path: Path) -> None:
        """Replace the contents of the engine by what :meth:`save` wrote."""

    def __len__(self) -> int: ...


class ExactEngine:
    """Exact search by comparison with every vector: the reference, and the best choice up to about 20,000 vectors.

    Parameters
    ----------
    metric : {'cosine', 'euclidean'}
    table : VectorTable, optional
        Initial vectors; replaces `metric`.

    Examples
    --------
    >>> engine = ExactEngine('euclidean')
    >>> engine.add([0, 1, 2], [[0, 0], [3, 4], [0, 1]])
    >>> ids, distances = engine.query([0, 0], k=2)
    >>> ids.tolist(), distances.tolist()
    ([0, 2], [0.0, 1.0])
    """

    name = "exact"

    def __init__(self, metric: str = "cosine", table: VectorTable | None = None):
        self.table = VectorTable(metric) if table is None else table

    def __len__(self) -> int:
        return len(self.table)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} vectors, dim={self.table.dim}, metric={self.table.metric!r})"

    def add(self, ids: Sequence[int], vectors: ArrayLike) -> None:
        """Add vectors; an existing id gets the new vector and keeps its position."""
        self.table.add(ids, vectors)

    def remove(self, ids: Iterable[int]) -> None:
        """Remove ids, or raise SearchError if one is missing."""
        self.table.remove(ids)

    def query(self, vectors: ArrayLike, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Find the nearest vectors.

        Parameters
        ----------
        vectors : array_like [shape=(dim,) or (queries, dim)]
        k : int > 0

        Returns
        -------
        ids : np.ndarray [shape=(k,) or (queries, k), int64]
            All ids if the engine holds fewer than `k` vectors.
        distances : np.ndarray [same shape, float64]

        Raises
        ------
        ParameterError
            If `k` is below 1.
        SearchError
            If a vector has another size than those of the engine or is not finite.
        """
        k = whole_number("k", k)
        queries = check_vectors(vectors, self.table.dim, self.table.metric)
        found = [self._nearest(query, min(k, len(self))) for query in queries] if len(self) else []
        shape = (*np.shape(vectors)[:-1], min(k, len(self)))
        ids = np.array([ids for ids, _ in found], dtype=np.int64).reshape(shape)
        return ids, np.array([distances for _, distances in found], dtype=np.float64).reshape(shape)

    def _nearest(self, query: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        return self.table.nearest(query, k)

    def save(self, path: Path) -> None:
        """Write the engine to files in the directory `path`."""
        self.table.save(Path(path) / "vectors.npz")

    def load(self, path: Path) -> None:
        """Read what :meth:`save` wrote, or raise SearchError if it is missing or damaged."""
        self.table.load(Path(path) / "vectors.npz")

"""What an index needs of an engine, and the engine that all others are measured against."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from mxnet_audio.errors import SearchError
from mxnet_audio.search.vectors import VectorTable, check_vectors

__all__ = ["Engine", "ExactEngine"]


class Engine(Protocol):
    """What an index needs of an engine."""

    name: str
    table: VectorTable

    def add(self, ids: Sequence[int], vectors) -> None:
        """Add vectors; an id that is there gets the new vector and keeps its place."""

    def remove(self, ids: Iterable[int]) -> None:
        """Remove ids; SearchError when one is not there."""

    def query(self, vectors, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Ids and distances of the ``min(k, n)`` nearest [shape=(k,) or (queries, k)], nearest first."""

    def save(self, path: Path) -> None:
        """Write everything into the directory `path`."""

    def load(self, path: Path) -> None:
        """Read what :meth:`save` wrote, in place of what the engine holds."""

    def __len__(self) -> int: ...


class ExactEngine:
    """Exact search by comparing with every vector: the oracle, and the best choice up to some 20,000 vectors.

    Parameters
    ----------
    metric : {'cosine', 'euclidean'}
    table : VectorTable, optional
        Vectors to begin with (instead of `metric`).

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

    def add(self, ids: Sequence[int], vectors) -> None:
        """Add vectors; an id that is there gets the new vector and keeps its place."""
        self.table.add(ids, vectors)

    def remove(self, ids: Iterable[int]) -> None:
        """Remove ids; SearchError when one is not there."""
        self.table.remove(ids)

    def query(self, vectors, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Find the nearest.

        Parameters
        ----------
        vectors : array_like [shape=(dim,) or (queries, dim)]
        k : int > 0

        Returns
        -------
        ids : np.ndarray [shape=(k,) or (queries, k), int64]
            With fewer than `k` vectors in the engine, all of them.
        distances : np.ndarray [the same shape, float64]

        Raises
        ------
        SearchError
            `k` is below 1, or a vector is of another size or not finite.
        """
        if k < 1:
            raise SearchError(f"the number of neighbours must be 1 or more, not {k}")
        queries = check_vectors(vectors, self.table.dim, self.table.metric)
        found = [self._nearest(query, min(k, len(self))) for query in queries] if len(self) else []
        shape = (*np.shape(vectors)[:-1], min(k, len(self)))
        ids = np.array([row for row, _ in found], dtype=np.int64).reshape(shape)
        return ids, np.array([distances for _, distances in found], dtype=np.float64).reshape(shape)

    def _nearest(self, query: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        return self.table.nearest(query, k)

    def save(self, path: Path) -> None:
        """Write everything into the directory `path`."""
        self.table.save(Path(path) / "vectors.npz")

    def load(self, path: Path) -> None:
        """Read what :meth:`save` wrote; SearchError when it is missing or damaged."""
        self.table.load(Path(path) / "vectors.npz")

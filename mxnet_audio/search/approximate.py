"""Approximate engines: `voyager` (HNSW graph) and `annoy` (forest of trees).

They only propose candidates; these are measured again, so that the distances are those of the exact engine.
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from mxnet_audio.errors import SearchError
from mxnet_audio.search.exact import ExactEngine
from mxnet_audio.search.vectors import VectorTable

__all__ = ["AnnoyEngine", "VoyagerEngine"]

# Fixed, so that the same vectors give the same structure and the same answers.
_SEED = 1


class _ApproximateEngine(ExactEngine):
    """What `voyager` and `annoy` share: which vectors are in the structure, and when it is brought up to date.

    The structure's space is L2 whatever the metric: for unit vectors ``|u - v|^2 / 2 = 1 - cos``, so the
    ranking is the cosine's. This matters: after a softrelu all embeddings share a large common part, and
    ``1 - cos`` in float32 loses the digits that tell close neighbours apart, which a difference keeps (10,000
    vectors in tight clusters: recall 0.2 with voyager's own cosine, 1.0 here).

    Equal vectors share one place, their `label`, in the structure: a graph whose nodes have only copies of
    themselves as neighbours falls apart, and searches never leave the copies.

    A child brings the package (`name`, `_INSTALL`) and says when the structure has to be made anew (`_stale`),
    how labels enter and leave it (`_insert`, `_delete`), how it is asked (`_search`) and read from a file
    (`_open`).
    """

    def __init__(self, metric: str = "cosine", table: VectorTable | None = None):
        super().__init__(metric, table)
        try:  # a missing package is told at once, not at the first query
            self._package = importlib.import_module(self.name)
        except ImportError as error:
            raise SearchError(
                f"the engine {self.name!r} needs the package {self.name!r}: pip install {self._INSTALL}"
            ) from error
        self._reset()

    def _reset(self) -> None:
        self._structure = None
        self._label: dict[int, int] = {}  # of an id
        self._holders: dict[int, set[int]] = {}  # ids of a label
        self._waiting = dict.fromkeys(self.table.ids.tolist())  # ids without a label, in order

    def add(self, ids: Sequence[int], vectors) -> None:
        """Add vectors; an id that is there gets the new vector and keeps its place."""
        super().add(ids, vectors)
        for key in map(int, ids):
            self._forget(key)
            self._waiting[key] = None

    def remove(self, ids: Iterable[int]) -> None:
        """Remove ids; SearchError when one is not there."""
        ids = [int(key) for key in ids]
        super().remove(ids)
        for key in ids:
            self._forget(key)

    def _forget(self, key: int) -> None:
        self._waiting.pop(key, None)
        label = self._label.pop(key, None)
        if label is None:
            return
        self._holders[label].remove(key)
        if not self._holders[label]:
            del self._holders[label]
            self._delete(label)

    def _update(self) -> None:
        """Bring the structure up to date with the table."""
        if self._stale():
            self._reset()
        if fresh := self._settle():
            self._insert(list(fresh), self._points(self.table.vectors(fresh.values())))

    def _settle(self) -> dict[int, int]:
        """Give each waiting id its label; returns the labels that are new, each with an id that holds it."""
        waiting, self._waiting = list(self._waiting), {}
        fresh = {}
        for key, vector in zip(waiting, self.table.vectors(waiting)):
            # 63 bits of a digest: two of a million different vectors share a label once in ten million times.
            label = int.from_bytes(hashlib.blake2b(vector.tobytes(), digest_size=8).digest(), "little") >> 1
            if label not in self._holders:
                self._holders[label] = set()
                fresh[label] = key
            self._holders[label].add(key)
            self._label[key] = label
        return fresh

    def _nearest(self, query: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        self._update()
        wanted = 2 * k  # float32 may swap close candidates: measuring more than asked for sets it right
        if wanted >= len(self._holders):
            return self.table.nearest(query, k)
        ids = [key for label in self._search(self._points(query[None])[0], wanted) for key in self._holders[label]]
        # A structure may run dry before it has found enough; the exact search never does.
        return self.table.nearest(query, k, ids if len(ids) >= k else None)

    def _points(self, vectors: np.ndarray) -> np.ndarray:
        """Where vectors lie in the structure's space."""
        if self.table.metric == "euclidean":
            return vectors
        wide = vectors.astype(np.float64)  # unit length to the last digit of float32
        return (wide / np.sqrt((wide * wide).sum(axis=1, keepdims=True))).astype(np.float32)

    def save(self, path: Path) -> None:
        """Write everything into the directory `path`."""
        super().save(path)
        self._update()
        if self._structure is None or not len(self):
            return
        graph = Path(path) / f"graph.{self.name}"
        try:
            self._structure.save(str(graph))
        except RuntimeError as error:  # voyager's word for a full disk
            raise OSError(f"{graph.name} cannot be written: {error}") from error

    def load(self, path: Path) -> None:
        """Read what :meth:`save` wrote; SearchError when it is missing or damaged."""
        super().load(path)
        self._reset()
        graph = Path(path) / f"graph.{self.name}"
        if not graph.exists():
            return  # it is made at the first query
        self._settle()  # the labels come of the vectors alone, so they are those of the saved structure
        try:
            self._structure = self._open(str(graph))
        except (OSError, ValueError, RuntimeError) as error:
            raise SearchError(f"the {self.name} structure cannot be read: {error}", graph) from error


class VoyagerEngine(_ApproximateEngine):
    """Approximate search in an HNSW graph by Spotify's `voyager`: the default above some 20,000 vectors.

    Vectors enter the graph at the first query after they were added. Removed ones stay in it, marked, until
    they are the majority; then the graph is made anew.

    References
    ----------
    Malkov and Yashunin, "Efficient and robust approximate nearest neighbor search using Hierarchical
    Navigable Small World graphs", IEEE TPAMI 42(4), 2020.
    """

    name = "voyager"
    _INSTALL = "voyager"
    _LINKS, _BUILD_DEPTH, _DEPTH = 16, 200, 200

    def _stale(self) -> bool:
        return self._structure is not None and self._structure.num_elements > 2 * len(self._holders)

    def _insert(self, labels: list[int], points: np.ndarray) -> None:
        if self._structure is None:
            self._structure = self._package.Index(
                self._package.Space.Euclidean, points.shape[1], M=self._LINKS, ef_construction=self._BUILD_DEPTH,
                random_seed=_SEED, max_elements=len(points),
            )  # fmt: skip
        # A label that was marked as removed is one of the graph again. One thread: with more, the order of
        # insertion and so the graph would differ from run to run.
        self._structure.add_items(points, labels, num_threads=1)

    def _delete(self, label: int) -> None:
        self._structure.mark_deleted(label)

    def _search(self, point: np.ndarray, count: int) -> Iterable[int]:
        try:
            labels, _ = self._structure.query(point, k=count, query_ef=max(self._DEPTH, 2 * count))
        except self._package.RecallError:  # the graph has no way to that many
            return []
        return labels.tolist()

    def _open(self, path: str):
        return self._package.Index.load(path)


class AnnoyEngine(_ApproximateEngine):
    """Approximate search in a forest of random trees by Spotify's `annoy` (extra ``[annoy]``).

    A built forest takes no more items (`annoy` drops them without a word), so it is built anew at the first
    query after any change: choose it for collections that rarely change. A loaded forest is mapped, not read.
    """

    name = "annoy"
    _INSTALL = "'mxnet-audio[annoy]'"
    _TREES, _NODES = 50, 10_000

    def _stale(self) -> bool:
        return self._structure is None or bool(self._waiting)

    def _insert(self, labels: list[int], points: np.ndarray) -> None:
        self._structure = self._new(points.shape[1])
        self._structure.set_seed(_SEED)
        for item, row in enumerate(np.argsort(labels)):  # annoy counts its items from 0
            self._structure.add_item(item, points[row])
        self._structure.build(self._TREES, n_jobs=1)

    def _delete(self, label: int) -> None:
        self._structure = None

    def _search(self, point: np.ndarray, count: int) -> Iterable[int]:
        nodes = max(self._NODES, 100 * count)
        return [self._items[item] for item in self._structure.get_nns_by_vector(point, count, search_k=nodes)]

    def _open(self, path: str):
        structure = self._new(self.table.dim)
        structure.load(path)
        return structure

    def _new(self, dim: int):
        self._items = sorted(self._holders)  # the label of each item: an order that a loaded forest has again
        return self._package.AnnoyIndex(dim, "euclidean")

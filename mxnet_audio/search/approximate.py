"""Approximate engines: `voyager` (HNSW graph) and `annoy` (forest of trees).

They only propose candidates. The distances to these are computed exactly, so that they equal those of the exact engine.
"""

from __future__ import annotations

import abc
import hashlib
import importlib
import io
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mxnet_audio.atomic import contents
from mxnet_audio.errors import SearchError
from mxnet_audio.search.exact import ExactEngine
from mxnet_audio.search.graph_check import is_annoy_forest, is_voyager_graph
from mxnet_audio.search.vectors import VectorTable

__all__ = ["AnnoyEngine", "VoyagerEngine"]

# Fixed, so that the same vectors give the same structure and the same results.
_SEED = 1
_LARGEST = 64 << 30  # [bytes], of a stored structure
_BLOCK_ROWS = 8192  # converted to float64 at a time

_logger = logging.getLogger(__name__)


class _ApproximateEngine(ExactEngine, abc.ABC):
    """Base of the approximate engines: keeps a structure of labels (graph or forest) up to date with the table.

    The structure's space is L2 for both metrics: for unit vectors ``|u - v|^2 / 2 = 1 - cos``, so the ranking is that
    of the cosine. The reason is precision: embeddings after a softrelu share a large common part, and ``1 - cos`` in
    float32 loses the digits that separate close neighbours, while a difference keeps them (10,000 vectors in tight
    clusters: recall 0.2 with voyager's own cosine, 1.0 here).

    Equal vectors share one node of the structure, their `label`: in a graph whose nodes have only copies of themselves
    as neighbours, searches never leave the copies.

    A subclass names its package (`name`, `_requirement`) and implements the operations on its structure.
    """

    _requirement: str  # to install with pip
    _structure: Any

    def __init__(self, metric: str = "cosine", table: VectorTable | None = None):
        super().__init__(metric, table)
        self._package = self._import_package()  # a missing package is reported here, not at the first query
        self._reset()

    def _import_package(self) -> Any:
        try:
            return importlib.import_module(self.name)
        except ImportError as error:
            raise SearchError(
                f"the engine {self.name!r} needs the package {self.name!r}: pip install {self._requirement}"
            ) from error

    def __getstate__(self) -> dict[str, Any]:
        """Return the attributes, with the structure as bytes, so that engines can be copied and sent to processes."""
        return {**vars(self), "_package": None, "_structure": self._to_bytes()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _package=self._import_package())
        if self._structure is not None:
            self._structure = self._open(io.BytesIO(self._structure))

    def _reset(self) -> None:
        self._structure = None
        self._label_of_id: dict[int, int] = {}
        self._ids_of_label: dict[int, set[int]] = {}
        self._pending = dict.fromkeys(self.table.ids.tolist())  # ids without a label, in order

    def add(self, ids: Sequence[int], vectors: ArrayLike) -> None:
        """Add vectors; an existing id gets the new vector and keeps its position."""
        super().add(ids, vectors)
        for key in map(int, ids):
            self._discard(key)
            self._pending[key] = None

    def remove(self, ids: Iterable[int]) -> None:
        """Remove ids, or raise SearchError if one is missing."""
        ids = [int(key) for key in ids]
        super().remove(ids)
        for key in ids:
            self._discard(key)

    def _discard(self, key: int) -> None:
        """Remove an id from its label, and a label without ids from the structure."""
        self._pending.pop(key, None)
        label = self._label_of_id.pop(key, None)
        if label is None:
            return
        self._ids_of_label[label].remove(key)
        if not self._ids_of_label[label]:
            del self._ids_of_label[label]
            self._delete(label)

    def _update(self) -> None:
        """Bring the structure up to date with the table."""
        if self._is_stale():
            self._reset()
        if new := self._label_pending():
            self._insert(list(new), self._points(self.table.vectors(new.values())))

    def _label_pending(self) -> dict[int, int]:
        """Label the pending ids, and return the new labels, each with one of its ids."""
        pending, self._pending = list(self._pending), {}
        new = {}
        for key, vector in zip(pending, self.table.vectors(pending)):
            # 63 bits of a digest: two of a million different vectors share a label once in ten million times.
            label = int.from_bytes(hashlib.blake2b(vector.tobytes(), digest_size=8).digest(), "little") >> 1
            if label not in self._ids_of_label:
                self._ids_of_label[label] = set()
                new[label] = key
            self._ids_of_label[label].add(key)
            self._label_of_id[key] = label
        return new

    def _nearest(self, query: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        self._update()
        n_candidates = 2 * k  # float32 may swap close candidates: exact distances to twice as many correct this
        if n_candidates >= len(self._ids_of_label):
            return self.table.nearest(query, k)
        labels = self._search(self._points(query[None])[0], n_candidates)
        ids = [key for label in labels for key in self._ids_of_label[label]]
        # The structure may find fewer than k; the exact search never does.
        return self.table.nearest(query, k, ids if len(ids) >= k else None)

    def _points(self, vectors: np.ndarray) -> np.ndarray:
        """Return the positions of vectors in the structure's space."""
        if self.table.metric == "euclidean":
            return vectors
        points = np.empty_like(vectors)
        for start in range(0, len(vectors), _BLOCK_ROWS):
            wide = vectors[start : start + _BLOCK_ROWS].astype(np.float64)  # unit length to the last digit of float32
            points[start : start + _BLOCK_ROWS] = wide / np.sqrt((wide * wide).sum(axis=1, keepdims=True))
        return points

    def save(self, path: Path) -> None:
        """Write the engine to files in the directory `path`."""
        super().save(path)
        self._update()
        graph = Path(path) / f"graph.{self.name}"
        if self._structure is None or not len(self) or not _is_utf8(graph):
            return
        try:
            self._structure.save(str(graph))
        except RuntimeError as error:  # raised by voyager if the disk is full
            raise OSError(f"{graph.name} cannot be written: {error}") from error

    def load(self, path: Path) -> None:
        """Read what :meth:`save` wrote, or raise SearchError if it is missing or damaged."""
        super().load(path)
        self._reset()
        graph = Path(path) / f"graph.{self.name}"
        if not graph.exists() or not _is_utf8(graph):
            return  # it is built at the first query
        self._label_pending()  # labels depend on the vectors alone, so they equal those of the saved structure
        try:
            if not self._is_sound(np.frombuffer(contents(graph, _LARGEST), np.uint8)):
                _logger.warning("%s: no sound %s structure; it is built again at the first query", graph, self.name)
                self._reset()
                return
            self._structure = self._open(str(graph))
        except (OSError, ValueError, RuntimeError) as error:
            raise SearchError(f"the {self.name} structure cannot be read: {error}", graph) from error

    def _to_bytes(self) -> bytes | None:
        """Return the structure as bytes for :meth:`_open`; None if it is to be rebuilt from the vectors."""
        return None

    @abc.abstractmethod
    def _is_stale(self) -> bool:
        """Return True if the structure must be rebuilt."""

    @abc.abstractmethod
    def _insert(self, labels: list[int], points: np.ndarray) -> None:
        """Add labels to the structure."""

    @abc.abstractmethod
    def _delete(self, label: int) -> None:
        """Remove a label from the structure."""

    @abc.abstractmethod
    def _search(self, point: np.ndarray, count: int) -> Iterable[int]:
        """Return the labels of about `count` near points."""

    @abc.abstractmethod
    def _is_sound(self, data: np.ndarray) -> bool:
        """Return True if the bytes of a stored structure can be searched without a crash."""

    @abc.abstractmethod
    def _open(self, source: Any) -> Any:
        """Read a structure from a path or, if the subclass has `_to_bytes`, a binary file object."""


def _is_utf8(path: Path) -> bool:
    """Return True if the libraries in C++ can open a file of this name; without a file, the structure is rebuilt."""
    try:
        return bool(str(path).encode("utf-8"))
    except UnicodeEncodeError:
        return False


class VoyagerEngine(_ApproximateEngine):
    """Approximate search in an HNSW graph by Spotify's `voyager`: the default above about 20,000 vectors.

    Added vectors enter the graph at the next query. Removed ones are marked in it until they are the majority; then
    the graph is rebuilt.

    References
    ----------
    Malkov and Yashunin, "Efficient and robust approximate nearest neighbor search using Hierarchical
    Navigable Small World graphs", IEEE TPAMI 42(4), 2020.
    """

    name = "voyager"
    _requirement = "voyager"
    _M, _EF_CONSTRUCTION, _MIN_EF_QUERY = 16, 200, 200

    def _is_stale(self) -> bool:
        return self._structure is not None and self._structure.num_elements > 2 * len(self._ids_of_label)

    def _insert(self, labels: list[int], points: np.ndarray) -> None:
        if self._structure is None:
            self._structure = self._package.Index(
                self._package.Space.Euclidean, points.shape[1], M=self._M, ef_construction=self._EF_CONSTRUCTION,
                random_seed=_SEED, max_elements=len(points),
            )  # fmt: skip
        # Adding a label that is marked as removed restores it. One thread: with more, the order of insertion and
        # so the graph would differ from run to run.
        self._structure.add_items(points, labels, num_threads=1)

    def _delete(self, label: int) -> None:
        self._structure.mark_deleted(label)

    def _search(self, point: np.ndarray, count: int) -> Iterable[int]:
        try:
            labels, _ = self._structure.query(point, k=count, query_ef=max(self._MIN_EF_QUERY, 2 * count))
        except self._package.RecallError:  # the graph has no path to that many
            return []
        return labels.tolist()

    def _is_sound(self, data: np.ndarray) -> bool:
        labels = np.sort(np.fromiter(self._ids_of_label, np.uint64, len(self._ids_of_label)))
        return is_voyager_graph(data, self.table.dim or 0, labels)

    def _open(self, source: Any) -> Any:
        return self._package.Index.load(source)

    def _to_bytes(self) -> bytes | None:
        return None if self._structure is None else self._structure.as_bytes()


class AnnoyEngine(_ApproximateEngine):
    """Approximate search in a forest of random trees by Spotify's `annoy` (extra ``[annoy]``).

    A built forest cannot be extended (`annoy` ignores further items silently), so it is rebuilt at the first query
    after any change: this engine suits collections that rarely change. A loaded forest is memory-mapped, not read.
    A copy of the engine builds the same forest from the vectors at its first query.
    """

    name = "annoy"
    _requirement = "annoy"
    _N_TREES, _MIN_SEARCH_NODES = 50, 10_000

    def _is_stale(self) -> bool:
        return self._structure is None or bool(self._pending)

    def _insert(self, labels: list[int], points: np.ndarray) -> None:
        self._structure = self._new(points.shape[1])
        self._structure.set_seed(_SEED)
        for item, row in enumerate(np.argsort(labels)):  # annoy numbers its items from 0
            self._structure.add_item(item, points[row])
        self._structure.build(self._N_TREES, n_jobs=1)

    def _delete(self, label: int) -> None:
        self._structure = None

    def _search(self, point: np.ndarray, count: int) -> Iterable[int]:
        n_nodes = max(self._MIN_SEARCH_NODES, 100 * count)
        return [self._labels[item] for item in self._structure.get_nns_by_vector(point, count, search_k=n_nodes)]

    def _is_sound(self, data: np.ndarray) -> bool:
        return is_annoy_forest(data, self.table.dim or 0, len(self._ids_of_label))

    def _open(self, source: Any) -> Any:
        structure = self._new(self.table.dim)
        structure.load(source)
        return structure

    def _new(self, dim: int | None) -> Any:
        self._labels = sorted(self._ids_of_label)  # label of each item, in the order that a loaded forest has, too
        return self._package.AnnoyIndex(dim, "euclidean")

"""Approximate engines: `voyager` (HNSW graph) and `annoy` (forest of trees).

They only propose candidates; these are measured again, so that the distances are those of the exact engine.
"""

from __future__ import annotations

import hashlib
import importlib
import zipfile
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
    """What `voyager` and `annoy` share: where a vector lies in their space, and when the structure is made.

    The space is L2 whatever the metric: for unit vectors ``|u - v|^2 / 2 = 1 - cos``, so the ranking is the
    cosine's. This matters: after a softrelu all embeddings share a large common part, and ``1 - cos`` in
    float32 loses the digits that tell close neighbours apart, which a difference keeps (20,000 vectors in
    tight clusters: recall 0.25 with voyager's own cosine, 1.0 here). L2 does not mind a shift, so the common
    part, the mean, is taken away before the vectors are rounded to float32.

    Equal vectors share one place, a `label`, in the structure: a graph whose nodes have only copies of
    themselves as neighbours falls apart, and searches never leave the copies.
    """

    def __init__(self, metric: str = "cosine", table: VectorTable | None = None):
        super().__init__(metric, table)
        self._package()  # a missing package is told at once, not at the first query
        self._reset()

    def _reset(self) -> None:
        self._structure = None
        self._mean = None
        self._deleted = 0
        self._next = 0
        self._label: dict[int, int] = {}  # of an id
        self._holders: dict[int, list[int]] = {}  # ids of a label
        self._known: dict[bytes, int] = {}  # label of a place
        self._place: dict[int, bytes] = {}  # of a label
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
            del self._holders[label], self._known[self._place.pop(label)]
            self._deleted += 1
            self._delete(label)

    def _into_space(self, vectors: np.ndarray) -> np.ndarray:
        vectors = vectors.astype(np.float64)  # unit length and shift in float64: the digits are worth keeping
        if self.table.metric == "cosine":
            vectors /= np.sqrt((vectors * vectors).sum(axis=1, keepdims=True))
        if self._mean is None:
            self._mean = vectors.mean(axis=0)  # fixed until the structure is made anew
        return (vectors - self._mean).astype(np.float32)

    def _update(self) -> None:
        """Bring the structure up to date with the table."""
        if self._stale():
            self._reset()
        if not self._waiting:
            return
        waiting, self._waiting = list(self._waiting), {}
        fresh: dict[int, np.ndarray] = {}
        for key, point in zip(waiting, self._into_space(self.table.vectors(waiting))):
            label = self._assign(key, point)
            if label == self._next:
                fresh[label] = point
                self._next += 1
        if fresh:
            self._insert(list(fresh), np.stack(list(fresh.values())))

    def _assign(self, key: int, point: np.ndarray, label: int | None = None) -> int:
        place = hashlib.blake2b((point + 0.0).tobytes(), digest_size=16).digest()
        if label is None:
            label = self._known.get(place, self._next)
        self._label[key] = label
        if label not in self._holders:
            self._known[place], self._place[label] = label, place
        self._holders.setdefault(label, []).append(key)
        return label

    def _nearest(self, query: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        self._update()
        wanted = 2 * k  # float32 may swap close candidates: measuring more than asked for sets it right
        if wanted >= len(self._holders):
            return self.table.nearest(query, k)
        labels = self._search(self._into_space(query[None])[0], wanted)
        ids = [key for label in labels for key in self._holders[label]]
        # A structure may run dry before it has found enough; the exact search never does.
        return self.table.nearest(query, k, ids if len(ids) >= k else None)

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
        labels = np.array([self._label[key] for key in self.table.ids.tolist()], dtype=np.int64)
        np.savez(Path(path) / "graph.npz", labels=labels, mean=self._mean, next=self._next, deleted=self._deleted)

    def load(self, path: Path) -> None:
        """Read what :meth:`save` wrote; SearchError when it is missing or damaged."""
        super().load(path)
        self._reset()
        graph = Path(path) / f"graph.{self.name}"
        if not graph.exists():
            return  # it is made at the first query
        try:
            with np.load(Path(path) / "graph.npz") as data:
                labels, self._mean = data["labels"], data["mean"]
                self._next, self._deleted = int(data["next"]), int(data["deleted"])
            if len(labels) != len(self) or self._mean.shape != (self.table.dim,):
                raise ValueError("it is of other vectors")
            self._structure = self._open(str(graph))
        except (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile) as error:
            raise SearchError(f"the {self.name} structure cannot be read: {error}", graph) from error
        for key, label, point in zip(self._waiting, labels.tolist(), self._into_space(self.table.vectors())):
            self._assign(key, point, label)
        self._waiting = {}

    # What a child brings.
    def _package(self): ...
    def _stale(self) -> bool: ...
    def _insert(self, labels: list[int], points: np.ndarray) -> None: ...
    def _delete(self, label: int) -> None: ...
    def _search(self, point: np.ndarray, count: int) -> Iterable[int]: ...
    def _open(self, path: str): ...


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
    _LINKS, _BUILD_DEPTH, _DEPTH = 16, 200, 200

    def _package(self):
        return _import("voyager", "voyager", "pip install voyager")

    def _stale(self) -> bool:
        return self._deleted > len(self)

    def _insert(self, labels: list[int], points: np.ndarray) -> None:
        voyager = self._package()
        if self._structure is None:
            self._structure = voyager.Index(
                voyager.Space.Euclidean, points.shape[1], M=self._LINKS, ef_construction=self._BUILD_DEPTH,
                random_seed=_SEED, max_elements=len(points),
            )  # fmt: skip
        # One thread: with more, the order of insertion and so the graph would differ from run to run.
        self._structure.add_items(points, labels, num_threads=1)

    def _delete(self, label: int) -> None:
        self._structure.mark_deleted(label)

    def _search(self, point: np.ndarray, count: int) -> Iterable[int]:
        try:
            labels, _ = self._structure.query(point, k=count, query_ef=max(self._DEPTH, 2 * count))
        except self._package().RecallError:  # the graph has no way to that many
            return []
        return labels.tolist()

    def _open(self, path: str):
        return self._package().Index.load(path)


class AnnoyEngine(_ApproximateEngine):
    """Approximate search in a forest of random trees by Spotify's `annoy` (extra ``[annoy]``).

    A built forest takes no more items (`annoy` drops them without a word), so it is built anew at the first
    query after any change: choose it for collections that rarely change. A loaded forest is mapped, not read.
    """

    name = "annoy"
    _TREES, _NODES = 50, 10_000

    def _package(self):
        return _import("annoy", "annoy", "pip install 'mxnet-audio[annoy]'")

    def _stale(self) -> bool:
        return bool(self._structure is not None and (self._waiting or self._deleted))

    def _insert(self, labels: list[int], points: np.ndarray) -> None:
        self._structure = self._package().AnnoyIndex(points.shape[1], "euclidean")
        self._structure.set_seed(_SEED)
        for label, point in zip(labels, points):
            self._structure.add_item(label, point)
        self._structure.build(self._TREES, n_jobs=1)

    def _delete(self, label: int) -> None:
        """Counted by the caller: the forest is stale then."""

    def _search(self, point: np.ndarray, count: int) -> Iterable[int]:
        return self._structure.get_nns_by_vector(point, count, search_k=max(self._NODES, 100 * count))

    def _open(self, path: str):
        structure = self._package().AnnoyIndex(self.table.dim, "euclidean")
        structure.load(path)
        return structure


def _import(module: str, engine: str, install: str):
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise SearchError(f"the engine {engine!r} needs the package {module!r}: {install}") from error

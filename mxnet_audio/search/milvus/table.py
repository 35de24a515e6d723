"""Rows of a collection of Milvus: read, searched, written and deleted."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from mxnet_audio.errors import ParameterError, SearchError
from mxnet_audio.search.entries import Entry
from mxnet_audio.search.milvus import collection as collections
from mxnet_audio.search.milvus.connection import MISSING, Connection, Refusal
from mxnet_audio.search.milvus.rows import any_of, check_name, entry_of, quoted
from mxnet_audio.search.vectors import check_vectors

__all__ = ["Table"]

_LARGEST_ANSWER = 16_384  # rows, a limit of Milvus
_MESSAGE_BYTES, _ANSWER_BYTES = 8 << 20, 32 << 20  # servers may refuse messages of 64 MiB
_MESSAGE_ROWS = 5000
_PAGE_ROWS = 1000


class Table:
    """Rows of a collection, which is opened when it is first used, and checked then.

    Parameters
    ----------
    connection : Connection
    name : str
        Name of the collection.
    metric, index_type, index_params
        As for `MilvusIndex`.

    Attributes
    ----------
    model_id, model
        Those of a collection that is to be created; the model that it must have otherwise, unless it is None.
    """

    def __init__(
        self,
        connection: Connection,
        name: str,
        metric: str | None,
        model_id: str | None,
        index_type: str | None,
        index_params: Mapping[str, Any] | None,
    ):
        self.connection, self.name = connection, name
        self.model_id = model_id
        self.model: dict[str, Any] | None = None
        self.lock = threading.RLock()
        self._metric, self._index_type, self._index_params = metric, index_type, index_params
        self._state: collections.Collection | None = None
        self._deletions = self._seen_deletions = 0
        self._last_number = 0

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, lock=threading.RLock())

    @property
    def metric(self) -> str:
        """Name of the distance: that of the collection or, before it is created, the one that it will have."""
        if self._metric is None:
            self.state()
        return self._metric or "cosine"

    def error(self, reason: str) -> SearchError:
        """Return an error that names the collection."""
        return SearchError(reason, f"{self.connection.address}, collection {self.name}")

    def state(self) -> collections.Collection | None:
        """Return the state of the collection; None if there is none, SearchError if it is not the expected one."""
        with self.lock:
            if self._state is None:
                found = collections.read(self.connection, self.name)
                if found is not None:
                    self._check(found)
                    self._metric = found.metric
                    if not found.index_type:  # its creation was interrupted
                        self._create_index(found.dim)
                        found = collections.read(self.connection, self.name)
                self._state = found
            return self._state

    def forget_state(self) -> None:
        """Check the collection again at its next use."""
        with self.lock:
            self._state = None

    def _check(self, found: collections.Collection) -> None:
        if self._metric not in (None, found.metric):
            raise self.error(
                f"its metric is {found.metric!r}, not {self._metric!r}: open it with that, or choose another"
            )
        if self.model_id is not None and found.model_id != self.model_id:
            raise self.error(
                f"it holds vectors of the model {found.model_id}, not of {self.model_id}: "
                "use that model, or choose another collection"
            )
        if self._index_type is not None and found.index_type not in ("", self._index_type):
            raise self.error(f"its index is {found.index_type}, not {self._index_type}: leave index_type out")

    def create(self, dim: int) -> collections.Collection:
        """Return the state of the collection, which is created if there is none."""
        with self.lock:
            if (state := self.state()) is None:
                collections.create(self.connection, self.name, self._new(dim))
                self._create_index(dim)
                if (state := self.state()) is None:
                    raise self.error("the collection was dropped while it was created")
            if state.dim != dim:
                raise self.error(f"it holds vectors of {state.dim} numbers, got {dim}")
            return state

    def _new(self, dim: int) -> collections.Collection:
        index_type = self._index_type or ("FLAT" if self.connection.is_lite else "HNSW")
        return collections.Collection(dim, self._metric or "cosine", self.model_id, self.model, index_type, {})

    def _create_index(self, dim: int) -> None:
        collections.create_index(self.connection, self.name, self._new(dim), self._index_params)

    def call(self, method: str, *args: Any, where: str | None = None, **kwargs: Any) -> Any:
        """Call a method of pymilvus's client for the collection.

        Raises
        ------
        ParameterError
            If the server refuses the user's condition `where`.
        SearchError
            If it refuses anything else, or stays away.
        """
        try:
            return self.connection.call(method, *args, collection=self.name, **kwargs)
        except Refusal as refusal:
            if refusal.code == MISSING:
                self.forget_state()
                raise self.error("the collection was dropped") from refusal
            if where is not None and self._refusal('real_path == ""') is None:
                own = self._refusal(where) or refusal  # which does not quote the other conditions
                reason = f"where must be an expression of Milvus, got {where!r}: {own.message}"
                raise ParameterError(reason) from refusal
            raise self.error(refusal.message) from refusal

    def _refusal(self, condition: str) -> Refusal | None:
        """Return the server's refusal to read rows that meet a condition; None if it does."""
        try:
            self.connection.call("query", collection=self.name, filter=condition, output_fields=["real_path"], limit=1)
        except Refusal as refusal:
            return refusal
        return None

    def count(self, partition: str | None = None) -> int:
        """Return the number of rows."""
        if self.state() is None:
            return 0
        arguments: dict[str, Any] = self.partitions(partition)
        (row,) = self.call("query", filter="", output_fields=["count(*)"], consistency_level="Strong", **arguments)
        return int(row["count(*)"])

    def rows(self, texts: Sequence[str], fields: list[str]) -> list[dict[str, Any]]:
        """Return the rows with some keys; a key that was written to two partitions has two for a moment."""
        found: list[dict[str, Any]] = []
        if self.state() is not None:
            step = self.message_rows()
            for start in range(0, len(texts), step):
                expression = any_of("real_path", texts[start : start + step])
                found += self.call("query", filter=expression, output_fields=fields, consistency_level="Strong")
        return found

    def pages(
        self, fields: list[str], condition: str = "", size: int | None = None, where: str | None = None,
        partition: str | None = None,
    ) -> Iterator[list[dict[str, Any]]]:  # fmt: skip
        """Yield all rows that meet a condition, in the order of their keys.

        pymilvus has an iterator, too, but not for keys with quotation marks.
        """
        if (state := self.state()) is None:
            return
        largest = _MESSAGE_BYTES // (4 * state.dim) if "vector" in fields else _LARGEST_ANSWER
        arguments = {
            "output_fields": fields, "limit": max(1, min(size or _PAGE_ROWS, largest)), "consistency_level": "Strong",
            "iterator": "True", "reduce_stop_for_best": "True",  # the first rows in the order of the keys
            **self.partitions(partition),
        }  # fmt: skip
        last = ""
        while True:
            conditions = [f"real_path > {quoted(last)}", *(f"({each})" for each in (condition, where) if each)]
            rows = self.call("query", where=where, filter=" and ".join(conditions), **arguments)
            if not rows:
                return
            yield list(rows)
            last = max(row["real_path"] for row in rows)

    def search(
        self, queries: np.ndarray, limit: int, condition: str, where: str | None, **arguments: Any
    ) -> list[list[dict[str, Any]]]:
        """Return the rows of about the nearest vectors of each query [shape=(n, dim)]."""
        metric, deletions = collections.METRICS[self.metric], self._deletions
        if arguments["consistency_level"] == "Session" and deletions > self._seen_deletions:
            arguments["consistency_level"] = "Strong"  # the server does not tell the times of deletions
        arguments["search_params"] = {"metric_type": metric, "params": arguments["search_params"]}
        answers = self.call("search", data=list(queries), limit=limit, filter=condition, where=where, **arguments)
        self._seen_deletions = max(self._seen_deletions, deletions)
        return [[hit["entity"] for hit in hits] for hits in answers]

    def entries(self, rows: Iterable[Mapping[str, Any]]) -> list[Entry]:
        """Return the entries of rows; SearchError if one was not written by this package."""
        try:
            return [entry_of(row) for row in rows]
        except ValueError as error:
            raise self.error(f"{error}: delete the row, and index the file again") from None

    def vectors(self, rows: Iterable[Mapping[str, Any]]) -> np.ndarray:
        """Return the vectors of rows [shape=(n, dim), float32]; SearchError if one cannot be used."""
        state = self.state()
        dim = None if state is None else state.dim
        return check_vectors([row["vector"] for row in rows], dim, self.metric, self.connection.address)

    def first_number(self, count: int) -> int:
        """Return the first of the insertion numbers of `count` new entries.

        It is the time, so that numbers of several writers are about in the order of insertion.
        """
        with self.lock:
            first = max(self._last_number + 1, time.time_ns())
            self._last_number = first + count
        return first

    def upsert(self, rows: Sequence[dict[str, Any]]) -> None:
        """Write rows to their partitions, in place of those with the same keys there."""
        partitions: dict[str, list[dict[str, Any]]] = {}
        for row in rows:
            partitions.setdefault(row["partition"], []).append(row)
        for partition, some in partitions.items():
            self.call("upsert", some, partition_name=partition)

    def delete(self, texts: Sequence[str], partition: str | None = None) -> None:
        """Delete the rows with some keys."""
        for start in range(0, len(texts), _MESSAGE_ROWS):
            expression = any_of("real_path", texts[start : start + _MESSAGE_ROWS])
            self.call("delete", filter=expression, partition_name=partition)
        self._deletions += 1

    def create_partition(self, name: str) -> None:
        """Create a partition unless there is one."""
        if not self.call("has_partition", name):
            try:
                self.call("create_partition", name)
            except SearchError:
                if not self.call("has_partition", name):  # which another writer has created
                    raise

    def partitions(self, name: str | None) -> dict[str, list[str]]:
        """Return the argument that selects a partition, or none for all; SearchError if there is no such partition."""
        if name is None:
            return {}
        if not self.call("has_partition", check_name("partition", name)):
            raise self.error(f"there is no partition {name!r}")
        return {"partition_names": [name]}

    def largest_search(self) -> int:
        """Return the largest number of rows with vectors that an answer can have."""
        state = self.state()
        return max(1, min(_LARGEST_ANSWER, _ANSWER_BYTES // (4 * (1 if state is None else state.dim))))

    def message_rows(self, extra: int = 0) -> int:
        """Return the number of rows of a message, if each has about `extra` bytes beside its vector."""
        state = self.state()
        size = extra + 4 * (1 if state is None else state.dim)
        return max(1, min(_MESSAGE_ROWS, _MESSAGE_BYTES // size))

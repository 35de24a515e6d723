"""Neighbours of vectors in a collection: candidates from Milvus, whose distances are computed exactly."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from mxnet_audio.search.contents import Neighbour
from mxnet_audio.search.entries import Entry
from mxnet_audio.search.milvus.collection import Collection
from mxnet_audio.search.milvus.rows import ENTRY_FIELDS, insertion_order
from mxnet_audio.search.milvus.table import Table
from mxnet_audio.search.vectors import VectorTable

__all__ = ["nearest"]


def nearest(
    table: Table,
    queries: np.ndarray,
    top_k: int,
    keep: Callable[[Entry], bool] | None = None,
    search_params: Mapping[str, Any] | None = None,
    **arguments: Any,
) -> list[list[Neighbour]]:
    """Find the neighbours of each query [shape=(n, dim)]; `arguments` are those of `Table.search`.

    Milvus is asked for more and more candidates, of several queries at once, until no other row can be a neighbour.
    """
    state = table.state()
    if state is None:
        return [[] for _ in queries]
    largest = table.largest_search()
    factor = 10 if state.index_type == "IVF_PQ" else 2  # float32, and codes of vectors more so, swap candidates
    limit = min(factor * top_k, largest)
    verdicts: dict[str, bool] = {}
    found: list[list[Neighbour]] = [[] for _ in queries]
    unfinished = list(range(len(queries)))
    while unfinished:
        asked, unfinished = unfinished, []
        at_once = max(1, table.message_rows() // limit)
        for start in range(0, len(asked), at_once):
            some = asked[start : start + at_once]
            breadth = _breadth(state, limit, search_params)
            answers = table.search(
                queries[some], limit, output_fields=[*ENTRY_FIELDS, "vector"], search_params=breadth, **arguments
            )
            for number, rows in zip(some, answers):
                found[number], complete = _among(table, queries[number], top_k, rows, keep, verdicts)
                if not complete and len(rows) == limit < largest:
                    unfinished.append(number)
        limit = min(2 * limit, largest)
    return found


def _breadth(state: Collection, limit: int, search_params: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the parameters of a search for `limit` rows."""
    given = dict(search_params or {})
    if state.index_type == "HNSW":
        breadth = given.get("ef", 200)
        given["ef"] = max(breadth, limit) if isinstance(breadth, int) else breadth  # Milvus requires ef >= limit
    elif state.index_type.startswith("IVF"):
        given.setdefault("nprobe", min(64, int(state.index_params.get("nlist", 64))))
    return given


def _among(
    table: Table,
    query: np.ndarray,
    top_k: int,
    rows: list[Any],
    keep: Callable[[Entry], bool] | None,
    verdicts: dict[str, bool],
) -> tuple[list[Neighbour], bool]:
    """Return the neighbours among candidates, and True if no other row can be one of them.

    Without all rows whose distance is that of the last neighbour, they are not in the order of insertion.
    """
    if not rows:
        return [], True
    entries, candidates = table.entries(rows), VectorTable(table.metric)
    order = sorted(range(len(rows)), key=lambda row: insertion_order(entries[row]))
    candidates.add(order, table.vectors(rows)[order])
    ids, distances = candidates.nearest(query, len(rows))
    found: list[Neighbour] = []
    for key, distance in zip(ids.tolist(), distances.tolist()):
        entry = entries[key]
        if entry.real not in verdicts:
            verdicts[entry.real] = keep is None or bool(keep(entry))
        if verdicts[entry.real]:
            found.append(Neighbour(entry.path, distance))
        if len(found) == top_k:
            return found, distance < distances[-1]
    return found, False

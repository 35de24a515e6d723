"""Changes of a collection: entries that are added or replaced, and entries that get other paths."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from mxnet_audio.search.entries import Entry
from mxnet_audio.search.milvus.rows import FIELDS, metadata_of, row_of, text_of
from mxnet_audio.search.milvus.table import Table

__all__ = ["NewEntry", "rename", "upsert"]

_DEFAULT_PARTITION = "_default"  # Milvus's own name


class NewEntry(NamedTuple):
    """Entry to be written; without metadata, those of the existing row are kept."""

    entry: Entry
    vector: np.ndarray
    metadata: dict[str, Any] | None


def upsert(table: Table, new: Mapping[str, NewEntry], partition: str | None) -> None:
    """Write entries, by their keys, to a partition; by default to those that they are in."""
    first = table.first_number(len(new))
    former = table.rows(list(new), ["real_path", "inserted", "partition", "$meta"])
    former_by_key = {row["real_path"]: row for row in former}
    rows = []
    for number, (key, each) in enumerate(new.items(), first):
        old = former_by_key.get(key, {"inserted": number, "partition": _DEFAULT_PARTITION})
        fields = metadata_of(old) if each.metadata is None else each.metadata
        entry = replace(each.entry, id=old["inserted"])
        rows.append(row_of(entry, each.vector, partition or old["partition"], fields))
    table.upsert(rows)
    if table.connection.is_lite:
        return  # in which a key has one row; on a server, it has one in each partition
    written = {row["real_path"]: row["partition"] for row in rows}
    moved_from: dict[str, list[str]] = {}
    for row in former:
        if row["partition"] != written[row["real_path"]]:
            moved_from.setdefault(row["partition"], []).append(row["real_path"])
    for source, keys in moved_from.items():
        table.delete(keys, source)


def rename(table: Table, some: Mapping[str, tuple[str, str]], renamed: Mapping[str, Any]) -> None:
    """Give some of the `renamed` entries, by their real paths, other paths and real paths.

    Those whose new path is in the index, and is not renamed itself, are removed.
    """
    new_keys = [text_of(real) for _, real in some.values()]
    taken = {row["real_path"] for row in table.rows(new_keys, ["real_path"])}
    taken -= {text_of(real) for real in renamed}
    rows = []
    for row in table.rows([text_of(real) for real in some], [*FIELDS, "$meta"]):
        (entry,) = table.entries([row])
        path, real = some[entry.real]
        if text_of(real) not in taken:
            entry = replace(entry, path=path, real=real)
            rows.append(row_of(entry, table.vectors([row])[0], row["partition"], metadata_of(row)))
    table.upsert(rows)
    table.delete(sorted({text_of(real) for real in some} - {row["real_path"] for row in rows}))

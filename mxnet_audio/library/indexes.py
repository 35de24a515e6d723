"""Indexes of a search, a local one or a collection on a server: where they differ."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from inspect import signature
from typing import Any, TypeAlias

import numpy as np

from mxnet_audio.audio import file_of
from mxnet_audio.errors import ParameterError
from mxnet_audio.search import MilvusIndex, VectorIndex
from mxnet_audio.search.entries import absolute_path
from mxnet_audio.search.milvus.rows import check_metadata

__all__ = ["Index", "Metadata", "Stamp", "Write", "batch_writer", "journal_writer", "new_index", "stored_path"]

Index: TypeAlias = VectorIndex | MilvusIndex

Stamp: TypeAlias = tuple[int, ...] | None
Write: TypeAlias = Callable[[str, np.ndarray, Stamp], None]  # of a path, its vector and its stamp
Metadata: TypeAlias = Callable[[str], Mapping[str, Any] | None]  # of a file


def new_index(engine: str, metric: str | None, server: Mapping[str, Any]) -> Index:
    """Return a new local index, or the collection of a server that the arguments `server` of `MilvusIndex` name.

    Raises
    ------
    ParameterError
        If the engine, the metric or an argument is unknown, missing or not one of this engine.
    SearchError
        If the engine's package is not installed.
    """
    if engine != "milvus" and not server:
        return VectorIndex(engine, "cosine" if metric is None else metric)
    if unknown := server.keys() - signature(MilvusIndex).parameters.keys():
        raise TypeError(f"unexpected keyword argument {min(unknown)!r}")  # as Python does without **server
    if engine != "milvus":
        raise ParameterError(f"{', '.join(server)} must be left out with engine={engine!r}: only 'milvus' has a server")
    for name, example in {"uri": "http://localhost:19530", "collection": "songs"}.items():
        if server.get(name) is None:
            raise ParameterError(f"{name} must be given with engine='milvus', such as {example!r}")
    return MilvusIndex(metric=metric, **server)


def stored_path(index: Index, path: str) -> str:
    """Return the path of a file as an index stores it: on a server absolute, since others work in other folders."""
    return path if isinstance(index, VectorIndex) else absolute_path(path)


@contextlib.contextmanager
def journal_writer(index: VectorIndex, directory: str | os.PathLike | None, sync_every: int) -> Iterator[Write]:
    """Open a writer that adds each entry to a local index and, with `directory`, to the journal there at once."""
    with contextlib.nullcontext() if directory is None else index.journal(directory, sync_every) as journal:

        def write(path: str, vector: np.ndarray, stamp: Stamp) -> None:
            index.add(path, vector, stamp)
            if journal is not None:
                index.record(journal, path)

        yield write


@contextlib.contextmanager
def batch_writer(
    index: MilvusIndex, size: int, metadata: Metadata | None = None, partition: str | None = None
) -> Iterator[Write]:
    """Open a writer that sends entries to a server, `size` at a time; after an error or an interruption the rest, too.

    The function `metadata` returns the data that is stored with a file.
    """
    rows: list[tuple[str, np.ndarray, Stamp, Mapping[str, Any] | None]] = []

    def send() -> None:
        paths, vectors, stamps, values = zip(*rows)
        rows.clear()  # before they are sent: if the server is away, they are not sent again at the end
        index.add_many(paths, np.stack(vectors), stamps, values, partition=partition)

    def write(path: str, vector: np.ndarray, stamp: Stamp) -> None:
        values = None if metadata is None else metadata(file_of(path))
        # Checked here, so that an error does not lose the other files of a batch.
        fields = None if values is None else check_metadata(values)
        # Without a stamp, it is the name of a sound that is not a file.
        rows.append((path if stamp is None else stored_path(index, path), vector, stamp, fields))
        if len(rows) == size:
            send()

    try:
        yield write
    finally:
        if rows:
            send()

"""Copies of indexes: from a folder into a collection on a server, and back."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from mxnet_audio.checks import path_argument, whole_number
from mxnet_audio.errors import SearchError
from mxnet_audio.library.index_model import model_name
from mxnet_audio.library.indexes import batch_writer, journal_writer
from mxnet_audio.search import VectorIndex
from mxnet_audio.search.entries import Entry, real_path
from mxnet_audio.search.milvus import MilvusIndex
from mxnet_audio.search.store import has_index, locked

__all__ = ["TransferReport", "pull", "push"]


@dataclass
class TransferReport:
    """Result of a copy.

    Attributes
    ----------
    copied : int
        Files that were copied: they are new, or have changed.
    unchanged : int
        Files that were there already, with the same size and time.
    """

    copied: int = 0
    unchanged: int = 0


def push(
    index: VectorIndex,
    server: MilvusIndex,
    *,
    batch_size: int = 1000,
    partition: str | None = None,
    progress: bool = False,
) -> TransferReport:
    """Copy a local index into a collection, which is created if it is missing.

    Vectors, stamps and the model are copied; the plays of a recommender are not. Paths of files become absolute ones.
    Files that only the collection holds stay. An interrupted run is resumed by the same call, and several can write to
    one collection.

    Parameters
    ----------
    index : VectorIndex
    server : MilvusIndex
    batch_size : int > 0 [files]
        Files that are sent at a time.
    partition : str, optional
        Partition of the collection that new files are added to.
    progress : bool
        Show a progress bar.

    Returns
    -------
    TransferReport

    Raises
    ------
    ParameterError
        If `batch_size` is below 1, or `partition` is no name.
    SearchError
        If the collection is of another model, metric or dimension, or the server is away.
    """
    batch_size = whole_number("batch_size", batch_size)
    if server.dim is None:  # a new collection
        server.model_id, server.model = index.model_id, index.model
    _check_match(index, server, server.address)
    report = TransferReport()
    entries = index.entries
    with (
        tqdm(total=len(entries), unit="file", disable=not progress) as bar,
        batch_writer(server, batch_size, partition=partition) as write,
    ):
        for start in range(0, len(entries), batch_size):
            part = entries[start : start + batch_size]
            known = server.lookup(entry.real for entry in part)
            for entry in part:
                if entry.stamp is not None and entry.real in known and known[entry.real].stamp == entry.stamp:
                    report.unchanged += 1
                else:
                    write(_name(entry), index.vector(entry.real), entry.stamp)
                    report.copied += 1
            bar.update(len(part))
    return report


def pull(
    server: MilvusIndex, directory: str | os.PathLike, *, batch_size: int = 1000, progress: bool = False
) -> TransferReport:
    """Copy a collection into a local index, which is created if it is missing.

    Vectors, stamps and the model are copied; metadata and partitions are not, which a local index does not have. Files
    that only the local index holds stay. An interrupted run is resumed by the same call.

    Parameters
    ----------
    server : MilvusIndex
    directory : str or os.PathLike
        Folder of the local index.
    batch_size : int > 0 [files]
        Files that are read at a time.
    progress : bool
        Show a progress bar.

    Returns
    -------
    TransferReport

    Raises
    ------
    ParameterError
        If `directory` is not a path, or `batch_size` is below 1.
    SearchError
        If there is no collection, the local index is of another model, metric or dimension, the folder cannot be
        written to, or the server is away.
    """
    directory, batch_size = path_argument("directory", directory), whole_number("batch_size", batch_size)
    if server.dim is None:
        raise SearchError(f"there is no collection {server.collection!r}", server.address)
    index = VectorIndex.load(directory) if has_index(directory) else VectorIndex(metric=server.metric)
    if not len(index):
        index.model_id, index.model = server.model_id, server.model
    _check_match(index, server, directory)
    index.save(directory)
    report = TransferReport()
    with (
        tqdm(total=len(server), unit="file", disable=not progress) as bar,
        journal_writer(index, directory, batch_size) as write,
    ):
        for entries, vectors in server.batches(batch_size):
            with locked(directory):  # once for all of them
                for entry, vector in zip(entries, vectors):
                    if _holds(index, entry, vector):
                        report.unchanged += 1
                    else:
                        write(_name(entry), vector, entry.stamp)
                        report.copied += 1
            bar.update(len(entries))
    index.save(directory)
    return report


def _check_match(index: VectorIndex, server: MilvusIndex, target: str | os.PathLike) -> None:
    """Raise SearchError, which names the target of a copy, if the vectors of the two cannot be compared."""
    local, remote = model_name(index.model_id, index.model), model_name(server.model_id, server.model)
    if index.model_id != server.model_id:
        reason = f"the index holds embeddings of {local}, the collection those of {remote}"
    elif index.metric != server.metric:
        reason = f"the index has the metric {index.metric!r}, the collection {server.metric!r}"
    elif None not in (index.dim, server.dim) and index.dim != server.dim:
        reason = f"the index holds vectors of {index.dim} numbers, the collection of {server.dim}"
    else:
        return
    raise SearchError(f"{reason}: choose another index or collection", target)


def _name(entry: Entry) -> str:
    """Return the path of an entry as it was given; the real path where the given one is that of another file here."""
    return entry.path if real_path(entry.path) == entry.real else entry.real


def _holds(index: VectorIndex, entry: Entry, vector: np.ndarray) -> bool:
    """Return True if a local index has the same vector and stamp of a file."""
    same = [known for known in index.lookup([entry.real]).values() if known.stamp == entry.stamp]
    return bool(same) and bool(np.array_equal(index.vector(entry.real), vector))

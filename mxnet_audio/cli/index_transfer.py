"""``mxnet-audio index push`` and ``pull``: copy an index from a folder to a server, and back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mxnet_audio.cli.options import INDEX, AsJson, IndexDir
from mxnet_audio.cli.output import print_result, show_progress
from mxnet_audio.cli.stored_index import (
    COLLECTION,
    URI_HELP,
    Collection,
    IndexFolder,
    Partition,
    ServerCollection,
    StoredIndex,
)

if TYPE_CHECKING:
    from mxnet_audio.library.index_transfer import TransferReport
    from mxnet_audio.search.milvus import MilvusIndex

__all__ = ["pull", "push"]

Server = Annotated[str, typer.Option("--uri", metavar="URI", help=URI_HELP)]


def push(
    uri: Server,
    collection: Collection = COLLECTION,
    partition: Partition = None,
    index_dir: IndexDir = INDEX,
    as_json: AsJson = False,
) -> None:
    """Copy an index from a folder to a server.

    The vectors are copied, and no sound is read. Files that the collection has already, unchanged, are left out: after
    an interruption, run the same command. A collection of another model is refused.

    \b
    Examples:
      mxnet-audio index push --index songs-index --uri http://localhost:19530 --collection songs
      mxnet-audio index push --index songs-index --uri songs.db
    """
    from mxnet_audio.library.index_transfer import push as copy
    from mxnet_audio.search import VectorIndex

    index = VectorIndex.load(index_dir)
    target = ServerCollection(uri, collection)
    server = target.connect(metric=index.metric)
    report = copy(index, server, partition=partition, progress=show_progress())
    _print_report(report, server, index_dir, target, len(server), as_json)


def pull(
    uri: Server,
    collection: Collection = COLLECTION,
    index_dir: IndexDir = INDEX,
    as_json: AsJson = False,
) -> None:
    """Copy an index from a server to a folder.

    The vectors are copied, and no sound is read; data for --where are not copied. After an interruption, run the same
    command. An index of another model is refused.

    \b
    Example:
      mxnet-audio index pull --uri http://localhost:19530 --collection songs --index songs-index
    """
    from mxnet_audio.library.index_transfer import pull as copy
    from mxnet_audio.search import VectorIndex

    server, folder = ServerCollection(uri, collection).connect(), IndexFolder(index_dir)
    folder.warn_if_among_sounds()
    report = copy(server, index_dir, progress=show_progress())
    _print_report(report, server, index_dir, folder, len(VectorIndex.load(index_dir)), as_json)


def _print_report(
    report: TransferReport, server: MilvusIndex, index_dir: Path, target: StoredIndex, count: int, as_json: bool
) -> None:
    document = {
        "index": index_dir,
        "uri": server.address,
        "collection": server.collection,
        "model_id": server.model_id,
        "model": server.model,
        "copied": report.copied,
        "unchanged": report.unchanged,
        "count": count,
    }
    counts = f"{report.copied} copied, {report.unchanged} unchanged"
    print_result(document, f"{counts}: {target} holds {count} files", as_json)

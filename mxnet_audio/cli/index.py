"""``mxnet-audio index``: add sound files to an index, list and remove them, and follow files that were moved."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from mxnet_audio.cli.cluster_options import ClusterChoice, PartitionSize, Scheduler, Workers, parse_place
from mxnet_audio.cli.files import BulkJob
from mxnet_audio.cli.index_cluster import add_on_cluster
from mxnet_audio.cli.index_transfer import pull, push
from mxnet_audio.cli.options import INDEX, AsJson, Channel, Gpu, IndexDir, StoredNetwork, parse_path
from mxnet_audio.cli.output import print_message, print_result, show_progress
from mxnet_audio.cli.stored_index import (
    COLLECTION,
    Collection,
    EngineName,
    IndexFolder,
    Partition,
    ServerCollection,
    StoredIndex,
    Uri,
    find_index,
)
from mxnet_audio.cli.vector_model import (
    EmbeddingName,
    EncoderChoice,
    EncoderName,
    Revision,
    Source,
    VectorModel,
    complete_choice,
    find_index_model,
    find_vector_model,
    knows_its_model,
)
from mxnet_audio.errors import SearchError

if TYPE_CHECKING:
    from mxnet_audio.library.search import AudioSearch

__all__ = ["index"]


class _AddByDefault(TyperGroup):
    """Group whose command `add` is meant where the first word is none of its commands."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Insert the command."""
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            args = ["add", *args]
        return super().parse_args(ctx, args)


index = typer.Typer(
    cls=_AddByDefault,
    rich_markup_mode=None,
    subcommand_metavar="[add] PATH... | COMMAND [ARGS]...",
    help="""Add sound files to an index; list, remove and relocate them.

    `add` can be left out: `mxnet-audio index songs/` adds a folder. One that is named like a command is written with
    its path, as ./list. `push` and `pull` copy an index to a server and back.

    \b
    Examples:
      mxnet-audio index songs/
      mxnet-audio index add --help                # the options of adding
      mxnet-audio index --prune                   # remove files that are missing on disk
      mxnet-audio index relocate songs/ archive/  # the files were moved
      mxnet-audio index push --uri http://localhost:19530
    """,
)


@index.command()
def add(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            parser=parse_place,
            metavar="PATH",
            help="Sound files, or folders that are searched for them; with --scheduler or --workers also URLs of "
            "object stores.",
        ),
    ] = None,
    index_dir: IndexDir = INDEX,
    prune: Annotated[
        bool,
        typer.Option(
            "--prune",
            help="Remove the files that are missing on disk from the index; none if their disk may not be mounted. "
            "On a server those that are missing on this machine are removed for everybody.",
        ),
    ] = False,
    channel: Channel = "mix",
    engine: EngineName = None,
    uri: Uri = None,
    collection: Collection = COLLECTION,
    partition: Partition = None,
    encoder: EncoderName = None,
    source: Source = None,
    revision: Revision = None,
    embedding: EmbeddingName = None,
    model_dir: VectorModel = None,
    network: StoredNetwork = None,
    gpu: Gpu = None,
    scheduler: Scheduler = None,
    workers: Workers = None,
    partition_size: PartitionSize = None,
    as_json: AsJson = False,
) -> None:
    """Add sound files to a new or an existing index.

    Files that are indexed already and unchanged are not read again: after an interruption, run the same command. An
    existing index is continued with the encoder or the trained model that made it. Several of these commands can add
    to one index at the same time.

    \b
    Examples:
      mxnet-audio index songs/
      mxnet-audio index songs/ --encoder musicnn --index songs-index
      mxnet-audio index calls/ --channel each
      mxnet-audio index --prune
      mxnet-audio index songs/ --engine milvus --uri http://localhost:19530 --collection songs
      mxnet-audio index s3://bucket/songs --engine milvus --uri http://milvus:19530 --scheduler tcp://host:8786
    """
    stored = find_index(index_dir, engine, uri, collection, partition)
    choice = EncoderChoice(encoder, embedding, source, revision)
    cluster = ClusterChoice(scheduler, workers, partition_size)
    is_chosen = any(choice) or model_dir is not None or network is not None
    if not paths:
        if not prune:
            raise typer.BadParameter("name files or folders, or give --prune", param_hint="PATH")
        if is_chosen or gpu is not None or channel != "mix":
            raise typer.BadParameter("without PATH, nothing is computed: leave the other options out")
        _prune(stored, as_json)
        return
    if cluster.check():
        if prune or not isinstance(stored, ServerCollection):
            reason = "needs --engine milvus, which all workers write to, and no --prune"
            raise typer.BadParameter(reason, param_hint="--scheduler or --workers")
        add_on_cluster(cluster, stored, paths, choice, model_dir, network, gpu, channel, as_json)
        return
    if model_dir is None and network is None and knows_its_model(stored):
        choice = complete_choice(choice, stored)
    if not is_chosen and knows_its_model(stored):
        load = find_index_model(stored, choice, None, None, gpu)
    else:
        load = find_vector_model(choice, model_dir, network, gpu)
    job = BulkJob(as_json)
    files = job.find(paths)
    from mxnet_audio.library.search import AudioSearch

    if isinstance(stored, IndexFolder):
        stored.warn_if_among_sounds()
    search = stored.new(AudioSearch, **load())
    report = search.index_many(files, save_dir=stored.save_dir, progress=show_progress(), channel=channel)
    pruned: list[str] = []
    removed = ""
    if prune:
        try:
            count = len(search)
            pruned = search.prune()
            removed = f", {_removed(stored, pruned, count)}"
        except SearchError as error:
            job.skip(error.path or str(stored), error)
        stored.save(search)
    job.done = report.added + report.unchanged
    job.add_skipped(report.skipped)
    document = {
        **stored.fields,
        "model_id": search.index.model_id,
        "model": search.index.model,
        "added": report.added,
        "unchanged": report.unchanged,
        "pruned": pruned,
        "count": len(search),
    }
    counts = f"{report.added} added, {report.unchanged} unchanged{removed}"
    job.finish(document, f"{counts}: {_holding(stored, search)}")


def _prune(stored: StoredIndex, as_json: bool) -> None:
    search = _open(stored)
    count = len(search)
    pruned = search.prune()
    stored.save(search)
    document = {**stored.fields, "pruned": pruned, "count": len(search)}
    print_result(document, f"{_removed(stored, pruned, count)}: {_holding(stored, search)}", as_json)


def _removed(stored: StoredIndex, pruned: list[str], count: int) -> str:
    of_all = f" of {count}" if isinstance(stored, ServerCollection) else ""  # where files of others are removed, too
    return f"{len(pruned)}{of_all} removed"


@index.command("list")
def list_files(
    index_dir: IndexDir = INDEX,
    engine: EngineName = None,
    uri: Uri = None,
    collection: Collection = COLLECTION,
    as_json: AsJson = False,
) -> None:
    """List the files of an index, and say which are missing on disk.

    \b
    Example:
      mxnet-audio index list --index songs-index
    """
    from mxnet_audio.search.entries import is_missing

    stored = find_index(index_dir, engine, uri, collection)
    search = _open(stored)
    files = [{"path": entry.path, "missing": is_missing(entry)} for entry in search.index.entries]
    missing = sum(bool(file["missing"]) for file in files)
    document = {**stored.fields, "model": search.index.model, "files": files, "missing": missing}
    print_result(document, [f"{file['path']}{'  (missing)' if file['missing'] else ''}" for file in files], as_json)
    _report_missing(stored, missing, len(files))


@index.command()
def remove(
    paths: Annotated[
        list[Path],
        typer.Argument(
            parser=parse_path, metavar="PATH", help="Files of the index, or folders of them; they need not exist."
        ),
    ],
    index_dir: IndexDir = INDEX,
    engine: EngineName = None,
    uri: Uri = None,
    collection: Collection = COLLECTION,
    as_json: AsJson = False,
) -> None:
    """Remove files from an index; on disk they stay.

    \b
    Examples:
      mxnet-audio index remove songs/a.mp3
      mxnet-audio index remove songs/jazz --index songs-index
    """
    job = BulkJob(as_json)
    stored = find_index(index_dir, engine, uri, collection)
    search = _open(stored)
    removed: list[str] = []
    known = []
    for path, found in search.index.find(paths).items():
        if found:
            known.append(path)
        else:
            job.skip(path, SearchError("not in the index", path))
    if known:
        removed = search.remove(known)
        stored.save(search)
    job.done = len(removed)
    document = {**stored.fields, "removed": removed, "count": len(search)}
    job.finish(document, f"{len(removed)} removed: {_holding(stored, search)}")


@index.command()
def relocate(
    old: Annotated[Path, typer.Argument(parser=parse_path, metavar="OLD", help="File or folder as it was.")],
    new: Annotated[Path, typer.Argument(parser=parse_path, metavar="NEW", help="Where it is now.")],
    index_dir: IndexDir = INDEX,
    engine: EngineName = None,
    uri: Uri = None,
    collection: Collection = COLLECTION,
    as_json: AsJson = False,
) -> None:
    """Tell an index that a file or a folder was moved.

    The files are not read again.

    \b
    Example:
      mxnet-audio index relocate songs/ /archive/songs/
    """
    from mxnet_audio.search.entries import is_missing

    stored = find_index(index_dir, engine, uri, collection)
    search = _open(stored)
    paths = search.relocate(old, new)
    stored.save(search)
    missing = sum(map(is_missing, search.index.lookup(paths).values()))
    document = {**stored.fields, "relocated": paths, "missing": missing, "count": len(search)}
    print_result(document, f"{len(paths)} relocated: {_holding(stored, search)}", as_json)
    _report_missing(stored, missing, len(paths))


index.command()(push)
index.command()(pull)


def _open(stored: StoredIndex) -> AudioSearch:
    """Return the search of an index; its model is not loaded."""
    from mxnet_audio.library.search import AudioSearch

    return stored.open(AudioSearch)


def _holding(stored: StoredIndex, search: AudioSearch) -> str:
    return f"{stored} holds {len(search)} files"


def _report_missing(stored: StoredIndex, missing: int, count: int) -> None:
    if missing:
        everybody = ", for everybody" if isinstance(stored, ServerCollection) else ""
        print_message(
            f"missing on disk: {missing} of {count} files; `mxnet-audio index --prune{stored.words}` removes them from "
            f"the index{everybody}, `mxnet-audio index relocate OLD NEW{stored.words}` follows a folder that was moved"
        )

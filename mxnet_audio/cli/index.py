"""``mxnet-audio index``: add sound files to an index."""

from __future__ import annotations

from mxnet_audio.cli.files import BulkJob
from mxnet_audio.cli.model import find_model
from mxnet_audio.cli.options import INDEX, MODELS, AnyModel, AsJson, Gpu, IndexDir, Paths, StoredNetwork
from mxnet_audio.cli.output import show_progress

__all__ = ["index"]


def index(
    paths: Paths,
    index_dir: IndexDir = INDEX,
    model_dir: AnyModel = MODELS,
    network: StoredNetwork = None,
    gpu: Gpu = None,
    as_json: AsJson = False,
) -> None:
    """Add sound files to a new or an existing index.

    Files that are indexed already and unchanged are not read again: after an interruption, run the same command.

    \b
    Examples:
      mxnet-audio index songs/
      mxnet-audio index new-songs/ --index songs-index
    """
    load = find_model(model_dir, network, gpu)
    job = BulkJob(as_json)
    files = job.find(paths)
    classifier = load()
    from mxnet_audio.library.search import AudioSearch

    search = AudioSearch(classifier=classifier)
    report = search.index_many(files, save_dir=index_dir, progress=show_progress())
    job.done = report.added + report.unchanged
    job.add_skipped(report.skipped)
    document = {
        "index": index_dir,
        "model_id": classifier.model_id,
        "added": report.added,
        "unchanged": report.unchanged,
        "count": len(search),
    }
    job.finish(document, f"{report.added} added, {report.unchanged} unchanged: {index_dir} holds {len(search)} files")

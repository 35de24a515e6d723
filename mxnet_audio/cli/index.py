"""``mxnet-audio index``: add sound files to an index."""

from __future__ import annotations

from mxnet_audio.cli.files import BulkJob
from mxnet_audio.cli.options import INDEX, AsJson, Gpu, IndexDir, Paths, StoredNetwork
from mxnet_audio.cli.output import show_progress
from mxnet_audio.cli.vector_model import (
    EmbeddingName,
    EncoderName,
    VectorModel,
    find_index_model,
    find_vector_model,
    knows_its_model,
)

__all__ = ["index"]


def index(
    paths: Paths,
    index_dir: IndexDir = INDEX,
    encoder: EncoderName = None,
    embedding: EmbeddingName = None,
    model_dir: VectorModel = None,
    network: StoredNetwork = None,
    gpu: Gpu = None,
    as_json: AsJson = False,
) -> None:
    """Add sound files to a new or an existing index.

    Files that are indexed already and unchanged are not read again: after an interruption, run the same command. An
    existing index is continued with the encoder or the trained model that made it.

    \b
    Examples:
      mxnet-audio index songs/
      mxnet-audio index songs/ --encoder musicnn --index songs-index
      mxnet-audio index new-songs/ --index songs-index
    """
    chosen = encoder, embedding, model_dir, network
    if chosen == (None, None, None, None) and knows_its_model(index_dir):
        load = find_index_model(index_dir, None, None, gpu)
    else:
        load = find_vector_model(*chosen, gpu)
    job = BulkJob(as_json)
    files = job.find(paths)
    from mxnet_audio.library.search import AudioSearch

    search = AudioSearch(**load())
    report = search.index_many(files, save_dir=index_dir, progress=show_progress())
    job.done = report.added + report.unchanged
    job.add_skipped(report.skipped)
    document = {
        "index": index_dir,
        "model_id": search.index.model_id,
        "model": search.index.model,
        "added": report.added,
        "unchanged": report.unchanged,
        "count": len(search),
    }
    job.finish(document, f"{report.added} added, {report.unchanged} unchanged: {index_dir} holds {len(search)} files")

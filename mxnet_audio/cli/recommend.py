"""``mxnet-audio recommend``: recommend sounds similar to those heard."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mxnet_audio.cli.files import BulkJob
from mxnet_audio.cli.options import INDEX, AsJson, Gpu, IndexDir, OneChannel, StoredNetwork, TopK, parse_path
from mxnet_audio.cli.output import print_message
from mxnet_audio.cli.stored_index import COLLECTION, Collection, EngineName, Partition, Uri, Where, find_index
from mxnet_audio.cli.vector_model import (
    EmbeddingName,
    EncoderChoice,
    IndexEncoder,
    IndexModel,
    Revision,
    Source,
    find_index_model,
)
from mxnet_audio.errors import AudioError

__all__ = ["recommend"]


def recommend(
    heard: Annotated[
        list[Path], typer.Argument(parser=parse_path, metavar="HEARD", help="Sound files that were heard.")
    ],
    index_dir: IndexDir = INDEX,
    top_k: TopK = 10,
    limits: Annotated[int | None, typer.Option("-n", "--limits", min=1, hidden=True)] = None,
    channel: OneChannel = "mix",
    engine: EngineName = None,
    uri: Uri = None,
    collection: Collection = COLLECTION,
    partition: Partition = None,
    where: Where = None,
    encoder: IndexEncoder = None,
    source: Source = None,
    revision: Revision = None,
    embedding: EmbeddingName = None,
    model_dir: IndexModel = None,
    network: StoredNetwork = None,
    gpu: Gpu = None,
    as_json: AsJson = False,
) -> None:
    """Recommend indexed sounds similar to those heard.

    The index knows the encoder or the trained model that made it. Files that are missing on disk are left out.

    \b
    Examples:
      mxnet-audio recommend monday.mp3 tuesday.mp3
      mxnet-audio recommend heard/*.mp3 --index songs-index -k 5
      mxnet-audio recommend heard/*.mp3 --engine milvus --uri http://localhost:19530 --collection songs
    """
    choice = EncoderChoice(encoder, embedding, source, revision)
    index = find_index(index_dir, engine, uri, collection, partition, where)
    load = find_index_model(index, choice, model_dir, network, gpu)
    job = BulkJob(as_json)
    files = job.find(heard, must_exist=False)  # of an indexed file, only the vector is needed
    from mxnet_audio.library.recommender import AudioRecommender

    recommender = index.open(AudioRecommender, **load())
    for path in files:
        try:
            recommender.track(path, channel=channel)
            job.done += 1
        except AudioError as error:
            job.skip(path, error)
    found = recommender.recommend(top_k if limits is None else limits, where=where) if job.done else []
    if job.done and not found:
        quality = f" and meets --where {where}" if where else " and exists" if recommender.left_out else ""
        print_message(f"{index} holds no file that was not heard{quality}")
    document = {
        "heard": heard,
        **index.fields,
        "model": recommender.index.model,
        "recommendations": [item._asdict() for item in found],
        "missing": len(recommender.left_out),
    }
    job.finish(document, [f"{score:7.4f}  {path}" for path, score in found])

"""``mxnet-audio search``: find similar sounds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mxnet_audio.cli.files import require_file
from mxnet_audio.cli.options import INDEX, AsJson, Gpu, IndexDir, OneChannel, StoredNetwork, TopK, parse_path
from mxnet_audio.cli.output import print_message, print_result
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

__all__ = ["search"]


def search(
    query: Annotated[Path, typer.Argument(parser=parse_path, metavar="QUERY", help="Sound file.")],
    index_dir: IndexDir = INDEX,
    top_k: TopK = 10,
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
    """Find the indexed sounds most similar to a query file.

    The index knows the encoder or the trained model that made it. Files that are missing on disk are left out.

    \b
    Examples:
      mxnet-audio search hum.wav
      mxnet-audio search hum.wav --index songs-index -k 3 --json
      mxnet-audio search hum.wav --engine milvus --uri http://localhost:19530 --collection songs
    """
    choice = EncoderChoice(encoder, embedding, source, revision)
    index = find_index(index_dir, engine, uri, collection, partition, where)
    load = find_index_model(index, choice, model_dir, network, gpu)
    require_file(query)
    from mxnet_audio.library.search import AudioSearch

    sounds = index.open(AudioSearch, **load())
    found = sounds.query(query, top_k=top_k, channel=channel, where=where)
    if not found:
        quality = f" that meets --where {where}" if where else " that exists" if sounds.left_out else ""
        print_message(f"{index} holds no other file{quality}")
    document = {
        "query": query,
        **index.fields,
        "model": sounds.index.model,
        "neighbours": [item._asdict() for item in found],
        "missing": len(sounds.left_out),
    }
    print_result(document, [f"{distance:7.4f}  {path}" for path, distance in found], as_json)

"""``mxnet-audio search``: find similar sounds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mxnet_audio.cli.files import require_file
from mxnet_audio.cli.options import INDEX, AsJson, Gpu, IndexDir, OneChannel, StoredNetwork, TopK, parse_path
from mxnet_audio.cli.output import print_message, print_result
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
    """
    choice = EncoderChoice(encoder, embedding, source, revision)
    load = find_index_model(index_dir, choice, model_dir, network, gpu)
    require_file(query)
    from mxnet_audio.library.search import AudioSearch

    engine = AudioSearch(**load())
    engine.load(index_dir)
    found = engine.query(query, top_k=top_k, channel=channel)
    if not found:
        print_message(f"{index_dir} holds no other file{' that exists' if engine.left_out else ''}")
    document = {
        "query": query,
        "index": index_dir,
        "model": engine.index.model,
        "neighbours": [item._asdict() for item in found],
        "missing": len(engine.left_out),
    }
    print_result(document, [f"{distance:7.4f}  {path}" for path, distance in found], as_json)

"""``mxnet-audio index``, ``search`` and ``recommend``: sounds that are like a sound."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mxnet_audio.cli.options import INDEX, MODELS, AnyModel, AsJson, Gpu, IndexDir, OneOf, Paths
from mxnet_audio.cli.shell import Bulk, emit, interactive, load_model, note
from mxnet_audio.errors import AudioError

__all__ = ["index", "recommend", "search"]

Query = Annotated[Path, typer.Argument(metavar="QUERY", help="A sound file.")]
Heard = Annotated[list[Path], typer.Argument(metavar="HEARD...", help="Sound files that were heard.")]


def index(
    paths: Paths,
    index_dir: IndexDir = INDEX,
    model_dir: AnyModel = MODELS,
    network: OneOf = None,
    gpu: Gpu = None,
    as_json: AsJson = False,
) -> None:
    """Put sound files into a new or old index.

    Files that are in it already and have not changed are not read again, so that the same command goes on
    after an interruption.

    \b
    Examples:
      mxnet-audio index songs/
      mxnet-audio index new-songs/ --index songs-index
    """
    from mxnet_audio.library.search import AudioSearch

    classifier = load_model(model_dir, network, gpu)
    bulk = Bulk()
    files = bulk.find(paths)
    engine = AudioSearch(classifier=classifier)
    report = engine.index_many(files, save_dir=index_dir, progress=interactive())
    bulk.done = report.added + report.unchanged
    # The library named each when it met it.
    bulk.skipped += [{"path": path, "reason": error.reason} for path, error in report.skipped]
    document = {
        "index": index_dir,
        "model_id": classifier.model_id,
        "added": report.added,
        "unchanged": report.unchanged,
        "count": len(engine),
    }
    text = f"{report.added} added, {report.unchanged} unchanged: {len(engine)} files are in {index_dir}"
    bulk.finish(document if as_json else None, text)


def search(
    query: Query,
    index_dir: IndexDir = INDEX,
    top_k: Annotated[int, typer.Option("-k", "--top-k", min=1, help="How many neighbours.")] = 10,
    model_dir: AnyModel = MODELS,
    network: OneOf = None,
    gpu: Gpu = None,
    as_json: AsJson = False,
) -> None:
    """Find the sounds in an index most like one.

    \b
    Examples:
      mxnet-audio search hum.wav
      mxnet-audio search hum.wav --index songs-index -k 3 --json
    """
    from mxnet_audio.library.search import AudioSearch

    engine = AudioSearch(classifier=load_model(model_dir, network, gpu))
    engine.load(index_dir)
    found = engine.query(query, top_k=top_k)
    if not found:
        note(f"{index_dir} holds no other file")
    document = {"query": query, "index": index_dir, "neighbours": [item._asdict() for item in found]}
    emit(document, _ranked(found), as_json)


def recommend(
    heard: Heard,
    index_dir: IndexDir = INDEX,
    limits: Annotated[int, typer.Option("-n", "--limits", min=1, help="How many recommendations.")] = 10,
    model_dir: AnyModel = MODELS,
    network: OneOf = None,
    gpu: Gpu = None,
    as_json: AsJson = False,
) -> None:
    """Recommend sounds by what was heard.

    \b
    Examples:
      mxnet-audio recommend monday.mp3 tuesday.mp3
      mxnet-audio recommend heard/*.mp3 --index songs-index -n 5
    """
    from mxnet_audio.library.recommender import AudioRecommender

    recommender = AudioRecommender(classifier=load_model(model_dir, network, gpu))
    recommender.load(index_dir)
    bulk = Bulk()
    for path in bulk.find(heard):
        try:
            recommender.track(path)
            bulk.done += 1
        except AudioError as error:
            bulk.skip(path, error)
    found = recommender.recommend(limits=limits) if bulk.done else []
    if bulk.done and not found:
        note(f"{index_dir} holds no file that was not heard")
    document = {"heard": heard, "index": index_dir, "recommendations": [item._asdict() for item in found]}
    bulk.finish(document if as_json else None, _ranked(found))


def _ranked(found: list[tuple[str, float]]) -> str:
    """Lines of distance or score and path."""
    return "\n".join(f"{value:7.4f}  {path}" for path, value in found)

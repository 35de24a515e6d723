"""``mxnet-audio predict`` and ``embed``: what a sound is, and the vector it becomes."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Annotated

import typer

from mxnet_audio.cli.options import AsJson, Gpu, OneOf, OwnOrBoxed, Paths
from mxnet_audio.cli.shell import Bulk, load_model
from mxnet_audio.errors import AudioError

__all__ = ["embed", "predict"]


def predict(
    paths: Paths,
    model_dir: OwnOrBoxed = None,
    network: OneOf = None,
    timeline: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="Label a long file window by window, each of this length."),
    ] = None,
    hop: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="From one window to the next. [default: half the window]"),
    ] = None,
    gpu: Gpu = None,
    as_json: AsJson = False,
) -> None:
    """Label sound files, long ones window by window.

    \b
    Examples:
      mxnet-audio predict clip.wav
      mxnet-audio predict recordings/ --json > labels.json
      mxnet-audio predict night.flac --timeline 5 --hop 2.5
    """
    if hop is not None and timeline is None:
        raise typer.BadParameter("goes with --timeline only", param_hint="--hop")
    for name, value in (("--timeline", timeline), ("--hop", hop)):
        if value is not None and not 0 < value < math.inf:
            raise typer.BadParameter("expected a length above 0", param_hint=name)
    if hop is not None and hop > timeline:
        raise typer.BadParameter("expected at most the window, so that nothing is left out", param_hint="--hop")
    classifier = load_model(model_dir, network, gpu)
    bulk = Bulk()
    files = bulk.find(paths)
    if timeline is None:
        key, results = "predictions", _predictions(classifier, files, bulk)
    else:
        key, results = "timelines", _timelines(classifier, files, bulk, timeline, hop)
    entries = []
    for entry, text in results:
        bulk.done += 1
        if as_json:
            entries.append(entry)
        else:
            typer.echo(text)
    bulk.finish({**_model(classifier), key: entries} if as_json else None)


def embed(
    paths: Paths,
    model_dir: OwnOrBoxed = None,
    network: OneOf = None,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="FILE", dir_okay=False, help="vectors.npz (arrays paths, vectors) or vectors.csv."
        ),
    ] = Path("vectors.npz"),
    gpu: Gpu = None,
    as_json: AsJson = False,
) -> None:
    """Turn sound files into vectors.

    \b
    Examples:
      mxnet-audio embed songs/ --output songs.npz
      mxnet-audio embed a.wav b.wav -o vectors.csv
    """
    writers = {".npz": _write_npz, ".csv": _write_csv}
    if output.suffix.lower() not in writers:
        raise typer.BadParameter(f"expected a name ending in .npz or .csv, not {output}", param_hint="--output")
    if not output.parent.is_dir():  # not found out once all is done
        raise AudioError("no such folder", output.parent)
    classifier = load_model(model_dir, network, gpu)
    bulk = Bulk()
    names, vectors = [], []
    for encoding in classifier.encode_many(bulk.find(paths)):
        if encoding.error is None:
            bulk.done += 1
            names.append(encoding.path)
            vectors.append(encoding.vector)
        else:
            bulk.skip(encoding.path, encoding.error)
    if names:
        writers[output.suffix.lower()](output, names, vectors)
    document = {
        **_model(classifier),
        "output": output if names else None,
        "dim": classifier.embedding_dim,
        "paths": names,
    }
    text = f"{len(names)} vectors of {classifier.embedding_dim} numbers are in {output}"
    bulk.finish(document if as_json else None, text)


def _model(classifier) -> dict:
    return {"model_id": classifier.model_id, "labels": classifier.labels}


def _predictions(classifier, files, bulk):
    """Yield each file's entry for machines, and its line for people."""
    width = max(len(str(label)) for label in classifier.labels)
    for prediction in classifier.predict_many(files):
        if prediction.error is not None:
            bulk.skip(prediction.path, prediction.error)
            continue
        entry = {"path": prediction.path, **_labelled(prediction)}
        yield entry, f"{_in_words(prediction, width)}  {prediction.path}"


def _timelines(classifier, files, bulk, window, hop):
    """Yield the same for each file's windows."""
    width = max(len(str(label)) for label in classifier.labels)
    for path in files:
        try:
            parts = classifier.predict_timeline(path, window, hop)
        except AudioError as error:
            bulk.skip(path, error)
            continue
        entry = {"path": path, "segments": [{"start": p.start, "end": p.end, **_labelled(p)} for p in parts]}
        lines = [f"  {p.start:8.2f} to {p.end:8.2f} s  {_in_words(p, width)}" for p in parts]
        yield entry, "\n".join([path, *lines])


def _in_words(prediction, width: int) -> str:
    return f"{prediction.label!s:<{width}}  {100 * float(max(prediction.probabilities)):5.1f}%"


def _labelled(prediction) -> dict:
    return {
        "label": prediction.label,
        "probability": max(prediction.probabilities),
        "probabilities": prediction.probabilities,
    }


def _write_npz(output: Path, names: list[str], vectors: list) -> None:
    import numpy as np

    from mxnet_audio.atomic import replacing

    with replacing(output) as temporary, temporary.open("wb") as file:
        np.savez(file, paths=np.array(names), vectors=np.stack(vectors))


def _write_csv(output: Path, names: list[str], vectors: list) -> None:
    from mxnet_audio.atomic import replacing

    with replacing(output) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["path", *(f"v{i}" for i in range(len(vectors[0])))])
        # The shortest digits that give the same float32 again.
        rows.writerows([name, *map(str, vector)] for name, vector in zip(names, vectors))

"""``mxnet-audio report``: write an HTML report on a classifier."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mxnet_audio.cli.clips import list_pairs
from mxnet_audio.cli.files import BulkJob, with_channel
from mxnet_audio.cli.model import find_model
from mxnet_audio.cli.options import (
    MODELS,
    AnyModel,
    AsJson,
    Columns,
    Corpus,
    Data,
    Folds,
    Gpu,
    LabelSeparator,
    OneChannel,
    Separator,
    StoredNetwork,
    parse_path,
)
from mxnet_audio.cli.output import show_progress
from mxnet_audio.cli.vector_model import ModelSource

__all__ = ["report"]


def report(
    data: Data,
    model_dir: AnyModel = MODELS,
    network: StoredNetwork = None,
    source: ModelSource = None,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", parser=parse_path, metavar="DIR", help="Folder for the report, report.html."),
    ] = Path("report"),
    corpus: Corpus = None,
    folds: Folds = None,
    columns: Columns = None,
    separator: Separator = None,
    label_separator: LabelSeparator = None,
    channel: OneChannel = "mix",
    gpu: Gpu = None,
    as_json: AsJson = False,
) -> None:
    """Write an HTML report on a classifier.

    The page holds the training curves, the confusion matrix, measures by class, the worst mistakes as spectrograms and
    players, and a map of the embeddings; with several labels a clip, thresholds and average precision by class, and no
    confusion matrix. It is one file and loads nothing from the internet.

    \b
    Examples:
      mxnet-audio report held-out/ --output report/
      mxnet-audio report data/ESC-50 --corpus esc10 --folds 5 --model-dir models/clips
    """
    pairs = list_pairs(data, corpus, folds, columns, separator, label_separator)
    classifier = find_model(model_dir, network, gpu, source)()
    from mxnet_audio.viz.report import write_report

    settings = classifier.model.notes.get("training") if hasattr(classifier, "model") else None
    skipped: list[tuple[str, Exception]] = []
    path = write_report(
        classifier,
        with_channel(pairs, channel),
        output,
        settings=settings,
        progress=show_progress(),
        skipped=skipped,
    )
    job = BulkJob(as_json)
    for name, error in skipped:
        job.skip(name, error)
    job.done = len(pairs) - len(skipped)
    size = path.stat().st_size
    job.finish(
        {"model_dir": model_dir, "model_id": classifier.model_id, "report": path, "bytes": size},
        f"wrote the report to {path} ({size / 1e6:.1f} MB)",
    )

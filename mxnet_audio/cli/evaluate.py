"""``mxnet-audio evaluate``: measure a classifier."""

from __future__ import annotations

from dataclasses import replace

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
)
from mxnet_audio.cli.vector_model import ModelSource

__all__ = ["evaluate"]


def evaluate(
    data: Data,
    model_dir: AnyModel = MODELS,
    network: StoredNetwork = None,
    source: ModelSource = None,
    corpus: Corpus = None,
    folds: Folds = None,
    columns: Columns = None,
    separator: Separator = None,
    label_separator: LabelSeparator = None,
    channel: OneChannel = "mix",
    gpu: Gpu = None,
    as_json: AsJson = False,
) -> None:
    """Measure a classifier on labelled clips.

    The result holds accuracy, precision and recall by class, and the confusion matrix. With several labels a clip, it
    holds average precision, F1 and threshold by class, their means, and the share of clips with all labels right.

    \b
    Examples:
      mxnet-audio evaluate held-out/
      mxnet-audio evaluate test.csv --model-dir models/clips --json
      mxnet-audio evaluate street-test.csv --label-separator '|'
      mxnet-audio evaluate data/ESC-50 --corpus esc10 --folds 5
    """
    pairs = list_pairs(data, corpus, folds, columns, separator, label_separator)
    classifier = find_model(model_dir, network, gpu, source)()
    report = classifier.evaluate(with_channel(pairs, channel))
    job = BulkJob(as_json)
    for path, error in report.skipped:
        job.skip(path, error)
    job.done = report.n_clips
    document = {"model_dir": model_dir, "model_id": classifier.model_id, **report.to_dict()}
    job.finish(document, str(replace(report, skipped=())).split("\n"))

"""``mxnet-audio cross-validate``: train and measure a network on one fold after the other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from mxnet_audio.cli.clips import clip_groups, list_folds
from mxnet_audio.cli.files import BulkJob
from mxnet_audio.cli.options import AsJson, Columns, Corpus, Data, Folds, Gpu, LabelSeparator, Separator, parse_path
from mxnet_audio.cli.output import print_message, show_progress
from mxnet_audio.cli.training_options import (
    Accumulate,
    Adapter,
    BatchSize,
    Embedding,
    Encoder,
    EpochsOrDefault,
    FeatureFile,
    FeatureOptions,
    FineTune,
    Freeze,
    Head,
    InputShape,
    LearningRate,
    NetworkOptions,
    NewNetwork,
    RecipeName,
    RecipeOption,
    Seconds,
    TrainingChoice,
    fit_options,
)
from mxnet_audio.cli.vector_model import EncoderChoice, Revision, Source
from mxnet_audio.errors import AudioError

__all__ = ["cross_validate"]

DEFAULT_FOLDS = 5


def cross_validate(
    data: Data,
    network: NewNetwork = None,
    encoder: Encoder = None,
    source: Source = None,
    revision: Revision = None,
    embedding: Embedding = None,
    head: Head = None,
    fine_tune: FineTune = False,
    freeze: Freeze = None,
    adapter: Adapter = None,
    epochs: EpochsOrDefault = None,
    batch_size: BatchSize = 16,
    accumulate: Accumulate = 1,
    learning_rate: LearningRate = None,
    seconds: Seconds = None,
    input_shape: InputShape = None,
    features: FeatureFile = None,
    corpus: Corpus = None,
    folds: Folds = None,
    columns: Columns = None,
    separator: Separator = None,
    label_separator: LabelSeparator = None,
    k: Annotated[
        int | None,
        typer.Option(
            "--k",
            min=2,
            help=f"Draw this many folds. [default: the folds of DATA; {DEFAULT_FOLDS} if it has none]",
        ),
    ] = None,
    seeds: Annotated[str, typer.Option(metavar="SEED,...", help="Run each fold once with each seed.")] = "42",
    jobs: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Number of parallel runs. [default: one a CPU; 1 on a GPU]")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            parser=parse_path,
            metavar="DIR",
            help="Folder for finished runs, results and a plot. The same command resumes there.",
        ),
    ] = None,
    recipe: RecipeOption = RecipeName.default,
    gpu: Gpu = None,
    as_json: AsJson = False,
) -> None:
    """Measure a network by cross-validation.

    For each fold, train on the others and measure on this one. The folds are those of the corpus, or of the column
    `fold` of a CSV file, or are drawn. Clips of one group (of the corpus, or of the column `group`) stay in one fold.
    The model after the last epoch is measured.

    \b
    Examples:
      mxnet-audio cross-validate songs/ --encoder yamnet
      mxnet-audio cross-validate songs/ --k 5 --epochs 50
      mxnet-audio cross-validate clips.csv --seeds 0,1,2 --output folds/
      mxnet-audio cross-validate data/ESC-50 --corpus esc10 --network resnet_v2 --recipe plain
    """
    try:
        seed_numbers = [int(seed) for seed in seeds.split(",")]
    except ValueError:
        raise typer.BadParameter(f"expected numbers such as 0,1,2, got {seeds!r}", param_hint="--seeds") from None
    choice = EncoderChoice(encoder, embedding, source, revision)
    chosen = NetworkOptions(network, choice, TrainingChoice(head, fine_tune, freeze, adapter))
    feature_options = FeatureOptions(features, seconds, input_shape)
    chosen.check_features(feature_options)
    clips = list_folds(data, corpus, folds, columns, separator, label_separator)
    in_folds = [clip for clip in clips if clip.fold is not None]
    if k is None and not in_folds:
        print_message(f"{data} has no folds: drawing {DEFAULT_FOLDS}")
        k = DEFAULT_FOLDS
    if k is None and len(in_folds) < len(clips):
        print_message(f"left out {len(clips) - len(in_folds)} of {len(clips)} clips, which are in no fold")
        clips = in_folds
    from mxnet_audio.cross_validation.run import cross_validate

    classifier = chosen.classifier(gpu)
    result = cross_validate(
        classifier,
        [(clip.path, clip.label) for clip in clips],
        k or [clip.fold for clip in clips if clip.fold is not None],
        groups=clip_groups(clips),
        seeds=seed_numbers,
        n_jobs=jobs,
        output_dir=output,
        progress=show_progress(),
        epochs=epochs or chosen.epochs,
        batch_size=batch_size,
        feature_config=chosen.config(feature_options, classifier),
        **fit_options(learning_rate, recipe, classifier, accumulate),
    )
    if output is not None:
        result.plot(output / "cross_validation.png")
    job = BulkJob(as_json)
    job.add_skipped((path, AudioError(reason, path)) for path, reason in result.skipped)
    job.done = len(clips) - len(job.skipped)
    table = replace(result, runs=tuple(replace(run, skipped=()) for run in result.runs))  # the log has named them
    job.finish({"output": output, **result.to_dict()}, str(table).split("\n"))

"""``mxnet-audio cross-validate`` and ``report``: how good a network is on clips it never saw, and where it errs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mxnet_audio.cli.options import MODELS, AnyModel, AsJson, Data, Gpu, Network, OneOf
from mxnet_audio.cli.shell import device, emit, interactive, load_model, note
from mxnet_audio.cli.training_options import (
    BatchSize,
    Corpus,
    Epochs,
    FeatureFile,
    Folds,
    InputShape,
    LearningRate,
    RecipeName,
    RecipeOption,
    Seconds,
    ToTrain,
    groups_of,
    list_clips,
    list_pairs,
    own_options,
    wanted_config,
)

__all__ = ["cross_validate", "report"]

K = 5


def cross_validate(
    data: Data,
    network: ToTrain = Network.cifar10,
    epochs: Epochs = 40,
    batch_size: BatchSize = 16,
    learning_rate: LearningRate = None,
    seconds: Seconds = None,
    input_shape: InputShape = None,
    features: FeatureFile = None,
    corpus: Corpus = None,
    folds: Folds = None,
    k: Annotated[
        int | None,
        typer.Option("--k", min=2, help=f"Draw so many folds. [default: those that DATA has; {K} if it has none]"),
    ] = None,
    seeds: Annotated[str, typer.Option(metavar="SEED,...", help="Run each fold once with each of these.")] = "42",
    jobs: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Runs at a time. [default: one a CPU; 1 on a GPU]")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="DIR", help="Keep finished runs, the figures and a picture; go on from there."
        ),
    ] = None,
    recipe: RecipeOption = RecipeName.default,
    gpu: Gpu = None,
    as_json: AsJson = False,
) -> None:
    """Train on all folds but one and measure on that one, for each fold.

    The folds are those of the corpus, or of the column `fold` of a CSV file, or drawn. Clips of one group (of the
    corpus, or of the column `group`) are in one fold. What is measured are the parameters that training ends with.

    \b
    Examples:
      mxnet-audio cross-validate songs/ --k 5 --epochs 50
      mxnet-audio cross-validate clips.csv --seeds 0,1,2 --output folds/
      mxnet-audio cross-validate data/ESC-50 --corpus esc10 --network resnet_v2 --recipe plain
    """
    try:
        numbers = [int(seed) for seed in seeds.split(",")]
    except ValueError:
        raise typer.BadParameter(f"expected numbers such as 0,1,2, not {seeds!r}", param_hint="--seeds") from None
    config = wanted_config(network.value, features, seconds, input_shape)
    clips = list_clips(data, corpus, folds)
    within = [clip for clip in clips if clip.fold is not None]
    if k is None and not within:
        note(f"{data} says no folds: {K} are drawn")
        k = K
    if k is None and len(within) < len(clips):
        note(f"{len(clips) - len(within)} of {len(clips)} clips are in no fold, and left out")
        clips = within
    from mxnet_audio.cross_validation.run import cross_validate
    from mxnet_audio.library import classifiers
    from mxnet_audio.training import complete_config

    result = cross_validate(
        classifiers()[network.value](model_ctx=device(gpu)),
        [clip[:2] for clip in clips],
        k or [clip.fold for clip in clips],
        groups=groups_of(clips),
        seeds=numbers,
        n_jobs=jobs,
        output_dir=output,
        progress=interactive(),
        epochs=epochs,
        batch_size=batch_size,
        feature_config=complete_config([clip.path for clip in clips], config),
        **own_options(learning_rate, recipe),
    )
    if output is not None:
        result.plot(output / "cross_validation.png")
    emit({"output": output, **result.to_dict()}, str(result), as_json)


def report(
    data: Data,
    model_dir: AnyModel = MODELS,
    network: OneOf = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for the page, report.html.")
    ] = Path("report"),
    corpus: Corpus = None,
    folds: Folds = None,
    gpu: Gpu = None,
    as_json: AsJson = False,
) -> None:
    """Write one HTML page on what a classifier gets right and wrong.

    It holds the curves, the confusion matrix, figures by class, the worst mistakes to be seen and heard, and a map of
    the vectors; it needs nothing beside it and no network.

    \b
    Examples:
      mxnet-audio report held-out/ --output report/
      mxnet-audio report data/ESC-50 --corpus esc10 --folds 5 --model-dir models/clips
    """
    pairs, _ = list_pairs(data, corpus, folds)
    classifier = load_model(model_dir, network, gpu)
    from mxnet_audio.viz.report import write_report

    settings = None if model_dir.is_file() else classifier.model.notes.get("training")
    path = write_report(classifier, pairs, output, settings=settings, progress=interactive())
    emit(
        {"model_dir": model_dir, "model_id": classifier.model_id, "report": path, "bytes": path.stat().st_size},
        f"the page is {path} ({path.stat().st_size / 1e6:.1f} MB)",
        as_json,
    )

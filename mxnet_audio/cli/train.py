"""``mxnet-audio train`` and ``evaluate``: from labelled clips to a model, and what it is worth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mxnet_audio.cli.options import MODELS, AnyModel, AsJson, Data, Gpu, ModelDir, Network, OneOf
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
    list_pairs,
    own_options,
    wanted_config,
)

__all__ = ["evaluate", "train"]


def train(
    data: Data,
    model_dir: ModelDir = MODELS,
    network: ToTrain = Network.cifar10,
    epochs: Epochs = 40,
    batch_size: BatchSize = 16,
    learning_rate: LearningRate = None,
    seconds: Seconds = None,
    input_shape: InputShape = None,
    features: FeatureFile = None,
    test_size: Annotated[float, typer.Option(help="Share of the clips to test on; 0 trains on all.")] = 0.2,
    validation: Annotated[
        Path | None, typer.Option(metavar="DATA", help="Clips to test on, instead of a share of DATA.")
    ] = None,
    corpus: Corpus = None,
    folds: Folds = None,
    seed: Annotated[
        int, typer.Option(min=0, max=2**32 - 1, help="Fixes the split, the first weights and the batches.")
    ] = 42,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint.")] = False,
    early_stopping: Annotated[
        int | None,
        typer.Option(min=1, metavar="EPOCHS", help="Stop when the test loss has not improved for so long."),
    ] = None,
    recipe: RecipeOption = RecipeName.default,
    report: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write a page on what was learned here: report.html.")
    ] = None,
    log: Annotated[
        Path | None, typer.Option(metavar="FILE.csv", help="Keep losses and accuracies here, epoch by epoch.")
    ] = None,
    tensorboard: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write them for TensorBoard too; takes tensorboardX.")
    ] = None,
    gpu: Gpu = None,
    as_json: AsJson = False,
) -> None:
    """Train a classifier on your own sounds.

    \b
    Examples:
      mxnet-audio train songs/ --epochs 50
      mxnet-audio train clips.csv --seconds 5 --network resnet_v2 --model-dir models/clips
      mxnet-audio train songs/ --epochs 50 --resume
      mxnet-audio train data/ESC-50 --corpus esc10 --folds 1,2,3,4 --seconds 5
      mxnet-audio train words/ --features fbank.yaml
      mxnet-audio train street/ --network m5 --seconds 4
    """
    config = wanted_config(network.value, features, seconds, input_shape)
    from mxnet_audio.library import classifiers
    from mxnet_audio.training import CsvLog, TensorBoardLog, best_epoch, complete_config

    callbacks = [make(place) for make, place in ((CsvLog, log), (TensorBoardLog, tensorboard)) if place is not None]
    pairs, groups = list_pairs(data, corpus, folds)
    held_out = None if validation is None else list_pairs(validation)[0]
    classifier = classifiers()[network.value](model_ctx=device(gpu))
    history = classifier.fit(
        pairs,
        model_dir,
        batch_size=batch_size,
        epochs=epochs,
        test_size=test_size,
        random_state=seed,
        nb_classes=None,
        checkpoint_interval=1,  # a run that is killed loses one epoch at most
        validation_pairs=held_out,
        groups=groups if held_out is None else None,
        resume=resume,
        early_stopping=early_stopping,
        feature_config=complete_config([path for path, _ in pairs], config),
        progress=interactive(),
        callbacks=callbacks,
        report=report,
        **own_options(learning_rate, recipe),
    )
    skipped = [{"path": str(path), "reason": error.reason} for path, error in classifier.skipped]
    if skipped:  # each was named when it was met
        note(f"{len(skipped)} of {len(pairs) + len(held_out or ())} files were left out")
    last, best = len(history["acc_train"]) - 1, best_epoch(history)
    told = "all clips, none held out"
    if history["acc_test"]:
        told = (
            f"test accuracy {100 * history['acc_test'][last]:.1f}% after the last epoch ({last + 1}), "
            f"{100 * history['acc_test'][best]:.1f}% after the best ({best + 1})"
        )
    emit(
        {
            "model_dir": model_dir,
            "network": network.value,
            "model_id": classifier.model_id,
            "labels": classifier.labels,
            "last": _epoch(history, last),
            "best": _epoch(history, best),
            "history": history,
            "skipped": skipped,
        },
        f"trained {network.value} on {len(classifier.labels)} classes: {told}\nthe model is in {model_dir}",
        as_json,
    )


def evaluate(
    data: Data,
    model_dir: AnyModel = MODELS,
    network: OneOf = None,
    corpus: Corpus = None,
    folds: Folds = None,
    gpu: Gpu = None,
    as_json: AsJson = False,
) -> None:
    """Measure a classifier on labelled clips.

    \b
    Examples:
      mxnet-audio evaluate held-out/
      mxnet-audio evaluate test.csv --model-dir models/clips --json
      mxnet-audio evaluate data/ESC-50 --corpus esc10 --folds 5
    """
    pairs, _ = list_pairs(data, corpus, folds)
    classifier = load_model(model_dir, network, gpu)
    report = classifier.evaluate(pairs)
    emit({"model_dir": model_dir, "model_id": classifier.model_id, **report.to_dict()}, str(report), as_json)


def _epoch(history: dict, epoch: int) -> dict:
    return {"epoch": epoch + 1, **{measure: values[epoch] for measure, values in history.items() if values}}

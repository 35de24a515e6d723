"""``mxnet-audio train`` and ``evaluate``: from labelled clips to a model, and what it is worth."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mxnet_audio.cli.options import MODELS, AsJson, Data, Gpu, ModelDir, Network, OneOf
from mxnet_audio.cli.shell import device, emit, interactive, load_model, note
from mxnet_audio.errors import DatasetError

if TYPE_CHECKING:
    from mxnet_audio.features import AudioFeatureConfig

__all__ = ["evaluate", "train"]

Corpus = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="DATA is this corpus, as `mxnet-audio datasets download` leaves it."),
]
Folds = Annotated[
    str | None,
    typer.Option(metavar="FOLD,...", help="Of the corpus, these official folds only. [default: all]"),
]


def train(
    data: Data,
    model_dir: ModelDir = MODELS,
    network: Annotated[Network, typer.Option(help="The network to train.")] = Network.cifar10,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the training clips.")] = 40,
    batch_size: Annotated[int, typer.Option(min=1, help="Clips in one step.")] = 16,
    learning_rate: Annotated[float, typer.Option(help="Step size of the optimiser.")] = 0.001,
    seconds: Annotated[
        float | None,
        typer.Option(
            help="Length of the input: longer clips are cropped, shorter ones padded. "
            "[default: that of a typical clip, at most 29.12]"
        ),
    ] = None,
    input_shape: Annotated[
        str | None,
        typer.Option(metavar="1,BANDS,FRAMES", help="The input in mel bands and frames, instead of --seconds."),
    ] = None,
    features: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A YAML file that says how sound becomes features, such as a Ludwig preprocessing block. "
            "[default: log-mel]",
        ),
    ] = None,
    test_size: Annotated[float, typer.Option(help="Share of the clips to test on.")] = 0.2,
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
    """
    if seconds is not None and input_shape is not None:
        raise typer.BadParameter("give --seconds or --input-shape, not both", param_hint="--seconds")
    config = _config(features, seconds, input_shape)
    from mxnet_audio.library import classifiers
    from mxnet_audio.training import best_epoch, usual_config

    pairs, groups = _pairs(data, corpus, folds)
    held_out = None if validation is None else _pairs(validation)[0]
    classifier = classifiers()[network.value](model_ctx=device(gpu))
    history = classifier.fit(
        pairs,
        model_dir,
        batch_size=batch_size,
        epochs=epochs,
        test_size=test_size,
        random_state=seed,
        nb_classes=None,
        learning_rate=learning_rate,
        checkpoint_interval=1,  # a run that is killed loses one epoch at most
        validation_pairs=held_out,
        groups=groups if held_out is None else None,
        resume=resume,
        early_stopping=early_stopping,
        feature_config=usual_config([path for path, _ in pairs], config),
        progress=interactive(),
    )
    skipped = [{"path": str(path), "reason": error.reason} for path, error in classifier.skipped]
    if skipped:  # each was named when it was met
        note(f"{len(skipped)} of {len(pairs) + len(held_out or ())} files were left out")
    last, best = len(history["acc_test"]) - 1, best_epoch(history)
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
        f"trained {network.value} on {len(classifier.labels)} classes: test accuracy "
        f"{100 * history['acc_test'][last]:.1f}% after the last epoch ({last + 1}), "
        f"{100 * history['acc_test'][best]:.1f}% after the best ({best + 1})\nthe model is in {model_dir}",
        as_json,
    )


def evaluate(
    data: Data,
    model_dir: ModelDir = MODELS,
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
    pairs, _ = _pairs(data, corpus, folds)
    classifier = load_model(model_dir, network, gpu)
    report = classifier.evaluate(pairs)
    emit({"model_dir": model_dir, "model_id": classifier.model_id, **report.to_dict()}, str(report), as_json)


def _epoch(history: dict, epoch: int) -> dict:
    return {"epoch": epoch + 1, **{measure: values[epoch] for measure, values in history.items()}}


def _pairs(data: Path, corpus: str | None = None, folds: str | None = None) -> tuple[list, list | None]:
    """List (path, label) pairs, and for a named corpus the group of each that is not to be split."""
    if folds is not None and corpus is None:
        raise typer.BadParameter("goes with --corpus only", param_hint="--folds")
    from mxnet_audio import datasets

    if not data.exists():
        raise DatasetError("no such folder or CSV file", data)
    if corpus is None:
        return datasets.folder(data) if data.is_dir() else datasets.csv(data), None
    chosen = datasets.get(corpus)
    wanted = None
    if folds is not None:  # numbers or names, as the corpus has them
        known = {str(fold): fold for fold in chosen.folds}
        wanted = [known.get(fold.strip(), fold.strip()) for fold in folds.split(",")]
    return chosen.pairs(data, wanted), chosen.groups(data, wanted)


def _config(file: Path | None, seconds: float | None, shape: str | None) -> AudioFeatureConfig:
    """What to make of sound, as far as it was said; its length may still be open."""
    from mxnet_audio.features import AudioFeatureConfig
    from mxnet_audio.models import MINIMUM

    config = AudioFeatureConfig() if file is None else AudioFeatureConfig.from_yaml(file)
    if shape is not None:
        if not re.fullmatch(r"1,\d{1,6},\d{1,6}", shape):
            raise typer.BadParameter(f"expected 1,BANDS,FRAMES such as 1,96,1366, not {shape!r}")
        if file is not None:
            raise typer.BadParameter("give --input-shape or --features, not both", param_hint="--input-shape")
        _, bands, frames = map(int, shape.split(","))
        return AudioFeatureConfig(n_mels=bands, n_frames=frames)
    if seconds is None:
        return config
    if not 0 < seconds < 86400:
        raise typer.BadParameter("expected a length above 0 and below a day", param_hint="--seconds")
    if config.time_axis == -2:
        return config.model_copy(update={"audio_file_length_limit_in_s": seconds})
    if (frames := config.frames_in(seconds)) < MINIMUM:
        raise typer.BadParameter(f"the networks need {MINIMUM} frames: a third of a second", param_hint="--seconds")
    return config.model_copy(update={"n_frames": frames})

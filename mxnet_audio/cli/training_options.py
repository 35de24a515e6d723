"""What ``train``, ``cross-validate`` and the commands that measure share: their options, and the clips they mean."""

from __future__ import annotations

import re
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mxnet_audio.cli.options import Network
from mxnet_audio.errors import DatasetError

if TYPE_CHECKING:
    from mxnet_audio.datasets import Clip
    from mxnet_audio.features import AudioFeatureConfig

__all__ = [
    "BatchSize",
    "Corpus",
    "Epochs",
    "FeatureFile",
    "Folds",
    "InputShape",
    "LearningRate",
    "RecipeName",
    "RecipeOption",
    "Seconds",
    "ToTrain",
    "groups_of",
    "list_clips",
    "list_pairs",
    "own_options",
    "wanted_config",
]


class RecipeName(str, Enum):
    """How to train, in one word."""

    default = "default"
    plain = "plain"
    speech = "speech"


ToTrain = Annotated[Network, typer.Option("--network", help="The network to train.")]
Epochs = Annotated[int, typer.Option(min=1, help="Passes over the training clips.")]
BatchSize = Annotated[int, typer.Option(min=1, help="Clips in one step.")]
LearningRate = Annotated[float | None, typer.Option(help="Step size of the optimiser. [default: 0.001; m5: 0.01]")]
Seconds = Annotated[
    float | None,
    typer.Option(
        help="Length of the input: longer clips are cropped, shorter ones padded. "
        "[default: that of a typical clip, at most 29.12; m5: 4]"
    ),
]
InputShape = Annotated[
    str | None,
    typer.Option(
        metavar="1,BANDS,FRAMES",
        help="The input in mel bands and frames, or for m5 1,1,SAMPLES at 8 kHz, instead of --seconds.",
    ),
]
FeatureFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="A YAML file that says how sound becomes features, such as a Ludwig preprocessing block. "
        "[default: log-mel; m5: samples at 8 kHz]",
    ),
]
RecipeOption = Annotated[
    RecipeName,
    typer.Option("--recipe", help="The network's own, the bare loop (Adam, constant rate), or one for spoken words."),
]
Corpus = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="DATA is this corpus, as `mxnet-audio datasets download` leaves it."),
]
Folds = Annotated[
    str | None,
    typer.Option(
        metavar="FOLD,...",
        help="Of the corpus, or of a CSV file with a column fold, these only. [default: all]",
    ),
]


def own_options(learning_rate: float | None, recipe: RecipeName) -> dict:
    """What `fit` is told only where it was asked for: networks have defaults of their own."""
    asked = {} if learning_rate is None else {"learning_rate": learning_rate}
    return asked if recipe is RecipeName.default else {**asked, "recipe": recipe.value}


def list_pairs(data: Path, corpus: str | None = None, folds: str | None = None) -> tuple[list, list | None]:
    """List (path, label) pairs, and the group of each that is not to be split, if there are groups."""
    clips = list_clips(data, corpus, folds)
    return [clip[:2] for clip in clips], groups_of(clips)


def groups_of(clips: list[Clip]) -> list[str] | None:
    """The group of each clip; None if each is one by itself."""
    return [clip.group for clip in clips] if any(clip.group != clip.path for clip in clips) else None


def list_clips(data: Path, corpus: str | None = None, folds: str | None = None) -> list[Clip]:
    """List the clips of a folder, a table or a named corpus, of these folds only."""
    if folds is not None and corpus is None and not data.is_file():
        raise typer.BadParameter("goes with --corpus, or with a CSV file that has them", param_hint="--folds")
    from mxnet_audio import datasets

    if not data.exists():
        raise DatasetError("no such folder or CSV file", data)
    asked = None if folds is None else [fold.strip() for fold in folds.split(",")]
    if corpus is not None:
        chosen = datasets.get(corpus)
        known = {str(fold): fold for fold in chosen.folds}  # numbers or names, as the corpus has them
        return chosen.clips(data, asked and [known.get(fold, fold) for fold in asked])
    clips = datasets.clips(data)
    if asked is None:
        return clips
    if absent := set(asked) - {clip.fold for clip in clips}:
        raise DatasetError(f"no clip is in fold {min(absent)!r}: the column fold says in which each is", data)
    return [clip for clip in clips if clip.fold in asked]


def wanted_config(network: str, file: Path | None, seconds: float | None, shape: str | None) -> AudioFeatureConfig:
    """What to make of sound, as far as it was said; its length may still be open."""
    if seconds is not None and shape is not None:
        raise typer.BadParameter("give --seconds or --input-shape, not both", param_hint="--seconds")
    from mxnet_audio.features import AudioFeatureConfig
    from mxnet_audio.library.trained_model import features_for_shape
    from mxnet_audio.models import MINIMUM, default_features

    config = default_features(network) if file is None else AudioFeatureConfig.from_yaml(file)
    if shape is not None:
        if not re.fullmatch(r"1,\d{1,6},\d{1,6}", shape):
            raise typer.BadParameter(f"expected 1,BANDS,FRAMES such as 1,96,1366, not {shape!r}")
        if file is not None:
            raise typer.BadParameter("give --input-shape or --features, not both", param_hint="--input-shape")
        return features_for_shape(network, tuple(map(int, shape.split(","))))
    if seconds is None:
        return config
    if not 0 < seconds < 86400:
        raise typer.BadParameter("expected a length above 0 and below a day", param_hint="--seconds")
    if config.time_axis == -2:
        return config.model_copy(update={"audio_file_length_limit_in_s": seconds})
    if (frames := config.frames_in(seconds)) < MINIMUM:
        raise typer.BadParameter(f"the networks need {MINIMUM} frames: a third of a second", param_hint="--seconds")
    return config.model_copy(update={"n_frames": frames})

"""Options of ``train`` and ``cross-validate``."""

from __future__ import annotations

import re
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mxnet_audio.checks import real_number
from mxnet_audio.cli.options import Network

if TYPE_CHECKING:
    from mxnet_audio.features import AudioFeatureConfig

__all__ = [
    "BatchSize",
    "Epochs",
    "FeatureFile",
    "FeatureOptions",
    "InputShape",
    "LearningRate",
    "NewNetwork",
    "RecipeName",
    "RecipeOption",
    "Seconds",
    "fit_options",
]


class RecipeName(str, Enum):
    """Training recipes by name."""

    default = "default"
    plain = "plain"
    speech = "speech"


NewNetwork = Annotated[Network, typer.Option("--network", help="Network to train.")]
Epochs = Annotated[int, typer.Option(min=1, help="Number of passes over the training clips.")]
BatchSize = Annotated[int, typer.Option(min=1, help="Number of clips in a batch.")]
LearningRate = Annotated[
    float | None,
    typer.Option(
        help="Learning rate of the optimizer. [default: 0.001; m5: 0.01]",
        callback=lambda value: None if value is None else real_number("learning_rate", value, above=0),
    ),
]
Seconds = Annotated[
    float | None,
    typer.Option(
        help="Length of the input: longer clips are cropped, shorter ones padded. "
        "[default: length of a typical clip, at most 29.12; m5: 4]"
    ),
]
InputShape = Annotated[
    str | None,
    typer.Option(
        metavar="1,BANDS,FRAMES",
        help="Shape of the input in mel bands and frames, or for m5 1,1,SAMPLES at 8 kHz, instead of --seconds.",
    ),
]
FeatureFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="YAML file of the feature configuration, such as a Ludwig preprocessing block. "
        "[default: log-mel; m5: samples at 8 kHz]",
    ),
]
RecipeOption = Annotated[
    RecipeName,
    typer.Option(
        "--recipe",
        help="Training recipe: the network's own, plain (Adam, constant learning rate), or speech for spoken words.",
    ),
]


def fit_options(learning_rate: float | None, recipe: RecipeName) -> dict[str, Any]:
    """Return the arguments of `fit` that were given; each network has its own defaults for the others."""
    given: dict[str, Any] = {} if learning_rate is None else {"learning_rate": learning_rate}
    return given if recipe is RecipeName.default else {**given, "recipe": recipe.value}


class FeatureOptions:
    """The options ``--features``, ``--seconds`` and ``--input-shape``, checked without importing MXNet.

    Parameters
    ----------
    file : Path or None
        YAML file of the feature configuration.
    seconds : float or None
        Length of the input.
    input_shape : str or None
        Shape of the input.

    Raises
    ------
    typer.BadParameter
        If an option is out of range, or two of them contradict each other.
    FeatureError
        If the file cannot be read or is no feature configuration.
    """

    def __init__(self, file: Path | None, seconds: float | None, input_shape: str | None):
        if seconds is not None and input_shape is not None:
            raise typer.BadParameter("give --seconds or --input-shape, not both", param_hint="--seconds")
        if input_shape is not None and not re.fullmatch(r"1,\d{1,6},\d{1,6}", input_shape):
            reason = f"expected 1,BANDS,FRAMES such as 1,96,1366, got {input_shape!r}"
            raise typer.BadParameter(reason, param_hint="--input-shape")
        if input_shape is not None and file is not None:
            raise typer.BadParameter("give --input-shape or --features, not both", param_hint="--input-shape")
        if seconds is not None and not 0 < seconds < 86400:
            raise typer.BadParameter(
                f"must be above 0 and below a day (86400), got {seconds:g}", param_hint="--seconds"
            )
        self._file_config: AudioFeatureConfig | None = None
        if file is not None:
            from mxnet_audio.features import AudioFeatureConfig

            self._file_config = AudioFeatureConfig.from_yaml(file)
        self._seconds, self._input_shape = seconds, input_shape

    def config(self, network: str) -> AudioFeatureConfig:
        """Return the feature configuration for a network; its length is open if no option sets it."""
        from mxnet_audio.library.inputs import features_for_shape
        from mxnet_audio.models import MIN_INPUT_SIZE, default_features

        if self._input_shape is not None:
            channels, bands, frames = map(int, self._input_shape.split(","))
            return features_for_shape(network, (channels, bands, frames))
        config = self._file_config or default_features(network)
        if self._seconds is None:
            return config
        if config.time_axis == -2:
            return config.model_copy(update={"audio_file_length_limit_in_s": self._seconds})
        frames = config.frames_in(self._seconds)
        if frames < MIN_INPUT_SIZE:
            reason = f"{self._seconds:g} s are {frames} frames; the networks need {MIN_INPUT_SIZE}, a third of a second"
            raise typer.BadParameter(reason, param_hint="--seconds")
        return config.model_copy(update={"n_frames": frames})

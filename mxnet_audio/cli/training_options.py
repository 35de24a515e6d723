"""Options of ``train`` and ``cross-validate``."""

from __future__ import annotations

import re
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mxnet_audio.checks import real_number
from mxnet_audio.cli.options import Network, parse_path

if TYPE_CHECKING:
    from mxnet_audio.features import AudioFeatureConfig
    from mxnet_audio.library.classifier import AudioClassifier

__all__ = [
    "BatchSize",
    "Embedding",
    "Encoder",
    "Epochs",
    "EpochsOrDefault",
    "FeatureFile",
    "FeatureOptions",
    "FineTune",
    "Head",
    "HeadName",
    "InputShape",
    "LearningRate",
    "NetworkOptions",
    "NewNetwork",
    "RecipeName",
    "RecipeOption",
    "Seconds",
    "fit_options",
]


AT_HAND = "yamnet"  # encoder that `train` recommends


class RecipeName(str, Enum):
    """Training recipes by name."""

    default = "default"
    plain = "plain"
    speech = "speech"


class HeadName(str, Enum):
    """Last layers on a pretrained encoder by name."""

    linear = "linear"
    mlp = "mlp"


NewNetwork = Annotated[
    Network | None, typer.Option("--network", help="Network to train from scratch. [default: cifar10]")
]
Encoder = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Train a last layer on this pretrained encoder instead, in seconds and on few clips: a name that "
        "`mxnet-audio models list` prints.",
    ),
]
Head = Annotated[
    HeadName | None,
    typer.Option(help="Last layer on the encoder: logistic regression, or a small network. [default: linear]"),
]
Embedding = Annotated[
    str | None, typer.Option(metavar="NAME", help="Embedding of the encoder. [default: the best one for classes]")
]
FineTune = Annotated[bool, typer.Option("--fine-tune", help="Train the whole encoder after its last layer.")]
Epochs = Annotated[int, typer.Option(min=1, help="Number of passes over the training clips.")]
EpochsOrDefault = Annotated[
    int | None,
    typer.Option(
        "--epochs", min=1, help="Number of passes over the training clips. [default: 40; with --fine-tune 10]"
    ),
]
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
        parser=parse_path,
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


class NetworkOptions:
    """The options ``--network``, ``--encoder``, ``--head``, ``--embedding`` and ``--fine-tune``.

    They are checked without importing MXNet.

    Parameters
    ----------
    network : Network or None
    encoder : str or None
    head : HeadName or None
    embedding : str or None
    fine_tune : bool

    Raises
    ------
    typer.BadParameter
        If options contradict each other.
    ParameterError
        If there is no such encoder or embedding.

    Attributes
    ----------
    network : str
        Name of the network.
    name : str
        Name of the encoder or, without one, of the network.
    """

    def __init__(
        self,
        network: Network | None,
        encoder: str | None,
        head: HeadName | None,
        embedding: str | None,
        fine_tune: bool,
    ):
        self.network = self.name = (network or Network.cifar10).value
        self._encoder, self._head, self._embedding, self._fine_tune = encoder, head, embedding, fine_tune
        if encoder is None:
            for option, value in (("--head", head), ("--embedding", embedding), ("--fine-tune", fine_tune)):
                if value:
                    raise typer.BadParameter("needs --encoder", param_hint=option)
            return
        if network is not None:
            raise typer.BadParameter("give --encoder or --network, not both", param_hint="--encoder")
        from mxnet_audio import weights
        from mxnet_audio.checks import one_of

        record = weights.record(encoder)
        self.network, self.name = record.network, encoder
        if embedding is not None:
            one_of(f"embedding of {encoder}", embedding, tuple(record.embeddings))

    @property
    def epochs(self) -> int:
        """Default number of epochs."""
        return 10 if self._fine_tune else 40

    def check_features(self, features: FeatureOptions) -> None:
        """Raise BadParameter if features are given for an encoder that is not trained as a whole."""
        if self._encoder is not None and not self._fine_tune and features.are_given:
            reason = "not with --encoder, which fixes the features and hears all of a clip, unless you --fine-tune"
            raise typer.BadParameter(reason, param_hint="--seconds, --input-shape, --features")

    def config(self, features: FeatureOptions) -> AudioFeatureConfig | None:
        """Return the features to train with; None for those of an encoder."""
        return features.config(self.network) if self._encoder is None or features.are_given else None

    def classifier(self, gpu: int | None) -> AudioClassifier:
        """Return the classifier to train."""
        from mxnet_audio.cli.model import device

        if self._encoder is None:
            from mxnet_audio.library import classifiers

            return classifiers()[self.network](model_ctx=device(gpu))
        from mxnet_audio.library.pretrained import PretrainedAudioClassifier

        return PretrainedAudioClassifier(
            self._encoder,
            (self._head or HeadName.linear).value,
            embedding=self._embedding,
            trainable=self._fine_tune,
            model_ctx=device(gpu),
        )

    def hint(self) -> str | None:
        """Return the line that names an encoder at hand; None if one is used, or there is none."""
        from mxnet_audio import weights

        if self._encoder is not None or not weights.available(AT_HAND):
            return None
        return f"the pretrained encoder {AT_HAND} is at hand: --encoder {AT_HAND} needs fewer clips, and seconds"


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

    @property
    def are_given(self) -> bool:
        """True if an option sets the features or their length."""
        return any(option is not None for option in (self._file_config, self._seconds, self._input_shape))

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

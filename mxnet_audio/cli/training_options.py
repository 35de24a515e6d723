"""Options of ``train`` and ``cross-validate``."""

from __future__ import annotations

import dataclasses
import re
import sys
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from mxnet_audio.checks import real_number
from mxnet_audio.cli.options import Network, parse_path
from mxnet_audio.cli.vector_model import EncoderChoice

if TYPE_CHECKING:
    from mxnet_audio.features import AudioFeatureConfig
    from mxnet_audio.library.classifier import AudioClassifier

__all__ = [
    "Accumulate",
    "Adapter",
    "BatchSize",
    "Embedding",
    "Encoder",
    "Epochs",
    "EpochsOrDefault",
    "FeatureFile",
    "FeatureOptions",
    "FineTune",
    "Freeze",
    "Head",
    "HeadName",
    "InputShape",
    "LearningRate",
    "NetworkOptions",
    "NewNetwork",
    "RecipeName",
    "RecipeOption",
    "Seconds",
    "SeveralWorkers",
    "TrainingChoice",
    "TrainingKvstore",
    "TrainingScheduler",
    "TrainingWorkers",
    "WithoutWeights",
    "fit_options",
]


AT_HAND = "yamnet"  # encoder that `train` recommends


class RecipeName(str, Enum):
    """Training recipes by name."""

    default = "default"
    plain = "plain"
    speech = "speech"


class KvstoreName(str, Enum):
    """MXNet's kvstores for several machines."""

    dist_sync = "dist_sync"


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
        help="Pretrained encoder, such as yamnet for any sound or wav2vec2 for speech, to train a last layer on "
        "instead: in seconds, with few clips. `mxnet-audio models list` prints all names.",
    ),
]
Head = Annotated[
    HeadName | None,
    typer.Option(help="Last layer on the encoder: logistic regression, or a small network. [default: linear]"),
]
Embedding = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Embedding of the encoder; of speech encoders a reduction over time, or a layer and a reduction, such as "
        "6:mean, or weighted:mean for a learned sum of all layers. [default: the best one for classes]",
    ),
]
FineTune = Annotated[bool, typer.Option("--fine-tune", help="Train the encoder itself, too, not its last layer alone.")]
Freeze = Annotated[
    str | None,
    typer.Option(
        metavar="N|NAME,...",
        help="With --fine-tune, keep the first N layers of the encoder unchanged, or those of these names. [default: "
        "the convolutions of wav2vec2, hubert and wavlm]",
    ),
]
Adapter = Annotated[
    str | None,
    typer.Option(
        metavar="lora|rank=R,alpha=A",
        help="Train small matrices beside the layers of the encoder (LoRA), too, not these layers: lora, or "
        "settings such as rank=4,alpha=8,dropout=0.1. [default of lora: rank=8,alpha=16,dropout=0]",
    ),
]
WithoutWeights = Annotated[
    bool,
    typer.Option(
        "--without-weights",
        help="Save only what was trained, in a small file. The weights of the encoder are loaded from its --source "
        "each time that the model is loaded.",
    ),
]
Epochs = Annotated[int, typer.Option(min=1, help="Number of passes over the training clips.")]
EpochsOrDefault = Annotated[
    int | None,
    typer.Option(
        "--epochs",
        min=1,
        help="Number of passes over the training clips. [default: 40; with --fine-tune, --adapter or a weighted "
        "--embedding 10]",
    ),
]
BatchSize = Annotated[int, typer.Option(min=1, help="Number of clips in a batch.")]
Accumulate = Annotated[
    int,
    typer.Option(
        min=1, help="Number of batches that make one step, as one large batch would that does not fit into memory."
    ),
]
LearningRate = Annotated[
    float | None,
    typer.Option(
        help="Learning rate of the optimizer; with --fine-tune, the layers of the encoder have a tenth of it, or less. "
        "[default: 0.001; m5: 0.01]",
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
TrainingKvstore = Annotated[
    KvstoreName | None,
    typer.Option(
        "--kvstore",
        help="Train with several workers, each on --batch-size clips in a step: those of --workers or --scheduler, or "
        "those that the DMLC_ environment variables of MXNet describe.",
    ),
]
TrainingWorkers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=1,
        metavar="N",
        help="With --kvstore, number of workers: processes of this machine, or, with --scheduler, one on each Dask "
        "worker. [default with --scheduler: as many as it has]",
    ),
]
TrainingScheduler = Annotated[
    str | None,
    typer.Option("--scheduler", metavar="ADDRESS", help="With --kvstore, train on the workers of this Dask scheduler."),
]
RecipeOption = Annotated[
    RecipeName,
    typer.Option(
        "--recipe",
        help="Training recipe: the network's own, plain (Adam, constant learning rate), or speech for spoken words.",
    ),
]


def fit_options(
    learning_rate: float | None, recipe: RecipeName, classifier: AudioClassifier, accumulate: int
) -> dict[str, Any]:
    """Return the arguments of `fit` that were given; each network has its own defaults for the others."""
    given: dict[str, Any] = {} if learning_rate is None else {"learning_rate": learning_rate}
    if accumulate > 1:
        from mxnet_audio.training import get_recipe

        chosen = get_recipe(recipe.value, classifier.recipe)
        return {**given, "recipe": dataclasses.replace(chosen, accumulate=accumulate)}
    return given if recipe is RecipeName.default else {**given, "recipe": recipe.value}


class SeveralWorkers:
    """The options that train with several workers.

    Parameters
    ----------
    kvstore : KvstoreName or None
    workers : int or None
    scheduler : str or None
    gpu : int or None
        Number of the GPU, which workers of one machine would share.

    Raises
    ------
    typer.BadParameter
        If one is given without another that it needs.
    ParameterError
        If neither they nor the environment say which workers there are.
    SystemExit
        In a server or scheduler, after it has served.
    """

    def __init__(self, kvstore: KvstoreName | None, workers: int | None, scheduler: str | None, gpu: int | None):
        self._workers, self._scheduler = workers, scheduler
        self.kvstore = None if kvstore is None else kvstore.value
        for name, value in (("--workers", workers), ("--scheduler", scheduler)):
            if value is not None and kvstore is None:
                raise typer.BadParameter("needs --kvstore dist_sync", param_hint=name)
        if gpu is not None and scheduler is None and (workers or 1) > 1:
            mend = "start each worker yourself, with a GPU of its own (DMLC_ROLE and the other variables)"
            raise typer.BadParameter(
                f"the {workers} workers of this machine would share one GPU: {mend}", param_hint="--gpu"
            )
        if kvstore is not None and not self.are_to_start:
            from mxnet_audio.training import check_kvstore

            check_kvstore(self.kvstore)

    @property
    def are_to_start(self) -> bool:
        """True if this process starts the workers, and is none itself."""
        return self._workers is not None or self._scheduler is not None

    def train(self) -> int:
        """Train with the command line of this process, and return the exit code."""
        arguments = _without_options(sys.argv[1:], ("--workers", "--scheduler"))
        if self._scheduler is not None:
            from mxnet_audio.cluster import connect, train_on_cluster

            with connect(self._scheduler) as client:
                return train_on_cluster(arguments, client, self._workers, folder=Path.cwd())
        from mxnet_audio.processes.launch import train_locally

        assert self._workers is not None
        return train_locally(arguments, self._workers)


def _without_options(arguments: Sequence[str], names: Sequence[str]) -> list[str]:
    """Return a command line without options that have a value.

    Examples
    --------
    >>> _without_options(["train", "a", "--workers", "2", "--scheduler=tcp://b:1"], ["--workers", "--scheduler"])
    ['train', 'a']
    """
    kept: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        if argument in names:
            next(rest, None)
        elif argument.partition("=")[0] not in names:
            kept.append(argument)
    return kept


class TrainingChoice(NamedTuple):
    """Options that choose how a pretrained encoder is trained."""

    head: HeadName | None = None
    fine_tune: bool = False
    freeze: str | None = None
    adapter: str | None = None
    without_weights: bool = False

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of `PretrainedAudioClassifier`.

        Raises
        ------
        typer.BadParameter
            If a text is of another form.
        """
        return {
            "head": (self.head or HeadName.linear).value,
            "trainable": self.fine_tune,
            "freeze": self._layers(),
            "adapter": self._settings(),
            "saved_weights_in_checkpoint": not self.without_weights,
        }

    def _layers(self) -> int | list[str] | None:
        if self.freeze is None:
            return None
        if re.fullmatch("[0-9]{1,3}", self.freeze):
            return int(self.freeze)
        names = self.freeze.split(",")
        if not all(re.fullmatch(r"[a-z]\w*(\.\w+)*", name) for name in names):
            raise typer.BadParameter(f"expected a number, or names such as body.layers.0, got {self.freeze!r}")
        return names

    def _settings(self) -> dict[str, float] | str | None:
        if self.adapter is None or self.adapter == "lora":
            return self.adapter
        settings: dict[str, float] = {}
        for item in self.adapter.split(","):
            found = re.fullmatch(r"(rank|alpha|dropout)=(\d{1,6}(?:\.\d{1,6})?)", item, re.ASCII)
            if found is None:
                reason = f"expected lora, or settings such as rank=8,alpha=16,dropout=0.1, got {self.adapter!r}"
                raise typer.BadParameter(reason, param_hint="--adapter")
            name, value = found.groups()
            settings[name] = int(value) if name == "rank" and value.isdigit() else float(value)
        return settings


class NetworkOptions:
    """The options that choose a network, or a pretrained encoder and how it is trained.

    They are checked without importing MXNet.

    Parameters
    ----------
    network : Network or None
    encoder : EncoderChoice
    training : TrainingChoice

    Raises
    ------
    typer.BadParameter
        If options contradict each other.
    ModelError
        If the source of the encoder is a folder without its weights.
    ParameterError
        If there is no such encoder or embedding.

    Attributes
    ----------
    network : str
        Name of the network.
    name : str
        Name of the encoder or, without one, of the network.
    """

    def __init__(self, network: Network | None, encoder: EncoderChoice, training: TrainingChoice):
        self.network = self.name = (network or Network.cifar10).value
        self._encoder, self._training, self._arguments = encoder, training, training.arguments()
        if encoder.name is None:
            encoder.check()
            for name, value in training._asdict().items():
                if value:
                    raise typer.BadParameter("needs --encoder", param_hint=f"--{name.replace('_', '-')}")
            return
        if network is not None:
            raise typer.BadParameter("give --encoder or --network, not both", param_hint="--encoder")
        from mxnet_audio import weights

        self.network, self.name = weights.record(encoder.name).network, encoder.name
        encoder.check()
        if training.adapter is not None and (training.fine_tune or training.freeze is not None):
            other = "--fine-tune" if training.fine_tune else "--freeze"
            reason = f"give --adapter or {other}, not both: adapters are trained in place of all layers"
            raise typer.BadParameter(reason, param_hint="--adapter")
        if training.freeze is not None and not training.fine_tune:
            raise typer.BadParameter("needs --fine-tune", param_hint="--freeze")

    @property
    def takes_steps(self) -> bool:
        """True if there is more to train than the last layer of an encoder."""
        return self._encoder.name is None or self._trains_network

    @property
    def _trains_network(self) -> bool:
        """True if more than the last layer of an encoder is trained."""
        is_sum = (self._encoder.embedding or "").startswith("weighted:")
        return self._training.fine_tune or self._training.adapter is not None or is_sum

    @property
    def epochs(self) -> int:
        """Default number of epochs."""
        return 10 if self._trains_network else 40

    def check_features(self, features: FeatureOptions) -> None:
        """Raise BadParameter if features are given for an encoder that is not trained as a whole."""
        if self._encoder.name is not None and not self._trains_network and features.are_given:
            reason = "not with --encoder, which fixes the features and takes all of a clip, unless you --fine-tune"
            raise typer.BadParameter(reason, param_hint="--seconds, --input-shape, --features")

    def config(self, features: FeatureOptions, classifier: AudioClassifier) -> AudioFeatureConfig | None:
        """Return the features to train with; None for those of an encoder."""
        if self._encoder.name is not None and not features.are_given:
            return None
        return features.config(self.network, classifier.published_features)

    def classifier(self, gpu: int | None) -> AudioClassifier:
        """Return the classifier to train."""
        from mxnet_audio.cli.model import device

        encoder = self._encoder
        if encoder.name is None:
            from mxnet_audio.library import classifiers

            return classifiers()[self.network](model_ctx=device(gpu))
        from mxnet_audio.library.pretrained import PretrainedAudioClassifier

        return PretrainedAudioClassifier(
            encoder.name,
            embedding=encoder.embedding,
            source=encoder.source,
            revision=encoder.revision,
            **self._arguments,
            model_ctx=device(gpu),
        )

    def hint(self) -> str | None:
        """Return the line that names an encoder at hand; None if one is used, or there is none."""
        from mxnet_audio import weights

        if self._encoder.name is not None or not weights.available(AT_HAND):
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

    def config(self, network: str, published: AudioFeatureConfig | None) -> AudioFeatureConfig:
        """Return the feature configuration for a network, or its published weights.

        Its length is open, or that of the weights, if no option sets it.
        """
        from mxnet_audio.library.inputs import features_for_shape
        from mxnet_audio.models import MIN_INPUT_SIZE, default_features

        if self._input_shape is not None:
            channels, bands, frames = map(int, self._input_shape.split(","))
            return features_for_shape(network, (channels, bands, frames), published)
        config = self._file_config or published or default_features(network)
        if self._seconds is None:
            return config
        if config.time_axis == -2:
            return config.model_copy(update={"audio_file_length_limit_in_s": self._seconds})
        frames = config.frames_in(self._seconds)
        if frames < MIN_INPUT_SIZE:
            reason = f"{self._seconds:g} s are {frames} frames; the networks need {MIN_INPUT_SIZE}, a third of a second"
            raise typer.BadParameter(reason, param_hint="--seconds")
        return config.model_copy(update={"n_frames": frames})

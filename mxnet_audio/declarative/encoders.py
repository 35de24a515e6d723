"""Encoders of sound in a configuration: Ludwig's sequence encoders, and pretrained ones."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, TypeAlias, get_args

from pydantic import Field, model_validator

from mxnet_audio.declarative.layers import (
    Activation,
    ConvKeys,
    ConvLayers,
    FcLayers,
    Initializer,
    LayerKeys,
    LayerLists,
    StrideKeys,
)
from mxnet_audio.declarative.pretrained_encoders import (
    Ast,
    FrozenEncoder,
    Hubert,
    PretrainedEncoder,
    PublishedEncoder,
    Wav2Vec2,
    WavLm,
    Whisper,
)
from mxnet_audio.declarative.section import (
    Dropout,
    Dropped,
    Layers,
    Refused,
    Section,
    Size,
    TypeChoice,
    Unsupported,
    problem,
    refuse_values,
)

__all__ = [
    "ENCODERS",
    "PRETRAINED_TYPES",
    "SEQUENCE_TYPES",
    "AudioEncoder",
    "CnnRnn",
    "ParallelCnn",
    "Passthrough",
    "PretrainedEncoder",
    "Rnn",
    "SequenceEncoder",
    "StackedCnn",
    "StackedParallelCnn",
    "Transformer",
]

_EMBEDDINGS = Dropped("sounds are vectors already, and nothing is embedded")
_NO_SKIP = Refused("use type: passthrough", (False,))
Reduction: TypeAlias = Literal["sum", "mean", "avg", "max", "concat", "last"] | None


class SequenceEncoder(Section):
    """Encoder of a sequence of vectors, such as the frames of a spectrum."""

    UNSUPPORTED: ClassVar[Unsupported] = {
        "skip": _NO_SKIP,
        "adapter": Refused("only pretrained encoders have adapters", (None,)),
        "max_sequence_length": Dropped("it follows from preprocessing.audio_file_length_limit_in_s"),
        "vocab": _EMBEDDINGS,
        "representation": _EMBEDDINGS,
        "should_embed": _EMBEDDINGS,
        "embedding_size": _EMBEDDINGS,
        "embeddings_on_cpu": _EMBEDDINGS,
        "embeddings_trainable": _EMBEDDINGS,
        "pretrained_embeddings": _EMBEDDINGS,
    }
    type: str

    def parameters(self) -> dict[str, Any]:
        """Return the keyword arguments of the block in `mxnet_audio.nn.sequence`, JSON-serializable."""
        return self.model_dump(mode="json", exclude={"type"})


class _Layered(SequenceEncoder, LayerKeys, LayerLists):
    """Keys of all sequence encoders with layers."""

    output_size: Size = 256
    fc_layers: FcLayers = None


class _Convolutional(_Layered, ConvKeys):
    """Keys of the encoders of convolutions alone."""

    activation: Activation = "relu"
    reduce_output: Reduction = "sum"
    num_fc_layers: Layers | None = None


class ParallelCnn(_Convolutional):
    """Convolutions side by side, with filters of different sizes."""

    type: Literal["parallel_cnn"] = "parallel_cnn"
    conv_layers: ConvLayers = None
    num_conv_layers: Layers | None = None


class StackedCnn(StrideKeys, _Convolutional):
    """Convolutions one after the other."""

    type: Literal["stacked_cnn"] = "stacked_cnn"
    conv_layers: ConvLayers = None
    num_conv_layers: Layers | None = None


class StackedParallelCnn(_Convolutional):
    """Stacks of convolutions side by side."""

    type: Literal["stacked_parallel_cnn"] = "stacked_parallel_cnn"
    stacked_layers: Annotated[tuple[ConvLayers, ...], Field(max_length=256)] | None = None
    num_stacked_layers: Layers | None = None


# Activations that MXNet's recurrent operator has not.
_OF_CELLS = dict.fromkeys(
    ("sigmoid", "elu", "leakyRelu", "logSigmoid", "gelu", "silu", "softmax"), "use 'tanh' or 'relu'"
)
_OF_GATES = dict.fromkeys(("tanh", "relu", "hardsigmoid", "elu", "leakyRelu", "logSigmoid", "softmax"), "use 'sigmoid'")


class _WithFc(_Layered):
    """Keys of the encoders whose fully connected layers have their own activation and dropout."""

    reduce_output: Reduction = "last"
    num_fc_layers: Layers = 0
    fc_activation: Activation = "relu"
    fc_dropout: Dropout = 0.0


class _Recurrent(_WithFc):
    """Keys of the encoders with recurrent layers."""

    activation: Annotated[Literal["tanh", "relu"], refuse_values(_OF_CELLS)] = "tanh"
    cell_type: Literal["rnn", "lstm", "gru"] = "rnn"
    state_size: Size = 256
    bidirectional: bool = False
    recurrent_activation: Annotated[Literal["sigmoid"], refuse_values(_OF_GATES)] = "sigmoid"
    recurrent_dropout: Dropout = 0.0
    unit_forget_bias: bool = True
    recurrent_initializer: Initializer = "orthogonal"

    @model_validator(mode="after")
    def _check_activation(self) -> _Recurrent:
        if self.activation == "relu" and self.cell_type != "rnn":
            raise problem("activation", f"'relu' is not supported with cell_type: {self.cell_type}, use 'tanh'")
        return self


class Rnn(_Recurrent):
    """Recurrent layers."""

    type: Literal["rnn"] = "rnn"
    num_layers: Layers = 1


class CnnRnn(StrideKeys, ConvKeys, _Recurrent):
    """Convolutions one after the other, and recurrent layers after them."""

    type: Literal["cnnrnn"] = "cnnrnn"
    conv_layers: ConvLayers = None
    num_conv_layers: Layers | None = None
    filter_size: Size = 5
    pool_size: Size | None = 2
    conv_activation: Activation = "relu"
    conv_dropout: Dropout = 0.0
    num_rec_layers: Layers = 1


class Transformer(_WithFc):
    """Transformer layers."""

    UNSUPPORTED: ClassVar[Unsupported] = {
        **SequenceEncoder.UNSUPPORTED,
        "use_rope": Refused("steps have no rotary positions", (False,)),
    }
    type: Literal["transformer"] = "transformer"
    dropout: Dropout = 0.1
    num_layers: Layers = 1
    hidden_size: Size = 256
    num_heads: Size = 8
    transformer_output_size: Size = 256

    @model_validator(mode="after")
    def _check_heads(self) -> Transformer:
        if self.hidden_size % self.num_heads:
            raise problem("num_heads", f"{self.num_heads} heads do not divide hidden_size: {self.hidden_size}")
        return self


class Passthrough(SequenceEncoder):
    """The sequence itself, or a reduction of it."""

    type: Literal["passthrough"] = "passthrough"
    encoding_size: Size | None = None
    reduce_output: Reduction = None


_Encoders: TypeAlias = (
    ParallelCnn
    | StackedCnn
    | StackedParallelCnn
    | Rnn
    | CnnRnn
    | Transformer
    | Passthrough
    | Wav2Vec2
    | Whisper
    | Hubert
    | WavLm
    | Ast
    | PublishedEncoder
    | FrozenEncoder
)
ENCODERS: tuple[type[Section], ...] = get_args(_Encoders)
_TYPES = {encoder: get_args(encoder.model_fields["type"].annotation) for encoder in ENCODERS}
SEQUENCE_TYPES = [name for encoder, names in _TYPES.items() if issubclass(encoder, SequenceEncoder) for name in names]
PRETRAINED_TYPES = [name for names in _TYPES.values() for name in names if name not in SEQUENCE_TYPES]
AudioEncoder: TypeAlias = Annotated[
    _Encoders,
    Field(discriminator="type"),
    TypeChoice(
        "parallel_cnn",
        [*SEQUENCE_TYPES, *PRETRAINED_TYPES],
        {"embed": "it is for symbols, use 'passthrough'"}
        | dict.fromkeys(("mamba", "mamba2", "jamba"), "use 'rnn' or 'transformer'"),
    ),
]

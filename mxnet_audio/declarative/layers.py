"""Layers of a network in a configuration: fully connected and convolutional ones, and the keys that they share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field, WithJsonSchema, model_serializer, model_validator
from pydantic_core import PydanticCustomError

from mxnet_audio.checks import nearest, shown
from mxnet_audio.declarative.section import Dropout, Section, Size, key_text, problem, refuse_values

__all__ = [
    "Activation",
    "BiasInitializer",
    "ConvKeys",
    "ConvLayer",
    "ConvLayers",
    "FcKeys",
    "FcLayer",
    "FcLayers",
    "Initializer",
    "LayerKeys",
    "LayerLists",
    "Norm",
    "NormParams",
    "StrideKeys",
    "has_batch_norm",
]

_OTHER_ACTIVATIONS = (
    "mish",
    "relu6",
    "prelu",
    "celu",
    "hardsigmoid",
    "hardswish",
    "swiglu",
    "geglu",
    "reglu",
    "sparsemax",
    "entmax15",
)
Activation: TypeAlias = Annotated[
    Literal[
        "relu",
        "tanh",
        "sigmoid",
        "elu",
        "selu",
        "leakyRelu",
        "leaky_relu",
        "gelu",
        "silu",
        "softplus",
        "logSigmoid",
        "softmax",
        "linear",
    ]
    | None,
    refuse_values({"swish": "it is 'silu'"} | dict.fromkeys(_OTHER_ACTIVATIONS, "use 'relu', 'gelu' or 'silu'")),
]
Norm: TypeAlias = Annotated[
    Literal["batch", "layer"] | None, refuse_values({"ghost": "use 'batch', of the whole batch, or 'layer'"})
]
_NormValue: TypeAlias = Annotated[bool | float, Field(union_mode="left_to_right")]
NormParams: TypeAlias = dict[Literal["eps", "momentum", "affine", "elementwise_affine"], _NormValue] | None

# The keys beside `type`, by the type.
INITIALIZERS: dict[str, tuple[str, ...]] = {
    "xavier_uniform": (),
    "xavier_normal": (),
    "glorot_uniform": (),
    "glorot_normal": (),
    "kaiming_uniform": (),
    "kaiming_normal": (),
    "he_uniform": (),
    "he_normal": (),
    "lecun_uniform": (),
    "lecun_normal": (),
    "orthogonal": ("gain",),
    "zeros": (),
    "ones": (),
    "constant": ("value",),
    "normal": ("mean", "stddev"),
    "uniform": ("minval", "maxval"),
}
_OF_BIASES = ("zeros", "ones", "constant", "normal", "uniform")  # the others count inputs and outputs


def _check_initializer(names: Sequence[str]) -> BeforeValidator:
    """Return a validator of initializers with these names."""

    def validate(value: Any) -> Any:
        given = dict(value) if isinstance(value, Mapping) else {"type": value}
        name = given.pop("type", None)
        if not (isinstance(name, str) and name in names):
            choices = ", ".join(map(repr, names))
            reason = f"must be one of {choices}, alone or as type in a mapping, got {shown(name)}{nearest(name, names)}"
            raise PydanticCustomError("refused", "{reason}", {"reason": reason})
        for key, number in given.items():
            if key not in INITIALIZERS[name]:
                raise problem(key_text(key), f"unknown key of {name!r}{nearest(key, INITIALIZERS[name])}")
            if isinstance(number, bool) or not isinstance(number, int | float) or (key == "stddev" and number < 0):
                raise problem(key, f"must be a number{' >= 0' if key == 'stddev' else ''}, got {shown(number)}")
        return value

    return BeforeValidator(validate)


def _initializer_schema(names: Sequence[str]) -> WithJsonSchema:
    name = {"type": "string", "enum": list(names)}
    return WithJsonSchema({"anyOf": [name, {"type": "object", "properties": {"type": name}}]})


_Initializer: TypeAlias = str | dict[str, str | float]
_NAMES = list(INITIALIZERS)
Initializer: TypeAlias = Annotated[_Initializer, _check_initializer(_NAMES), _initializer_schema(_NAMES)]
BiasInitializer: TypeAlias = Annotated[_Initializer, _check_initializer(_OF_BIASES), _initializer_schema(_OF_BIASES)]


class LayerKeys(Section):
    """Keys of all layers."""

    use_bias: bool = True
    weights_initializer: Initializer = "xavier_uniform"
    bias_initializer: BiasInitializer = "zeros"
    norm: Norm = None
    norm_params: NormParams = None
    dropout: Dropout = 0.0


class FcKeys(LayerKeys):
    """Keys of fully connected layers."""

    output_size: Size = 256
    activation: Activation = "relu"


class ConvKeys(Section):
    """Keys of convolutions over time, and of the pooling that follows them."""

    num_filters: Size = 256
    filter_size: Size = 3
    pool_function: Literal["max", "average", "avg", "mean"] = "max"
    pool_size: Size | None = None


class StrideKeys(Section):
    """Keys of convolutions that follow one another."""

    strides: Size = 1
    padding: Literal["valid", "same"] = "same"
    dilation_rate: Size = 1
    pool_strides: Size | None = None
    pool_padding: Literal["valid", "same"] = "same"


class _Layer(Section):
    """Layer of a list; keys that are not given are those of the section that the list belongs to."""

    @model_serializer(mode="wrap")
    def _given(self, handler: Any) -> dict[str, Any]:
        return {key: value for key, value in handler(self).items() if key in self.model_fields_set}

    def value(self, key: str, default: Any) -> Any:
        """Return the value of a key, or that of the section if the layer has none of its own."""
        return getattr(self, key) if key in self.model_fields_set else default


class FcLayer(_Layer, FcKeys):
    """Fully connected layer."""


class ConvLayer(_Layer, StrideKeys, ConvKeys, LayerKeys):
    """Convolution over time, and the pooling that follows it."""

    activation: Activation = "relu"


FcLayers: TypeAlias = Annotated[tuple[FcLayer, ...], Field(max_length=256)] | None
ConvLayers: TypeAlias = Annotated[tuple[ConvLayer, ...], Field(max_length=256)] | None


class LayerLists(Section):
    """Section whose layers are given one by one, or by their number."""

    @model_validator(mode="after")
    def _check_numbers(self) -> LayerLists:
        for layers in ("conv_layers", "stacked_layers", "fc_layers"):
            if getattr(self, layers, None) is not None and getattr(self, f"num_{layers}", None):
                raise problem(layers, f"contradicts num_{layers}: give the layers one by one, or their number")
        return self


def has_batch_norm(section: Section) -> bool:
    """Return True if fully connected layers of a section, on one vector of each row, have a batch norm."""
    values = dict(section)
    if "fc_layers" not in values or values.get("reduce_output", "") is None:
        return False
    norm = values.get("fc_norm", values.get("norm"))
    if values["fc_layers"] is not None:
        return any(layer.value("norm", norm) == "batch" for layer in values["fc_layers"])
    # None is a number that the network chooses.
    return norm == "batch" and values.get("num_fc_layers", values.get("num_layers")) != 0

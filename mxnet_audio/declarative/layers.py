"""Layers of a network in a configuration: fully connected and convolutional ones, and the keys that they share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field, WithJsonSchema, model_serializer
from pydantic_core import PydanticCustomError

from mxnet_audio.declarative.section import Section, Share, Size, nearest, problem, refuse_values

__all__ = [
    "Activation",
    "ConvLayer",
    "ConvLayers",
    "FcLayer",
    "FcLayers",
    "Initializer",
    "Norm",
    "NormParams",
    "check_one_of",
    "complete_layers",
]

_OTHER_ACTIVATIONS = "use 'relu', 'tanh', 'sigmoid', 'elu', 'gelu', 'silu' or 'softplus'"
Activation: TypeAlias = Annotated[
    Literal[
        "elu",
        "leakyRelu",
        "logSigmoid",
        "relu",
        "sigmoid",
        "tanh",
        "softmax",
        "gelu",
        "silu",
        "swish",
        "mish",
        "selu",
        "relu6",
        "hardsigmoid",
        "hardswish",
        "softplus",
    ]
    | None,
    refuse_values(
        dict.fromkeys(("celu", "prelu", "swiglu", "geglu", "reglu", "sparsemax", "entmax15"), _OTHER_ACTIVATIONS)
    ),
]
Norm: TypeAlias = Annotated[
    Literal["batch", "layer"] | None, refuse_values({"ghost": "use 'batch', of the whole batch, or 'layer'"})
]
NormParams: TypeAlias = dict[str, float] | None

INITIALIZERS: dict[str, tuple[str, ...]] = {
    "zeros": (),
    "ones": (),
    "constant": ("val",),
    "uniform": ("a", "b"),
    "normal": ("mean", "std"),
    "xavier_uniform": ("gain",),
    "xavier_normal": ("gain",),
    "kaiming_uniform": (),
    "kaiming_normal": (),
    "orthogonal": ("gain",),
}


def _check_initializer(value: Any) -> Any:
    name = value.get("type") if isinstance(value, Mapping) else value
    if not (isinstance(name, str) and name in INITIALIZERS):
        choices = ", ".join(map(repr, INITIALIZERS))
        raise PydanticCustomError(
            "refused",
            "{reason}",
            {
                "reason": f"must be one of {choices}, alone or as type: in a mapping, got {name!r}{nearest(name, [*INITIALIZERS])}"
            },
        )
    return value


_PARAMETERS = {"type": "string", "enum": list(INITIALIZERS)}
Initializer: TypeAlias = Annotated[
    str | dict[str, str | float],
    BeforeValidator(_check_initializer),
    WithJsonSchema({"anyOf": [_PARAMETERS, {"type": "object", "properties": {"type": _PARAMETERS}}]}),
]


class _Layer(Section):
    """Layer of a list; keys that are not given are those of the section that the list belongs to."""

    @model_serializer(mode="wrap")
    def _given(self, handler: Any) -> dict[str, Any]:
        return {key: value for key, value in handler(self).items() if key in self.model_fields_set}


class FcLayer(_Layer):
    """Fully connected layer."""

    output_size: Size = 256
    use_bias: bool = True
    weights_initializer: Initializer = "xavier_uniform"
    bias_initializer: Initializer = "zeros"
    norm: Norm = None
    norm_params: NormParams = None
    activation: Activation = "relu"
    dropout: Share = 0.0


class ConvLayer(_Layer):
    """Convolution over time, and the pooling that follows it."""

    num_filters: Size = 256
    filter_size: Size = 3
    strides: Size = 1
    padding: Literal["valid", "same"] = "same"
    dilation_rate: Size = 1
    use_bias: bool = True
    weights_initializer: Initializer = "xavier_uniform"
    bias_initializer: Initializer = "zeros"
    norm: Norm = None
    norm_params: NormParams = None
    activation: Activation = "relu"
    dropout: Share = 0.0
    pool_function: Literal["max", "average", "avg", "mean"] = "max"
    pool_size: Size | None = None
    pool_strides: Size | None = None
    pool_padding: Literal["valid", "same"] = "same"


FcLayers: TypeAlias = Annotated[tuple[FcLayer, ...], Field(max_length=256)] | None
ConvLayers: TypeAlias = Annotated[tuple[ConvLayer, ...], Field(max_length=256)] | None


def check_one_of(section: Section, layers: str, number: str) -> None:
    """Raise an error if both a list of layers and their number are given."""
    if getattr(section, layers) is not None and getattr(section, number):
        raise problem(layers, f"contradicts {number}: give the layers one by one, or their number")


def complete_layers(
    section: Section, number: str = "num_fc_layers", layers: str = "fc_layers", prefix: str = ""
) -> list[FcLayer]:
    """Return the fully connected layers of a section, each with all keys.

    Parameters
    ----------
    section : Section
        Section with the keys of `FcLayer`, which a layer has unless its own are given.
    number, layers : str
        Keys of the number of layers, and of the list.
    prefix : str
        Prefix of the keys of `FcLayer` in the section: ``fc_`` in a decoder.

    Returns
    -------
    list of FcLayer
    """
    defaults = {key: getattr(section, prefix + key) for key in FcLayer.model_fields}
    given = getattr(section, layers)
    if given is None:
        given = [FcLayer()] * (getattr(section, number) or 0)
    return [FcLayer(**(defaults | {key: getattr(layer, key) for key in layer.model_fields_set})) for layer in given]

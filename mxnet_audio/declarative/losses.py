"""Losses of output features in a configuration."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import Field

from mxnet_audio.declarative.section import NonNegative, Positive, Refused, Section, Text, TypeChoice, Unsupported

__all__ = [
    "BinaryLoss",
    "BinaryWeightedCrossEntropy",
    "CategoryLoss",
    "Huber",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "NumberLoss",
    "SetLoss",
    "SigmoidCrossEntropy",
    "SoftmaxCrossEntropy",
]


class _Loss(Section):
    """Keys of all losses."""

    weight: NonNegative = 1.0
    """Factor of the loss in the sum of all outputs."""


_NOISY = "labels are taken as they are"


class SoftmaxCrossEntropy(_Loss):
    """Loss of a category."""

    UNSUPPORTED: ClassVar[Unsupported] = {
        "robust_lambda": Refused(_NOISY, (0,)),
        "confidence_penalty": Refused(_NOISY, (0,)),
        "class_similarities": Refused("use class_weights", (None,)),
        "class_similarities_temperature": Refused("use class_weights", (0,)),
    }
    type: Literal["softmax_cross_entropy"] = "softmax_cross_entropy"
    class_weights: dict[Text, NonNegative] | None = None
    """Weight of each class by its name; 1 for classes that are left out."""


class BinaryWeightedCrossEntropy(_Loss):
    """Loss of a flag."""

    UNSUPPORTED: ClassVar[Unsupported] = {
        "robust_lambda": Refused(_NOISY, (0,)),
        "confidence_penalty": Refused(_NOISY, (0,)),
    }
    type: Literal["binary_weighted_cross_entropy"] = "binary_weighted_cross_entropy"
    positive_class_weight: NonNegative | None = None
    """Weight of the rows that are true; by default 1."""


class SigmoidCrossEntropy(_Loss):
    """Loss of a set."""

    type: Literal["sigmoid_cross_entropy"] = "sigmoid_cross_entropy"
    class_weights: dict[Text, NonNegative] | None = None
    """Weight of each class by its name; 1 for classes that are left out."""


class MeanSquaredError(_Loss):
    """Loss of a number: the square of its error."""

    type: Literal["mean_squared_error"] = "mean_squared_error"


class MeanAbsoluteError(_Loss):
    """Loss of a number: the size of its error."""

    type: Literal["mean_absolute_error"] = "mean_absolute_error"


class Huber(_Loss):
    """Loss of a number: the square of small errors, the size of large ones."""

    type: Literal["huber"] = "huber"
    delta: Positive = 1.0
    """Error from which on its size counts."""


CategoryLoss: TypeAlias = Annotated[
    SoftmaxCrossEntropy,
    TypeChoice(
        "softmax_cross_entropy",
        ("softmax_cross_entropy",),
        dict.fromkeys(
            ("corn", "entropic_open_set", "objectosphere", "focal", "poly", "sparsemax", "entmax15"),
            "use 'softmax_cross_entropy'",
        ),
    ),
]
BinaryLoss: TypeAlias = Annotated[
    BinaryWeightedCrossEntropy,
    TypeChoice(
        "binary_weighted_cross_entropy",
        ("binary_weighted_cross_entropy",),
        dict.fromkeys(("entropic_open_set", "objectosphere", "focal"), "use 'binary_weighted_cross_entropy'"),
    ),
]
NumberLoss: TypeAlias = Annotated[
    MeanSquaredError | MeanAbsoluteError | Huber,
    Field(discriminator="type"),
    TypeChoice(
        "mean_squared_error",
        ("mean_squared_error", "mean_absolute_error", "huber"),
        {
            "mean_absolute_percentage_error": "use 'mean_absolute_error'",
            "root_mean_squared_error": "use 'mean_squared_error'",
            "root_mean_squared_percentage_error": "use 'mean_squared_error'",
        },
    ),
]
SetLoss: TypeAlias = Annotated[SigmoidCrossEntropy, TypeChoice("sigmoid_cross_entropy", ("sigmoid_cross_entropy",))]

"""Decoders in a configuration: layers from the combiner's output to an output feature."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, TypeAlias

from mxnet_audio.declarative.layers import (
    Activation,
    BiasInitializer,
    FcLayers,
    Initializer,
    LayerLists,
    Norm,
    NormParams,
)
from mxnet_audio.declarative.section import COMPUTED, Dropout, Layers, Refused, Size, TypeChoice, Unsupported

__all__ = ["BinaryDecoder", "CategoryDecoder", "Classifier", "NumberDecoder", "Regressor", "SetDecoder"]


class _Decoder(LayerLists):
    """Fully connected layers before the last one, which computes the output."""

    UNSUPPORTED: ClassVar[Unsupported] = {"input_size": COMPUTED, "num_classes": COMPUTED}
    num_fc_layers: Layers = 0
    fc_layers: FcLayers = None
    fc_output_size: Size = 256
    fc_use_bias: bool = True
    fc_weights_initializer: Initializer = "xavier_uniform"
    fc_bias_initializer: BiasInitializer = "zeros"
    fc_norm: Norm = None
    fc_norm_params: NormParams = None
    fc_activation: Activation = "relu"
    fc_dropout: Dropout = 0.0
    use_bias: bool = True
    weights_initializer: Initializer = "xavier_uniform"
    bias_initializer: BiasInitializer = "zeros"


class Regressor(_Decoder):
    """Decoder of a number or flag."""

    type: Literal["regressor"] = "regressor"


class Classifier(_Decoder):
    """Decoder of a category or set."""

    UNSUPPORTED: ClassVar[Unsupported] = {
        **_Decoder.UNSUPPORTED,
        "calibration": Refused("probabilities are not calibrated", (None,)),
        "mc_dropout_samples": Refused("predictions are computed once, without dropout", (0,)),
    }
    type: Literal["classifier"] = "classifier"


CategoryDecoder: TypeAlias = Annotated[
    Classifier, TypeChoice("classifier", ("classifier",), {"mlp_classifier": "use 'classifier' with num_fc_layers: 1"})
]
BinaryDecoder: TypeAlias = Annotated[
    Regressor, TypeChoice("regressor", ("regressor",), {"mlp_classifier": "use 'regressor' with num_fc_layers: 1"})
]
NumberDecoder: TypeAlias = Annotated[Regressor, TypeChoice("regressor", ("regressor",))]
SetDecoder: TypeAlias = Annotated[Classifier, TypeChoice("classifier", ("classifier",))]

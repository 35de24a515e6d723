"""Pretrained encoders of sound in a configuration."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from mxnet_audio.declarative.section import (
    Count,
    Dropout,
    Positive,
    Refused,
    Section,
    Size,
    TypeChoice,
    Unsupported,
    problem,
)

__all__ = [
    "Adapter",
    "Ast",
    "FrozenEncoder",
    "Hubert",
    "PretrainedEncoder",
    "PublishedEncoder",
    "Wav2Vec2",
    "WavLm",
    "Whisper",
]


class Adapter(Section):
    """Adapters of low rank (LoRA) beside the layers of a pretrained encoder, which are trained in their place."""

    UNSUPPORTED: ClassVar[Unsupported] = {
        "pretrained_adapter_weights": Refused("only the adapters of this package's own models are loaded", (None,)),
        "postprocessor": Refused("adapters stay beside the layers", (None,)),
        "bias_type": Refused("biases are not trained", ("none",)),
        "use_rslora": Refused("the scale is alpha / r", (False,)),
        "use_dora": Refused("only LoRA is supported", (False,)),
    }
    type: Literal["lora"] = "lora"
    r: Size = 8
    """Rank."""
    alpha: Positive | None = None
    """Scale times the rank; by default twice the rank."""
    dropout: Dropout = 0.05
    """Dropout before the adapters."""
    target_modules: Annotated[tuple[str, ...], Field(min_length=1)] = ("query", "value")
    """Names of the layers, as in the last part of the names of the network's parameters."""

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("target_modules", ...) is None:
            return {key: value for key, value in data.items() if key != "target_modules"}
        return data

    def lora(self) -> dict[str, Any]:
        """Return the arguments of `mxnet_audio.nn.lora.add_lora`, JSON-serializable."""
        alpha = 2.0 * self.r if self.alpha is None else self.alpha
        return {"rank": self.r, "alpha": alpha, "dropout": self.dropout, "targets": list(self.target_modules)}


class PretrainedEncoder(Section):
    """Encoder with published weights. It computes its own features from the whole sound."""

    UNSUPPORTED: ClassVar[Unsupported] = {"skip": Refused("use type: passthrough", (False,))}
    type: str
    use_pretrained: bool = True
    """False for random weights."""
    saved_weights_in_checkpoint: bool = False
    """True keeps the encoder's weights in a saved model, which then needs no other source."""
    trainable: bool = True
    """False computes the vectors once, and trains only what follows."""
    pretrained_model_name_or_path: str | None = None
    """Model on the Hugging Face hub, or a file or folder; by default the published weights."""
    revision: str | None = None
    """Branch, tag or commit of a model on the hub (not Ludwig's)."""


class _Trainable(PretrainedEncoder):
    """Keys of the encoders whose weights can be trained."""

    adapter: Annotated[Adapter, TypeChoice("lora", ("lora",), {"dora": "use 'lora'"})] | None = None
    """Adapters to train in place of the encoder's own layers."""

    @model_validator(mode="after")
    def _check_adapter(self) -> _Trainable:
        if self.adapter is not None and not self.trainable:
            raise problem("adapter", "contradicts trainable: false, with which nothing of the encoder is trained")
        return self


def _check_layer(value: Any) -> Any:
    if isinstance(value, str) and value != "weighted":
        raise PydanticCustomError("layer", "must be a number of a layer, or 'weighted'")
    return value


class _Sequence(_Trainable):
    """Keys of the encoders that compute a sequence of vectors."""

    reduce_output: Literal["mean", "max", "sum", "last", "cls_pooled"] | None = "mean"
    """Reduction of the sequence over time; null keeps the sequence."""
    layer: Annotated[Count | Literal["weighted"] | None, BeforeValidator(_check_layer)] = None
    """Layer, 0 before the first transformer layer, or the learned sum of all; by default the last (not Ludwig's)."""


class Wav2Vec2(_Sequence):
    """Encoder wav2vec 2.0."""

    type: Literal["wav2vec2"] = "wav2vec2"
    pretrained_model_name_or_path: str = "facebook/wav2vec2-base"


class Whisper(_Sequence):
    """Encoder of Whisper."""

    type: Literal["whisper"] = "whisper"
    pretrained_model_name_or_path: str = "openai/whisper-base"


class Hubert(_Sequence):
    """Encoder HuBERT."""

    type: Literal["hubert"] = "hubert"
    pretrained_model_name_or_path: str = "facebook/hubert-base-ls960"


class WavLm(_Sequence):
    """Encoder WavLM (not Ludwig's)."""

    type: Literal["wavlm"] = "wavlm"


class Ast(_Sequence):
    """Audio Spectrogram Transformer (not Ludwig's)."""

    type: Literal["ast"] = "ast"
    reduce_output: Literal["mean", "max", "sum", "last", "cls_pooled"] | None = "cls_pooled"


class PublishedEncoder(_Trainable):
    """Other encoder of `mxnet_audio.weights` whose weights can be trained (not Ludwig's)."""

    type: Literal["panns_cnn14", "panns_cnn10", "panns_cnn6", "panns_mobilenetv1", "ecapa"]
    embedding: str | None = None
    """Vectors to use; by default the first of the encoder's."""


class FrozenEncoder(PretrainedEncoder):
    """Encoder of `mxnet_audio.weights` for patches of one length, whose weights are kept (not Ludwig's)."""

    UNSUPPORTED: ClassVar[Unsupported] = {
        **PretrainedEncoder.UNSUPPORTED,
        "adapter": Refused("this encoder is not trained", (None,)),
    }
    type: Literal["yamnet", "musicnn", "musicnn_mtt", "musicnn_vgg", "musicnn_vgg_mtt", "resemblyzer"]
    trainable: Literal[False] = False
    embedding: str | None = None
    """Vectors to use, such as ``mean_std`` of yamnet; by default the first of the encoder's."""

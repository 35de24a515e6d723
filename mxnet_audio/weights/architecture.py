"""Settings of networks that are built from the ``config.json`` of a Hugging Face model.

The names are those of ``config.json``. Settings that a network does not depend on are not read.
"""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from mxnet_audio.errors import ModelError

__all__ = ["Architecture", "AstArchitecture", "Wav2Vec2Architecture", "WhisperArchitecture", "read_architecture"]

Activation = Literal["gelu", "gelu_new", "relu", "silu"]
Size = Annotated[int, Field(ge=1, le=1 << 20)]
Layers = Annotated[int, Field(ge=1, le=1000)]
Rate = Annotated[float, Field(ge=0, lt=1)]  # of dropout
Convolutions = Annotated[tuple[Size, ...], Field(min_length=1, max_length=64)]
Epsilon = Annotated[float, Field(gt=0, lt=1)]


_PARTS = ("num_attention_heads", "encoder_attention_heads", "num_conv_pos_embedding_groups")


class Architecture(BaseModel):
    """Base of the settings of networks; they are immutable, compare by value, and convert to JSON and back."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False, validate_default=True)

    model_type: str

    @field_validator("*")
    @classmethod
    def _check_parts(cls, parts: Any, info: ValidationInfo) -> Any:
        """Check that the vectors can be split into heads or groups."""
        if info.field_name in _PARTS:
            size = info.data.get("hidden_size") or info.data.get("d_model") or 0  # 0 if it is invalid itself
            if size % parts:
                raise ValueError(f"must be a divisor of the length of the vectors, {size}")
        return parts


class Wav2Vec2Architecture(Architecture):
    """Settings of wav2vec 2.0, HuBERT and WavLM; the defaults are those of wav2vec2-base."""

    model_type: Literal["wav2vec2", "hubert", "wavlm"] = "wav2vec2"
    hidden_size: Size = 768
    num_hidden_layers: Layers = 12
    num_attention_heads: Size = 12
    intermediate_size: Size = 3072
    hidden_act: Activation = "gelu"
    layer_norm_eps: Epsilon = 1e-5
    feat_extract_norm: Literal["group", "layer"] = "group"
    feat_extract_activation: Activation = "gelu"
    conv_dim: Convolutions = (512,) * 7
    conv_stride: Convolutions = (5, 2, 2, 2, 2, 2, 2)
    conv_kernel: Convolutions = (10, 3, 3, 3, 3, 2, 2)
    conv_bias: bool = False
    num_conv_pos_embeddings: Size = 128
    num_conv_pos_embedding_groups: Size = 16
    do_stable_layer_norm: bool = False
    feat_proj_layer_norm: bool = True
    conv_pos_batch_norm: bool = False
    num_buckets: Annotated[int, Field(ge=4, le=1 << 20)] = 320
    max_bucket_distance: Annotated[int, Field(ge=1, le=10_000)] = 800
    hidden_dropout: Rate = 0.1
    attention_dropout: Rate = 0.1
    activation_dropout: Rate = 0.1
    feat_proj_dropout: Rate = 0.0
    use_weighted_layer_sum: bool = False
    classifier_proj_size: Size = 256

    @field_validator("conv_stride", "conv_kernel")
    @classmethod
    def _check_convolutions(cls, sizes: tuple[int, ...], info: ValidationInfo) -> tuple[int, ...]:
        count = len(info.data.get("conv_dim", sizes))
        if len(sizes) != count:
            raise ValueError(f"must have one number for each of the {count} convolutions of conv_dim")
        return sizes

    @field_validator("max_bucket_distance")
    @classmethod
    def _check_distance(cls, distance: int, info: ValidationInfo) -> int:
        exact = info.data.get("num_buckets", 4) // 4
        if distance <= exact:
            raise ValueError(f"must be above num_buckets // 4, {exact}")
        return distance


class WhisperArchitecture(Architecture):
    """Settings of the encoder of Whisper; the defaults are those of whisper-base."""

    model_type: Literal["whisper"] = "whisper"
    d_model: Size = 512
    encoder_layers: Layers = 6
    encoder_attention_heads: Size = 8
    encoder_ffn_dim: Size = 2048
    num_mel_bins: Size = 80
    max_source_positions: Size = 1500
    activation_function: Activation = "gelu"
    scale_embedding: bool = False
    dropout: Rate = 0.0
    attention_dropout: Rate = 0.0
    activation_dropout: Rate = 0.0
    use_weighted_layer_sum: bool = False
    classifier_proj_size: Size = 256


class AstArchitecture(Architecture):
    """Settings of the audio spectrogram transformer; the defaults are those of ast-finetuned-audioset-10-10-0.4593."""

    model_type: Literal["audio-spectrogram-transformer"] = "audio-spectrogram-transformer"
    hidden_size: Size = 768
    num_hidden_layers: Layers = 12
    num_attention_heads: Size = 12
    intermediate_size: Size = 3072
    hidden_act: Activation = "gelu"
    layer_norm_eps: Epsilon = 1e-12
    patch_size: Size = 16
    frequency_stride: Size = 10
    time_stride: Size = 10
    max_length: Size = 1024
    num_mel_bins: Size = 128
    qkv_bias: bool = True
    hidden_dropout_prob: Rate = 0.0
    attention_probs_dropout_prob: Rate = 0.0

    @property
    def patches(self) -> int:
        """Number of patches of a spectrum."""
        bands = (self.num_mel_bins - self.patch_size) // self.frequency_stride + 1
        return bands * ((self.max_length - self.patch_size) // self.time_stride + 1)


_OF_TYPE: dict[str, type[Architecture]] = {
    "wav2vec2": Wav2Vec2Architecture,
    "hubert": Wav2Vec2Architecture,
    "wavlm": Wav2Vec2Architecture,
    "whisper": WhisperArchitecture,
    "audio-spectrogram-transformer": AstArchitecture,
}


def read_architecture(config: Mapping[str, Any]) -> Architecture:
    """Read the settings of a network.

    Parameters
    ----------
    config : mapping
        Content of ``config.json``, or of `Architecture.model_dump`.

    Returns
    -------
    Architecture

    Raises
    ------
    ModelError
        If the type of the model is not supported, or a setting has an impossible value: it is named.

    Examples
    --------
    >>> read_architecture({"model_type": "hubert", "num_hidden_layers": 24}).num_hidden_layers
    24
    >>> read_architecture({"model_type": "encodec"})
    Traceback (most recent call last):
    ...
    mxnet_audio.errors.ModelError: the model is of type 'encodec'; supported types are wav2vec2, hubert, wavlm, ...
    """
    kind = config.get("model_type")
    if not isinstance(kind, str) or kind not in _OF_TYPE:
        raise ModelError(f"the model is of type {kind!r}; supported types are {', '.join(_OF_TYPE)}")
    if config.get("add_adapter"):
        raise ModelError("add_adapter must be false: convolutions after the encoder are not supported")
    try:
        return _OF_TYPE[kind].model_validate(dict(config))
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        raise ModelError(f"{name}: {first['msg']}, got {reprlib.repr(first['input'])}") from error

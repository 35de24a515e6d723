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

WINDOW = 20.0  # [s], of networks that take samples
_MOST_PARAMETERS = 2_500_000_000  # 10 GB; the largest published model of these types has 2 billion
_LARGEST_ARRAY = 1 << 30  # 4 GiB
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

    @property
    def n_parameters(self) -> int:
        """Number of parameters, without biases and norms."""
        raise NotImplementedError

    @property
    def largest_array(self) -> int:
        """Number of elements of the largest array that a window of sound becomes in the network."""
        raise NotImplementedError


def _layer_parameters(units: int, feed_forward: int) -> int:
    """Return the number of parameters of a transformer layer, without biases and norms."""
    return 4 * units**2 + 2 * units * feed_forward


def _layer_array(steps: int, heads: int, units: int, feed_forward: int) -> int:
    """Return the number of elements of the largest array in a transformer layer: scores of attention, or vectors."""
    return steps * max(heads * steps, units, feed_forward)


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

    @property
    def n_parameters(self) -> int:
        """Number of parameters, without biases and norms."""
        extractor = sum(
            inputs * outputs * kernel
            for inputs, outputs, kernel in zip((1, *self.conv_dim), self.conv_dim, self.conv_kernel)
        )
        positions = self.hidden_size**2 // self.num_conv_pos_embedding_groups * self.num_conv_pos_embeddings
        layers = self.num_hidden_layers * _layer_parameters(self.hidden_size, self.intermediate_size)
        return extractor + self.conv_dim[-1] * self.hidden_size + positions + layers

    @property
    def largest_array(self) -> int:
        """Number of elements of the largest array that a window of sound becomes in the network."""
        return self.largest_array_at(16_000)

    def largest_array_at(self, rate: int) -> int:
        """Return `largest_array` for sound of a sampling rate [Hz]."""
        largest, steps = 0, int(WINDOW * rate)
        for channels, kernel, stride in zip(self.conv_dim, self.conv_kernel, self.conv_stride, strict=True):
            steps = max(0, (steps - kernel) // stride + 1)
            largest = max(largest, steps * channels)
        if steps == 0:
            raise ModelError(f"conv_kernel: the convolutions need more than a window of {WINDOW:g} s")
        layer = _layer_array(steps, self.num_attention_heads, self.hidden_size, self.intermediate_size)
        return max(largest, layer)


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

    @property
    def n_parameters(self) -> int:
        """Number of parameters, without biases and norms."""
        inputs = self.d_model * (3 * (self.num_mel_bins + self.d_model) + self.max_source_positions)
        return inputs + self.encoder_layers * _layer_parameters(self.d_model, self.encoder_ffn_dim)

    @property
    def largest_array(self) -> int:
        """Number of elements of the largest array that a window of sound becomes in the network."""
        steps = self.max_source_positions
        layer = _layer_array(steps, self.encoder_attention_heads, self.d_model, self.encoder_ffn_dim)
        return max(2 * steps * max(self.num_mel_bins, self.d_model), layer)


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

    @property
    def n_parameters(self) -> int:
        """Number of parameters, without biases and norms."""
        inputs = self.hidden_size * (self.patch_size**2 + self.patches)
        return inputs + self.num_hidden_layers * _layer_parameters(self.hidden_size, self.intermediate_size)

    @property
    def largest_array(self) -> int:
        """Number of elements of the largest array that a window of sound becomes in the network."""
        if self.patch_size > min(self.num_mel_bins, self.max_length):
            raise ModelError(f"num_mel_bins and max_length must be >= patch_size, {self.patch_size}")
        layer = _layer_array(self.patches, self.num_attention_heads, self.hidden_size, self.intermediate_size)
        return max(self.max_length * self.num_mel_bins, layer)


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
        If the type of the model is not supported, a setting has an impossible value (it is named), or the network
        would need memory out of proportion: more than 2.5 billion parameters, or arrays of more than 4 GiB for a window
        of sound.

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
        architecture = _OF_TYPE[kind].model_validate(dict(config))
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        raise ModelError(f"{name}: {first['msg']}, got {reprlib.repr(first['input'])}") from error
    if architecture.n_parameters > _MOST_PARAMETERS:
        raise ModelError(
            f"describes a network of {architecture.n_parameters:,} parameters; up to {_MOST_PARAMETERS:,} are supported"
        )
    check_array(architecture.largest_array)
    return architecture


def check_array(size: int) -> None:
    """Raise ModelError if the largest array of a network would need memory out of proportion; see `largest_array`."""
    if size > _LARGEST_ARRAY:
        raise ModelError(
            f"describes a network that needs arrays of {size:,} numbers for a window of sound; up to "
            f"{_LARGEST_ARRAY:,} are supported"
        )

"""Published tensors of wav2vec 2.0, HuBERT and WavLM, of all classes of transformers.

The layers after the encoder are part of our network for …ForSequenceClassification only. Those of …ForPreTraining,
…ForCTC, …ForXVector (speakers) and …ForAudioFrameClassification (speakers by time) are ignored.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

import numpy as np

from mxnet_audio.weights.architecture import Wav2Vec2Architecture
from mxnet_audio.weights.layouts.layers import layer_sum, linear, norm, transformer_layer
from mxnet_audio.weights.layouts.published import Published

__all__ = ["buckets", "convert"]

_LAYER = {
    "query": "attention.q_proj",
    "key": "attention.k_proj",
    "value": "attention.v_proj",
    "output": "attention.out_proj",
    "norm1": "layer_norm",
    "ffn1": "feed_forward.intermediate_dense",
    "ffn2": "feed_forward.output_dense",
    "norm2": "final_layer_norm",
}
_FIRST_BIAS = "feature_extractor.conv_layers.0.conv.bias"
_UNUSED = (
    r"(\w+\.)?masked_spec_embed|(quantizer|project_q|project_hid|lm_head)\..*"
    r"|(\w+\.)?encoder\.pos_conv_embed\.batch_norm\.num_batches_tracked"
)
_SPEAKER_HEAD = r"(projector|tdnn\.\d+\.kernel|feature_extractor|classifier|objective)\.(weight|bias)"
_FRAME_HEAD = r"classifier\.(weight|bias)"
_BATCH_NORM_EPSILON = 1e-5


def convert(
    tensors: Mapping[str, np.ndarray], architecture: Wav2Vec2Architecture
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Convert published tensors to the parameters of `mxnet_audio.models.Wav2Vec2Net`.

    The norm of the positional convolution's weights, or its batch norm, is folded into parameters that can be trained
    as they are. WavLM's numbers for buckets of distances become numbers for single distances.

    Parameters
    ----------
    tensors : mapping of str to np.ndarray
        Tensors by their published names.
    architecture : Wav2Vec2Architecture
        Settings.

    Returns
    -------
    parameters : dict of str to np.ndarray
        float32 arrays by the names of the network's parameters; those of the head "tags" if there is a classifier.
    ignored : list of str
        Tensors that only the training used, a bias that has no effect before the group norm, and heads that the network
        does not have.

    Raises
    ------
    ModelError
        If a tensor is missing, has another shape, or is not part of the network: the first one is named.
    """
    published = Published(architecture.model_type, tensors)
    prefix = f"{architecture.model_type}."
    prefix = prefix if any(name.startswith(prefix) for name in tensors) else ""
    units, layers = architecture.hidden_size, architecture.num_hidden_layers
    channels = architecture.conv_dim[-1]
    parameters = _extractor(published, f"{prefix}feature_extractor.conv_layers", architecture)
    if architecture.feat_proj_layer_norm:
        parameters |= norm(published, "body.feature_norm", f"{prefix}feature_projection.layer_norm", channels)
    parameters |= linear(published, "body.projection", f"{prefix}feature_projection.projection", (units, channels))
    parameters |= _positions(published, f"{prefix}encoder.pos_conv_embed", tensors, architecture)
    parameters |= norm(published, "body.norm", f"{prefix}encoder.layer_norm", units)
    for layer in range(layers):
        ours, theirs = f"body.layers.{layer}", f"{prefix}encoder.layers.{layer}"
        parameters |= transformer_layer(published, ours, theirs, _LAYER, units, architecture.intermediate_size)
        if architecture.model_type == "wavlm":
            parameters |= _gate(published, f"{ours}.attention.gate", f"{theirs}.attention.gru_rel_pos", architecture)
    if architecture.model_type == "wavlm":
        shape = architecture.num_buckets, architecture.num_attention_heads
        numbers = published.take(f"{prefix}encoder.layers.0.attention.rel_attn_embed.weight", shape)
        parameters["body.distances.weight"] = _frozen(numbers[buckets(*shape[:1], architecture.max_bucket_distance)].T)
    has_classifier, unused = "classifier.weight" in tensors, _UNUSED
    if "tdnn.0.kernel.weight" in tensors:
        unused += f"|{_SPEAKER_HEAD}"
    elif "projector.weight" not in tensors:
        unused += f"|{_FRAME_HEAD}"
    elif has_classifier:
        width, classes = architecture.classifier_proj_size, tensors["classifier.weight"].shape[:1]
        parameters |= linear(published, "head.0", "projector", (width, units))
        parameters |= linear(published, "head.1", "classifier", (*classes, width))
    parameters |= layer_sum(published, layers, has_classifier and architecture.use_weighted_layer_sum)
    if architecture.feat_extract_norm == "group":
        unused += f"|{re.escape(prefix + _FIRST_BIAS)}"
    return parameters, published.ignored(unused)


def buckets(count: int, longest: int) -> np.ndarray:
    """Return WavLM's buckets of the distances from ``-longest`` to ``longest``.

    Short distances have a bucket each; the borders of the others grow by a constant factor.

    Parameters
    ----------
    count : int
        Number of buckets, of which half are for positive distances.
    longest : int
        Distance from which on all are in the last bucket.

    Returns
    -------
    np.ndarray [shape=(2 * longest + 1,)], int

    Examples
    --------
    >>> buckets(8, 4)
    array([3, 3, 2, 1, 0, 5, 6, 7, 7])
    """
    half = count // 2
    exact = half // 2
    distances = np.arange(-longest, longest + 1)
    sizes = np.abs(distances)
    # In float32, as published: at a border, the rounding decides.
    logarithms = np.log(np.maximum(sizes, 1).astype(np.float32) / np.float32(exact))
    shares = logarithms / np.float32(math.log(longest / exact)) * np.float32(half - exact)
    large = np.minimum(exact + shares, half - 1).astype(np.int64)
    return np.where(sizes < exact, sizes, large) + half * (distances > 0)


def _frozen(array: np.ndarray) -> np.ndarray:
    array = np.ascontiguousarray(array, np.float32)
    array.setflags(write=False)
    return array


def _extractor(published: Published, theirs: str, architecture: Wav2Vec2Architecture) -> dict[str, np.ndarray]:
    """Take the convolutions from samples to vectors."""
    parameters: dict[str, np.ndarray] = {}
    inputs, has_group_norm = 1, architecture.feat_extract_norm == "group"
    for layer, (channels, kernel) in enumerate(zip(architecture.conv_dim, architecture.conv_kernel, strict=True)):
        ours, source = f"body.extractor.layers.{layer}", f"{theirs}.{layer}"
        is_first = layer == 0 and has_group_norm
        convolution = linear(
            published,
            ours if is_first else f"{ours}.conv",
            f"{source}.conv",
            (channels, inputs, kernel),
            architecture.conv_bias and not is_first,
        )
        for name, tensor in convolution.items():
            shape = (channels, kernel) if is_first else (channels, inputs, 1, kernel)
            parameters[name] = tensor.reshape(shape) if tensor.ndim == 3 else tensor
        if is_first or not has_group_norm:
            parameters |= norm(published, ours if is_first else f"{ours}.norm", f"{source}.layer_norm", channels)
        inputs = channels
    return parameters


def _positions(
    published: Published, theirs: str, tensors: Mapping[str, np.ndarray], architecture: Wav2Vec2Architecture
) -> dict[str, np.ndarray]:
    """Take the positional convolution, and fold its norm."""
    units, kernel = architecture.hidden_size, architecture.num_conv_pos_embeddings
    shape = (units, units // architecture.num_conv_pos_embedding_groups, kernel)
    parameters = {"body.positions.conv.bias": published.take(f"{theirs}.conv.bias", (units,))}
    if architecture.conv_pos_batch_norm:
        weight = published.take(f"{theirs}.conv.weight", shape)
        gamma, beta, mean, variance = (
            published.take(f"{theirs}.batch_norm.{name}", (units,))
            for name in ("weight", "bias", "running_mean", "running_var")
        )
        scale = gamma / np.sqrt(variance.astype(np.float64) + _BATCH_NORM_EPSILON)
        parameters["body.positions.scale"] = _frozen(scale.reshape(1, 1, -1))
        parameters["body.positions.shift"] = _frozen((beta - mean * scale).reshape(1, 1, -1))
    else:
        is_old = f"{theirs}.conv.weight_g" in tensors  # PyTorch renamed both in version 2
        names = ("weight_g", "weight_v") if is_old else [f"parametrizations.weight.original{part}" for part in "01"]
        length = published.take(f"{theirs}.conv.{names[0]}", (1, 1, kernel))
        direction = published.take(f"{theirs}.conv.{names[1]}", shape).astype(np.float64)
        weight = length * direction / np.sqrt(np.square(direction).sum(axis=(0, 1), keepdims=True))
    parameters["body.positions.conv.weight"] = _frozen(np.expand_dims(weight, axis=2))
    return parameters


def _gate(published: Published, ours: str, theirs: str, architecture: Wav2Vec2Architecture) -> dict[str, np.ndarray]:
    """Take the gate of the position bias in a layer of WavLM."""
    heads = architecture.num_attention_heads
    gate = linear(published, f"{ours}.linear", f"{theirs}_linear", (8, architecture.hidden_size // heads))
    return gate | {f"{ours}.scale": published.take(f"{theirs}_const", (1, heads, 1, 1))}

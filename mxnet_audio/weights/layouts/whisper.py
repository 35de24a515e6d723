"""Published tensors of Whisper (WhisperModel, …ForConditionalGeneration, …ForAudioClassification of transformers)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mxnet_audio.weights.architecture import WhisperArchitecture
from mxnet_audio.weights.layouts.layers import layer_sum, linear, norm, transformer_layer
from mxnet_audio.weights.layouts.published import Published

__all__ = ["convert"]

_PREFIXES = ("model.encoder.", "encoder.", "")  # before the names of the encoder's tensors
_LAYER = {
    "query": "self_attn.q_proj",
    "key": "self_attn.k_proj",
    "value": "self_attn.v_proj",
    "output": "self_attn.out_proj",
    "norm1": "self_attn_layer_norm",
    "ffn1": "fc1",
    "ffn2": "fc2",
    "norm2": "final_layer_norm",
}
_UNUSED = r"(model\.)?decoder\..*|proj_out\.(weight|bias)"


def convert(
    tensors: Mapping[str, np.ndarray], architecture: WhisperArchitecture
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Convert published tensors to the parameters of `mxnet_audio.models.WhisperNet`.

    Parameters
    ----------
    tensors : mapping of str to np.ndarray
        Tensors by their published names.
    architecture : WhisperArchitecture
        Settings.

    Returns
    -------
    parameters : dict of str to np.ndarray
        float32 arrays by the names of the network's parameters; those of the head "tags" if there is a classifier.
    ignored : list of str
        Tensors of the decoder, which the network does not have.

    Raises
    ------
    ModelError
        If a tensor is missing, has another shape, or is not part of the network: the first one is named.
    """
    published = Published("whisper", tensors)
    prefix = next((prefix for prefix in _PREFIXES if f"{prefix}conv1.weight" in tensors), "encoder.")
    dim = architecture.d_model
    parameters: dict[str, np.ndarray] = {}
    for name, inputs in (("conv1", architecture.num_mel_bins), ("conv2", dim)):
        parameters |= linear(published, f"body.{name}", f"{prefix}{name}", (dim, inputs, 3))
        parameters[f"body.{name}.weight"] = np.expand_dims(parameters[f"body.{name}.weight"], axis=2)  # of height 1
    positions = published.take(f"{prefix}embed_positions.weight", (architecture.max_source_positions, dim))
    parameters["body.positions"] = positions
    for layer in range(architecture.encoder_layers):
        ours, theirs = f"body.layers.{layer}", f"{prefix}layers.{layer}"
        hidden = architecture.encoder_ffn_dim
        parameters |= transformer_layer(published, ours, theirs, _LAYER, dim, hidden, ("query", "value"))
    parameters |= norm(published, "body.norm", f"{prefix}layer_norm", dim)
    has_classifier = "classifier.weight" in tensors
    is_learned = has_classifier and architecture.use_weighted_layer_sum
    parameters |= layer_sum(published, architecture.encoder_layers, is_learned)
    if has_classifier:
        width, classes = architecture.classifier_proj_size, tensors["classifier.weight"].shape[:1]
        parameters |= linear(published, "head.0", "projector", (width, dim))
        parameters |= linear(published, "head.1", "classifier", (*classes, width))
    return parameters, published.ignored(_UNUSED)

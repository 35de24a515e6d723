"""Published tensors of the audio spectrogram transformer (ASTModel, ASTForAudioClassification of transformers)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mxnet_audio.weights.architecture import AstArchitecture
from mxnet_audio.weights.layouts.layers import layer_sum, linear, norm, transformer_layer
from mxnet_audio.weights.layouts.published import Published

__all__ = ["convert"]

_PREFIX = "audio_spectrogram_transformer."  # before the names of tensors, in files of classifiers
_PROJECTIONS = ("query", "key", "value")
_LAYER = {
    **{name: f"attention.attention.{name}" for name in _PROJECTIONS},
    "output": "attention.output.dense",
    "norm1": "layernorm_before",
    "ffn1": "intermediate.dense",
    "ffn2": "output.dense",
    "norm2": "layernorm_after",
}
# Names within transformers 5, which still writes the others into files.
_NEW_LAYER = {
    **{name: f"attention.{name[0]}_proj" for name in _PROJECTIONS},
    "output": "attention.o_proj",
    "norm1": "layernorm_before",
    "ffn1": "mlp.fc1",
    "ffn2": "mlp.fc2",
    "norm2": "layernorm_after",
}


def convert(
    tensors: Mapping[str, np.ndarray], architecture: AstArchitecture
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Convert published tensors to the parameters of `mxnet_audio.models.AstNet`.

    Parameters
    ----------
    tensors : mapping of str to np.ndarray
        Tensors by their published names.
    architecture : AstArchitecture
        Settings.

    Returns
    -------
    parameters : dict of str to np.ndarray
        float32 arrays by the names of the network's parameters; those of the head "tags" if there is a classifier.
    ignored : list of str
        Always empty: the network has all that is published.

    Raises
    ------
    ModelError
        If a tensor is missing, has another shape, or is not part of the network: the first one is named. Position
        embeddings for another ``max_length`` have another shape.
    """
    published = Published("ast", tensors)
    prefix = _PREFIX if any(name.startswith(_PREFIX) for name in tensors) else ""
    embeddings, dim, size = f"{prefix}embeddings", architecture.hidden_size, architecture.patch_size
    parameters = linear(published, "body.projection", f"{embeddings}.patch_embeddings.projection", (dim, 1, size, size))
    tokens = [published.take(f"{embeddings}.{name}_token", (1, 1, dim)) for name in ("cls", "distillation")]
    parameters["body.tokens"] = np.concatenate(tokens, axis=1)
    parameters["body.tokens"].setflags(write=False)
    steps = len(tokens) + architecture.patches
    parameters["body.positions"] = published.take(f"{embeddings}.position_embeddings", (1, steps, dim))
    is_new = f"{prefix}layers.0.{_NEW_LAYER['query']}.weight" in tensors
    layers, names = (f"{prefix}layers", _NEW_LAYER) if is_new else (f"{prefix}encoder.layer", _LAYER)
    for layer in range(architecture.num_hidden_layers):
        hidden, biases = architecture.intermediate_size, _PROJECTIONS if architecture.qkv_bias else ()
        ours, theirs = f"body.layers.{layer}", f"{layers}.{layer}"
        parameters |= transformer_layer(published, ours, theirs, names, dim, hidden, biases)
    parameters |= norm(published, "body.norm", f"{prefix}layernorm", dim)
    parameters |= layer_sum(published, architecture.num_hidden_layers, is_learned=False)
    if "classifier.dense.weight" in tensors:
        parameters |= norm(published, "head.0", "classifier.layernorm", dim)
        classes = tensors["classifier.dense.weight"].shape[:1]
        parameters |= linear(published, "head.1", "classifier.dense", (*classes, dim))
    return parameters, published.ignored("(?!)")

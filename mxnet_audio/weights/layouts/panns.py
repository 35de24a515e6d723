"""Published tensors of PANNs (https://zenodo.org/record/3987831) as parameters of our networks.

Their images are (1, frames, bands) and ours (1, bands, frames): the two axes of kernels are swapped.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np

from mxnet_audio.weights.architecture import Architecture
from mxnet_audio.weights.layouts.layers import batch_norm, linear
from mxnet_audio.weights.layouts.published import Published

__all__ = ["convert"]

_SWAPPED = (0, 1, 3, 2)  # (out, in, frames, bands) -> (out, in, bands, frames)
_TAGS = 527
# Maps of the blocks, size of the kernels, and convolutions in a block.
_CONVOLUTIONAL = {
    "panns_cnn14": ((64, 128, 256, 512, 1024, 2048), 3, 2),
    "panns_cnn10": ((64, 128, 256, 512), 3, 2),
    "panns_cnn6": ((64, 128, 256, 512), 5, 1),
}
_MOBILENET_MAPS = (32, 64, 128, 128, 256, 256, *[512] * 6, 1024, 1024)
# The front end, counters of batch norms, and what a checkpoint contains beside the network.
_UNUSED = r"spectrogram_extractor\..*|logmel_extractor\..*|.*\.num_batches_tracked|(?!model/).*/.*"


def convert(
    tensors: Mapping[str, np.ndarray], architecture: Architecture | None, network: str
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Convert published tensors to the parameters of a network.

    Parameters
    ----------
    tensors : mapping of str to np.ndarray
        Tensors by their published names, with or without the key ``model`` of the checkpoint before them.
    architecture : None
        These networks have no settings.
    network : {'panns_cnn14', 'panns_cnn10', 'panns_cnn6', 'panns_mobilenetv1'}
        Name of the network.

    Returns
    -------
    parameters : dict of str to np.ndarray
        float32 arrays by the names of the network's parameters.
    ignored : list of str
        Tensors that are not needed: those of the front end, and counters.

    Raises
    ------
    ModelError
        If a tensor is missing, has another shape, or is not part of the network: the first one is named.
    """
    published = Published(network, {name.removeprefix("model/"): tensor for name, tensor in tensors.items()})
    parameters = batch_norm(published, "body.input_norm", "bn0", 64)
    if network == "panns_mobilenetv1":
        parameters |= _mobilenet_blocks(published)
        width = _MOBILENET_MAPS[-1]
    else:
        parameters |= _convolutional_blocks(published, *_CONVOLUTIONAL[network])
        width = _CONVOLUTIONAL[network][0][-1]
    parameters |= linear(published, "body.dense", "fc1", (width, width))
    parameters |= linear(published, "head", "fc_audioset", (_TAGS, width))
    return parameters, published.ignored(_UNUSED)


def _kernel(published: Published, theirs: str, shape: tuple[int, int, int]) -> np.ndarray:
    """Take a kernel; `shape` is (filters, maps, size)."""
    return published.take(f"{theirs}.weight", (*shape, shape[-1]), _SWAPPED)


def _convolutional_blocks(
    published: Published, maps: tuple[int, ...], size: int, convolutions: int
) -> dict[str, np.ndarray]:
    parameters = {}
    inputs = 1
    for block, outputs in enumerate(maps):
        for number in range(convolutions):
            ours, theirs = f"body.blocks.{block}", f"conv_block{block + 1}"
            kernel = _kernel(published, f"{theirs}.conv{number + 1}", (outputs, inputs, size))
            parameters[f"{ours}.convolutions.{number}.weight"] = kernel
            parameters |= batch_norm(published, f"{ours}.norms.{number}", f"{theirs}.bn{number + 1}", outputs)
            inputs = outputs
    return parameters


def _mobilenet_blocks(published: Published) -> dict[str, np.ndarray]:
    first = _MOBILENET_MAPS[0]
    parameters = {"body.blocks.0.convolution.weight": _kernel(published, "features.0.0", (first, 1, 3))}
    parameters |= batch_norm(published, "body.blocks.0.norm", "features.0.2", first)
    for block, (inputs, outputs) in enumerate(itertools.pairwise(_MOBILENET_MAPS), 1):
        ours, theirs = f"body.blocks.{block}", f"features.{block}"
        parameters[f"{ours}.convolution.weight"] = _kernel(published, f"{theirs}.0", (inputs, 1, 3))
        parameters |= batch_norm(published, f"{ours}.norm", f"{theirs}.2", inputs)
        parameters[f"{ours}.pointwise.weight"] = _kernel(published, f"{theirs}.4", (outputs, inputs, 1))
        parameters |= batch_norm(published, f"{ours}.pointwise_norm", f"{theirs}.5", outputs)
    return parameters

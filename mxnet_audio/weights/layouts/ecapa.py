"""Published tensors of SpeechBrain's ECAPA-TDNN (``embedding_model.ckpt``) as parameters of our network.

Convolutions over time are one-dimensional there, and two-dimensional with a height of 1 here.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mxnet_audio.weights.architecture import Architecture
from mxnet_audio.weights.layouts.layers import batch_norm, linear
from mxnet_audio.weights.layouts.published import Published

__all__ = ["convert"]

_BANDS = 80
_FIRST_KERNEL, _KERNEL = 5, 3
_BLOCKS = 3
_SCALE = 8  # groups of channels in a Res2 block
_BOTTLENECK = 128
_EMBEDDING = 192
# Counters of batch norms, and the bias of the attention, which its softmax cancels.
_UNUSED = r".*\.num_batches_tracked|asp\.conv\.conv\.bias"


def convert(
    tensors: Mapping[str, np.ndarray], architecture: Architecture | None = None, *, channels: int = 1024
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Convert published tensors to the parameters of `ecapa_voxceleb`.

    Parameters
    ----------
    tensors : mapping of str to np.ndarray
        Tensors by their published names.
    architecture : None
        The network has no settings.
    channels : int
        Channels of each block.

    Returns
    -------
    parameters : dict of str to np.ndarray
        float32 arrays by the names of the network's parameters.
    ignored : list of str
        Tensors that are not needed: counters, and a bias without effect.

    Raises
    ------
    ModelError
        If a tensor is missing, has another shape, or is not part of the network: the first one is named.
    """
    published = Published("ecapa_voxceleb", tensors)
    joined, width = _BLOCKS * channels, channels // _SCALE
    frames, pool = "body.encoder.1", "body.encoder.2"
    parameters = _layer(published, f"{frames}.first", "blocks.0", (channels, _BANDS, _FIRST_KERNEL))
    for block in range(_BLOCKS):
        ours, theirs = f"{frames}.blocks.{block}.body", f"blocks.{block + 1}"
        parameters |= _layer(published, f"{ours}.0", f"{theirs}.tdnn1", (channels, channels, 1))
        for group in range(_SCALE - 1):
            names = f"{ours}.1.layers.{group}", f"{theirs}.res2net_block.blocks.{group}"
            parameters |= _layer(published, *names, (width, width, _KERNEL))
        parameters |= _layer(published, f"{ours}.2", f"{theirs}.tdnn2", (channels, channels, 1))
        for number, shape in enumerate(((_BOTTLENECK, channels, 1), (channels, _BOTTLENECK, 1))):
            parameters |= _conv(published, f"{ours}.3.weigh.{number}", f"{theirs}.se_block.conv{number + 1}", shape)
    parameters |= _layer(published, f"{frames}.join", "mfa", (joined, joined, 1))
    # Published is one layer of frames, means and deviations; ours has a layer for frames and one for both statistics.
    conv = _conv(published, "", "asp.tdnn.conv", (_BOTTLENECK, 3 * joined, 1))
    for name, part in (("frame", np.s_[:joined]), ("context", np.s_[joined:])):
        weight = np.ascontiguousarray(conv[".weight"][:, part])
        weight.setflags(write=False)
        parameters[f"{pool}.{name}.weight"] = weight
    parameters[f"{pool}.frame.bias"] = conv[".bias"]
    parameters |= batch_norm(published, f"{pool}.norm", "asp.tdnn.norm.norm", _BOTTLENECK)
    weight = published.take("asp.conv.conv.weight", (joined, _BOTTLENECK, 1))
    parameters[f"{pool}.attend.weight"] = weight[:, :, np.newaxis]
    parameters |= batch_norm(published, "body.encoder.3", "asp_bn.norm", 2 * joined)
    parameters["body.encoder.4.weight"] = published.take("fc.conv.weight", (_EMBEDDING, 2 * joined, 1))[:, :, 0]
    parameters["body.encoder.4.bias"] = published.take("fc.conv.bias", (_EMBEDDING,))
    return parameters, published.ignored(_UNUSED)


def _conv(published: Published, ours: str, theirs: str, shape: tuple[int, int, int]) -> dict[str, np.ndarray]:
    """Take a convolution; `shape` is (filters, channels, frames)."""
    taken = linear(published, ours, f"{theirs}.conv", shape)
    return taken | {f"{ours}.weight": taken[f"{ours}.weight"][:, :, np.newaxis]}


def _layer(published: Published, ours: str, theirs: str, shape: tuple[int, int, int]) -> dict[str, np.ndarray]:
    """Take a convolution and its batch norm."""
    convolution = _conv(published, f"{ours}.0", f"{theirs}.conv", shape)
    return convolution | batch_norm(published, f"{ours}.1", f"{theirs}.norm.norm", shape[0])

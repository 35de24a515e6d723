"""Published tensors of YAMNet, musicnn and Resemblyzer, the networks that take patches of one length.

Our images are (1, bands, frames): the height is the frequency. TensorFlow's networks have the time as the height, so
the two axes of their kernels are swapped.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mxnet_audio.weights.architecture import Architecture
from mxnet_audio.weights.layouts.published import Published

__all__ = ["convert"]


@dataclass(frozen=True)
class _Source:
    """Published tensor that becomes a parameter.

    Attributes
    ----------
    name : str
    shape : tuple of int
        Published shape.
    axes : tuple of int or None
        Published axes in our order.
    split : tuple of int or None
        Shape before the axes are reordered, of a matrix whose columns are a flattened image.
    """

    name: str
    shape: tuple[int, ...]
    axes: tuple[int, ...] | None = None
    split: tuple[int, ...] | None = None


@dataclass(frozen=True)
class _Layout:
    """Sources by the names of our parameters, and a pattern of the published tensors that are not used."""

    sources: Mapping[str, _Source]
    unused: str


_SWAP_OHWI = (0, 3, 2, 1)  # (out, time, bands, in) -> (out, in, bands, time)
_SWAP_1HWC = (3, 0, 2, 1)  # (1, time, bands, channels) -> (channels, 1, bands, time)
_SWAP_HWIO = (3, 2, 1, 0)  # (time, bands, in, out) -> (out, in, bands, time)


def convert(
    tensors: Mapping[str, np.ndarray], architecture: Architecture | None, network: str
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Convert published tensors to the parameters of a network.

    Parameters
    ----------
    tensors : mapping of str to np.ndarray
        Tensors by their published names.
    architecture : None
        These networks have no settings.
    network : {'yamnet', 'musicnn', 'musicnn_vgg', 'musicnn_vgg_mtt', 'ge2e_lstm'}
        Name of the network.

    Returns
    -------
    parameters : dict of str to np.ndarray
        float32 arrays, read-only, by the names of the network's parameters.
    ignored : list of str
        Tensors that are not needed: those of the front end, and what only training needs.

    Raises
    ------
    ModelError
        If a tensor is missing, has another shape, or is not part of the network: the first one is named.
    """
    layout = _LAYOUTS[network]
    if network == "yamnet":  # the first two of the merged operations tell all tensors apart
        tensors = {";".join(name.split(";")[:2]): tensor for name, tensor in tensors.items()}
    published = Published(network, tensors)
    parameters = {name: _reordered(published, source) for name, source in layout.sources.items()}
    return parameters, published.ignored(layout.unused)


def _reordered(published: Published, source: _Source) -> np.ndarray:
    if source.split is None:
        return published.take(source.name, source.shape, source.axes)
    tensor = published.take(source.name, source.shape).reshape(source.split).transpose(source.axes)
    tensor = np.ascontiguousarray(tensor.reshape(len(tensor), -1))
    tensor.setflags(write=False)
    return tensor


def _yamnet() -> _Layout:
    layers = "tower0/network/layer"
    normed = "BatchNorm/FusedBatchNormV3"
    sources = {
        "body.stem.weight": _Source(f"{layers}1/conv/Conv2D", (32, 3, 3, 1), _SWAP_OHWI),
        "body.stem.bias": _Source(f"{layers}1/conv/{normed}", (32,)),
    }
    sizes = (32, 64, 128, 128, 256, 256, *[512] * 6, 1024, 1024)
    for block, (inputs, outputs) in enumerate(itertools.pairwise(sizes)):
        depthwise, pointwise = f"{layers}{2 * block + 2}/sepconv", f"{layers}{2 * block + 3}/conv"
        sources |= {
            f"body.blocks.{block}.depthwise.weight": _Source(
                f"{depthwise}/{normed};{depthwise}/depthwise", (1, 3, 3, inputs), _SWAP_1HWC
            ),
            f"body.blocks.{block}.depthwise.bias": _Source(f"{depthwise}/{normed}", (inputs,)),
            f"body.blocks.{block}.pointwise.weight": _Source(
                f"{pointwise}/Conv2D", (outputs, 1, 1, inputs), _SWAP_OHWI
            ),
            f"body.blocks.{block}.pointwise.bias": _Source(f"{pointwise}/{normed}", (outputs,)),
        }
    sources["head.weight"] = _Source(f"{layers}29/fc/MatMul", (521, 1024))
    sources["head.bias"] = _Source("network/layer29/fc/biases", (521,))
    # The front end, and the axes of the mean.
    return _Layout(sources, r"(?!(tower0/)?network/).*|.*/reduction_indices")


def _norm(ours: str, number: int, channels: int) -> dict[str, _Source]:
    """Return the sources of a batch normalization of TensorFlow."""
    theirs = f"batch_normalization_{number}" if number else "batch_normalization"
    names = {
        "gamma": "gamma",
        "beta": "beta",
        "running_mean": "moving_mean",
        "running_var": "moving_variance",
    }
    return {f"{ours}.{name}": _Source(f"{theirs}/{published}", (channels,)) for name, published in names.items()}


def _layer(ours: str, theirs: str, shape: tuple[int, ...], axes: tuple[int, ...]) -> dict[str, _Source]:
    """Return the sources of a convolution or a dense layer of TensorFlow."""
    return {
        f"{ours}.weight": _Source(f"{theirs}/kernel", shape, axes),
        f"{ours}.bias": _Source(f"{theirs}/bias", shape[-1:]),
    }


_TRAINING = r".*Adam.*|beta[12]_power"  # state of the optimizer


def _musicnn() -> _Layout:
    sources = _norm("body.input_norm", 0, 1)
    kernels = {
        "timbral.0": (7, 38, 1, 204),
        "timbral.1": (7, 67, 1, 204),
        "temporal.0": (128, 1, 1, 51),
        "temporal.1": (64, 1, 1, 51),
        "temporal.2": (32, 1, 1, 51),
        "middle.0": (7, 561, 1, 64),
        "middle.1": (7, 64, 1, 64),
        "middle.2": (7, 64, 1, 64),
    }
    for number, (name, shape) in enumerate(kernels.items()):
        # The middle layers are one-dimensional: their second axis holds the channels.
        axes = (3, 1, 2, 0) if name.startswith("middle") else _SWAP_HWIO
        sources |= _layer(f"body.{name}.conv", f"conv2d_{number}" if number else "conv2d", shape, axes)
        sources |= _norm(f"body.{name}.norm", number + 1, shape[-1])
    sources |= _norm("body.pooled_norm", 9, 1506)
    sources |= _layer("body.dense", "dense", (1506, 200), (1, 0))
    sources |= _norm("body.dense_norm", 10, 200)
    return _Layout(sources | _layer("head", "dense_1", (200, 50), (1, 0)), _TRAINING)


def _musicnn_vgg() -> _Layout:
    sources = _norm("body.input_norm", 0, 1)
    for number, channels in enumerate((1, 128, 128, 128, 128)):
        sources |= _layer(f"body.layers.{number}.conv", f"{number + 1}CNN", (3, 3, channels, 128), _SWAP_HWIO)
        sources |= _norm(f"body.layers.{number}.norm", number + 1, 128)
    # The published image of (time 2, bands 1, channels 128) is flattened in this order; ours in the order of channels,
    # bands, time.
    sources["head.weight"] = _Source("dense/kernel", (256, 50), (2, 1, 0), split=(2, 128, 50))
    sources["head.bias"] = _Source("dense/bias", (50,))
    return _Layout(sources, _TRAINING)


def _ge2e_lstm() -> _Layout:
    sources = {}
    for layer, inputs in enumerate((40, 256, 256)):
        for ours, theirs, width in (("i2h", "ih", inputs), ("h2h", "hh", 256)):
            published = f"model_state/lstm.%s_{theirs}_l{layer}"
            sources[f"body.lstm.l{layer}_{ours}_weight"] = _Source(published % "weight", (1024, width))
            sources[f"body.lstm.l{layer}_{ours}_bias"] = _Source(published % "bias", (1024,))
    sources["body.linear.weight"] = _Source("model_state/linear.weight", (256, 256))
    sources["body.linear.bias"] = _Source("model_state/linear.bias", (256,))
    # Scale and offset of the training loss, and the state of the optimizer.
    return _Layout(sources, r"model_state/similarity_.*|optimizer_state/.*")


_LAYOUTS = {
    "yamnet": _yamnet(),
    "musicnn": _musicnn(),
    "musicnn_vgg": _musicnn_vgg(),
    "musicnn_vgg_mtt": _musicnn_vgg(),
    "ge2e_lstm": _ge2e_lstm(),
}

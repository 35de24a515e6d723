"""Published tensors of layers that several networks have, as parameters of ours."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from mxnet_audio.weights.layouts.published import Published

__all__ = ["batch_norm", "layer_sum", "linear", "norm", "transformer_layer"]


def linear(
    published: Published, ours: str, theirs: str, shape: tuple[int, ...], bias: bool = True
) -> dict[str, np.ndarray]:
    """Take weight and bias of a dense layer, or of a convolution.

    Parameters
    ----------
    published : Published
        Published tensors.
    ours, theirs : str
        Names of the layer.
    shape : tuple of int
        Shape of the weight: (outputs, inputs, ...).
    bias : bool
        Whether the layer has a bias.

    Returns
    -------
    dict of str to np.ndarray
        Tensors by our names.

    Raises
    ------
    ModelError
        If a tensor is missing or has another shape.
    """
    taken = {f"{ours}.weight": published.take(f"{theirs}.weight", shape)}
    return taken | ({f"{ours}.bias": published.take(f"{theirs}.bias", shape[:1])} if bias else {})


def norm(published: Published, ours: str, theirs: str, dim: int) -> dict[str, np.ndarray]:
    """Take scale and offset of a layer norm; parameters and errors as of `linear`."""
    names = {"gamma": "weight", "beta": "bias"}
    return {f"{ours}.{name}": published.take(f"{theirs}.{source}", (dim,)) for name, source in names.items()}


def batch_norm(published: Published, ours: str, theirs: str, channels: int) -> dict[str, np.ndarray]:
    """Take the parameters and statistics of a batch norm; parameters and errors as of `linear`."""
    names = {"gamma": "weight", "beta": "bias", "running_mean": "running_mean", "running_var": "running_var"}
    return {f"{ours}.{name}": published.take(f"{theirs}.{source}", (channels,)) for name, source in names.items()}


def transformer_layer(
    published: Published,
    ours: str,
    theirs: str,
    names: Mapping[str, str],
    units: int,
    hidden_units: int,
    biases: Collection[str] = ("query", "key", "value"),
) -> dict[str, np.ndarray]:
    """Take the tensors of a `mxnet_audio.nn.transformer.TransformerLayer`.

    Parameters
    ----------
    published : Published
        Published tensors.
    ours, theirs : str
        Names of the layer.
    names : mapping of str to str
        Published names within the layer of query, key, value, output, norm1, ffn1, ffn2 and norm2.
    units, hidden_units : int
        Length of the vectors, and of those within the feed-forward network.
    biases : collection of {'query', 'key', 'value'}
        Projections of the attention that have a bias.

    Returns
    -------
    dict of str to np.ndarray
        Tensors by our names.

    Raises
    ------
    ModelError
        If a tensor is missing or has another shape.
    """
    taken: dict[str, np.ndarray] = {}
    for name in ("query", "key", "value", "output"):
        has_bias = name == "output" or name in biases
        taken |= linear(published, f"{ours}.attention.{name}", f"{theirs}.{names[name]}", (units, units), has_bias)
    taken |= linear(published, f"{ours}.ffn1", f"{theirs}.{names['ffn1']}", (hidden_units, units))
    taken |= linear(published, f"{ours}.ffn2", f"{theirs}.{names['ffn2']}", (units, hidden_units))
    for name in ("norm1", "norm2"):
        taken |= norm(published, f"{ours}.{name}", f"{theirs}.{names[name]}", units)
    return taken


def layer_sum(published: Published, layers: int, is_learned: bool) -> dict[str, np.ndarray]:
    """Take the weights of a learned sum over the layers, or make equal ones.

    Parameters
    ----------
    published : Published
        Published tensors.
    layers : int
        Number of the last layer.
    is_learned : bool
        Whether there are published weights: ``layer_weights``.

    Returns
    -------
    dict of str to np.ndarray
        Weights by our name.

    Raises
    ------
    ModelError
        If the published weights are missing or have another shape.
    """
    shares = published.take("layer_weights", (layers + 1,)) if is_learned else np.zeros(layers + 1, np.float32)
    shares.setflags(write=False)
    return {"layer_sum.weight": shares}

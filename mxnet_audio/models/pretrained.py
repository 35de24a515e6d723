"""Transfer of parameters from a trained network to a new one of the same kind."""

from __future__ import annotations

import os
from dataclasses import dataclass

from mxnet_audio import model_store
from mxnet_audio.engine import gluon, nd
from mxnet_audio.errors import ModelError

__all__ = ["Pretrained", "read_pretrained", "transfer"]

HEAD_PREFIX = "head."  # of the names of the last layer's parameters


@dataclass(frozen=True)
class Pretrained:
    """Trained network of a stored model.

    Attributes
    ----------
    directory : str
        Directory of the model.
    input_shape : tuple of int
        Shape of one input.
    head : str
        Last layer: "dense" or "cosine".
    tensors : dict of str to np.ndarray
        Parameters, by their names within the network.
    """

    directory: str
    input_shape: tuple[int, int, int]
    head: str
    tensors: model_store.Tensors


def read_pretrained(name: str, directory: str | os.PathLike) -> Pretrained:
    """Read the network that a classifier stored in a directory, as it was after the last epoch.

    Parameters
    ----------
    name : str
        Name of the network.
    directory : str or os.PathLike
        Directory of the model.

    Returns
    -------
    Pretrained

    Raises
    ------
    ModelError
        If there is no such network, or it is another one or damaged.
    """
    manifest = model_store.read_manifest(directory, name)
    try:
        found, shape = manifest["network"]["name"], tuple(manifest["network"]["input_shape"])
        head = manifest["network"].get("head", "dense")
    except (KeyError, TypeError) as error:
        raise ModelError(f"damaged: missing or invalid in its description: {error}", directory) from error
    if found != name:
        raise ModelError(f"a {found} model, not {name}", directory)
    return Pretrained(os.fspath(directory), shape, head, model_store.read_tensors(directory, manifest, "last"))


def transfer(net: gluon.Block, trained: Pretrained) -> bool:
    """Copy the parameters of a trained network into an initialized one.

    Parameters
    ----------
    net : AudioNet
        Network that has processed an input, so that the shapes of its parameters are known.
    trained : Pretrained
        Network of the same kind. Its input shape may differ if the parameters do not depend on it.

    Returns
    -------
    bool
        Whether the head was transferred, too: it is if kind and number of classes are the same.

    Raises
    ------
    ModelError
        If the name or shape of a parameter differs; `net` then remains unchanged.
    """
    parameters, tensors = net._collect_params_with_prefix(), trained.tensors
    # Heads whose parameters have the same names and shapes are of the same kind, for as many classes.
    net_head, trained_head = (
        {name: tuple(value.shape) for name, value in values.items() if name.startswith(HEAD_PREFIX)}
        for values in (parameters, tensors)
    )
    same_head = net_head == trained_head
    if not same_head:
        parameters = {name: value for name, value in parameters.items() if name not in net_head}
        tensors = {name: value for name, value in tensors.items() if name not in trained_head}
    if unmatched := sorted(parameters.keys() ^ tensors.keys()):
        raise ModelError(f"parameters of another network: {unmatched[0]} is in one only", trained.directory)
    for name, parameter in parameters.items():
        if tuple(parameter.shape) != tensors[name].shape:
            reason = f"parameters of another network: {name} is {tensors[name].shape}, not {tuple(parameter.shape)}"
            raise ModelError(f"{reason}; the input of the trained one is {trained.input_shape}", trained.directory)
    for name, parameter in parameters.items():
        parameter.set_data(nd.array(tensors[name], dtype=tensors[name].dtype))
    return same_head

"""What a trained model knows, for another network of its kind to begin with."""

from __future__ import annotations

import os
from dataclasses import dataclass

from mxnet_audio import model_store
from mxnet_audio.engine import gluon, nd
from mxnet_audio.errors import ModelError

__all__ = ["Pretrained", "read_pretrained", "take_over"]

HEAD = "head."  # what the names of the last layer's parameters begin with


@dataclass(frozen=True)
class Pretrained:
    """The network of a kept model.

    Attributes
    ----------
    directory : str
        Where it is kept.
    input_shape : tuple of int
        Shape of its inputs.
    head : str
        Its last layer.
    tensors : dict of str to np.ndarray
        Its parameters, by their place in it.
    """

    directory: str
    input_shape: tuple[int, int, int]
    head: str
    tensors: model_store.Tensors


def read_pretrained(name: str, directory: str | os.PathLike) -> Pretrained:
    """Read the last state of the network `name` that a classifier kept in a directory.

    Raises
    ------
    ModelError
        If there is none, it is another network, or damaged.
    """
    manifest = model_store.read_manifest(directory, name)
    try:
        found, shape = manifest["network"]["name"], tuple(manifest["network"]["input_shape"])
        head = manifest["network"].get("head", "dense")
    except (KeyError, TypeError) as error:
        raise ModelError(f"damaged: its description lacks or misstates {error}", directory) from error
    if found != name:
        raise ModelError(f"a {found} model, not {name}", directory)
    return Pretrained(os.fspath(directory), shape, head, model_store.read_tensors(directory, manifest, "last"))


def take_over(net: gluon.Block, known: Pretrained) -> bool:
    """Give an initialised network the parameters of a kept one.

    Parameters
    ----------
    net : AudioNet
        It has seen an input, so that the shapes of its parameters are known.
    known : Pretrained
        Of a network of the same kind. Its input may have been another one, if the parameters do not depend on that.

    Returns
    -------
    bool
        Whether the head was taken over too: it is if both are of the same kind and for as many classes.

    Raises
    ------
    ModelError
        If a parameter's name or shape is another one; the network stays as it was.
    """
    own = net._collect_params_with_prefix()
    # Parameters of the same names and shapes are a head of the same kind, for as many classes.
    mine, theirs = (
        {name: tuple(value.shape) for name, value in values.items() if name.startswith(HEAD)}
        for values in (own, known.tensors)
    )
    both = mine == theirs
    taken = {name: value for name, value in own.items() if both or name not in mine}
    given = {name: value for name, value in known.tensors.items() if both or name not in theirs}
    if alone := sorted(taken.keys() ^ given.keys()):
        raise ModelError(f"parameters of another network: {alone[0]} is in one only", known.directory)
    for name, parameter in taken.items():
        if tuple(parameter.shape) != given[name].shape:
            reason = f"parameters of another network: {name} is {given[name].shape}, not {tuple(parameter.shape)}"
            raise ModelError(f"{reason}; the kept one's input was {known.input_shape}", known.directory)
    for name, parameter in taken.items():
        parameter.set_data(nd.array(given[name], dtype=given[name].dtype))
    return both

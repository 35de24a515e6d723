"""Transfer of parameters from a trained network, or of published weights, to a new network of the same kind."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from mxnet_audio import model_store
from mxnet_audio.engine import nd
from mxnet_audio.errors import ModelError, ParameterError
from mxnet_audio.models.blocks import AudioNet
from mxnet_audio.models.encoder_net import EncoderNet
from mxnet_audio.models.sequence_net import SequenceNet
from mxnet_audio.weights.architecture import Architecture, read_architecture

if TYPE_CHECKING:
    from mxnet_audio import weights

__all__ = ["Pretrained", "has_same_head", "load_again", "read_base", "read_pretrained", "read_published", "transfer"]

HEAD_PREFIX = "head."  # of the names of the last layer's parameters


@dataclass(frozen=True)
class Pretrained:
    """Trained network of a stored model, or of published weights.

    Attributes
    ----------
    directory : str
        Directory of the model, or name of the published weights.
    input_shape : tuple of int
        Shape of one input.
    head : str
        Last layer: "dense", "cosine", "mlp" or "tags".
    tensors : dict of str to np.ndarray
        Parameters, by their names within the network.
    embedding : str or None
        Embedding of an encoder.
    is_published : bool
        Whether these are published weights.
    tags : int
        Number of classes of the published head; 0 for none.
    architecture : Architecture or None
        Settings of a network that is built from settings.
    """

    directory: str
    input_shape: tuple[int, int, int]
    head: str
    tensors: model_store.Tensors
    embedding: str | None = None
    is_published: bool = False
    tags: int = 0
    architecture: Architecture | None = None


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
    return model_store.read_state(directory, name, lambda manifest: _read_saved(name, directory, manifest))


def _read_saved(name: str, directory: str | os.PathLike, manifest: dict) -> Pretrained:
    """Read the parameters of a saved model, given its manifest."""
    try:
        found, shape = manifest["network"]["name"], tuple(manifest["network"]["input_shape"])
        head, embedding = manifest["network"].get("head", "dense"), manifest["network"].get("embedding")
        settings = manifest["network"].get("architecture")
        architecture = None if settings is None else read_architecture(settings)
    except (KeyError, TypeError) as error:
        raise ModelError(f"damaged: missing or invalid in its description: {error}", directory) from error
    if found != name:
        raise ModelError(f"a {found} model, not {name}", directory)
    tensors = {**(read_base(directory, manifest) or {}), **model_store.read_tensors(directory, manifest, "last")}
    return Pretrained(os.fspath(directory), shape, head, tensors, embedding, architecture=architecture)


def read_base(directory: str | os.PathLike, manifest: dict, source: Any = None) -> model_store.Tensors | None:
    """Read the published weights that a saved model was made from, for the parameters that are not saved with it.

    Parameters
    ----------
    directory : str or os.PathLike
        Directory of the model.
    manifest : dict
        Its manifest.
    source : str or os.PathLike, optional
        Source of the weights, as for `mxnet_audio.weights.load`; by default the one that the model was made from. Not
        used if the model contains them.

    Returns
    -------
    dict of str to np.ndarray or None
        The weights, without the last layer, also of layers that the model lacks; None if all parameters are saved as
        one set.

    Raises
    ------
    ModelError
        If they cannot be loaded, or are not those that the model was made from.
    """
    if "base" in manifest["files"]:
        return model_store.read_tensors(directory, manifest, "base")
    encoder = manifest.get("encoder")
    if not isinstance(encoder, dict) or (reference := encoder.get("weights")) is None:
        return None
    try:
        loaded = load_again(encoder["name"], reference, source)
    except (KeyError, TypeError) as error:
        raise ModelError(f"damaged: missing or invalid in its description: {error}", directory) from error
    except ModelError as error:
        raise ModelError(error.reason, directory) from error
    return {name: tensor for name, tensor in loaded.tensors.items() if not name.startswith(HEAD_PREFIX)}


def load_again(name: str, reference: Mapping[str, Any], source: Any = None) -> weights.Loaded:
    """Load the published weights that a saved model was made from, and that were not saved with it.

    Parameters
    ----------
    name : str
        Name of the weights.
    reference : mapping
        Their ``source``, ``revision`` and ``identity`` in the training.
    source : str or os.PathLike, optional
        Another source.

    Raises
    ------
    ModelError
        If they cannot be loaded, or are others.
    KeyError, TypeError
        If `reference` is none.
    """
    from mxnet_audio import weights

    identity = reference["identity"]
    source, revision = (reference["source"], reference["revision"]) if source is None else (source, None)
    mend = "give them as `source` (--source of the command): a folder, a file or a name on the hub"
    missing = f"the weights of {name} that it was trained on were not saved with it"
    try:
        loaded = weights.load(name, source, revision=revision)
    except (ModelError, ParameterError) as error:
        raise ModelError(f"{missing}, and cannot be loaded: {mend} ({error})") from error
    if loaded.identity != identity:
        raise ModelError(f"{missing}, and those from {source or 'the usual folders'} are others: {mend}")
    return loaded


def read_published(
    name: str, network: type[EncoderNet] | type[SequenceNet], pretrained: Literal[True] | weights.Loaded
) -> Pretrained:
    """Load the published weights of a network.

    Parameters
    ----------
    name : str
        Name of the network.
    network : type
        Its class.
    pretrained : True or weights.Loaded
        Weights that are loaded already, or True for the first of `mxnet_audio.weights.names` of this network.

    Returns
    -------
    Pretrained

    Raises
    ------
    ModelError
        If the weights are not found, or are of another network.
    ParameterError
        If `pretrained` is something else.
    """
    from mxnet_audio import weights

    if pretrained is True:
        loaded = weights.load(next(record for record in weights.names() if weights.record(record).network == name))
    elif isinstance(pretrained, weights.Loaded):
        loaded = pretrained
    else:
        raise ParameterError(f"pretrained must be True, a directory, or loaded weights, got {pretrained!r}")
    record = loaded.record
    if record.network != name:
        raise ModelError(f"weights of a {record.network} network, not {name}", record.name)
    if issubclass(network, SequenceNet):
        head, shape = "tags" if loaded.labels else network.heads[0], network.longest_input(loaded.architecture)
    else:
        head, shape = "tags" if network.tags else network.heads[0], network.patch_shape()
    return Pretrained(
        record.name,
        shape,
        head,
        loaded.tensors,
        is_published=True,
        tags=len(loaded.labels),
        architecture=loaded.architecture,
    )


def transfer(net: AudioNet, trained: Pretrained) -> bool:
    """Copy the parameters of a trained network into another one.

    Parameters
    ----------
    net : AudioNet
        Network whose parameters have known shapes, as after a first input. It must be initialized if the heads differ
        (`has_same_head`); otherwise it may have no parameters yet, which are made on the CPU.
    trained : Pretrained
        Network of the same kind. Its input shape may differ if the parameters do not depend on it. Layers behind the
        embedding of an encoder may be more than `net` has.

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
    if isinstance(net, EncoderNet | SequenceNet):
        tensors = {name: value for name, value in tensors.items() if name in parameters or name.startswith(HEAD_PREFIX)}
    same_head = has_same_head(net, trained)
    if not same_head:
        parameters = {name: value for name, value in parameters.items() if not name.startswith(HEAD_PREFIX)}
        tensors = {name: value for name, value in tensors.items() if not name.startswith(HEAD_PREFIX)}
    if unmatched := sorted(parameters.keys() ^ tensors.keys()):
        raise ModelError(f"parameters of another network: {unmatched[0]} is in one only", trained.directory)
    for name, parameter in parameters.items():
        if tuple(parameter.shape) != tensors[name].shape:
            reason = f"parameters of another network: {name} is {tensors[name].shape}, not {tuple(parameter.shape)}"
            raise ModelError(f"{reason}; the input of the trained one is {trained.input_shape}", trained.directory)
        if tensors[name].dtype != parameter.dtype:
            raise ModelError(f"parameters of another network: {name} is {tensors[name].dtype}", trained.directory)
    for name, parameter in parameters.items():
        parameter._load_init(nd.array(tensors[name], dtype=tensors[name].dtype), None)
    return same_head


def has_same_head(net: AudioNet, trained: Pretrained) -> bool:
    """Return whether heads are of the same kind, for as many classes, so that `transfer` copies that of the trained."""
    net_head, trained_head = (
        {name: tuple(value.shape) for name, value in values.items() if name.startswith(HEAD_PREFIX)}
        for values in (net._collect_params_with_prefix(), trained.tensors)
    )
    return net_head == trained_head and (net.head_name == "tags") == (trained.head == "tags")

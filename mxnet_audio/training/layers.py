"""Layers of a network by name: which of them training leaves unchanged."""

from __future__ import annotations

import re
from collections.abc import Iterable
from numbers import Integral

from mxnet_audio.checks import iterable_argument
from mxnet_audio.engine import gluon
from mxnet_audio.errors import ParameterError
from mxnet_audio.nn.lora import ADAPTERS, NEW_PARTS

__all__ = ["frozen_names", "layer_of", "layers_below_head"]


def layer_of(name: str) -> str:
    """Return the layer of a parameter: a part with a number, such as ``body.blocks.3``, or else its block.

    Examples
    --------
    >>> layer_of("body.blocks.3.pointwise.weight"), layer_of("body.norm.gamma")
    ('body.blocks.3', 'body.norm')
    """
    numbered = re.match(r"(.*?\.\d+)\.", name)
    return numbered[1] if numbered else name.rpartition(".")[0]


def layers_below_head(net: gluon.Block) -> list[str]:
    """List the layers of a network, in the order of its parameters, without its head and its learned sum of layers."""
    names = net._collect_params_with_prefix()
    return list(dict.fromkeys(layer_of(name) for name in names if not name.startswith(NEW_PARTS)))


def frozen_names(net: gluon.Block, freeze: int | Iterable[str] | None = None, *, trainable: bool = True) -> list[str]:
    """List the parameters of a network that a training leaves unchanged.

    Parameters
    ----------
    net : gluon.Block
        Network.
    freeze : int >= 0 or sequence of str, optional
        Number of numbered layers to freeze, with all parts before them: with 3, those before ``body.layers.3``; the
        layers of the last numbered list count, which are those of the transformer. Or names of parts, such as
        'body.extractor' or 'body.layers.0'. By default the parts in the network's attribute ``frozen``, if it has any.
    trainable : bool
        If False, everything is frozen except the head, the learned sum of layers, and adapters.

    Returns
    -------
    list of str

    Raises
    ------
    ParameterError
        If the network has no such part, or fewer numbered layers; or if `freeze` is given without `trainable`.

    Examples
    --------
    >>> from mxnet_audio.models import get_model
    >>> net = get_model("yamnet", classes=2)
    >>> frozen_names(net, ["body.stem"]), len(frozen_names(net))
    (['body.stem.weight', 'body.stem.bias'], 0)
    >>> frozen_names(net, 1)[-1], frozen_names(net, trainable=False)[-1]
    ('body.blocks.0.pointwise.bias', 'body.blocks.12.pointwise.bias')
    """
    names = [name for name in net._collect_params_with_prefix() if not name.startswith(NEW_PARTS)]
    if not trainable:
        if freeze is not None:
            raise ParameterError(f"freeze must be None if the layers below the head are frozen anyway, got {freeze!r}")
        return [name for name in names if not name.endswith(ADAPTERS)]
    if isinstance(freeze, Integral) and not isinstance(freeze, bool):
        return _first_layers(names, int(freeze))
    frozen: set[str] = set()
    for part in iterable_argument("freeze", getattr(net, "frozen", ()) if freeze is None else freeze, "names"):
        if not (found := [name for name in names if f"{name}.".startswith(f"{part}.")]):
            layers = ", ".join(layers_below_head(net))
            raise ParameterError(f"freeze must be a number of layers, or names of parts ({layers}), got {part!r}")
        frozen.update(found)
    return [name for name in names if name in frozen]


def _first_layers(names: list[str], count: int) -> list[str]:
    """Return the parameters before a numbered layer of the last list of such layers."""
    numbered = [match for name in names if (match := re.fullmatch(r"(.+)\.(\d+)", layer_of(name)))]
    if not numbered:
        raise ParameterError(f"freeze must be names of parts, since the layers have no numbers, got {count}")
    last = numbered[-1][1]
    layers = list(dict.fromkeys(match[0] for match in numbered if match[1] == last))
    if not 0 <= count <= len(layers):
        raise ParameterError(f"freeze must be between 0 and {len(layers)}, the number of layers, got {count}")
    owners = [layer_of(name) for name in names]
    if count < len(layers):
        return names[: owners.index(layers[count])]
    return names[: len(owners) - owners[::-1].index(layers[-1])]

"""Adapters of low rank beside the dense layers of a trained network.

E. Hu et al.: LoRA: Low-Rank Adaptation of Large Language Models. ICLR 2022, arXiv:2106.09685.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mxnet_audio.checks import iterable_argument, real_number, whole_number
from mxnet_audio.engine import gluon, mx, nd
from mxnet_audio.errors import ParameterError
from mxnet_audio.nn.freezing import freeze, retrace

__all__ = ["ADAPTERS", "NEW_PARTS", "TARGETS", "LoraDense", "add_lora", "check_lora", "merge_lora"]

TARGETS = ("query", "value")  # as in the paper
ADAPTERS = ("lora_a", "lora_b")  # last parts of the names of their parameters
NEW_PARTS = ("head.", "layer_sum.")  # of a network with published weights: never published, hence always trained


class LoraDense(gluon.nn.Dense):
    """Dense layer whose weight is kept, with an adapter of low rank that is trained: ``x W' + scale (x A') B'``.

    The layer shares the parameters of the original one. Before training B is zero, so that the outputs are those of the
    original layer.

    Parameters
    ----------
    base : gluon.nn.Dense
        Original layer.
    rank : int, 1 to the smaller side of the weight
        Number of rows of A.
    alpha : float > 0
        ``scale`` is ``alpha / rank``.
    dropout : float, 0 or more and below 1
        Share of the adapter's inputs that is dropped in training.

    Raises
    ------
    ParameterError
        If an argument is out of range.

    Examples
    --------
    >>> base = gluon.nn.Dense(2, in_units=3)
    >>> base.initialize(mx.init.One())
    >>> layer = LoraDense(base, rank=1)
    >>> layer.collect_params(".*lora").initialize()
    >>> layer(nd.ones((1, 3))).asnumpy()
    array([[3., 3.]], dtype=float32)
    >>> sorted(layer._collect_params_with_prefix())
    ['bias', 'lora_a', 'lora_b', 'weight']
    """

    def __init__(self, base: gluon.nn.Dense, rank: int = 8, alpha: float = 16.0, dropout: float = 0.0):
        gluon.nn.HybridBlock.__init__(self, prefix=base.prefix, params=base.params)  # Dense's would make parameters
        rank, alpha = whole_number("rank", rank), real_number("alpha", alpha, above=0)
        units, in_units = base.weight.shape
        if in_units and rank > min(units, in_units):
            reason = f"at most {min(units, in_units)} for a layer from {in_units} to {units} units"
            raise ParameterError(f"rank must be {reason}, got {rank}")
        self._dropout, self._scale = _checked_dropout(dropout), alpha / rank
        self._units, self._in_units, self._flatten = base._units, base._in_units, base._flatten
        object.__setattr__(self, "_base", base)  # not a child: its parameters would have two names
        self._rank = rank
        self.act = base.act
        with self.name_scope():
            self.weight = self.params.get("weight")
            self.bias = None if base.bias is None else self.params.get("bias")
            init = mx.init.Uniform((in_units or 1) ** -0.5)
            self.lora_a = self.params.get("lora_a", shape=(rank, in_units), init=init, allow_deferred_init=True)
            self.lora_b = self.params.get("lora_b", shape=(units, rank), init="zeros")

    def hybrid_forward(self, F, x, weight, lora_a, lora_b, bias=None):
        options = {"no_bias": True, "flatten": self._flatten}
        y = F.FullyConnected(x, weight, bias, num_hidden=self._units, **options | {"no_bias": bias is None})
        x = F.Dropout(x, p=self._dropout) if self._dropout else x
        low = F.FullyConnected(x, lora_a, num_hidden=self._rank, **options)
        y = y + self._scale * F.FullyConnected(low, lora_b, num_hidden=self._units, **options)
        return y if self.act is None else self.act(y)

    def merged(self) -> gluon.nn.Dense:
        """Add the adapter to the weight, and return the original layer."""
        ctx = self.weight.list_ctx()[0]
        change = nd.dot(self.lora_b.data(ctx), self.lora_a.data(ctx))
        self.weight.set_data(self.weight.data(ctx) + self._scale * change)
        return self._base


def _checked_dropout(dropout: float) -> float:
    if (checked := real_number("dropout", dropout, 0)) < 1:
        return checked
    raise ParameterError(f"dropout must be >= 0 and < 1, got {dropout!r}")


def add_lora(
    net: gluon.HybridBlock,
    rank: int = 8,
    alpha: float = 16.0,
    dropout: float = 0.0,
    targets: Sequence[str] = TARGETS,
) -> list[str]:
    """Put adapters beside dense layers of a network, and freeze the other parameters but those of its ``head``.

    Outputs stay the same. The parameters of the network keep their names, so that its weights can still be loaded;
    those of the adapters have new ones, such as ``body.layers.0.attention.query.lora_a``.

    Parameters
    ----------
    net : gluon.HybridBlock
        Network.
    rank, alpha, dropout
        See `LoraDense`.
    targets : sequence of str
        Names of the layers, or the ends of their names: 'query', 'attention.query', or 'ffn1'. Those of the published
        transformers are query, key, value and output of the attention, and ffn1 and ffn2.

    Returns
    -------
    list of str
        Names of the layers that have an adapter now.

    Raises
    ------
    ParameterError
        If an argument is out of range, a target is the name of no dense layer below the head, or the network has
        adapters already.

    See Also
    --------
    merge_lora : weights with the adapters in them, at no cost in computation.

    Examples
    --------
    >>> from mxnet_audio.nn.transformer import TransformerLayer
    >>> layer = TransformerLayer(units=8, heads=2, hidden_units=16)
    >>> layer.initialize()
    >>> add_lora(layer, rank=2)
    ['attention.query', 'attention.value']
    >>> sorted(name for name, p in layer._collect_params_with_prefix().items() if p.grad_req != "null")[:2]
    ['attention.query.lora_a', 'attention.query.lora_b']
    """
    dense = check_lora(net, rank, alpha, dropout, targets)
    for parent, key, base in dense.values():
        layer = LoraDense(base, rank, alpha, dropout)
        _replace(parent, key, layer)
        if base.weight._data is not None:
            for parameter in (layer.lora_a, layer.lora_b):
                parameter.initialize(ctx=base.weight.list_ctx())
    parameters = net._collect_params_with_prefix()
    freeze(net, [name for name in parameters if not name.startswith(NEW_PARTS) and not name.endswith(ADAPTERS)])
    return list(dense)


def check_lora(
    net: gluon.Block, rank: int = 8, alpha: float = 16.0, dropout: float = 0.0, targets: Sequence[str] = TARGETS
) -> dict[str, tuple[gluon.Block, str, gluon.nn.Dense]]:
    """Check the arguments of `add_lora`; return the chosen layers by name: their parents, and their names there."""
    dense = {name: (parent, key, child) for name, parent, key, child in _dense_layers(net)}
    if any(isinstance(child, LoraDense) for _, _, child in dense.values()):
        raise ParameterError("net must have no adapters yet: merge them first")
    chosen: set[str] = set()
    for target in iterable_argument("targets", targets, "names"):
        found = [name for name in dense if f".{name}".endswith(f".{target}")]
        if not found:
            ends = ", ".join(dict.fromkeys(name.rpartition(".")[2] for name in dense)) or "none"
            raise ParameterError(f"targets must be names of dense layers ({ends}), got {target!r}")
        chosen.update(found)
    if not chosen:
        raise ParameterError("targets must not be empty: no layer would have an adapter")
    layers = {name: layer for name, layer in dense.items() if name in chosen}
    for _, _, base in layers.values():
        LoraDense(base, rank, alpha, dropout)
    return layers


def merge_lora(net: gluon.HybridBlock) -> None:
    """Add the adapters of a network to its weights, and remove them; outputs stay the same but for rounding.

    Parameters
    ----------
    net : gluon.HybridBlock
        Network after `add_lora`. Parameters that it froze remain so.

    Raises
    ------
    ParameterError
        If the network has no adapters.

    Examples
    --------
    >>> from mxnet_audio.nn.transformer import TransformerLayer
    >>> layer = TransformerLayer(units=8, heads=2, hidden_units=16)
    >>> layer.initialize()
    >>> names = add_lora(layer, rank=2)
    >>> merge_lora(layer)
    >>> type(layer.attention.query).__name__
    'Dense'
    """
    adapted = [found for found in _dense_layers(net) if isinstance(found[3], LoraDense)]
    if not adapted:
        raise ParameterError("net must have adapters, from add_lora: there are none to merge")
    for _, parent, key, layer in adapted:
        _replace(parent, key, layer.merged())
    retrace(net)


def _dense_layers(parent: gluon.Block, prefix: str = "") -> Iterator[tuple[str, gluon.Block, str, gluon.nn.Dense]]:
    """Yield the dense layers below the head: their names, the blocks that hold them, and their names there."""
    for key, child in parent._children.items():
        name = f"{prefix}{key}"
        if not f"{name}.".startswith(NEW_PARTS):
            if isinstance(child, gluon.nn.Dense):
                yield name, parent, key, child
            yield from _dense_layers(child, f"{name}.")


def _replace(parent: gluon.Block, key: str, child: gluon.nn.Dense) -> None:
    """Replace a child; not by setting the attribute, which refuses a layer of a more general class."""
    parent.register_child(child, key)
    if key in vars(parent):
        object.__setattr__(parent, key, child)

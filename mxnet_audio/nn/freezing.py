"""Parameters that training leaves unchanged, with the statistics of batch norms."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator

from mxnet_audio.engine import gluon

__all__ = ["batch_norms", "freeze", "frozen", "retrace"]


def batch_norms(net: gluon.Block, *, trained: bool = False) -> list[gluon.nn.BatchNorm]:
    """List the batch norms of a network; those whose statistics training changes only, if `trained`."""
    norms: list[gluon.nn.BatchNorm] = []
    net.apply(lambda block: norms.append(block) if isinstance(block, gluon.nn.BatchNorm) else None)
    return [norm for norm in norms if not (trained and norm._kwargs["use_global_stats"])]


def retrace(net: gluon.Block) -> None:
    """Make a hybridized network trace its graph again, after a block in it changed."""
    net.apply(lambda block: block._clear_cached_op() if isinstance(block, gluon.HybridBlock) else None)


def freeze(net: gluon.Block, names: Collection[str]) -> None:
    """Keep parameters unchanged in training: no gradients are computed of them, nor below the first of the others.

    A batch norm whose running mean is among them normalizes by its running statistics in training, too.

    Parameters
    ----------
    net : gluon.Block
        Network.
    names : collection of str
        Names of parameters within the network, as ``_collect_params_with_prefix`` gives them.

    Examples
    --------
    >>> net = gluon.nn.Dense(2, in_units=3)
    >>> freeze(net, ["weight"])
    >>> net.weight.grad_req, net.bias.grad_req
    ('null', 'write')
    """
    parameters = net._collect_params_with_prefix()
    kept = [parameters[name] for name in names]
    for parameter in kept:
        parameter.grad_req = "null"
    statistics = {id(parameter) for parameter in kept}
    for norm in batch_norms(net):
        if id(norm.running_mean) in statistics:
            norm._kwargs["use_global_stats"] = True
    retrace(net)


@contextlib.contextmanager
def frozen(net: gluon.Block, names: Collection[str]) -> Iterator[None]:
    """Keep parameters unchanged for the length of a block of code; see `freeze`."""
    requests = [(parameter, parameter.grad_req) for parameter in net._collect_params_with_prefix().values()]
    flags = [(norm, norm._kwargs["use_global_stats"]) for norm in batch_norms(net)]
    freeze(net, names)
    try:
        yield
    finally:
        for parameter, request in requests:
            parameter.grad_req = request
        for norm, flag in flags:
            norm._kwargs["use_global_stats"] = flag
        retrace(net)

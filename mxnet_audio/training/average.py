"""Averages of weights over epochs, and batch norms whose statistics fit them (arXiv 1803.05407)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from mxnet_audio.engine import autograd, gluon, mx, nd
from mxnet_audio.training.state import Tensors, get_parameters, set_parameters

__all__ = ["WeightAverage", "refresh_norms"]

_COUNT = "count"


class WeightAverage:
    """Running sum of a network's parameters.

    Parameters
    ----------
    state : dict of str to np.ndarray
        Sums and count, held by the caller and stored in checkpoints; empty at the start.
    """

    def __init__(self, state: Tensors):
        self._state = state

    def add(self, net: gluon.Block) -> None:
        """Add the current parameters."""
        for name, value in get_parameters(net).items():
            self._state[name] = self._state.get(name, 0) + value.astype(np.float64)
        self._state[_COUNT] = self._state.get(_COUNT, np.zeros(1)) + 1

    def apply(self, net: gluon.Block) -> None:
        """Set the network's parameters to the mean, and clear the state."""
        count = self._state.pop(_COUNT)
        set_parameters(net, {name: (total / count).astype(np.float32) for name, total in self._state.items()})
        self._state.clear()


def refresh_norms(net: gluon.Block, clips: Iterable[tuple[nd.NDArray, Any]], ctx: mx.Context) -> None:
    """Measure the statistics of all batch norms again, in one pass over clips.

    During training the running statistics follow the last few batches, whose clips may be augmented and mixed, unlike
    those of prediction. Means are averaged over the batches; variances are the sum of those within batches and between
    them.

    Parameters
    ----------
    net : gluon.Block
        Network.
    clips : iterable of (inputs, anything)
        Batches, as from an `AudioLoader`, ideally with clips of all classes in each.
    ctx : mxnet.Context
        Device of the network.
    """
    norms: list[gluon.nn.BatchNorm] = []
    net.apply(lambda block: norms.append(block) if isinstance(block, gluon.nn.BatchNorm) else None)
    if not norms:
        return
    means, squares, count = [0.0] * len(norms), [0.0] * len(norms), 0
    for x, _ in clips:
        for norm in norms:
            for statistic in (norm.running_mean, norm.running_var):
                statistic.set_data(nd.zeros(statistic.shape))
        with autograd.record():
            scores, _ = net(x.as_in_context(ctx))
        scores.backward()  # the backward pass updates statistics to old * momentum + batch * (1 - momentum)
        for index, norm in enumerate(norms):
            share = 1 - norm._kwargs["momentum"]
            mean, variance = (
                statistic.data(ctx).asnumpy().astype(np.float64) / share
                for statistic in (norm.running_mean, norm.running_var)
            )
            means[index] = means[index] + len(x) * mean
            squares[index] = squares[index] + len(x) * (variance + mean**2)
        count += len(x)
    for norm, mean, square in zip(norms, means, squares):
        norm.running_mean.set_data(nd.array(mean / count))
        norm.running_var.set_data(nd.array(np.maximum(square / count - (mean / count) ** 2, 0)))

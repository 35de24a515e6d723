"""The mean of the weights of the last epochs, and norms whose statistics fit it (arXiv 1803.05407)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from mxnet_audio.engine import autograd, gluon, mx, nd
from mxnet_audio.training.state import Tensors, get_parameters, set_parameters

__all__ = ["WeightAverage", "refresh_norms"]

_COUNT = "count"


class WeightAverage:
    """A running sum of a network's parameters.

    Parameters
    ----------
    state : dict of str to np.ndarray
        Kept by the caller, and in a checkpoint; empty at the start.
    """

    def __init__(self, state: Tensors):
        self._state = state

    def add(self, net: gluon.Block) -> None:
        """Count the parameters as they are now."""
        for name, value in get_parameters(net).items():
            self._state[name] = self._state.get(name, 0) + value.astype(np.float64)
        self._state[_COUNT] = self._state.get(_COUNT, np.zeros(1)) + 1

    def apply(self, net: gluon.Block) -> None:
        """Give the network the mean, and forget what was counted."""
        count = self._state.pop(_COUNT)
        set_parameters(net, {name: (total / count).astype(np.float32) for name, total in self._state.items()})
        self._state.clear()


def refresh_norms(net: gluon.Block, clips: Iterable[tuple[nd.NDArray, Any]], ctx: mx.Context) -> None:
    """Measure the statistics of all batch norms anew, over one pass.

    While it trains, a network's running statistics follow the last few batches, which may be augmented and mixed as no
    clip is that it will judge. Means are averaged over the batches; variances are those within batches and between
    them.

    Parameters
    ----------
    net : gluon.Block
    clips : iterable of (inputs, anything)
        What to measure on, in batches, as an `AudioLoader` gives; best in an order in which each has clips of all
        classes.
    ctx : mxnet.Context
        Where the network computes.
    """
    norms: list[gluon.nn.BatchNorm] = []
    net.apply(lambda block: norms.append(block) if isinstance(block, gluon.nn.BatchNorm) else None)
    means, squares, seen = [0.0] * len(norms), [0.0] * len(norms), 0
    for x, _ in clips:
        for norm in norms:
            for statistic in (norm.running_mean, norm.running_var):
                statistic.set_data(nd.zeros(statistic.shape))
        with autograd.record():
            scores, _ = net(x.as_in_context(ctx))
        scores.backward()  # it is the backward pass that updates them: old * momentum + batch * (1 - momentum)
        for place, norm in enumerate(norms):
            share = 1 - norm._kwargs["momentum"]
            mean, variance = (
                statistic.data(ctx).asnumpy().astype(np.float64) / share
                for statistic in (norm.running_mean, norm.running_var)
            )
            means[place] = means[place] + len(x) * mean
            squares[place] = squares[place] + len(x) * (variance + mean**2)
        seen += len(x)
    for norm, mean, square in zip(norms, means, squares):
        norm.running_mean.set_data(nd.array(mean / seen))
        norm.running_var.set_data(nd.array(np.maximum(square / seen - (mean / seen) ** 2, 0)))

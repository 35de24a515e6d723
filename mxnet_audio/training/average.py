"""Averages of weights over epochs, and batch norms whose statistics fit them (arXiv 1803.05407)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from mxnet_audio.data.batch_arrays import as_inputs
from mxnet_audio.engine import autograd, gluon, mx, nd
from mxnet_audio.errors import DatasetError
from mxnet_audio.nn.freezing import batch_norms
from mxnet_audio.training.distributed import ALONE, Workers
from mxnet_audio.training.state import Tensors, get_parameters, set_parameters

__all__ = ["WeightAverage", "combine_norms", "refresh_norms"]

_COUNT = "count"


class WeightAverage:
    """Running sum of those of a network's parameters that change.

    Parameters
    ----------
    state : dict of str to np.ndarray
        Sums and count, held by the caller and stored in checkpoints; empty at the start.
    """

    def __init__(self, state: Tensors):
        self._state = state

    def add(self, net: gluon.Block) -> None:
        """Add the current parameters."""
        changing = _changing(net)
        for name, value in get_parameters(net).items():
            if name in changing:
                self._state[name] = self._state.get(name, 0) + value.astype(np.float64)
        self._state[_COUNT] = self._state.get(_COUNT, np.zeros(1)) + 1

    def apply(self, net: gluon.Block) -> None:
        """Set the network's parameters to the mean, and clear the state."""
        count = self._state.pop(_COUNT)
        means = {name: (total / count).astype(np.float32) for name, total in self._state.items()}
        set_parameters(net, get_parameters(net) | means)
        self._state.clear()


def _changing(net: gluon.Block) -> set[str]:
    """Return the names of the parameters that training changes, with the statistics of norms that are not frozen."""
    statistics = {id(part) for norm in batch_norms(net, trained=True) for part in (norm.running_mean, norm.running_var)}
    parameters = net._collect_params_with_prefix().items()
    return {name for name, parameter in parameters if parameter.grad_req != "null" or id(parameter) in statistics}


def combine_norms(net: gluon.Block, ctx: mx.Context, workers: Workers) -> None:
    """Combine the running statistics of all batch norms that are not frozen over workers.

    Means are averaged; variances are the sum of those within workers and between them.
    """
    if workers.count == 1:
        return
    for norm in batch_norms(net, trained=True):
        mean, variance = (
            statistic.data(ctx).asnumpy().astype(np.float64) for statistic in (norm.running_mean, norm.running_var)
        )
        common = workers.total(mean) / workers.count
        norm.running_mean.set_data(nd.array(common))
        norm.running_var.set_data(nd.array(workers.total(variance + (mean - common) ** 2) / workers.count))


def refresh_norms(
    net: gluon.Block, clips: Iterable[tuple[Any, ...]], ctx: mx.Context, workers: Workers = ALONE
) -> None:
    """Measure the statistics of all batch norms that are not frozen again, in one pass over clips.

    During training the running statistics follow the last few batches, whose clips may be augmented and mixed, unlike
    those of prediction. Means are averaged over the batches; variances are the sum of those within batches and between
    them.

    Parameters
    ----------
    net : gluon.Block
        Network.
    clips : iterable of (inputs, anything) or (inputs, lengths, anything)
        Batches, as from an `AudioLoader`, ideally with clips of all classes in each.
    ctx : mxnet.Context
        Device of the network.
    workers : Workers
        Workers that train together, each of which passes its clips.

    Raises
    ------
    DatasetError
        If there is no batch.
    """
    if not (norms := batch_norms(net, trained=True)):
        return
    means, squares = ([np.zeros(norm.running_mean.shape) for norm in norms] for _ in range(2))
    count = 0
    for *inputs, _ in clips:
        for norm in norms:
            for statistic in (norm.running_mean, norm.running_var):
                statistic.set_data(nd.zeros(statistic.shape))
        with autograd.record():
            scores, _ = net(*as_inputs(inputs, ctx))
        scores.backward()  # the backward pass updates statistics to old * momentum + batch * (1 - momentum)
        for index, norm in enumerate(norms):
            share = 1 - norm._kwargs["momentum"]
            mean, variance = (
                statistic.data(ctx).asnumpy().astype(np.float64) / share
                for statistic in (norm.running_mean, norm.running_var)
            )
            means[index] = means[index] + len(inputs[0]) * mean
            squares[index] = squares[index] + len(inputs[0]) * (variance + mean**2)
        count += len(inputs[0])
    own, count = count, int(workers.total([count])[0])
    if not count:
        raise DatasetError("no batch has enough clips for batch norm: use fewer workers, or more clips")
    if workers.count > 1:
        for index, mean in enumerate(means):
            common = workers.total(mean) / count
            # Around the common mean, as sums in single precision require.
            around = workers.total(squares[index] - 2 * common * mean + own * common**2)
            means[index], squares[index] = common * count, around + count * common**2
    for norm, mean, square in zip(norms, means, squares):
        norm.running_mean.set_data(nd.array(mean / count))
        norm.running_var.set_data(nd.array(np.maximum(square / count - (mean / count) ** 2, 0)))

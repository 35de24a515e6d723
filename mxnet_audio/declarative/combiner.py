"""Combiner and decoders of a declarative run: from the vectors of all inputs to the scores of each output."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mxnet_audio.declarative.layers import FcLayer, complete_layers
from mxnet_audio.engine import gluon
from mxnet_audio.nn.reduce import Reduce
from mxnet_audio.nn.sequence.base import JoinSteps
from mxnet_audio.nn.sequence.fully_connected import FullyConnected
from mxnet_audio.nn.sequence.layers import FullyConnectedSettings
from mxnet_audio.nn.sequence.names import get_initializer

__all__ = ["ConcatCombiner", "Decoder", "fully_connected"]


def fully_connected(in_units: int, layers: Sequence[FcLayer]) -> FullyConnected:
    """Make fully connected layers from their settings."""
    settings = [{key: getattr(layer, key) for key in type(layer).model_fields} for layer in layers]
    return FullyConnected(in_units, [FullyConnectedSettings(**one) for one in settings])


class ConcatCombiner(gluon.nn.HybridBlock):
    """Fully connected layers on the vectors of all inputs, one after the other.

    Parameters
    ----------
    in_units : int > 0
        Length of all vectors together.
    settings : run_sections.ConcatCombiner
        Section ``combiner`` of the configuration.

    Attributes
    ----------
    output_dim : int
        Length of the output.

    Inputs
    ------
    x : NDArray or Symbol [shape=(batch, in_units)]

    Outputs
    -------
    NDArray or Symbol [shape=(batch, output_dim)]
    """

    def __init__(self, in_units: int, settings: Any, **kwargs: Any):
        super().__init__(**kwargs)
        self.output_dim = in_units
        self._adds = []
        with self.name_scope():
            self.layers = gluon.nn.HybridSequential()
            for layer in complete_layers(settings):
                block = fully_connected(self.output_dim, [layer])
                self._adds.append(settings.residual and block.output_dim == self.output_dim)
                self.layers.add(block)
                self.output_dim = block.output_dim

    def hybrid_forward(self, F, x):
        for layer, adds in zip(self.layers, self._adds):
            x = x + layer(x) if adds else layer(x)
        return x


class Decoder(gluon.nn.HybridBlock):
    """Fully connected layers from the output of the combiner to the scores of one output.

    Parameters
    ----------
    in_units : int > 0
        Length of the combined vectors.
    units : int > 0
        Number of scores.
    feature : output_features.Output
        Settings of the output.
    steps : int, optional
        Most steps of the sequences that the combiner gives, which are reduced first; by default it gives vectors.

    Inputs
    ------
    x : NDArray or Symbol [shape=(batch, in_units)], or [shape=(batch, steps, in_units)] and lengths [shape=(batch,)]

    Outputs
    -------
    NDArray or Symbol [shape=(batch, units)]
    """

    def __init__(self, in_units: int, units: int, feature: Any, steps: int | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        settings, reduction = feature.decoder, "mean" if feature.reduce_input == "avg" else feature.reduce_input
        with self.name_scope():
            if steps is None:
                self.reduce = None
            elif reduction == "concat":
                self.reduce, in_units = JoinSteps(steps), steps * in_units
            else:
                self.reduce = Reduce(reduction)
            self.fully_connected = fully_connected(in_units, complete_layers(settings, prefix="fc_"))
            self.scores = gluon.nn.Dense(
                units,
                in_units=self.fully_connected.output_dim,
                use_bias=settings.use_bias,
                weight_initializer=get_initializer("weights_initializer", settings.weights_initializer),
                bias_initializer=get_initializer("bias_initializer", settings.bias_initializer),
            )

    def hybrid_forward(self, F, x, *lengths):
        x = x if self.reduce is None else self.reduce(x, *lengths)
        return self.scores(self.fully_connected(x))

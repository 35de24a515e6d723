"""Combiner and decoders of a declarative run: from the vectors of all inputs to the scores of each output."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from mxnet_audio.declarative.section import Section
from mxnet_audio.engine import gluon
from mxnet_audio.nn.reduce import Reduce
from mxnet_audio.nn.sequence.base import JoinSteps
from mxnet_audio.nn.sequence.fully_connected import FullyConnected
from mxnet_audio.nn.sequence.layers import FullyConnectedSettings, layer_list
from mxnet_audio.nn.sequence.names import get_initializer

__all__ = ["ConcatCombiner", "Decoder", "fc_settings"]


def fc_settings(section: Section, number: str = "num_fc_layers", prefix: str = "") -> list[FullyConnectedSettings]:
    """Return the settings of the fully connected layers of a section.

    Parameters
    ----------
    section : Section
        Section of a configuration with the list ``fc_layers``.
    number : str
        Key of the number of layers, which is used without a list.
    prefix : str
        Prefix of the keys of layers in the section: ``fc_`` in a decoder.
    """
    values = section.model_dump()
    default = FullyConnectedSettings(**{one.name: values[prefix + one.name] for one in fields(FullyConnectedSettings)})
    layers = values["fc_layers"]
    return layer_list("fc_layers", layers, values[number] if layers is None else None, (), default, 0)


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
            for layer in fc_settings(settings):
                block = FullyConnected(self.output_dim, [layer])
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
            self.fully_connected = FullyConnected(in_units, fc_settings(settings, prefix="fc_"))
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

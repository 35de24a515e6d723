"""Fully connected layers."""

from __future__ import annotations

from collections.abc import Sequence

from mxnet_audio.engine import gluon
from mxnet_audio.nn.norms import VectorNorm
from mxnet_audio.nn.sequence.layers import FullyConnectedSettings, norm_arguments
from mxnet_audio.nn.sequence.names import activate, get_initializer

__all__ = ["FullyConnected"]


class FullyConnected(gluon.nn.HybridBlock):
    """Fully connected layers, one after the other.

    Each is a product with its weights, a norm, an activation and a dropout.

    Parameters
    ----------
    in_units : int > 0
        Length of the input.
    layers : sequence of FullyConnectedSettings
        Settings of each layer; without any, the output is the input.

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

    Examples
    --------
    >>> from mxnet_audio.engine import nd
    >>> block = FullyConnected(4, [FullyConnectedSettings(output_size=8, norm="layer"), FullyConnectedSettings()])
    >>> block.initialize()
    >>> block(nd.ones((2, 4))).shape
    (2, 256)
    """

    def __init__(self, in_units: int, layers: Sequence[FullyConnectedSettings], **kwargs):
        super().__init__(**kwargs)
        self._layers = tuple(layers)
        self.output_dim = in_units
        with self.name_scope():
            self.denses = gluon.nn.HybridSequential()
            self.norms = gluon.nn.HybridSequential()
            for layer in layers:
                self.denses.add(
                    gluon.nn.Dense(
                        layer.output_size,
                        in_units=self.output_dim,
                        use_bias=layer.use_bias,
                        weight_initializer=get_initializer("weights_initializer", layer.weights_initializer),
                        bias_initializer=get_initializer("bias_initializer", layer.bias_initializer),
                    )
                )
                self.output_dim = layer.output_size
                self.norms.add(self._new_norm(layer))

    @staticmethod
    def _new_norm(layer: FullyConnectedSettings) -> gluon.nn.HybridBlock:
        if layer.norm is None:
            return gluon.nn.HybridSequential()
        block = VectorNorm if layer.norm == "batch" else gluon.nn.LayerNorm
        return block(in_channels=layer.output_size, **norm_arguments(layer.norm, layer.norm_params))

    def hybrid_forward(self, F, x):
        for layer, dense, norm in zip(self._layers, self.denses, self.norms, strict=True):
            x = activate(F, norm(dense(x)), layer.activation)
            x = F.Dropout(x, p=layer.dropout) if layer.dropout else x
        return x

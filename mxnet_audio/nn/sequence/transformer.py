"""Layers of a transformer over sequences: Ludwig's encoder ``transformer``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mxnet_audio.checks import whole_number
from mxnet_audio.engine import gluon
from mxnet_audio.errors import ParameterError
from mxnet_audio.nn.sequence.base import SequenceEncoder
from mxnet_audio.nn.sequence.layers import optional_fc_layers
from mxnet_audio.nn.sequence.names import check_dropout, get_initializer
from mxnet_audio.nn.transformer import TransformerLayer, attention_mask

__all__ = ["SinusoidalPositions", "TransformerEncoder"]

LONGEST = 10_000  # wavelength of the slowest sinusoid / (2 pi) [steps]
EPSILON = 1e-6  # of the norms, as in Ludwig


class SinusoidalPositions(gluon.nn.HybridBlock):
    """Add sinusoids of the step's number to its vector, from a wavelength of 2 pi to one of 20,000 pi.

    A. Vaswani et al.: Attention Is All You Need. NeurIPS 2017, arXiv:1706.03762.

    Parameters
    ----------
    units : int
        Length of the vectors.

    Inputs
    ------
    x : NDArray or Symbol [shape=(batch, steps, units)]
        Sequences of any number of steps.

    Outputs
    -------
    NDArray or Symbol [shape=(batch, steps, units)]

    Examples
    --------
    >>> from mxnet_audio.engine import nd
    >>> block = SinusoidalPositions(4)
    >>> block.initialize()
    >>> block(nd.zeros((1, 2, 4))).asnumpy().round(2)
    array([[[0.  , 1.  , 0.  , 1.  ],
            [0.84, 0.54, 0.01, 1.  ]]], dtype=float32)
    """

    def __init__(self, units: int, **kwargs):
        super().__init__(**kwargs)
        pair, is_cosine = np.divmod(np.arange(units, dtype=np.float64), 2)
        frequency, phase = LONGEST ** (-2 * pair / units), math.pi / 2 * is_cosine
        with self.name_scope():
            for name, value in (("frequency", frequency), ("phase", phase)):
                setattr(self, name, self.params.get_constant(name, np.float32(value).reshape(1, 1, -1)))

    def hybrid_forward(self, F, x, frequency, phase):
        steps = F.reshape(F.contrib.arange_like(x, axis=1), (1, -1, 1))
        return F.broadcast_add(x, F.sin(F.broadcast_add(F.broadcast_mul(steps, frequency), phase)))


class TransformerLayers(gluon.nn.HybridBlock):
    """Projection, positions, and layers of a transformer: (batch, steps, bands) to (batch, steps, hidden_size)."""

    def __init__(
        self,
        bands: int,
        hidden_size: int,
        num_heads: int,
        hidden_units: int,
        num_layers: int,
        dropout: float,
        weights_initializer: str | Mapping[str, Any],
        **kwargs,
    ):
        super().__init__(**kwargs)
        with self.name_scope():
            self.projection = gluon.nn.Dense(hidden_size, flatten=False, in_units=bands)
            self.positions = SinusoidalPositions(hidden_size)
            self.layers = gluon.nn.HybridSequential()
            for _ in range(num_layers):
                self.layers.add(
                    TransformerLayer(hidden_size, num_heads, hidden_units, "relu", epsilon=EPSILON, dropout=dropout)
                )
        init = get_initializer("weights_initializer", weights_initializer)
        self.collect_params(".*weight$").setattr("init", init)

    def hybrid_forward(self, F, x, lengths):
        mask = attention_mask(F, x, lengths)
        x = self.positions(self.projection(x))
        for layer in self.layers:
            x = layer(x, mask)
        return x, lengths


class TransformerEncoder(SequenceEncoder):
    """Linear projection, positions, and layers of self-attention and feed-forward networks.

    Sinusoids of the number of each step are added to its projection, so that the order of the steps counts. (Ludwig
    adds learned positions to words, and none to vectors.)

    Parameters
    ----------
    bands, steps : int > 0
        Length of the vectors of an input, and most steps of it.
    hidden_size : int > 0
        Length of the vectors of all layers, a multiple of `num_heads`.
    num_heads : int > 0
        Number of heads of the attention.
    transformer_output_size : int > 0
        Length of the vectors within the feed-forward networks, whose outputs have `hidden_size` again.
    num_layers : int > 0
        Number of layers.
    dropout : float
        Share of the outputs of attention and feed-forward networks that is dropped in training.
    weights_initializer : str or mapping
        Values of the matrices of all layers before training, see `names.get_initializer`.
    fc_layers, num_fc_layers, output_size, norm, norm_params, fc_activation, fc_dropout
        See `RNN`.
    use_bias, bias_initializer
        Settings of fully connected layers that do not set them, see `FullyConnectedSettings`.
    reduce_output : {'sum', 'mean', 'avg', 'max', 'last', 'concat', None}
        Reduction over the steps. None keeps the sequences, and there are no fully connected layers.

    Raises
    ------
    ParameterError
        If a parameter is out of range, or does not fit another; it is named.

    Inputs
    ------
    x, lengths
        See `SequenceEncoder`.

    Examples
    --------
    >>> from mxnet_audio.engine import nd
    >>> encoder = TransformerEncoder(80, 100, hidden_size=64, num_heads=4, reduce_output="mean")
    >>> encoder.initialize()
    >>> encoder(nd.ones((2, 100, 80)), nd.array([100, 40])).shape
    (2, 64)
    """

    def __init__(
        self,
        bands: int,
        steps: int,
        *,
        hidden_size: int = 256,
        num_heads: int = 8,
        transformer_output_size: int = 256,
        num_layers: int = 1,
        dropout: float = 0.1,
        fc_layers: Sequence[Mapping[str, Any]] | None = None,
        num_fc_layers: int = 0,
        output_size: int = 256,
        use_bias: bool = True,
        weights_initializer: str | Mapping[str, Any] = "xavier_uniform",
        bias_initializer: str | Mapping[str, Any] = "zeros",
        norm: str | None = None,
        norm_params: Mapping[str, Any] | None = None,
        fc_activation: str | None = "relu",
        fc_dropout: float = 0.0,
        reduce_output: str | None = "last",
        prefix: str | None = None,
        params=None,
    ):
        super().__init__(bands, steps, reduce_output, prefix=prefix, params=params)
        hidden_size, num_heads = whole_number("hidden_size", hidden_size), whole_number("num_heads", num_heads)
        if hidden_size % num_heads:
            raise ParameterError(f"hidden_size must be a multiple of num_heads, got {hidden_size} and {num_heads}")
        with self.name_scope():
            body = TransformerLayers(
                self.bands,
                hidden_size,
                num_heads,
                whole_number("transformer_output_size", transformer_output_size),
                whole_number("num_layers", num_layers),
                check_dropout("dropout", dropout),
                weights_initializer,
            )
        layers = optional_fc_layers(
            fc_layers,
            num_fc_layers,
            fc_activation,
            fc_dropout,
            output_size=output_size,
            norm=norm,
            norm_params=norm_params,
            use_bias=use_bias,
            weights_initializer=weights_initializer,
            bias_initializer=bias_initializer,
        )
        self._complete(body, hidden_size, self.steps, layers)

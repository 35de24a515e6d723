"""One layer of a transformer encoder, for all networks that have some, and its mask."""

from __future__ import annotations

import math
from collections.abc import Collection

from mxnet_audio.checks import one_of, whole_number
from mxnet_audio.engine import gluon
from mxnet_audio.errors import ParameterError
from mxnet_audio.nn.reduce import LOWEST, steps_within

__all__ = ["ACTIVATIONS", "Activation", "Attention", "PositionGate", "TransformerLayer", "attention_mask"]

ACTIVATIONS = ("gelu", "gelu_new", "relu", "silu")
PROJECTIONS = ("query", "key", "value")
GATE_UNITS = 8  # of the projection in a position gate, added up by fours to two gates


def attention_mask(F, x, lengths):
    """Return what is added to the scores of attention, so that nothing behind the ends of sequences counts.

    Parameters
    ----------
    F : module
        `mxnet.nd` or `mxnet.sym`.
    x : NDArray or Symbol [shape=(batch, steps, ...)]
        Sequences.
    lengths : NDArray or Symbol [shape=(batch,)]
        Number of steps of each.

    Returns
    -------
    NDArray or Symbol [shape=(batch, 1, 1, steps)]
        0 within the sequences, and a very low number behind their ends.

    Examples
    --------
    >>> from mxnet_audio.engine import nd
    >>> attention_mask(nd, nd.zeros((1, 3, 8)), nd.array([2])).asnumpy()
    array([[[[-0.e+00, -0.e+00, -1.e+30]]]], dtype=float32)
    """
    return F.expand_dims(F.expand_dims(LOWEST * (1 - steps_within(F, x, lengths)), axis=1), axis=1)


class Activation(gluon.nn.HybridBlock):
    """Activation by its name in the settings of published transformers.

    Parameters
    ----------
    activation : {'gelu', 'gelu_new', 'relu', 'silu'}
        Gaussian error linear unit, its approximation by tanh, rectifier, or x * sigmoid(x).

    Raises
    ------
    ParameterError
        If there is no such activation.

    Examples
    --------
    >>> from mxnet_audio.engine import nd
    >>> Activation("gelu")(nd.array([-1, 0, 1])).asnumpy().round(3)
    array([-0.159,  0.   ,  0.841], dtype=float32)
    """

    def __init__(self, activation: str, **kwargs):
        super().__init__(**kwargs)
        self._activation = one_of("activation", activation, ACTIVATIONS)

    def hybrid_forward(self, F, x):
        if self._activation == "gelu":
            return F.LeakyReLU(x, act_type="gelu")  # exact, and five times as fast as erf
        if self._activation == "gelu_new":
            return 0.5 * x * (1 + F.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * F.square(x))))
        return F.relu(x) if self._activation == "relu" else x * F.sigmoid(x)


class PositionGate(gluon.nn.HybridBlock):
    """Factors of the position bias in attention, computed from what attention takes; those of WavLM.

    S. Chen et al.: WavLM: Large-Scale Self-Supervised Pre-Training for Full Stack Speech Processing. IEEE Journal of
    Selected Topics in Signal Processing 2022, arXiv:2110.13900.

    Parameters
    ----------
    units : int
        Length of the vectors.
    heads : int
        Number of heads.

    Inputs
    ------
    x : NDArray or Symbol [shape=(batch, steps, units)]

    Outputs
    -------
    NDArray or Symbol [shape=(batch, heads, steps, 1)]

    Examples
    --------
    >>> from mxnet_audio.engine import nd
    >>> gate = PositionGate(units=8, heads=2)
    >>> gate.initialize()
    >>> gate(nd.zeros((1, 3, 8))).asnumpy().ravel()
    array([1.75, 1.75, 1.75, 1.75, 1.75, 1.75], dtype=float32)
    """

    def __init__(self, units: int, heads: int, **kwargs):
        super().__init__(**kwargs)
        self._heads = heads
        with self.name_scope():
            self.linear = gluon.nn.Dense(GATE_UNITS, flatten=False, in_units=units // heads)
            self.scale = self.params.get("scale", shape=(1, heads, 1, 1), init="ones")

    def hybrid_forward(self, F, x, scale):
        x = F.transpose(F.reshape(x, (0, 0, self._heads, -1)), (0, 2, 1, 3))
        gates = F.sigmoid(F.sum(F.reshape(self.linear(x), (0, 0, 0, 2, -1)), axis=-1))
        first, second = (F.slice_axis(gates, axis=3, begin=gate, end=gate + 1) for gate in (0, 1))
        return first * (F.broadcast_mul(second, scale) - 1) + 2


class Attention(gluon.nn.HybridBlock):
    """Self-attention of several heads.

    Parameters
    ----------
    units : int
        Length of the vectors, a multiple of `heads`.
    heads : int
        Number of heads.
    dropout : float
        Share of the attention weights that is dropped in training.
    biases : collection of {'query', 'key', 'value'}
        Projections that have a bias.
    gated : bool
        Whether the position bias is multiplied by a `PositionGate`.
    one_by_one : bool
        Whether heads are computed one after the other, if there is neither mask nor position bias. The scores of one
        head of a long sequence, more than a thousand steps, fit into the processor's cache; those of all do not.

    Raises
    ------
    ParameterError
        If `units` is not a multiple of `heads`.

    Inputs
    ------
    x : NDArray or Symbol [shape=(batch, steps, units)]
        Sequences.
    mask : NDArray or Symbol [shape=(batch, 1, 1, steps)], optional
        See `attention_mask`.
    position_bias : NDArray or Symbol [shape=(1, heads, steps, steps)], optional
        Added to the scores, too, where steps are related by their distance.

    Outputs
    -------
    NDArray or Symbol [shape=(batch, steps, units)]

    Examples
    --------
    >>> from mxnet_audio.engine import nd
    >>> block = Attention(units=8, heads=2)
    >>> block.initialize()
    >>> block(nd.zeros((1, 3, 8)), attention_mask(nd, nd.zeros((1, 3)), nd.array([2]))).shape
    (1, 3, 8)
    """

    def __init__(
        self,
        units: int,
        heads: int,
        dropout: float = 0.0,
        biases: Collection[str] = PROJECTIONS,
        gated: bool = False,
        one_by_one: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if units % whole_number("heads", heads):
            raise ParameterError(f"units must be a multiple of heads, got {units} units and {heads} heads")
        self._heads, self._scale, self._dropout = heads, (units // heads) ** -0.5, dropout
        self._one_by_one = one_by_one
        with self.name_scope():
            self.query, self.key, self.value = (
                gluon.nn.Dense(units, use_bias=name in biases, flatten=False, in_units=units, prefix=f"{name}_")
                for name in PROJECTIONS
            )
            self.output = gluon.nn.Dense(units, flatten=False, in_units=units, prefix="output_")
            self.gate = PositionGate(units, heads) if gated else None

    def hybrid_forward(self, F, x, mask=None, position_bias=None):
        parts = [self._by_head(F, part) for part in (self.query(x) * self._scale, self.key(x), self.value(x))]
        if position_bias is not None and self.gate is not None:
            position_bias = F.broadcast_mul(position_bias, self.gate(x))
        biases = [bias for bias in (position_bias, mask) if bias is not None]
        if self._one_by_one and not biases:
            heads = zip(*(F.split(part, num_outputs=self._heads, axis=1) for part in parts), strict=True)
            mixed = F.concat(*(self._mix(F, *head) for head in heads), dim=1)
        else:
            mixed = self._mix(F, *parts, *biases)
        return self.output(F.reshape(F.transpose(mixed, (0, 2, 1, 3)), (0, 0, -1)))

    def _by_head(self, F, x):
        """Split vectors [shape=(batch, steps, units)] by heads [shape=(batch, heads, steps, units of a head)]."""
        return F.transpose(F.reshape(x, (0, 0, self._heads, -1)), (0, 2, 1, 3))

    def _mix(self, F, query, key, value, *biases):
        """Return the means of values, weighted by attention."""
        scores = F.batch_dot(query, key, transpose_b=True)
        for bias in biases:
            scores = F.broadcast_add(scores, bias)
        weights = F.softmax(scores)  # with lengths instead of a mask it takes four times as long
        if self._dropout:
            weights = F.Dropout(weights, p=self._dropout)
        return F.batch_dot(weights, value)


class TransformerLayer(gluon.nn.HybridBlock):
    """Layer of a transformer encoder: self-attention and a feed-forward network, each with a norm and a sum.

    A. Vaswani et al.: Attention Is All You Need. NeurIPS 2017, arXiv:1706.03762.

    Parameters
    ----------
    units : int
        Length of the vectors, a multiple of `heads`.
    heads : int
        Number of heads of the attention.
    hidden_units : int
        Length of the vectors within the feed-forward network.
    activation : {'gelu', 'gelu_new', 'relu', 'silu'}
        Activation of the feed-forward network.
    norm_first : bool
        Whether norms come before attention and feed-forward network, within the sums, instead of after the sums.
    epsilon : float
        Added to variances by the norms.
    dropout, attention_dropout, activation_dropout : float
        Shares that are dropped in training: of the outputs of attention and feed-forward network, of the attention
        weights, and of the hidden vectors of the feed-forward network.
    biases, gated, one_by_one
        See `Attention`.

    Raises
    ------
    ParameterError
        If `units` is not a multiple of `heads`, or there is no such activation.

    Inputs
    ------
    x, mask, position_bias
        See `Attention`.

    Outputs
    -------
    NDArray or Symbol [shape=(batch, steps, units)]

    Examples
    --------
    >>> from mxnet_audio.engine import nd
    >>> layer = TransformerLayer(units=8, heads=2, hidden_units=16)
    >>> layer.initialize()
    >>> layer(nd.ones((1, 3, 8))).shape
    (1, 3, 8)
    >>> sorted(layer._children)
    ['activation', 'attention', 'ffn1', 'ffn2', 'norm1', 'norm2']
    """

    def __init__(
        self,
        units: int,
        heads: int,
        hidden_units: int,
        activation: str = "gelu",
        *,
        norm_first: bool = False,
        epsilon: float = 1e-5,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        activation_dropout: float = 0.0,
        biases: Collection[str] = PROJECTIONS,
        gated: bool = False,
        one_by_one: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self._norm_first, self._dropout, self._activation_dropout = norm_first, dropout, activation_dropout
        with self.name_scope():
            self.attention = Attention(units, heads, attention_dropout, biases, gated, one_by_one)
            self.norm1 = gluon.nn.LayerNorm(epsilon=epsilon, in_channels=units)
            self.ffn1 = gluon.nn.Dense(hidden_units, flatten=False, in_units=units)
            self.activation = Activation(activation)
            self.ffn2 = gluon.nn.Dense(units, flatten=False, in_units=hidden_units)
            self.norm2 = gluon.nn.LayerNorm(epsilon=epsilon, in_channels=units)

    def hybrid_forward(self, F, x, mask=None, position_bias=None):
        if self._norm_first:
            x = x + self._dropped(F, self.attention(self.norm1(x), mask, position_bias), self._dropout)
            return x + self._feed_forward(F, self.norm2(x))
        x = self.norm1(x + self._dropped(F, self.attention(x, mask, position_bias), self._dropout))
        return self.norm2(x + self._feed_forward(F, x))

    def _feed_forward(self, F, x):
        hidden = self._dropped(F, self.activation(self.ffn1(x)), self._activation_dropout)
        return self._dropped(F, self.ffn2(hidden), self._dropout)

    @staticmethod
    def _dropped(F, x, rate):
        return F.Dropout(x, p=rate) if rate else x

"""Recurrent encoder of sequences, and its layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mxnet_audio.checks import whole_number
from mxnet_audio.engine import gluon, mx
from mxnet_audio.errors import ParameterError
from mxnet_audio.nn.reduce import LOWEST, steps_within
from mxnet_audio.nn.sequence.base import SequenceEncoder
from mxnet_audio.nn.sequence.layers import optional_fc_layers
from mxnet_audio.nn.sequence.names import check_dropout, check_name, get_initializer

__all__ = ["RNN", "Recurrence"]

GATES = {"rnn": 1, "lstm": 4, "gru": 3}
STATE_ACTIVATIONS = {"rnn": ("tanh", "relu"), "lstm": ("tanh",), "gru": ("tanh",)}  # of MXNet's recurrent operator
RECURRENT_ACTIVATIONS = ("sigmoid",)


@mx.init.register
class ForgetGateBias(mx.init.Initializer):
    """Bias of 1 for the forget gate of an LSTM, the second of the four gates, and an initializer for the others.

    R. Jozefowicz, W. Zaremba, I. Sutskever: An Empirical Exploration of Recurrent Network Architectures. ICML 2015.
    """

    def __init__(self, others: str):
        super().__init__(others=others)
        self._others = mx.init.create(others)  # from its text, so that this one can be written as text

    def _init_weight(self, name, arr):
        self._others._init_weight(name, arr)
        units = arr.shape[0] // GATES["lstm"]
        arr[units : 2 * units] = 1


class Direction(gluon.nn.HybridBlock):
    """One recurrent layer in one direction: (steps, batch, width) to (steps, batch, state_size).

    For the activation relu, the vectors are longer by a mark: 1 behind the ends of sequences, 0 elsewhere. It makes the
    states behind the ends 0. They could grow to infinity, and the gradient of the weights would be infinity * 0.
    """

    def __init__(
        self,
        width: int,
        state_size: int,
        cell_type: str,
        activation: str,
        initializers: dict[str, mx.init.Initializer],
        recurrent_dropout: float,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self._mode = f"rnn_{activation}" if cell_type == "rnn" else cell_type
        self._state_size, self._recurrent_dropout = state_size, recurrent_dropout
        units = GATES[cell_type] * state_size
        shapes = {"i2h_weight": (units, width), "h2h_weight": (units, state_size)}
        with self.name_scope():
            for name, init in initializers.items():
                setattr(self, name, self.params.get(name, shape=shapes.get(name, (units,)), init=init))

    def hybrid_forward(self, F, x, i2h_weight, h2h_weight, i2h_bias=None, h2h_bias=None):
        if self._recurrent_dropout:
            h2h_weight = F.Dropout(h2h_weight, p=self._recurrent_dropout, axes=(0,))
        zeros = F.zeros_like(F.slice_axis(h2h_weight, axis=1, begin=0, end=1))
        if i2h_bias is None:
            i2h_bias = h2h_bias = zeros
        if self._mode == "rnn_relu":
            i2h_weight = F.concat(i2h_weight, zeros + LOWEST, dim=1)  # of the mark
        parameters = (F.reshape(one, (-1,)) for one in (i2h_weight, h2h_weight, i2h_bias, h2h_bias))
        zero = F.zeros_like(F.slice(x, begin=(0, None, 0), end=(1, None, 1)))
        state = F.broadcast_axis(zero, axis=2, size=self._state_size)
        states = [state] * (2 if self._mode == "lstm" else 1)
        # One layer in one direction: MXNet exports neither more than two layers, nor both directions of all cells, nor
        # lengths to ONNX, and on a CPU its operator ignores lengths.
        return F.RNN(
            x,
            F.concat(*parameters, dim=0),
            *states,
            state_size=self._state_size,
            num_layers=1,
            mode=self._mode,
            state_outputs=True,
        )[0]


class Recurrence(gluon.nn.HybridBlock):
    """Recurrent layers over sequences of different lengths, in one direction or in both.

    Backward directions begin at the last step of each sequence. The equations are those of cuDNN and PyTorch: the gates
    of input and state have a bias each, and the reset gate of the GRU is applied after the recurrent product.

    Parameters
    ----------
    width : int
        Length of the vectors.
    cell_type : {'rnn', 'lstm', 'gru'}
        Elman's cell, long short-term memory, or gated recurrent unit.
    num_layers : int
        Number of layers.
    state_size : int
        Length of the state of a layer in one direction.
    bidirectional : bool
        Run each layer in both directions; their outputs are joined.
    activation : {'tanh', 'relu'}
        Activation of the state; 'relu' for `cell_type` 'rnn' only.
    recurrent_activation : {'sigmoid'}
        Activation of the gates.
    use_bias : bool
        Add biases.
    unit_forget_bias : bool
        Set the bias of the forget gate of an LSTM to 1 before training.
    weights_initializer, recurrent_initializer, bias_initializer : str or mapping
        Values before training of the weights for the input, of those for the state, and of the bias of the input, see
        `names.get_initializer`; the gates of a cell are one matrix. The bias of the state begins with zeros.
    dropout : float
        Share of the outputs of each layer that is dropped in training.
    recurrent_dropout : float
        Share of the state that each step does not take from the step before in training. The same numbers of the state
        are dropped in all steps (Y. Gal, Z. Ghahramani: A Theoretically Grounded Application of Dropout in Recurrent
        Neural Networks. NIPS 2016, arXiv:1512.05287), and for all sequences of a batch.
    ends : bool
        Let the outputs of the last layer's backward direction be in the order in which they are computed, so that the
        last ones of each direction, which depend on the whole sequence, are at the last step.

    Attributes
    ----------
    output_dim : int
        Length of the vectors of the output: `state_size`, or twice as much if bidirectional.

    Raises
    ------
    ParameterError
        If a parameter is out of range; it is named.

    Inputs
    ------
    x : NDArray or Symbol [shape=(batch, steps, width)]
        Sequences.
    lengths : NDArray or Symbol [shape=(batch,)]
        Number of steps of each, >= 1.

    Outputs
    -------
    x : NDArray or Symbol [shape=(batch, steps, output_dim)]
        Outputs of the last layer, zeros behind the ends.
    lengths : NDArray or Symbol [shape=(batch,)]
        As given.

    Examples
    --------
    >>> from mxnet_audio.engine import nd
    >>> block = Recurrence(3, cell_type="lstm", num_layers=2, state_size=4, bidirectional=True)
    >>> block.initialize()
    >>> x, _ = block(nd.ones((2, 5, 3)), nd.array([5, 2]))
    >>> x.shape
    (2, 5, 8)
    """

    def __init__(
        self,
        width: int,
        *,
        cell_type: str = "rnn",
        num_layers: int = 1,
        state_size: int = 256,
        bidirectional: bool = False,
        activation: str = "tanh",
        recurrent_activation: str = "sigmoid",
        use_bias: bool = True,
        unit_forget_bias: bool = True,
        weights_initializer: str | Mapping[str, Any] = "xavier_uniform",
        recurrent_initializer: str | Mapping[str, Any] = "orthogonal",
        bias_initializer: str | Mapping[str, Any] = "zeros",
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        ends: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_name("cell_type", cell_type, GATES)
        check_name(f"activation of {cell_type}", activation, STATE_ACTIVATIONS[cell_type])
        check_name("recurrent_activation", recurrent_activation, RECURRENT_ACTIVATIONS)
        for name, value in (
            ("bidirectional", bidirectional),
            ("use_bias", use_bias),
            ("unit_forget_bias", unit_forget_bias),
        ):
            if not isinstance(value, bool):
                raise ParameterError(f"{name} must be true or false, got {value!r}")
        state_size = whole_number("state_size", state_size)
        recurrent_dropout = check_dropout("recurrent_dropout", recurrent_dropout)
        self._marks_ends = activation == "relu"
        self._dropout, self._ends = check_dropout("dropout", dropout), ends
        initializers = {
            "i2h_weight": get_initializer("weights_initializer", weights_initializer),
            "h2h_weight": get_initializer("recurrent_initializer", recurrent_initializer),
        }
        bias = get_initializer("bias_initializer", bias_initializer)
        if use_bias:
            forgets = cell_type == "lstm" and unit_forget_bias
            initializers["i2h_bias"] = ForgetGateBias(bias.dumps()) if forgets else bias
            initializers["h2h_bias"] = mx.init.Zero()
        self.output_dim = 2 * state_size if bidirectional else state_size
        with self.name_scope():
            self.forward_layers = gluon.nn.HybridSequential()
            self.backward_layers = gluon.nn.HybridSequential()
            for layer in range(whole_number("num_layers", num_layers)):
                for layers in (self.forward_layers, self.backward_layers)[: 1 + bidirectional]:
                    layers.add(
                        Direction(
                            self.output_dim if layer else width,
                            state_size,
                            cell_type,
                            activation,
                            initializers,
                            recurrent_dropout,
                        )
                    )

    def hybrid_forward(self, F, x, lengths):
        x = F.transpose(x, (1, 0, 2))
        marks = (
            F.expand_dims(1 - F.transpose(steps_within(F, x, lengths, axis=0)), axis=2) if self._marks_ends else None
        )
        for number, layer in enumerate(self.forward_layers):
            if self._marks_ends:
                x = F.concat(x, marks, dim=2)
            outputs = layer(x)
            if self.backward_layers:
                back = self.backward_layers[number](F.SequenceReverse(x, lengths, use_sequence_length=True))
                if not (self._ends and layer is self.forward_layers[-1]):
                    back = F.SequenceReverse(back, lengths, use_sequence_length=True)
                outputs = F.concat(outputs, back, dim=2)
            x = F.Dropout(outputs, p=self._dropout) if self._dropout else outputs
        return F.transpose(F.SequenceMask(x, lengths, use_sequence_length=True), (1, 0, 2)), lengths


class RNN(SequenceEncoder):
    """Recurrent layers: Ludwig's encoder ``rnn``.

    Parameters
    ----------
    bands, steps : int > 0
        Length of the vectors of an input, and most steps of it.
    cell_type, num_layers, state_size, bidirectional, activation, recurrent_activation, unit_forget_bias
        See `Recurrence`.
    recurrent_initializer, recurrent_dropout, dropout
        See `Recurrence`.
    fc_layers : list of mapping, optional
        Settings of each fully connected layer behind the reduction, by the names of `FullyConnectedSettings`. Default:
        no such layers.
    num_fc_layers : int >= 0
        Number of fully connected layers, in place of `fc_layers`.
    output_size, norm, norm_params, fc_activation, fc_dropout
        Settings of fully connected layers that do not set them, see `FullyConnectedSettings`.
    use_bias, weights_initializer, bias_initializer
        Settings of all layers.
    reduce_output : {'sum', 'mean', 'avg', 'max', 'last', 'concat', None}
        Reduction over the steps. None keeps the sequences, and there are no fully connected layers. 'last' takes the
        last state that each direction computes, as Keras does: that of the last step forward, and that of the first
        step backward, which both depend on the whole sequence. (Ludwig takes the backward state of the last step, which
        depends on that step alone.)

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
    >>> encoder = RNN(80, 100, cell_type="gru", state_size=32, bidirectional=True)
    >>> encoder.initialize()
    >>> encoder(nd.ones((2, 100, 80)), nd.array([100, 40])).shape
    (2, 64)
    """

    def __init__(
        self,
        bands: int,
        steps: int,
        *,
        cell_type: str = "rnn",
        num_layers: int = 1,
        state_size: int = 256,
        bidirectional: bool = False,
        activation: str = "tanh",
        recurrent_activation: str = "sigmoid",
        use_bias: bool = True,
        unit_forget_bias: bool = True,
        weights_initializer: str | Mapping[str, Any] = "xavier_uniform",
        recurrent_initializer: str | Mapping[str, Any] = "orthogonal",
        bias_initializer: str | Mapping[str, Any] = "zeros",
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        fc_layers: Sequence[Mapping[str, Any]] | None = None,
        num_fc_layers: int = 0,
        output_size: int = 256,
        norm: str | None = None,
        norm_params: Mapping[str, Any] | None = None,
        fc_activation: str | None = "relu",
        fc_dropout: float = 0.0,
        reduce_output: str | None = "last",
        prefix: str | None = None,
        params=None,
    ):
        super().__init__(bands, steps, reduce_output, prefix=prefix, params=params)
        with self.name_scope():
            body = Recurrence(
                self.bands,
                cell_type=cell_type,
                num_layers=num_layers,
                state_size=state_size,
                bidirectional=bidirectional,
                activation=activation,
                recurrent_activation=recurrent_activation,
                use_bias=use_bias,
                unit_forget_bias=unit_forget_bias,
                weights_initializer=weights_initializer,
                recurrent_initializer=recurrent_initializer,
                bias_initializer=bias_initializer,
                dropout=dropout,
                recurrent_dropout=recurrent_dropout,
                ends=self.reduce_output == "last",
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
        self._complete(body, body.output_dim, self.steps, layers)

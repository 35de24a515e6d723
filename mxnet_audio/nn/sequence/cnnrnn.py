"""Convolutions over time, then recurrent layers: Ludwig's encoder ``cnnrnn``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mxnet_audio.checks import whole_number
from mxnet_audio.engine import gluon
from mxnet_audio.nn.sequence.base import SequenceEncoder
from mxnet_audio.nn.sequence.convolutions import ConvStages
from mxnet_audio.nn.sequence.layers import ConvSettings, layer_list, optional_fc_layers
from mxnet_audio.nn.sequence.names import ACTIVATIONS, check_dropout, check_name
from mxnet_audio.nn.sequence.rnn import Recurrence

__all__ = ["CNNRNN"]

CONV_LAYERS = ({"pool_size": 3}, {"pool_size": None})


class ConvRecurrence(gluon.nn.HybridBlock):
    """Convolutions, and recurrent layers of their outputs."""

    def __init__(self, convolutions: ConvStages, recurrence: Recurrence, **kwargs):
        super().__init__(**kwargs)
        self.convolutions, self.recurrence = convolutions, recurrence

    def hybrid_forward(self, F, x, lengths):
        return self.recurrence(*self.convolutions(x, lengths))


class CNNRNN(SequenceEncoder):
    """Convolutions over time, one after the other, then recurrent layers.

    Parameters
    ----------
    bands, steps : int > 0
        Length of the vectors of an input, and most steps of it.
    conv_layers : list of mapping, optional
        Settings of each convolution that differ from those of the encoder, by the names of `ConvSettings`. Default: two
        layers, the first with pools of 3.
    num_conv_layers : int > 0, optional
        Number of convolutions, in place of `conv_layers`.
    num_filters, filter_size, strides, padding, dilation_rate, pool_function, pool_size, pool_strides, pool_padding
        Settings of convolutions that do not set them, see `ConvSettings`.
    conv_activation, conv_dropout
        Activation and dropout of convolutions that do not set them.
    num_rec_layers : int > 0
        Number of recurrent layers.
    cell_type, state_size, bidirectional, activation, recurrent_activation, unit_forget_bias
        See `Recurrence`.
    recurrent_initializer, recurrent_dropout, dropout
        See `Recurrence`.
    fc_layers, num_fc_layers, output_size, fc_activation, fc_dropout, reduce_output
        See `RNN`.
    norm, norm_params
        Settings of convolutions and fully connected layers that do not set them, see `FullyConnectedSettings`.
    use_bias, weights_initializer, bias_initializer
        Settings of all layers.

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
    >>> encoder = CNNRNN(80, 100, num_filters=16, cell_type="lstm", state_size=32)
    >>> encoder.initialize()
    >>> encoder(nd.ones((2, 100, 80)), nd.array([100, 40])).shape
    (2, 32)
    """

    def __init__(
        self,
        bands: int,
        steps: int,
        *,
        conv_layers: Sequence[Mapping[str, Any]] | None = None,
        num_conv_layers: int | None = None,
        num_filters: int = 256,
        filter_size: int = 5,
        strides: int = 1,
        padding: str = "same",
        dilation_rate: int = 1,
        conv_activation: str | None = "relu",
        conv_dropout: float = 0.0,
        pool_function: str = "max",
        pool_size: int | None = 2,
        pool_strides: int | None = None,
        pool_padding: str = "same",
        num_rec_layers: int = 1,
        cell_type: str = "rnn",
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
        of_all: dict[str, Any] = {
            "use_bias": use_bias,
            "weights_initializer": weights_initializer,
            "bias_initializer": bias_initializer,
        }
        norms: dict[str, Any] = {"norm": norm, "norm_params": norm_params}
        check_name("conv_activation", conv_activation, ACTIVATIONS)
        check_dropout("conv_dropout", conv_dropout)
        convolution = ConvSettings(
            num_filters=num_filters,
            filter_size=filter_size,
            strides=strides,
            padding=padding,
            dilation_rate=dilation_rate,
            activation=conv_activation,
            dropout=conv_dropout,
            pool_function=pool_function,
            pool_size=pool_size,
            pool_strides=pool_strides,
            pool_padding=pool_padding,
            **norms,
            **of_all,
        )
        layers = layer_list("conv_layers", conv_layers, num_conv_layers, CONV_LAYERS, convolution)
        with self.name_scope():
            convolutions = ConvStages(self.bands, self.steps, [[layer] for layer in layers])
            recurrence = Recurrence(
                convolutions.output_dim,
                cell_type=cell_type,
                num_layers=whole_number("num_rec_layers", num_rec_layers),
                state_size=state_size,
                bidirectional=bidirectional,
                activation=activation,
                recurrent_activation=recurrent_activation,
                unit_forget_bias=unit_forget_bias,
                recurrent_initializer=recurrent_initializer,
                dropout=dropout,
                recurrent_dropout=recurrent_dropout,
                ends=self.reduce_output == "last",
                **of_all,
            )
            body = ConvRecurrence(convolutions, recurrence)
        self.min_steps = convolutions.min_steps
        fc = optional_fc_layers(
            fc_layers, num_fc_layers, fc_activation, fc_dropout, output_size=output_size, **norms, **of_all
        )
        self._complete(body, recurrence.output_dim, convolutions.output_steps, fc)

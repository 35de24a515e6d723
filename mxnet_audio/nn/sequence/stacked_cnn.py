"""Convolutions over time, one after the other: Ludwig's encoder ``stacked_cnn``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mxnet_audio.nn.sequence.convolutions import ConvEncoder
from mxnet_audio.nn.sequence.layers import ConvSettings, FullyConnectedSettings, layer_list

__all__ = ["StackedCNN"]

STACKED_LAYERS = (
    {"filter_size": 7, "pool_size": 3},
    {"filter_size": 7, "pool_size": 3},
    {"filter_size": 3, "pool_size": None},
    {"filter_size": 3, "pool_size": None},
    {"filter_size": 3, "pool_size": None},
    {"filter_size": 3, "pool_size": 3},
)


class StackedCNN(ConvEncoder):
    """Convolutions and pools, one after the other.

    Parameters
    ----------
    bands, steps : int > 0
        Length of the vectors of an input, and most steps of it.
    conv_layers : list of mapping, optional
        Settings of each convolution that differ from those of the encoder, by the names of `ConvSettings`. Default:
        six, with filter sizes of 7, 7, 3, 3, 3 and 3, and pools of 3 steps after the first, the second and the last.
    num_conv_layers : int > 0, optional
        Number of convolutions, in place of `conv_layers`.
    num_filters, filter_size, strides, padding, dilation_rate, pool_function, pool_size, pool_strides, pool_padding
        Settings of convolutions that do not set them, see `ConvSettings`.
    fc_layers : list of mapping, optional
        Settings of each fully connected layer, by the names of `FullyConnectedSettings`. Default: output sizes of 512
        and 256.
    num_fc_layers : int >= 0, optional
        Number of fully connected layers, in place of `fc_layers`.
    output_size : int > 0
        Length of the output of fully connected layers that do not set it.
    activation, dropout, norm, norm_params, use_bias, bias_initializer, weights_initializer
        Settings of layers that do not set them, see `FullyConnectedSettings`.
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
    >>> encoder = StackedCNN(80, 100, conv_layers=[{"pool_size": 3}, {"num_filters": 32, "strides": 2}])
    >>> encoder.initialize()
    >>> encoder(nd.ones((2, 100, 80)), nd.array([100, 40])).shape
    (2, 256)
    """

    def __init__(
        self,
        bands: int,
        steps: int,
        *,
        conv_layers: Sequence[Mapping[str, Any]] | None = None,
        num_conv_layers: int | None = None,
        num_filters: int = 256,
        filter_size: int = 3,
        strides: int = 1,
        padding: str = "same",
        dilation_rate: int = 1,
        pool_function: str = "max",
        pool_size: int | None = None,
        pool_strides: int | None = None,
        pool_padding: str = "same",
        fc_layers: Sequence[Mapping[str, Any]] | None = None,
        num_fc_layers: int | None = None,
        output_size: int = 256,
        use_bias: bool = True,
        weights_initializer: str | Mapping[str, Any] = "xavier_uniform",
        bias_initializer: str | Mapping[str, Any] = "zeros",
        norm: str | None = None,
        norm_params: Mapping[str, Any] | None = None,
        activation: str | None = "relu",
        dropout: float = 0.0,
        reduce_output: str | None = "sum",
        prefix: str | None = None,
        params=None,
    ):
        super().__init__(bands, steps, reduce_output, prefix=prefix, params=params)
        dense = FullyConnectedSettings(
            output_size=output_size,
            use_bias=use_bias,
            weights_initializer=weights_initializer,
            bias_initializer=bias_initializer,
            norm=norm,
            norm_params=norm_params,
            activation=activation,
            dropout=dropout,
        )
        default = ConvSettings(
            num_filters=num_filters,
            filter_size=filter_size,
            strides=strides,
            padding=padding,
            dilation_rate=dilation_rate,
            pool_function=pool_function,
            pool_size=pool_size,
            pool_strides=pool_strides,
            pool_padding=pool_padding,
            **dense.shared,
        )
        layers = layer_list("conv_layers", conv_layers, num_conv_layers, STACKED_LAYERS, default)
        self._assemble([[layer] for layer in layers], "conv_layers", fc_layers, num_fc_layers, dense)

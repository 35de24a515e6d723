"""Parallel convolutions over time: Ludwig's encoder ``parallel_cnn``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mxnet_audio.nn.sequence.convolutions import ConvEncoder
from mxnet_audio.nn.sequence.layers import ConvSettings, FullyConnectedSettings, layer_list

__all__ = ["PARALLEL_LAYERS", "ParallelCNN"]

PARALLEL_LAYERS = ({"filter_size": 2}, {"filter_size": 3}, {"filter_size": 4}, {"filter_size": 5})


class ParallelCNN(ConvEncoder):
    """Convolutions of different filter sizes in parallel, concatenated; the default encoder.

    Parameters
    ----------
    bands, steps : int > 0
        Length of the vectors of an input, and most steps of it.
    conv_layers : list of mapping, optional
        Settings of each convolution that differ from those of the encoder, by the names of `ConvSettings`. Default:
        filter sizes of 2, 3, 4 and 5.
    num_conv_layers : int > 0, optional
        Number of convolutions, in place of `conv_layers`.
    num_filters, filter_size, pool_function, pool_size
        Settings of convolutions that do not set them, see `ConvSettings`. Their ``pool_padding`` is 'valid' here.
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
    >>> encoder = ParallelCNN(80, 100, conv_layers=[{"filter_size": 3}, {"filter_size": 9, "num_filters": 32}])
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
        pool_function: str = "max",
        pool_size: int | None = None,
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
            pool_function=pool_function,
            pool_size=pool_size,
            pool_padding="valid",
            **dense.shared,
        )
        stage = layer_list("conv_layers", conv_layers, num_conv_layers, PARALLEL_LAYERS, default)
        self._assemble([stage], "conv_layers", fc_layers, num_fc_layers, dense)

"""Stacks of parallel convolutions over time: Ludwig's encoder ``stacked_parallel_cnn``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from mxnet_audio.nn.sequence.convolutions import ConvEncoder
from mxnet_audio.nn.sequence.layers import ConvSettings, FullyConnectedSettings, choose_layers, layer_list
from mxnet_audio.nn.sequence.parallel_cnn import PARALLEL_LAYERS

__all__ = ["StackedParallelCNN"]

STACKS = 3


class StackedParallelCNN(ConvEncoder):
    """Stacks of parallel convolutions of different filter sizes, one after the other.

    Parameters
    ----------
    bands, steps : int > 0
        Length of the vectors of an input, and most steps of it.
    stacked_layers : list of list of mapping, optional
        Settings of each convolution of each stack that differ from those of the encoder, by the names of
        `ConvSettings`. Default: three stacks of filter sizes of 2, 3, 4 and 5.
    num_stacked_layers : int > 0, optional
        Number of such stacks, in place of `stacked_layers`.
    num_filters, filter_size, pool_function
        Settings of convolutions that do not set them, see `ConvSettings`. Their ``pool_padding`` is 'valid' here.
    pool_size : int > 0, optional [steps]
        Length of the pools after the last stack, and, of other stacks, only where `stacked_layers` sets it.
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
    >>> encoder = StackedParallelCNN(80, 100, num_stacked_layers=2, num_filters=32, pool_size=2)
    >>> encoder.initialize()
    >>> encoder(nd.ones((2, 100, 80)), nd.array([100, 40])).shape
    (2, 256)
    """

    def __init__(
        self,
        bands: int,
        steps: int,
        *,
        stacked_layers: Sequence[Sequence[Mapping[str, Any]]] | None = None,
        num_stacked_layers: int | None = None,
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
        standard = [PARALLEL_LAYERS] * STACKS
        stacks = choose_layers("stacked_layers", stacked_layers, num_stacked_layers, PARALLEL_LAYERS, standard)
        unpooled = replace(default, pool_size=None)
        defaults = [*[unpooled] * (len(stacks) - 1), default]
        stages = [
            layer_list(f"stacked_layers[{number}]", stack, None, (), one)
            for number, (stack, one) in enumerate(zip(stacks, defaults, strict=True))
        ]
        self._assemble(stages, "stacked_layers", fc_layers, num_fc_layers, dense)

"""Convolutions over time of sequences of different lengths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mxnet_audio.engine import gluon
from mxnet_audio.errors import ParameterError
from mxnet_audio.nn.norms import MaskedBatchNorm
from mxnet_audio.nn.reduce import LOWEST, steps_within
from mxnet_audio.nn.sequence.base import SequenceEncoder
from mxnet_audio.nn.sequence.layers import ConvSettings, FullyConnectedSettings, layer_list, norm_arguments
from mxnet_audio.nn.sequence.names import activate, get_initializer

__all__ = ["ConvEncoder", "ConvLayer", "ConvStages"]

FC_LAYERS = ({"output_size": 512}, {"output_size": 256})


class Windows:
    """Windows that slide over a sequence: those of a filter or of a pool.

    Parameters
    ----------
    size, stride, padding : int [steps]
        Length of a window, distance to the next one, and number of steps that are added to a sequence.
    """

    def __init__(self, size: int, stride: int, padding: int):
        self.size, self.stride, self.padding = size, stride, padding

    def count(self, steps: int) -> int:
        """Return the number of windows in a sequence."""
        return (steps + self.padding - self.size) // self.stride + 1

    def covered(self, count: int) -> int:
        """Return the number of steps of the shortest sequence with as many windows."""
        return max((count - 1) * self.stride + self.size - self.padding, 1)

    def counts(self, F, lengths):
        """Return the number of windows in each sequence, and 1 for those that are shorter than a window."""
        # 0.5: no quotient is rounded below a whole number.
        return F.maximum(F.floor((lengths + (self.padding - self.size + self.stride + 0.5)) / self.stride), 1)


class ConvLayer(gluon.nn.HybridBlock):
    """Convolution over time, norm, activation, dropout and pool; see `ConvSettings`.

    Parameters
    ----------
    channels : int > 0
        Number of channels of the input.
    settings : ConvSettings
        Settings of the layer.

    Inputs
    ------
    x : NDArray or Symbol [shape=(batch, channels, 1, steps)]
        Sequences, zeros behind the ends.
    lengths : NDArray or Symbol [shape=(batch,)]
        Number of steps of each.

    Outputs
    -------
    x : NDArray or Symbol [shape=(batch, num_filters, 1, steps')]
        Sequences; anything behind the ends.
    lengths : NDArray or Symbol [shape=(batch,)]
        Number of steps of each, 1 or more.

    Examples
    --------
    >>> from mxnet_audio.engine import nd
    >>> layer = ConvLayer(4, ConvSettings(num_filters=8, padding="valid", pool_size=2))
    >>> layer.initialize()
    >>> x, lengths = layer(nd.ones((2, 4, 1, 10)), nd.array([10, 6]))
    >>> x.shape, lengths.asnumpy()
    ((2, 8, 1, 4), array([4., 2.], dtype=float32))
    """

    def __init__(self, channels: int, settings: ConvSettings, **kwargs):
        super().__init__(**kwargs)
        self.settings = settings
        border = settings.reach - 1 if settings.padding == "same" else 0
        self._adds_step = border % 2  # behind the end
        self.filters = Windows(settings.reach, settings.strides, border)
        self.pools = None
        if settings.pool_size is not None:
            self._pool_border = (settings.pool_size - 1) // 2 if settings.pool_padding == "same" else 0
            strides = settings.pool_size if settings.pool_strides is None else settings.pool_strides
            self.pools = Windows(settings.pool_size, strides, 2 * self._pool_border)
        with self.name_scope():
            # Conv2D of height 1, since a hybridized Conv1D cannot load parameters, and has no ONNX export.
            self.conv = gluon.nn.Conv2D(
                settings.num_filters,
                (1, settings.filter_size),
                (1, settings.strides),
                padding=(0, border // 2),
                dilation=(1, settings.dilation_rate),
                use_bias=settings.use_bias,
                in_channels=channels,
                weight_initializer=get_initializer("weights_initializer", settings.weights_initializer),
                bias_initializer=get_initializer("bias_initializer", settings.bias_initializer),
            )
            arguments = norm_arguments(settings.norm, settings.norm_params)
            self.norm = None
            if settings.norm == "batch":
                self.norm = MaskedBatchNorm(settings.num_filters, **arguments)
            elif settings.norm == "layer":
                self.norm = gluon.nn.LayerNorm(in_channels=settings.num_filters, **arguments)

    def hybrid_forward(self, F, x, lengths):
        settings = self.settings
        if self._adds_step:
            x = F.pad(x, mode="constant", constant_value=0, pad_width=(0, 0, 0, 0, 0, 0, 0, 1))
        x = self.conv(x)
        lengths = self.filters.counts(F, lengths)
        if settings.norm == "batch":
            x = self.norm(x, within_maps(F, x, lengths))
        elif settings.norm == "layer":
            x = F.transpose(self.norm(F.transpose(x, (0, 2, 3, 1))), (0, 3, 1, 2))
        x = activate(F, x, settings.activation)
        x = F.Dropout(x, p=settings.dropout) if settings.dropout else x
        if self.pools is None:
            return x, lengths
        within = within_maps(F, x, lengths)
        if settings.pool_function == "max":
            x = self._pool(F, masked(F, x, within, LOWEST), "max")
        else:
            shares = F.maximum(self._pool(F, within, "avg"), 0.5 / settings.pool_size)  # not 0 behind the ends
            x = F.broadcast_div(self._pool(F, masked(F, x, within), "avg"), shares)
        return x, self.pools.counts(F, lengths)

    def _pool(self, F, x, kind):
        size, stride, border = self.pools.size, self.pools.stride, self._pool_border
        return F.Pooling(x, kernel=(1, size), stride=(1, stride), pad=(0, border), pool_type=kind)


def within_maps(F, x, lengths):
    """Return 1 for the steps of sequences, and 0 behind their ends [shape=(batch, 1, 1, steps)]."""
    return F.expand_dims(F.expand_dims(steps_within(F, x, lengths, axis=3), axis=1), axis=1)


def masked(F, x, within, value=0):
    """Put a value behind the ends of sequences."""
    # Without the gradient of the mask, which takes several times as long as everything else here.
    mask = F.BlockGrad(F.broadcast_like(within, x))
    return x * mask + value * (1 - mask) if value else x * mask


class ConvStages(gluon.nn.HybridBlock):
    """Stages of convolutions, one after the other; the layers of one stage are parallel, their outputs concatenated.

    Parameters
    ----------
    bands : int > 0
        Length of the vectors of the input.
    steps : int > 0
        Most steps of an input.
    stages : sequence of sequence of ConvSettings
        Settings of each layer of each stage.
    name : {'conv_layers', 'stacked_layers'}
        Name of the list of layers, or of the list of lists, for messages.

    Raises
    ------
    ParameterError
        If a filter or a pool is longer than its input, or the layers of a stage differ in the number of their steps.

    Attributes
    ----------
    output_dim : int
        Length of the vectors of the output.
    output_steps : int
        Most steps of an output.
    min_steps : int
        Fewest steps of an array that a filter or pool fits in.

    Inputs
    ------
    x : NDArray or Symbol [shape=(batch, steps, bands)]
        Sequences.
    lengths : NDArray or Symbol [shape=(batch,)]
        Number of steps of each; what is behind them does not count.

    Outputs
    -------
    x : NDArray or Symbol [shape=(batch, steps', output_dim)]
        Sequences; anything behind the ends.
    lengths : NDArray or Symbol [shape=(batch,)]
        Number of steps of each, 1 or more.

    Examples
    --------
    >>> from mxnet_audio.engine import nd
    >>> layer = ConvSettings(num_filters=8)
    >>> block = ConvStages(4, 10, [[layer, layer], [ConvSettings(num_filters=6, strides=3)]])
    >>> block.initialize()
    >>> x, lengths = block(nd.ones((2, 10, 4)), nd.array([10, 6]))
    >>> x.shape, lengths.asnumpy()
    ((2, 4, 6), array([4., 2.], dtype=float32))
    """

    def __init__(
        self,
        bands: int,
        steps: int,
        stages: Sequence[Sequence[ConvSettings]],
        name: str = "conv_layers",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.output_dim, self.output_steps = bands, steps
        with self.name_scope():
            self.stages = gluon.nn.HybridSequential()
            for number, layers in enumerate(stages):
                stage = gluon.nn.HybridSequential()
                for layer in layers:
                    stage.add(ConvLayer(self.output_dim, layer))
                self.stages.add(stage)
                # A list of layers is one stage of parallel layers, or stages of one layer each.
                is_nested = name == "stacked_layers"
                paths = [f"[{number}][{i}]" if is_nested else f"[{number + i}]" for i in range(len(layers))]
                self.output_steps = _steps_behind([name + path for path in paths], stage, self.output_steps)
                self.output_dim = sum(layer.num_filters for layer in layers)
        self.min_steps = 1
        for stage in reversed(self.stages):
            self.min_steps = max(_covered(layer, self.min_steps) for layer in stage)

    def hybrid_forward(self, F, x, lengths):
        x = F.expand_dims(F.transpose(x, (0, 2, 1)), axis=2)
        for stage in self.stages:
            x = masked(F, x, within_maps(F, x, lengths))
            outputs, counts = zip(*(layer(x, lengths) for layer in stage), strict=True)
            x, lengths = F.concat(*outputs, dim=1), counts[0]
        return F.transpose(F.reshape(x, (0, 0, -1)), (0, 2, 1)), lengths


def _windows(layer: ConvLayer) -> list[Windows]:
    return [layer.filters] if layer.pools is None else [layer.filters, layer.pools]


def _covered(layer: ConvLayer, steps: int) -> int:
    """Return the fewest steps of an input with as many steps of the output."""
    for windows in reversed(_windows(layer)):
        steps = windows.covered(steps)
    return steps


def _steps_behind(names: Sequence[str], stage: Sequence[ConvLayer], steps: int) -> int:
    """Return the most steps of the output of a stage, if its layers agree for inputs of any length."""
    outputs = []
    for name, layer in zip(names, stage, strict=True):
        outputs.append(steps)
        for windows, kind in zip(_windows(layer), ("filter", "pool"), strict=False):
            if (count := windows.count(outputs[-1])) < 1:
                raise ParameterError(
                    f"{name}: a {kind} of {windows.size} steps is longer than its input of {outputs[-1]} steps; make "
                    "it shorter, use fewer strides and pools before it, or padding same"
                )
            outputs[-1] = count
    if len({tuple((one.stride, one.padding - one.size) for one in _windows(layer)) for layer in stage}) > 1:
        raise ParameterError(
            f"{names[0]} to {names[-1]} are parallel and must give equally many steps for inputs of any length, got "
            f"{', '.join(map(str, outputs))} of {steps}: make their strides and pools the same, and their padding same"
        )
    return outputs[0]


class ConvEncoder(SequenceEncoder):
    """Base of the encoders that consist of convolutions and fully connected layers."""

    def _assemble(
        self,
        stages: Sequence[Sequence[ConvSettings]],
        name: str,
        fc_layers: Sequence[Mapping[str, Any]] | None,
        num_fc_layers: int | None,
        dense: FullyConnectedSettings,
    ) -> None:
        """Make the layers.

        Parameters
        ----------
        stages, name
            See `ConvStages`.
        fc_layers, num_fc_layers
            List or number of the fully connected layers.
        dense : FullyConnectedSettings
            Settings that a fully connected layer does not set itself.
        """
        layers = layer_list("fc_layers", fc_layers, num_fc_layers, FC_LAYERS, dense, 0)
        with self.name_scope():
            body = ConvStages(self.bands, self.steps, stages, name)
        self.min_steps = body.min_steps
        self._complete(body, body.output_dim, body.output_steps, layers)

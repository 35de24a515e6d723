"""Convolution padded as in TensorFlow, for weights that were trained there."""

from __future__ import annotations

from mxnet_audio.engine import gluon

__all__ = ["SameConv2D"]


class SameConv2D(gluon.nn.Conv2D):
    """Convolution with TensorFlow's padding "SAME", which may add one more zero after the input than before it.

    MXNet pads both sides alike. Where they differ, the kernel is extended by a zero before its first weight instead.

    Parameters
    ----------
    channels : int
        Number of filters.
    kernel : int or tuple of int
        Size in bands and frames.
    stride : {1, 2}
        Step in both directions; with 2, the input must have an even number of bands and frames.
    in_channels, groups : int
        Channels of the input, and number of groups of channels that are convolved separately.

    Examples
    --------
    >>> from mxnet_audio.engine import mx, nd
    >>> block = SameConv2D(1, (1, 3), stride=2, in_channels=1)
    >>> block.initialize(mx.init.One())
    >>> block(nd.array([[[[1, 2, 4, 8], [0, 0, 0, 0]]]])).asnumpy().tolist()  # 1 + 2 + 4 and 4 + 8 + 0
    [[[[7.0, 12.0]]]]
    """

    def __init__(
        self,
        channels: int,
        kernel: int | tuple[int, int],
        stride: int = 1,
        *,
        in_channels: int,
        groups: int = 1,
        **kwargs,
    ):
        sizes = (kernel, kernel) if isinstance(kernel, int) else kernel
        super().__init__(
            channels,
            sizes,
            strides=stride,
            padding=tuple(size // 2 for size in sizes),
            groups=groups,
            in_channels=in_channels,
            **kwargs,
        )
        extra = [int(size > 1 and (size - stride) % 2) for size in sizes]  # zeros added in all: size - stride
        self._extended_axes = [axis for axis, more in zip((2, 3), extra) if more]
        self._extended = {**self._kwargs, "kernel": tuple(size + more for size, more in zip(sizes, extra))}

    def hybrid_forward(self, F, x, weight, bias):
        for axis in self._extended_axes:  # not by pad, which ONNX Runtime mistakes for padding of the input
            zeros = F.zeros_like(F.slice_axis(weight, axis=axis, begin=0, end=1))
            weight = F.concat(zeros, weight, dim=axis)
        return F.Convolution(x, weight, bias, **self._extended)

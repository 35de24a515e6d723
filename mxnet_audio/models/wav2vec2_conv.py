"""Convolutions of wav2vec 2.0, HuBERT and WavLM: from samples to vectors, and in place of position embeddings."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mxnet_audio.engine import gluon
from mxnet_audio.nn.reduce import steps_within
from mxnet_audio.nn.transformer import Activation
from mxnet_audio.weights.architecture import Wav2Vec2Architecture

__all__ = ["FeatureExtractor", "PositionalConv", "hop", "receptive_field"]

EPSILON = 1e-5  # added to variances by the norms of the extractor


def receptive_field(kernels: Sequence[int], strides: Sequence[int]) -> int:
    """Return the number of samples that one vector of the extractor depends on.

    Examples
    --------
    >>> receptive_field((10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2))
    400
    """
    samples = 1
    for kernel, stride in zip(reversed(kernels), reversed(strides), strict=True):
        samples = (samples - 1) * stride + kernel
    return samples


def hop(strides: Sequence[int]) -> int:
    """Return the number of samples from one vector of the extractor to the next.

    Examples
    --------
    >>> hop((5, 2, 2, 2, 2, 2, 2))
    320
    """
    return math.prod(strides)


class GroupNormConv(gluon.nn.HybridBlock):
    """Convolution of samples, and a norm of each channel over all steps of an input.

    Mean and variance of a channel follow from those of the frames that the kernels are applied to: its variance is
    w C w, where w is the kernel and C the covariance of a frame's samples. So the norm is part of the kernels, which
    are different for each input, and convolution and norm are one product of matrices. This takes a quarter of the time
    of a convolution and a norm. A bias would have no effect before the norm.

    Parameters
    ----------
    channels : int
        Number of channels.
    kernel, stride : int [samples]
        Length of a frame, and distance to the next one.

    Inputs
    ------
    x : NDArray or Symbol [shape=(batch, 1, 1, samples)]
        Samples.
    steps : NDArray or Symbol [shape=(batch,)]
        Number of frames of each input; those behind them do not count.

    Outputs
    -------
    NDArray or Symbol [shape=(batch, channels, 1, frames)]
        Zeros behind the ends.

    Examples
    --------
    >>> from mxnet_audio.engine import mx, nd
    >>> block = GroupNormConv(channels=2, kernel=1, stride=2)
    >>> block.initialize(mx.init.One())
    >>> block(nd.array([[[[4, 0, 6, 0, 9]]]]), nd.array([2])).asnumpy().round(3).tolist()
    [[[[-1.0, 1.0, 0.0]], [[-1.0, 1.0, 0.0]]]]
    """

    def __init__(self, channels: int, kernel: int, stride: int, **kwargs):
        super().__init__(**kwargs)
        self._channels, self._kernel, self._stride = channels, kernel, stride
        with self.name_scope():
            self.weight = self.params.get("weight", shape=(channels, kernel))
            self.gamma = self.params.get("gamma", shape=(channels,), init="ones")
            self.beta = self.params.get("beta", shape=(channels,), init="zeros")

    def hybrid_forward(self, F, x, steps, weight, gamma, beta):
        frames = self._frames(F, x, weight)
        within = F.expand_dims(steps_within(F, frames, steps, axis=2), axis=1)
        count = F.reshape(steps, (-1, 1, 1))
        mean = F.broadcast_div(F.sum(F.broadcast_mul(frames, within), axis=2, keepdims=True), count)
        frames = F.broadcast_mul(F.broadcast_sub(frames, mean), within)
        # In float32, the variance of a channel that most of the sound does not reach would be lost in rounding errors.
        exact, kernels = F.cast(frames, "float64"), F.cast(weight, "float64")
        covariance = F.broadcast_div(F.batch_dot(exact, exact, transpose_b=True), F.cast(count, "float64"))
        products = F.FullyConnected(covariance, kernels, num_hidden=self._channels, no_bias=True, flatten=False)
        variance = F.sum(F.broadcast_mul(products, F.expand_dims(F.transpose(kernels), axis=0)), axis=1)
        scale = F.broadcast_div(F.expand_dims(gamma, axis=0), F.cast(F.sqrt(variance + EPSILON), "float32"))
        kernels = F.broadcast_mul(F.expand_dims(weight, axis=0), F.expand_dims(scale, axis=2))
        offsets = F.broadcast_like(F.reshape(beta, (1, -1, 1)), F.expand_dims(scale, axis=2))
        # The offsets are one more row of the matrices.
        product = F.batch_dot(F.concat(kernels, offsets, dim=2), F.concat(frames, within, dim=1))
        return F.expand_dims(product, axis=2)

    def _frames(self, F, x, weight):
        """Cut samples into frames [shape=(batch, kernel, frames)], by a convolution that copies them."""
        copies = F.one_hot(F.contrib.arange_like(weight, axis=1), depth=self._kernel)
        kernel, stride = (1, self._kernel), (1, self._stride)
        copies = F.reshape(copies, (self._kernel, 1, 1, self._kernel))
        frames = F.Convolution(x, copies, kernel=kernel, stride=stride, num_filter=self._kernel, no_bias=True)
        return F.reshape(frames, (0, 0, -1))


class ConvLayer(gluon.nn.HybridBlock):
    """Convolution over time, perhaps a norm over the channels of each step, and an activation."""

    def __init__(
        self,
        inputs: int,
        channels: int,
        kernel: int,
        stride: int,
        *,
        bias: bool,
        norm: bool,
        activation: str,
        **kwargs,
    ):
        super().__init__(**kwargs)
        with self.name_scope():
            # Conv2D of height 1, since a hybridized Conv1D cannot load parameters, and has no ONNX export.
            self.conv = gluon.nn.Conv2D(channels, (1, kernel), (1, stride), use_bias=bias, in_channels=inputs)
            self.norm = gluon.nn.LayerNorm(epsilon=EPSILON, in_channels=channels) if norm else None
            self.activation = Activation(activation)

    def hybrid_forward(self, F, x):
        x = self.conv(x)
        if self.norm is not None:
            x = F.transpose(self.norm(F.transpose(x, (0, 2, 3, 1))), (0, 3, 1, 2))
        return self.activation(x)


class FeatureExtractor(gluon.nn.HybridBlock):
    """Convolutions from samples to vectors.

    Parameters
    ----------
    architecture : Wav2Vec2Architecture
        Settings of the network.

    Inputs
    ------
    x : NDArray or Symbol [shape=(batch, 1, 1, samples)]
        Samples.
    lengths : NDArray or Symbol [shape=(batch,)]
        Number of samples of each input.

    Outputs
    -------
    steps : NDArray or Symbol [shape=(batch,)]
        Number of vectors of each input.
    vectors : NDArray or Symbol [shape=(batch, steps, channels)]

    Examples
    --------
    >>> from mxnet_audio.engine import nd
    >>> settings = {"conv_dim": (8, 8), "conv_kernel": (10, 3), "conv_stride": (5, 2)}
    >>> extractor = FeatureExtractor(Wav2Vec2Architecture(**settings))
    >>> extractor.initialize()
    >>> steps, vectors = extractor(nd.ones((2, 1, 1, 50)), nd.array([50, 20]))
    >>> steps.asnumpy(), vectors.shape
    (array([4., 1.], dtype=float32), (2, 4, 8))
    """

    def __init__(self, architecture: Wav2Vec2Architecture, **kwargs):
        super().__init__(**kwargs)
        self._shapes = tuple(zip(architecture.conv_kernel, architecture.conv_stride, strict=True))
        group_norm = architecture.feat_extract_norm == "group"
        with self.name_scope():
            self.layers = gluon.nn.HybridSequential()
            inputs = 1
            for layer, channels in enumerate(architecture.conv_dim):
                kernel, stride = self._shapes[layer]
                if layer == 0 and group_norm:
                    self.layers.add(GroupNormConv(channels, kernel, stride))
                else:
                    self.layers.add(
                        ConvLayer(
                            inputs,
                            channels,
                            kernel,
                            stride,
                            bias=architecture.conv_bias,
                            norm=not group_norm,
                            activation=architecture.feat_extract_activation,
                        )
                    )
                inputs = channels
            self.activation = Activation(architecture.feat_extract_activation) if group_norm else None

    def hybrid_forward(self, F, x, lengths):
        for layer, (kernel, stride) in zip(self.layers, self._shapes, strict=True):
            lengths = F.floor((lengths - kernel + stride + 0.5) / stride)  # 0.5: no quotient is rounded below a number
            x = self.activation(layer(x, lengths)) if isinstance(layer, GroupNormConv) else layer(x)
        return lengths, F.transpose(F.reshape(x, (0, 0, -1)), (0, 2, 1))


class PositionalConv(gluon.nn.HybridBlock):
    """Convolution of vectors over time, in groups, which is added to them in place of position embeddings.

    The published weights are normalized by their norm, or the vectors by a batch norm. Both are folded at the
    conversion: the weights are those of the convolution itself, and can be trained as such; the batch norm is a scale
    and a shift of each channel.

    Parameters
    ----------
    architecture : Wav2Vec2Architecture
        Settings of the network.

    Inputs
    ------
    x : NDArray or Symbol [shape=(batch, steps, dim)]
        Vectors, zeros behind the ends.
    within : NDArray or Symbol [shape=(batch, steps, 1)]
        1 for steps, 0 behind the ends.

    Outputs
    -------
    NDArray or Symbol [shape=(batch, steps, dim)]

    Examples
    --------
    >>> from mxnet_audio.engine import nd
    >>> settings = {"hidden_size": 8, "num_attention_heads": 2, "num_conv_pos_embedding_groups": 2}
    >>> block = PositionalConv(Wav2Vec2Architecture(**settings))
    >>> block.initialize()
    >>> block(nd.ones((2, 5, 8)), nd.ones((2, 5, 1))).shape
    (2, 5, 8)
    """

    def __init__(self, architecture: Wav2Vec2Architecture, **kwargs):
        super().__init__(**kwargs)
        units, kernel = architecture.hidden_size, architecture.num_conv_pos_embeddings
        self._is_even = kernel % 2 == 0
        with self.name_scope():
            if architecture.conv_pos_batch_norm:
                self.scale = self.params.get("scale", shape=(1, 1, units), init="ones")
                self.shift = self.params.get("shift", shape=(1, 1, units), init="zeros")
            groups = architecture.num_conv_pos_embedding_groups
            padding = (0, kernel // 2)
            self.conv = gluon.nn.Conv2D(units, (1, kernel), padding=padding, groups=groups, in_channels=units)
            self.activation = Activation(architecture.feat_extract_activation)

    def hybrid_forward(self, F, x, within, scale=None, shift=None):
        if scale is not None:
            x = F.broadcast_mul(F.broadcast_add(F.broadcast_mul(x, scale), shift), within)
        # In this order: in the other one, gradients of hybridized blocks with few groups fail within oneDNN.
        x = self.conv(F.transpose(F.expand_dims(x, axis=1), (0, 3, 1, 2)))
        if self._is_even:  # one step more than the input
            x = F.slice_axis(x, axis=3, begin=0, end=-1)
        return F.transpose(F.reshape(self.activation(x), (0, 0, -1)), (0, 2, 1))

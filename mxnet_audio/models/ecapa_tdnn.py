"""ECAPA-TDNN, a speaker network of convolutions over time with attentive statistics.

B. Desplanques, J. Thienpondt, K. Demuynck: ECAPA-TDNN: Emphasized Channel Attention, Propagation and Aggregation in
TDNN Based Speaker Verification. Interspeech 2020, arXiv:2005.07143.
"""

from __future__ import annotations

from mxnet_audio.engine import gluon
from mxnet_audio.models.blocks import SpeakerNet, VectorNorm, batch_norm, global_mean

__all__ = ["BLOCKS", "EMBEDDING_DIM", "AttentiveStatistics", "Bands", "EcapaTdnnNet", "Frames"]

CHANNELS = 512
FIRST_KERNEL = 5  # frames
BLOCKS = ((3, 2), (3, 3), (3, 4))  # kernel, dilation [frames]
RES2_SCALE = 8  # groups of channels in a Res2 block
BOTTLENECK_CHANNELS = 128  # of squeeze and excitation, and of the attention
EMBEDDING_DIM = 192
# Smaller variances over time count as this one: in our network, and in SpeechBrain's.
MIN_VARIANCE, SPEECHBRAIN_MIN_VARIANCE = 1e-6, 1e-12


class ReflectConv2D(gluon.nn.Conv2D):
    """Convolution over time with the frames near both ends mirrored beyond them, in place of zeros.

    Parameters are those of `convolution`; the input must have more frames than are mirrored at one end.

    Examples
    --------
    >>> from mxnet_audio.engine import mx, nd
    >>> block = ReflectConv2D(1, kernel=3, dilation=1)
    >>> block.initialize(mx.init.One())
    >>> block(nd.array([[[[1, 2, 4]]]])).asnumpy().tolist()  # 2 + 1 + 2, 1 + 2 + 4 and 2 + 4 + 2
    [[[[5.0, 7.0, 8.0]]]]
    """

    def __init__(self, channels: int, kernel: int, dilation: int, **kwargs):
        super().__init__(channels, (1, kernel), dilation=(1, dilation), **kwargs)
        self._mirrored = dilation * (kernel - 1) // 2

    def hybrid_forward(self, F, x, weight, bias=None):
        x = F.pad(x, mode="reflect", pad_width=(0,) * 6 + (self._mirrored,) * 2)
        return super().hybrid_forward(F, x, weight, bias)


def convolution(
    channels: int, kernel: int = 1, dilation: int = 1, *, reflects: bool = False, **kwargs
) -> gluon.nn.Conv2D:
    """Make a convolution over time that keeps the number of frames. For Conv2D of height 1 see m5."""
    if reflects and kernel > 1:
        return ReflectConv2D(channels, kernel, dilation, **kwargs)
    padding = dilation * (kernel - 1) // 2
    return gluon.nn.Conv2D(channels, (1, kernel), padding=(0, padding), dilation=(1, dilation), **kwargs)


def layer(channels: int, kernel: int = 1, dilation: int = 1, *, reflects: bool = False) -> gluon.nn.HybridSequential:
    """Make a convolution over time, followed by relu and batch norm."""
    block = gluon.nn.HybridSequential()
    block.add(convolution(channels, kernel, dilation, reflects=reflects, activation="relu"), batch_norm())
    return block


class Bands(gluon.nn.HybridBlock):
    """Bands as channels, without their means over time: (batch, 1, bands, frames) to (batch, bands, 1, frames).

    Examples
    --------
    >>> from mxnet_audio.engine import nd
    >>> Bands(2)(nd.array([[[[1, 3], [5, 9]]]])).asnumpy().tolist()
    [[[[-1.0, 1.0]], [[-2.0, 2.0]]]]
    """

    def __init__(self, bands: int, **kwargs):
        super().__init__(**kwargs)
        self._bands = bands

    def hybrid_forward(self, F, x):
        x = F.reshape(x, (0, self._bands, 1, -1))
        return F.broadcast_sub(x, global_mean(F, x))


class Res2(gluon.nn.HybridBlock):
    """Groups of channels; each but the first passes a layer, together with the output of the previous group."""

    def __init__(self, channels: int, kernel: int, dilation: int, *, reflects: bool = False, **kwargs):
        super().__init__(**kwargs)
        self._width = channels // RES2_SCALE
        with self.name_scope():
            self.layers = gluon.nn.HybridSequential()
            for _ in range(RES2_SCALE - 1):
                self.layers.add(layer(self._width, kernel, dilation, reflects=reflects))

    def hybrid_forward(self, F, x):
        starts = range(0, RES2_SCALE * self._width, self._width)
        groups = [F.slice(x, begin=(None, start), end=(None, start + self._width)) for start in starts]
        outputs = [groups[0]]
        for group, convolve in zip(groups[1:], self.layers):
            outputs.append(convolve(group if len(outputs) == 1 else group + outputs[-1]))
        return F.concat(*outputs, dim=1)


class SqueezeExcitation(gluon.nn.HybridBlock):
    """Channels multiplied by weights that depend on the means of all channels over time."""

    def __init__(self, channels: int, **kwargs):
        super().__init__(**kwargs)
        with self.name_scope():
            self.weigh = gluon.nn.HybridSequential()
            self.weigh.add(
                convolution(BOTTLENECK_CHANNELS, activation="relu"), convolution(channels, activation="sigmoid")
            )

    def hybrid_forward(self, F, x):
        return F.broadcast_mul(x, self.weigh(global_mean(F, x)))


class SERes2Block(gluon.nn.HybridBlock):
    """Layer, Res2, layer, and squeeze and excitation; the input is added to the result."""

    def __init__(self, channels: int, kernel: int, dilation: int, *, reflects: bool = False, **kwargs):
        super().__init__(**kwargs)
        with self.name_scope():
            self.body = gluon.nn.HybridSequential()
            self.body.add(layer(channels), Res2(channels, kernel, dilation, reflects=reflects), layer(channels))
            self.body.add(SqueezeExcitation(channels))

    def hybrid_forward(self, F, x):
        return self.body(x) + x


class Frames(gluon.nn.HybridBlock):
    """First layer and SE-Res2 blocks, whose outputs are joined.

    Each block takes the sum of all earlier outputs. In SpeechBrain's network it takes the last output alone, the
    convolutions reflect, and a batch norm follows.

    Parameters
    ----------
    channels : int
        Channels of each block; the joined outputs have three times as many.
    speechbrain : bool
        Whether the network is SpeechBrain's.
    """

    def __init__(self, channels: int = CHANNELS, *, speechbrain: bool = False, **kwargs):
        super().__init__(**kwargs)
        self._adds_up = not speechbrain
        with self.name_scope():
            self.first = layer(channels, FIRST_KERNEL, reflects=speechbrain)
            self.blocks = gluon.nn.HybridSequential()
            for kernel, dilation in BLOCKS:
                self.blocks.add(SERes2Block(channels, kernel, dilation, reflects=speechbrain))
            joined = len(BLOCKS) * channels
            self.join = layer(joined) if speechbrain else convolution(joined, activation="relu")

    def hybrid_forward(self, F, x):
        total, outputs = self.first(x), []
        for block in self.blocks:
            if outputs:
                total = total + outputs[-1] if self._adds_up else outputs[-1]
            outputs.append(block(total))
        return self.join(F.concat(*outputs, dim=1))


class AttentiveStatistics(gluon.nn.HybridBlock):
    """Weighted mean and standard deviation over time: (batch, channels, 1, frames) to (batch, 2 * channels).

    Each channel has its own weight for each frame, computed from the frame and from mean and deviation over all frames.
    The paper concatenates the three before one layer; here frame and statistics have a layer each, whose outputs add up
    to the same. In SpeechBrain's network, relu and a batch norm follow before tanh.

    Parameters
    ----------
    channels : int
    speechbrain : bool
        Whether the network is SpeechBrain's.
    """

    def __init__(self, channels: int, *, speechbrain: bool = False, **kwargs):
        super().__init__(**kwargs)
        self._min_variance = SPEECHBRAIN_MIN_VARIANCE if speechbrain else MIN_VARIANCE
        with self.name_scope():
            self.frame = convolution(BOTTLENECK_CHANNELS)
            self.context = convolution(BOTTLENECK_CHANNELS, use_bias=False)
            self.norm = batch_norm(BOTTLENECK_CHANNELS) if speechbrain else None
            self.attend = convolution(channels, use_bias=False)  # the softmax cancels a bias

    def hybrid_forward(self, F, x):
        mean = global_mean(F, x)
        variance = global_mean(F, F.square(F.broadcast_sub(x, mean)))
        context = self.context(F.concat(mean, self._root(F, variance), dim=1))
        attention = F.broadcast_add(self.frame(x), context)
        if self.norm is not None:
            attention = self.norm(F.relu(attention))
        attention = self.attend(F.tanh(attention))
        # The reshape converts the output of the convolution from oneDNN's layout, in which MXNet's softmax writes out
        # of bounds: it ends in a segmentation fault.
        attention = F.reshape(F.softmax(F.reshape(attention, (0, 0, -1)), axis=-1), (0, 0, 1, -1))
        mean = F.sum(attention * x, axis=-1, keepdims=True)
        variance = F.sum(attention * F.square(F.broadcast_sub(x, mean)), axis=-1, keepdims=True)
        return F.Flatten(F.concat(mean, self._root(F, variance), dim=1))

    def _root(self, F, variance):
        return F.sqrt(F.maximum(variance, self._min_variance))  # a root has no finite gradient at 0


class EcapaTdnnNet(SpeakerNet):
    """Convolutions over time of 512 channels in three SE-Res2 blocks, attentive statistics, an embedding of 192.

    Bands are channels. Their means over time, which depend on microphone and line, are subtracted.

    Parameters
    ----------
    classes : int
        Number of classes.
    input_shape : tuple of int [(channels, n_mels, frames)]
        Shape of one input, (1, 16, 16) or larger; the paper uses 80 bands and 2 s.
    head : {'cosine', 'dense'}
        Last layer.

    Examples
    --------
    >>> from mxnet_audio.engine import nd
    >>> net = EcapaTdnnNet(classes=10, input_shape=(1, 80, 100))
    >>> net.initialize()
    >>> scores, embedding = net(nd.zeros((2, 1, 80, 100)))
    >>> scores.shape, embedding.shape
    ((2, 10), (2, 192))
    """

    def __init__(self, classes: int, input_shape: tuple[int, int, int], head: str = "cosine", **kwargs):
        super().__init__(classes, input_shape, head, **kwargs)
        with self.name_scope():
            self.encoder = gluon.nn.HybridSequential()
            self.encoder.add(Bands(self.input_shape[1]), Frames(CHANNELS), AttentiveStatistics(len(BLOCKS) * CHANNELS))
            self.encoder.add(VectorNorm(), gluon.nn.Dense(EMBEDDING_DIM, use_bias=False))
            self.encoder.add(VectorNorm())
            self.head = self.new_head(EMBEDDING_DIM)

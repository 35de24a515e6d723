"""ECAPA-TDNN, the speaker network that x-vectors gave way to.

B. Desplanques, J. Thienpondt, K. Demuynck: ECAPA-TDNN: Emphasized Channel Attention, Propagation and Aggregation in
TDNN Based Speaker Verification. Interspeech 2020, arXiv:2005.07143.
"""

from __future__ import annotations

from mxnet_audio.engine import gluon
from mxnet_audio.models.blocks import SpeakerNet, VectorNorm, batch_norm, global_mean

__all__ = ["EcapaTdnnNet"]

CHANNELS = 512
KERNEL = 5  # frames of the first layer
BLOCKS = ((3, 2), (3, 3), (3, 4))  # kernel, dilation [frames]
PARTS = 8  # parts of the channels in a Res2 block
BOTTLENECK = 128  # of squeeze and excitation, and of the attention
AGGREGATED = 1536
EMBEDDING = 192
LEAST = 1e-6  # variance over time that a smaller one counts as


def convolution(channels: int, kernel: int = 1, dilation: int = 1, **kwargs) -> gluon.nn.Conv2D:
    """Convolution over time that keeps the number of frames. Of height 1 and not Conv1D, see m5."""
    padding = dilation * (kernel - 1) // 2
    return gluon.nn.Conv2D(channels, (1, kernel), padding=(0, padding), dilation=(1, dilation), **kwargs)


def layer(channels: int, kernel: int = 1, dilation: int = 1) -> gluon.nn.HybridSequential:
    """Convolution over time, relu, norm."""
    block = gluon.nn.HybridSequential()
    block.add(convolution(channels, kernel, dilation, activation="relu"), batch_norm())
    return block


class Bands(gluon.nn.HybridBlock):
    """Bands as channels, each less its mean over time: (batch, 1, bands, frames) to (batch, bands, 1, frames).

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
    """Parts of the channels, each but the first through a layer that is also given what the part before became."""

    def __init__(self, channels: int, kernel: int, dilation: int, **kwargs):
        super().__init__(**kwargs)
        self._width = channels // PARTS
        with self.name_scope():
            self.layers = gluon.nn.HybridSequential()
            for _ in range(PARTS - 1):
                self.layers.add(layer(self._width, kernel, dilation))

    def hybrid_forward(self, F, x):
        starts = range(0, PARTS * self._width, self._width)
        parts = [F.slice(x, begin=(None, start), end=(None, start + self._width)) for start in starts]
        done = [parts[0]]
        for part, convolve in zip(parts[1:], self.layers):
            done.append(convolve(part if len(done) == 1 else part + done[-1]))
        return F.concat(*done, dim=1)


class SqueezeExcitation(gluon.nn.HybridBlock):
    """Channels weighed by what is heard in all of them, on average over time."""

    def __init__(self, channels: int, **kwargs):
        super().__init__(**kwargs)
        with self.name_scope():
            self.weigh = gluon.nn.HybridSequential()
            self.weigh.add(convolution(BOTTLENECK, activation="relu"), convolution(channels, activation="sigmoid"))

    def hybrid_forward(self, F, x):
        return F.broadcast_mul(x, self.weigh(global_mean(F, x)))


class SERes2Block(gluon.nn.HybridBlock):
    """Layer, Res2, layer, squeeze and excitation; the input is added to the result."""

    def __init__(self, channels: int, kernel: int, dilation: int, **kwargs):
        super().__init__(**kwargs)
        with self.name_scope():
            self.body = gluon.nn.HybridSequential()
            self.body.add(layer(channels), Res2(channels, kernel, dilation), layer(channels))
            self.body.add(SqueezeExcitation(channels))

    def hybrid_forward(self, F, x):
        return self.body(x) + x


class Frames(gluon.nn.HybridBlock):
    """The blocks: each takes the sum of all that came before it, and what they give is joined."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        with self.name_scope():
            self.first = layer(CHANNELS, KERNEL)
            self.blocks = gluon.nn.HybridSequential()
            for kernel, dilation in BLOCKS:
                self.blocks.add(SERes2Block(CHANNELS, kernel, dilation))
            self.join = convolution(AGGREGATED, activation="relu")

    def hybrid_forward(self, F, x):
        total, given = self.first(x), []
        for block in self.blocks:
            if given:
                total = total + given[-1]
            given.append(block(total))
        return self.join(F.concat(*given, dim=1))


class AttentiveStatistics(gluon.nn.HybridBlock):
    """Mean and deviation over time, every channel with its own weight for each frame.

    (batch, channels, 1, frames) to (batch, 2 * channels). The weights go by the frame, and by mean and deviation over
    all frames as its context. The paper joins the three into one of three times the channels; here each has its part
    of that layer's weights, and the sum of what they give is the same.
    """

    def __init__(self, channels: int, **kwargs):
        super().__init__(**kwargs)
        with self.name_scope():
            self.frame = convolution(BOTTLENECK)
            self.context = convolution(BOTTLENECK, use_bias=False)
            self.attend = convolution(channels, use_bias=False)  # a bias would not outlast the softmax

    def hybrid_forward(self, F, x):
        mean = global_mean(F, x)
        variance = global_mean(F, F.square(F.broadcast_sub(x, mean)))
        context = self.context(F.concat(mean, self._root(F, variance), dim=1))
        attention = self.attend(F.tanh(F.broadcast_add(self.frame(x), context)))
        # A reshape brings the convolution's output out of oneDNN's layout, on which MXNet's softmax writes where it
        # must not: it ends in a segmentation fault.
        attention = F.reshape(F.softmax(F.reshape(attention, (0, 0, -1)), axis=-1), (0, 0, 1, -1))
        mean = F.sum(attention * x, axis=-1, keepdims=True)
        variance = F.sum(attention * F.square(F.broadcast_sub(x, mean)), axis=-1, keepdims=True)
        return F.Flatten(F.concat(mean, self._root(F, variance), dim=1))

    @staticmethod
    def _root(F, variance):
        return F.sqrt(F.maximum(variance, LEAST))  # which has no finite gradient at 0


class EcapaTdnnNet(SpeakerNet):
    """Convolutions over time of 512 channels in three SE-Res2 blocks, attentive statistics, an embedding of 192.

    Bands are channels, and the mean over time is taken from each: what the microphone and the line add.

    Parameters
    ----------
    classes : int
        Number of classes.
    input_shape : tuple of int [(channels, n_mels, frames)]
        Shape of one input, (1, 16, 16) or larger; the paper's has 80 bands and 2 s.
    head : {'cosine', 'dense'}
        The last layer.

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
            self.encoder.add(Bands(self.input_shape[1]), Frames(), AttentiveStatistics(AGGREGATED))
            self.encoder.add(VectorNorm(), gluon.nn.Dense(EMBEDDING, use_bias=False))
            self.encoder.add(VectorNorm())
            self.head = self.new_head(EMBEDDING)

"""YAMNet, a network of depthwise-separable convolutions for 521 sounds of AudioSet.

M. Plakal and D. Ellis: YAMNet, https://github.com/tensorflow/models/tree/master/research/audioset/yamnet. Its layers
are those of MobileNet v1: A. G. Howard et al., arXiv:1704.04861. The published weights are of a variant with ReLU6,
whose batch norms are part of the convolutions.
"""

from __future__ import annotations

from typing import ClassVar

from mxnet_audio.engine import gluon, mx
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.models.encoder_net import Embedding, EncoderNet
from mxnet_audio.models.same_conv import SameConv2D

__all__ = ["YamnetNet"]

STEM_CHANNELS = 32
# channels, stride
BLOCKS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *((512, 1),) * 5, (1024, 2), (1024, 1))
TAGS = 521
# Xavier's mean of inputs and outputs is far too small for depthwise kernels, of which the outputs would vanish.
INITIALIZER = mx.init.Xavier(factor_type="in", magnitude=6)


class SeparableConv(gluon.nn.HybridBlock):
    """Depthwise 3x3 convolution and pointwise convolution, each followed by ReLU6."""

    def __init__(self, channels: int, stride: int, in_channels: int, **kwargs):
        super().__init__(**kwargs)
        with self.name_scope():
            kwargs = {"in_channels": in_channels, "weight_initializer": INITIALIZER}
            self.depthwise = SameConv2D(in_channels, 3, stride, groups=in_channels, **kwargs)
            self.pointwise = gluon.nn.Conv2D(channels, 1, **kwargs)

    def hybrid_forward(self, F, x):
        return _relu6(F, self.pointwise(_relu6(F, self.depthwise(x))))


class YamnetBody(gluon.nn.HybridBlock):
    """Patches [shape=(n, 1, 64, 96)] to the mean of the last maps [shape=(n, 1024)]."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        with self.name_scope():
            self.stem = SameConv2D(STEM_CHANNELS, 3, stride=2, in_channels=1, weight_initializer=INITIALIZER)
            self.blocks = gluon.nn.HybridSequential()
            in_channels = STEM_CHANNELS
            for channels, stride in BLOCKS:
                self.blocks.add(SeparableConv(channels, stride, in_channels))
                in_channels = channels

    def hybrid_forward(self, F, x):
        x = self.blocks(_relu6(F, self.stem(x)))
        return [F.Flatten(F.Pooling(x, global_pool=True, pool_type="avg"))]


def _relu6(F, x):
    return F.clip(x, 0, 6)


class YamnetNet(EncoderNet):
    """Convolution of 32 filters, 13 separable convolutions of up to 1024; the mean of the maps is the embedding.

    A patch is 0.96 s long; the next one begins 0.48 s later.

    Parameters
    ----------
    classes : int
        Number of classes.
    input_shape : tuple of int [(1, 64, frames)]
        Shape of one input, (1, 64, 96) or longer.
    head : {'dense', 'mlp', 'tags'}
        Last layer: a new one, two of them, or that of the 521 published tags.
    embedding : {'mean', 'mean_std'}
        Mean over the patches, or mean and standard deviation.

    Examples
    --------
    >>> from mxnet_audio.engine import nd
    >>> net = YamnetNet(classes=10, input_shape=(1, 64, 200), embedding='mean_std')
    >>> net.initialize()
    >>> scores, embedding = net(nd.zeros((2, 1, 64, 200)))
    >>> scores.shape, embedding.shape
    ((2, 10), (2, 2048))
    """

    features = AudioFeatureConfig(type="yamnet", n_frames=96)
    input_format = "(1, 64, frames) with 96 frames or more, as of yamnet features"
    patch_hop = 48
    layer_dims = (1024,)
    embeddings: ClassVar[dict[str, Embedding]] = {"mean": Embedding(0), "mean_std": Embedding(0, "mean_std")}
    tags = TAGS

    def make_body(self, layers: int) -> YamnetBody:
        """Make the convolutions."""
        return YamnetBody()

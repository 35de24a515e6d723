"""musicnn, a convolutional network for music tags whose first filters are shaped by timbre and by rhythm.

J. Pons and X. Serra: musicnn: pre-trained convolutional neural networks for music audio tagging. ISMIR 2019,
arXiv:1909.06654.
"""

from __future__ import annotations

from typing import ClassVar

from mxnet_audio.engine import gluon
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.models.blocks import VectorNorm, batch_norm, global_mean
from mxnet_audio.models.encoder_net import Embedding, EncoderNet
from mxnet_audio.models.same_conv import SameConv2D

__all__ = ["EPSILON", "MusicnnNet"]

EPSILON = 1e-3  # added to the variance by the batch norms, as in TensorFlow
BANDS, FRAMES = 96, 187  # of a patch: 3 s
TIMBRAL_FILTERS, TIMBRAL_BANDS = 204, (38, 67)
TEMPORAL_FILTERS, TEMPORAL_FRAMES = 51, (128, 64, 32)
MIDDLE_FILTERS, MIDDLE_LAYERS = 64, 3
KERNEL_FRAMES = 7  # of the timbral filters and of the layers in the middle
FRONT_CHANNELS = len(TIMBRAL_BANDS) * TIMBRAL_FILTERS + len(TEMPORAL_FRAMES) * TEMPORAL_FILTERS
MAPS = FRONT_CHANNELS + MIDDLE_LAYERS * MIDDLE_FILTERS
DENSE_UNITS = 200
TAGS = 50


class ConvNorm(gluon.nn.HybridBlock):
    """Convolution, relu and batch norm; then the maximum over all bands.

    Parameters
    ----------
    conv : gluon.nn.Conv2D
        Convolution.
    channels : int
        Its number of filters.
    bands : int
        Bands of its output.
    """

    def __init__(self, conv: gluon.nn.Conv2D, channels: int, bands: int, **kwargs):
        super().__init__(**kwargs)
        self._channels, self._bands = channels, bands
        self.conv = conv
        with self.name_scope():
            self.norm = batch_norm(channels, EPSILON)

    def hybrid_forward(self, F, x):
        x = self.norm(F.Activation(self.conv(x), act_type="relu"))
        if self._bands == 1:
            return x
        # A global pool over neighboring elements takes a tenth of the time of a pool over one of two axes.
        x = F.reshape(F.transpose(x, (0, 1, 3, 2)), (0, self._channels * FRAMES, self._bands, 1))
        return F.reshape(F.Pooling(x, global_pool=True, pool_type="max"), (0, self._channels, 1, FRAMES))


class MusicnnBody(gluon.nn.HybridBlock):
    """Patches [shape=(n, 1, 96, 187)] to the maximum of each map [shape=(n, 753)], and a dense layer [shape=(n, 200)].

    Parameters
    ----------
    layers : int
        1 for the maxima alone, or 2.
    """

    def __init__(self, layers: int, **kwargs):
        super().__init__(**kwargs)
        nn = gluon.nn
        padding = (0, KERNEL_FRAMES // 2)
        with self.name_scope():
            self.input_norm = batch_norm(1, EPSILON)
            self.timbral = nn.HybridSequential()
            for bands in TIMBRAL_BANDS:
                conv = nn.Conv2D(TIMBRAL_FILTERS, (bands, KERNEL_FRAMES), padding=padding, in_channels=1)
                self.timbral.add(ConvNorm(conv, TIMBRAL_FILTERS, BANDS - bands + 1))
            self.temporal = nn.HybridSequential()
            for frames in TEMPORAL_FRAMES:
                conv = SameConv2D(TEMPORAL_FILTERS, (1, frames), in_channels=1)
                self.temporal.add(ConvNorm(conv, TEMPORAL_FILTERS, BANDS))
            self.middle = nn.HybridSequential()
            channels = FRONT_CHANNELS
            for _ in range(MIDDLE_LAYERS):
                # Conv2D of height 1, see m5.
                conv = nn.Conv2D(MIDDLE_FILTERS, (1, KERNEL_FRAMES), padding=padding, in_channels=channels)
                self.middle.add(ConvNorm(conv, MIDDLE_FILTERS, 1))
                channels = MIDDLE_FILTERS
            self.dense = None
            if layers > 1:
                self.pooled_norm = VectorNorm(in_channels=2 * MAPS, epsilon=EPSILON)
                self.dense = nn.Dense(DENSE_UNITS, activation="relu", in_units=2 * MAPS)
                self.dense_norm = VectorNorm(in_channels=DENSE_UNITS, epsilon=EPSILON)

    def hybrid_forward(self, F, x):
        x = self.input_norm(x)
        maps = [F.concat(*(branch(x) for branch in (*self.timbral, *self.temporal)), dim=1)]
        for number, layer in enumerate(self.middle):
            x = layer(maps[-1])
            maps.append(x + maps[-1] if number else x)
        maps = F.concat(*maps, dim=1)
        maxima = F.Flatten(F.Pooling(maps, kernel=(1, FRAMES), pool_type="max"))
        if self.dense is None:
            return [maxima]
        pooled = F.Flatten(F.stack(maxima, F.Flatten(global_mean(F, maps)), axis=2))  # max, mean, max, mean, …
        return [maxima, self.dense_norm(self.dense(self.pooled_norm(pooled)))]


class MusicnnNet(EncoderNet):
    """Filters over many bands and filters over much time, three convolutions over time, and a dense layer of 200.

    A patch is 3 s long; the next one begins where it ends.

    Parameters
    ----------
    classes : int
        Number of classes.
    input_shape : tuple of int [(1, 96, frames)]
        Shape of one input, (1, 96, 187) or longer.
    head : {'dense', 'mlp', 'tags'}
        Last layer: a new one, two of them, or that of the 50 published tags.
    embedding : {'max_pool', 'penultimate'}
        Maximum of each of 753 feature maps over a patch, or the dense layer.

    Examples
    --------
    >>> from mxnet_audio.engine import nd
    >>> net = MusicnnNet(classes=10, input_shape=(1, 96, 187))
    >>> net.initialize()
    >>> scores, embedding = net(nd.zeros((2, 1, 96, 187)))
    >>> scores.shape, embedding.shape
    ((2, 10), (2, 753))
    """

    features = AudioFeatureConfig(type="musicnn", n_frames=FRAMES)
    input_format = f"(1, {BANDS}, frames) with {FRAMES} frames or more, as of musicnn features"
    min_batch_size = 2  # the batch norm of a single vector is zero
    patch_hop = FRAMES
    layer_dims = (MAPS, DENSE_UNITS)
    embeddings: ClassVar[dict[str, Embedding]] = {"max_pool": Embedding(0), "penultimate": Embedding(1)}
    tags = TAGS
    tag_layer = 1

    def make_body(self, layers: int) -> MusicnnBody:
        """Make the layers up to the maxima, or to the dense layer."""
        return MusicnnBody(layers)

"""Networks of small filters that were published with musicnn, for the same music tags.

J. Pons and X. Serra: musicnn: pre-trained convolutional neural networks for music audio tagging. ISMIR 2019,
arXiv:1909.06654. The two sets of weights are of networks with different pools.
"""

from __future__ import annotations

from typing import ClassVar

from mxnet_audio.engine import gluon
from mxnet_audio.models.blocks import batch_norm
from mxnet_audio.models.encoder_net import Embedding, EncoderNet
from mxnet_audio.models.musicnn import EPSILON, TAGS, MusicnnNet

__all__ = ["MusicnnVggMttNet", "MusicnnVggNet"]

CHANNELS = 128
OUTPUTS = 2 * CHANNELS  # two steps of time remain behind the pools
Pool = tuple[tuple[int, int], tuple[int, int]]  # size and stride, each in bands and frames


class Layer(gluon.nn.HybridBlock):
    """Convolution of 3x3, relu, batch norm, and a max pool."""

    def __init__(self, in_channels: int, pool: Pool, **kwargs):
        super().__init__(**kwargs)
        self._kernel, self._stride = pool
        with self.name_scope():
            self.conv = gluon.nn.Conv2D(CHANNELS, 3, padding=1, in_channels=in_channels)
            self.norm = batch_norm(CHANNELS, EPSILON)

    def hybrid_forward(self, F, x):
        x = self.norm(F.Activation(self.conv(x), act_type="relu"))
        return F.Pooling(x, kernel=self._kernel, stride=self._stride, pool_type="max")


class VggBody(gluon.nn.HybridBlock):
    """Patches [shape=(n, 1, 96, 187)] to the flattened output of the last pool [shape=(n, 256)]."""

    def __init__(self, pools: tuple[Pool, ...], **kwargs):
        super().__init__(**kwargs)
        with self.name_scope():
            self.input_norm = batch_norm(1, EPSILON)
            self.layers = gluon.nn.HybridSequential()
            for number, pool in enumerate(pools):
                self.layers.add(Layer(CHANNELS if number else 1, pool))

    def hybrid_forward(self, F, x):
        return [F.Flatten(self.layers(self.input_norm(x)))]


class MusicnnVggNet(EncoderNet):
    """Five convolutions of 128 filters with pools, as trained on the Million Song Dataset.

    A patch is 3 s long; the next one begins where it ends. The embedding is the output of the last pool, in the order
    of channels and then time.

    Parameters
    ----------
    classes : int
        Number of classes.
    input_shape : tuple of int [(1, 96, frames)]
        Shape of one input, (1, 96, 187) or longer.
    head : {'dense', 'mlp', 'tags'}
        Last layer: a new one, two of them, or that of the 50 published tags.
    embedding : {'pool5'}
        Output of the last pool.

    Examples
    --------
    >>> from mxnet_audio.engine import nd
    >>> net = MusicnnVggNet(classes=10, input_shape=(1, 96, 187))
    >>> net.initialize()
    >>> scores, embedding = net(nd.zeros((2, 1, 96, 187)))
    >>> scores.shape, embedding.shape
    ((2, 10), (2, 256))
    """

    features = MusicnnNet.features
    input_format = MusicnnNet.input_format
    patch_hop = MusicnnNet.patch_hop
    layer_dims = (OUTPUTS,)
    embeddings: ClassVar[dict[str, Embedding]] = {"pool5": Embedding(0)}
    tags = TAGS
    pools: tuple[Pool, ...] = tuple((size, size) for size in ((1, 4), (4, 1), (2, 2), (2, 2), (4, 4)))

    def make_body(self, layers: int) -> VggBody:
        """Make the convolutions and pools."""
        return VggBody(self.pools)


class MusicnnVggMttNet(MusicnnVggNet):
    """Five convolutions of 128 filters with pools, as trained on MagnaTagATune; see `MusicnnVggNet`."""

    pools = (((1, 4), (2, 2)), *(((2, 2), (2, 2)),) * 3, ((4, 4), (4, 4)))

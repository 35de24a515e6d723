"""PANNs, convolutional networks for 527 sounds of AudioSet.

Q. Kong, Y. Cao, T. Iqbal, Y. Wang, W. Wang, M. D. Plumbley: PANNs: Large-Scale Pretrained Audio Neural Networks for
Audio Pattern Recognition. IEEE/ACM Transactions on Audio, Speech, and Language Processing 28, 2020, arXiv:1912.10211.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from mxnet_audio.engine import gluon
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.models.blocks import batch_norm
from mxnet_audio.models.sequence_net import SequenceNet
from mxnet_audio.nn.reduce import steps_within
from mxnet_audio.weights.architecture import Architecture

__all__ = ["PannsCnn6Net", "PannsCnn10Net", "PannsCnn14Net", "PannsMobileNetV1Net"]

BANDS = 64
WINDOW_FRAMES = 1001  # of 10 s, the length of AudioSet's clips
TAGS = 527
BLOCK_DROPOUT, DENSE_DROPOUT = 0.2, 0.5  # in training


class ConvBlock(gluon.nn.HybridBlock):
    """Convolutions, each followed by batch norm and relu, and an average pool.

    Parameters
    ----------
    in_channels, channels : int
        Maps before and after the block.
    kernel : int
        Size of the convolutions.
    convolutions : int
        Number of convolutions.
    pools : bool
        Whether the pool halves bands and frames; an odd frame at the end is dropped.

    Inputs
    ------
    x : NDArray or Symbol [shape=(batch, in_channels, bands, frames)]
        Maps, with zeros behind the end of each input, as the convolutions pad.
    within : NDArray or Symbol [shape=(batch, 1, 1, frames)]
        1 for the frames of an input, 0 behind its end.

    Outputs
    -------
    list of NDArray or Symbol
        The same of the result.
    """

    def __init__(self, in_channels: int, channels: int, *, kernel: int, convolutions: int, pools: bool, **kwargs):
        super().__init__(**kwargs)
        self._pools = pools
        with self.name_scope():
            self.convolutions, self.norms = gluon.nn.HybridSequential(), gluon.nn.HybridSequential()
            for number in range(convolutions):
                self.convolutions.add(convolution(channels if number else in_channels, channels, kernel))
                self.norms.add(batch_norm(channels))

    def hybrid_forward(self, F, x, within):
        for number, (convolve, norm) in enumerate(zip(self.convolutions, self.norms)):
            if number:
                x = F.broadcast_mul(x, within)
            x = F.relu(norm(convolve(x)))
        if self._pools:
            x, within = halved(F, x), ends_halved(F, within)
        return [F.Dropout(F.broadcast_mul(x, within), p=BLOCK_DROPOUT), within]


class PooledConv(gluon.nn.HybridBlock):
    """Convolution 3x3, average pool, batch norm and relu; if depthwise, a convolution 1x1, batch norm and relu follow.

    Parameters
    ----------
    in_channels, channels : int
        Maps before and after the block.
    pools : bool
        Whether the pool halves bands and frames.
    depthwise : bool
        Whether the first convolution keeps the maps apart.

    Inputs, Outputs
        As of `ConvBlock`.
    """

    def __init__(self, in_channels: int, channels: int, *, pools: bool, depthwise: bool, **kwargs):
        super().__init__(**kwargs)
        self._pools = pools
        first = in_channels if depthwise else channels
        with self.name_scope():
            self.convolution = convolution(in_channels, first, 3, groups=in_channels if depthwise else 1)
            self.norm = batch_norm(first)
            self.pointwise = convolution(in_channels, channels, 1) if depthwise else None
            self.pointwise_norm = batch_norm(channels) if depthwise else None

    def hybrid_forward(self, F, x, within):
        x = self.convolution(x)
        if self._pools:
            x, within = halved(F, x), ends_halved(F, within)
        x = F.relu(self.norm(x))
        if self.pointwise is not None:
            x = F.relu(self.pointwise_norm(self.pointwise(x)))
        return [F.broadcast_mul(x, within), within]


def convolution(in_channels: int, channels: int, kernel: int, groups: int = 1) -> gluon.nn.Conv2D:
    """Make a convolution without bias that keeps the size of its input."""
    return gluon.nn.Conv2D(
        channels, kernel, padding=kernel // 2, groups=groups, in_channels=in_channels, use_bias=False
    )


def halved(F, x):
    """Return the means of two bands and two frames."""
    return F.Pooling(x, kernel=(2, 2), stride=(2, 2), pool_type="avg")


def ends_halved(F, within):
    """Return `within` of half as many frames: a pair of frames counts if its second one is within the input."""
    return F.slice(within, begin=(None, None, None, 1), end=(None, None, None, None), step=(None, None, None, 2))


class PannsBody(gluon.nn.HybridBlock):
    """Spectrograms to one vector each: batch norm of each band, blocks, mean over the bands, time, dense layer.

    Over time, maximum and mean are added. What is behind the end of an input has no effect.

    Parameters
    ----------
    blocks : sequence of HybridBlock
        `ConvBlock` or `PooledConv`.
    bands : int
        Bands that the blocks leave.
    dim : int
        Number of maps that they compute, and length of the vector.
    """

    def __init__(self, blocks: Sequence[gluon.nn.HybridBlock], bands: int, dim: int, **kwargs):
        super().__init__(**kwargs)
        self._bands = bands
        with self.name_scope():
            self.input_norm = batch_norm(BANDS)
            self.blocks = gluon.nn.HybridSequential()
            self.blocks.add(*blocks)
            self.dense = gluon.nn.Dense(dim, activation="relu", in_units=dim)

    def hybrid_forward(self, F, x, lengths):
        x = F.swapaxes(self.input_norm(F.swapaxes(x, 1, 2)), 1, 2)
        within = F.reshape(steps_within(F, x, lengths, axis=3), (0, 1, 1, -1))
        x = F.broadcast_mul(x, within)
        for block in self.blocks:
            x, within = block(x, within)
        x = F.sum(x, axis=2) / self._bands  # ONNX forbids mean as MXNet exports it
        mean = F.broadcast_div(F.sum(x, axis=2), F.reshape(F.sum(within, axis=3), (0, 1)))
        pooled = F.max(x, axis=2) + mean  # rectified maps are at least the zeros behind the end
        vector = self.dense(F.Dropout(pooled, p=DENSE_DROPOUT))
        return [F.ones_like(lengths), F.expand_dims(vector, axis=1)]


class PannsNet(SequenceNet):
    """Base of PANNs: sequences of one vector, the output of the dense layer before the tags.

    A subclass defines `blocks` and the class attributes.

    Attributes
    ----------
    pools : int
        Number of pools that halve bands and frames.
    maps : int
        Number of maps that the last block computes.
    """

    features = AudioFeatureConfig(type="panns")
    input_format = f"(1, {BANDS}, frames), as of panns features"
    window = 10.0
    tags = TAGS
    reductions: ClassVar[tuple[str, ...]] = ("embedding",)
    pools: ClassVar[int]
    maps: ClassVar[int]

    @classmethod
    def fits(cls, input_shape: tuple[int, ...]) -> bool:
        """Return whether inputs of a shape are accepted."""
        return super().fits(input_shape) and input_shape[1] == BANDS

    @classmethod
    def longest_input(cls, architecture: Architecture | None) -> tuple[int, int, int]:
        """Return the shape of an input that is as long as a window: (1, bands, frames)."""
        return 1, BANDS, WINDOW_FRAMES

    @property
    def dim(self) -> int:
        """Length of the embedding."""
        return self.maps

    def blocks(self) -> list[gluon.nn.HybridBlock]:
        """Make the blocks of convolutions."""
        raise NotImplementedError

    def make_body(self, layers: int) -> PannsBody:
        """Make the layers up to the embedding."""
        return PannsBody(self.blocks(), BANDS >> self.pools, self.maps)


class PannsCnn14Net(PannsNet):
    """CNN14: twelve convolutions of up to 2048 maps in six blocks; the embedding has 2048 elements.

    Parameters
    ----------
    classes : int
        Number of classes; 0 for no head.
    input_shape : tuple of int [(1, 64, frames)]
        Shape of the longest input, 32 frames or more.
    head : {'dense', 'mlp', 'tags'}
        Last layer: a new one, two of them, or that of the 527 published tags.
    embedding : {'embedding'}
        Output of the dense layer.

    Examples
    --------
    >>> net = PannsCnn14Net(classes=10, input_shape=(1, 64, 1001))
    >>> net.dim, net.min_input
    (2048, 32)
    """

    min_input = 32
    pools, maps = 5, 2048

    def blocks(self) -> list[gluon.nn.HybridBlock]:
        """Make the blocks of convolutions."""
        return conv_blocks((64, 128, 256, 512, 1024, 2048), self.pools)


class PannsCnn10Net(PannsNet):
    """CNN10: eight convolutions of up to 512 maps in four blocks; the embedding has 512 elements.

    Parameters are those of `PannsCnn14Net`, but 16 frames are enough.

    Examples
    --------
    >>> from mxnet_audio.engine import nd
    >>> net = PannsCnn10Net(classes=10, input_shape=(1, 64, 1001))
    >>> net.initialize()
    >>> scores, embedding = net(nd.zeros((2, 1, 64, 16)), nd.array([16, 16]))
    >>> scores.shape, embedding.shape
    ((2, 10), (2, 512))
    """

    min_input = 16
    pools, maps = 4, 512

    def blocks(self) -> list[gluon.nn.HybridBlock]:
        """Make the blocks of convolutions."""
        return conv_blocks((64, 128, 256, 512), self.pools)


class PannsCnn6Net(PannsNet):
    """CNN6: four convolutions 5x5 of up to 512 maps; the embedding has 512 elements.

    Parameters are those of `PannsCnn10Net`.
    """

    min_input = 16
    pools, maps = 4, 512

    def blocks(self) -> list[gluon.nn.HybridBlock]:
        """Make the blocks of convolutions."""
        return conv_blocks((64, 128, 256, 512), self.pools, kernel=5, convolutions=1)


# Maps, and whether the block halves bands and frames.
MOBILENET_BLOCKS = (
    (32, True),
    (64, False),
    (128, True),
    (128, False),
    (256, True),
    (256, False),
    (512, True),
    *((512, False),) * 5,
    (1024, True),
    (1024, False),
)


class PannsMobileNetV1Net(PannsNet):
    """MobileNetV1: a convolution and 13 depthwise ones with pointwise ones; the embedding has 1024 elements.

    Parameters are those of `PannsCnn14Net`. A. G. Howard et al., arXiv:1704.04861.
    """

    min_input = 32
    pools, maps = 5, 1024

    def blocks(self) -> list[gluon.nn.HybridBlock]:
        """Make the blocks of convolutions."""
        blocks, in_channels = [], 1
        for channels, pools in MOBILENET_BLOCKS:
            blocks.append(PooledConv(in_channels, channels, pools=pools, depthwise=in_channels > 1))
            in_channels = channels
        return blocks


def conv_blocks(
    widths: Sequence[int], pools: int, *, kernel: int = 3, convolutions: int = 2
) -> list[gluon.nn.HybridBlock]:
    """Make blocks of these numbers of maps, the first `pools` of which halve bands and frames."""
    return [
        ConvBlock(in_channels, channels, kernel=kernel, convolutions=convolutions, pools=number < pools)
        for number, (in_channels, channels) in enumerate(zip((1, *widths), widths))
    ]

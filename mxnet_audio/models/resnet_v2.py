"""Small pre-activation residual network: K. He et al., "Identity mappings in deep residual networks" (ECCV 2016)."""

from __future__ import annotations

from mxnet_audio.engine import gluon
from mxnet_audio.models.blocks import AudioNet, GlobalMean, SoftReLU, batch_norm, clamped_max_pool

__all__ = ["ResNetV2Net"]

# filters, residual blocks; a block of the first stage, whose maps are large, costs as much as four of the second
STAGES = ((32, 1), (64, 2), (128, 2))
STRIDE = (2, 4)  # bands, frames: of the stem's convolution, and of the pool that begins each later stage
STEM_KERNEL = (5, 7)


class ResidualBlock(gluon.nn.HybridBlock):
    """Norm, softrelu and 3x3 convolution, twice; the input is added to the result."""

    def __init__(self, filters: int, project: bool, **kwargs):
        super().__init__(**kwargs)
        nn = gluon.nn
        with self.name_scope():
            self.activate = nn.HybridSequential()
            self.activate.add(batch_norm(), SoftReLU())
            self.residual = nn.HybridSequential()
            self.residual.add(
                nn.Conv2D(filters, 3, padding=1, use_bias=False),
                batch_norm(),
                SoftReLU(),
                nn.Conv2D(filters, 3, padding=1, use_bias=False),
            )
            self.project = nn.Conv2D(filters, 1, use_bias=False) if project else None

    def hybrid_forward(self, F, x):
        y = self.activate(x)
        shortcut = x if self.project is None else self.project(y)
        return self.residual(y) + shortcut


class ResNetV2Net(AudioNet):
    """Three stages of 1, 2 and 2 residual blocks with 32, 64 and 128 filters; the mean of the maps is the embedding.

    Parameters
    ----------
    classes : int
        Number of classes.
    input_shape : tuple of int [(channels, n_mels, frames)]
        Shape of one input, (1, 16, 16) or larger; pools are clamped to the size of their input.

    Examples
    --------
    >>> from mxnet_audio.engine import nd
    >>> net = ResNetV2Net(classes=10, input_shape=(1, 96, 235))
    >>> net.initialize()
    >>> scores, embedding = net(nd.zeros((2, 1, 96, 235)))
    >>> scores.shape, embedding.shape
    ((2, 10), (2, 128))
    """

    def __init__(self, classes: int, input_shape: tuple[int, int, int], **kwargs):
        super().__init__(classes, input_shape, **kwargs)
        nn = gluon.nn
        size = self.input_shape[1:]
        with self.name_scope():
            self.encoder = nn.HybridSequential()
            # A convolution with a stride computes only the eighth of the map that a pool would keep.
            padding = tuple(kernel // 2 for kernel in STEM_KERNEL)
            self.encoder.add(nn.Conv2D(STAGES[0][0], STEM_KERNEL, strides=STRIDE, padding=padding, use_bias=False))
            size = (-(-size[0] // STRIDE[0]), -(-size[1] // STRIDE[1]))
            for stage, (filters, blocks) in enumerate(STAGES):
                if stage:
                    pooling, size = clamped_max_pool(STRIDE, size)
                    self.encoder.add(pooling)
                for block in range(blocks):
                    self.encoder.add(ResidualBlock(filters, project=stage > 0 and block == 0))
            self.encoder.add(batch_norm(), SoftReLU(), GlobalMean(), nn.Flatten())
            self.head = nn.HybridSequential()
            self.head.add(nn.Dropout(0.25), nn.Dense(classes))

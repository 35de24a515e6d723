"""Speaker network of GluonAR: ResNet-18 (v2) of Gluon's model zoo, on one channel.

The residual network is that of K. He et al., "Identity mappings in deep residual networks" (ECCV 2016).
"""

from __future__ import annotations

from mxnet_audio.engine import gluon
from mxnet_audio.models.blocks import MOMENTUM, GlobalMean, SpeakerNet, VectorNorm
from mxnet_audio.nn.level import ZScoreNormBlock

__all__ = ["ResNet18Net"]

EMBEDDING_DIM = 128


class ResNet18Net(SpeakerNet):
    """Stem of 64 filters and stages of 64, 128, 256 and 512; a dense layer of 128 gives the embedding.

    Each input is normalized to mean 0 and standard deviation 1. GluonAR's network takes power and puts a sigmoid after
    the normalization, which decibels do not need, and a PReLU after the norm of the embedding; neither is used here.

    Parameters
    ----------
    classes : int
        Number of classes.
    input_shape : tuple of int [(channels, n_mels, frames)]
        Shape of one input, (1, 16, 16) or larger.
    head : {'cosine', 'dense'}
        Last layer.

    Examples
    --------
    >>> from mxnet_audio.engine import nd
    >>> net = ResNet18Net(classes=10, input_shape=(1, 80, 100))
    >>> net.initialize()
    >>> scores, embedding = net(nd.zeros((2, 1, 80, 100)))
    >>> scores.shape, embedding.shape
    ((2, 10), (2, 128))
    """

    def __init__(self, classes: int, input_shape: tuple[int, int, int], head: str = "cosine", **kwargs):
        super().__init__(classes, input_shape, head, **kwargs)
        nn = gluon.nn
        with self.name_scope():
            # Without the first norm, which has no parameters to learn, so that no backward pass would update it; and
            # without the last two layers, pooling and flattening.
            zoo = gluon.model_zoo.vision.resnet18_v2().features[1:-2]
            zoo.apply(_set_momentum)
            self.encoder = nn.HybridSequential()
            self.encoder.add(
                ZScoreNormBlock(), *zoo, GlobalMean(), nn.Flatten(), nn.Dense(EMBEDDING_DIM, use_bias=False)
            )
            self.encoder.add(VectorNorm(scale=False, center=False))
            self.head = self.new_head(EMBEDDING_DIM)


def _set_momentum(block: gluon.Block) -> None:
    """Set the momentum of a batch norm as in `blocks.batch_norm`, which the model zoo has no argument for."""
    if isinstance(block, gluon.nn.BatchNorm):
        block._kwargs["momentum"] = MOMENTUM

"""GluonAR's speaker network: ResNet-18 (v2) of Gluon's zoo, on one channel.

The residual network is that of K. He et al., "Identity mappings in deep residual networks" (ECCV 2016).
"""

from __future__ import annotations

from mxnet_audio.engine import gluon
from mxnet_audio.models.blocks import MOMENTUM, GlobalMean, SpeakerNet, VectorNorm
from mxnet_audio.nn.level import ZScoreNormBlock

__all__ = ["ResNet18Net"]

EMBEDDING = 128


class ResNet18Net(SpeakerNet):
    """The zoo's stem of 64 and stages of 64, 128, 256 and 512 filters; a dense layer of 128 gives the embedding.

    Each input is brought to mean 0 and deviation 1 first. Unlike GluonAR's, which takes power: no sigmoid after that,
    as decibels need not be tamed, and no PReLU after the embedding's norm.

    Parameters
    ----------
    classes : int
        Number of classes.
    input_shape : tuple of int [(channels, n_mels, frames)]
        Shape of one input, (1, 16, 16) or larger.
    head : {'cosine', 'dense'}
        The last layer.

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
            # Without the zoo's first norm: it has nothing to learn, so no backward pass comes by to update it.
            zoo = gluon.model_zoo.vision.resnet18_v2().features[1:-2]  # and without its pooling
            zoo.apply(_keep_up)
            self.encoder = nn.HybridSequential()
            self.encoder.add(ZScoreNormBlock(), *zoo, GlobalMean(), nn.Flatten(), nn.Dense(EMBEDDING, use_bias=False))
            self.encoder.add(VectorNorm(scale=False, center=False))
            self.head = self.new_head(EMBEDDING)


def _keep_up(block: gluon.Block) -> None:
    """Let a norm's statistics follow as in `blocks.batch_norm`: the zoo leaves no choice."""
    if isinstance(block, gluon.nn.BatchNorm):
        block._kwargs["momentum"] = MOMENTUM

"""Networks by name.

Each takes log-mel input [shape=(batch, 1, n_mels, frames)], or `m5` and `sincnet` samples
[shape=(batch, 1, 1, samples)], and gives scores and the embedding in one pass. `ecapa_tdnn`, `resnet18` and `sincnet`
are made to tell speakers apart: unless told otherwise, their scores are cosines, 30 times.
"""

from __future__ import annotations

import os

from mxnet_audio.engine import mx, nd
from mxnet_audio.errors import ModelError
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.models.blocks import MINIMUM, AudioNet, CosineDense
from mxnet_audio.models.cifar10 import Cifar10Net
from mxnet_audio.models.ecapa_tdnn import EcapaTdnnNet
from mxnet_audio.models.m5 import M5Net
from mxnet_audio.models.pretrained import Pretrained, read_pretrained, take_over
from mxnet_audio.models.resnet18 import ResNet18Net
from mxnet_audio.models.resnet_v2 import ResNetV2Net
from mxnet_audio.models.sincnet import SincNet

__all__ = [
    "MINIMUM",
    "NETWORKS",
    "AudioNet",
    "Cifar10Net",
    "CosineDense",
    "EcapaTdnnNet",
    "M5Net",
    "Pretrained",
    "ResNet18Net",
    "ResNetV2Net",
    "SincNet",
    "check_shape",
    "default_features",
    "get_model",
    "model_names",
    "read_pretrained",
    "take_over",
]

NETWORKS = {
    "cifar10": Cifar10Net,
    "ecapa_tdnn": EcapaTdnnNet,
    "m5": M5Net,
    "resnet18": ResNet18Net,
    "resnet_v2": ResNetV2Net,
    "sincnet": SincNet,
}


def model_names() -> list[str]:
    """Names that `get_model` knows.

    Examples
    --------
    >>> model_names()
    ['cifar10', 'ecapa_tdnn', 'm5', 'resnet18', 'resnet_v2', 'sincnet']
    """
    return sorted(NETWORKS)


def _known(name: str) -> type[AudioNet]:
    if name not in NETWORKS:
        raise ModelError(f"no network {name!r}; there are {', '.join(model_names())}")
    return NETWORKS[name]


def default_features(name: str) -> AudioFeatureConfig:
    """What a network is fed with unless another is given; its length may still be open.

    Examples
    --------
    >>> default_features('cifar10').type, default_features('m5').type
    ('log_mel', 'raw')
    """
    return _known(name).features


def check_shape(name: str, input_shape: tuple[int, int, int]) -> None:
    """Raise ModelError unless this network can take inputs of this shape.

    Examples
    --------
    >>> check_shape('m5', (1, 96, 1366))
    Traceback (most recent call last):
    ...
    mxnet_audio.errors.ModelError: input_shape (1, 96, 1366) is not (1, 1, samples) with 80 samples or more, ...
    """
    network = _known(name)
    if not network.fits(tuple(input_shape)):
        raise ModelError(f"input_shape {tuple(input_shape)} is not {network.takes}: {name} takes no other")


def get_model(
    name: str,
    *,
    classes: int,
    input_shape: tuple[int, int, int] | None = None,
    head: str | None = None,
    pretrained: str | os.PathLike | None = None,
) -> AudioNet:
    """Make a network, its parameters not yet initialised unless it goes on from a trained one.

    Parameters
    ----------
    name : str
        One of `model_names`.
    classes : int > 1
        Number of classes.
    input_shape : tuple of int [(channels, n_mels, frames)], optional
        Shape of one input, (1, 16, 16) or larger; for `m5` and `sincnet` (1, 1, samples), 80 or 400 or more. That of
        the trained one if none is given.
    head : {'dense', 'cosine'}, optional
        The last layer, of those that the network can have (its `heads`); that of the trained one by default, or the
        first of them.
    pretrained : str or os.PathLike, optional
        Folder in which a classifier kept a trained network of this name. Its parameters are taken over, those of its
        head if that is of the same kind and for as many classes; else the head begins anew. The network is initialised,
        on the CPU: whoever initialises it again calls `take_over` after that.

    Returns
    -------
    AudioNet

    Raises
    ------
    ModelError
        If the name is not known, the numbers make no network, or the trained one cannot be read, or is another.

    Examples
    --------
    >>> get_model('cifar10', classes=2, input_shape=(1, 64, 128)).classes
    2
    >>> get_model('ecapa_tdnn', classes=2, input_shape=(1, 80, 200)).scale
    4.0
    """
    network = _known(name)
    if classes < 2:
        raise ModelError(f"a classifier needs two classes or more, not {classes}")
    if head is not None and head not in network.heads:
        raise ModelError(f"{name} has no head {head!r}; there is {', '.join(network.heads)}")
    known = None if pretrained is None else read_pretrained(name, pretrained)
    if input_shape is None:
        if known is None:
            raise ModelError(f"give input_shape, the shape of one input of {name}: {network.takes}")
        input_shape = known.input_shape
    check_shape(name, input_shape)
    if head is None:
        head = network.heads[0] if known is None else known.head
    net = network(classes, tuple(input_shape), head=head)
    if known is not None:
        net.initialize(mx.init.Xavier())
        net(nd.zeros((1, *net.input_shape)))  # from now on shapes are known
        take_over(net, known)
    return net

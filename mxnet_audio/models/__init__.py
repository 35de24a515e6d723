"""Networks by name.

Each takes log-mel spectrograms [shape=(batch, 1, n_mels, frames)], or, for `m5` and `sincnet`, samples
[shape=(batch, 1, 1, samples)], and returns scores and the embedding in one pass. `ecapa_tdnn`, `resnet18` and `sincnet`
are for speaker recognition: by default their scores are scaled cosines.
"""

from __future__ import annotations

import os
from typing import Literal

from mxnet_audio.checks import whole_number
from mxnet_audio.engine import mx, nd
from mxnet_audio.errors import ParameterError
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.models.blocks import MIN_INPUT_SIZE, AudioNet, CosineDense
from mxnet_audio.models.cifar10 import Cifar10Net
from mxnet_audio.models.ecapa_tdnn import EcapaTdnnNet
from mxnet_audio.models.m5 import M5Net
from mxnet_audio.models.pretrained import Pretrained, read_pretrained, transfer
from mxnet_audio.models.resnet18 import ResNet18Net
from mxnet_audio.models.resnet_v2 import ResNetV2Net
from mxnet_audio.models.sincnet import SincNet

__all__ = [
    "MIN_INPUT_SIZE",
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
    "transfer",
]

NETWORKS: dict[str, type[AudioNet]] = {
    "cifar10": Cifar10Net,
    "ecapa_tdnn": EcapaTdnnNet,
    "m5": M5Net,
    "resnet18": ResNet18Net,
    "resnet_v2": ResNetV2Net,
    "sincnet": SincNet,
}


def model_names() -> list[str]:
    """List the names of the networks.

    Examples
    --------
    >>> model_names()
    ['cifar10', 'ecapa_tdnn', 'm5', 'resnet18', 'resnet_v2', 'sincnet']
    """
    return sorted(NETWORKS)


def _network(name: str) -> type[AudioNet]:
    if name not in NETWORKS:
        raise ParameterError(f"network must be one of {', '.join(model_names())}, got {name!r}")
    return NETWORKS[name]


def default_features(name: str) -> AudioFeatureConfig:
    """Return the default features of a network; their length may still be open.

    Examples
    --------
    >>> default_features('cifar10').type, default_features('m5').type
    ('log_mel', 'raw')
    """
    return _network(name).features


def check_shape(name: str, input_shape: tuple[int, int, int]) -> None:
    """Raise ParameterError unless a network accepts inputs of this shape.

    Examples
    --------
    >>> check_shape('m5', (1, 96, 1366))
    Traceback (most recent call last):
    ...
    mxnet_audio.errors.ParameterError: input_shape of m5 must be (1, 1, samples) with 80 samples or more, ...
    """
    network = _network(name)
    if not network.fits(tuple(input_shape)):
        raise ParameterError(f"input_shape of {name} must be {network.input_format}, got {tuple(input_shape)}")


def get_model(
    name: str,
    classes: int,
    input_shape: tuple[int, int, int] | None = None,
    *,
    head: str | None = None,
    pretrained: str | os.PathLike | Literal[False] | None = None,
) -> AudioNet:
    """Make a network; its parameters are not yet initialized, unless they are transferred from a trained one.

    Parameters
    ----------
    name : str
        One of `model_names`.
    classes : int > 1
        Number of classes. Unlike in Gluon's model zoo there is no default.
    input_shape : tuple of int [(channels, n_mels, frames)], optional
        Shape of one input, (1, 16, 16) or larger; for `m5` and `sincnet` (1, 1, samples) with at least 80 or 400
        samples. Default: that of the trained network; without one, the shape is required.
    head : {'dense', 'cosine'}, optional
        Last layer, one of the network's `heads`. Default: that of the trained network, or the first of `heads`.
    pretrained : str or os.PathLike, or False, optional
        Directory in which a classifier stored a trained network of this name. Its parameters are transferred, those of
        its head only if kind and number of classes are the same; otherwise the head is initialized. The network is
        then on the CPU; call `transfer` again if you initialize it again. True, as in Gluon's model zoo, is an error,
        since no trained weights are downloaded.

    Returns
    -------
    AudioNet

    Raises
    ------
    ParameterError
        If the name is unknown or an argument does not fit the network.
    ModelError
        If the trained network cannot be read, or is another one.

    Examples
    --------
    >>> get_model('cifar10', classes=2, input_shape=(1, 64, 128)).classes
    2
    >>> get_model('ecapa_tdnn', 2, (1, 80, 200)).scale
    4.0
    """
    network = _network(name)
    classes = whole_number("classes", classes, 2)
    if head is not None and head not in network.heads:
        raise ParameterError(f"head of {name} must be one of {', '.join(network.heads)}, got {head!r}")
    if pretrained is True:
        raise ParameterError("pretrained must be the directory of a trained model, got True")
    trained = None if pretrained is None or pretrained is False else read_pretrained(name, pretrained)
    if input_shape is None:
        if trained is None:
            raise ParameterError(f"input_shape of {name} is missing: {network.input_format}")
        input_shape = trained.input_shape
    check_shape(name, input_shape)
    if head is None:
        head = network.heads[0] if trained is None else trained.head
    net = network(classes, input_shape, head=head)
    if trained is not None:
        net.initialize(mx.init.Xavier())
        net(nd.zeros((1, *net.input_shape)))  # the shapes of parameters are known after a first pass
        transfer(net, trained)
    return net

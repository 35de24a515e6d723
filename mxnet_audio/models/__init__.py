"""Networks by name.

Each takes log-mel input [shape=(batch, 1, n_mels, frames)], or `m5` samples [shape=(batch, 1, 1, samples)], and gives
scores and the embedding in one pass.
"""

from __future__ import annotations

from mxnet_audio.errors import ModelError
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.models.blocks import MINIMUM, AudioNet
from mxnet_audio.models.cifar10 import Cifar10Net
from mxnet_audio.models.m5 import M5Net
from mxnet_audio.models.resnet_v2 import ResNetV2Net

__all__ = [
    "MINIMUM",
    "NETWORKS",
    "AudioNet",
    "Cifar10Net",
    "M5Net",
    "ResNetV2Net",
    "check_shape",
    "get_model",
    "model_names",
    "usual_features",
]

NETWORKS = {"cifar10": Cifar10Net, "m5": M5Net, "resnet_v2": ResNetV2Net}


def model_names() -> list[str]:
    """Names that `get_model` knows.

    Examples
    --------
    >>> model_names()
    ['cifar10', 'm5', 'resnet_v2']
    """
    return sorted(NETWORKS)


def _known(name: str) -> type[AudioNet]:
    if name not in NETWORKS:
        raise ModelError(f"no network {name!r}; there are {', '.join(model_names())}")
    return NETWORKS[name]


def usual_features(name: str) -> AudioFeatureConfig:
    """What a network is fed with unless another is given; its length may still be open.

    Examples
    --------
    >>> usual_features('cifar10').type, usual_features('m5').type
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


def get_model(name: str, *, classes: int, input_shape: tuple[int, int, int]) -> AudioNet:
    """Make a network, its parameters not yet initialised.

    Parameters
    ----------
    name : str
        One of `model_names`.
    classes : int > 1
        Number of classes.
    input_shape : tuple of int [(channels, n_mels, frames)]
        Shape of one input, (1, 16, 16) or larger; for `m5` (1, 1, samples), 80 or more.

    Returns
    -------
    AudioNet

    Raises
    ------
    ModelError
        If the name is not known, or the numbers make no network.

    Examples
    --------
    >>> get_model('cifar10', classes=2, input_shape=(1, 64, 128)).classes
    2
    """
    network = _known(name)
    if classes < 2:
        raise ModelError(f"a classifier needs two classes or more, not {classes}")
    check_shape(name, input_shape)
    return network(classes, tuple(input_shape))

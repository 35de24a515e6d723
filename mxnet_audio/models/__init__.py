"""Networks by name.

Each takes log-mel input [shape=(batch, 1, n_mels, frames)] and gives scores and the embedding in one pass.
"""

from __future__ import annotations

from mxnet_audio.errors import ModelError
from mxnet_audio.models.blocks import AudioNet
from mxnet_audio.models.cifar10 import Cifar10Net
from mxnet_audio.models.resnet_v2 import ResNetV2Net

__all__ = ["MINIMUM", "AudioNet", "Cifar10Net", "ResNetV2Net", "check_shape", "get_model", "model_names"]

NETWORKS = {"cifar10": Cifar10Net, "resnet_v2": ResNetV2Net}
MINIMUM = 16  # bands and frames: less leaves the pools nothing to look at


def model_names() -> list[str]:
    """Names that `get_model` knows.

    Examples
    --------
    >>> model_names()
    ['cifar10', 'resnet_v2']
    """
    return sorted(NETWORKS)


def check_shape(input_shape: tuple[int, int, int]) -> None:
    """Raise ModelError unless the networks can take inputs of this shape."""
    if len(input_shape) != 3 or input_shape[0] != 1 or min(input_shape[1:]) < MINIMUM:
        raise ModelError(
            f"input_shape {tuple(input_shape)} is not (1, n_mels, frames) with {MINIMUM} bands and {MINIMUM} frames "
            "or more"
        )


def get_model(name: str, *, classes: int, input_shape: tuple[int, int, int]) -> AudioNet:
    """Make a network, its parameters not yet initialised.

    Parameters
    ----------
    name : str
        One of `model_names`.
    classes : int > 1
        Number of classes.
    input_shape : tuple of int [(channels, n_mels, frames)]
        Shape of one input, (1, 16, 16) or larger.

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
    if name not in NETWORKS:
        raise ModelError(f"no network {name!r}; there are {', '.join(model_names())}")
    if classes < 2:
        raise ModelError(f"a classifier needs two classes or more, not {classes}")
    check_shape(input_shape)
    return NETWORKS[name](classes, tuple(input_shape))

"""The applications that users name: classifiers, search engines, recommenders; loaders' well-known import paths."""

from __future__ import annotations

__all__ = ["classifiers"]


def classifiers() -> dict[str, type]:
    """Classifier classes by the name of their network.

    Examples
    --------
    >>> sorted(classifiers())
    ['cifar10', 'resnet_v2']
    """
    from mxnet_audio.library.cifar10 import Cifar10AudioClassifier
    from mxnet_audio.library.resnet_v2 import ResNetV2AudioClassifier

    return {cls.network: cls for cls in (Cifar10AudioClassifier, ResNetV2AudioClassifier)}

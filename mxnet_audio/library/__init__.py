"""The applications that users name: classifiers, search engines, recommenders; loaders' well-known import paths."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the names alone: features, datasets and search users must not pay for MXNet
    from mxnet_audio.engine import mx
    from mxnet_audio.library.classifier import AudioClassifier

__all__ = ["BUNDLED_MODELS", "classifiers", "load_classifier"]

BUNDLED_MODELS = (
    Path(__file__).parents[2] / "demo" / "models" / "esc10"
)  # models that come with a clone; a wheel has none


def classifiers() -> dict[str, type]:
    """Classifier classes by the name of their network.

    Examples
    --------
    >>> sorted(classifiers())
    ['cifar10', 'm5', 'resnet_v2']
    """
    from mxnet_audio.library.cifar10 import Cifar10AudioClassifier
    from mxnet_audio.library.m5 import M5AudioClassifier
    from mxnet_audio.library.resnet_v2 import ResNetV2AudioClassifier

    return {cls.network: cls for cls in (Cifar10AudioClassifier, M5AudioClassifier, ResNetV2AudioClassifier)}


def load_classifier(
    model_dir_path: str | os.PathLike, name: str | None = None, *, model_ctx: mx.Context | None = None
) -> AudioClassifier:
    """Load whatever classifier a directory holds.

    Parameters
    ----------
    model_dir_path : str or os.PathLike
        Directory that was given to `AudioClassifier.fit`.
    name : str, optional
        Name of the network; needed only if the directory holds several.
    model_ctx : mxnet.Context, optional
        Where the network computes; the CPU by default.

    Raises
    ------
    ModelError
        If there is no model, or there are several and none was named.
    """
    from mxnet_audio import model_store
    from mxnet_audio.errors import ModelError

    known = classifiers()
    if name is None:
        found = [stored for stored in model_store.stored_models(model_dir_path) if stored in known]
        if len(found) != 1:
            several = f"several models ({', '.join(found)}): name one"
            none = "no model here: train one first, or name the folder of one"
            raise ModelError(several if found else none, model_dir_path)
        name = found[0]
    if name not in known:
        raise ModelError(f"no classifier {name!r}; there are {', '.join(sorted(known))}", model_dir_path)
    classifier = known[name](model_ctx=model_ctx)
    classifier.load_model(model_dir_path)
    return classifier

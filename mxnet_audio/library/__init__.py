"""Applications: classifiers, search engines and recommenders; loaders at import paths of the first mxnet-audio."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # names only: users of features, datasets and search do not import MXNet
    from mxnet_audio.engine import mx
    from mxnet_audio.library.classifier import AudioClassifier

__all__ = ["BUNDLED_MODELS", "classifiers", "find_classifier", "load_classifier"]

#: Directory of the ESC-10 models that come with a clone; a wheel contains none.
BUNDLED_MODELS = Path(__file__).parents[2] / "demo" / "models" / "esc10"

_CLASSES = {"cifar10": "Cifar10AudioClassifier", "m5": "M5AudioClassifier", "resnet_v2": "ResNetV2AudioClassifier"}


def classifiers() -> dict[str, type[AudioClassifier]]:
    """Return the classifier classes by the name of their network.

    Examples
    --------
    >>> sorted(classifiers())
    ['cifar10', 'm5', 'resnet_v2']
    """
    modules = {network: importlib.import_module(f"{__name__}.{network}") for network in _CLASSES}
    return {network: getattr(modules[network], name) for network, name in _CLASSES.items()}


def find_classifier(model_dir_path: str | os.PathLike, name: str | None = None) -> str:
    """Return the network of the model that `load_classifier` would load, without importing MXNet.

    Parameters
    ----------
    model_dir_path, name
        As for `load_classifier`.

    Raises
    ------
    ModelError
        If the directory holds no model, or several and `name` is missing, or its manifest is damaged.
    ParameterError
        If no classifier has this name, or `model_dir_path` is not a path.
    """
    from mxnet_audio import model_store
    from mxnet_audio.checks import path_argument
    from mxnet_audio.errors import ModelError, ParameterError

    path_argument("model_dir_path", model_dir_path)
    if name is None:
        found = [stored for stored in model_store.stored_models(model_dir_path) if stored in _CLASSES]
        if len(found) != 1:
            several = f"several models ({', '.join(found)}): choose one by name (--network of the command)"
            none = "no model here: train one first, or give the directory of one"
            raise ModelError(several if found else none, model_dir_path)
        name = found[0]
    if name not in _CLASSES:
        raise ParameterError(f"name must be one of {', '.join(_CLASSES)}, got {name!r}", model_dir_path)
    model_store.read_manifest(model_dir_path, name)
    return name


def load_classifier(
    model_dir_path: str | os.PathLike, name: str | None = None, *, model_ctx: mx.Context | None = None
) -> AudioClassifier:
    """Load the classifier of a model directory, whatever its network.

    Parameters
    ----------
    model_dir_path : str or os.PathLike
        Directory that was given to `AudioClassifier.fit`.
    name : str, optional
        Name of the network; needed only if the directory holds several models.
    model_ctx : mxnet.Context, optional
        Device of the network; the CPU by default.

    Raises
    ------
    ModelError
        If the directory holds no model, or several and `name` is missing.
    ParameterError
        If no classifier has this name, or `model_dir_path` is not a path.
    """
    classifier = classifiers()[find_classifier(model_dir_path, name)](model_ctx=model_ctx)
    classifier.load_model(model_dir_path)
    return classifier

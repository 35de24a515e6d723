"""Applications: classifiers, search engines and recommenders; loaders at import paths of the first mxnet-audio."""

from __future__ import annotations

import importlib
import logging
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # names only: users of features, datasets and search do not import MXNet
    from mxnet_audio.engine import mx
    from mxnet_audio.library.classifier import AudioClassifier

__all__ = ["BUNDLED_MODELS", "classifiers", "find_classifier", "load_classifier"]

log = logging.getLogger(__name__)

_INSTALLED_MODELS = Path(__file__).with_name("esc10")
#: Folder of the ESC-10 models: in the installed package, or in demo/models of a checkout.
BUNDLED_MODELS = (
    _INSTALLED_MODELS if _INSTALLED_MODELS.is_dir() else Path(__file__).parents[2] / "demo" / "models" / "esc10"
)

_CLASSES = {"cifar10": "Cifar10AudioClassifier", "m5": "M5AudioClassifier", "resnet_v2": "ResNetV2AudioClassifier"}


def classifiers() -> dict[str, Callable[..., AudioClassifier]]:
    """Return the classifiers by name: of their network, or of the encoder of a `PretrainedAudioClassifier`.

    Each is called with the arguments `model_ctx` and `data_ctx`.

    Examples
    --------
    >>> list(classifiers())
    ['cifar10', 'm5', 'resnet_v2', 'yamnet', 'musicnn', ..., 'wav2vec2', 'hubert', 'wavlm', 'whisper', 'ast', ...]
    """
    from mxnet_audio import weights

    modules = {name: importlib.import_module(f"{__name__}.{name}") for name in (*_CLASSES, "pretrained")}
    return {
        **{network: getattr(modules[network], name) for network, name in _CLASSES.items()},
        **{name: partial(modules["pretrained"].PretrainedAudioClassifier, name) for name in weights.names()},
    }


def find_classifier(model_dir_path: str | os.PathLike, name: str | None = None) -> str:
    """Return the name, among `classifiers`, of what `load_classifier` would load, without importing MXNet.

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
    from mxnet_audio import model_store, weights
    from mxnet_audio.checks import path_argument
    from mxnet_audio.errors import ModelError, ParameterError

    path_argument("model_dir_path", model_dir_path)
    networks = {encoder: weights.record(encoder).network for encoder in weights.names()}
    stored = name if name is None else networks.get(name, name)
    if stored is None:
        known = {*_CLASSES, *networks.values()}
        names = model_store.stored_models(model_dir_path)
        found = [stored for stored in names if stored in known]
        if len(found) != 1:
            reason = "no model here: train one first, or give the directory of one"
            if found:
                reason = f"several models ({', '.join(found)}): choose one by name (--network of the command)"
            elif model_store.AUDIO_MODEL in names:
                reason = "a whole run, not a classifier: load it with AudioModel.load (mxnet-audio run predict)"
            raise ModelError(reason, model_dir_path)
        stored = found[0]
    elif stored not in _CLASSES and stored not in networks.values():
        choices = ", ".join([*_CLASSES, *networks])
        raise ParameterError(f"name must be one of {choices}, got {name!r}", model_dir_path)
    manifest = model_store.read_manifest(model_dir_path, stored)
    if stored in _CLASSES:
        return stored
    encoder = model_store.encoder_name(manifest)
    if encoder not in networks or name not in (None, stored, encoder):
        raise ModelError(
            f"the {stored} model is of the encoder {encoder}, not of {name or 'a classifier'}", model_dir_path
        )
    return encoder


def load_classifier(
    model_dir_path: str | os.PathLike,
    name: str | None = None,
    *,
    source: str | os.PathLike | None = None,
    model_ctx: mx.Context | None = None,
) -> AudioClassifier:
    """Load the classifier of a model directory, whatever its network.

    Parameters
    ----------
    model_dir_path : str or os.PathLike
        Directory that was given to `AudioClassifier.fit`.
    name : str, optional
        Name of the network, or of the encoder; needed only if the directory holds several models.
    source : str or os.PathLike, optional
        Source of the weights of a pretrained encoder that are not saved with the model, in place of that of the
        training. Of a model that holds them it is not used, and the log says so.
    model_ctx : mxnet.Context, optional
        Device of the network; the CPU by default.

    Raises
    ------
    ModelError
        If the directory holds no model, or several and `name` is missing.
    ParameterError
        If no classifier has this name, `model_dir_path` is not a path, or the model found has no pretrained encoder
        that `source` could be of.
    """
    from mxnet_audio.errors import ParameterError

    found = find_classifier(model_dir_path, name)
    if source is not None and found in _CLASSES:
        raise ParameterError(f"source must be None for a {found} model, which has no encoder, got {source!r}")
    options = {} if source is None else {"source": source}
    classifier = classifiers()[found](model_ctx=model_ctx, **options)
    classifier.load_model(model_dir_path)
    if source is not None and getattr(classifier, "saved_weights_in_checkpoint", False):
        log.warning("%s: holds the weights of its encoder, so source is not used, got %s", model_dir_path, source)
    return classifier

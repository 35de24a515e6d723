"""Selection and loading of the trained model that a command uses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from mxnet_audio.cli.options import MODELS, Network
from mxnet_audio.cli.output import print_message
from mxnet_audio.errors import ModelError
from mxnet_audio.library import BUNDLED_MODELS, find_classifier, load_classifier

if TYPE_CHECKING:
    from mxnet_audio.engine import mx
    from mxnet_audio.inference import OnnxAudioClassifier
    from mxnet_audio.library.classifier import AudioClassifier

    Classifier: TypeAlias = AudioClassifier | OnnxAudioClassifier

__all__ = ["device", "find_model", "find_trained_model"]


def device(gpu: int | None) -> mx.Context:
    """Return MXNet's context for ``--gpu``."""
    from mxnet_audio.engine import context

    return context(gpu)


def find_model(model_dir: Path | None, network: Network | None, gpu: int | None) -> Callable[[], Classifier]:
    """Find a trained model or an .onnx file, and return the function that loads it.

    What can be wrong is checked now, as far as this is possible without importing MXNet; the function imports it.

    Parameters
    ----------
    model_dir : Path or None
        Folder of the model, or .onnx file. None: ``./models`` or, if it is missing, the models of a clone.
    network : Network or None
        Name of the network, if the folder holds several models.
    gpu : int or None
        Number of the GPU; the CPU if None.

    Raises
    ------
    ModelError
        If there is no such model.
    """
    if model_dir is None and not MODELS.exists() and BUNDLED_MODELS.is_dir():
        network = network or Network.cifar10
        print_message(f"no folder {MODELS} here: using the bundled ESC-10 model {network.value} of {BUNDLED_MODELS}")
        model_dir = BUNDLED_MODELS
    model_dir = model_dir or MODELS
    if not _is_onnx_file(model_dir):
        return find_trained_model(model_dir, network, gpu)
    if gpu is not None:
        raise ModelError("an .onnx file runs on the CPU: leave --gpu out", model_dir)
    return lambda: _load_onnx(model_dir, network)


def find_trained_model(model_dir: Path, network: Network | None, gpu: int | None) -> Callable[[], AudioClassifier]:
    """Find a trained model, and return the function that loads it; as `find_model`, without .onnx files."""
    if _is_onnx_file(model_dir):
        raise ModelError("expected the folder of a trained model, not a file", model_dir)
    name = find_classifier(model_dir, network and network.value)
    return lambda: load_classifier(model_dir, name, model_ctx=device(gpu))


def _is_onnx_file(path: Path) -> bool:
    return not path.is_dir() and (path.is_file() or path.suffix.lower() == ".onnx")


def _load_onnx(path: Path, network: Network | None) -> OnnxAudioClassifier:
    from mxnet_audio.inference.onnx_classifier import OnnxAudioClassifier

    classifier = OnnxAudioClassifier(path)
    if network is not None and network.value != classifier.network:
        raise ModelError(f"a {classifier.network} model, not {network.value}", path)
    return classifier

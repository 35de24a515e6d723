"""Selection and loading of the trained model, or the tagger, that a command uses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from mxnet_audio.cli.options import MODELS, StoredModel
from mxnet_audio.cli.output import print_message, show_progress
from mxnet_audio.errors import ModelError
from mxnet_audio.library import BUNDLED_MODELS, find_classifier, load_classifier

if TYPE_CHECKING:
    from mxnet_audio.engine import mx
    from mxnet_audio.inference import OnnxAudioClassifier
    from mxnet_audio.library.classifier import AudioClassifier
    from mxnet_audio.library.tagger import AudioTagger

    Classifier: TypeAlias = AudioClassifier | OnnxAudioClassifier
    Labeller: TypeAlias = Classifier | AudioTagger

__all__ = ["TAGGER", "check_no_model", "device", "find_labeller", "find_model", "find_trained_model", "load_tagger"]

TAGGER = "yamnet"  # encoder of the tagger, which tags any sound


def check_no_model(folder: Path, name: str, mends: str) -> None:
    """Raise ModelError if a folder, which need not exist, holds a model of this name, finished or not."""
    from mxnet_audio.model_store import stored_models

    if name in stored_models(folder):
        raise ModelError(f"holds a {name} model: {mends}", folder)


def device(gpu: int | None) -> mx.Context:
    """Return MXNet's context for ``--gpu``."""
    from mxnet_audio.engine import context

    return context(gpu)


def find_model(
    model_dir: Path | None, network: StoredModel | None, gpu: int | None, source: str | None = None
) -> Callable[[], Classifier]:
    """Find a trained model or an .onnx file, and return the function that loads it.

    What can be wrong is checked now, as far as this is possible without importing MXNet; the function imports it.

    Parameters
    ----------
    model_dir : Path or None
        Folder of the model, or .onnx file. None: ``./models`` or, if it is missing, the models of a clone.
    network : StoredModel or None
        Name of the network, if the folder holds several models.
    gpu : int or None
        Number of the GPU; the CPU if None.
    source : str, optional
        Source of the weights of an encoder that are not saved with the model.

    Raises
    ------
    ModelError
        If there is no such model.
    """
    if model_dir is None and not MODELS.exists() and BUNDLED_MODELS.is_dir():
        network = network or StoredModel.cifar10
        print_message(f"no folder {MODELS} here: using the bundled ESC-10 model {network.value} of {BUNDLED_MODELS}")
        model_dir = BUNDLED_MODELS
    model_dir = model_dir or MODELS
    if not _is_onnx_file(model_dir):
        return find_trained_model(model_dir, network, gpu, source)
    if source is not None:
        raise ModelError("an .onnx file holds all weights: leave --source out", model_dir)
    if gpu is not None:
        raise ModelError("an .onnx file runs on the CPU: leave --gpu out", model_dir)
    return lambda: _load_onnx(model_dir, network)


def find_labeller(
    model_dir: Path | None, network: StoredModel | None, gpu: int | None, source: str | None = None
) -> Callable[[], Labeller]:
    """Find the model that labels sound, and return the function that loads it; parameters and errors as `find_model`.

    If none is chosen and there is no ``./models``, it is the tagger; where its weights cannot be had, a model of a
    clone.
    """
    if model_dir is not None or network is not None or source is not None or MODELS.exists():
        return find_model(model_dir, network, gpu, source)
    return lambda: _load_default_labeller(gpu)


def _load_default_labeller(gpu: int | None) -> Labeller:
    try:
        _download_if_missing(TAGGER)
    except ModelError:
        if not BUNDLED_MODELS.is_dir():
            raise
        print_message(
            f"no folder {MODELS} here: using the bundled ESC-10 model {StoredModel.cifar10.value} of {BUNDLED_MODELS}, "
            f"which knows ten sounds only; for a tagger of 521: mxnet-audio models download {TAGGER}"
        )
        return find_trained_model(BUNDLED_MODELS, StoredModel.cifar10, gpu)()
    print_message(f"no folder {MODELS} here: using the pretrained encoder {TAGGER}, which tags 521 kinds of sound")
    return load_tagger(TAGGER, gpu)


def load_tagger(encoder: str, gpu: int | None, source: str | None = None, revision: str | None = None) -> AudioTagger:
    """Load a tagger by the name of its encoder, whose weights are downloaded if they are not on this machine."""
    from mxnet_audio.library.tagger import AudioTagger

    if source is None and revision is None:
        _download_if_missing(encoder)
    return AudioTagger(encoder, source=source, revision=revision, model_ctx=device(gpu))


def _download_if_missing(encoder: str) -> None:
    """Download weights that are not on this machine. Damaged ones are not replaced: loading them is an error."""
    from mxnet_audio import weights

    if not weights.available(encoder):
        weights.find(encoder, progress=show_progress())


def find_trained_model(
    model_dir: Path, network: StoredModel | None, gpu: int | None, source: str | None = None
) -> Callable[[], AudioClassifier]:
    """Find a trained model, and return the function that loads it; as `find_model`, without .onnx files."""
    if _is_onnx_file(model_dir):
        raise ModelError("expected the folder of a trained model, not a file", model_dir)
    name = find_classifier(model_dir, network and network.value)
    return lambda: load_classifier(model_dir, name, source=source, model_ctx=device(gpu))


def _is_onnx_file(path: Path) -> bool:
    return not path.is_dir() and (path.is_file() or path.suffix.lower() == ".onnx")


def _load_onnx(path: Path, network: StoredModel | None) -> OnnxAudioClassifier:
    from mxnet_audio.inference.onnx_classifier import OnnxAudioClassifier

    classifier = OnnxAudioClassifier(path)
    if network is not None and network.value != classifier.network:
        raise ModelError(f"a {classifier.network} model, not {network.value}", path)
    return classifier

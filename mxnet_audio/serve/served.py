"""Models, index and speakers that a server answers with."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mxnet_audio.audio.source import naming_errors
from mxnet_audio.checks import user_path_argument
from mxnet_audio.errors import ModelError, ParameterError, SearchError
from mxnet_audio.parallel import usable_cpus

if TYPE_CHECKING:
    from mxnet_audio.inference import OnnxAudioClassifier
    from mxnet_audio.library.classifier import AudioClassifier
    from mxnet_audio.library.search import AudioSearch
    from mxnet_audio.pretrained import AudioEncoder
    from mxnet_audio.speakers import SpeakerRecognizer

__all__ = ["ONNX_PASSES", "ServedModels", "load_models", "passes"]

#: Passes at once of an exported network whose inputs have one length, each with its part of the CPUs. Threads of one
#: pass wait for each other.
ONNX_PASSES = 2


@dataclass(frozen=True)
class ServedModels:
    """Models, index and speakers that a server answers with; at least one.

    Parameters
    ----------
    classifier : AudioClassifier or OnnxAudioClassifier, optional
        Trained or exported model.
    encoder : AudioEncoder, optional
        Pretrained encoder.
    search : AudioSearch, optional
        Index with its model.
    recognizer : SpeakerRecognizer, optional
        Enrolled speakers with their encoder.

    Raises
    ------
    ParameterError
        If there is none.
    """

    classifier: AudioClassifier | OnnxAudioClassifier | None = None
    encoder: AudioEncoder | None = None
    search: AudioSearch | None = None
    recognizer: SpeakerRecognizer | None = None

    def __post_init__(self) -> None:
        if all(value is None for value in vars(self).values()):
            raise ParameterError(
                "nothing to serve: give a model (--model-dir), an encoder (--encoder), an index (--index) or speakers "
                "(--speakers)"
            )

    @property
    def index_model(self) -> Any:
        """Encoder or classifier that made the index; None if there is no index."""
        search = self.search
        return None if search is None else search.classifier if search.encoder is None else search.encoder


def load_models(
    model_dir: str | os.PathLike | None = None,
    network: str | None = None,
    encoder: str | None = None,
    index: str | os.PathLike | None = None,
    speakers: str | os.PathLike | None = None,
    gpu: int | None = None,
) -> ServedModels:
    """Load everything that a server answers with.

    Parameters
    ----------
    model_dir : str or os.PathLike, optional
        Folder of a trained model, or an .onnx file. An .onnx file, and an index that it made, need no MXNet.
    network : str, optional
        Network or encoder of the model, if the folder holds several.
    encoder : str, optional
        Name of a pretrained encoder, as for `mxnet_audio.pretrained.load_encoder`.
    index : str or os.PathLike, optional
        Folder of an index. If the model or the encoder made it, that is used; otherwise its own is loaded.
    speakers : str or os.PathLike, optional
        Folder that `SpeakerRecognizer.save` or `mxnet-audio speaker enroll` wrote.
    gpu : int >= 0, optional
        Number of the GPU to compute on; the CPU by default.

    Returns
    -------
    ServedModels

    Raises
    ------
    ModelError
        If a model is missing, damaged, of another network, or an .onnx file is to run on a GPU; or nobody is
        enrolled, or the speakers have no threshold.
    ParameterError
        If there is no such network, encoder or GPU, or nothing to serve.
    SearchError
        If the index is missing or damaged, or its model is missing.
    """
    if network is not None and model_dir is None:
        raise ParameterError("network must be left out without model_dir (--model-dir), which it belongs to")
    classifier = (
        None if model_dir is None else _load_classifier(user_path_argument("model_dir", model_dir), network, gpu)
    )
    loaded = None if encoder is None else _load_encoder(encoder, gpu)
    search = None if index is None else _load_search(user_path_argument("index", index), (loaded, classifier), gpu)
    recognizer = None if speakers is None else _load_speakers(user_path_argument("speakers", speakers), gpu)
    return ServedModels(classifier, loaded, search, recognizer)


def _device(gpu: int | None) -> Any:
    """Return the device of MXNet; None, the CPU, imports nothing."""
    if gpu is None:
        return None
    from mxnet_audio.engine import context

    return context(gpu)


def _load_classifier(path: Path, network: str | None, gpu: int | None) -> AudioClassifier | OnnxAudioClassifier:
    if path.is_dir() or (path.suffix.lower() != ".onnx" and not path.is_file()):
        from mxnet_audio.library import find_classifier, load_classifier

        find_classifier(path, network)  # raises the errors of a wrong folder before MXNet is imported
        return load_classifier(path, network, model_ctx=_device(gpu))
    if gpu is not None:
        raise ModelError("an .onnx file runs on the CPU: leave gpu (--gpu) out", path)
    classifier = _open_exported(path)
    if network not in (None, classifier.network):
        raise ModelError(f"a {classifier.network} model, not {network}", path)
    return classifier


def _open_exported(path: Path) -> OnnxAudioClassifier:
    """Open an .onnx file, with as many threads as give all CPUs work in its passes at once."""
    from mxnet_audio.inference.onnx_classifier import OnnxAudioClassifier

    cpus = usable_cpus()
    classifier = OnnxAudioClassifier(path, threads=cpus)
    threads = max(1, cpus // passes(classifier))
    return classifier if threads == cpus else OnnxAudioClassifier(path, threads=threads)


def passes(model: Any) -> int:
    """Return how many passes of a network are computed at once."""
    description = getattr(model, "description", None)  # of exported networks only
    return ONNX_PASSES if description is not None and description.windows is None else 1


def _load_encoder(name: str, gpu: int | None) -> AudioEncoder:
    from mxnet_audio.pretrained import load_encoder

    return load_encoder(name, model_ctx=_device(gpu))


def _load_search(path: Path, models: tuple[Any, ...], gpu: int | None) -> AudioSearch:
    """Load an index with the one of the loaded models that made it, or else with its own."""
    from mxnet_audio.library.index_model import restore
    from mxnet_audio.library.search import AudioSearch
    from mxnet_audio.search.store import read_manifest

    manifest = read_manifest(path)
    model: Any = next((one for one in models if one is not None and one.model_id == manifest["model_id"]), None)
    if model is None:
        if manifest["model"] is None:
            raise SearchError("the index does not know its model: give the one that made it (--model-dir)", path)
        is_onnx = str(manifest["model"].get("model")).lower().endswith(".onnx")  # which runs on the CPU
        device = None if is_onnx else _device(gpu)
        model = restore(manifest["model"], {"model_ctx": device, "data_ctx": None})
        if is_onnx:
            model = _open_exported(model.model_path)
    search = AudioSearch(**{"encoder" if hasattr(model, "record") else "classifier": model})
    search.load(path)
    return search


def _load_speakers(path: Path, gpu: int | None) -> SpeakerRecognizer:
    from mxnet_audio.speakers import SpeakerState

    with naming_errors(path):  # before MXNet is imported
        scorer = SpeakerState.load(path).scorer
        scorer.enrolled.centroids()  # ModelError if nobody is enrolled
        scorer.threshold  # noqa: B018 - ModelError if none was set
    from mxnet_audio.speakers import SpeakerRecognizer

    return SpeakerRecognizer.load(path, model_ctx=_device(gpu))

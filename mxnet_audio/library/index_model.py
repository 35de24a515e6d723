"""Model of an index: its description, which is stored with the index, and the way back from it to the model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mxnet_audio.checks import path_argument
from mxnet_audio.errors import ParameterError, SearchError

if TYPE_CHECKING:
    from mxnet_audio.pretrained import AudioEncoder

__all__ = ["describe", "get_encoder", "model_name", "restore"]

Contexts = dict[str, Any]  # the arguments model_ctx and data_ctx
Description = dict[str, str | None]  # keys encoder, embedding, source, revision; or model, network


def get_encoder(encoder: str | AudioEncoder, options: dict[str, Any]) -> AudioEncoder:
    """Return a loaded encoder: the one that is given, or that of a name with options of `load_encoder`.

    Raises
    ------
    ModelError
        If its weights cannot be had.
    ParameterError
        If there is no such encoder, it is of the wrong type, or options are given with a loaded one.
    """
    from mxnet_audio.pretrained import AudioEncoder, load_encoder  # imports MXNet

    if isinstance(encoder, str):
        return load_encoder(encoder, **options)
    if not isinstance(encoder, AudioEncoder):
        raise ParameterError(f"encoder must be a name or an AudioEncoder, got {encoder!r}")
    if any(option is not None for option in options.values()):
        raise ParameterError(f"{' and '.join(options)} must be left out with a loaded encoder, which has its own")
    return encoder


def describe(model: Any) -> Description | None:
    """Return where a model can be loaded again; None for a classifier that was not saved.

    Parameters
    ----------
    model : AudioEncoder or AudioClassifier or OnnxAudioClassifier

    Returns
    -------
    dict of str to str or None
        Of an encoder its name, its embedding, the file or folder that its weights were read from, if one was given, or
        their name and revision on the Hugging Face hub; of a classifier its folder or .onnx file, and its network.
    """
    if hasattr(model, "model_path"):
        return None if model.model_path is None else {"model": str(model.model_path), "network": model.network}
    if not hasattr(model, "record"):
        return None
    source, revision = model.origin
    description = {"encoder": model.record.name, "embedding": model.embedding_name, "source": source}
    return description if revision is None else {**description, "revision": revision}


def model_name(model_id: str | None, description: Description | None) -> str:
    """Return a model's name for messages.

    Examples
    --------
    >>> model_name("3f2a", {"encoder": "musicnn", "embedding": "max_pool", "source": None})
    'the encoder musicnn, max_pool (3f2a)'
    >>> model_name("51c0", {"encoder": "wavlm", "embedding": "6:mean", "source": "microsoft/wavlm-large"})
    'the encoder wavlm of microsoft/wavlm-large, 6:mean (51c0)'
    """
    if description is None:
        return f"the model {model_id}"
    if "encoder" in description:
        source = f" of {description['source']}" if description.get("source") else ""
        return f"the encoder {description['encoder']}{source}, {description.get('embedding')} ({model_id})"
    return f"the model {model_id} of {description.get('model')}"


def restore(description: Description, contexts: Contexts) -> Any:
    """Load the model of an index.

    Parameters
    ----------
    description : dict
        Description that is stored with the index.
    contexts : dict
        The arguments `model_ctx` and `data_ctx`.

    Returns
    -------
    AudioEncoder or AudioClassifier or OnnxAudioClassifier

    Raises
    ------
    ModelError
        If the weights of the encoder cannot be had, as if their folder was moved, or the classifier is damaged.
    SearchError
        If the classifier was moved or deleted, or the description is damaged or of a newer version.
    """
    if not all(isinstance(value, str | None) for value in description.values()):
        raise SearchError(f"the index is damaged: its model is described as {description!r}")
    try:
        if "encoder" in description:
            return _load_encoder(description, contexts)
        return _load_classifier(description, contexts)
    except ParameterError as error:
        raise SearchError(f"the model that the index was made with cannot be loaded: {error}") from error


def _load_encoder(description: Description, contexts: Contexts) -> AudioEncoder:
    from mxnet_audio.pretrained import load_encoder
    from mxnet_audio.pretrained.encoder import stored_source

    name, embedding, revision = str(description["encoder"]), description.get("embedding"), description.get("revision")
    call = f"load_encoder({name!r}, embedding={embedding!r}, source=…)"
    mend = f"pass encoder={call} with its new place (--source of the commands)"
    source = stored_source(name, description.get("source"), revision, mend)
    return load_encoder(name, embedding=embedding, source=source, revision=revision, **contexts)


def _load_classifier(description: Description, contexts: Contexts) -> Any:
    path = path_argument("model", description.get("model"))
    if not path.exists():
        raise SearchError(
            "missing, but the index was made with the model that was here: load it from its new place and pass it as "
            "classifier= (--model-dir of the commands), or index the files again with another model",
            path,
        )
    if path.is_file():
        from mxnet_audio.inference.onnx_classifier import OnnxAudioClassifier

        if any(context is not None for context in contexts.values()):
            raise ParameterError("an .onnx file runs on the CPU: leave model_ctx and data_ctx (--gpu) out", path)
        return OnnxAudioClassifier(path)
    from mxnet_audio.library import classifiers, find_classifier

    classifier = classifiers()[find_classifier(path, description.get("network"))](**contexts)
    classifier.load_model(path)
    return classifier

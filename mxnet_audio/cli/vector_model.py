"""Selection of the model that a command takes vectors from: an encoder, a trained model, or the model of an index."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

from mxnet_audio.cli.model import device, find_model
from mxnet_audio.cli.options import MODELS, StoredModel, parse_path
from mxnet_audio.cli.output import print_message
from mxnet_audio.errors import ModelError
from mxnet_audio.library import BUNDLED_MODELS

__all__ = [
    "EmbeddingName",
    "EncoderName",
    "IndexModel",
    "VectorModel",
    "find_index_model",
    "find_vector_model",
    "knows_its_model",
]

EncoderName = Annotated[
    str | None,
    typer.Option(
        "--encoder",
        metavar="NAME",
        help="Pretrained encoder, which needs no training: a name that `mxnet-audio models list` prints, or auto. "
        f"[default: auto, if there is no folder {MODELS}]",
    ),
]
EmbeddingName = Annotated[
    str | None, typer.Option("--embedding", metavar="NAME", help="Embedding of the encoder. [default: its first]")
]
_TRAINED = "Folder of the trained model, or an .onnx file exported from it."
VectorModel = Annotated[
    Path | None,
    typer.Option(
        "--model-dir", parser=parse_path, metavar="DIR", help=f"{_TRAINED} [default: {MODELS}, if there is one]"
    ),
]
IndexModel = Annotated[
    Path | None,
    typer.Option(
        "--model-dir", parser=parse_path, metavar="DIR", help=f"{_TRAINED} [default: what the index was made with]"
    ),
]
# Loads the model, and returns it as the argument `encoder` or `classifier` of `AudioSearch`.
Load: TypeAlias = Callable[[], dict[str, Any]]


def find_vector_model(
    encoder: str | None, embedding: str | None, model_dir: Path | None, network: StoredModel | None, gpu: int | None
) -> Load:
    """Find the model that computes vectors, and return the function that loads it.

    As far as this is possible without importing MXNet, what can be wrong is checked now. Without any choice it is the
    trained model in ``./models`` or, if there is none, the encoder 'auto'.

    Raises
    ------
    ModelError
        If there is no such trained model.
    ParameterError
        If there is no such encoder or embedding.
    """
    if encoder is not None:
        if model_dir is not None or network is not None:
            raise typer.BadParameter("not with --model-dir or --network", param_hint="--encoder")
        _check_encoder(encoder, embedding)
        return lambda: _load_named(encoder, embedding, gpu)
    if embedding is not None:
        raise typer.BadParameter("needs --encoder", param_hint="--embedding")
    if model_dir is None and network is None and not MODELS.exists():
        return lambda: _load_default(gpu)
    load = find_model(model_dir, network, gpu)
    return lambda: {"classifier": load()}


def find_index_model(index_dir: Path, model_dir: Path | None, network: StoredModel | None, gpu: int | None) -> Load:
    """Find the model of a saved index, unless another place of it is given; as `find_vector_model`.

    The function returns no model if the index knows its own, which `AudioSearch` loads itself.

    Raises
    ------
    ModelError
        If there is no such trained model.
    SearchError
        If there is no index.
    """
    if model_dir is None and network is None and _describes_its_model(index_dir):
        return lambda: {"model_ctx": None if gpu is None else device(gpu)}
    load = find_model(model_dir, network, gpu)
    _describes_its_model(index_dir)  # raises SearchError if there is no index
    return lambda: {"classifier": load()}


def knows_its_model(index_dir: Path) -> bool:
    """Return True if there is an index that knows the model that made it; older ones do not."""
    from mxnet_audio.search.store import has_index

    return has_index(index_dir) and _describes_its_model(index_dir)


def _describes_its_model(index_dir: Path) -> bool:
    from mxnet_audio.search.store import read_manifest

    return read_manifest(index_dir)["model"] is not None


def _check_encoder(name: str, embedding: str | None) -> None:
    from mxnet_audio import weights
    from mxnet_audio.checks import one_of

    one_of("--encoder", name, ("auto", *weights.names()))
    if name != "auto" and embedding is not None:
        one_of(f"--embedding of {name}", embedding, tuple(weights.record(name).embeddings))


def _load_encoder(name: str, embedding: str | None, gpu: int | None) -> Any:
    from mxnet_audio.pretrained import load_encoder

    return load_encoder(name, embedding=embedding, model_ctx=device(gpu))


def _load_named(name: str, embedding: str | None, gpu: int | None) -> dict[str, Any]:
    encoder = _load_encoder(name, embedding, gpu)
    if name == "auto":
        print_message(f"using the pretrained encoder {encoder.record.name}")
    return {"encoder": encoder}


def _load_default(gpu: int | None) -> dict[str, Any]:
    """Load the encoder 'auto'; where none can be had, the model that comes with a clone."""
    try:
        encoder = _load_encoder("auto", None, gpu)
    except ModelError as error:
        if not BUNDLED_MODELS.is_dir():
            raise
        print_message(f"no pretrained encoder: {error}")
        return {"classifier": find_model(None, None, gpu)()}
    print_message(
        f"no folder {MODELS} here: using the pretrained encoder {encoder.record.name}; "
        "choose another with --encoder, or a trained model with --model-dir"
    )
    return {"encoder": encoder}

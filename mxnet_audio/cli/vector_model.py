"""Selection of the model that a command takes vectors from: an encoder, a trained model, or the model of an index."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeAlias

import typer

from mxnet_audio.checks import one_of
from mxnet_audio.cli.model import device, find_model
from mxnet_audio.cli.options import MODELS, StoredModel, parse_path
from mxnet_audio.cli.output import print_message
from mxnet_audio.cli.stored_index import StoredIndex
from mxnet_audio.errors import ModelError
from mxnet_audio.library import BUNDLED_MODELS

if TYPE_CHECKING:
    from mxnet_audio.pretrained import AudioEncoder

__all__ = [
    "EmbeddingName",
    "EncoderChoice",
    "EncoderName",
    "IndexEncoder",
    "IndexModel",
    "ModelSource",
    "Revision",
    "Source",
    "VectorModel",
    "complete_choice",
    "find_index_model",
    "find_vector_model",
    "knows_its_model",
]


def _parse_source(value: str) -> str:
    """Return a name on the hub as it is, and a path without a leading ``~``."""
    return str(parse_path(value))


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
    str | None,
    typer.Option(
        "--embedding",
        metavar="NAME",
        help="Embedding of the encoder; of speech encoders a reduction over time, or a layer and a reduction, such as "
        "6:mean. [default: its first]",
    ),
]
Source = Annotated[
    str | None,
    typer.Option(
        "--source",
        parser=_parse_source,
        metavar="NAME_OR_FOLDER",
        help="Weights of the encoder: a folder, or a name on the Hugging Face hub, such as microsoft/wavlm-large.",
    ),
]
ModelSource = Annotated[
    str | None,
    typer.Option(
        "--source",
        parser=_parse_source,
        metavar="NAME_OR_FOLDER",
        help="Weights of the encoder of a model that was trained --without-weights: a folder, or a name on the Hugging "
        "Face hub. [default: as in its training]",
    ),
]
Revision = Annotated[
    str | None, typer.Option("--revision", metavar="REV", help="Branch, tag or commit of weights on the hub.")
]
IndexEncoder = Annotated[
    str | None,
    typer.Option(
        "--encoder",
        metavar="NAME",
        help="Pretrained encoder that the index was made with. If only its weights are in another folder now, --source "
        "is enough. [default: as the index knows it]",
    ),
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


class EncoderChoice(NamedTuple):
    """Options of a command that choose a pretrained encoder; None for those that are not given."""

    name: str | None = None
    embedding: str | None = None
    source: str | None = None
    revision: str | None = None

    def check(self) -> None:
        """Check everything that can be checked without importing MXNet, or downloading.

        Raises
        ------
        ModelError
            If `source` is a folder that holds no such weights.
        ParameterError
            If there is no such encoder or embedding, or weights of one place only.
        """
        if self.name is None:
            for option, value in self._asdict().items():
                if value is not None:
                    raise typer.BadParameter("needs --encoder", param_hint=f"--{option}")
            return
        from mxnet_audio import weights
        from mxnet_audio.weights.hub import is_repository
        from mxnet_audio.weights.registry import call_with_type, check_name

        if check_name("--encoder", self.name, "auto") == "auto":
            if self.source is not None or self.revision is not None:
                advice = "" if self.source is None else f": {call_with_type(self.source)}"
                raise typer.BadParameter(f"not with --encoder auto{advice}", param_hint="--source and --revision")
            return
        record = weights.record(self.name)
        if self.embedding is not None:
            record.check_embedding(self.embedding, f"--embedding of {self.name}")
        if not record.repository:
            if self.source is not None or self.revision is not None:
                weights.find(self.name, self.source, revision=self.revision)
        elif self.source is not None and (Path(self.source).exists() or not is_repository(self.source)):
            weights.load(self.name, self.source, revision=self.revision, tensors=False)

    def check_tags(self) -> None:
        """Check that the encoder has tags, as far as this is known without its source; otherwise as `check`."""
        from mxnet_audio.library.tagger import encoders_with_tags
        from mxnet_audio.weights.registry import check_name

        if self.source is None and self.name is not None:
            check_name("--encoder", self.name)
            one_of("--encoder", self.name, encoders_with_tags())
        self.check()

    def load(self, gpu: int | None) -> AudioEncoder:
        """Load the encoder."""
        from mxnet_audio.pretrained import load_encoder

        options = {key: value for key, value in self._asdict().items() if key != "name"}
        return load_encoder(self.name or "auto", **options, model_ctx=device(gpu))


def find_vector_model(
    encoder: EncoderChoice, model_dir: Path | None, network: StoredModel | None, gpu: int | None
) -> Load:
    """Find the model that computes vectors, and return the function that loads it.

    As far as this is possible without importing MXNet, what can be wrong is checked now. Without any choice it is the
    trained model in ``./models`` or, if there is none, the encoder 'auto'.

    Raises
    ------
    ModelError
        If there is no such trained model, or the source of the encoder is a folder without its weights.
    ParameterError
        If there is no such encoder or embedding.
    """
    if model_dir is not None and encoder == EncoderChoice(source=encoder.source):  # of weights that the model lacks
        load = find_model(model_dir, network, gpu, encoder.source)
        return lambda: {"classifier": load()}
    encoder.check()
    if encoder.name is not None:
        if model_dir is not None or network is not None:
            raise typer.BadParameter("not with --model-dir or --network", param_hint="--encoder")
        return lambda: _load_named(encoder, gpu)
    if model_dir is None and network is None and not MODELS.exists():
        return lambda: _load_default(gpu)
    load = find_model(model_dir, network, gpu)
    return lambda: {"classifier": load()}


def find_index_model(
    index: StoredIndex, encoder: EncoderChoice, model_dir: Path | None, network: StoredModel | None, gpu: int | None
) -> Load:
    """Find the model of a saved index, unless another place of it is given; as `find_vector_model`.

    The function returns no model if the index knows its own, which `AudioSearch` loads itself.

    Raises
    ------
    ModelError
        If there is no such trained model.
    SearchError
        If there is no index.
    """
    if any(encoder):
        if model_dir is None and network is None:
            encoder = complete_choice(encoder, index)
        load = find_vector_model(encoder, model_dir, network, gpu)
        index.model()  # raises SearchError if there is no index
        return load
    if model_dir is None and network is None and index.model() is not None:
        return lambda: {"model_ctx": None if gpu is None else device(gpu)}
    load = find_model(model_dir, network, gpu)
    index.model()  # raises SearchError if there is no index
    return lambda: {"classifier": load()}


def complete_choice(encoder: EncoderChoice, index: StoredIndex) -> EncoderChoice:
    """Return a choice of weights by ``--source`` with the encoder and the embedding that a saved index knows.

    A choice with a name, or without a source, is returned as it is.

    Raises
    ------
    SearchError
        If there is no index.
    typer.BadParameter
        If the index was not made with an encoder.
    """
    if encoder.name is not None or encoder.source is None:
        return encoder
    known = index.model() or {}
    if "encoder" not in known:
        raise typer.BadParameter(
            "needs --encoder or --model-dir, since the index was not made with an encoder", param_hint="--source"
        )
    return encoder._replace(name=known["encoder"], embedding=encoder.embedding or known.get("embedding"))


def knows_its_model(index: StoredIndex) -> bool:
    """Return True if there is an index that knows the model that made it; older ones do not."""
    return index.exists() and index.model() is not None


def _load_named(choice: EncoderChoice, gpu: int | None) -> dict[str, Any]:
    encoder = choice.load(gpu)
    if choice.name == "auto":
        print_message(f"using the pretrained encoder {encoder.record.name}")
    return {"encoder": encoder}


def _load_default(gpu: int | None) -> dict[str, Any]:
    """Load the encoder 'auto'; where none can be had, the model that comes with a clone."""
    try:
        encoder = EncoderChoice("auto").load(gpu)
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

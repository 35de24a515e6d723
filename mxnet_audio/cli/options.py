"""Arguments and options that several commands share."""

from __future__ import annotations

import os
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from mxnet_audio.errors import AudioError

__all__ = [
    "INDEX",
    "MODELS",
    "AnyModel",
    "AnyModelOrTagger",
    "AsJson",
    "Corpus",
    "Data",
    "Folds",
    "Gpu",
    "IndexDir",
    "ModelDir",
    "Network",
    "Paths",
    "StoredModel",
    "StoredNetwork",
    "TopK",
    "parse_path",
]

MODELS = Path("models")
INDEX = Path("index")


class Network(str, Enum):
    """Networks of classifiers: `mxnet_audio.library.classifiers`, repeated here because that imports MXNet."""

    cifar10 = "cifar10"
    m5 = "m5"
    resnet_v2 = "resnet_v2"


class StoredModel(str, Enum):
    """Names of stored classifiers: those of their networks, or of the pretrained encoders that they are trained on."""

    cifar10 = "cifar10"
    m5 = "m5"
    resnet_v2 = "resnet_v2"
    yamnet = "yamnet"
    musicnn = "musicnn"
    musicnn_mtt = "musicnn_mtt"
    musicnn_vgg = "musicnn_vgg"
    musicnn_vgg_mtt = "musicnn_vgg_mtt"
    resemblyzer = "resemblyzer"


def parse_path(value: str | os.PathLike) -> Path:
    """Return a path; raise AudioError if it is empty, such as an unset variable: Path would make it the folder "."."""
    if value == "":
        raise AudioError("the path is empty")
    return Path(value)


_TRAINED = "Folder of the trained model, or an .onnx file exported from it."

AnyModel = Annotated[Path, typer.Option("--model-dir", parser=parse_path, metavar="DIR", help=_TRAINED)]
AnyModelOrTagger = Annotated[
    Path | None,
    typer.Option(
        "--model-dir",
        parser=parse_path,
        metavar="DIR",
        help=f"{_TRAINED} [default: {MODELS} or, if it is missing, the pretrained encoder yamnet]",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout, and nothing else there.")]
Corpus = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Name of the corpus in DATA, as `mxnet-audio datasets download` writes it."),
]
Data = Annotated[
    Path,
    typer.Argument(
        parser=parse_path,
        metavar="DATA",
        help="A folder with one folder of sound files for each class, or a CSV file with the columns path and label "
        "(or ID and Class).",
    ),
]
Folds = Annotated[
    str | None,
    typer.Option(
        metavar="FOLD,...",
        help="Use only these folds of the corpus, or of a CSV file with a column fold. [default: all]",
    ),
]
Gpu = Annotated[int | None, typer.Option(min=0, metavar="N", help="Compute on GPU N instead of the CPU.")]
IndexDir = Annotated[Path, typer.Option("--index", parser=parse_path, metavar="DIR", help="Folder of the index.")]
ModelDir = Annotated[
    Path, typer.Option("--model-dir", parser=parse_path, metavar="DIR", help="Folder of the trained model.")
]
Paths = Annotated[
    list[Path],
    typer.Argument(parser=parse_path, metavar="PATH", help="Sound files, or folders that are searched for them."),
]
StoredNetwork = Annotated[
    StoredModel | None,
    typer.Option("--network", help="Network or encoder of the model, if the folder holds more than one."),
]
TopK = Annotated[int, typer.Option("-k", "--top-k", min=1, help="Number of results.")]

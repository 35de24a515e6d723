"""The arguments and options that several commands take, each said once."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "INDEX",
    "MODELS",
    "AnyModel",
    "AsJson",
    "Data",
    "Gpu",
    "IndexDir",
    "ModelDir",
    "Network",
    "OneOf",
    "OwnOrBoxed",
    "Paths",
]

DATA = "A folder with one folder of sound files for each class, or a CSV file of path,label."
MODELS = Path("models")
INDEX = Path("index")


class Network(str, Enum):
    """What ``mxnet_audio.library.classifiers()`` gives; named here too, as asking there would import MXNet."""

    cifar10 = "cifar10"
    m5 = "m5"
    resnet_v2 = "resnet_v2"


TRAINED = "Folder of the trained model, or the .onnx file made of it."
AnyModel = Annotated[Path, typer.Option("--model-dir", metavar="DIR", help=TRAINED)]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout, and nothing else there.")]
Data = Annotated[Path, typer.Argument(metavar="DATA", help=DATA)]
Gpu = Annotated[int | None, typer.Option(min=0, metavar="N", help="Compute on GPU N instead of the CPU.")]
IndexDir = Annotated[Path, typer.Option("--index", metavar="DIR", help="Folder of the index.")]
ModelDir = Annotated[Path, typer.Option(metavar="DIR", help="Folder of the trained model.")]
OneOf = Annotated[Network | None, typer.Option("--network", help="Which model, if the folder holds more than one.")]
OwnOrBoxed = Annotated[
    Path | None,
    typer.Option(
        "--model-dir", metavar="DIR", help=f"{TRAINED} [default: {MODELS}, or the one that came with the clone]"
    ),
]
Paths = Annotated[list[Path], typer.Argument(metavar="PATHS...", help="Sound files, or folders to search for them.")]

"""Arguments and options that several commands share."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
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
    "Channel",
    "Columns",
    "Corpus",
    "Data",
    "Folds",
    "Gpu",
    "IndexDir",
    "LabelSeparator",
    "ModelDir",
    "Network",
    "OneChannel",
    "Overwrite",
    "Paths",
    "Separator",
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
    wav2vec2 = "wav2vec2"
    hubert = "hubert"
    wavlm = "wavlm"
    whisper = "whisper"
    ast = "ast"
    panns_cnn14 = "panns_cnn14"
    panns_cnn10 = "panns_cnn10"
    panns_cnn6 = "panns_cnn6"
    panns_mobilenetv1 = "panns_mobilenetv1"
    ecapa = "ecapa"


def parse_path(value: str | os.PathLike) -> Path:
    """Return the path of an argument or option.

    A leading ``~`` is the home folder, as in a shell, which leaves it as it is in ``--model-dir=~/models``; the name of
    a file that exists is kept.

    Raises
    ------
    AudioError
        If the path is empty, such as an unset variable: Path would make it the folder ".".
    """
    if value == "":
        raise AudioError("the path is empty")
    return Path(value if os.path.lexists(value) else os.path.expanduser(value))  # noqa: PTH111 - "~x" may be no user


def _parse_channel(value: str) -> str | int:
    """Return a channel or 'each'."""
    return value if value == "each" else _parse_one_channel(value, ["each"])


def _parse_one_channel(value: str, more: Sequence[str] = ()) -> str | int:
    """Return a channel; as `mxnet_audio.audio.channel_sources`, which imports NumPy, checks it."""
    words = ["mix", "left", "right", *more]
    if value in words:
        return value
    if re.fullmatch(r"\d{1,4}", value, re.ASCII):
        return int(value)
    raise typer.BadParameter(f"expected {', '.join(words)} or a number from 0, got {value!r}")


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
Channel = Annotated[
    str,
    typer.Option(
        parser=_parse_channel,
        metavar="mix|left|right|N|each",
        help="Channel to use: the mix of all, one by name or by number from 0, or each as a sound of its own.",
    ),
]
OneChannel = Annotated[
    str,
    typer.Option(
        parser=_parse_one_channel,
        metavar="mix|left|right|N",
        help="Channel to use: the mix of all, or one by name or by number from 0.",
    ),
]
Corpus = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Name of the corpus in DATA, as `mxnet-audio datasets download` writes it."),
]
Columns = Annotated[
    str | None,
    typer.Option(
        metavar="path=NAME,label=NAME",
        help="Names of the columns of a table; fold (or split) and group, too. [default: detected]",
    ),
]
Data = Annotated[
    Path,
    typer.Argument(
        parser=parse_path,
        metavar="DATA",
        help="A folder with one folder of sound files for each class, also below folders such as train and test; or a "
        "CSV or TSV file with the columns path and label, or filename and class, ….",
    ),
]
Folds = Annotated[
    str | None,
    typer.Option(
        metavar="FOLD,...",
        help="Use only these folds or splits of the corpus, of a table with a column fold or split, or of folders such "
        "as train and test. [default: all folds; of splits, those for the task]",
    ),
]
Gpu = Annotated[int | None, typer.Option(min=0, metavar="N", help="Compute on GPU N instead of the CPU.")]
IndexDir = Annotated[Path, typer.Option("--index", parser=parse_path, metavar="DIR", help="Folder of the index.")]
LabelSeparator = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT",
        help="Text between several labels in a cell of a table, such as '|' in dog|rain: each clip can have several "
        "labels, also in several rows, or none. [default: each clip has one label]",
    ),
]
ModelDir = Annotated[
    Path, typer.Option("--model-dir", parser=parse_path, metavar="DIR", help="Folder of the trained model.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the model in the folder.")]
Paths = Annotated[
    list[Path],
    typer.Argument(parser=parse_path, metavar="PATH", help="Sound files, or folders that are searched for them."),
]
Separator = Annotated[
    str | None, typer.Option(metavar="CHAR", help="Separator of the cells of a table, such as ';'. [default: detected]")
]
StoredNetwork = Annotated[
    StoredModel | None,
    typer.Option("--network", help="Network or encoder of the model, if the folder holds more than one."),
]
TopK = Annotated[int, typer.Option("-k", "--top-k", min=1, help="Number of results.")]

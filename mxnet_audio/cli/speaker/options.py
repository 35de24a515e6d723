"""Arguments and options of the speaker commands."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from mxnet_audio.cli.options import parse_path

__all__ = [
    "VOICES",
    "LossName",
    "ModelDir",
    "Name",
    "NewNetwork",
    "Recording",
    "SpeakerData",
    "SpeakerNetwork",
]

VOICES = Path("voices")

ModelDir = Annotated[
    Path, typer.Option("--model-dir", parser=parse_path, metavar="DIR", help="Folder of the recognizer.")
]
NewNetwork = Annotated[
    str | None,
    typer.Option(
        "--network",
        metavar="NAME",
        help="Pretrained encoder of a new folder: resemblyzer, or ecapa, which has to be calibrated first. [default: "
        "resemblyzer; of a folder that exists, its own]",
    ),
]
Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the speaker.")]
Recording = Annotated[Path, typer.Argument(parser=parse_path, metavar="FILE", help="Recording.")]
SpeakerData = Annotated[
    Path,
    typer.Argument(
        parser=parse_path,
        metavar="DATA",
        help="Folder of speakers (speaker/recording, or speaker/session/recording), or CSV file with the columns path "
        "and label.",
    ),
]


class SpeakerNetwork(str, Enum):
    """Networks for speaker recognition."""

    ecapa_tdnn = "ecapa_tdnn"
    resnet18 = "resnet18"
    sincnet = "sincnet"


class LossName(str, Enum):
    """Losses: `mxnet_audio.nn.loss_names`, repeated here because that imports MXNet."""

    am_softmax = "am_softmax"
    arc = "arc"
    ge2e = "ge2e"
    norm_softmax = "norm_softmax"
    ring = "ring"
    softmax = "softmax"

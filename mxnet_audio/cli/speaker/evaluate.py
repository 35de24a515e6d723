"""``mxnet-audio speaker evaluate``: measure verification on a list of trials."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mxnet_audio.cli.options import AsJson, Gpu
from mxnet_audio.cli.output import print_result
from mxnet_audio.cli.speaker.model import find_state, load_recognizer
from mxnet_audio.cli.speaker.options import VOICES, ModelDir

__all__ = ["evaluate"]


def evaluate(
    trials: Annotated[
        Path, typer.Argument(metavar="TRIALS", help="List of trials as VoxCeleb's: lines of label path path.")
    ],
    root: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder that the paths are relative to. [default: the list's]")
    ] = None,
    model_dir: ModelDir = VOICES,
    gpu: Gpu = None,
    as_json: AsJson = False,
) -> None:
    """Measure verification on a list of trials.

    The result holds the equal error rate, the minimum detection cost (minDCF), and true accept rates at low false
    accept rates.

    \b
    Examples:
      mxnet-audio speaker evaluate veri_test.txt --root vox1/wav
    """
    find_state(model_dir)
    from mxnet_audio.datasets.speakers import read_trials

    pairs = read_trials(trials, root)
    recognizer = load_recognizer(model_dir, gpu)
    report = recognizer.evaluate(pairs)
    print_result({"model_dir": model_dir, "threshold": recognizer.threshold, **report.to_dict()}, str(report), as_json)

"""``mxnet-audio speaker calibrate``: set the threshold."""

from __future__ import annotations

from typing import Annotated

import typer

from mxnet_audio.cli.options import AsJson, Gpu
from mxnet_audio.cli.output import print_result
from mxnet_audio.cli.speaker.model import list_recordings, updated_recognizer
from mxnet_audio.cli.speaker.options import VOICES, ModelDir, SpeakerData

__all__ = ["calibrate"]


def calibrate(
    data: SpeakerData,
    far: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="False accept rate: share of impostors to accept at most. [default: the equal error rate]",
        ),
    ] = None,
    model_dir: ModelDir = VOICES,
    gpu: Gpu = None,
    as_json: AsJson = False,
) -> None:
    """Set the threshold by recordings of labelled speakers.

    Use speakers that the network was not trained on, recorded where the recognizer will be used.

    \b
    Examples:
      mxnet-audio speaker calibrate others/ --far 0.01
    """
    recordings = list_recordings(data)
    with updated_recognizer(model_dir, gpu) as recognizer:
        before = recognizer.threshold
        report = recognizer.calibrate(
            [(path, name) for path, name, _ in recordings], far, groups=[session for *_, session in recordings]
        )
    text = f"{report}\nthe threshold in {model_dir} is now {recognizer.threshold:.3f}, was {before:.3f}"
    print_result({"model_dir": model_dir, "threshold": recognizer.threshold, **report.to_dict()}, text, as_json)

"""``mxnet-audio speaker calibrate``: set the threshold."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from mxnet_audio.cli.files import BulkJob
from mxnet_audio.cli.options import AsJson, Gpu
from mxnet_audio.cli.speaker.model import find_state, list_recordings, rates_dict, updated_recognizer
from mxnet_audio.cli.speaker.options import VOICES, ModelDir, NewNetwork, SpeakerData
from mxnet_audio.cli.vector_model import EncoderChoice, Revision, Source

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
    force: Annotated[
        bool, typer.Option("--force", help="Set the threshold even if the equal error rate is above 0.35.")
    ] = False,
    model_dir: ModelDir = VOICES,
    network: NewNetwork = None,
    source: Source = None,
    revision: Revision = None,
    gpu: Gpu = None,
    as_json: AsJson = False,
) -> None:
    """Set the threshold by recordings of labelled speakers.

    Use speakers that the network was not trained on, nor the background computed from, recorded where the recognizer
    will be used. If the equal error rate is above 0.35, no threshold separates them, and the present one stays.

    \b
    Examples:
      mxnet-audio speaker calibrate others/ --far 0.01
      mxnet-audio speaker calibrate others/ --network ecapa --source weights/
    """
    recordings = list_recordings(data, "validation", "test")
    encoder = EncoderChoice(network, source=source, revision=revision)
    find_state(model_dir, encoder, calibrated=False)
    with updated_recognizer(model_dir, gpu, encoder) as recognizer:
        before = f"{recognizer.threshold:.3f}" if recognizer.scorer.has_threshold else "not set"
        report = recognizer.calibrate(
            [(path, name) for path, name, _ in recordings],
            far,
            groups=[session for *_, session in recordings],
            force=force,
        )
    job = BulkJob(as_json)
    job.add_skipped(recognizer.skipped)
    job.done = len(recordings) - len(job.skipped)
    lines = [
        *str(replace(report, skipped=[])).splitlines(),
        f"the threshold in {model_dir} is now {recognizer.threshold:.3f}, was {before}",
    ]
    document = {"model_dir": model_dir, "threshold": recognizer.threshold, "rates": rates_dict(recognizer.scorer)}
    job.finish({**document, **report.to_dict()}, lines)

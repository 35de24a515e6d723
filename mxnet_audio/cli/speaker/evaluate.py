"""``mxnet-audio speaker evaluate``: measure verification on a list of trials."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from mxnet_audio.cli.files import BulkJob
from mxnet_audio.cli.options import AsJson, Gpu, parse_path
from mxnet_audio.cli.speaker.model import find_state, load_recognizer
from mxnet_audio.cli.speaker.options import VOICES, ModelDir, NewNetwork
from mxnet_audio.cli.vector_model import EncoderChoice, Revision, Source

__all__ = ["evaluate"]


def evaluate(
    trials: Annotated[
        Path,
        typer.Argument(
            parser=parse_path, metavar="TRIALS", help="List of trials as VoxCeleb's: lines of label path path."
        ),
    ],
    root: Annotated[
        Path | None,
        typer.Option(
            parser=parse_path, metavar="DIR", help="Folder that the paths are relative to. [default: the list's]"
        ),
    ] = None,
    model_dir: ModelDir = VOICES,
    network: NewNetwork = None,
    source: Source = None,
    revision: Revision = None,
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
    encoder = EncoderChoice(network, source=source, revision=revision)
    find_state(model_dir, encoder, calibrated=False)
    from mxnet_audio.datasets.trials import parse_trials

    folder = trials.parent if root is None else root
    pairs = [(label, str(folder / first), str(folder / second)) for label, first, second in parse_trials(trials)[0]]
    recognizer = load_recognizer(model_dir, gpu, encoder)
    report = recognizer.evaluate(pairs)
    job = BulkJob(as_json)
    job.add_skipped(recognizer.skipped)
    job.done = report.n_target + report.n_impostor
    threshold = recognizer.threshold if recognizer.scorer.has_threshold else None
    document = {"model_dir": model_dir, "threshold": threshold, **report.to_dict()}
    job.finish(document, str(replace(report, skipped=[])).split("\n"))

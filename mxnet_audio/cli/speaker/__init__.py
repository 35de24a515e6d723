"""``mxnet-audio speaker``: enroll, verify and identify speakers; train a recognizer."""

from __future__ import annotations

import typer

from mxnet_audio.cli.speaker.background import background
from mxnet_audio.cli.speaker.calibrate import calibrate
from mxnet_audio.cli.speaker.enroll import enroll
from mxnet_audio.cli.speaker.evaluate import evaluate
from mxnet_audio.cli.speaker.export import export
from mxnet_audio.cli.speaker.forget import forget
from mxnet_audio.cli.speaker.identify import identify
from mxnet_audio.cli.speaker.list import list_speakers
from mxnet_audio.cli.speaker.train import train
from mxnet_audio.cli.speaker.verify import verify

__all__ = ["speaker"]

speaker = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Enroll, verify and identify speakers.")
for command in (enroll, verify, identify):
    speaker.command()(command)
speaker.command("list")(list_speakers)
for command in (forget, background, calibrate, evaluate, train, export):
    speaker.command()(command)

"""``mxnet-audio speaker``: train a speaker recognizer, enroll, verify and identify speakers."""

from __future__ import annotations

import typer

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
for command in (train, enroll, verify, identify, calibrate):
    speaker.command()(command)
speaker.command("list")(list_speakers)
for command in (forget, evaluate, export):
    speaker.command()(command)

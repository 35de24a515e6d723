"""The command ``mxnet-audio``: train, evaluate, predict, tag, encode, find events, search, and more.

Each command prints its result on stdout, as text or with ``--json`` as one JSON document, and everything else on
stderr. Exit codes: 0 if all of the input was used, 1 if a file was skipped or something else in the input is wrong,
2 for wrong usage. MXNet and other large packages are imported inside the commands, after the arguments are checked,
so that ``--help`` and usage errors are quick.
"""

from __future__ import annotations

from typing import Annotated

import typer

import mxnet_audio
from mxnet_audio.cli.adapt import adapt
from mxnet_audio.cli.cache import cache
from mxnet_audio.cli.command_group import ErrorReportingGroup
from mxnet_audio.cli.config import config
from mxnet_audio.cli.cross_validate import cross_validate
from mxnet_audio.cli.datasets import datasets
from mxnet_audio.cli.demo import demo
from mxnet_audio.cli.encode import encode
from mxnet_audio.cli.evaluate import evaluate
from mxnet_audio.cli.events import events
from mxnet_audio.cli.export import export
from mxnet_audio.cli.index import index
from mxnet_audio.cli.info import info
from mxnet_audio.cli.models import models
from mxnet_audio.cli.output import open_streams, print_lines
from mxnet_audio.cli.predict import predict
from mxnet_audio.cli.recommend import recommend
from mxnet_audio.cli.report import report
from mxnet_audio.cli.run import run
from mxnet_audio.cli.search import search
from mxnet_audio.cli.serve import serve
from mxnet_audio.cli.speaker import speaker
from mxnet_audio.cli.tag import tag
from mxnet_audio.cli.train import train

__all__ = ["app", "main"]

# Plain text: boxes and colors would cut off paths and disturb pipes.
app = typer.Typer(
    name="mxnet-audio",
    cls=ErrorReportingGroup,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (train, cross_validate, evaluate, report, adapt, predict, tag, events, encode):
    app.command()(command)
app.add_typer(index, name="index")
for command in (search, recommend, export, serve):
    app.command()(command)
app.command("embed", hidden=True)(encode)
app.add_typer(run, name="run")
app.add_typer(config, name="config")
app.add_typer(speaker, name="speaker")
app.add_typer(datasets, name="datasets")
app.add_typer(models, name="models")
app.add_typer(cache, name="cache")
for command in (info, demo):
    app.command()(command)


def _print_version(requested: bool) -> None:
    if requested:
        print_lines(mxnet_audio.__version__)
        raise typer.Exit


@app.callback()
def _global_options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Classify, embed and search sound.

    \b
    Examples:
      mxnet-audio predict new.mp3
      mxnet-audio tag new.mp3 --timeline
      mxnet-audio train songs/                    # songs/<class>/*.mp3 -> ./models
      mxnet-audio index songs/ && mxnet-audio search new.mp3
    """


def main() -> None:
    """Run the command line."""
    open_streams()
    app(prog_name="mxnet-audio")  # the name, even when run as python -m mxnet_audio

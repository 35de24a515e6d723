"""The command ``mxnet-audio``: train, evaluate, adapt, predict, embed, index, search, export, know speakers and more.

Each command answers in text, or with ``--json`` in one JSON document, on stdout; everything else it has to
say goes to stderr. Exit codes: 0 done, 1 an error in a file or in the input, 2 wrong usage. MXNet and its
likes are imported inside the commands, so that ``--help`` is there at once.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

import mxnet_audio
from mxnet_audio.cli.adapt import adapt
from mxnet_audio.cli.datasets import datasets
from mxnet_audio.cli.evaluate import cross_validate, report
from mxnet_audio.cli.export import export
from mxnet_audio.cli.info import demo, info
from mxnet_audio.cli.predict import embed, predict
from mxnet_audio.cli.search import index, recommend, search
from mxnet_audio.cli.shell import CarefulGroup
from mxnet_audio.cli.speaker import speaker
from mxnet_audio.cli.train import evaluate, train

__all__ = ["app", "main"]

# Plain text: boxes and colours would cut paths short and get into the way of pipes.
app = typer.Typer(
    name="mxnet-audio",
    cls=CarefulGroup,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (train, cross_validate, evaluate, report, adapt, predict, embed, index, search, recommend, export):
    app.command()(command)
app.add_typer(speaker, name="speaker")
app.add_typer(datasets, name="datasets")
for command in (info, demo):
    app.command()(command)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(mxnet_audio.__version__)
        raise typer.Exit


@app.callback()
def _face(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Classify, embed and search sound.

    \b
    Examples:
      mxnet-audio train songs/                    # songs/<class>/*.mp3 -> ./models
      mxnet-audio predict new.mp3
      mxnet-audio index songs/ && mxnet-audio search new.mp3
    """


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        # A file name that the terminal cannot show is no reason to stop.
        stream.reconfigure(errors="backslashreplace")
    app(prog_name="mxnet-audio")  # also when it runs as python -m mxnet_audio

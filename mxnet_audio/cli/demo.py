"""``mxnet-audio demo``: show everything on one corpus."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mxnet_audio.cli.options import AsJson, parse_path
from mxnet_audio.cli.output import print_lines, print_message, print_result, show_progress
from mxnet_audio.errors import DatasetError

__all__ = ["demo"]


def demo(
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", parser=parse_path, metavar="DIR", help="Folder for the model, the index and the plots."
        ),
    ] = Path("demo/output"),
    data: Annotated[
        Path | None,
        typer.Option(
            parser=parse_path,
            metavar="DATA",
            help="Your own sounds, as for `mxnet-audio train`. [default: synthesised sounds]",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show all features on synthesised or your own sounds.

    With a pretrained encoder that is on this machine, clips are tagged and searched, and a classifier is trained in
    seconds. Another is trained from scratch; clips are labelled, encoded, indexed and searched with it, and results
    plotted. Nothing is downloaded.

    \b
    Examples:
      mxnet-audio demo
      mxnet-audio demo --data songs/ --output songs-demo
    """
    if data is not None and not data.exists():
        raise DatasetError("no such folder or CSV file", data)
    from mxnet_audio.cli.tour import run

    def echo(text: str) -> None:
        for line in text.split("\n"):
            (print_message if as_json else print_lines)(line)

    figures = run(output, data=data, echo=echo, progress=show_progress())
    if as_json:
        print_result(figures, "", as_json)

"""``mxnet-audio datasets``: list, describe and download the named corpora."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mxnet_audio.cli.options import AsJson, parse_path
from mxnet_audio.cli.output import print_result, show_progress

__all__ = ["datasets"]

datasets = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="List, describe and download corpora.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the corpus, as in `mxnet-audio datasets list`.")]


@datasets.command("list")
def list_corpora(as_json: AsJson = False) -> None:
    """List the corpora.

    \b
    Example:
      mxnet-audio datasets list
    """
    from mxnet_audio import datasets as corpora

    facts = [corpora.get(name).to_dict() for name in corpora.names()]
    lines = [
        f"{item['name']:<13} {item['n_clips']:5d} clips  {len(item['labels']):2d} classes  {_megabytes(item):>8}"
        f"  {item['licence']}"
        for item in facts
    ]
    print_result({"datasets": facts}, lines, as_json)


@datasets.command()
def info(name: Name, as_json: AsJson = False) -> None:
    """Show classes, folds, licence and source of a corpus.

    \b
    Example:
      mxnet-audio datasets info esc50
    """
    from mxnet_audio import datasets as corpora

    facts = corpora.get(name).to_dict()
    lines = [
        f"{facts['name']}: {facts['title']}",
        f"licence   {facts['licence']}",
        f"clips     {facts['n_clips']}",
        f"classes   {', '.join(facts['labels'])}",
        f"folds     {', '.join(map(str, facts['folds'])) or 'none'}",
        f"size      {_megabytes(facts)}",
        *(f"from      {url}" for remote in facts["remotes"] for url in remote["urls"]),
        "cite",
        *facts["citation"].split("\n"),
    ]
    print_result(facts, lines, as_json)


@datasets.command()
def download(
    name: Name,
    directory: Annotated[Path, typer.Argument(parser=parse_path, metavar="DIR", help="Folder for the corpus.")],
    url: Annotated[
        str | None, typer.Option(metavar="URL", help="Download the archive from this address instead.")
    ] = None,
    archive: Annotated[
        Path | None,
        typer.Option(parser=parse_path, metavar="FILE", help="Use this archive instead of downloading one."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Download, verify and unpack a corpus. After an interruption, run the same command.

    \b
    Examples:
      mxnet-audio datasets download esc50 data/
      mxnet-audio datasets download gtzan data/ --archive ~/Downloads/genres.tar.gz
    """
    if url is not None and archive is not None:
        raise typer.BadParameter("give --url or --archive, not both", param_hint="--url")
    from mxnet_audio import datasets as corpora

    home = corpora.get(name).download(directory, url=url, archive=archive, progress=show_progress())
    print_result({"name": name, "directory": home}, f"{name} is in {home}", as_json)


def _megabytes(facts: dict[str, Any]) -> str:
    return f"{facts['size'] / 1e6:,.0f} MB"

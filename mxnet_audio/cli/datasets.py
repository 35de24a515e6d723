"""``mxnet-audio datasets``: the named corpora, what they are and how to get them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mxnet_audio.cli.options import AsJson
from mxnet_audio.cli.shell import emit

__all__ = ["datasets"]

datasets = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="List, describe and download corpora.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="A name that `mxnet-audio datasets list` shows.")]


@datasets.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the corpora.

    \b
    Example:
      mxnet-audio datasets list
    """
    from mxnet_audio import datasets as corpora

    found = [corpora.get(name).to_dict() for name in corpora.names()]
    lines = [
        f"{item['name']:<13} {item['n_clips']:5d} clips  {len(item['labels']):2d} classes  {_size(item):>8}"
        f"  {item['licence']}"
        for item in found
    ]
    emit({"datasets": found}, "\n".join(lines), as_json)


@datasets.command()
def info(name: Name, as_json: AsJson = False) -> None:
    """Describe a corpus: classes, folds, licence, citation, where it comes from.

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
        f"size      {_size(facts)}",
        *(f"from      {url}" for remote in facts["remotes"] for url in remote["urls"]),
        "cite",
        facts["citation"],
    ]
    emit(facts, "\n".join(lines), as_json)


@datasets.command()
def download(
    name: Name,
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Where to keep it.")],
    url: Annotated[str | None, typer.Option(metavar="URL", help="Fetch the archive from here instead.")] = None,
    archive: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Use this archive, which you have, instead of fetching it."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Fetch a corpus, verify it and unpack it; run again after an interruption.

    \b
    Examples:
      mxnet-audio datasets download esc50 data/
      mxnet-audio datasets download gtzan data/ --archive ~/Downloads/genres.tar.gz
    """
    if url is not None and archive is not None:
        raise typer.BadParameter("give --url or --archive, not both", param_hint="--url")
    from mxnet_audio import datasets as corpora

    where = corpora.get(name).download(directory, url=url, archive=archive, progress=True)
    emit({"name": name, "directory": where}, f"{name} is in {where}", as_json)


def _size(facts: dict) -> str:
    return f"{facts['size'] / 1e6:,.0f} MB"

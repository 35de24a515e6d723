"""``mxnet-audio datasets``: the named corpora, what they are and how to get them."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from mxnet_audio.cli.options import AsJson
from mxnet_audio.cli.shell import emit

__all__ = ["datasets"]

datasets = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="List, describe and download corpora."
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="A name that `mxnet-audio datasets list` shows.")]


@datasets.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the corpora.

    \b
    Example:
      mxnet-audio datasets list
    """
    from mxnet_audio import datasets as corpora

    found = [_facts(name) for name in corpora.names()]
    width = max(len(item["name"]) for item in found)
    lines = [
        f"{item['name']:<{width}}  {len(item['labels']):3d} classes  {_size(item):>8}  {item['licence']}"
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
    facts = _facts(name)
    lines = [
        facts["name"],
        f"licence   {facts['licence']}",
        f"classes   {', '.join(map(str, facts['labels']))}",
        f"folds     {', '.join(map(str, facts['folds'] or ())) or 'none'}",
        *(f"from      {url}" for remote in facts["remotes"] for url in remote["urls"]),
        f"size      {_size(facts)}",
        f"cite      {facts['citation']}",
    ]
    emit(facts, "\n".join(lines), as_json)


@datasets.command()
def download(
    name: Name,
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Where to keep it.")],
    url: Annotated[
        str | None, typer.Option(metavar="URL", help="Fetch the archive from here instead.")
    ] = None,
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


def _facts(name: str) -> dict:
    """What there is to say of a corpus."""
    from mxnet_audio import datasets as corpora

    corpus = corpora.get(name)
    return {
        "name": name,
        "licence": corpus.licence,
        "citation": corpus.citation,
        "labels": corpus.labels,
        "folds": corpus.folds,
        "remotes": [asdict(remote) for remote in corpus.remotes],
    }


def _size(facts: dict) -> str:
    sizes = [remote["size"] for remote in facts["remotes"]]
    return f"{sum(sizes) / 1e6:,.0f} MB" if all(sizes) else "unknown"

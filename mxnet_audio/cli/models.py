"""``mxnet-audio models``: list, describe and download published weights."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from mxnet_audio.cli.options import AsJson
from mxnet_audio.cli.output import print_result, show_progress

__all__ = ["models"]

models = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="List, describe and download pretrained encoders."
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the weights, as in `mxnet-audio models list`.")]


@models.command("list")
def list_models(as_json: AsJson = False) -> None:
    """List the published weights, and where they are on this machine.

    \b
    Example:
      mxnet-audio models list
    """
    from mxnet_audio import weights

    facts = [_facts(name) for name in weights.names()]
    lines = [
        f"{item['name']:<16} {item['domain']:<6} {item['width']:4d} numbers  {_megabytes(item['size']):>7}"
        f"  {item['licence']:<11} {item['found'] or 'not here'}"
        for item in facts
    ]
    print_result({"models": facts}, lines, as_json)


@models.command()
def info(name: Name, as_json: AsJson = False) -> None:
    """Show network, licence and source of published weights.

    \b
    Example:
      mxnet-audio models info yamnet
    """
    facts = _facts(name)
    package = facts["package"]
    lines = [
        f"{facts['name']}: {facts['summary']}",
        f"network     {facts['network']}",
        f"domain      {facts['domain']}",
        f"front end   {facts['front_end']}",
        *(f"embedding   {layer}, {width} numbers" for layer, width in facts["embeddings"].items()),
        f"tags        {facts['n_tags'] or 'none'}",
        f"licence     {facts['licence']}" + (f"; {facts['remark']}" if facts["remark"] else ""),
        *(f"file        {file['name']}, {file['size']:,} bytes, SHA-256 {file['sha256']}" for file in facts["files"]),
        *(f"from        {url}" for file in facts["files"] for url in file["urls"]),
        *([f"from        {package['folder']} in {package['distribution']} {package['version']}"] if package else []),
        f"found       {facts['found'] or 'not here'}",
        f"get         {facts['command']}",
        "cite",
        *facts["citation"].split("\n"),
    ]
    print_result(facts, lines, as_json)


@models.command()
def download(name: Name, as_json: AsJson = False) -> None:
    """Find or download published weights, and prepare them for use.

    \b
    Example:
      mxnet-audio models download yamnet
    """
    from mxnet_audio import weights

    files = weights.find(name, progress=show_progress())
    weights.load(name)
    print_result({"name": name, "files": files}, [f"{name} is in {file}" for file in files], as_json)


def _facts(name: str) -> dict[str, Any]:
    """Return a record, and the folder on this machine where it is found."""
    from mxnet_audio import weights

    return weights.record(name).to_dict() | {"found": weights.location(name)}


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"

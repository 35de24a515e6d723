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
        f"{item['name']:<17} {item['domain']:<6} {item['width']:4d} numbers  {item['size_text']:>12}"
        f"  {item['licence']:<13} {item['found'] or 'not here'}"
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
        *([f"            and LAYER:REDUCTION, with {', '.join(facts['reductions'])}"] if facts["reductions"] else []),
        f"tags        {facts['n_tags'] or 'none'}",
        f"licence     {facts['licence']}" + (f"; {facts['remark']}" if facts["remark"] else ""),
        f"size        {facts['size_text']}",
        *(f"file        {_file(file)}" for file in facts["files"]),
        *(f"from        {url}" for file in facts["files"] for url in file["urls"]),
        *([f"from        {facts['repository']} on the Hugging Face hub"] if facts["repository"] else []),
        *(f"other model {repository}" for repository in facts["other_repositories"]),
        *(["            each with weights of its own: --source MODEL"] if facts["other_repositories"] else []),
        *([f"from        {package['folder']} in {package['distribution']} {package['version']}"] if package else []),
        f"found       {facts['found'] or 'not here'}",
        f"get         {facts['command']}",
        "cite",
        *facts["citation"].split("\n"),
    ]
    print_result(facts, lines, as_json)


@models.command()
def download(
    name: Name,
    source: Annotated[
        str | None,
        typer.Option(help="Another model of the Hugging Face hub, OWNER/NAME; or a folder or file, which is checked."),
    ] = None,
    revision: Annotated[
        str | None, typer.Option(help="Branch, tag or commit on the hub. Default: its main branch.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Find or download published weights, and prepare them for use.

    \b
    Examples:
      mxnet-audio models download yamnet
      mxnet-audio models download whisper --source openai/whisper-small
    """
    from mxnet_audio import weights

    files = weights.find(name, source, revision=revision, progress=show_progress())
    weights.load(name, source, revision=revision)
    print_result({"name": name, "files": files}, [f"{name} is in {file}" for file in files], as_json)


def _facts(name: str) -> dict[str, Any]:
    """Return a record, and the folder on this machine where it is found."""
    from mxnet_audio import weights

    return weights.record(name).to_dict() | {"found": weights.location(name)}


def _file(file: dict[str, Any]) -> str:
    """Describe a published file in one line; its size and hashes may be unknown."""
    size = "" if file["size"] is None else f", {file['size']:,} bytes"
    titles = {"sha256": "SHA-256", "md5": "MD5 (known from other projects that use this file)"}
    hashes = [f", {title} {file[key]}" for key, title in titles.items() if file[key]]
    return f"{file['name']}{size}{''.join(hashes)}"

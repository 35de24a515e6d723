"""Sphinx extension: write the reference of the command ``mxnet-audio`` from the typer application itself.

It replaces the line ``<!-- commands -->`` of a page.
"""

import inspect
import re
from collections.abc import Iterator

import typer
from typer.core import TyperCommand, TyperGroup

from mxnet_audio.cli import app as command

MARKER = "<!-- commands -->"


def commands(group: TyperGroup, path: str) -> Iterator[tuple[str, TyperCommand]]:
    """Yield the full name of every command below a group, and the command."""
    for name, item in group.commands.items():
        if isinstance(item, TyperGroup):
            yield from commands(item, f"{path} {name}")
        elif not item.hidden:
            yield f"{path} {name}", item


def describe(name: str, item: TyperCommand) -> str:
    """Return the section on one command, in Markdown."""
    context = item.context_class(item, info_name=name)  # a class of click, which is part of typer or beside it
    text, _, examples = inspect.cleandoc(item.help).replace("\b\n", "").partition("Example")
    usage = " ".join([name, *item.collect_usage_pieces(context)])
    lines = inspect.cleandoc(examples.partition("\n")[2])
    records = [parameter.get_help_record(context) for parameter in item.get_params(context)]
    return "\n\n".join(
        [
            f"## {name}",
            text.strip(),
            f"```text\n{usage}\n\n{lines}\n```",
            table([record for record in records if record]),
        ]
    )


def table(records: list[tuple[str, str]]) -> str:
    """Return a table of arguments and options, and their help."""
    rows = [[f"`{names}`", re.sub(r"([\\`*_<>\[\]{}])", r"\\\1", text)] for names, text in records]
    cells = [" | ".join(cell.replace("|", r"\|") for cell in row) for row in rows]
    return "\n".join(f"| {line} |" for line in ("argument or option | meaning", "--- | ---", *cells))


def fill(app, docname: str, source: list[str]) -> None:
    """Replace the marker of a page."""
    if MARKER in source[0]:
        group = typer.main.get_command(command)
        sections = [describe(name, item) for name, item in commands(group, "mxnet-audio")]
        source[0] = source[0].replace(MARKER, "\n\n".join(sections))


def setup(app) -> dict:
    """Register the extension."""
    app.connect("source-read", fill)
    return {"parallel_read_safe": True}

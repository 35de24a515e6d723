"""``mxnet-audio config``: check the configuration of a run, and print its JSON schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from mxnet_audio.cli.options import AsJson, parse_path
from mxnet_audio.cli.output import print_lines, print_result

__all__ = ["config"]

config = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Check configurations of runs; print their schema."
)


@config.command()
def check(
    file: Annotated[Path, typer.Argument(parser=parse_path, metavar="FILE", help="Configuration, in YAML.")],
    as_json: AsJson = False,
) -> None:
    """Check a configuration, and print it with all defaults.

    A key that is unknown, not supported or wrong is named, with its path in the file and the nearest one that exists.

    \b
    Examples:
      mxnet-audio config check c.yaml
      mxnet-audio config check c.yaml > complete.yaml
    """
    from mxnet_audio.declarative import RunConfig

    complete = RunConfig.read(file)
    print_result(complete.to_dict(), complete.to_yaml().splitlines(), as_json)


@config.command()
def schema() -> None:
    """Print the JSON schema of a configuration, for editors that complete and check YAML.

    \b
    Example:
      mxnet-audio config schema > schema.json
    """
    from mxnet_audio.declarative import RunConfig

    print_lines(*json.dumps(RunConfig.schema(), indent=1).splitlines())

"""``mxnet-audio cache``: show and empty the folders of cached features and weights."""

from __future__ import annotations

import shutil
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from mxnet_audio.cli.options import AsJson
from mxnet_audio.cli.output import print_result
from mxnet_audio.errors import AudioError

__all__ = ["cache"]

cache = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Show and empty the cache of features and weights."
)


class Part(str, Enum):
    """Parts of the cache."""

    features = "features"
    weights = "weights"


@cache.command()
def info(as_json: AsJson = False) -> None:
    """Show the folders of the cache, and how many bytes they take.

    \b
    Example:
      mxnet-audio cache info
    """
    parts = [_facts(part) for part in Part]
    lines = [f"{facts['part']:<9} {_megabytes(facts['bytes']):>10}  {facts['folder']}" for facts in parts]
    print_result({"parts": parts}, lines, as_json)


@cache.command()
def clear(
    parts: Annotated[
        list[Part] | None, typer.Argument(metavar="[features|weights]...", help="Parts to empty. [default: all]")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Delete cached features and weights.

    They are computed and downloaded again when they are needed.

    \b
    Examples:
      mxnet-audio cache clear
      mxnet-audio cache clear features
    """
    cleared = [_facts(part) for part in parts or Part]
    for facts in cleared:
        try:
            _empty(facts["folder"])
        except OSError as error:
            raise AudioError(f"cannot be emptied: {error.strerror or error}", facts["folder"]) from error
    lines = [f"{facts['part']}: deleted {_megabytes(facts['bytes'])}" for facts in cleared]
    print_result({"cleared": cleared}, lines, as_json)


def _facts(part: Part) -> dict[str, Any]:
    """Return the folder of a part, and its size."""
    from mxnet_audio.features.cache import cache_folder as features_folder  # imports NumPy, as help texts need not
    from mxnet_audio.weights.finding import cache_folder as weights_folder

    folder = features_folder() if part is Part.features else weights_folder()
    return {"part": part.value, "folder": folder, "bytes": _size(folder)}


def _empty(folder: Path) -> None:
    """Delete what is in a folder. The folder stays: it may be a link to another disk."""
    for path in folder.iterdir() if folder.is_dir() else ():
        with suppress(FileNotFoundError):  # deleted by another process meanwhile
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _size(folder: Path) -> int:
    """Return the bytes of all files in a folder; 0 if it does not exist."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.lstat().st_size
        except FileNotFoundError:  # deleted by another process meanwhile
            continue
    return total


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"

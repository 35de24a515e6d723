"""Output of the commands: results on stdout, messages on stderr."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import Any

import typer

__all__ = ["print_message", "print_result", "show_progress"]


def show_progress() -> bool:
    """Return True if stderr is a terminal; in a log or a pipe, progress bars would only fill it."""
    return sys.stderr.isatty()


def print_message(message: str) -> None:
    """Print a message on stderr."""
    typer.echo(message, err=True)


def print_result(document: Mapping[str, Any], text: str, as_json: bool) -> None:
    """Print a result on stdout: `document` as strict JSON, or `text`, which may be empty."""
    if as_json or text:
        typer.echo(json.dumps(_to_json(document), allow_nan=False, indent=1) if as_json else text)


def _to_json(value: Any) -> Any:
    """Convert a value to JSON's own types; NaN and infinity become null."""
    if isinstance(value, Mapping):
        return {str(key): _to_json(item) for key, item in value.items()}
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if hasattr(value, "tolist"):  # NumPy's arrays and scalars, without importing NumPy
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_to_json(item) for item in value]
    if isinstance(value, float) and not abs(value) < float("inf"):
        return None
    return value

"""Output of the commands: results on stdout, messages on stderr."""

from __future__ import annotations

import io
import json
import os
import re
import sys
from collections.abc import Iterable, Mapping
from typing import Any

import typer

from mxnet_audio.errors import AudioError

__all__ = [
    "escaped",
    "open_streams",
    "print_lines",
    "print_message",
    "print_result",
    "show_progress",
    "thresholds_entry",
]

# Control characters except the tab, marks and controls of the direction of text, line and paragraph separators, and
# surrogates, which stand for bytes of a file name that are not UTF-8.
_HIDDEN = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def escaped(text: object) -> str:
    r"""Return text without characters that move the cursor, start a line, or reorder or hide what is printed.

    File names, and messages that contain them, can hold any of these; escapes such as ``\n`` are shown in their place.

    Examples
    --------
    >>> print(escaped("a\nb\x1b[31m\udcff.wav"))
    a\nb\x1b[31m\xff.wav
    """
    return _HIDDEN.sub(_escape, str(text))


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def open_streams() -> None:
    """Open the standard streams that are closed, on nothing, and let the others escape what they cannot encode.

    The next file that is opened, such as a model, would have the number of a closed stream, and libraries in C write
    their messages to these numbers.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            _discard(name, mode)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def show_progress() -> bool:
    """Return True if stderr is a terminal; in a log or a pipe, progress bars would only fill it."""
    return sys.stderr.isatty()


def print_lines(*lines: object) -> None:
    """Print lines on stdout; characters that are not printable are escaped."""
    for line in lines:
        _write(escaped(line))


def print_message(message: object) -> None:
    """Print a message as one line on stderr; characters that are not printable are escaped."""
    try:
        typer.echo(escaped(message), err=True)
    except OSError:  # who reads the messages has closed the pipe, or the disk of a log is full: the work goes on
        _discard("stderr")


def _write(text: str) -> None:
    """Print a line on stdout.

    Raises
    ------
    AudioError
        If it cannot be written, as on a full disk.
    typer.Exit
        If it is a pipe whose reader has closed it, such as `head`: the reader has all that it wants.
    """
    try:
        typer.echo(text)
    except BrokenPipeError:
        _discard("stdout")
        raise typer.Exit(0) from None
    except OSError as error:
        _discard("stdout")
        raise AudioError(f"cannot be written ({error.strerror or error})", "standard output") from error


def _discard(name: str, mode: str = "w") -> None:
    """Connect a standard stream to nothing. Of one that failed, Python would write the rest at its exit, and fail."""
    setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115 - open until the end


def thresholds_entry(model: Any) -> dict[str, Any]:
    """Return the thresholds of a model of several labels a clip as an entry for JSON; none of other models."""
    thresholds = getattr(model, "thresholds", None)
    return {} if thresholds is None else {"thresholds": thresholds}


def print_result(document: Mapping[str, Any], text: str | Iterable[object], as_json: bool) -> None:
    """Print a result on stdout.

    Parameters
    ----------
    document : dict
        Result for ``--json``; it is printed as strict JSON.
    text : str or iterable
        Result as a line, which may be empty, or as several.
    as_json : bool
        Print the document, not the text.
    """
    if as_json:
        _write(json.dumps(_to_json(document), allow_nan=False, indent=1))
    elif text:
        print_lines(*([text] if isinstance(text, str) else text))


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

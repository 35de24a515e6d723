"""Checks of arguments: numbers within limits, names of a choice, paths and iterables; parts of their messages."""

from __future__ import annotations

import math
import os
import reprlib
import sys
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from mxnet_audio.errors import ParameterError

__all__ = [
    "iterable_argument",
    "nearest",
    "one_of",
    "path_argument",
    "real_number",
    "shown",
    "user_path_argument",
    "whole_number",
]


def whole_number(name: str, value: Any, minimum: int = 1) -> int:
    """Return an argument as an int.

    Parameters
    ----------
    name : str
        Name of the argument, for the message.
    value : int, or a float without a fraction
    minimum : int
        Smallest value.

    Returns
    -------
    int

    Raises
    ------
    ParameterError
        If it is not a whole number, or below `minimum`.

    Examples
    --------
    >>> whole_number("batch_size", 8.0)
    8
    >>> whole_number("batch_size", 0)
    Traceback (most recent call last):
    ...
    mxnet_audio.errors.ParameterError: batch_size must be a whole number >= 1, got 0
    """
    whole = isinstance(value, Integral) or (_is_finite(value) and value == int(value))
    if whole and not isinstance(value, bool) and value >= minimum:
        return int(value)
    raise ParameterError(f"{name} must be a whole number >= {minimum}, got {shown(value)}")


def real_number(
    name: str, value: Any, minimum: float = -math.inf, maximum: float = math.inf, *, above: float | None = None
) -> float:
    """Return an argument as a float.

    Parameters
    ----------
    name : str
        Name of the argument, for the message.
    value : number
    minimum, maximum : float
        Limits that are allowed.
    above : float, optional
        Lower limit that is not allowed.

    Returns
    -------
    float

    Raises
    ------
    ParameterError
        If it is not a finite number, or outside the limits.

    Examples
    --------
    >>> real_number("share", 2, 0, 1)
    Traceback (most recent call last):
    ...
    mxnet_audio.errors.ParameterError: share must be a number between 0 and 1, got 2
    """
    if _is_finite(value) and minimum <= value <= maximum and (above is None or value > above):
        return float(value)
    if above is not None:
        limits = f" > {above:g}" + (f" and <= {maximum:g}" if maximum < math.inf else "")
    elif maximum < math.inf:
        limits = f" between {minimum:g} and {maximum:g}"
    else:
        limits = f" >= {minimum:g}" if minimum > -math.inf else ""
    raise ParameterError(f"{name} must be a {'' if limits else 'finite '}number{limits}, got {shown(value)}")


def one_of(name: str, value: Any, choices: Sequence[str]) -> str:
    """Return an argument that is one of a few names.

    Parameters
    ----------
    name : str
        Name of the argument, for the message.
    value : str
    choices : sequence of str

    Returns
    -------
    str

    Raises
    ------
    ParameterError
        If it is none of `choices`.

    Examples
    --------
    >>> one_of("on_error", "raise", ("raise", "skip"))
    'raise'
    """
    if isinstance(value, str) and value in choices:
        return value
    raise ParameterError(f"{name} must be one of {', '.join(map(repr, choices))}, got {shown(value)}")


def path_argument(name: str, value: Any) -> Path:
    """Return an argument as a path.

    Parameters
    ----------
    name : str
        Name of the argument, for the message.
    value : str or os.PathLike

    Returns
    -------
    pathlib.Path

    Raises
    ------
    ParameterError
        If it is not a path, is empty, or holds a null character.

    Examples
    --------
    >>> path_argument("model_dir_path", "models/a").name
    'a'
    >>> path_argument("model_dir_path", None)
    Traceback (most recent call last):
    ...
    mxnet_audio.errors.ParameterError: model_dir_path must be a path, got None
    """
    if isinstance(value, str | os.PathLike) and (text := os.fsdecode(value)) and "\0" not in text:
        return Path(text)  # `Path` refuses an os.DirEntry of bytes
    raise ParameterError(f"{name} must be a path, got {shown(value)}")


def user_path_argument(name: str, value: Any) -> Path:
    """Return an argument as a path that may begin with ``~``, the home folder; see `path_argument`."""
    return Path(os.path.expanduser(path_argument(name, value)))  # noqa: PTH111 - Path's fails for "~x" of no user


def iterable_argument(name: str, value: Any, items: str = "items") -> Any:
    """Return an argument that can be iterated over; it is not consumed.

    Parameters
    ----------
    name : str
        Name of the argument, for the message.
    value : iterable
    items : str
        Kind of the items, for the message.

    Returns
    -------
    iterable
        `value` itself.

    Raises
    ------
    ParameterError
        If it is not an iterable, or a string, which is one path and not several.

    Examples
    --------
    >>> iterable_argument("sources", None, "sounds")
    Traceback (most recent call last):
    ...
    mxnet_audio.errors.ParameterError: sources must be a list or another iterable of sounds, got None
    """
    # Data sets of Gluon have no __iter__; arrays of NumPy have it even if they have no axis.
    iterable = any(hasattr(type(value), method) for method in ("__iter__", "__getitem__"))
    if iterable and getattr(value, "shape", None) != () and not isinstance(value, str | bytes | os.PathLike):
        return value
    raise ParameterError(f"{name} must be a list or another iterable of {items}, got {shown(value)}")


def _is_finite(value: Any) -> bool:
    if not isinstance(value, Real):
        return False
    size: Any = abs(value)
    return bool(size <= sys.float_info.max)  # not math.isfinite, which fails for huge integers


def shown(value: Any) -> str:
    """Return a value for a message, shortened."""
    try:
        return reprlib.repr(value)
    except ValueError:  # Python refuses to print integers of several thousand digits
        return f"{type(value).__name__} of too many digits"


def nearest(word: object, words: Iterable[str]) -> str:
    """Return ", did you mean …?" with the closest of some words in either case, or "" if none is close.

    Examples
    --------
    >>> nearest("num_filtres", ["num_filters", "norm"]), nearest("Datei", ["Alter"])
    (', did you mean num_filters?', '')
    """
    if not isinstance(word, str):
        return ""
    given, by_lower = word[:100].lower(), {known.lower(): known for known in words}
    longer = [known for known in by_lower if len(given) > 2 and known.startswith(given)]
    # By difflib's own cutoff of 0.6, two of five letters may differ.
    close = get_close_matches(given, by_lower, n=1, cutoff=0.66) or longer
    return f", did you mean {by_lower[close[0]]}?" if close else ""

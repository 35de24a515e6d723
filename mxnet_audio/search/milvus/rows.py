"""Rows of a collection: fields, entries, metadata, and expressions that select them."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from mxnet_audio.checks import shown
from mxnet_audio.errors import ParameterError
from mxnet_audio.search.entries import Entry, parse_entry

__all__ = [
    "ENTRY_FIELDS", "FIELDS", "any_of", "below", "check_metadata", "check_name", "check_where", "entry_of",
    "insertion_order", "metadata_of", "none_of", "quoted", "row_of", "text_of",
]  # fmt: skip

ENTRY_FIELDS = ["real_path", "path", "stamp", "inserted"]
FIELDS = [*ENTRY_FIELDS, "partition", "vector"]
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")
_LONGEST = 65_535  # [bytes], of a string in Milvus
_LARGEST_METADATA = 65_536  # [bytes], of a row, as JSON
_SURROGATES = re.compile("[\ud800-\udfff]")
_ESCAPED = re.compile("[\ud800-\udfff\ufffd]")
_ESCAPE = re.compile("\ufffd([0-9a-f]{4})")


def check_name(argument: str, name: Any) -> str:
    """Return the name of a collection or a partition; ParameterError if Milvus does not accept it."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ParameterError(f"{argument} must be a name of letters, digits and _, got {shown(name)}")
    return name


def check_where(where: Any) -> str:
    """Return a condition as an expression; ParameterError if it cannot be one."""
    if isinstance(where, str) and where.strip() and not _SURROGATES.search(where):
        return where
    raise ParameterError(f"where must be an expression of Milvus, got {shown(where)}")


def check_metadata(metadata: Any) -> dict[str, Any]:
    """Return the user's fields as a new dict of JSON types; ParameterError if they cannot be stored."""
    if not isinstance(metadata, Mapping):
        raise ParameterError(f"metadata must be a dict of names and values, got {shown(metadata)}")
    for name in metadata:
        if not isinstance(name, str) or name in FIELDS or not name or name.startswith("$"):
            raise ParameterError(f"metadata must have names other than {', '.join(FIELDS)} and $…, got {shown(name)}")
    try:
        text = json.dumps(dict(metadata), allow_nan=False, ensure_ascii=False)
        size = len(text.encode())
        stored = dict(json.loads(text, parse_int=_int64))
    except (TypeError, ValueError, RecursionError) as error:  # ValueError: NaN, a circle, or a lone surrogate
        raise ParameterError(f"metadata must consist of JSON types: {error}") from None
    if size > _LARGEST_METADATA:
        raise ParameterError(f"metadata must have at most {_LARGEST_METADATA} bytes as JSON, got {size}")
    return stored


def _int64(digits: str) -> int:
    number = int(digits)
    if not -(1 << 63) <= number < 1 << 63:
        raise ValueError(f"{shown(number)} has more than 64 bits")
    return number


def text_of(path: str) -> str:
    """Return a path as Milvus can store it; `path_of` reverses it.

    Names that are not Unicode have lone surrogates, which Milvus refuses: each becomes U+FFFD and its number. The text
    of a folder is the beginning of that of its files.

    Examples
    --------
    >>> path_of(text_of("caf\\udce9.wav")) == "caf\\udce9.wav", text_of("café.wav")
    (True, 'café.wav')
    """
    text = _ESCAPED.sub(lambda match: f"\ufffd{ord(match[0]):04x}", path)
    if len(text.encode()) > _LONGEST:
        raise ParameterError(f"path must have at most {_LONGEST} bytes, got {shown(path)}")
    return text


def path_of(text: str) -> str:
    """Return the path that a text of the collection stands for."""
    return _ESCAPE.sub(lambda match: chr(int(match[1], 16)), text)


def row_of(entry: Entry, vector: np.ndarray, partition: str, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row of an entry."""
    return {
        **metadata, "real_path": text_of(entry.real), "path": text_of(entry.path), "inserted": entry.id,
        "stamp": "" if entry.stamp is None else json.dumps(entry.stamp), "partition": partition, "vector": vector,
    }  # fmt: skip


def entry_of(row: Mapping[str, Any]) -> Entry:
    """Return the entry of a row; ValueError if the row was not written by this package."""
    try:
        stamp = json.loads(row["stamp"]) if row["stamp"] else None
        return parse_entry(row["inserted"], path_of(row["path"]), path_of(row["real_path"]), stamp)
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"the row {shown(row.get('real_path'))} is damaged: {error}") from None


def insertion_order(entry: Entry) -> tuple[int, str]:
    """Return the key by which entries are sorted: the number of insertion, which two writers may have given twice."""
    return entry.id, entry.real


def metadata_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the user's fields of a row."""
    return {name: value for name, value in row.items() if name not in FIELDS}


def quoted(text: str) -> str:
    """Return a string for Milvus's expressions, quoted as both the server and Milvus Lite read it.

    Examples
    --------
    >>> print(quoted('say "a"'))
    "say \\"a\\""
    """
    for character, escape in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r")):
        text = text.replace(character, escape)
    return f'"{text}"'


def any_of(field: str, texts: Iterable[str]) -> str:
    """Return an expression for the rows with one of some texts in a field."""
    return f"{field} in [{', '.join(map(quoted, texts))}]"


def none_of(field: str, texts: Iterable[str]) -> str:
    """Return an expression for the rows with none of some texts in a field."""
    return f"{field} not in [{', '.join(map(quoted, texts))}]"


def below(names: Iterable[str]) -> str:
    """Return an expression for the rows of files, their channels, and the files in folders, by name.

    ``like`` is not used, as a name may hold its signs, ``%`` and ``_``.
    """
    texts = [text_of(name) for name in names]
    parts = []
    for field in ("real_path", "path"):
        parts.append(any_of(field, texts))
        for text in texts:
            for start in (text.rstrip(os.sep) + os.sep, f"{text} ["):
                end = start[:-1] + chr(ord(start[-1]) + 1)
                parts.append(f"({field} >= {quoted(start)} and {field} < {quoted(end)})")
    return " or ".join(parts)

"""Columns and separator of a table of files and labels: detected by well-known names, or chosen."""

from __future__ import annotations

import csv
import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TextIO

from mxnet_audio.checks import one_of
from mxnet_audio.errors import DatasetError, ParameterError

__all__ = ["COLUMNS", "check_columns", "checked_separator", "chosen_columns", "find_separator", "known_columns"]

logger = logging.getLogger(__name__)

#: Names of the columns in well-known tables, in lower case; of several in one table, the first in this order counts.
COLUMNS = {
    "path": (
        *("path", "filename", "file_name", "file", "filepath", "file_path", "fname", "slice_file_name", "audio", "wav"),
        "id",  # a file name without suffix
    ),
    "label": ("label", "class", "category", "target", "genre", "class_name", "classname", "labels"),
    "fold": ("fold", "split"),
    "group": ("group",),
}
_SEPARATORS = (",", ";", "\t", "|")
_SAMPLE = 20  # [lines] for the detection of the separator
_NUMBERED_LABEL = re.compile(r"(label|class|category|target|tag)s?[ _-]?\d+")


def checked_separator(separator: str) -> str:
    """Return a separator; raise ParameterError if it is not one character."""
    if isinstance(separator, str) and len(separator) == 1 and separator not in '"\r\n\0 ':
        return separator
    raise ParameterError(f"separator must be one character, such as ',', ';' or a tab, got {separator!r}")


def find_separator(text: TextIO, chosen: Mapping[str, str]) -> str:
    """Detect the separator: with it, most columns are known, or all of the first rows have equally many cells."""
    start = text.tell()
    sample = list(islice(text, _SAMPLE))
    text.seek(start)

    def score(separator: str) -> tuple[int, bool]:
        try:
            rows = list(filter(None, csv.reader(sample, delimiter=separator, skipinitialspace=True)))
        except csv.Error:
            return 0, False
        lengths = {len(row) for row in rows}
        return len(known_columns(rows[0], chosen)) if rows else 0, len(lengths) == 1 and lengths != {1}

    return max(_SEPARATORS, key=score)


def _lower(names: Iterable[str]) -> list[str]:
    return [name.strip().lower() for name in names]


def chosen_columns(columns: Mapping[str, str] | None) -> dict[str, str]:
    """Return the chosen names by the keys of `COLUMNS`; ``split`` is another word for ``fold``."""
    if columns is None:
        return {}
    if not isinstance(columns, Mapping) or not all(isinstance(name, str) and name.strip() for name in columns.values()):
        raise ParameterError(f"columns must be names by path, label, fold (or split) and group, got {columns!r}")
    for key in columns:
        one_of("a key of columns", key, (*COLUMNS, "split"))
    if {"fold", "split"} <= columns.keys():
        raise ParameterError(f"columns must name fold or split, not both, got {columns!r}")
    return {"fold" if key == "split" else key: name.strip() for key, name in columns.items()}


def known_columns(names: Sequence[str], chosen: Mapping[str, str]) -> dict[str, int]:
    """Return the index of each column that is chosen, or known by its name, as far as there are such."""
    exact, lower = [name.strip() for name in names], _lower(names)
    indices = {}
    for key, known in COLUMNS.items():
        if key in chosen:
            name = chosen[key]
            index = exact.index(name) if name in exact else lower.index(name.lower()) if name.lower() in lower else None
        else:
            index = next((lower.index(name) for name in known if name in lower), None)
        if index is not None:
            indices[key] = index
    return indices


def check_columns(
    names: Sequence[str], indices: Mapping[str, int], chosen: Mapping[str, str], path: Path, body: Iterable[list[str]]
) -> None:
    """Raise DatasetError unless there is one column of paths and one of labels; the body is read only if not."""
    lower = _lower(names)
    several = [name for name, key in zip(names, lower) if _NUMBERED_LABEL.fullmatch(key)]
    if "label" in indices and lower.count(lower[indices["label"]]) > 1:
        several = [name for name, key in zip(names, lower) if key == lower[indices["label"]]]
    if "label" not in chosen and len(several) > 1:
        raise DatasetError(
            f"the columns {', '.join(several)} hold labels: choose one by columns= (--columns label=…), which can hold "
            "several labels a file with label_separator= (--label-separator)",
            path,
        )
    if "label" not in indices and (flags := _flags(names, body)):
        raise DatasetError(
            f"the columns {', '.join(flags)} hold 0 and 1: write the labels of each file in one column, such as "
            "dog|rain, and pass label_separator='|' (--label-separator '|')",
            path,
        )
    if missing := [chosen.get(key, key) for key in dict.fromkeys(("path", "label", *chosen)) if key not in indices]:
        raise DatasetError(
            f"no column {' and no column '.join(missing)} among {', '.join(names)}: the first row must name path and "
            "label, or columns= (--columns path=…,label=…) the columns that hold them",
            path,
        )
    if "fold" not in chosen and {"fold", "split"} <= set(lower):
        logger.warning("%s: uses the column fold; the column split is ignored: choose by columns=", path)


def _flags(names: Sequence[str], body: Iterable[list[str]]) -> list[str]:
    """Return the names of columns that hold 0 and 1 only, if there are several."""
    flags = set(range(len(names)))
    for cells in body:
        flags = {index for index in flags if index < len(cells) and cells[index].strip() in ("0", "1")}
    return [names[index] for index in sorted(flags)] if len(flags) > 1 else []

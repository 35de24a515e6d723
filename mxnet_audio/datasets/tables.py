"""Tables of files and labels: encoding, separator and columns are detected or chosen."""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import logging
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, TextIO, get_args

from mxnet_audio.atomic import contents
from mxnet_audio.audio import AUDIO_SUFFIXES
from mxnet_audio.checks import one_of, path_argument, whole_number
from mxnet_audio.datasets.labels import check_separator, find_joined, split_labels
from mxnet_audio.datasets.table_columns import (
    check_columns,
    checked_separator,
    chosen_columns,
    find_separator,
    known_columns,
)
from mxnet_audio.errors import DatasetError

__all__ = ["Missing", "Row", "csv_reader", "existing_rows", "read_rows", "table_text"]

logger = logging.getLogger(__name__)

Missing = Literal["keep", "skip", "raise"]

_SEVERAL = "for several labels a file, pass label_separator={0!r} to datasets.csv (--label-separator {0!r})"


class Row(NamedTuple):
    """Row of a table: path, label or frozenset of labels, number of its line, fold and group (None if missing)."""

    path: str
    label: Any
    line: int
    fold: str | None = None
    group: str | None = None


def read_rows(
    path: str | os.PathLike,
    root: str | os.PathLike | None = None,
    *,
    skip_rows: int = 0,
    suffix: str = "",
    require_header: bool = True,
    columns: Mapping[str, str] | None = None,
    separator: str | None = None,
    label_separator: str | None = None,
) -> list[Row]:
    """Read a table of files and labels.

    Parameters
    ----------
    path, root, columns, separator, label_separator
        See `datasets.csv`.
    skip_rows : int >= 0
        Number of lines to skip at the beginning.
    suffix : str
        Suffix of the file names; it is added to names without it.
    require_header : bool
        If False, the first row may be data: it is a header if columns of it are known or chosen, and its first cell is
        not an existing file. Without a header, the first column holds the files and the second the labels.

    Returns
    -------
    list of Row
        With a `label_separator`, one for each file: that of its first line.

    Raises
    ------
    DatasetError
        See `datasets.csv`; or several files have the same ID.
    ParameterError
        If an argument is of the wrong type, or `columns` or a separator are wrong.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as home:
    ...     _ = Path(home, "train.csv").write_text("ID;Class\\n17; siren\\n")
    ...     [row] = read_rows(Path(home, "train.csv"), "audio")
    >>> row
    Row(path='audio/17.wav', label='siren', line=2, fold=None, group=None)
    """
    path = path_argument("path", path)
    root = path.parent if root is None else path_argument("root", "." if root == "" else root)
    skip_rows = whole_number("skip_rows", skip_rows, 0)
    chosen = chosen_columns(columns)
    text = io.StringIO(table_text(path), newline="")
    for _ in range(skip_rows):
        if not text.readline():  # the end of the table
            break
    separator = find_separator(text, chosen) if separator is None else checked_separator(separator)
    table = csv_reader(text, separator)
    rows, joined = [], []
    try:
        first: list[str] = next(table, [])
        if not any(first) and require_header:
            raise DatasetError("is empty or has no header: the first row must name path and label", path)
        indices = known_columns(first, chosen)
        names = [name.strip().lower() for name in first]
        named = bool(chosen) or {"path", "label"} <= indices.keys() or not {"path", "label"}.isdisjoint(names)
        locate = _suffix_locator(root, suffix)
        if require_header or (first and named and not os.path.isfile(locate(first[0]))):  # noqa: PTH113 - as in existing_rows
            body: Iterable[list[str]] = filter(_is_filled, table)
            check_columns(first, indices, chosen, path, body)
            if not suffix:
                locate = _stem_locator(root, ".wav" if names[indices["path"]] == "id" else "")
        else:
            indices, body = {"path": 0, "label": 1}, filter(_is_filled, itertools.chain([first], table))
        for cells in body:
            line = skip_rows + table.line_num
            found = {key: cells[i].strip() if i < len(cells) else "" for key, i in indices.items()}
            if not found["path"] or not (found["label"] or label_separator is not None):
                mend = "; label_separator= (--label-separator) permits files without labels" if found["path"] else ""
                raise DatasetError(f"line {line}: the path or the label is empty{mend}", path)
            label = found["label"] if label_separator is None else split_labels(found["label"], label_separator)
            joined.append(found["label"])
            fold, group = found.get("fold") or None, found.get("group") or None
            rows.append(Row(locate(found["path"]), label, line, fold, group))
    except csv.Error as error:
        raise DatasetError(f"is not a table of text: {error} (line {skip_rows + table.line_num})", path) from error
    if not rows:
        raise DatasetError("the table has no rows", path)
    if label_separator is not None:
        try:
            check_separator(joined, label_separator, "label_separator (--label-separator)")
        except DatasetError as error:
            raise DatasetError(error.reason, path) from None
        return _joined(rows, path)
    _check_one_label(rows, path)
    return rows


def _is_filled(cells: list[str]) -> bool:
    return any(map(str.strip, cells))  # spreadsheets write rows of separators alone


def existing_rows(
    rows: Sequence[Row], table: str | os.PathLike, missing: Missing
) -> tuple[list[Row], list[tuple[str, DatasetError]]]:
    """Check which files of a table exist.

    Parameters
    ----------
    rows : sequence of Row
    table : str or os.PathLike
        File of the table, for messages.
    missing : {'keep', 'skip', 'raise'}
        See `datasets.csv`.

    Returns
    -------
    rows : list of Row
        Rows whose file exists; all rows, with 'keep'.
    skipped : list of (str, DatasetError)
        Path and error of the other rows; the errors are logged.

    Raises
    ------
    DatasetError, ParameterError
        See `datasets.csv`.
    """
    one_of("missing", missing, get_args(Missing))
    if missing == "keep":
        return list(rows), []
    existing, skipped = [], []
    for row in rows:
        if os.path.isfile(row.path):  # noqa: PTH113 - Path.is_file raises if the folder may not be entered
            existing.append(row)
        else:
            skipped.append((row.path, DatasetError(f"no such file (line {row.line} of {table})", row.path)))
    if skipped and missing == "raise":
        raise skipped[0][1]
    if not existing:
        raise DatasetError(f"none of its files exists, such as {skipped[0][0]} in line {rows[0].line}", table)
    for _, error in skipped:
        logger.warning("skipped %s", error)
    return existing, skipped


def csv_reader(text: TextIO, separator: str) -> Any:
    """Return the reader of `csv` over the lines of a table, which also skips blanks around quotation marks."""
    # csv skips blanks before a quotation mark, but not after one.
    blanks = re.compile(rf'" +(?={re.escape(separator)}|[\r\n]|\Z)')
    lines = (blanks.sub('"', line) for line in text)
    return csv.reader(lines, delimiter=separator, skipinitialspace=True, strict=True)


def table_text(path: Path) -> str:
    """Return the text of a table in UTF-8, in UTF-16 with a byte order mark, or else in cp1252 or Latin-1."""
    try:
        data = contents(path)
    except OSError as error:
        raise DatasetError(f"cannot be read: {error.strerror}", path) from error
    utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    for encoding in ("utf-16",) if utf16 else ("utf-8-sig", "cp1252", "latin-1"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" in text:
            raise DatasetError("is not a table of text: it holds null characters", path)
        if encoding in ("cp1252", "latin-1"):
            logger.warning("%s: is not in UTF-8; read as %s", path, encoding)
        return text
    raise DatasetError("is not a table of text: it begins like UTF-16, but is damaged", path)


def _joined(rows: Sequence[Row], table: Path) -> list[Row]:
    """Join the rows of each file, with all their labels; DatasetError if their folds or groups differ."""
    joined: dict[str, Row] = {}
    for row in rows:
        first = joined.setdefault(os.path.normpath(row.path), row)
        if (first.fold, first.group) != (row.fold, row.group):
            raise DatasetError(
                f"has two folds or groups in {table} (lines {first.line} and {row.line}), "
                f"{first.fold!r}, {first.group!r} and {row.fold!r}, {row.group!r}",
                row.path,
            )
        joined[os.path.normpath(row.path)] = first._replace(label=first.label | row.label)
    return list(joined.values())


def _check_one_label(rows: Sequence[Row], table: Path) -> None:
    """Raise DatasetError if files have several labels: in one cell, or in several rows."""
    label_of: dict[str, Row] = {}
    for row in rows:
        first = label_of.setdefault(os.path.normpath(row.path), row)
        if first.label != row.label:
            raise DatasetError(
                f"has two labels in {table} (lines {first.line} and {row.line}), {first.label!r} and {row.label!r}: "
                f"{_SEVERAL.format('|')}",
                row.path,
            )
    if joined := find_joined(row.label for row in rows):
        line = next(row.line for row in rows if row.label == joined.text)
        raise DatasetError(
            f"the label in line {line} is {joined.text!r}, and {', '.join(map(repr, joined.labels))} occur in other "
            f"rows, too: {_SEVERAL.format(joined.separator)}",
            table,
        )


def _suffix_locator(root: Path, suffix: str) -> Callable[[str], str]:
    """Return a function that makes a path of a name, with the suffix added if it is missing."""
    return lambda name: str(root / (name if name.lower().endswith(suffix.lower()) else name + suffix))


def _stem_locator(root: Path, default: str) -> Callable[[str], str]:
    """Return a function that makes a path of a name, which may lack its suffix.

    It is that of the existing file; if there is none, the suffix is `default`.
    """
    suffixes: dict[Path, dict[str, list[str]]] = {}  # by folder and stem

    def locate(name: str) -> str:
        path = root / name
        if path.suffix.lower() in AUDIO_SUFFIXES:
            return str(path)
        if path.parent not in suffixes:
            suffixes[path.parent] = {}
            for file in map(Path, _names_in(path.parent)):
                if file.suffix.lower() in AUDIO_SUFFIXES:
                    suffixes[path.parent].setdefault(file.stem, []).append(file.suffix)
        matches = suffixes[path.parent].get(path.name, [default])
        if len(matches) > 1:
            raise DatasetError(f"several files have this ID ({', '.join(matches)}): list names with suffixes", path)
        return f"{path}{matches[0]}"

    return locate


def _names_in(folder: Path) -> list[str]:
    """Return the sorted names in a folder; none if it cannot be listed."""
    try:
        return sorted(item.name for item in folder.iterdir())
    except OSError:
        return []

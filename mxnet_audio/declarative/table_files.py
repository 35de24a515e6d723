"""Files of tables: text with separators, JSON lines and Parquet."""

from __future__ import annotations

import csv
import io
import os
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from mxnet_audio.atomic import parse_json
from mxnet_audio.datasets.table_columns import find_separator
from mxnet_audio.datasets.tables import csv_reader, table_text
from mxnet_audio.errors import DatasetError

__all__ = [
    "JSON_SUFFIXES",
    "PARQUET_SUFFIXES",
    "TEXT_SUFFIXES",
    "check_names",
    "read_csv",
    "read_json_lines",
    "read_parquet",
]

TEXT_SUFFIXES, JSON_SUFFIXES, PARQUET_SUFFIXES = (".csv", ".tsv", ".txt"), (".jsonl", ".ndjson"), (".parquet",)


def read_csv(path: Path) -> tuple[dict[str, Callable[[], list]], list[int]]:
    """Read a table of text: functions that return the cells of a column, None for empty ones, and the line of each row.

    Columns without a name, such as pandas's index, are left out. Errors as `read_table`.
    """
    text = io.StringIO(table_text(path), newline="")
    reader = csv_reader(text, "\t" if path.suffix.lower() == ".tsv" else find_separator(text, {}))
    rows, lines = [], []
    try:
        names = [name.strip() for name in next(reader, [])]
        if not any(names):
            raise DatasetError("is empty or has no header: the first row must name the columns", path)
        check_names(filter(None, names), path)
        for cells in reader:
            cells = [cell.strip() or None for cell in cells]
            if not any(cells):
                continue  # spreadsheets write rows of separators alone
            if any(cells[len(names) :]):
                reason = f"line {reader.line_num} has {len(cells)} cells, and the header {len(names)}"
                raise DatasetError(f"{reason}: put cells that contain a separator in quotation marks", path)
            rows.append(cells)
            lines.append(reader.line_num)
    except csv.Error as error:
        raise DatasetError(f"is not a table of text: {error} (line {reader.line_num})", path) from error
    return {name: partial(_cells_of, rows, index) for index, name in enumerate(names) if name}, lines


def _cells_of(rows: list[list[str | None]], index: int) -> list[str | None]:
    """Return the cells of a column; rows may be shorter."""
    return [cells[index] if index < len(cells) else None for cells in rows]


def read_json_lines(path: Path) -> tuple[list[dict], list[int]]:
    """Read the objects of a file of JSON lines, and the line of each; errors as `read_table`."""
    records, lines = [], []
    for line, text in enumerate(io.StringIO(table_text(path)), start=1):
        if not text.strip():
            continue
        try:
            record = parse_json(text)
        except ValueError as error:
            raise DatasetError(f"line {line} is not JSON: {error}", path) from error
        if not isinstance(record, dict):
            raise DatasetError(f"line {line} must be an object {{column: value}}, got {type(record).__name__}", path)
        records.append(record)
        lines.append(line)
    return records, lines


def read_parquet(path: Path) -> Any:
    """Read a Parquet file as a `pyarrow.Table`; errors as `read_table`."""
    if not os.path.isfile(path):  # noqa: PTH113 - methods of Path raise OSError for names that are too long
        raise DatasetError("is not a regular file" if os.path.exists(path) else "no such file", path)  # noqa: PTH110
    try:
        import pyarrow.parquet
    except ImportError as error:
        reason = "Parquet files need pyarrow, which is not installed: pip install 'pyarrow<26'"
        raise DatasetError(reason, path) from error
    try:
        with path.open("rb") as file:
            frame = pyarrow.parquet.read_table(file)
        frame.validate(full=True)
    except (OSError, pyarrow.ArrowException) as error:
        raise DatasetError(f"cannot be read as Parquet: {' '.join(str(error).split())}", path) from error
    return frame


def check_names(names: Iterable[str], path: Path | None = None) -> None:
    """Raise DatasetError if columns have the same name."""
    if several := [name for name, count in Counter(names).items() if count > 1]:
        raise DatasetError(f"several columns are named {several[0]!r}: rename them", path)

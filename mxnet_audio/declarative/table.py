"""Tables of sounds and other columns: from files, data frames, data sets, columns or records."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np

from mxnet_audio.checks import nearest, path_argument
from mxnet_audio.datasets.missing import is_missing
from mxnet_audio.declarative.table_files import (
    JSON_SUFFIXES,
    PARQUET_SUFFIXES,
    TEXT_SUFFIXES,
    check_names,
    read_csv,
    read_json_lines,
    read_parquet,
)
from mxnet_audio.errors import AudioError, DatasetError, ParameterError

__all__ = ["Sounds", "Table", "read_table"]

_MAX_BITS = 4096  # of an integer; Python refuses to print those of several thousand digits


class Table:
    """Rows of a data set, column by column.

    Parameters
    ----------
    columns : mapping of str to callable
        For each name, a function that returns the rows of the column, which may be fetched lazily.
    n_rows : int
        Number of rows.
    path : str or os.PathLike, optional
        File of the table. Relative paths start from its folder.
    lines : sequence of int, optional
        Number of the line of each row in the file.

    Raises
    ------
    DatasetError
        If there are no columns or no rows.

    Examples
    --------
    >>> table = read_table({"audio": ["a.wav", "b.wav"], "label": ["dog", None]})
    >>> len(table), table.names, table.column("label")
    (2, ['audio', 'label'], ['dog', None])
    """

    def __init__(
        self,
        columns: Mapping[str, Callable[[], Any]],
        n_rows: int,
        path: str | os.PathLike | None = None,
        lines: Sequence[int] | None = None,
    ):
        self.path, self._lines = None if path is None else Path(path), lines
        self._columns, self._n_rows = columns, n_rows
        self._sounds: dict[str, Sounds] = {}
        if not columns or not n_rows:
            raise DatasetError("the table has no rows" if columns else "the table has no columns", self.path)

    def __repr__(self) -> str:
        return f"Table({len(self)} rows, columns {', '.join(self.names)})"

    def __len__(self) -> int:
        return self._n_rows

    @property
    def names(self) -> list[str]:
        """Names of the columns."""
        return list(self._columns)

    def rows_of(self, name: str) -> Any:
        """Return a column as it is stored: a sequence whose rows may be fetched, or decoded, when it is indexed.

        Raises
        ------
        DatasetError
            If there is no such column, or it cannot be read; the nearest name is in the message.
        """
        if name not in self._columns:
            found = ", ".join(self.names)
            raise DatasetError(f"no column {name!r} among {found}{nearest(name, self.names)}", self.path)
        with self._reading(name):
            return self._columns[name]()

    def column(self, name: str) -> list:
        """Return the values of a column, None for missing ones, and sorted lists for sets; errors as `rows_of`."""
        rows = self.rows_of(name)
        with self._reading(name):
            values = [None if is_missing(value) else _ordered(value) for value in rows]
        for row, value in enumerate(values):
            if isinstance(value, int) and value.bit_length() > _MAX_BITS:
                raise DatasetError(
                    f"{self.row_name(row)}: column {name!r} holds an integer of too many digits", self.path
                )
        return values

    @contextlib.contextmanager
    def _reading(self, name: str) -> Iterator[None]:
        """Raise DatasetError for a column that cannot be converted, such as dates of Parquet that Python has not."""
        try:
            yield
        except AudioError:
            raise
        except (ArithmeticError, LookupError, NotImplementedError, TypeError, ValueError) as error:
            raise DatasetError(f"column {name!r} cannot be read: {error}", self.path) from error

    def sounds(self, name: str) -> Sounds:
        """Return a column of sounds; errors as `rows_of`."""
        if name not in self._sounds:
            self._sounds[name] = Sounds(self.rows_of(name), self._n_rows, self.locate)
        return self._sounds[name]

    def take(self, rows: Sequence[int]) -> Table:
        """Return a table of some rows."""

        def taken(name: str) -> list:
            values = self.rows_of(name)
            return [values[row] for row in rows]

        lines = None if self._lines is None else [self._lines[row] for row in rows]
        return Table({name: partial(taken, name) for name in self.names}, len(rows), self.path, lines)

    def locate(self, sound: Any) -> Any:
        """Return a sound; a relative path begins with the folder of the table."""
        if self.path is not None and isinstance(sound, str) and sound:
            return str(self.path.parent / sound)
        return sound

    def row_name(self, row: int) -> str:
        """Return the name of a row for messages: its line in the file, or its number from 0."""
        return f"row {row}" if self._lines is None else f"line {self._lines[row]}"


class Sounds(Sequence):
    """Column of sounds, each of which is fetched when it is indexed."""

    def __init__(self, values: Any, n_rows: int, locate: Callable[[Any], Any]):
        self._values, self._n_rows, self._locate = values, n_rows, locate

    def __len__(self) -> int:
        return self._n_rows

    def __getitem__(self, row: Any) -> Any:
        return self._locate(self._values[row])

    @cached_property
    def missing(self) -> np.ndarray:
        """Return whether the sound of each row is missing [shape=(n,)]."""
        return np.array([is_missing(self._values[row]) for row in range(len(self))])


def read_table(dataset: Any) -> Table:
    """Read a data set of any form.

    Parameters
    ----------
    dataset : path, pandas.DataFrame, datasets.Dataset, pyarrow.Table, mapping of columns, list of mappings, or Table
        Files are tables of text (``.csv``, ``.tsv``, ``.txt``), with encoding and separator detected as by
        `datasets.csv`, JSON lines (``.jsonl``, ``.ndjson``) or Parquet (``.parquet``). The first row of a table of text
        names the columns, and empty cells are missing values. Relative paths start from the folder of the file. Class
        labels of Hugging Face become their names.

    Returns
    -------
    Table

    Raises
    ------
    DatasetError
        If a file cannot be read or is of another format, columns have different lengths or the same name, or there are
        no rows; or a package is not installed that reads the file.
    ParameterError
        If the data set is of another type.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as home:
    ...     _ = Path(home, "clips.csv").write_text('audio;tags\\na.wav;"dog|rain"\\nb.wav;\\n')
    ...     table = read_table(Path(home, "clips.csv"))
    >>> table.column("tags"), Path(table.sounds("audio")[1]).name
    (['dog|rain', None], 'b.wav')
    >>> read_table([{"x": 1}, {"x": 2, "y": "b"}]).column("y")
    [None, 'b']
    """
    if isinstance(dataset, Table):
        return dataset
    if isinstance(dataset, str | os.PathLike):
        return _read_file(path_argument("dataset", dataset))
    if isinstance(dataset, Mapping):
        return _of_mapping(dataset)
    names = getattr(dataset, "column_names", None)
    names = names if isinstance(names, list) else getattr(dataset, "columns", None)
    if names is not None and hasattr(dataset, "__getitem__"):
        return _of_frame(dataset, list(names))
    if isinstance(dataset, Sequence) and not isinstance(dataset, bytes | bytearray | memoryview):
        return _of_records(list(dataset))
    raise ParameterError(
        "dataset must be a path, a data frame, a data set of Hugging Face, a mapping of columns or a list of mappings, "
        f"got {type(dataset).__name__}"
    )


def _read_file(path: Path) -> Table:
    """Read a table of text, JSON lines or Parquet."""
    suffix = path.suffix.lower()
    if suffix in TEXT_SUFFIXES:
        columns, lines = read_csv(path)
        return Table(columns, len(lines), path, lines)
    if suffix in JSON_SUFFIXES:
        return _of_records(*read_json_lines(path), path)
    if suffix in PARQUET_SUFFIXES:
        frame = read_parquet(path)
        return _of_frame(frame, frame.column_names, path)
    known = ", ".join((*TEXT_SUFFIXES, *JSON_SUFFIXES, *PARQUET_SUFFIXES))
    raise DatasetError(f"is not a table: give a file of type {known}", path)


def _of_mapping(dataset: Mapping) -> Table:
    """Make a table of columns by name."""
    if any(hasattr(column, "column_names") for column in dataset.values()):
        names = ", ".join(map(repr, dataset))
        raise DatasetError(f"these are several tables, {names}: choose one, or join them with a column of the split")
    check_names(map(str, dataset))
    columns = {}
    for name, values in dataset.items():
        is_list = hasattr(values, "__len__") and hasattr(values, "__iter__")
        if not is_list or isinstance(values, str | bytes | Mapping | set | frozenset):
            raise DatasetError(f"column {name!r} must be a list of values, got {type(values).__name__}")
        columns[str(name)] = values
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise DatasetError(f"columns must have equal lengths, got {shown}")
    return Table({name: partial(_values, values) for name, values in columns.items()}, next(iter(lengths.values()), 0))


def _of_frame(frame: Any, names: list, path: Path | None = None) -> Table:
    """Make a table of a frame, or a data set with named columns."""
    if not hasattr(frame, "__len__"):
        raise ParameterError("dataset must have a length: load it without streaming")
    check_names(map(str, names), path)
    types = getattr(frame, "features", None)
    for name, kind in types.items() if isinstance(types, Mapping) else ():
        if type(kind).__name__ == "Audio" and getattr(kind, "decode", False):
            frame = frame.cast_column(name, dataclasses.replace(kind, decode=False))  # sounds are decoded in threads
    return Table({str(name): partial(_column_of, frame, name) for name in names}, len(frame), path)


def _of_records(records: list, lines: Sequence[int] | None = None, path: Path | None = None) -> Table:
    """Make a table of mappings, one a row; keys that a row lacks are missing values."""
    for row, record in enumerate(records):
        if not isinstance(record, Mapping):
            reason = f"a list must hold mappings {{column: value}}, got {type(record).__name__}"
            raise DatasetError(reason, f"row {row}")
    names = list(dict.fromkeys(name for record in records for name in record))
    check_names(map(str, names), path)
    if not records:
        raise DatasetError("the table has no rows", path)
    return Table({str(name): partial(_values_of_key, records, name) for name in names}, len(records), path, lines)


def _values_of_key(records: list, name: Any) -> list:
    return [record.get(name) for record in records]


def _column_of(frame: Any, name: Any) -> Any:
    """Return the rows of a column; numbers of classes of Hugging Face become their names, also in lists of them."""
    values, types = frame[name], getattr(frame, "features", None)
    kind = types.get(name) if isinstance(types, Mapping) else None
    label = getattr(kind, "feature", kind)
    names = getattr(label, "names", None)
    if names is None:
        return _values(values)

    def named(value: Any) -> Any:
        if isinstance(value, list | np.ndarray):
            return [named(item) for item in value]
        return names[int(value)] if isinstance(value, Integral) and 0 <= int(value) < len(names) else None

    return [named(value) for value in values]


def _ordered(value: Any) -> Any:
    """Return a set as a sorted list: the order of sets differs from process to process, and resumed runs would, too."""
    return sorted(value, key=str) if isinstance(value, set | frozenset) else value


def _values(column: Any) -> Any:
    """Return the rows of a column of any library as something that is indexed by row."""
    for method in ("to_pylist", "to_list", "asnumpy"):  # pyarrow; pandas and polars; MXNet
        if hasattr(column, method):
            column = getattr(column, method)()
    if hasattr(column, "tolist") and getattr(column, "ndim", 0) == 1:
        return column.tolist()
    return list(column) if isinstance(column, tuple) else column

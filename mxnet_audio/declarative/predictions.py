"""Tables of predictions with Ludwig's names of columns, as CSV, JSON lines or Parquet."""

from __future__ import annotations

import csv
import importlib.util
import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import date, time
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mxnet_audio.atomic import replacing
from mxnet_audio.checks import path_argument
from mxnet_audio.datasets.missing import is_missing
from mxnet_audio.declarative.table import Table, read_table
from mxnet_audio.errors import AudioError, ParameterError

if TYPE_CHECKING:
    from mxnet_audio.declarative.model import AudioModel
    from mxnet_audio.declarative.outputs import RowPrediction

__all__ = ["ERROR", "check_table_path", "prediction_columns", "set_separators", "write_table"]

ERROR = "error"  # column with the reason why a row could not be used

Columns = Mapping[str, Sequence[Any]]


def prediction_columns(model: AudioModel, dataset: Any, predictions: Sequence[RowPrediction]) -> dict[str, list[Any]]:
    """Return a table of predictions: the columns of the data set, those of each output, and an error.

    Parameters
    ----------
    model : AudioModel
    dataset : path, pandas.DataFrame, datasets.Dataset, mapping of columns, or list of mappings
        Data set that was predicted. Its columns come first, except for those of sounds in memory, vectors and the like.
        One that is named like a column of the predictions is replaced.
    predictions : sequence of RowPrediction
        Result of ``model.predict(dataset)``.

    Returns
    -------
    dict of str to list
        Columns of as many values as the data set has rows. An output ``y`` has the columns

        - ``y_predictions``: the class, the number, the flag, or the list of classes of a set;
        - ``y_probabilities_<class>`` for each class; numbers have none;
        - ``y_probability``: that of the predicted class; numbers and sets have none.

        The last column, ``error``, has the reason why a row could not be used. The predictions of such rows are None.

    Raises
    ------
    DatasetError
        If the data set cannot be read.
    ParameterError
        If there are not as many predictions as rows.

    Examples
    --------
    >>> import pandas
    >>> model = AudioModel.load("results")                                             # doctest: +SKIP
    >>> pandas.DataFrame(prediction_columns(model, frame, model.predict(frame)))       # doctest: +SKIP
    """
    table = read_table(dataset)
    if len(predictions) != len(table):
        raise ParameterError(f"predictions must be one for each of the {len(table)} rows, got {len(predictions)}")
    columns = _own_columns(
        table, {feature.column for feature in model.config.input_features if feature.type == "audio"}
    )
    for feature in model.config.output_features:
        found = [prediction.outputs.get(feature.name) for prediction in predictions]
        labels = getattr(model.columns[feature.name], "labels", [])
        values = [None if one is None else one.value for one in found]
        if feature.type == "set":
            values = [None if value is None else [label for label in labels if label in value] for value in values]
        columns[f"{feature.name}_predictions"] = values
        shares = [{} if one is None else one.probabilities or {} for one in found]
        for label in labels:
            columns[f"{feature.name}_probabilities_{label}"] = [share.get(label) for share in shares]
        if feature.type in ("category", "binary"):
            columns[f"{feature.name}_probability"] = [share.get(value) for share, value in zip(shares, values)]
    columns.pop(ERROR, None)
    errors = (prediction.error for prediction in predictions)
    return {**columns, ERROR: [None if error is None else " ".join(str(error).split()) for error in errors]}


def set_separators(model: AudioModel) -> dict[str, str]:
    """Return the text between the labels of a set, by the name of the column of its predictions.

    A set whose tokenizer is ``json``, or with a label that contains the text, has none.
    """
    outputs = (feature.name for feature in model.config.output_features if feature.type == "set")
    separators = {f"{name}_predictions": model.columns[name].separator for name in outputs}
    return {name: separator for name, separator in separators.items() if separator is not None}


def check_table_path(path: str | os.PathLike) -> Path:
    """Check that a table can be written in the format that the suffix of a path names.

    Raises
    ------
    AudioError
        If its folder is missing or cannot be written to.
    ParameterError
        If `path` is not a path, a folder, or of another suffix, or pyarrow is missing, which writes Parquet.
    """
    path = path_argument("path", path)
    suffix = path.suffix.lower()
    if suffix not in _WRITERS:
        raise ParameterError(f"expected a name ending in {', '.join(_WRITERS)}, got {path.name!r}")
    if suffix == ".parquet" and importlib.util.find_spec("pyarrow") is None:
        raise ParameterError("Parquet needs pyarrow, which is not installed: pip install 'pyarrow<26', or write .csv")
    if path.is_dir():
        raise ParameterError(f"expected a file, got the folder {path}")
    if not os.access(path.parent, os.W_OK):
        raise AudioError("no permission to write" if path.parent.is_dir() else "no such folder", path.parent)
    return path


def write_table(columns: Columns, path: str | os.PathLike, separators: Mapping[str, str] | None = None) -> None:
    """Write a table, completely or not at all.

    Parameters
    ----------
    columns : mapping of str to sequence
        Columns of the same length, such as the result of `prediction_columns`.
    path : str or os.PathLike
        File of type ``.csv``, ``.jsonl`` or ``.parquet``. In CSV, missing values are empty cells, and lists are written
        as JSON.
    separators : mapping of str to str, optional
        Text that joins the lists of a column in CSV, such as ``{"tags_predictions": "|"}``, instead of JSON; an empty
        list is an empty cell. See `set_separators`.

    Raises
    ------
    AudioError
        If the file cannot be written.
    ParameterError
        If the file is of another type, or pyarrow is missing, which writes Parquet.

    Examples
    --------
    >>> path = getfixture('tmp_path') / 'predictions.csv'
    >>> write_table({'path': ['a.wav', 'b.wav'], 'tags_predictions': [['dog', 'rain'], None]}, path)
    >>> print(path.read_text())
    path,tags_predictions
    a.wav,"[""dog"", ""rain""]"
    b.wav,
    >>> write_table({'tags_predictions': [['dog', 'rain']]}, path, {'tags_predictions': '|'})
    >>> print(path.read_text())
    tags_predictions
    dog|rain
    """
    path = check_table_path(path)
    if path.suffix.lower() == ".csv":
        columns = {name: _joined(values, (separators or {}).get(name)) for name, values in columns.items()}
    try:
        with replacing(path) as temporary:
            _WRITERS[path.suffix.lower()](columns, temporary)
    except OSError as error:
        raise AudioError(f"cannot be written ({error.strerror or error})", path) from error


def _own_columns(table: Table, sounds: set[str]) -> dict[str, list[Any]]:
    """Return the columns of a table that hold texts, numbers, flags, dates, or lists of labels."""
    columns = {}
    for name in table.names:
        values: list[Any] = []
        for value in table.rows_of(name):  # sounds may be decoded one by one: stop at the first
            value = None if is_missing(value) else value
            if not (isinstance(value, str | None) if name in sounds else _is_plain(value)):
                break
            values.append(value)
        else:
            columns[name] = values
    return columns


def _is_plain(value: Any) -> bool:
    if isinstance(value, list):
        return all(isinstance(item, str | int) for item in value)
    return isinstance(value, str | Real | date | time | None)


def _text(value: Any) -> str:
    """Return a value as text that UTF-8 can hold, which names of files need not be."""
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, list) else str(value)
    return text.encode("utf-8", "backslashreplace").decode()


def _joined(values: Sequence[Any], separator: str | None) -> Sequence[Any]:
    """Return a column whose lists are joined as text."""
    if separator is None:
        return values
    return [separator.join(map(str, value)) if isinstance(value, list) else value for value in values]


def _write_csv(columns: Columns, path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(map(_text, columns))
        rows.writerows(["" if value is None else _text(value) for value in row] for row in zip(*columns.values()))


def _write_json_lines(columns: Columns, path: Path) -> None:
    with path.open("w", encoding="utf-8", errors="backslashreplace") as file:
        for row in zip(*columns.values()):
            record = dict(zip(columns, map(_json_value, row)))
            file.write(json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n")


def _json_value(value: Any) -> Any:
    """Return a value of a type that JSON has; infinity, which it has not, becomes None."""
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, str | int | list | None) else str(value)


def _write_parquet(columns: Columns, path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    def array(values: Sequence[Any]) -> Any:
        try:
            found = pyarrow.array(values)
        except (pyarrow.ArrowException, OverflowError, UnicodeError):  # values of several types, large integers, …
            found = pyarrow.array([None if value is None else _text(value) for value in values])
        return found.cast(pyarrow.string()) if found.type == pyarrow.null() else found

    table = pyarrow.table({_text(name): array(values) for name, values in columns.items()})
    pyarrow.parquet.write_table(table, path)


_WRITERS: dict[str, Callable[[Columns, Path], None]] = {
    ".csv": _write_csv,
    ".jsonl": _write_json_lines,
    ".parquet": _write_parquet,
}

"""Columns of sounds and of labels: sounds are fetched row by row, labels become class indices."""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np

from mxnet_audio.audio.source import naming_errors, resolve, source_identity
from mxnet_audio.checks import iterable_argument
from mxnet_audio.datasets.missing import CONSTANT, fill_rows, is_missing
from mxnet_audio.errors import DatasetError, ParameterError

__all__ = ["Sources", "align", "class_indices", "class_names", "column_of"]


class Sources(Sequence):
    """Column of sounds; each is fetched when it is indexed.

    Parameters
    ----------
    values : sequence
        Anything with a length and rows: a list of whatever `audio.load` takes, a pandas Series, a column of a
        Hugging Face data set, a NumPy array or NDArray [shape=(clips, n) or (clips, channels, n)].
    sr : int > 0, optional [Hz]
        Rate of bare arrays: such a row becomes ``(array, sr)``.
    missing_value_strategy, fill_value : optional
        As for `fill_missing`. Lists and arrays are searched for missing entries at once; columns that are fetched
        lazily only if a strategy is given.

    Attributes
    ----------
    values : sequence
    rows : sequence of int
        For each item, the row of `values` that it comes from; -1 for `fill_value`.

    Raises
    ------
    DatasetError
        If these are not rows, or an entry is missing.

    Examples
    --------
    >>> Sources(["a.wav", None, "b.wav"], missing_value_strategy="ffill")[1]
    'a.wav'
    """

    def __init__(
        self,
        values: Any,
        sr: int | None = None,
        missing_value_strategy: str | None = None,
        fill_value: Any = None,
    ):
        self.values = _rows(values)
        self._sr, self._fill_value = sr, fill_value
        if _is_numeric(self.values) or not (missing_value_strategy or isinstance(self.values, list | np.ndarray)):
            self.rows: Sequence[int] = range(len(self.values))
        else:
            mode = missing_value_strategy == "fill_with_mode"
            keys = [
                None if is_missing(value) else not mode or self._key(value, row)
                for row, value in enumerate(self.values)
            ]
            self.rows = fill_rows(keys, missing_value_strategy, fill_value)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Any) -> Any:
        row = self.rows[index]
        if row == CONSTANT:
            return self._with_rate(self._fill_value, "fill_value")
        try:
            value = self.values[row]
        except ImportError as error:  # Hugging Face decodes by libraries of its own choice
            reason = f"{error} Or give the column undecoded, as cast_column(name, Audio(decode=False)) makes it"
            raise DatasetError(reason, f"row {row}") from error
        if is_missing(value):
            raise DatasetError("the sound is missing: give it, or a missing_value_strategy", f"row {row}")
        return self._with_rate(value, f"row {row}")

    def take(self, indices: Sequence[int]) -> Sources:
        """Return some of the items as a column.

        Parameters
        ----------
        indices : sequence of int

        Returns
        -------
        Sources
        """
        part = object.__new__(Sources)
        vars(part).update(vars(self), rows=[self.rows[index] for index in indices])
        return part

    def _with_rate(self, value: Any, name: str) -> Any:
        if isinstance(value, str) or not (isinstance(value, list) or getattr(value, "ndim", 0) > 0):
            return value
        if self._sr is None:
            raise DatasetError("an array of samples has no rate: give (array, rate), or sr= for all", name)
        return value, self._sr

    def _key(self, value: Any, row: int) -> Hashable:
        """Return a key that is equal for equal sounds, also for a file that does not exist."""
        with naming_errors(f"row {row}"):
            value = self._with_rate(value, f"row {row}")
            target = value if hasattr(value, "identity") else resolve(value)
            return os.fspath(target) if isinstance(target, str | os.PathLike) else source_identity(target)


def align(
    values: Any,
    labels: Any = None,
    sr: int | None = None,
    missing_value_strategy: str | None = None,
    fill_value: Any = None,
) -> tuple[Sources, list | None]:
    """Match sounds and labels row by row.

    Parameters
    ----------
    values, sr, missing_value_strategy, fill_value
        As for `Sources`; 'drop_row' also drops rows without a label.
    labels : list, pandas Series, column, NumPy array or NDArray [shape=(n,)], optional

    Returns
    -------
    sources : Sources
    labels : list or None
        Label of each item of `sources`, as plain Python values; None without labels.

    Raises
    ------
    DatasetError
        As `Sources`; or if the lengths differ.

    Examples
    --------
    >>> sources, labels = align(["a.wav", None, "c.wav"], ["x", "y", None], missing_value_strategy="drop_row")
    >>> list(sources), labels
    (['a.wav'], ['x'])
    """
    sources = Sources(values, sr, missing_value_strategy, fill_value)
    if labels is None:
        return sources, None
    labels = labels.asnumpy() if hasattr(labels, "asnumpy") else labels
    labels = iterable_argument("labels", labels, "labels")
    labels = labels.tolist() if hasattr(labels, "tolist") else list(labels)
    count = len(sources.values)
    if len(labels) != count:
        raise DatasetError(f"{count} sounds and {len(labels)} labels: give one label for each sound")
    if missing_value_strategy == "drop_row":
        complete = [index for index, row in enumerate(sources.rows) if not is_missing(labels[row])]
        if labels and not complete:
            raise DatasetError("no row has both a sound and a label")
        sources = sources.take(complete)
        labels = [labels[row] for row in sources.rows]
    return sources, labels


def class_indices(labels: list, synsets: list[str] | None = None) -> tuple[np.ndarray, list[str] | None]:
    """Number the classes of labels.

    Parameters
    ----------
    labels : list of str or of int
        Whole numbers stay as they are.
    synsets : list of str, optional
        Classes in order; by default the sorted labels.

    Returns
    -------
    indices : np.ndarray [shape=(n,), dtype=int64]
    synsets : list of str or None
        None for numbers without names.

    Raises
    ------
    DatasetError
        If a label is missing, of another type, or not a class.

    Examples
    --------
    >>> class_indices(["rain", "dog", "rain"])
    (array([1, 0, 1]), ['dog', 'rain'])
    """
    for row, label in enumerate(labels):
        if is_missing(label):
            raise DatasetError("the label is missing", f"row {row}")
    if labels and all(isinstance(label, str) for label in labels):
        synsets = sorted(set(labels)) if synsets is None else synsets
        index_of = {name: index for index, name in enumerate(synsets)}
        if unknown := next((label for label in labels if label not in index_of), None):
            raise DatasetError(f"the label {unknown!r} is not one of the classes {', '.join(synsets)}")
        return np.array([index_of[label] for label in labels], dtype=np.int64), synsets
    # A column of numbers with missing entries has floats.
    if not all(isinstance(label, Real) and float(label).is_integer() for label in labels):
        types = sorted({type(label).__name__ for label in labels})
        raise DatasetError(f"labels must be all strings or all whole numbers, got {', '.join(types)}")
    indices = np.array(labels, dtype=np.int64)
    if synsets is not None and len(indices) and not 0 <= indices.min() <= indices.max() < len(synsets):
        raise DatasetError(f"labels from {indices.min()} to {indices.max()} do not fit {len(synsets)} classes")
    return indices, synsets


def column_of(table: Any, name: str) -> Any:
    """Return a column of a table.

    Parameters
    ----------
    table : pandas.DataFrame, datasets.Dataset or mapping
    name : str

    Returns
    -------
    sequence

    Raises
    ------
    DatasetError
        If this is not a table, or there is no such column.
    """
    try:
        return table[name]
    except TypeError:
        kind = type(table).__name__
        raise DatasetError(f"expected a table with columns, such as pandas.read_csv gives, got {kind}") from None
    except (KeyError, ValueError):
        columns = ", ".join(map(str, getattr(table, "column_names", None) or table))
        raise DatasetError(f"the table has no column {name!r}: there are {columns}") from None


def class_names(table: Any, name: str | None) -> list[str] | None:
    """Return the names of a column with class labels of Hugging Face (``ClassLabel``), None for other columns."""
    types = getattr(table, "features", None)
    return getattr(types.get(name), "names", None) if isinstance(types, Mapping) else None


def _rows(values: Any) -> Any:
    """Return something whose rows can be indexed by number."""
    if isinstance(values, str | bytes | os.PathLike | Mapping) or hasattr(values, "read"):
        raise ParameterError(f"sources must be a list of sounds, got a single {type(values).__name__}")
    if hasattr(values, "columns") or hasattr(values, "column_names"):
        raise ParameterError("sources is a table: use AudioDataset.from_table(table, source column, label column)")
    if hasattr(values, "to_numpy"):  # indexing a Series goes by its index, not by row
        values = values.to_numpy()
    if not (hasattr(values, "__getitem__") and hasattr(values, "__len__")):
        return list(iterable_argument("sources", values, "sounds"))
    if _is_numeric(values) and len(values.shape) < 2:
        raise ParameterError(f"sources must have a row of samples for each sound, got an array of shape {values.shape}")
    return list(values) if isinstance(values, tuple) else values


def _is_numeric(values: Any) -> bool:
    """Return True for an array of samples, in which no row can be missing."""
    return hasattr(values, "asnumpy") or (isinstance(values, np.ndarray) and values.dtype.kind in "iuf")

"""Columns: sounds, fetched row by row, and their labels."""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np

from mxnet_audio import audio
from mxnet_audio.audio.source import resolve
from mxnet_audio.datasets.missing import CONSTANT, fill_rows, is_missing
from mxnet_audio.errors import DatasetError

__all__ = ["Sources", "aligned", "classes", "listed"]


class Sources(Sequence):
    """Sounds by number; each is fetched from where it is kept when it is asked for.

    Parameters
    ----------
    values : sequence
        Anything with a length and rows: a list of whatever `audio.load` takes, a pandas Series, a column of a
        Hugging Face data set, a NumPy array or NDArray [shape=(clips, n) or (clips, channels, n)].
    sr : int > 0, optional [Hz]
        Rate of bare arrays: a row that is one becomes ``(array, sr)``.
    missing_value_strategy, fill_value : optional
        As for `fill_missing`. Which entries are missing is looked for at once, except in columns that are
        fetched lazily: those are looked through only if a strategy is given.

    Raises
    ------
    DatasetError
        These are no rows, or an entry is missing.

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
        if _is_numbers(self.values) or not (missing_value_strategy or isinstance(self.values, list | np.ndarray)):
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

    def __getitem__(self, index: int) -> Any:
        row = self.rows[index]
        if row == CONSTANT:
            return self._rated(self._fill_value, "fill_value")
        try:
            value = self.values[row]
        except ImportError as error:  # Hugging Face decodes by libraries of its own choice
            reason = f"{error} Or give the column undecoded, as cast_column(name, Audio(decode=False)) makes it"
            raise DatasetError(reason, f"row {row}") from error
        if is_missing(value):
            raise DatasetError("the sound is missing: give it, or a missing_value_strategy", f"row {row}")
        return self._rated(value, f"row {row}")

    def take(self, indices: Sequence[int]) -> Sources:
        """Some of them.

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

    def _rated(self, value: Any, name: str) -> Any:
        if isinstance(value, str) or not (isinstance(value, list) or getattr(value, "ndim", 0)):
            return value
        if self._sr is None:
            raise DatasetError("an array of samples says no rate: give (array, rate), or sr= for all", name)
        return value, self._sr

    def _key(self, value: Any, row: int) -> Hashable:
        """Equal for equal sounds; a file that is not there has one, too."""
        with audio.naming_errors(f"row {row}"):
            value = self._rated(value, f"row {row}")
            target = value if hasattr(value, "identity") else resolve(value)
            return os.fspath(target) if isinstance(target, str | os.PathLike) else audio.source_identity(target)


def aligned(
    values: Any,
    labels: Any = None,
    sr: int | None = None,
    missing_value_strategy: str | None = None,
    fill_value: Any = None,
) -> tuple[Sources, list | None]:
    """Bring sounds and labels together, row by row.

    Parameters
    ----------
    values, sr, missing_value_strategy, fill_value
        As for `Sources`; 'drop_row' drops rows without label, too.
    labels : as for `listed`, optional

    Returns
    -------
    sources : Sources
    labels : list or None
        One for each of `sources`; None without labels.

    Raises
    ------
    DatasetError
        As `Sources`; or lengths differ.

    Examples
    --------
    >>> sources, labels = aligned(["a.wav", None, "c.wav"], ["x", "y", None], missing_value_strategy="drop_row")
    >>> list(sources), labels
    (['a.wav'], ['x'])
    """
    sources = Sources(values, sr, missing_value_strategy, fill_value)
    if labels is None:
        return sources, None
    labels, count = listed(labels), len(sources.values)
    if len(labels) != count:
        raise DatasetError(f"{count} sounds and {len(labels)} labels: one for each is wanted")
    if missing_value_strategy == "drop_row":
        kept = [place for place, row in enumerate(sources.rows) if not is_missing(labels[row])]
        if labels and not kept:
            raise DatasetError("no row has both a sound and a label")
        sources = sources.take(kept)
        labels = [labels[row] for row in sources.rows]
    return sources, labels


def listed(values: Any) -> list:
    """A column of labels as a list of plain Python values.

    Parameters
    ----------
    values : list, pandas Series, column, NumPy array or NDArray [shape=(n,)]

    Returns
    -------
    list

    Examples
    --------
    >>> listed(np.array([1, 0]))
    [1, 0]
    """
    values = values.asnumpy() if hasattr(values, "asnumpy") else values
    return values.tolist() if hasattr(values, "tolist") else list(values)


def classes(labels: list, synsets: list[str] | None = None) -> tuple[np.ndarray, list[str] | None]:
    """Number the classes of labels.

    Parameters
    ----------
    labels : list of str or of int
        Whole numbers stay what they are.
    synsets : list of str, optional
        The classes in order; by default the labels, sorted.

    Returns
    -------
    indices : np.ndarray [shape=(n,), dtype=int64]
    synsets : list of str or None
        None for numbers without names.

    Raises
    ------
    DatasetError
        A label is missing, of another kind or none of the classes.

    Examples
    --------
    >>> classes(["rain", "dog", "rain"])
    (array([1, 0, 1]), ['dog', 'rain'])
    """
    for row, label in enumerate(labels):
        if is_missing(label):
            raise DatasetError("the label is missing", f"row {row}")
    if labels and all(isinstance(label, str) for label in labels):
        synsets = sorted(set(labels)) if synsets is None else synsets
        places = {name: place for place, name in enumerate(synsets)}
        if strange := next((label for label in labels if label not in places), None):
            raise DatasetError(f"the label {strange!r} is none of the classes {', '.join(synsets)}")
        return np.array([places[label] for label in labels], dtype=np.int64), synsets
    # A column of numbers with a gap comes as floats.
    if not all(isinstance(label, Real) and float(label).is_integer() for label in labels):
        kinds = sorted({type(label).__name__ for label in labels})
        raise DatasetError(f"labels are all strings or all whole numbers, not {', '.join(kinds)}")
    indices = np.array(labels, dtype=np.int64)
    if synsets is not None and len(indices) and not 0 <= indices.min() <= indices.max() < len(synsets):
        raise DatasetError(f"labels from {indices.min()} to {indices.max()} do not number {len(synsets)} classes")
    return indices, synsets


def _rows(values: Any) -> Any:
    """Something whose rows can be had by number."""
    if isinstance(values, str | bytes | os.PathLike | Mapping) or hasattr(values, "read"):
        raise DatasetError(f"expected a list of sounds, got one: {type(values).__name__}")
    if hasattr(values, "columns") or hasattr(values, "column_names"):
        raise DatasetError("this is a table: AudioDataset.from_table(table, column of sounds, column of labels)")
    if hasattr(values, "to_numpy"):  # a Series' own [] goes by its index
        values = values.to_numpy()
    if not (hasattr(values, "__getitem__") and hasattr(values, "__len__")):
        values = list(values)
    if _is_numbers(values) and len(values.shape) < 2:
        raise DatasetError(f"expected a row of samples for each sound, got an array of shape {values.shape}")
    return list(values) if isinstance(values, tuple) else values


def _is_numbers(values: Any) -> bool:
    """An array of samples, in which no row can be missing."""
    return hasattr(values, "asnumpy") or (isinstance(values, np.ndarray) and values.dtype.kind in "iuf")

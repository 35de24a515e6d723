"""Missing values of a column, and strategies to fill them, with the names of Ludwig and pandas."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from mxnet_audio.errors import DatasetError, ParameterError

__all__ = ["CONSTANT", "STRATEGIES", "fill_missing", "fill_rows", "is_missing"]

STRATEGIES = ("fill_with_const", "fill_with_mode", "bfill", "ffill", "drop_row")
#: Row number that stands for the constant `fill_value`.
CONSTANT = -1


def is_missing(value: Any) -> bool:
    """Return True if a value is missing: None, NaN, ``pandas.NA``, ``pandas.NaT`` or an empty string.

    Examples
    --------
    >>> [is_missing(value) for value in (None, float("nan"), "", 0, "a.wav")]
    [True, True, True, False, False]
    """
    if isinstance(value, float | np.floating):
        return bool(value != value)
    return value is None or (isinstance(value, str) and not value) or type(value).__name__ in ("NAType", "NaTType")


def fill_missing(values: Sequence, strategy: str | None, fill_value: Any = None) -> list:
    """Fill the missing values of a column.

    Parameters
    ----------
    values : sequence
        The column; hashable values for 'fill_with_mode'.
    strategy : {'fill_with_const', 'fill_with_mode', 'bfill', 'ffill', 'drop_row'} or None
        - 'fill_with_const': replace by `fill_value`.
        - 'fill_with_mode': replace by the most frequent value, the first of equally frequent ones.
        - 'bfill': replace by the next value; after the last value, by the last.
        - 'ffill': replace by the previous value; before the first value, by the first.
        - 'drop_row': remove the row.
        - None: raise DatasetError.
    fill_value : optional
        The constant of 'fill_with_const'.

    Returns
    -------
    list

    Raises
    ------
    DatasetError
        If a value is missing and there is no strategy (the error names the row), or all values are missing.
    ParameterError
        If the strategy is unknown, or 'fill_with_const' has no `fill_value`.

    References
    ----------
    Ludwig's ``missing_value_strategy``; `pandas.Series.bfill`, ``ffill`` and ``mode``.

    Examples
    --------
    >>> fill_missing([None, "a", None, "b", None], "bfill")
    ['a', 'a', 'b', 'b', 'b']
    >>> fill_missing([None, "a", None], "drop_row")
    ['a']
    """
    rows = fill_rows([None if is_missing(value) else value for value in values], strategy, fill_value)
    return [fill_value if row == CONSTANT else values[row] for row in rows]


def fill_rows(keys: Sequence[Hashable | None], strategy: str | None, fill_value: Any = None) -> list[int]:
    """Return the row from which each row is filled, without access to the values.

    Parameters
    ----------
    keys : sequence of hashable or None
        None for a missing value; for the mode, equal keys for equal values.
    strategy, fill_value
        See `fill_missing`.

    Returns
    -------
    list of int
        The number of a row, or `CONSTANT`, for each row that is kept.

    Raises
    ------
    DatasetError, ParameterError
        See `fill_missing`.

    Examples
    --------
    >>> fill_rows([None, 1, 1, None], "fill_with_const", "silence.wav")
    [-1, 1, 2, -1]
    """
    if strategy not in (*STRATEGIES, None):
        raise ParameterError(f"missing_value_strategy must be one of {', '.join(STRATEGIES)} or None, got {strategy!r}")
    if strategy == "fill_with_const" and is_missing(fill_value):
        raise ParameterError("missing_value_strategy 'fill_with_const' needs a fill_value")
    present = [row for row, key in enumerate(keys) if key is not None]
    if len(present) == len(keys) or (strategy == "drop_row" and present):
        return present
    if not present:
        raise DatasetError(f"all {len(keys)} entries are missing")
    if strategy is None:
        missing = next(row for row, key in enumerate(keys) if key is None)
        raise DatasetError("the entry is missing: give it, or a missing_value_strategy", f"row {missing}")
    if strategy == "fill_with_const":
        return [CONSTANT if key is None else row for row, key in enumerate(keys)]
    if strategy == "fill_with_mode":
        mode = Counter(keys[row] for row in present).most_common(1)[0][0]
        first = keys.index(mode)
        return [first if key is None else row for row, key in enumerate(keys)]
    backward = strategy == "bfill"
    last, rows = present[-1] if backward else present[0], []
    for row in range(len(keys))[:: -1 if backward else 1]:
        last = row if keys[row] is not None else last
        rows.append(last)
    return rows[::-1] if backward else rows

"""Entries that are missing from a column: by which strategy they are filled, in Ludwig's and pandas' words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Any

from mxnet_audio.errors import DatasetError

__all__ = ["CONSTANT", "STRATEGIES", "fill_missing", "fill_rows", "is_missing"]

STRATEGIES = ("fill_with_const", "fill_with_mode", "bfill", "ffill", "drop_row")
CONSTANT = -1  # in the place of a row's number: the constant stands there


def is_missing(value: Any) -> bool:
    """Whether an entry stands for nothing: None, NaN, ``pandas.NA`` or an empty string.

    Examples
    --------
    >>> [is_missing(value) for value in (None, float("nan"), "", 0, "a.wav")]
    [True, True, True, False, False]
    """
    if isinstance(value, float):
        return value != value
    return value is None or (isinstance(value, str) and not value) or type(value).__name__ == "NAType"


def fill_missing(values: Sequence, strategy: str | None, fill_value: Any = None) -> list:
    """Fill a column.

    Parameters
    ----------
    values : sequence
        Entries; hashable, for the mode.
    strategy : {'fill_with_const', 'fill_with_mode', 'bfill', 'ffill', 'drop_row'} or None
        The constant; the most frequent entry (of equals the first); the next that is there, after the last one
        the last; the one before, ahead of the first one the first; none: the row goes. None: it is an error.
    fill_value : optional
        The constant, for 'fill_with_const' alone.

    Returns
    -------
    list

    Raises
    ------
    DatasetError
        An entry is missing and there is no strategy (the error names the row), all are missing, the strategy is
        unknown, or its constant is missing.

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
    """Say which row's entry stands in each row, without touching the entries.

    Parameters
    ----------
    keys : sequence of hashable or None
        None where an entry is missing; for the mode, equal keys for equal entries.
    strategy, fill_value
        As for `fill_missing`.

    Returns
    -------
    list of int
        For each row that stays, a row's number, or `CONSTANT`.

    Raises
    ------
    DatasetError
        As `fill_missing`.

    Examples
    --------
    >>> fill_rows([None, 1, 1, None], "fill_with_const", "silence.wav")
    [-1, 1, 2, -1]
    """
    if strategy not in (*STRATEGIES, None):
        raise DatasetError(f"missing_value_strategy is one of {', '.join(STRATEGIES)} or None, not {strategy!r}")
    if strategy == "fill_with_const" and is_missing(fill_value):
        raise DatasetError("fill_with_const needs a fill_value")
    there = [row for row, key in enumerate(keys) if key is not None]
    if len(there) == len(keys) or (strategy == "drop_row" and there):
        return there
    if not there:
        raise DatasetError(f"all {len(keys)} entries are missing")
    if strategy is None:
        gone = next(row for row, key in enumerate(keys) if key is None)
        raise DatasetError("the entry is missing: give it, or a missing_value_strategy", f"row {gone}")
    if strategy == "fill_with_const":
        return [CONSTANT if key is None else row for row, key in enumerate(keys)]
    if strategy == "fill_with_mode":
        often = Counter(keys[row] for row in there).most_common(1)[0][0]
        first = keys.index(often)
        return [first if key is None else row for row, key in enumerate(keys)]
    backward = strategy == "bfill"
    last, rows = there[-1] if backward else there[0], []
    for row in range(len(keys))[:: -1 if backward else 1]:
        last = row if keys[row] is not None else last
        rows.append(last)
    return rows[::-1] if backward else rows

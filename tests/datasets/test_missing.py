"""Filling of missing entries, beside pandas."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxnet_audio.datasets.missing import STRATEGIES, fill_missing, fill_rows, is_missing
from mxnet_audio.errors import DatasetError

columns = st.lists(st.sampled_from(["a", "b", "c", None]), min_size=1).filter(any)


def test_what_is_missing():
    assert all(map(is_missing, (None, float("nan"), np.nan, np.float64("nan"), pd.NA, "", np.str_(""))))
    there = (0, 0.0, "a", b"", False, [], {}, np.zeros(2), np.float64(1), pd.Timestamp(0))
    assert not any(map(is_missing, there))


@given(columns)
def test_next_and_previous_as_in_pandas(column):
    series = pd.Series(column, dtype=object)
    assert fill_missing(column, "bfill") == series.bfill().ffill().tolist()
    assert fill_missing(column, "ffill") == series.ffill().bfill().tolist()


@given(columns)
def test_constant_and_dropped_as_in_pandas(column):
    series = pd.Series(column, dtype=object)
    assert fill_missing(column, "fill_with_const", "z") == series.fillna("z").tolist()
    assert fill_missing(column, "drop_row") == series.dropna().tolist()


@given(columns)
def test_mode_as_in_pandas_and_the_first_of_equals(column):
    modes = set(pd.Series(column, dtype=object).mode())
    first = next(value for value in column if value in modes)
    assert fill_missing(column, "fill_with_mode") == [value or first for value in column]


@given(st.lists(st.sampled_from(["a", "b"])), st.sampled_from([*STRATEGIES, None]))
def test_nothing_missing_is_left_alone(column, strategy):
    assert fill_missing(column, strategy, "z") == column


def test_rows_say_whose_entry_it_is():
    assert fill_rows([None, "b", None, "b", "a", None], "bfill") == [1, 1, 3, 3, 4, 4]
    assert fill_rows([None, "b", None, "b", "a", None], "ffill") == [1, 1, 1, 3, 4, 4]
    assert fill_rows(["a", None, "b", "b"], "fill_with_mode") == [0, 2, 2, 3]


def test_what_is_wrong_is_said():
    with pytest.raises(DatasetError, match="row 1: the entry is missing"):
        fill_missing(["a", None, "b", None], None)
    for strategy in STRATEGIES:
        with pytest.raises(DatasetError, match="all 2 entries are missing"):
            fill_missing([None, float("nan")], strategy, "z")
    with pytest.raises(DatasetError, match="needs a fill_value"):
        fill_missing(["a", None], "fill_with_const")
    with pytest.raises(DatasetError, match=r"one of fill_with_const, .*, not 'backfill'"):
        fill_missing(["a"], "backfill")

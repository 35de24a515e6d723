"""Test the strategies for missing values against pandas."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxnet_audio.datasets.missing import STRATEGIES, fill_missing, fill_rows, is_missing
from mxnet_audio.errors import DatasetError, ParameterError

columns = st.lists(st.sampled_from(["a", "b", "c", None]), min_size=1).filter(any)


def test_is_missing():
    assert all(map(is_missing, (None, float("nan"), np.nan, np.float64("nan"), pd.NA, "", np.str_(""))))
    present = (0, 0.0, "a", b"", False, [], {}, np.zeros(2), np.float64(1), pd.Timestamp(0))
    assert not any(map(is_missing, present))


@given(columns)
def test_bfill_and_ffill_match_pandas(column):
    series = pd.Series(column, dtype=object)
    assert fill_missing(column, "bfill") == series.bfill().ffill().tolist()
    assert fill_missing(column, "ffill") == series.ffill().bfill().tolist()


@given(columns)
def test_constant_and_drop_row_match_pandas(column):
    series = pd.Series(column, dtype=object)
    assert fill_missing(column, "fill_with_const", "z") == series.fillna("z").tolist()
    assert fill_missing(column, "drop_row") == series.dropna().tolist()


@given(columns)
def test_mode_matches_pandas_and_is_the_first_of_equally_frequent_values(column):
    modes = set(pd.Series(column, dtype=object).mode())
    first = next(value for value in column if value in modes)
    assert fill_missing(column, "fill_with_mode") == [value or first for value in column]


@given(st.lists(st.sampled_from(["a", "b"])), st.sampled_from([*STRATEGIES, None]))
def test_complete_columns_are_unchanged(column, strategy):
    assert fill_missing(column, strategy, "z") == column


def test_fill_rows_returns_row_numbers():
    assert fill_rows([None, "b", None, "b", "a", None], "bfill") == [1, 1, 3, 3, 4, 4]
    assert fill_rows([None, "b", None, "b", "a", None], "ffill") == [1, 1, 1, 3, 4, 4]
    assert fill_rows(["a", None, "b", "b"], "fill_with_mode") == [0, 2, 2, 3]


def test_errors():
    with pytest.raises(DatasetError, match="row 1: "):
        fill_missing(["a", None, "b", None], None)
    for strategy in STRATEGIES:
        with pytest.raises(DatasetError, match="all 2 "):
            fill_missing([None, float("nan")], strategy, "z")
    with pytest.raises(ParameterError, match="fill_value"):
        fill_missing(["a", None], "fill_with_const")
    with pytest.raises(ParameterError, match=r"fill_with_const, .* got 'backfill'"):
        fill_missing(["a"], "backfill")

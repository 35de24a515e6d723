"""Test measures of predicted numbers against values by hand and scikit-learn."""

import json

import numpy as np
import pytest

from mxnet_audio.errors import DatasetError, ParameterError
from mxnet_audio.metrics import RegressionReport, regression_report


def test_report_by_hand():
    report = regression_report([1.0, 2.0, 6.0], [1.0, 3.0, 5.0])
    assert report.mae == pytest.approx(2 / 3)
    assert report.rmse == pytest.approx(np.sqrt(2 / 3))
    assert report.r2 == pytest.approx(1 - 2 / 14)  # the mean is 3: squares of 2, 1 and 3
    assert report.n == 3


def test_perfect_and_mean_predictions():
    assert regression_report([1, 2, 3], [1, 2, 3]) == RegressionReport(0.0, 0.0, 1.0, 3)
    assert regression_report([1, 2, 3], [2, 2, 2]).r2 == pytest.approx(0)


@pytest.mark.parametrize("targets", [[4.0, 4.0], [4.0]], ids=["constant", "one"])
def test_r2_of_equal_numbers_is_undefined(targets):
    report = regression_report(targets, np.add(targets, 1))
    assert np.isnan(report.r2)
    assert json.loads(json.dumps(report.to_dict(), allow_nan=False)) == {
        "mae": 1.0,
        "rmse": 1.0,
        "r2": None,
        "n": len(targets),
    }


def test_bad_numbers_are_refused():
    for targets, predictions in [
        ([1, 2], [1]),
        ([[1, 2]], [[1, 2]]),
        ([1, np.nan], [1, 2]),
        ([1, 2], [1, np.inf]),
        ([1, 2], [1, 1e200]),
        (["a"], [1]),
        (None, [1]),
    ]:
        with pytest.raises(ParameterError):
            regression_report(targets, predictions)
    with pytest.raises(DatasetError):
        regression_report([], [])

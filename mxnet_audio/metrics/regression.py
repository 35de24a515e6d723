"""Measures of predicted numbers: errors and the share of the variance that is explained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mxnet_audio.errors import DatasetError, ParameterError

__all__ = ["RegressionReport", "regression_report"]


@dataclass(frozen=True)
class RegressionReport:
    """Errors of predicted numbers.

    Parameters
    ----------
    mae : float
        Mean absolute error, in the unit of the numbers.
    rmse : float
        Root of the mean squared error, in the unit of the numbers.
    r2 : float
        Coefficient of determination: 1 for perfect predictions, 0 for those that are always the mean; NaN if all true
        numbers are equal.
    n : int
        Number of predictions.

    Examples
    --------
    >>> print(regression_report([1.0, 2.0, 6.0], [1.0, 3.0, 5.0]))
    mean absolute error  0.6667
    RMSE                 0.8165
    R2                   0.857
    n                    3
    """

    mae: float
    rmse: float
    r2: float
    n: int

    def to_dict(self) -> dict[str, Any]:
        """Return the report as numbers that JSON can hold; None for an R2 that is undefined."""
        return {"mae": self.mae, "rmse": self.rmse, "r2": None if np.isnan(self.r2) else self.r2, "n": self.n}

    def __str__(self) -> str:
        return "\n".join(
            [
                f"mean absolute error  {self.mae:.4g}",
                f"RMSE                 {self.rmse:.4g}",
                f"R2                   {self.r2:.3f}",
                f"n                    {self.n}",
            ]
        )


def regression_report(
    targets: Sequence[float] | np.ndarray, predictions: Sequence[float] | np.ndarray
) -> RegressionReport:
    """Compare predicted numbers with the true ones.

    Parameters
    ----------
    targets, predictions : sequence [n] of float
        Finite numbers, of magnitudes up to 1e100.

    Returns
    -------
    RegressionReport

    Raises
    ------
    DatasetError
        If there are no numbers.
    ParameterError
        If they differ in length, have more than one axis, or one is not finite or larger.

    See Also
    --------
    sklearn.metrics.r2_score : the implementation of R2

    Examples
    --------
    >>> regression_report([1.0, 2.0], [1.5, 2.5]).mae
    0.5
    """
    true, predicted = _vector("targets", targets), _vector("predictions", predictions)
    if true.shape != predicted.shape:
        raise ParameterError(f"targets and predictions must have the same length, got {len(true)} and {len(predicted)}")
    if not len(true):
        raise DatasetError("there are no numbers to evaluate")
    from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score  # 0.4 s

    constant = bool((true == true[0]).all())
    return RegressionReport(
        mae=float(mean_absolute_error(true, predicted)),
        rmse=float(np.sqrt(mean_squared_error(true, predicted))),
        r2=float("nan") if constant else float(r2_score(true, predicted)),
        n=len(true),
    )


def _vector(name: str, values: Any) -> np.ndarray:
    try:
        numbers = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ParameterError(f"{name} must be numbers: {error}") from None
    if numbers.ndim != 1:
        raise ParameterError(f"{name} must have one axis, got shape {numbers.shape}")
    if not (np.abs(numbers) <= 1e100).all():  # squares of larger ones overflow
        raise ParameterError(f"{name} must be finite numbers of magnitudes up to 1e100")
    return numbers

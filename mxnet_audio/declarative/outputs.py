"""Outputs of a declarative run by type: losses, measures, predictions and reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.special import expit, softmax

from mxnet_audio.engine import gluon, nd
from mxnet_audio.errors import AudioError, ParameterError
from mxnet_audio.metrics import (
    ClassificationReport,
    MultiLabelReport,
    RegressionReport,
    choose_thresholds,
    classification_report,
    multilabel_report,
    regression_report,
)

__all__ = ["OUTPUTS", "BinaryReport", "Output", "OutputPrediction", "RowPrediction"]

Skipped = tuple[str, Exception]  # name of a sound that was left out, and the reason
LARGEST = 1e100  # predicted number: squares of larger ones overflow


class OutputPrediction(NamedTuple):
    """Prediction of one output for one row.

    Attributes
    ----------
    value : int, float, str, bool, or set of int or str
        The class, the number, or the classes that apply.
    probabilities : dict or None
        Probability of each class; None for numbers.

    Examples
    --------
    >>> prediction = OutputPrediction("dog", {"cat": 0.25, "dog": 0.75})
    >>> prediction.probabilities[prediction.value]
    0.75
    """

    value: Any
    probabilities: dict[Any, float] | None = None


class RowPrediction(NamedTuple):
    """Predictions of one row.

    Attributes
    ----------
    outputs : dict of str to OutputPrediction
        Prediction of each output by its name; empty if the row could not be used.
    error : AudioError or None
        Reason why the row could not be used.

    Examples
    --------
    >>> rows = [RowPrediction({"label": OutputPrediction("dog")}), RowPrediction({}, AudioError("silent", "b.wav"))]
    >>> [row.outputs["label"].value if row.error is None else str(row.error) for row in rows]
    ['dog', 'b.wav: silent']
    """

    outputs: dict[str, OutputPrediction]
    error: AudioError | None = None


@dataclass(frozen=True, eq=False)
class BinaryReport(ClassificationReport):
    """Results of a binary output: those of two classes, and the area below the ROC curve.

    Parameters
    ----------
    labels, confusion, skipped
        As of `ClassificationReport`.
    roc_auc : float
        Area below the ROC curve of the second class; NaN if all rows are of one class.

    Examples
    --------
    >>> report = BinaryReport(["no", "yes"], np.array([[3, 1], [0, 4]]), roc_auc=0.9375)
    >>> report.accuracy, report.roc_auc
    (0.875, 0.9375)
    """

    roc_auc: float = float("nan")

    def to_dict(self) -> dict[str, Any]:
        """Return the report as lists, numbers and strings that JSON can hold; None for an area that is undefined."""
        return {**super().to_dict(), "roc_auc": None if np.isnan(self.roc_auc) else self.roc_auc}

    def __str__(self) -> str:
        return f"{super().__str__()}\nROC AUC {self.roc_auc:.3f}"


class Output:
    """Base of the outputs, one class for each type.

    Parameters
    ----------
    feature : OutputFeature
        Settings of the output.
    encoding : Encoding
        Encoding of its column.

    Raises
    ------
    ParameterError
        If the weight of a class is given that does not exist.

    Attributes
    ----------
    name : str
        Name of the output.
    weight : float
        Factor of its loss in the sum of all losses.
    units : int
        Number of scores of a row.
    thresholds : list of float or None
        Smallest probability of each class of a set that applies; None for other types.
    """

    def __init__(self, feature: Any, encoding: Any):
        self.feature, self.encoding = feature, encoding
        self.name, self.weight, self.units = feature.name, feature.loss.weight, encoding.width
        self.thresholds: list[float] | None = None
        for label in getattr(feature.loss, "class_weights", None) or ():
            if label not in map(str, encoding.labels):
                raise ParameterError(f"class_weights of {self.name!r}: {label!r} is none of the classes")

    def loss(self, scores: nd.NDArray, targets: nd.NDArray) -> nd.NDArray:
        """Compute the loss of each row [shape=(batch,)].

        Parameters
        ----------
        scores : NDArray [shape=(batch, units)]
        targets : NDArray [shape=(batch,), or (batch, classes) of a set]
        """
        raise NotImplementedError

    def measures(self, scores: np.ndarray, targets: np.ndarray) -> dict[str, float]:
        """Compute the measures of this type, except for the loss, of rows [n] as for `loss`."""
        raise NotImplementedError

    def choose_thresholds(self, scores: np.ndarray, targets: np.ndarray) -> None:
        """Choose the thresholds of a set by scores and targets of validation rows."""

    def predictions(self, scores: np.ndarray) -> list[OutputPrediction]:
        """Return the predictions of rows [n] by their scores [shape=(n, units)]."""
        raise NotImplementedError

    def report(self, scores: np.ndarray, targets: np.ndarray, skipped: Sequence[Skipped] = ()) -> Any:
        """Compare the predictions of rows with the true values."""
        raise NotImplementedError


class CategoryOutput(Output):
    """One class of several: softmax cross-entropy."""

    def loss(self, scores: nd.NDArray, targets: nd.NDArray) -> nd.NDArray:
        """Compute the cross-entropy of each row, by the weights of the classes if there are any."""
        loss = gluon.loss.SoftmaxCrossEntropyLoss()(scores, targets)
        weights = _class_weights(self, scores)
        return loss if weights is None else loss * weights.take(targets)

    def measures(self, scores: np.ndarray, targets: np.ndarray) -> dict[str, float]:
        """Compute accuracies, and the share of rows whose class is one of the `top_k` most probable ones.

        As in Ludwig, ``accuracy`` and ``hits_at_k`` are means over the classes, which count the same whatever their
        number of rows. A class that is predicted, but of no row, has the accuracy 0. ``accuracy_micro`` is the share of
        all rows that are right.
        """
        first = np.argsort(-scores, axis=1, kind="stable")[:, : self.feature.top_k]
        hits = first == targets[:, np.newaxis]
        right, classes = hits[:, 0], np.union1d(targets, first[:, 0])
        shares = [_share(right & (targets == label), targets == label) for label in classes]
        shares_at_k = [hits[targets == label].any(axis=1).mean() for label in np.unique(targets)]
        return {
            "accuracy": float(np.mean(shares)),
            "accuracy_micro": float(right.mean()),
            "hits_at_k": float(np.mean(shares_at_k)),
        }

    def predictions(self, scores: np.ndarray) -> list[OutputPrediction]:
        """Return the most probable classes."""
        labels, probabilities = self.encoding.labels, softmax(scores.astype(np.float64), axis=1)
        return [OutputPrediction(labels[row.argmax()], dict(zip(labels, row.tolist()))) for row in probabilities]

    def report(self, scores: np.ndarray, targets: np.ndarray, skipped: Sequence[Skipped] = ()) -> ClassificationReport:
        """Return the report of all classes."""
        true, predicted = (self.encoding.decode(numbers) for numbers in (targets, scores.argmax(axis=1)))
        return classification_report(true, predicted, self.encoding.labels, skipped)


class BinaryOutput(Output):
    """One of two classes: binary cross-entropy."""

    def loss(self, scores: nd.NDArray, targets: nd.NDArray) -> nd.NDArray:
        """Compute the cross-entropy of each row; that of the second class counts `positive_class_weight` times."""
        loss = gluon.loss.SigmoidBCELoss()(scores.reshape(-1), targets)
        weight = self.feature.loss.positive_class_weight
        return loss if weight is None else loss * (1 + (weight - 1) * targets)

    def measures(self, scores: np.ndarray, targets: np.ndarray) -> dict[str, float]:
        """Compute accuracy, precision, recall and specificity, and the area below the ROC curve."""
        true, predicted = targets > 0.5, self._probabilities(scores) >= self.feature.threshold
        return {
            "accuracy": float((true == predicted).mean()),
            "precision": _share(true & predicted, predicted),
            "recall": _share(true & predicted, true),
            "specificity": _share(~true & ~predicted, ~true),
            "roc_auc": _roc_auc(true, scores[:, 0]),
        }

    def predictions(self, scores: np.ndarray) -> list[OutputPrediction]:
        """Return the second class where its probability is `threshold` or more, else the first."""
        labels, values = self.encoding.labels, self._probabilities(scores)
        chosen = self.encoding.decode(values >= self.feature.threshold)
        pairs = zip(chosen, values.tolist())
        return [OutputPrediction(value, dict(zip(labels, (1 - share, share)))) for value, share in pairs]

    def report(self, scores: np.ndarray, targets: np.ndarray, skipped: Sequence[Skipped] = ()) -> BinaryReport:
        """Return the report of both classes."""
        predicted = self._probabilities(scores) >= self.feature.threshold
        true = self.encoding.decode(targets)
        report = classification_report(true, self.encoding.decode(predicted), self.encoding.labels, skipped)
        return BinaryReport(report.labels, report.confusion, report.skipped, _roc_auc(targets > 0.5, scores[:, 0]))

    @staticmethod
    def _probabilities(scores: np.ndarray) -> np.ndarray:
        return expit(scores[:, 0].astype(np.float64))


class NumberOutput(Output):
    """Number: squared or absolute error of the normalized numbers."""

    def loss(self, scores: nd.NDArray, targets: nd.NDArray) -> nd.NDArray:
        """Compute the error of each row."""
        errors = nd.abs(scores.reshape(-1) - targets)
        if self.feature.loss.type == "mean_absolute_error":
            return errors
        if self.feature.loss.type == "mean_squared_error":
            return errors.square()
        delta = self.feature.loss.delta
        return nd.where(errors <= delta, errors.square() / 2, delta * (errors - delta / 2))

    def measures(self, scores: np.ndarray, targets: np.ndarray) -> dict[str, float]:
        """Compute errors in the unit of the numbers, and R2."""
        report = self.report(scores, targets)
        return {
            "mean_absolute_error": report.mae,
            "mean_squared_error": report.rmse**2,
            "root_mean_squared_error": report.rmse,
            "r2": report.r2,
        }

    def predictions(self, scores: np.ndarray) -> list[OutputPrediction]:
        """Return the numbers."""
        return [OutputPrediction(value) for value in self._numbers(scores[:, 0]).tolist()]

    def report(self, scores: np.ndarray, targets: np.ndarray, skipped: Sequence[Skipped] = ()) -> RegressionReport:
        """Return the report of the errors."""
        return regression_report(self._numbers(targets), self._numbers(scores[:, 0]))

    def _numbers(self, array: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):
            values = np.array(self.encoding.decode(array))
        limits = self.feature.clip or (-LARGEST, LARGEST)
        return np.clip(values, *limits)


class SetOutput(Output):
    """Any number of classes: binary cross-entropy of each."""

    def __init__(self, feature: Any, encoding: Any):
        super().__init__(feature, encoding)
        threshold = feature.threshold
        self.thresholds = [0.5 if threshold is None else threshold] * self.units

    def loss(self, scores: nd.NDArray, targets: nd.NDArray) -> nd.NDArray:
        """Compute the mean cross-entropy of the classes of each row, by their weights if there are any."""
        weights = _class_weights(self, scores)
        return gluon.loss.SigmoidBCELoss()(scores, targets, None if weights is None else weights.reshape((1, -1)))

    def measures(self, scores: np.ndarray, targets: np.ndarray) -> dict[str, float]:
        """Compute the mean average precision, and, with a threshold of 0.5, the Jaccard index and both F1."""
        report = multilabel_report(targets > 0.5, expit(scores), self.encoding.labels, 0.5)
        true, predicted = targets > 0.5, scores >= 0
        union = (true | predicted).sum(axis=1)
        shares = np.where(union, (true & predicted).sum(axis=1) / np.maximum(union, 1), 1.0)
        return {
            "jaccard": float(shares.mean()),
            "mean_average_precision": report.mean_average_precision,
            "f1_micro": report.micro_f1,
            "f1_macro": report.macro_f1,
        }

    def choose_thresholds(self, scores: np.ndarray, targets: np.ndarray) -> None:
        """Choose the threshold of each class with the highest F1, unless the configuration gives one."""
        if self.feature.threshold is None:
            self.thresholds = choose_thresholds(targets > 0.5, expit(scores.astype(np.float64))).tolist()

    def predictions(self, scores: np.ndarray) -> list[OutputPrediction]:
        """Return the classes whose probability reaches their threshold."""
        labels, probabilities = self.encoding.labels, expit(scores.astype(np.float64))
        chosen = self.encoding.decode(probabilities >= np.array(self.thresholds))
        rows = zip(chosen, probabilities.tolist())
        return [OutputPrediction(set(value), dict(zip(labels, row))) for value, row in rows]

    def report(self, scores: np.ndarray, targets: np.ndarray, skipped: Sequence[Skipped] = ()) -> MultiLabelReport:
        """Return the report of all classes."""
        probabilities = expit(scores.astype(np.float64))
        return multilabel_report(targets > 0.5, probabilities, self.encoding.labels, np.array(self.thresholds), skipped)


OUTPUTS: dict[str, type[Output]] = {
    "category": CategoryOutput,
    "binary": BinaryOutput,
    "number": NumberOutput,
    "set": SetOutput,
}


def _class_weights(output: Output, scores: nd.NDArray) -> nd.NDArray | None:
    """Return the weights of the classes [shape=(classes,)], if the loss has any."""
    weights = output.feature.loss.class_weights
    if weights is None:
        return None
    return nd.array([weights.get(str(label), 1.0) for label in output.encoding.labels], ctx=scores.context)


def _share(part: np.ndarray, whole: np.ndarray) -> float:
    return float(part.sum() / max(1, whole.sum()))


def _roc_auc(true: np.ndarray, scores: np.ndarray) -> float:
    """Compute the area below the ROC curve; NaN if all rows are of one class."""
    from sklearn.metrics import roc_auc_score  # 0.4 s, which is not needed to import this module

    return float(roc_auc_score(true, scores)) if len(set(true.tolist())) == 2 else float("nan")

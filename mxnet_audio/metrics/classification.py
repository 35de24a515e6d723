"""Measures of classifiers and searches: accuracy, per-class report, confusion matrix, precision at k."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mxnet_audio.checks import whole_number
from mxnet_audio.errors import DatasetError, ParameterError

__all__ = ["ClassificationReport", "classification_report", "precision_at_k"]


@dataclass(frozen=True, eq=False)
class ClassificationReport:
    """Results of a classifier on labelled clips, class by class.

    Parameters
    ----------
    labels : sequence of str or int
        The classes, in the order of the rows and columns of ``confusion``.
    confusion : np.ndarray [shape=(n_classes, n_classes), dtype=int]
        ``confusion[true, predicted]``: number of clips of one class that were predicted as another.
    skipped : sequence of (path, error)
        Clips that could not be read; they count neither as right nor as wrong.

    Raises
    ------
    ParameterError
        If the shape of ``confusion`` does not fit the number of labels.

    Examples
    --------
    >>> report = classification_report(['cat', 'cat', 'dog'], ['cat', 'dog', 'dog'], labels=['cat', 'dog'])
    >>> print(report)
    class     precision  recall     f1  clips
    cat           1.000   0.500  0.667      2
    dog           0.500   1.000  0.667      1
    mean          0.750   0.750  0.667      3
    accuracy 0.667 (2 of 3 clips)
    """

    labels: Sequence[Hashable]
    confusion: np.ndarray
    skipped: Sequence[tuple[str, Exception]] = ()

    def __post_init__(self) -> None:
        labels = tuple(self.labels)
        confusion = np.asarray(self.confusion)
        expected = (len(labels), len(labels))
        if confusion.shape != expected:
            raise ParameterError(
                f"confusion must have shape {expected} for {len(labels)} labels, got {confusion.shape}"
            )
        object.__setattr__(self, "labels", labels)
        object.__setattr__(self, "confusion", confusion)
        object.__setattr__(self, "skipped", tuple(self.skipped))

    @property
    def n_clips(self) -> int:
        """Number of evaluated clips; skipped clips are not counted."""
        return int(self.confusion.sum())

    @property
    def accuracy(self) -> float:
        """Share of correctly classified clips, 0 to 1."""
        return float(np.trace(self.confusion) / self.n_clips)

    @property
    def per_class(self) -> list[dict[str, Any]]:
        """One dictionary per class: ``label``, ``precision``, ``recall``, ``f1`` and ``support`` (clips)."""
        from sklearn.metrics import precision_recall_fscore_support

        # Every cell of the matrix is one (true, predicted) pair, weighted by its count.
        true, predicted = np.indices(self.confusion.shape).reshape(2, -1)
        columns = precision_recall_fscore_support(
            true,
            predicted,
            labels=np.arange(len(self.labels)),
            sample_weight=self.confusion.ravel(),
            zero_division=0,
        )
        return [
            {"label": label, "precision": float(p), "recall": float(r), "f1": float(f), "support": int(n)}
            for label, p, r, f, n in zip(self.labels, *columns)
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return the report as lists, numbers and strings that JSON can hold."""
        return {
            "accuracy": self.accuracy,
            "n_clips": self.n_clips,
            "labels": [_python_scalar(label) for label in self.labels],
            "per_class": [{**row, "label": _python_scalar(row["label"])} for row in self.per_class],
            "confusion": self.confusion.tolist(),
            "skipped": [{"path": str(p), "reason": getattr(e, "reason", str(e))} for p, e in self.skipped],
        }

    def __str__(self) -> str:
        rows = self.per_class
        # Classes without a clip were not evaluated and would lower the means.
        evaluated = [row for row in rows if row["support"]]
        mean = {key: np.mean([row[key] for row in evaluated]) for key in ("precision", "recall", "f1")}
        rows.append({"label": "mean", **mean, "support": self.n_clips})
        width = max(8, *(len(str(row["label"])) for row in rows))
        lines = [f"{'class':<{width}}  precision  recall     f1  clips"]
        lines += [
            f"{row['label']!s:<{width}}  {row['precision']:9.3f}  {row['recall']:6.3f}  {row['f1']:5.3f}"
            f"  {row['support']:5d}"
            for row in rows
        ]
        correct = int(np.trace(self.confusion))
        lines.append(f"accuracy {self.accuracy:.3f} ({correct} of {self.n_clips} clips)")
        if self.skipped:
            lines.append(f"skipped {len(self.skipped)}:")
            lines += [f"  {path}: {getattr(error, 'reason', error)}" for path, error in self.skipped]
        return "\n".join(lines)


def classification_report(
    y_true: Iterable[Hashable],
    y_pred: Iterable[Hashable],
    labels: Sequence[Hashable],
    skipped: Sequence[tuple[str, Exception]] = (),
) -> ClassificationReport:
    """Compare predicted labels with the true ones.

    Parameters
    ----------
    y_true, y_pred : iterable of str or int
        The true and the predicted label of each clip.
    labels : sequence of str or int
        All classes, in the order of the report.
    skipped : sequence of (path, error)
        Clips that could not be read, listed in the report.

    Returns
    -------
    ClassificationReport

    Raises
    ------
    DatasetError
        If there are no clips, or a label is not among ``labels``.
    ParameterError
        If ``y_true`` and ``y_pred`` differ in length.

    Examples
    --------
    >>> classification_report(['cat', 'cat', 'dog'], ['cat', 'dog', 'dog'], ['cat', 'dog']).confusion
    array([[1, 1],
           [0, 1]])
    """
    # By index, so that ints, strings and NumPy's kinds of both can be classes of one model.
    index = {label: i for i, label in enumerate(labels)}
    try:
        true = [index[label] for label in y_true]
        predicted = [index[label] for label in y_pred]
    except KeyError as error:
        classes = ", ".join(map(str, labels))
        raise DatasetError(f"label {error.args[0]!r} is not one of the classes ({classes})") from None
    if len(true) != len(predicted):
        raise ParameterError(f"y_true and y_pred must have the same length, got {len(true)} and {len(predicted)}")
    if not true:
        reason = f": all {len(skipped)} were skipped, the first because {skipped[0][1]}" if skipped else ""
        raise DatasetError(f"there are no clips to evaluate{reason}")
    from sklearn.metrics import confusion_matrix  # 0.4 s, which is not needed to import this module

    return ClassificationReport(labels, confusion_matrix(true, predicted, labels=range(len(index))), skipped)


def precision_at_k(labels: Sequence[Hashable], neighbour_labels: Sequence[Sequence[Hashable]], k: int = 5) -> float:
    """Compute the mean share of each query's own class among its first ``k`` neighbours.

    Parameters
    ----------
    labels : sequence [n_queries]
        The class of each query; or a frozenset of classes, of which a right neighbour has one or more.
    neighbour_labels : sequence [n_queries] of sequences
        The classes of each query's neighbours, nearest first. If a query has fewer than ``k`` neighbours, the
        missing ones count as wrong.
    k : int > 0
        Number of neighbours to evaluate.

    Returns
    -------
    float
        Between 0 and 1.

    Raises
    ------
    ParameterError
        If ``k`` is below 1, there are no queries, or the two sequences differ in length.

    Examples
    --------
    >>> precision_at_k(['rain', 'dog'], [['rain', 'rain', 'sea'], ['sea', 'dog', 'dog']], k=2)
    0.75
    >>> precision_at_k([frozenset(['rain', 'dog'])], [[frozenset(['dog']), frozenset(['sea'])]], k=2)
    0.5
    """
    k = whole_number("k", k)
    if len(labels) != len(neighbour_labels) or not len(labels):
        raise ParameterError(
            "labels and neighbour_labels must have the same length of at least 1, "
            f"got {len(labels)} and {len(neighbour_labels)}"
        )
    hits = [sum(_agree(label, other) for other in others[:k]) for label, others in zip(labels, neighbour_labels)]
    return float(np.mean(hits) / k)


def _agree(label: Hashable, other: Hashable) -> bool:
    if isinstance(label, frozenset) and isinstance(other, frozenset):
        return not label.isdisjoint(other)
    return other == label


def _python_scalar(label: Hashable) -> Hashable:
    """Return the label as a Python int or str, which JSON can hold."""
    return label.item() if isinstance(label, np.generic) else label

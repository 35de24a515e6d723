"""How good the answers are: accuracy, the per-class report, the confusion matrix, precision at k.

No MXNet here: labels go in, figures come out.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from mxnet_audio.errors import DatasetError

__all__ = ["ClassificationReport", "classification_report", "precision_at_k"]


@dataclass(frozen=True, eq=False)
class ClassificationReport:
    """What a classifier got right and wrong, class by class.

    Parameters
    ----------
    labels : sequence of str or int
        The classes, in the order of the rows and columns of ``confusion``.
    confusion : np.ndarray [shape=(n_classes, n_classes), dtype=int]
        ``confusion[true, predicted]``: how many clips of one class were taken for another.
    skipped : sequence of (path, error)
        Clips that could not be read, and so count neither for nor against.

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
        if confusion.shape != (len(labels), len(labels)):
            raise ValueError(f"a confusion matrix of {len(labels)} labels cannot be of shape {confusion.shape}")
        object.__setattr__(self, "labels", labels)
        object.__setattr__(self, "confusion", confusion)
        object.__setattr__(self, "skipped", tuple(self.skipped))

    @property
    def n_clips(self) -> int:
        """Number of clips judged; what was skipped is not among them."""
        return int(self.confusion.sum())

    @property
    def accuracy(self) -> float:
        """Share of the clips that got their own label, 0 to 1."""
        return float(np.trace(self.confusion) / self.n_clips)

    @property
    def per_class(self) -> list[dict]:
        """One dictionary a class: ``label``, ``precision``, ``recall``, ``f1`` and ``support`` (clips)."""
        # Every cell of the matrix is one (true, predicted) pair, weighted by how often it occurred.
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

    def to_dict(self) -> dict:
        """Return the whole report in lists, numbers and strings, as JSON takes them."""
        return {
            "accuracy": self.accuracy,
            "n_clips": self.n_clips,
            "labels": [_plain(label) for label in self.labels],
            "per_class": [{**row, "label": _plain(row["label"])} for row in self.per_class],
            "confusion": self.confusion.tolist(),
            "skipped": [{"path": str(p), "reason": getattr(e, "reason", str(e))} for p, e in self.skipped],
        }

    def __str__(self) -> str:
        rows = self.per_class
        # Classes that no clip belongs to would drag the means down without having been tried.
        tried = [row for row in rows if row["support"]]
        mean = {key: np.mean([row[key] for row in tried]) for key in ("precision", "recall", "f1")}
        rows.append({"label": "mean", **mean, "support": self.n_clips})
        width = max(8, *(len(str(row["label"])) for row in rows))
        lines = [f"{'class':<{width}}  precision  recall     f1  clips"]
        lines += [
            f"{row['label']!s:<{width}}  {row['precision']:9.3f}  {row['recall']:6.3f}  {row['f1']:5.3f}"
            f"  {row['support']:5d}"
            for row in rows
        ]
        right = int(np.trace(self.confusion))
        lines.append(f"accuracy {self.accuracy:.3f} ({right} of {self.n_clips} clips)")
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
    """Compare what the clips are with what they were taken for.

    Parameters
    ----------
    y_true, y_pred : iterable of str or int
        The true and the predicted label of each clip.
    labels : sequence of str or int
        All classes, in the order that the report shall have.
    skipped : sequence of (path, error)
        Clips that could not be read, to be named in the report.

    Returns
    -------
    ClassificationReport

    Raises
    ------
    DatasetError
        If there is no clip to judge, or a label is not among ``labels``.
    """
    # Through positions, so that ints, strings and NumPy's kinds of both can be classes of one model.
    position = {label: i for i, label in enumerate(labels)}
    try:
        true = [position[label] for label in y_true]
        predicted = [position[label] for label in y_pred]
    except KeyError as error:
        known = ", ".join(map(str, labels))
        raise DatasetError(f"label {error.args[0]!r} is not one of the classes ({known})") from None
    if not true:
        reason = f": all {len(skipped)} were skipped, the first because {skipped[0][1]}" if skipped else ""
        raise DatasetError(f"no clip to judge{reason}")
    return ClassificationReport(labels, confusion_matrix(true, predicted, labels=range(len(position))), skipped)


def precision_at_k(labels: Sequence[Hashable], neighbour_labels: Sequence[Sequence[Hashable]], k: int = 5) -> float:
    """Return the mean share of the query's own class among its first ``k`` neighbours.

    Parameters
    ----------
    labels : sequence [n_queries]
        The class of each query.
    neighbour_labels : sequence [n_queries] of sequences
        The classes of each query's neighbours, nearest first. A neighbour missing among the first
        ``k`` counts as a wrong one.
    k : int > 0
        How many neighbours are looked at.

    Returns
    -------
    float
        Between 0 and 1.

    Raises
    ------
    ValueError
        If ``k`` is below 1, there is no query, or the two sequences differ in length.

    Examples
    --------
    >>> precision_at_k(['rain', 'dog'], [['rain', 'rain', 'sea'], ['sea', 'dog', 'dog']], k=2)
    0.75
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")
    if len(labels) != len(neighbour_labels) or not len(labels):
        raise ValueError(f"{len(labels)} queries with {len(neighbour_labels)} lists of neighbours")
    hits = [sum(other == label for other in others[:k]) for label, others in zip(labels, neighbour_labels)]
    return float(np.mean(hits) / k)


def _plain(label: Hashable) -> Hashable:
    """Return the label as Python's own int or str, which JSON knows."""
    return label.item() if isinstance(label, np.generic) else label

"""Measures of classifiers whose clips have several labels each, or none: average precision, F1, thresholds by class."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mxnet_audio.errors import AudioError, DatasetError, ParameterError

__all__ = ["MultiLabelReport", "average_precision", "choose_thresholds", "label_matrix", "multilabel_report"]


def label_matrix(label_sets: Iterable[Iterable[Hashable]], labels: Sequence[Hashable]) -> np.ndarray:
    """Return the labels of clips as a matrix with a row for each clip and a column for each class.

    Parameters
    ----------
    label_sets : iterable of sets of str or int
        The labels of each clip; an empty set for a clip without any.
    labels : sequence of str or int
        All classes, in the order of the columns.

    Returns
    -------
    np.ndarray [shape=(n_clips, n_classes), dtype=bool]

    Raises
    ------
    DatasetError
        If a label is not among ``labels``.
    ParameterError
        If the labels of a clip are text or a number and no set, or a class occurs twice in ``labels``.

    Examples
    --------
    >>> label_matrix([{'dog', 'rain'}, {'rain'}, set()], ['dog', 'rain']).astype(int)
    array([[1, 1],
           [0, 1],
           [0, 0]])
    """
    index = {label: i for i, label in enumerate(labels)}
    if len(index) != len(labels):
        raise ParameterError(f"labels must be distinct, got {list(labels)}")
    rows = []
    for label_set in label_sets:
        if isinstance(label_set, str | bytes) or not isinstance(label_set, Iterable):
            raise ParameterError(f"the labels of a clip must be a set, got {label_set!r}")
        row = np.zeros(len(index), bool)
        for label in label_set:
            if not isinstance(label, Hashable) or label not in index:
                raise DatasetError(f"label {label!r} is not one of the classes ({', '.join(map(str, labels))})")
            row[index[label]] = True
        rows.append(row)
    return np.array(rows, bool).reshape(len(rows), len(index))


def average_precision(targets: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Compute the average precision of each class: the area below its curve of precision over recall.

    Parameters
    ----------
    targets : np.ndarray [shape=(n_clips, n_classes), dtype=bool]
        True where a clip has the label; see :func:`label_matrix`.
    scores : np.ndarray [shape=(n_clips, n_classes)]
        Finite scores; higher for clips that rather have the label.

    Returns
    -------
    np.ndarray [shape=(n_classes,)], 0 to 1
        NaN for a class that no clip has.

    Raises
    ------
    ParameterError
        If the shapes differ or are not two-dimensional, a target is neither true nor false, or a score is not a finite
        number.

    See Also
    --------
    sklearn.metrics.average_precision_score : the implementation

    Examples
    --------
    >>> average_precision([[True, False], [False, False], [True, False]], [[0.9, 0.1], [0.6, 0.2], [0.4, 0.3]])
    array([0.83333333,        nan])
    """
    targets, scores = _checked(targets, scores)
    from sklearn.metrics import average_precision_score  # 0.4 s, which is not needed to import this module

    return np.array([average_precision_score(t, s) if t.any() else np.nan for t, s in zip(targets.T, scores.T)])


def choose_thresholds(targets: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Choose the threshold of each class that gives the highest F1 on these clips.

    A threshold lies half-way between the lowest accepted score and the next lower one, or 0, so that small numerical
    differences of the scores change no answer. If several thresholds give the same F1, it is the highest of them.

    Parameters
    ----------
    targets : np.ndarray [shape=(n_clips, n_classes), dtype=bool]
        True where a clip has the label; see :func:`label_matrix`.
    scores : np.ndarray [shape=(n_clips, n_classes)], 0 to 1
        Probabilities of the labels.

    Returns
    -------
    np.ndarray [shape=(n_classes,)], 0 to 1
        A clip gets the labels whose score is at least the threshold. 0.5 for a class that no clip has.

    Raises
    ------
    ParameterError
        If the shapes differ or are not two-dimensional, a target is neither true nor false, or a score is not between
        0 and 1.

    Examples
    --------
    >>> targets = [[True, False], [True, False], [False, False]]
    >>> choose_thresholds(targets, [[0.75, 0.125], [0.375, 0.25], [0.25, 0.5]])
    array([0.3125, 0.5   ])
    """
    targets, scores = _checked(targets, scores)
    if scores.size and (scores.min() < 0 or scores.max() > 1):
        raise ParameterError(f"scores must be between 0 and 1, got {scores.min():g} to {scores.max():g}")
    return np.array([_best_threshold(t, s) for t, s in zip(targets.T, scores.T)])


def _best_threshold(targets: np.ndarray, scores: np.ndarray) -> float:
    """Choose the threshold of one class; see `choose_thresholds`."""
    positives = np.sort(scores[targets])
    if not len(positives):
        return 0.5
    cuts = np.unique(scores)
    accepted = len(scores) - np.searchsorted(np.sort(scores), cuts)
    hits = len(positives) - np.searchsorted(positives, cuts)
    f1 = 2 * hits / (accepted + len(positives))
    best = int(np.flatnonzero(f1 == f1.max())[-1])
    return float((cuts[best] + (cuts[best - 1] if best else 0)) / 2)


@dataclass(frozen=True, eq=False)
class MultiLabelReport:
    """Results of a classifier on clips that have several labels each, or none.

    Parameters
    ----------
    labels : sequence of str or int
        The classes, in the order of the arrays below.
    thresholds : np.ndarray [shape=(n_classes,)]
        A clip was predicted to have the labels whose score is at least the threshold.
    true_positives, false_positives, false_negatives : np.ndarray [shape=(n_classes,), dtype=int]
        Number of clips that have the label and were predicted to have it, that only were predicted to have it, and that
        only have it.
    average_precision : np.ndarray [shape=(n_classes,)]
        Average precision, which does not depend on the threshold; NaN for a class that no clip has.
    n_clips : int
        Number of evaluated clips; skipped clips are not counted.
    n_exact : int
        Number of clips of which all labels were predicted, and no other.
    skipped : sequence of (path, error)
        Clips that could not be read.

    Raises
    ------
    ParameterError
        If an array has not one number for each label.

    Examples
    --------
    >>> targets = label_matrix([{'dog', 'rain'}, {'rain'}, {'dog'}, set()], ['dog', 'rain'])
    >>> scores = [[0.9, 0.8], [0.2, 0.6], [0.3, 0.5], [0.1, 0.4]]
    >>> print(multilabel_report(targets, scores, ['dog', 'rain'], thresholds=[0.5, 0.5]))
    class     threshold  precision  recall     f1     ap  clips
    dog           0.500      1.000   0.500  0.667  1.000      2
    rain          0.500      0.667   1.000  0.800  1.000      2
    mean                     0.833   0.750  0.733  1.000      4
    micro F1 0.750, macro F1 0.733, mean average precision 1.000
    all labels right 0.750 (3 of 4 clips)
    """

    labels: Sequence[Hashable]
    thresholds: np.ndarray
    true_positives: np.ndarray
    false_positives: np.ndarray
    false_negatives: np.ndarray
    average_precision: np.ndarray
    n_clips: int
    n_exact: int
    skipped: Sequence[tuple[str, Exception]] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", tuple(self.labels))
        object.__setattr__(self, "skipped", tuple(self.skipped))
        for name in ("thresholds", "true_positives", "false_positives", "false_negatives", "average_precision"):
            values = np.asarray(getattr(self, name))
            if values.shape != (len(self.labels),):
                raise ParameterError(f"{name} must have shape ({len(self.labels)},), got {values.shape}")
            object.__setattr__(self, name, values)

    @property
    def micro_f1(self) -> float:
        """F1 of all labels of all clips together, 0 to 1."""
        return float(_f1(self.true_positives.sum(), self.false_positives.sum(), self.false_negatives.sum()))

    @property
    def macro_f1(self) -> float:
        """Mean F1 of the classes that occur in the clips, 0 to 1; NaN if there are none."""
        return self._mean("f1")

    @property
    def mean_average_precision(self) -> float:
        """Mean average precision of the classes that occur in the clips, 0 to 1; NaN if there are none."""
        return self._mean("average_precision")

    @property
    def exact_matches(self) -> float:
        """Share of the clips of which all labels were predicted, and no other."""
        return self.n_exact / self.n_clips

    @property
    def per_class(self) -> list[dict[str, Any]]:
        """One dictionary per class.

        ``label``, ``threshold``, ``precision``, ``recall``, ``f1``, ``average_precision`` (NaN without clips),
        ``support`` (clips), ``true_positives``, ``false_positives`` and ``false_negatives``.
        """
        hits, support = self.true_positives, self.true_positives + self.false_negatives
        columns = {
            "label": [label.item() if isinstance(label, np.generic) else label for label in self.labels],
            "threshold": self.thresholds.tolist(),
            "precision": _ratio(hits, hits + self.false_positives).tolist(),
            "recall": _ratio(hits, support).tolist(),
            "f1": _f1(hits, self.false_positives, self.false_negatives).tolist(),
            "average_precision": self.average_precision.tolist(),
            "support": support.tolist(),
            "true_positives": hits.tolist(),
            "false_positives": self.false_positives.tolist(),
            "false_negatives": self.false_negatives.tolist(),
        }
        return [dict(zip(columns, row)) for row in zip(*columns.values())]

    def to_dict(self) -> dict[str, Any]:
        """Return the report as lists, numbers and strings that JSON can hold; None for a measure that is undefined."""
        return {
            "mean_average_precision": _json_number(self.mean_average_precision),
            "micro_f1": self.micro_f1,
            "macro_f1": _json_number(self.macro_f1),
            "exact_matches": self.exact_matches,
            "n_clips": self.n_clips,
            "labels": [row["label"] for row in self.per_class],
            "per_class": [
                {**row, "average_precision": _json_number(row["average_precision"])} for row in self.per_class
            ],
            "skipped": [{"path": str(p), "reason": getattr(e, "reason", str(e))} for p, e in self.skipped],
        }

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> MultiLabelReport:
        """Make a report from the result of `to_dict`.

        Raises
        ------
        KeyError, TypeError, ValueError
            If the dictionary lacks an entry, or one is wrong.
        """
        rows, n_clips = document["per_class"], int(document["n_clips"])
        return cls(
            document["labels"],
            np.array([row["threshold"] for row in rows], float),
            np.array([row["true_positives"] for row in rows], int),
            np.array([row["false_positives"] for row in rows], int),
            np.array([row["false_negatives"] for row in rows], int),
            np.array([row["average_precision"] for row in rows], float),  # None becomes NaN
            n_clips,
            round(document["exact_matches"] * n_clips),
            [(item["path"], AudioError(item["reason"], item["path"])) for item in document["skipped"]],
        )

    def __str__(self) -> str:
        width = max([8, *(len(str(label)) for label in self.labels)])
        lines = [f"{'class':<{width}}  threshold  precision  recall     f1     ap  clips"]
        lines += [
            f"{row['label']!s:<{width}}  {row['threshold']:9.3f}  {row['precision']:9.3f}  {row['recall']:6.3f}"
            f"  {row['f1']:5.3f}  {row['average_precision']:5.3f}  {row['support']:5d}"
            for row in self.per_class
        ]
        precision, recall, f1, ap = (self._mean(key) for key in ("precision", "recall", "f1", "average_precision"))
        lines.append(
            f"{'mean':<{width}}  {'':9}  {precision:9.3f}  {recall:6.3f}  {f1:5.3f}  {ap:5.3f}  {self.n_clips:5d}"
        )
        lines.append(
            f"micro F1 {self.micro_f1:.3f}, macro F1 {self.macro_f1:.3f}, "
            f"mean average precision {self.mean_average_precision:.3f}"
        )
        lines.append(f"all labels right {self.exact_matches:.3f} ({self.n_exact} of {self.n_clips} clips)")
        if self.skipped:
            lines.append(f"skipped {len(self.skipped)}:")
            lines += [f"  {path}: {getattr(error, 'reason', error)}" for path, error in self.skipped]
        return "\n".join(lines)

    def _mean(self, measure: str) -> float:
        # Classes without a clip were not evaluated and would lower the mean.
        values = [row[measure] for row in self.per_class if row["support"]]
        return float(np.mean(values)) if values else float("nan")


def multilabel_report(
    targets: np.ndarray,
    scores: np.ndarray,
    labels: Sequence[Hashable],
    thresholds: np.ndarray | float = 0.5,
    skipped: Sequence[tuple[str, Exception]] = (),
) -> MultiLabelReport:
    """Compare the predicted labels of clips with the true ones.

    Parameters
    ----------
    targets : np.ndarray [shape=(n_clips, n_classes), dtype=bool]
        True where a clip has the label; see :func:`label_matrix`.
    scores : np.ndarray [shape=(n_clips, n_classes)]
        Finite scores; higher for clips that rather have the label.
    labels : sequence of str or int
        All classes, in the order of the columns.
    thresholds : np.ndarray [shape=(n_classes,)] or float
        A clip is predicted to have the labels whose score is at least the threshold; see :func:`choose_thresholds`.
    skipped : sequence of (path, error)
        Clips that could not be read, listed in the report.

    Returns
    -------
    MultiLabelReport

    Raises
    ------
    DatasetError
        If there are no clips.
    ParameterError
        If a shape does not fit, a target is neither true nor false, or a score or threshold is not a finite number.

    Examples
    --------
    >>> targets, scores = [[True, False], [True, True]], [[0.9, 0.2], [0.8, 0.6]]
    >>> multilabel_report(targets, scores, ['dog', 'rain'], thresholds=[0.85, 0.5]).n_exact
    1
    """
    targets, scores = _checked(targets, scores)
    if targets.shape[1] != len(labels):
        raise ParameterError(f"targets must have a column for each of {len(labels)} labels, got {targets.shape[1]}")
    if not len(targets):
        reason = f": all {len(skipped)} were skipped, the first because {skipped[0][1]}" if skipped else ""
        raise DatasetError(f"there are no clips to evaluate{reason}")
    limits = _finite("thresholds", thresholds)
    if limits.shape not in ((), (len(labels),)):
        raise ParameterError(f"thresholds must be a number or have shape ({len(labels)},), got {limits.shape}")
    limits = np.broadcast_to(limits, len(labels))
    predicted = scores >= limits
    return MultiLabelReport(
        labels,
        limits,
        true_positives=(targets & predicted).sum(axis=0),
        false_positives=(~targets & predicted).sum(axis=0),
        false_negatives=(targets & ~predicted).sum(axis=0),
        average_precision=average_precision(targets, scores),
        n_clips=len(targets),
        n_exact=int((targets == predicted).all(axis=1).sum()),
        skipped=skipped,
    )


def _checked(targets: Any, scores: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return targets as a bool matrix and scores as a float64 matrix of the same shape."""
    scores = _finite("scores", scores)
    values = _finite("targets", targets)
    if values.ndim != 2 or values.shape != scores.shape:
        raise ParameterError(
            f"targets and scores must have the same shape (n_clips, n_classes), got {values.shape} and {scores.shape}"
        )
    if not np.isin(values, (0, 1)).all():
        raise ParameterError("targets must be True or False")
    return values.astype(bool), scores


def _finite(name: str, values: Any) -> np.ndarray:
    try:
        numbers = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ParameterError(f"{name} must be numbers in rows of one length: {error}") from None
    if not np.isfinite(numbers).all():
        raise ParameterError(f"{name} must be finite numbers")
    return numbers


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Divide; 0 where the denominator is 0, as scikit-learn with zero_division=0."""
    return numerator / np.maximum(denominator, 1)


def _f1(hits: np.ndarray, false_positives: np.ndarray, false_negatives: np.ndarray) -> np.ndarray:
    return _ratio(2 * hits, 2 * hits + false_positives + false_negatives)


def _json_number(value: float) -> float | None:
    return None if np.isnan(value) else value

"""Measures of a pass over clips: accuracy, or mean average precision where clips have several labels."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from mxnet_audio.engine import nd
from mxnet_audio.metrics.multilabel import average_precision, choose_thresholds
from mxnet_audio.training.distributed import Workers

__all__ = ["Accuracy", "MeanAveragePrecision", "mean_average_precision"]


class Accuracy:
    """Share of the clips whose class has the highest score.

    Parameters
    ----------
    counts_as : np.ndarray [shape=(classes,)]
        Class that each class counts as.
    """

    name = "accuracy"
    thresholds: np.ndarray | None = None  # there are none

    def __init__(self, counts_as: np.ndarray):
        self._counts_as, self._correct, self._count = counts_as, 0.0, 0.0

    def add(self, scores: nd.NDArray, labels: nd.NDArray) -> None:
        """Count a batch: scores [shape=(n, classes)], and classes [shape=(n,)] or distributions over them."""
        classes = labels if labels.ndim == 1 else labels.argmax(axis=1)  # of a mixed label, the larger part
        predicted, true = (self._counts_as[array.asnumpy().astype(int)] for array in (scores.argmax(axis=1), classes))
        self._correct += int((predicted == true).sum())
        self._count += len(labels)

    def combine(self, workers: Workers) -> None:
        """Add the counts of all workers up."""
        self._correct, self._count = workers.total([self._correct, self._count]).tolist()

    @property
    def so_far(self) -> dict[str, str]:
        """The accuracy of the batches so far, for a progress bar."""
        return {"acc": f"{self.value:.3f}"}

    @property
    def value(self) -> float:
        """The accuracy."""
        return self._correct / max(self._count, 1)


class MeanAveragePrecision:
    """Mean average precision of the classes that occur, and the best threshold of each class.

    Parameters
    ----------
    classes : int
        Number of classes.
    """

    name = "mean average precision"
    so_far: Mapping[str, str] = MappingProxyType({})  # only known at the end

    def __init__(self, classes: int):
        self._classes = classes
        self._probabilities: list[np.ndarray] = []
        self._targets: list[np.ndarray] = []

    def add(self, scores: nd.NDArray, labels: nd.NDArray) -> None:
        """Keep a batch: scores before the sigmoid, and labels, which may be mixed [shape=(n, classes)]."""
        self._probabilities.append(scores.sigmoid().asnumpy())
        self._targets.append(labels.asnumpy() >= 0.5)  # of a mixed label, the larger part

    def combine(self, workers: Workers) -> None:
        """Take the scores and labels of all workers."""
        if workers.count == 1:
            return
        empty = np.zeros((0, self._classes))
        self._probabilities = [workers.gather(np.concatenate([empty, *self._probabilities]))]
        self._targets = [workers.gather(np.concatenate([empty, *self._targets])) > 0]

    @property
    def value(self) -> float:
        """The mean average precision."""
        return mean_average_precision(np.concatenate(self._targets), np.concatenate(self._probabilities))

    @property
    def thresholds(self) -> np.ndarray:
        """Threshold of each class with the highest F1 [shape=(classes,)]."""
        return choose_thresholds(np.concatenate(self._targets), np.concatenate(self._probabilities))


def mean_average_precision(targets: np.ndarray, scores: np.ndarray) -> float:
    """Compute the mean of the average precision of the classes that occur; 0 if none does.

    Parameters
    ----------
    targets : np.ndarray [shape=(n, classes)], bool
    scores : np.ndarray [shape=(n, classes)]

    Examples
    --------
    >>> mean_average_precision(np.array([[True, False], [False, False]]), np.array([[0.9, 0.1], [0.2, 0.3]]))
    1.0
    """
    values = average_precision(targets, scores)
    return float(np.mean(values[~np.isnan(values)])) if targets.any() else 0.0

"""What training makes small: cross-entropy against labels that may be mixed, smoothed and weighted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mxnet_audio.engine import gluon, nd

__all__ = ["Criterion", "class_weights"]


class Criterion:
    """Softmax cross-entropy with label smoothing and class weights.

    Parameters
    ----------
    classes : int > 1
        Number of classes.
    label_smoothing : float, 0 or more and below 1
        Share of the probability that goes to all classes alike (arXiv 1512.00567).
    weights : sequence of float, optional
        Weight of each class; a mixed label weighs as its parts do.

    Examples
    --------
    >>> Criterion(2)(nd.array([[0.0, 0.0]]), nd.array([1])).asscalar().round(4)  # log(2)
    0.6931
    """

    def __init__(self, classes: int, label_smoothing: float = 0.0, weights: Sequence[float] | None = None):
        self._classes, self._smoothing, self._weights = classes, label_smoothing, weights
        self._loss = gluon.loss.SoftmaxCrossEntropyLoss(sparse_label=False)

    def __call__(self, scores: nd.NDArray, labels: nd.NDArray) -> nd.NDArray:
        """Loss of each sample [shape=(batch,)].

        Parameters
        ----------
        scores : NDArray [shape=(batch, classes)]
            Before the softmax.
        labels : NDArray [shape=(batch,) or (batch, classes)]
            Classes, or distributions over them.
        """
        if labels.ndim == 1:
            labels = nd.one_hot(labels, self._classes)
        smooth = labels * (1 - self._smoothing) + self._smoothing / self._classes
        loss = self._loss(scores, smooth)
        if self._weights is None:
            return loss
        return loss * nd.dot(labels, nd.array(self._weights, ctx=labels.context))


def class_weights(targets: Sequence[int], classes: int) -> np.ndarray:
    """Weights that let each class count as much as another, 1 on average over the samples.

    Parameters
    ----------
    targets : sequence of int
        Class of each sample.
    classes : int
        Number of classes; one that does not occur weighs 0.

    Examples
    --------
    >>> class_weights([0, 0, 0, 1], classes=2)
    array([0.66666667, 2.        ])
    """
    counts = np.bincount(targets, minlength=classes)
    share = np.divide(len(targets), counts, out=np.zeros(classes), where=counts > 0)
    return share / np.count_nonzero(counts)

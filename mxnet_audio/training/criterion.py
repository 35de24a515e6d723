"""What training makes small: cross-entropy against labels that may be mixed, smoothed and weighted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mxnet_audio.engine import gluon, mx, nd
from mxnet_audio.nn.loss import get_loss
from mxnet_audio.training.state import Tensors, get_parameters, set_parameters

__all__ = ["Criterion", "SpeakerCriterion", "class_weights"]


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
        self.parameters: list[gluon.Parameter] = []  # that it learns

    def tensors(self) -> Tensors:
        """What the loss itself has learned: nothing."""
        return {}

    def __call__(self, scores: nd.NDArray, labels: nd.NDArray, embedding: nd.NDArray | None = None) -> nd.NDArray:
        """Loss of each sample [shape=(batch,)]; the embedding does not matter.

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


class SpeakerCriterion:
    """One of `mxnet_audio.nn.loss`, for a network's scores and embeddings; a loss may learn, too.

    Parameters
    ----------
    name : str
        Of the loss. To one that is made of embeddings alone the cross-entropy of the scores is added, as they would
        never be learned.
    classes : int > 1
        Number of classes.
    scale : float > 0
        What the scores are, over cosines.
    options : mapping
        Arguments of the loss.
    weights : sequence of float, optional
        Weight of each class.
    ctx : mxnet.Context
        Where the network computes.
    learned : dict of str to np.ndarray
        What `tensors` gave, to go on from.
    """

    def __init__(
        self, name: str, classes: int, scale: float, options: Mapping, weights, ctx: mx.Context, learned: Tensors
    ):
        self._loss, self._scale = get_loss(name, classes=classes, **options), scale
        self._own = Criterion(classes, weights=weights)
        self._weights = None if weights is None else nd.array(weights, ctx=ctx)
        self._loss.initialize(ctx=ctx)
        if learned:
            set_parameters(self._loss, learned)
        self.parameters = list(self._loss.collect_params().values())

    def tensors(self) -> Tensors:
        """What the loss itself has learned."""
        return get_parameters(self._loss)

    def __call__(self, scores: nd.NDArray, labels: nd.NDArray, embedding: nd.NDArray) -> nd.NDArray:
        """Loss of each sample [shape=(batch,)], of classes [shape=(batch,)]."""
        given = {"scores": scores, "cosine": scores / self._scale, "embedding": embedding, "label": labels}
        loss = self._loss(*(given[name] for name in self._loss.inputs))
        if self._weights is not None:
            loss = loss * self._weights.take(labels)
        return loss if {"scores", "cosine"} & set(self._loss.inputs) else loss + self._own(scores, labels)


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

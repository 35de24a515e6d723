"""Training losses: cross-entropies of labels that may be mixed, smoothed and weighted; losses for speakers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mxnet_audio.engine import gluon, mx, nd
from mxnet_audio.nn.loss import get_loss
from mxnet_audio.training.state import Tensors, get_parameters, set_parameters

__all__ = ["BinaryCriterion", "Criterion", "SpeakerCriterion", "class_weights", "label_weights"]

Weights = Sequence[float] | np.ndarray | None


class Criterion:
    """Softmax cross-entropy with label smoothing and class weights.

    Parameters
    ----------
    classes : int > 1
        Number of classes.
    label_smoothing : float, 0 or more and below 1
        Share of the probability that is spread over all classes (arXiv 1512.00567).
    weights : sequence of float, optional
        Weight of each class; that of a mixed label is the mean of its parts' weights.

    Examples
    --------
    >>> Criterion(2)(nd.array([[0.0, 0.0]]), nd.array([1])).asscalar().round(4)  # log(2)
    0.6931
    """

    def __init__(self, classes: int, label_smoothing: float = 0.0, weights: Weights = None):
        self._classes, self._smoothing, self._weights = classes, label_smoothing, weights
        self._loss = gluon.loss.SoftmaxCrossEntropyLoss(sparse_label=False)
        self.parameters: list[gluon.Parameter] = []  # of the loss itself

    def tensors(self) -> Tensors:
        """Return the parameters of the loss: none."""
        return {}

    def __call__(self, scores: nd.NDArray, labels: nd.NDArray, embedding: nd.NDArray | None = None) -> nd.NDArray:
        """Compute the loss of each sample [shape=(batch,)]; the embedding is not used.

        Parameters
        ----------
        scores : NDArray [shape=(batch, classes)]
            Scores before the softmax.
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


class BinaryCriterion:
    """Sigmoid cross-entropy with label smoothing and weights, for clips that have several labels each, or none.

    Parameters
    ----------
    label_smoothing : float, 0 or more and below 1
        Share of each label that becomes one half.
    weights : np.ndarray [shape=(2, classes)], optional
        Weights of each class: of clips without the label, and with it.

    Examples
    --------
    >>> BinaryCriterion()(nd.array([[0.0, 0.0]]), nd.array([[1, 0]])).asscalar().round(4)  # log(2)
    0.6931
    """

    def __init__(self, label_smoothing: float = 0.0, weights: np.ndarray | None = None):
        self._smoothing, self._weights = label_smoothing, weights
        self._loss = gluon.loss.SigmoidBinaryCrossEntropyLoss()
        self.parameters: list[gluon.Parameter] = []  # of the loss itself

    def tensors(self) -> Tensors:
        """Return the parameters of the loss: none."""
        return {}

    def __call__(self, scores: nd.NDArray, labels: nd.NDArray, embedding: nd.NDArray | None = None) -> nd.NDArray:
        """Compute the loss of each sample [shape=(batch,)], the mean over the classes; the embedding is not used.

        Parameters
        ----------
        scores : NDArray [shape=(batch, classes)]
            Scores before the sigmoid.
        labels : NDArray [shape=(batch, classes)]
            1 for each label of a sample, else 0; between them if samples are mixed.
        """
        smooth = labels * (1 - self._smoothing) + self._smoothing / 2
        if self._weights is None:
            return self._loss(scores, smooth)
        without, with_label = nd.array(self._weights, ctx=labels.context)
        return self._loss(scores, smooth, without + nd.broadcast_mul(labels, with_label - without))


class SpeakerCriterion:
    """One of the losses of `mxnet_audio.nn.loss`, for scores and embeddings of a network.

    Parameters
    ----------
    name : str
        Name of the loss. The cross-entropy of the scores is added to a loss that does not use them, so that they are
        trained, too.
    classes : int > 1
        Number of classes.
    scale : float > 0
        Factor of the cosines in the scores.
    options : mapping
        Arguments of the loss.
    weights : sequence of float, optional
        Weight of each class.
    ctx : mxnet.Context
        Device of the network.
    tensors : dict of str to np.ndarray
        Parameters of the loss from a checkpoint; empty for new ones.
    """

    def __init__(
        self,
        name: str,
        classes: int,
        scale: float,
        options: Mapping[str, Any],
        weights: Weights,
        ctx: mx.Context,
        tensors: Tensors,
    ):
        self._loss, self._scale = get_loss(name, classes=classes, **options), scale
        self._cross_entropy = Criterion(classes, weights=weights)
        self._weights = None if weights is None else nd.array(weights, ctx=ctx)
        self._loss.initialize(ctx=ctx)
        if tensors:
            set_parameters(self._loss, tensors)
        self.parameters = list(self._loss.collect_params().values())

    def tensors(self) -> Tensors:
        """Return the parameters of the loss."""
        return get_parameters(self._loss)

    def __call__(self, scores: nd.NDArray, labels: nd.NDArray, embedding: nd.NDArray) -> nd.NDArray:
        """Compute the loss of each sample [shape=(batch,)]; labels are classes [shape=(batch,)]."""
        arrays = {"scores": scores, "cosine": scores / self._scale, "embedding": embedding, "label": labels}
        loss = self._loss(*(arrays[name] for name in self._loss.inputs))
        if self._weights is not None:
            loss = loss * self._weights.take(labels)
        return loss if {"scores", "cosine"} & set(self._loss.inputs) else loss + self._cross_entropy(scores, labels)


def class_weights(targets: Sequence[int] | np.ndarray, classes: int) -> np.ndarray:
    """Return weights that make all classes count equally, with a mean of 1 over the samples.

    Parameters
    ----------
    targets : sequence of int
        Class of each sample.
    classes : int
        Number of classes; the weight of a class that does not occur is 0.

    Examples
    --------
    >>> class_weights([0, 0, 0, 1], classes=2)
    array([0.66666667, 2.        ])
    """
    counts = np.bincount(targets, minlength=classes)
    share = np.divide(len(targets), counts, out=np.zeros(classes), where=counts > 0)
    return share / np.count_nonzero(counts)


def label_weights(targets: np.ndarray) -> np.ndarray:
    """Return weights that make clips with and without a label count equally, with a mean of 1 over the samples.

    Parameters
    ----------
    targets : np.ndarray [shape=(n, classes)]
        1 for each label of a sample, else 0.

    Returns
    -------
    np.ndarray [shape=(2, classes)]
        Weights of samples without the label, and with it; 0 if there are none.

    Examples
    --------
    >>> label_weights(np.array([[1, 1], [1, 0], [1, 0], [0, 0]]))
    array([[2.        , 0.66666667],
           [0.66666667, 2.        ]])
    """
    counts = np.stack([len(targets) - targets.sum(axis=0), targets.sum(axis=0)])
    share = np.divide(len(targets), counts, out=np.zeros(counts.shape), where=counts > 0)
    return share / np.count_nonzero(counts, axis=0)

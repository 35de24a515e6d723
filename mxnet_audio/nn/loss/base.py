"""Base of the losses: checked settings, sample weights, cross-entropy; and vectors of length 1."""

from __future__ import annotations

import math
from typing import Any

from mxnet_audio.checks import real_number, whole_number
from mxnet_audio.engine import gluon
from mxnet_audio.errors import ParameterError

__all__ = ["MIN_SQUARED_NORM", "Loss", "scale_for", "unit"]

MIN_SQUARED_NORM = 1e-12  # vectors with a smaller square of the norm are divided by the root of this
MIN_SCALE = 4.0  # the formula gives 1.6 for 4 speakers; of 2, 4 and 30, 4 separated them best (FSDD, unseen words)


def scale_for(classes: int) -> float:
    """Return the scale of cosines for a number of classes: ``sqrt(2) log(classes - 1)``, and at least 4.

    With a larger scale few classes are separated by small differences between cosines; the loss then vanishes before
    it has drawn the embeddings of a class together. The scales of the papers, 30 or 64, are for thousands of classes.

    X. Zhang et al.: AdaCos: Adaptively Scaling Cosine Logits for Effectively Learning Deep Face Representations.
    CVPR 2019, arXiv:1905.00292.

    Examples
    --------
    >>> scale_for(4), round(scale_for(1251), 2)
    (4.0, 10.08)
    """
    return max(math.sqrt(2) * math.log(max(classes - 1, 1)), MIN_SCALE)


def unit(F, x):
    """Return vectors [shape=(..., dim)] divided by their norms; those shorter than 1e-6 are divided by 1e-6.

    MXNet's own L2Normalization loses this lower bound when it is exported to ONNX.
    """
    return F.broadcast_div(x, F.sqrt(F.maximum(F.sum(F.square(x), axis=-1, keepdims=True), MIN_SQUARED_NORM)))


class Loss(gluon.loss.Loss):
    """Base class of the losses. A subclass defines ``unweighted(F, *inputs, **parameters)`` [shape=(batch,)].

    The last input may be followed by sample weights [shape=(batch,) or (batch, 1)], as in Gluon's losses.

    Parameters
    ----------
    classes : int > 1 or None
        Number of classes; None for losses that work without.
    settings : dict
        Further arguments, for the repr.
    weight : float, optional
        Factor of the loss.
    batch_axis : 0
        Axis of the batch.

    Attributes
    ----------
    inputs : tuple of str
        Inputs of a call, in order: "scores" or "cosine" [shape=(batch, classes)], "embedding" [shape=(batch, dim)],
        "label" [shape=(batch,)].
    head : {'cosine', 'dense'}
        Kind of last layer that the loss is made for.
    """

    inputs: tuple[str, ...] = ("cosine", "label")
    head = "cosine"

    def __init__(
        self,
        classes: int | None,
        settings: dict[str, Any],
        *,
        weight: float | None = None,
        batch_axis: int = 0,
        prefix: str | None = None,
        params=None,
    ):
        if weight is not None:
            settings = {**settings, "weight": real_number("weight", weight)}
        if batch_axis != 0:
            raise ParameterError(f"batch_axis must be 0, got {batch_axis!r}")
        super().__init__(settings.get("weight"), batch_axis, prefix=prefix, params=params)
        self._classes = 0 if classes is None else whole_number("classes", classes, 2)
        if "s" in settings:
            scale = scale_for(self._classes) if settings["s"] is None else settings["s"]
            self._s = settings["s"] = real_number("s", scale, above=0)
        self._settings = settings if classes is None else {"classes": self._classes, **settings}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self._settings.items())})"

    def hybrid_forward(self, F, *inputs, **parameters):
        sample_weight = None
        if len(inputs) > len(self.inputs):
            *inputs, sample_weight = inputs
        loss = self.unweighted(F, *inputs, **parameters)
        if sample_weight is not None:
            loss = loss * F.reshape(F.cast(sample_weight, dtype="float32"), (-1,))
        return loss if self._weight is None else loss * self._weight

    def unweighted(self, F, *inputs, **parameters):
        """Compute the loss of each item [shape=(batch,)]."""
        raise NotImplementedError

    def _cross_entropy(self, F, scores, label):
        return -F.pick(F.log_softmax(scores, axis=-1), label, axis=-1)

    def _with_target(self, F, cosine, label, target):
        """Return the cosines with those of the labels replaced by `target` [shape=(batch, 1)]."""
        is_label = F.one_hot(label, depth=self._classes)
        return F.broadcast_mul(is_label, target) + (1 - is_label) * cosine

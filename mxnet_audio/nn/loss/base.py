"""What the losses share: settings that are checked and told, the cross-entropy, vectors of length 1."""

from __future__ import annotations

import math
import operator
from typing import Any

from mxnet_audio.engine import gluon
from mxnet_audio.errors import ModelError

__all__ = ["LEAST", "Loss", "number", "scale_for", "unit"]

LEAST = 1e-12  # square of the norm that shorter vectors are divided by
LEAST_SCALE = 4.0  # for 4 speakers the formula says 1.6; of 2, 4 and 30, 4 told them apart best (FSDD, other words)


def scale_for(classes: int) -> float:
    """Scale of cosines that suits a number of classes: ``sqrt(2) log(classes - 1)``, and 4 at least.

    With a greater one few classes are told apart by cosines that differ by little, and there the loss ends: nothing
    draws the embeddings of one class together. That of papers, 30 or 64, is for thousands. X. Zhang et al.: AdaCos:
    Adaptively Scaling Cosine Logits for Effectively Learning Deep Face Representations. CVPR 2019, arXiv:1905.00292.

    Examples
    --------
    >>> scale_for(4), round(scale_for(1251), 2)
    (4.0, 10.08)
    """
    return max(math.sqrt(2) * math.log(max(classes - 1, 1)), LEAST_SCALE)


def unit(F, x):
    """Vectors [shape=(..., dim)] brought to length 1; those that are shorter than 1e-6 stay short.

    MXNet's own L2Normalization loses its floor on the way to ONNX.
    """
    return F.broadcast_div(x, F.sqrt(F.maximum(F.sum(F.square(x), axis=-1, keepdims=True), LEAST)))


class Loss(gluon.loss.Loss):
    """What the losses share: settings that are checked and told, and the cross-entropy.

    Attributes
    ----------
    inputs : tuple of str
        What the loss is called with, in order, out of "scores", "cosine" (both [shape=(batch, classes)]),
        "embedding" [shape=(batch, dim)] and "label" [shape=(batch,)].
    head : {'cosine', 'dense'}
        The kind of last layer that it wants.
    """

    inputs: tuple[str, ...] = ("cosine", "label")
    head = "cosine"

    def __init__(self, classes: int, settings: dict[str, Any], prefix=None, params=None):
        super().__init__(None, 0, prefix=prefix, params=params)
        try:
            self._classes = operator.index(classes)
        except TypeError:
            raise ModelError(f"classes is a whole number, not {classes!r}") from None
        if self._classes < 2:
            raise ModelError(f"a loss needs two classes or more, not {classes}")
        if "s" in settings:
            scale = scale_for(self._classes) if settings["s"] is None else settings["s"]
            self._s = settings["s"] = number("s", scale, above=0)
        self._settings = {"classes": self._classes, **settings}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self._settings.items())})"

    def _cross_entropy(self, F, scores, label):
        return -F.pick(F.log_softmax(scores, axis=-1), label, axis=-1)

    def _with_target(self, F, cosine, label, target):
        """The cosines, those of the labels [shape=(batch, 1)] replaced by `target`."""
        own = F.one_hot(label, depth=self._classes)
        return F.broadcast_mul(own, target) + (1 - own) * cosine


def number(name: str, value: Any, *, least: float = -math.inf, above: float = -math.inf) -> float:
    """A setting as a float, or ModelError that names it."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        raise ModelError(f"{name} is a number, not {value!r}") from None
    if not math.isfinite(found) or found < least or found <= above:
        bound = f" above {above}" if above > -math.inf else f" of {least} or more" if least > -math.inf else ""
        raise ModelError(f"{name} is a finite number{bound}, not {value}")
    return found

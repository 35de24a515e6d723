"""Losses that draw embeddings of one class together: margins on the cosine, a ring for the norm, centroids.

===============  ==================  ============================  ==========================================
name             loss                called with                   makes small
===============  ==================  ============================  ==========================================
`softmax`        `SoftmaxLoss`       scores, label                 cross-entropy
`norm_softmax`   `NormSoftmaxLoss`   cosine, label                 cross-entropy of ``s * cosine``
`am_softmax`     `AMSoftmaxLoss`     cosine, label                 the same, with ``cosine - m`` for the target
`arc`            `ArcLoss`           cosine, label                 the same, with ``cos(angle + m)``
`ring`           `RingLoss`          scores, embedding, label      cross-entropy, and the norm's way to a ring
`ge2e`           `GE2ELoss`          embedding, label              cross-entropy over the speakers of the batch
===============  ==================  ============================  ==========================================

Each gives one number per item [shape=(batch,)], is computed in float32 whatever comes in, and has a finite value and
gradient at cosines of 1 and -1, and a rounding beyond. A label that is no class from 0 on is not noticed.

Examples
--------
>>> from mxnet_audio.engine import nd
>>> loss = get_loss('arc', classes=2)
>>> loss
ArcLoss(classes=2, m=0.5, s=64.0, easy_margin=True)
>>> loss(nd.array([[0.9, 0.1], [0.1, 0.9]]), nd.array([0, 1])).shape
(2,)
"""

from __future__ import annotations

import inspect
import math
import operator
from typing import Any

from mxnet_audio.engine import gluon, mx
from mxnet_audio.errors import ModelError

__all__ = [
    "AMSoftmaxLoss",
    "ArcLoss",
    "GE2ELoss",
    "NormSoftmaxLoss",
    "RingLoss",
    "SoftmaxLoss",
    "get_loss",
    "loss_names",
    "unit",
]

LEAST = 1e-12  # square of the norm that shorter vectors are divided by
LEAST_SCALE = 4.0


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
    return max(math.sqrt(2) * math.log(classes - 1), LEAST_SCALE)


def unit(F, x):
    """Vectors [shape=(..., dim)] brought to length 1; those that are shorter than 1e-6 stay short.

    MXNet's own L2Normalization loses its floor on the way to ONNX.
    """
    return F.broadcast_div(x, F.sqrt(F.maximum(F.sum(F.square(x), axis=-1, keepdims=True), LEAST)))


class _Loss(gluon.loss.Loss):
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
            self._s = settings["s"] = _number("s", scale, above=0)
        self._settings = {"classes": self._classes, **settings}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self._settings.items())})"

    def _cross_entropy(self, F, scores, label):
        return -F.pick(F.log_softmax(scores, axis=-1), label, axis=-1)

    def _with_target(self, F, cosine, label, target):
        """The cosines, those of the labels [shape=(batch, 1)] replaced by `target`."""
        own = F.one_hot(label, depth=self._classes)
        return F.broadcast_mul(own, target) + (1 - own) * cosine


class SoftmaxLoss(_Loss):
    """Cross-entropy of the softmax of plain scores.

    Parameters
    ----------
    classes : int > 1
        Number of classes.

    Inputs
    ------
    scores : NDArray or Symbol [shape=(batch, classes)]
    label : NDArray or Symbol [shape=(batch,)]

    Outputs
    -------
    NDArray or Symbol [shape=(batch,)], float32

    Examples
    --------
    >>> from mxnet_audio.engine import nd
    >>> SoftmaxLoss(2)(nd.array([[0.0, 0.0]]), nd.array([1])).asscalar().round(4)  # log(2)
    0.6931
    """

    inputs = ("scores", "label")
    head = "dense"

    def __init__(self, classes: int, prefix=None, params=None):
        super().__init__(classes, {}, prefix, params)

    def hybrid_forward(self, F, scores, label):
        return self._cross_entropy(F, F.cast(scores, dtype="float32"), label)


class NormSoftmaxLoss(_Loss):
    """Cross-entropy of the softmax of scaled cosines.

    F. Wang et al.: NormFace: L2 Hypersphere Embedding for Face Verification. ACM MM 2017, arXiv:1704.06369.

    Parameters
    ----------
    classes : int > 1
        Number of classes.
    s : float > 0, optional
        Scale; that of `scale_for` if it is None.

    Inputs
    ------
    cosine : NDArray or Symbol [shape=(batch, classes)]
        Of the angles between embedding and class weights.
    label : NDArray or Symbol [shape=(batch,)]

    Outputs
    -------
    NDArray or Symbol [shape=(batch,)], float32

    Raises
    ------
    ModelError
        A setting is out of range.

    Examples
    --------
    >>> from mxnet_audio.engine import nd
    >>> NormSoftmaxLoss(2, s=2)(nd.array([[0.5, 0.0]]), nd.array([0])).asscalar().round(4)  # log(1 + exp(-1))
    0.3133
    """

    def __init__(self, classes: int, s: float | None = None, prefix=None, params=None):
        super().__init__(classes, {"s": s}, prefix, params)

    def hybrid_forward(self, F, cosine, label):
        return self._cross_entropy(F, self._s * F.cast(cosine, dtype="float32"), label)


class AMSoftmaxLoss(_Loss):
    """Additive margin: the target's cosine must be the largest by `m`.

    F. Wang et al.: Additive Margin Softmax for Face Verification. IEEE SPL 2018, arXiv:1801.05599.

    Parameters
    ----------
    classes : int > 1
        Number of classes.
    m : float >= 0
        Margin; 0 is `NormSoftmaxLoss`.
    s : float > 0, optional
        Scale; that of `scale_for` if it is None.

    Inputs
    ------
    cosine : NDArray or Symbol [shape=(batch, classes)]
        Of the angles between embedding and class weights.
    label : NDArray or Symbol [shape=(batch,)]

    Outputs
    -------
    NDArray or Symbol [shape=(batch,)], float32

    Raises
    ------
    ModelError
        A setting is out of range.

    Examples
    --------
    >>> from mxnet_audio.engine import nd
    >>> AMSoftmaxLoss(2, m=0.5, s=2)(nd.array([[0.5, 0.0]]), nd.array([0])).asscalar().round(4)  # log(2)
    0.6931
    """

    def __init__(self, classes: int, m: float = 0.35, s: float | None = None, prefix=None, params=None):
        self._m = _number("m", m, least=0)
        super().__init__(classes, {"m": self._m, "s": s}, prefix, params)

    def hybrid_forward(self, F, cosine, label):
        cosine = F.cast(cosine, dtype="float32")
        margin = self._m * F.one_hot(label, depth=self._classes)
        return self._cross_entropy(F, self._s * (cosine - margin), label)


class ArcLoss(_Loss):
    """Additive angular margin (ArcFace): the target's angle must be the smallest by `m`.

    J. Deng et al.: ArcFace: Additive Angular Margin Loss for Deep Face Recognition. CVPR 2019, arXiv:1801.07698.

    Parameters
    ----------
    classes : int > 1
        Number of classes.
    m : float, 0 or more and below pi / 2 [rad]
        Margin; 0 is `NormSoftmaxLoss`.
    s : float > 0, optional
        Scale; that of `scale_for` if it is None.
    easy_margin : bool
        Add the margin to angles below 90 degrees only, else to all below ``pi - m``, from where on
        ``cos(angle + m)`` would rise again: there ``m * sin(m)`` is taken from the cosine.

    Inputs
    ------
    cosine : NDArray or Symbol [shape=(batch, classes)]
        Of the angles between embedding and class weights.
    label : NDArray or Symbol [shape=(batch,)]

    Outputs
    -------
    NDArray or Symbol [shape=(batch,)], float32

    Raises
    ------
    ModelError
        A setting is out of range.

    Examples
    --------
    >>> from mxnet_audio.engine import nd
    >>> import math
    >>> loss = ArcLoss(2, m=math.pi / 6, s=2)  # from 60 to 90 degrees
    >>> loss(nd.array([[0.5, 0.0]]), nd.array([0])).asscalar().round(4)  # log(2)
    0.6931
    """

    def __init__(
        self, classes: int, m: float = 0.5, s: float | None = 64.0, easy_margin: bool = True, prefix=None, params=None
    ):
        self._m, self._easy = _number("m", m, least=0), bool(easy_margin)
        if self._m >= math.pi / 2:
            raise ModelError(f"m is an angle below pi / 2, not {m}")
        super().__init__(classes, {"m": self._m, "s": s, "easy_margin": self._easy}, prefix, params)

    def hybrid_forward(self, F, cosine, label):
        cosine = F.cast(cosine, dtype="float32")
        target = F.pick(cosine, label, axis=-1, keepdims=True)
        # This product keeps the digits that 1 - cosine^2 loses. A root has no finite gradient at 0, and none below.
        sine = F.sqrt(F.maximum((1 - target) * (1 + target), 1e-30))
        moved = target * math.cos(self._m) - sine * math.sin(self._m)
        if self._easy:
            moved = F.where(target > 0, moved, target)
        else:
            moved = F.where(target > -math.cos(self._m), moved, target - self._m * math.sin(self._m))
        return self._cross_entropy(F, self._s * self._with_target(F, cosine, label, moved), label)


class RingLoss(_Loss):
    """Cross-entropy, and half the squared way of the embedding's norm to a radius that is learned.

    Y. Zheng, D. K. Pal, M. Savvides: Ring loss: Convex Feature Normalization for Face Recognition. CVPR 2018,
    arXiv:1803.00130.

    Parameters
    ----------
    classes : int > 1
        Number of classes.
    lamda : float >= 0
        Weight of the ring; 0 is `SoftmaxLoss`.
    r_init : float > 0
        Radius at the start. A batch norm leaves embeddings of 128 to 256 numbers with norms of 11 to 16 at first; the
        default is near, so that the ring begins to pull where they are.

    Inputs
    ------
    scores : NDArray or Symbol [shape=(batch, classes)]
    embedding : NDArray or Symbol [shape=(batch, dim)]
    label : NDArray or Symbol [shape=(batch,)]

    Outputs
    -------
    NDArray or Symbol [shape=(batch,)], float32

    Raises
    ------
    ModelError
        A setting is out of range.

    Examples
    --------
    >>> from mxnet_audio.engine import nd
    >>> loss = RingLoss(2, lamda=1, r_init=6)
    >>> loss.initialize()
    >>> loss(nd.zeros((1, 2)), nd.array([[3, 4]]), nd.array([0])).asscalar().round(4)  # log(2) + 1 / 2
    1.1931
    """

    inputs = ("scores", "embedding", "label")
    head = "dense"

    def __init__(self, classes: int, lamda: float = 0.01, r_init: float = 12.0, prefix=None, params=None):
        self._lamda, r_init = _number("lamda", lamda, least=0), _number("r_init", r_init, above=0)
        super().__init__(classes, {"lamda": self._lamda, "r_init": r_init}, prefix, params)
        with self.name_scope():
            self.radius = self.params.get("radius", shape=(1,), init=mx.init.Constant(r_init), wd_mult=0.0)

    def hybrid_forward(self, F, scores, embedding, label, radius):
        square = F.sum(F.square(F.cast(embedding, dtype="float32")), axis=-1)
        way = F.broadcast_sub(F.sqrt(F.maximum(square, LEAST)), radius)
        return self._cross_entropy(F, F.cast(scores, dtype="float32"), label) + self._lamda / 2 * F.square(way)


class GE2ELoss(_Loss):
    """Generalised end-to-end: of all speakers in the batch, an utterance must be nearest to its own.

    The similarity to a speaker is ``w * cosine + b`` with the mean of that speaker's embeddings of length 1, from which
    the utterance itself is left out; the loss is the cross-entropy of their softmax. An utterance whose speaker has no
    other one in the batch adds 0: let batches have several of each. The network's scores have no part in it.

    L. Wan et al.: Generalized End-to-End Loss for Speaker Verification. ICASSP 2018, arXiv:1710.10467.

    Parameters
    ----------
    classes : int > 1
        Number of classes; few of them need be in a batch.
    w, b : float > 0, float
        Scale and shift at the start; they are learned. The scale is the absolute value of what is learned, and 1e-6 at
        least.

    Inputs
    ------
    embedding : NDArray or Symbol [shape=(batch, dim)]
        Of any length.
    label : NDArray or Symbol [shape=(batch,)]

    Outputs
    -------
    NDArray or Symbol [shape=(batch,)], float32

    Raises
    ------
    ModelError
        A setting is out of range.

    Examples
    --------
    >>> from mxnet_audio.engine import nd
    >>> loss = GE2ELoss(3, w=1, b=0)
    >>> loss.initialize()
    >>> x = nd.array([[1, 0], [5, 0], [0, 2]])
    >>> loss(x, nd.array([2, 2, 0])).asnumpy().round(4)  # log(1 + exp(-1)), and 0 for who is alone
    array([0.3133, 0.3133, 0.    ], dtype=float32)
    """

    inputs = ("embedding", "label")

    def __init__(self, classes: int, w: float = 10.0, b: float = -5.0, prefix=None, params=None):
        w, b = _number("w", w, above=0), _number("b", b)
        super().__init__(classes, {"w": w, "b": b}, prefix, params)
        with self.name_scope():
            self.scale = self.params.get("scale", shape=(1, 1), init=mx.init.Constant(w), wd_mult=0.0)
            self.shift = self.params.get("shift", shape=(1, 1), init=mx.init.Constant(b), wd_mult=0.0)

    def hybrid_forward(self, F, embedding, label, scale, shift):
        x = unit(F, F.cast(embedding, dtype="float32"))
        own = F.one_hot(label, depth=self._classes)
        count = F.sum(own, axis=0, keepdims=True)
        total = F.dot(own, x, transpose_a=True)  # a sum points where the mean does
        cosine = F.dot(x, unit(F, total), transpose_b=True)
        others = F.dot(own, total) - x
        cosine = self._with_target(F, cosine, label, F.sum(x * unit(F, others), axis=-1, keepdims=True))
        similarity = F.broadcast_add(F.broadcast_mul(cosine, F.maximum(F.abs(scale), 1e-6)), shift)
        similarity = F.broadcast_sub(similarity, 1e30 * (count == 0))  # who is not there has no centroid
        accompanied = F.sum(F.broadcast_mul(own, count), axis=-1) > 1
        return self._cross_entropy(F, similarity, label) * accompanied


LOSSES = {
    "softmax": SoftmaxLoss,
    "norm_softmax": NormSoftmaxLoss,
    "am_softmax": AMSoftmaxLoss,
    "arc": ArcLoss,
    "ring": RingLoss,
    "ge2e": GE2ELoss,
}


def loss_names() -> list[str]:
    """Names that `get_loss` knows.

    Examples
    --------
    >>> loss_names()
    ['am_softmax', 'arc', 'ge2e', 'norm_softmax', 'ring', 'softmax']
    """
    return sorted(LOSSES)


def get_loss(name: str, **kwargs) -> gluon.loss.Loss:
    """Make a loss, its parameters, if it has any, not yet initialised.

    Parameters
    ----------
    name : str
        One of `loss_names`.
    **kwargs
        Its settings: ``classes``, and what else there is.

    Raises
    ------
    ModelError
        If the name or a setting is not known, ``classes`` is missing, or a value is out of range.

    Examples
    --------
    >>> get_loss('am_softmax', classes=10, m=0.2)
    AMSoftmaxLoss(classes=10, m=0.2, s=4.0)
    >>> get_loss('am_softmax', classes=10, margin=0.2)
    Traceback (most recent call last):
    ...
    mxnet_audio.errors.ModelError: loss 'am_softmax' has no margin; it takes classes, m, s
    """
    if name not in LOSSES:
        raise ModelError(f"no loss {name!r}; there are {', '.join(loss_names())}")
    takes = [key for key in inspect.signature(LOSSES[name]).parameters if key not in ("prefix", "params")]
    if unknown := [key for key in kwargs if key not in (*takes, "prefix", "params")]:
        raise ModelError(f"loss {name!r} has no {', '.join(unknown)}; it takes {', '.join(takes)}")
    if "classes" not in kwargs:
        raise ModelError(f"loss {name!r} needs classes, their number")
    return LOSSES[name](**kwargs)


def _number(name: str, value: Any, *, least: float = -math.inf, above: float = -math.inf) -> float:
    """A setting as a float, or ModelError that names it."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ModelError(f"{name} is a number, not {value!r}") from None
    if not math.isfinite(number) or number < least or number <= above:
        bound = f" above {above}" if above > -math.inf else f" of {least} or more" if least > -math.inf else ""
        raise ModelError(f"{name} is a finite number{bound}, not {value}")
    return number

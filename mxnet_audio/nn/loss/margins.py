"""Losses over the classes' scores: the softmax's cross-entropy, with margins on the cosine or the angle."""

from __future__ import annotations

import math

from mxnet_audio.errors import ModelError
from mxnet_audio.nn.loss.base import Loss, number

__all__ = ["AMSoftmaxLoss", "ArcLoss", "NormSoftmaxLoss", "SoftmaxLoss"]


class SoftmaxLoss(Loss):
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


class NormSoftmaxLoss(Loss):
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


class AMSoftmaxLoss(Loss):
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
        self._m = number("m", m, least=0)
        super().__init__(classes, {"m": self._m, "s": s}, prefix, params)

    def hybrid_forward(self, F, cosine, label):
        cosine = F.cast(cosine, dtype="float32")
        margin = self._m * F.one_hot(label, depth=self._classes)
        return self._cross_entropy(F, self._s * (cosine - margin), label)


class ArcLoss(Loss):
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
        self._m, self._easy = number("m", m, least=0), bool(easy_margin)
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

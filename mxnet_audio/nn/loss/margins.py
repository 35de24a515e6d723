"""Losses over the scores of the classes: cross-entropy, optionally with a margin on the cosine or the angle."""

from __future__ import annotations

import math

from mxnet_audio.checks import real_number
from mxnet_audio.errors import ParameterError
from mxnet_audio.nn.loss.base import Loss

__all__ = ["AMSoftmaxLoss", "ArcLoss", "NormSoftmaxLoss", "SoftmaxLoss"]


class SoftmaxLoss(Loss):
    """Cross-entropy of the softmax of plain scores.

    Parameters
    ----------
    classes : int > 1
        Number of classes.
    **kwargs
        Gluon's own: ``weight`` (factor of the loss), ``batch_axis`` (0), ``prefix``, ``params``.

    Inputs
    ------
    scores : NDArray or Symbol [shape=(batch, classes)]
    label : NDArray or Symbol [shape=(batch,)]
    sample_weight : NDArray or Symbol [shape=(batch,) or (batch, 1)], optional

    Outputs
    -------
    NDArray or Symbol [shape=(batch,)], float32

    Raises
    ------
    ParameterError
        If an argument is out of range.

    Examples
    --------
    >>> from mxnet_audio.engine import nd
    >>> SoftmaxLoss(2)(nd.array([[0.0, 0.0]]), nd.array([1])).asscalar().round(4)  # log(2)
    0.6931
    """

    inputs = ("scores", "label")
    head = "dense"

    def __init__(self, classes: int, **kwargs):
        super().__init__(classes, {}, **kwargs)

    def unweighted(self, F, scores, label):
        """Compute the loss of each item."""
        return self._cross_entropy(F, F.cast(scores, dtype="float32"), label)


class NormSoftmaxLoss(Loss):
    """Cross-entropy of the softmax of scaled cosines.

    F. Wang et al.: NormFace: L2 Hypersphere Embedding for Face Verification. ACM MM 2017, arXiv:1704.06369.

    Parameters
    ----------
    classes : int > 1
        Number of classes.
    s : float > 0, optional
        Scale of the cosines; None is that of `scale_for`.
    **kwargs
        Gluon's own: ``weight`` (factor of the loss), ``batch_axis`` (0), ``prefix``, ``params``.

    Inputs
    ------
    cosine : NDArray or Symbol [shape=(batch, classes)]
        Cosines of the angles between embedding and class weights.
    label : NDArray or Symbol [shape=(batch,)]
    sample_weight : NDArray or Symbol [shape=(batch,) or (batch, 1)], optional

    Outputs
    -------
    NDArray or Symbol [shape=(batch,)], float32

    Raises
    ------
    ParameterError
        If an argument is out of range.

    Examples
    --------
    >>> from mxnet_audio.engine import nd
    >>> NormSoftmaxLoss(2, s=2)(nd.array([[0.5, 0.0]]), nd.array([0])).asscalar().round(4)  # log(1 + exp(-1))
    0.3133
    """

    def __init__(self, classes: int, s: float | None = None, **kwargs):
        super().__init__(classes, {"s": s}, **kwargs)

    def unweighted(self, F, cosine, label):
        """Compute the loss of each item."""
        return self._cross_entropy(F, self._s * F.cast(cosine, dtype="float32"), label)


class AMSoftmaxLoss(Loss):
    """Additive margin (AM-Softmax, CosFace): the label's cosine must exceed all others by `m`.

    F. Wang et al.: Additive Margin Softmax for Face Verification. IEEE SPL 2018, arXiv:1801.05599.

    Parameters
    ----------
    classes : int > 1
        Number of classes.
    m : float >= 0
        Margin; 0 is `NormSoftmaxLoss`.
    s : float > 0, optional
        Scale of the cosines; None is that of `scale_for`.
    dtype : str
        Accepted for GluonAR's calls; the loss is computed in float32.
    **kwargs
        Gluon's own: ``weight`` (factor of the loss), ``batch_axis`` (0), ``prefix``, ``params``.

    Inputs
    ------
    cosine : NDArray or Symbol [shape=(batch, classes)]
        Cosines of the angles between embedding and class weights.
    label : NDArray or Symbol [shape=(batch,)]
    sample_weight : NDArray or Symbol [shape=(batch,) or (batch, 1)], optional

    Outputs
    -------
    NDArray or Symbol [shape=(batch,)], float32

    Raises
    ------
    ParameterError
        If an argument is out of range.

    Examples
    --------
    >>> from mxnet_audio.engine import nd
    >>> AMSoftmaxLoss(2, m=0.5, s=2)(nd.array([[0.5, 0.0]]), nd.array([0])).asscalar().round(4)  # log(2)
    0.6931
    """

    def __init__(self, classes: int, m: float = 0.35, s: float | None = None, dtype: str = "float32", **kwargs):
        self._m = real_number("m", m, 0)
        super().__init__(classes, {"m": self._m, "s": s}, **kwargs)

    def unweighted(self, F, cosine, label):
        """Compute the loss of each item."""
        cosine = F.cast(cosine, dtype="float32")
        margin = self._m * F.one_hot(label, depth=self._classes)
        return self._cross_entropy(F, self._s * (cosine - margin), label)


class ArcLoss(Loss):
    """Additive angular margin (ArcFace): the angle to the label must be smaller than all others by `m`.

    J. Deng et al.: ArcFace: Additive Angular Margin Loss for Deep Face Recognition. CVPR 2019, arXiv:1801.07698.

    Parameters
    ----------
    classes : int > 1
        Number of classes.
    m : float, 0 or more and below pi / 2 [rad]
        Margin; 0 is `NormSoftmaxLoss`.
    s : float > 0, optional
        Scale of the cosines; None is that of `scale_for`.
    easy_margin : bool
        If True, add the margin to angles below 90 degrees only. If False, add it to all angles below ``pi - m``;
        beyond, where ``cos(angle + m)`` would rise again, ``m * sin(m)`` is subtracted from the cosine.
    dtype : str
        Accepted for GluonAR's calls; the loss is computed in float32.
    **kwargs
        Gluon's own: ``weight`` (factor of the loss), ``batch_axis`` (0), ``prefix``, ``params``.

    Inputs
    ------
    cosine : NDArray or Symbol [shape=(batch, classes)]
        Cosines of the angles between embedding and class weights.
    label : NDArray or Symbol [shape=(batch,)]
    sample_weight : NDArray or Symbol [shape=(batch,) or (batch, 1)], optional

    Outputs
    -------
    NDArray or Symbol [shape=(batch,)], float32

    Raises
    ------
    ParameterError
        If an argument is out of range.

    Examples
    --------
    >>> from mxnet_audio.engine import nd
    >>> import math
    >>> loss = ArcLoss(2, m=math.pi / 6, s=2)  # from 60 to 90 degrees
    >>> loss(nd.array([[0.5, 0.0]]), nd.array([0])).asscalar().round(4)  # log(2)
    0.6931
    """

    def __init__(
        self,
        classes: int,
        m: float = 0.5,
        s: float | None = 64.0,
        easy_margin: bool = True,
        dtype: str = "float32",
        **kwargs,
    ):
        self._m, self._easy = real_number("m", m, 0), bool(easy_margin)
        if self._m >= math.pi / 2:
            raise ParameterError(f"m must be an angle < pi / 2, got {m}")
        super().__init__(classes, {"m": self._m, "s": s, "easy_margin": self._easy}, **kwargs)

    def unweighted(self, F, cosine, label):
        """Compute the loss of each item."""
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

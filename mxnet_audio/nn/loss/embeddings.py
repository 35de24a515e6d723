"""Losses over the embeddings themselves, which learn, too: a ring for their norm, the centroids of a batch."""

from __future__ import annotations

from mxnet_audio.engine import mx
from mxnet_audio.nn.loss.base import LEAST, Loss, number, unit

__all__ = ["GE2ELoss", "RingLoss"]


class RingLoss(Loss):
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
        self._lamda, r_init = number("lamda", lamda, least=0), number("r_init", r_init, above=0)
        super().__init__(classes, {"lamda": self._lamda, "r_init": r_init}, prefix, params)
        with self.name_scope():
            self.radius = self.params.get("radius", shape=(1,), init=mx.init.Constant(r_init), wd_mult=0.0)

    def hybrid_forward(self, F, scores, embedding, label, radius):
        square = F.sum(F.square(F.cast(embedding, dtype="float32")), axis=-1)
        way = F.broadcast_sub(F.sqrt(F.maximum(square, LEAST)), radius)
        return self._cross_entropy(F, F.cast(scores, dtype="float32"), label) + self._lamda / 2 * F.square(way)


class GE2ELoss(Loss):
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
        w, b = number("w", w, above=0), number("b", b)
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

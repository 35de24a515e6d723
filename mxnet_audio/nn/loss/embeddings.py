"""Losses over the embeddings, with parameters of their own: ring loss on the norm, GE2E on centroids of the batch."""

from __future__ import annotations

from mxnet_audio.checks import real_number
from mxnet_audio.engine import mx, nd
from mxnet_audio.nn.loss.base import MIN_SQUARED_NORM, Loss, unit

__all__ = ["GE2ELoss", "RingLoss"]


class RingLoss(Loss):
    """Cross-entropy, plus half the squared difference of the embedding's norm from a radius that is learned.

    Y. Zheng, D. K. Pal, M. Savvides: Ring loss: Convex Feature Normalization for Face Recognition. CVPR 2018,
    arXiv:1803.00130.

    Parameters
    ----------
    classes : int > 1, optional
        Number of classes; it is only checked. A float in this place is `lamda`, as in GluonAR's ``RingLoss(0.01)``.
    lamda : float >= 0
        Weight of the second part; 0 is `SoftmaxLoss`.
    r_init : float > 0
        Initial radius. A batch norm gives embeddings of 128 to 256 numbers initial norms of 11 to 16; the default is
        close to them, so that the embeddings are drawn to a ring near their own norms.
    dtype : str
        Accepted for GluonAR's calls; the loss is computed in float32.
    **kwargs
        Gluon's own: ``weight`` (factor of the loss), ``batch_axis`` (0), ``prefix``, ``params``.

    Inputs
    ------
    scores : NDArray or Symbol [shape=(batch, classes)]
    embedding : NDArray or Symbol [shape=(batch, dim)]
    label : NDArray or Symbol [shape=(batch,)]
        Arrays are also accepted in GluonAR's order: scores, label, embedding. Symbols, which have no shape yet, are
        not.
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
    >>> loss = RingLoss(2, lamda=1, r_init=6)
    >>> loss.initialize()
    >>> loss(nd.zeros((1, 2)), nd.array([[3, 4]]), nd.array([0])).asscalar().round(4)  # log(2) + 1 / 2
    1.1931
    """

    inputs = ("scores", "embedding", "label")
    head = "dense"

    def __init__(
        self,
        classes: int | None = None,
        lamda: float = 0.01,
        r_init: float = 12.0,
        dtype: str = "float32",
        **kwargs,
    ):
        if isinstance(classes, float):
            classes, lamda = None, classes
        self._lamda, r_init = real_number("lamda", lamda, 0), real_number("r_init", r_init, above=0)
        super().__init__(classes, {"lamda": self._lamda, "r_init": r_init}, **kwargs)
        with self.name_scope():
            self.radius = self.params.get("radius", shape=(1,), init=mx.init.Constant(r_init), wd_mult=0.0)

    def forward(self, scores, embedding, label, *sample_weight):
        """Bring arrays in GluonAR's order into this one's, and compute."""
        if isinstance(label, nd.NDArray) and label.ndim > embedding.ndim:
            embedding, label = label, embedding
        return super().forward(scores, embedding, label, *sample_weight)

    def unweighted(self, F, scores, embedding, label, radius):
        """Compute the loss of each item."""
        square = F.sum(F.square(F.cast(embedding, dtype="float32")), axis=-1)
        distance = F.broadcast_sub(F.sqrt(F.maximum(square, MIN_SQUARED_NORM)), radius)
        return self._cross_entropy(F, F.cast(scores, dtype="float32"), label) + self._lamda / 2 * F.square(distance)


class GE2ELoss(Loss):
    """Generalized end-to-end loss: an utterance must be closer to its own speaker than to all others in the batch.

    The similarity to a speaker is ``w * cosine + b`` with the mean of that speaker's embeddings of length 1, without
    the utterance itself; the loss is the cross-entropy of the softmax over the speakers. An utterance whose speaker has
    no other utterance in the batch adds 0, so batches should hold several of each speaker. The scores of the network
    play no part.

    L. Wan et al.: Generalized End-to-End Loss for Speaker Verification. ICASSP 2018, arXiv:1710.10467.

    Parameters
    ----------
    classes : int > 1
        Number of classes; a batch may hold few of them.
    w, b : float > 0, float
        Initial scale and shift; both are learned. The absolute value of the learned scale is used, and at least 1e-6.
    **kwargs
        Gluon's own: ``weight`` (factor of the loss), ``batch_axis`` (0), ``prefix``, ``params``.

    Inputs
    ------
    embedding : NDArray or Symbol [shape=(batch, dim)]
        Vectors of any length.
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
    >>> loss = GE2ELoss(3, w=1, b=0)
    >>> loss.initialize()
    >>> x = nd.array([[1, 0], [5, 0], [0, 2]])
    >>> loss(x, nd.array([2, 2, 0])).asnumpy().round(4)  # log(1 + exp(-1)), and 0 for the only one of its speaker
    array([0.3133, 0.3133, 0.    ], dtype=float32)
    """

    inputs = ("embedding", "label")

    def __init__(self, classes: int, w: float = 10.0, b: float = -5.0, **kwargs):
        w, b = real_number("w", w, above=0), real_number("b", b)
        super().__init__(classes, {"w": w, "b": b}, **kwargs)
        with self.name_scope():
            self.scale = self.params.get("scale", shape=(1, 1), init=mx.init.Constant(w), wd_mult=0.0)
            self.shift = self.params.get("shift", shape=(1, 1), init=mx.init.Constant(b), wd_mult=0.0)

    def unweighted(self, F, embedding, label, scale, shift):
        """Compute the loss of each item."""
        x = unit(F, F.cast(embedding, dtype="float32"))
        is_speaker = F.one_hot(label, depth=self._classes)
        count = F.sum(is_speaker, axis=0, keepdims=True)
        total = F.dot(is_speaker, x, transpose_a=True)  # has the direction of the mean
        cosine = F.dot(x, unit(F, total), transpose_b=True)
        others = F.dot(is_speaker, total) - x
        cosine = self._with_target(F, cosine, label, F.sum(x * unit(F, others), axis=-1, keepdims=True))
        similarity = F.broadcast_add(F.broadcast_mul(cosine, F.maximum(F.abs(scale), 1e-6)), shift)
        similarity = F.broadcast_sub(similarity, 1e30 * (count == 0))  # speakers outside the batch have no centroid
        has_others = F.sum(F.broadcast_mul(is_speaker, count), axis=-1) > 1
        return self._cross_entropy(F, similarity, label) * has_others

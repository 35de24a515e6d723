"""Batch norms: of vectors, and of sequences of different lengths."""

from __future__ import annotations

from mxnet_audio.engine import gluon

__all__ = ["MOMENTUM", "MaskedBatchNorm", "VectorNorm"]

# Weight of the past in the running statistics of batch norms. MXNet's 0.9 averages over about ten batches, during which
# weights change much in small corpora: measured on ESC-10 (resnet_v2, folds 1 and 2, tested on 3, one seed each),
# accuracy over the last 15 of 40 epochs is 0.58 +- 0.09 with 0.99, 0.68 +- 0.07 with 0.9, 0.73 +- 0.05 with 0.7 and
# 0.72 +- 0.04 with 0.5.
MOMENTUM = 0.7

TINY = 1e-12  # added to variances, since the root has no derivative at 0
COPIES = 32  # of each point, so that the unbiased variance of cuDNN's running statistics is not twice as large


class VectorNorm(gluon.nn.BatchNorm):
    """Batch norm of vectors [shape=(batch, dim)], computed as maps of one element.

    MXNet 1.9.1 confuses the oneDNN primitive for a norm of vectors with one for maps of one element in another layout,
    if a norm of the same size ran before in the process, in any network: it ends in a segmentation fault.

    Examples
    --------
    >>> from mxnet_audio.engine import nd
    >>> norm = VectorNorm()
    >>> norm.initialize()
    >>> norm(nd.ones((2, 16))).shape
    (2, 16)
    """

    def __init__(self, momentum: float = MOMENTUM, **kwargs):
        super().__init__(momentum=momentum, **kwargs)

    def hybrid_forward(self, F, x, **statistics):
        maps = super().hybrid_forward(F, F.reshape(x, (0, 0, 1, 1)), **statistics)
        return F.reshape(maps, (0, 0))


class MaskedBatchNorm(gluon.nn.HybridBlock):
    """Batch norm of sequences of different lengths: statistics are those of the steps within the lengths.

    The operator of MXNet, which also keeps the running statistics, has no mask. It is given two values for each channel
    instead, which have the mean and the variance of the steps. Its outputs are two points of a line: the scale and the
    shift of the norm.

    Parameters
    ----------
    channels : int
        Number of channels.
    **norm
        Arguments of `gluon.nn.BatchNorm`.

    Inputs
    ------
    x : NDArray or Symbol [shape=(batch, channels, 1, steps)]
        Sequences.
    within : NDArray or Symbol [shape=(batch, 1, 1, steps)]
        1 for steps, 0 behind the ends; 1 for one step or more.

    Outputs
    -------
    NDArray or Symbol [shape=(batch, channels, 1, steps)]

    Examples
    --------
    >>> from mxnet_audio.engine import autograd, nd
    >>> norm = MaskedBatchNorm(1)
    >>> norm.initialize()
    >>> with autograd.record():
    ...     y = norm(nd.array([[[[1, 3, 99]]]]), nd.array([[[[1, 1, 0]]]]))
    >>> y[0, 0, 0, :2].asnumpy().round(3)
    array([-1.,  1.], dtype=float32)
    """

    def __init__(self, channels: int, prefix: str | None = None, params=None, **norm):
        super().__init__(prefix=prefix, params=params)
        with self.name_scope():
            self.norm = gluon.nn.BatchNorm(in_channels=channels, **norm)

    def hybrid_forward(self, F, x, within):
        # Products of matrices in place of sums and broadcasts, whose gradients take ten times as long in MXNet.
        x, within = F.reshape(x, (0, 0, -1)), F.reshape(within, (0, 1, -1))
        mean = _mean(F, x, within)
        # The gradient of a variance does not depend on that of the mean.
        deviations = x - F.BlockGrad(F.broadcast_like(mean, x))
        deviation = F.sqrt(_mean(F, F.square(deviations), within) + TINY)
        high, low = mean + deviation, mean - deviation
        points = F.concat(*(F.tile(point, (1, 1, COPIES)) for point in (high, low)), dim=2)
        points = F.reshape(self.norm(F.expand_dims(points, axis=2)), (0, 0, -1))
        above, below = (F.slice_axis(points, axis=2, begin=point, end=point + 1) for point in (0, COPIES))
        # The line through the points as they were rounded: where a mean is much larger than its deviation, nothing
        # cancels but numbers that are exact. Rounding can also make them equal.
        slope = (above - below) / F.maximum(high - low, deviation)
        x = (x - _at_all_steps(F, low, within)) * _at_all_steps(F, slope, within) + _at_all_steps(F, below, within)
        return F.expand_dims(x, axis=2)


def _mean(F, x, within):
    """Return the mean of each channel [shape=(1, channels, 1)]."""
    total = F.sum(F.batch_dot(x, within, transpose_b=True), axis=0, keepdims=True)
    return F.broadcast_div(total, F.sum(within, axis=(0, 2), keepdims=True))


def _at_all_steps(F, values, within):
    """Repeat a value of each channel [shape=(1, channels, 1)] for all steps [shape=(batch, channels, steps)]."""
    steps = F.ones_like(within)
    first = F.slice_axis(steps, axis=2, begin=0, end=1)
    return F.batch_dot(F.broadcast_mul(values, first), steps)

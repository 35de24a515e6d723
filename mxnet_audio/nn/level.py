"""Levels: power in decibels, and features with mean 0 and standard deviation 1."""

from __future__ import annotations

import math
from typing import Literal

from mxnet_audio.engine import gluon, nd
from mxnet_audio.errors import FeatureError
from mxnet_audio.features.checks import check_decibels

__all__ = ["PowerToDB", "ZScoreNormBlock"]


class PowerToDB(gluon.nn.HybridBlock):
    """Power in decibels: ``10 * log10(x / ref)``.

    Unlike in librosa, ``top_db`` and ``ref='max'`` refer to the peak of each item (over the last two axes).

    Parameters
    ----------
    ref : float > 0, or 'max'
        Power of 0 dB; 'max' is the peak of each item.
    amin : float >= 1.18e-38
        Smaller powers count as this one. The bound is the smallest normal float32.
    top_db : float >= 0 or None [dB]
        Values further below the peak are raised to ``peak - top_db``; None leaves them.

    Inputs
    ------
    x : NDArray or Symbol [shape=(..., frames, bins)], float32
        Power.

    Outputs
    -------
    NDArray or Symbol [shape=(..., frames, bins)], float32
        Decibels.

    Raises
    ------
    FeatureError
        If ``ref`` is not above zero, ``amin`` is too small, or ``top_db`` is negative.

    See Also
    --------
    librosa.power_to_db : the definition, for one item.
    mxnet_audio.features.power_to_db : the same without MXNet.

    Examples
    --------
    >>> from mxnet_audio.engine import nd
    >>> block = PowerToDB()
    >>> block(nd.array([[[1.0, 0.001, 0.0]]])).asnumpy().round(1)
    array([[[  0., -30., -80.]]], dtype=float32)
    """

    def __init__(
        self,
        ref: float | Literal["max"] = 1.0,
        amin: float = 1e-10,
        top_db: float | None = 80.0,
        prefix: str | None = None,
        params=None,
    ):
        super().__init__(prefix=prefix, params=params)
        check_decibels(ref, amin, top_db)
        self._amin = amin
        self._zero = None if ref == "max" else 10 * math.log10(max(ref, amin))
        self._top_db = top_db

    def hybrid_forward(self, F, x):
        db = F.log(F.maximum(x, self._amin)) * (10 / math.log(10))  # ONNX has no log10
        if self._top_db is None and self._zero is not None:
            return db - self._zero
        # MXNet exports max over axes in a form that ONNX forbids since operator set 18; topk with k=1 is allowed.
        peak = F.topk(F.topk(db, axis=-1, k=1, ret_typ="value"), axis=-2, k=1, ret_typ="value")
        below = F.broadcast_sub(db, peak)
        if self._top_db is not None:
            below = F.maximum(below, -self._top_db)
        return below if self._zero is None else F.broadcast_add(below, peak - self._zero)


class ZScoreNormBlock(gluon.nn.HybridBlock):
    """Normalize each item and channel to mean 0 and standard deviation 1 over the last two axes.

    Parameters
    ----------
    in_channels : int > 0 or None
        Number of channels of every input; None accepts any.
    in_shapes : tuple of int or None [(frames, bins)]
        Size of the last two axes of every input; None accepts any.

    Inputs
    ------
    x : NDArray or Symbol [shape=(..., frames, bins)], float32

    Outputs
    -------
    NDArray or Symbol [shape=(..., frames, bins)], float32
        ``(x - mean) / (std + 1e-7)``; zeros where all values of an item are equal.

    Raises
    ------
    FeatureError
        If an input array does not have the given shape.

    Examples
    --------
    >>> from mxnet_audio.engine import nd
    >>> block = ZScoreNormBlock()
    >>> block(nd.array([[[[1.0, 3.0], [1.0, 3.0]]]])).asnumpy().round(3)
    array([[[[-1.,  1.], [-1.,  1.]]]], dtype=float32)
    """

    def __init__(
        self,
        in_channels: int | None = None,
        in_shapes: tuple[int, int] | None = None,
        prefix: str | None = None,
        params=None,
    ):
        super().__init__(prefix=prefix, params=params)
        if in_shapes is not None and len(in_shapes) != 2:
            raise FeatureError(f"in_shapes must be (frames, bins), got {in_shapes}")
        self._expected = (in_channels, *(in_shapes or (None, None)))

    def forward(self, x, *args):
        """Check the shape of an array, and compute; a Symbol has no shape yet."""
        if isinstance(x, nd.NDArray) and any(
            expected not in (None, size) for expected, size in zip(self._expected[::-1], x.shape[::-1])
        ):
            raise FeatureError(f"{self.name} takes (batch, channels, frames, bins) of {self._expected}, got {x.shape}")
        return super().forward(x, *args)

    def hybrid_forward(self, F, x):
        x = F.broadcast_sub(x, self._mean(F, x))
        # A root has no finite gradient at 0; 1e-30 is far below the epsilon that is added to the deviation.
        std = F.sqrt(F.maximum(self._mean(F, F.square(x)), 1e-30))
        return F.broadcast_div(x, std + 1e-7)

    @staticmethod
    def _mean(F, x):
        # As with max, ONNX forbids mean as MXNet exports it, but not sum.
        total = F.sum(x, axis=(-2, -1), keepdims=True)
        return F.broadcast_div(total, F.sum(F.ones_like(x), axis=(-2, -1), keepdims=True))

"""Levels: power in decibels, and features of mean 0 and deviation 1."""

from __future__ import annotations

import math
from typing import Literal

from mxnet_audio.engine import gluon, nd
from mxnet_audio.errors import FeatureError
from mxnet_audio.features.spectral import check_decibels

__all__ = ["PowerToDB", "ZScoreNormBlock"]


class PowerToDB(gluon.nn.HybridBlock):
    """Power as decibels: ``10 * log10(x / ref)``.

    Unlike librosa's, the peak that ``top_db`` and ``ref='max'`` count from is each item's own (over the last two axes).

    Parameters
    ----------
    ref : float > 0, or 'max'
        The power that is 0 dB; 'max' is each item's peak.
    amin : float >= 1.18e-38
        Smaller powers count as this one. It is a normal number of float32.
    top_db : float >= 0 or None [dB]
        Nothing lies more than this below the peak.

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
        ``ref`` is not above zero, ``amin`` too small, or ``top_db`` negative.

    See Also
    --------
    librosa.power_to_db : the definition that this follows, for one item.
    mxnet_audio.features.power_to_db : the same in NumPy.

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
        prefix=None,
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
        # MXNet writes max over axes as ONNX forbids it since operator set 18; the largest one of each axis it may.
        peak = F.topk(F.topk(db, axis=-1, k=1, ret_typ="value"), axis=-2, k=1, ret_typ="value")
        below = F.broadcast_sub(db, peak)
        if self._top_db is not None:
            below = F.maximum(below, -self._top_db)
        return below if self._zero is None else F.broadcast_add(below, peak - self._zero)


class ZScoreNormBlock(gluon.nn.HybridBlock):
    """Each item and channel brought to mean 0 and deviation 1 over its last two axes.

    Parameters
    ----------
    in_channels : int > 0 or None
        Number of channels of every input; None takes any.
    in_shapes : tuple of int or None [(frames, bins)]
        Length of the last two axes of every input; None takes any.

    Inputs
    ------
    x : NDArray or Symbol [shape=(..., frames, bins)], float32

    Outputs
    -------
    NDArray or Symbol [shape=(..., frames, bins)], float32
        ``(x - mean) / (std + 1e-7)``; zeros where all of an item is one value.

    Raises
    ------
    FeatureError
        The input, as an array, is not of the shape that was given.

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
        prefix=None,
        params=None,
    ):
        super().__init__(prefix=prefix, params=params)
        if in_shapes is not None and len(in_shapes) != 2:
            raise FeatureError(f"in_shapes must be (frames, bins), got {in_shapes}")
        self._expected = (in_channels, *(in_shapes or (None, None)))

    def forward(self, x, *args):
        """Check the shape, where there is one: a Symbol has none yet."""
        if isinstance(x, nd.NDArray):
            unlike = [want for want, got in zip(self._expected[::-1], x.shape[::-1]) if want not in (None, got)]
            if unlike:
                raise FeatureError(
                    f"{self.name} takes (batch, channels, frames, bins) of {self._expected}, got {x.shape}"
                )
        return super().forward(x, *args)

    def hybrid_forward(self, F, x):
        x = F.broadcast_sub(x, self._mean(F, x))
        # A root has no finite gradient at 0; 1e-30 is far below what the deviation's own epsilon drowns.
        std = F.sqrt(F.maximum(self._mean(F, F.square(x)), 1e-30))
        return F.broadcast_div(x, std + 1e-7)

    @staticmethod
    def _mean(F, x):
        # As with max, ONNX forbids mean as MXNet writes it, but not sum.
        total = F.sum(x, axis=(-2, -1), keepdims=True)
        return F.broadcast_div(total, F.sum(F.ones_like(x), axis=(-2, -1), keepdims=True))

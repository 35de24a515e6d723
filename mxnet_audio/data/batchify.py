"""Batches of samples, stacked or padded, for `AudioLoader` and `gluon.data.DataLoader`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mxnet_audio.checks import real_number, whole_number
from mxnet_audio.data.batch_arrays import common_shape, empty_batch, label_batch, split_samples
from mxnet_audio.engine import nd
from mxnet_audio.errors import DatasetError, ParameterError

__all__ = ["Pad", "Stack"]


class Stack:
    """Stack samples of one shape.

    Like Gluon's default batchify function, but faster (each sample is copied once, straight into MXNet's memory), and
    data is always float32.

    Examples
    --------
    >>> x, y = Stack()([(np.zeros(3), 0), (np.ones(3), 1)])
    >>> x.shape, y.asnumpy()
    ((2, 3), array([0, 1]))
    """

    def __repr__(self) -> str:
        return "Stack()"

    def __call__(self, samples: Sequence) -> tuple[nd.NDArray, nd.NDArray] | nd.NDArray:
        """Make a batch.

        Parameters
        ----------
        samples : sequence of (data, label), or of data
            Data: np.ndarray or NDArray, all of one shape.

        Returns
        -------
        data : NDArray [shape=(batch, ...)], float32
        label : NDArray [shape=(batch, ...)]
            In the labels' own type, as in Gluon's default function; left out if the samples have none.

        Raises
        ------
        DatasetError
            If there are no samples, or samples of several shapes.
        """
        rows, labels = split_samples(samples)
        data, memory = empty_batch((len(rows), *common_shape(rows)))
        np.stack(rows, out=memory, casting="same_kind")
        return data if labels is None else (data, label_batch(labels))


class Pad:
    """Pad samples of several lengths at their end.

    MXNet plans memory and kernels for every new shape and keeps them: the memory of a network grows with the number
    of lengths in its batches (by some 23 MB each for the default network). Buckets bound that number.

    Parameters
    ----------
    axis : int
        Axis of the data along which lengths differ.
    value : float or None
        Value of the padding. None repeats the sample itself, as for networks in which zeros would count.
    buckets : sequence of int > 0, optional
        Lengths of batches; each batch has the smallest one that is long enough. Default: the length of the longest
        sample.

    Raises
    ------
    ParameterError
        If an argument is out of range.

    Examples
    --------
    >>> x, lengths, y = Pad(buckets=[4, 8])([(np.ones(3), 0), (np.ones(2), 1)])
    >>> x.asnumpy(), lengths.asnumpy(), y.asnumpy()
    (array([[1., 1., 1., 0.],
           [1., 1., 0., 0.]], dtype=float32), array([3, 2], dtype=int32), array([0, 1]))
    """

    def __init__(self, axis: int = -1, value: float | None = 0.0, buckets: Sequence[int] | None = None):
        self.axis = whole_number("axis", axis, minimum=-32)
        self.value = None if value is None else real_number("value", value)
        self.buckets = None if buckets is None else sorted(whole_number("buckets", bucket) for bucket in buckets)
        if self.buckets == []:
            raise ParameterError("buckets must not be empty; leave them out to pad to the longest sample")

    def __repr__(self) -> str:
        return f"Pad(axis={self.axis}, value={self.value}, buckets={self.buckets})"

    def __call__(self, samples: Sequence) -> tuple[nd.NDArray, ...]:
        """Make a batch.

        Parameters
        ----------
        samples : sequence of (data, label), or of data
            Data: np.ndarray or NDArray, of one shape except along `axis`.

        Returns
        -------
        data : NDArray [shape=(batch, ...)], float32
        lengths : NDArray [shape=(batch,)], int32
            Length of each sample along `axis`, as for `nd.SequenceMask`.
        label : NDArray [shape=(batch, ...)]
            As from `Stack`; left out if the samples have none.

        Raises
        ------
        DatasetError
            If there are no samples, one is longer than the largest bucket, or they differ along another axis.
        """
        rows, labels = split_samples(samples)
        shapes = {row.shape for row in rows}
        if not all(-len(shape) <= self.axis < len(shape) for shape in shapes):
            raise DatasetError(f"samples have no axis {self.axis}: shapes {sorted(shapes)[:4]}")
        axes = [self.axis % row.ndim for row in rows]
        others = sorted({(row.shape[:axis], row.shape[axis + 1 :]) for row, axis in zip(rows, axes)})
        if len(others) > 1:
            raise DatasetError(f"samples differ in another axis than {self.axis}: shapes {sorted(shapes)[:4]}")
        lengths = np.array([row.shape[axes[0]] for row in rows], dtype=np.int32)
        shape = list(rows[0].shape)
        shape[axes[0]] = self._padded_length(lengths.max())
        data, memory = empty_batch((len(rows), *shape))
        for out, row, length in zip(memory, rows, lengths):
            out = np.moveaxis(out, axes[0], 0)
            row = np.moveaxis(row, axes[0], 0)
            out[:length] = row
            out[length:] = row[np.arange(length, len(out)) % length] if self.value is None else self.value
        return (data, label_batch(lengths), *(() if labels is None else (label_batch(labels),)))

    def _padded_length(self, longest: int) -> int:
        if self.buckets is None:
            return int(longest)
        for bucket in self.buckets:
            if longest <= bucket:
                return bucket
        raise DatasetError(f"a sample of length {longest} fits no bucket: the largest is {self.buckets[-1]}")

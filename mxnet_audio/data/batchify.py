"""Samples become batches: stacked, padded, mixed, spliced. For `AudioLoader` and `gluon.data.DataLoader`."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from mxnet_audio.data.transforms.base import Draws, real, whole
from mxnet_audio.engine import mx, nd
from mxnet_audio.errors import DatasetError, FeatureError

__all__ = ["Mixup", "Pad", "Splice", "Stack"]

_INTEGERS = (np.uint8, np.int8, np.int32, np.int64)  # those that MXNet knows


class Stack:
    """Samples of one shape, one on the other.

    As Gluon's own, but faster (each is copied once, straight into MXNet's memory) and always to float32.

    Examples
    --------
    >>> x, y = Stack()([(np.zeros(3), 0), (np.ones(3), 1)])
    >>> x.shape, y.asnumpy()
    ((2, 3), array([0, 1]))
    """

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
            Of the labels' own type, as Gluon's own batchify function gives; not there if the samples have none.

        Raises
        ------
        DatasetError
            There are no samples, or of several shapes.
        """
        rows, labels = _split(samples)
        data, memory = _blank((len(rows), *_one_shape(rows)))
        np.stack(rows, out=memory, casting="same_kind")
        return data if labels is None else (data, _array(labels))


class Pad:
    """Samples of several lengths, filled up at the end to one.

    MXNet plans memory and kernels for every new shape and keeps them: a network's memory grows with the number
    of lengths that it has seen (by some 23 MB each for the default one). Buckets bound that number.

    Parameters
    ----------
    axis : int
        Of the data, the one that differs.
    value : float
        What to fill up with.
    buckets : sequence of int > 0, optional
        The lengths that batches may have; each takes the least that all fit in. Default: the longest sample's.

    Raises
    ------
    FeatureError
        An argument is out of range.

    Examples
    --------
    >>> x, lengths, y = Pad(buckets=[4, 8])([(np.ones(3), 0), (np.ones(2), 1)])
    >>> x.asnumpy(), lengths.asnumpy(), y.asnumpy()
    (array([[1., 1., 1., 0.],
           [1., 1., 0., 0.]], dtype=float32), array([3, 2], dtype=int32), array([0, 1]))
    """

    def __init__(self, axis: int = -1, value: float = 0.0, buckets: Sequence[int] | None = None):
        self.axis, self.value = whole("axis", axis, least=-32), real("value", value)
        self.buckets = None if buckets is None else sorted(whole("buckets", bucket) for bucket in buckets)
        if self.buckets == []:
            raise FeatureError("buckets: there are none; leave them out to pad to the longest")

    def __call__(self, samples: Sequence) -> tuple[nd.NDArray, ...]:
        """Make a batch.

        Parameters
        ----------
        samples : sequence of (data, label), or of data
            Data: np.ndarray or NDArray, of one shape but for `axis`.

        Returns
        -------
        data : NDArray [shape=(batch, ...)], float32
        lengths : NDArray [shape=(batch,)], int32
            Of each sample along `axis`, as `nd.SequenceMask` takes them.
        label : NDArray [shape=(batch, ...)]
            As `Stack` gives; not there if the samples have none.

        Raises
        ------
        DatasetError
            There are no samples, one is longer than the largest bucket, or they differ in another axis.
        """
        rows, labels = _split(samples)
        shapes = {row.shape for row in rows}
        if not all(-len(shape) <= self.axis < len(shape) for shape in shapes):
            raise DatasetError(f"samples have no axis {self.axis}: shapes {sorted(shapes)[:4]}")
        axes = [self.axis % row.ndim for row in rows]
        others = sorted({(row.shape[:axis], row.shape[axis + 1 :]) for row, axis in zip(rows, axes)})
        if len(others) > 1:
            raise DatasetError(f"samples differ in another axis than {self.axis}: shapes {sorted(shapes)[:4]}")
        lengths = np.array([row.shape[axes[0]] for row in rows], dtype=np.int32)
        shape = list(rows[0].shape)
        shape[axes[0]] = self._size(lengths.max())
        data, memory = _blank((len(rows), *shape))
        before = (slice(None),) * axes[0]
        for out, row, length in zip(memory, rows, lengths):
            out[(*before, slice(length))] = row
            out[(*before, slice(length, None))] = self.value
        return (data, _array(lengths)) if labels is None else (data, _array(lengths), _array(labels))

    def _size(self, longest: int) -> int:
        if self.buckets is None:
            return int(longest)
        for bucket in self.buckets:
            if longest <= bucket:
                return bucket
        raise DatasetError(f"a sample of length {longest} fits no bucket: the largest is {self.buckets[-1]}")


class Mixup:
    """Samples and labels mixed with one another's (arXiv 1710.09412), for training.

    Sample ``i`` becomes ``l x[i] + (1 - l) x[j]``, its label alike, with ``j`` from a permutation of the batch and
    ``l`` from ``Beta(alpha, alpha)``: one for each sample, as the paper's formula has it (its authors' program
    draws one for each batch).

    Labels become distributions: train with ``gluon.loss.SoftmaxCrossEntropyLoss(sparse_label=False)``.

    Parameters
    ----------
    alpha : float > 0
        Strength: the paper uses 0.1 to 0.4 for images and sounds; at 1 all mixtures are as likely.
    classes : int > 0
        Number of classes.
    seed : int >= 0, np.random.Generator or None
        As for `mxnet_audio.data.transforms.RandomTransform`.

    Raises
    ------
    FeatureError
        An argument is out of range.

    Examples
    --------
    >>> x, y = Mixup(0.2, classes=2, seed=1)([(np.zeros(3), 0), (np.ones(3), 1)])
    >>> x.shape, y.shape, bool((x[:, 0] == y[:, 1]).min())
    ((2, 3), (2, 2), True)
    """

    random = True

    def __init__(self, alpha: float, classes: int, seed: int | np.random.Generator | None = None):
        self.alpha, self.classes = real("alpha", alpha, low=0), whole("classes", classes)
        if self.alpha == 0:
            raise FeatureError("alpha must be above 0: at 0 nothing would be mixed")
        self._draws = Draws(seed)

    def __call__(self, samples: Sequence, entropy: Sequence[int] | None = None) -> tuple[nd.NDArray, nd.NDArray]:
        """Make a batch.

        Parameters
        ----------
        samples : sequence of (data, label)
            Data: np.ndarray or NDArray, all of one shape. Labels: whole numbers from 0 to ``classes - 1``.
        entropy : tuple of int, optional
            What, with the seed, decides the draw, such as (epoch, batch); calls are counted without.

        Returns
        -------
        data : NDArray [shape=(batch, ...)], float32
        label : NDArray [shape=(batch, classes)], float32
            Each row sums to 1.

        Raises
        ------
        DatasetError
            As `Stack`; or a label is none of the classes.
        """
        rows, labels = _split(samples)
        labels = np.asarray([] if labels is None else labels)
        wrong = labels if labels.dtype.kind not in "iu" else labels[(labels < 0) | (labels >= self.classes)]
        if labels.ndim != 1 or labels.size == 0 or wrong.size:
            raise DatasetError(f"labels must be whole numbers from 0 to {self.classes - 1}, got {wrong[:3].tolist()}")
        data, memory = _blank((len(rows), *_one_shape(rows)))
        rng = self._draws(entropy)
        order = rng.permutation(len(rows))
        shares = rng.beta(self.alpha, self.alpha, len(rows)).astype(np.float32)
        # Row by row: temporaries as large as the batch take several times as long.
        for out, row, other, share in zip(memory, rows, order, shares):
            np.multiply(row, share, out=out, casting="same_kind")
            out += rows[other] * (1 - share)
        one_hot, part = np.eye(self.classes, dtype=np.float32)[labels], shares[:, np.newaxis]
        return data, _array(part * one_hot + (1 - part) * one_hot[order])


class Splice:
    """Samples put together of pieces, along the last axis, of samples of their class in the batch: for training.

    What is common to the pieces is what tells the classes apart: a speaker's voice, and not the word. (CutMix, arXiv
    1905.04899, along time and within classes, so that labels stay whole.) A sample that is alone of its class is put
    together of its own pieces.

    Parameters
    ----------
    share : float, above 0 and at most 1
        Length of a piece over that of a sample, on average; pieces are half as long to one and a half times.
    seed : int >= 0, np.random.Generator or None
        As for `mxnet_audio.data.transforms.RandomTransform`.

    Raises
    ------
    FeatureError
        An argument is out of range.

    Examples
    --------
    >>> ones, twos = np.full(8, 1), np.full(8, 2)
    >>> x, y = Splice(0.25, seed=0)([(ones, 0), (twos, 0), (7 * ones, 1)])
    >>> x.asnumpy()[0], x.asnumpy()[2].mean()
    (array([1., 1., 1., 2., 2., 2., 2., 2.], dtype=float32), 7.0)
    """

    random = True

    def __init__(self, share: float, seed: int | np.random.Generator | None = None):
        self.share = real("share", share, 0, 1)
        if self.share == 0:
            raise FeatureError("share must be above 0: of pieces of no length nothing can be put together")
        self._draws = Draws(seed)

    def __call__(self, samples: Sequence, entropy: Sequence[int] | None = None) -> tuple[nd.NDArray, nd.NDArray]:
        """Make a batch.

        Parameters
        ----------
        samples : sequence of (data, label)
            Data: np.ndarray or NDArray [shape=(..., n)], all of one shape. Labels: numbers.
        entropy : tuple of int, optional
            As for `Mixup`.

        Returns
        -------
        data : NDArray [shape=(batch, ..., n)], float32
        label : NDArray [shape=(batch,)]

        Raises
        ------
        DatasetError
            As `Stack`; or labels are not numbers.
        """
        rows, labels = _split(samples)
        if labels is None or np.ndim(labels) != 1:
            raise DatasetError("Splice takes samples with a number each as their label")
        data, memory = _blank((len(rows), *_one_shape(rows)))
        rng, length, labels = self._draws(entropy), memory.shape[-1], np.asarray(labels)
        usual = self.share * length
        for out, label in zip(memory, labels):
            mates, start = np.flatnonzero(labels == label), 0
            while start < length:
                piece = min(max(round(rng.uniform(0.5, 1.5) * usual), 1), length - start)
                there = rng.integers(length - piece + 1)
                out[..., start : start + piece] = rows[rng.choice(mates)][..., there : there + piece]
                start += piece
        return data, _array(labels)


def _split(samples: Sequence) -> tuple[list[np.ndarray], list | None]:
    """Data as NumPy arrays, and labels."""
    if not len(samples):
        raise DatasetError("a batch of no samples")
    paired = isinstance(samples[0], (tuple, list))
    if paired and (strange := next((sample for sample in samples if len(sample) != 2), None)):
        raise DatasetError(f"samples are data, or (data, label), not of {len(strange)} parts")
    data = [sample[0] for sample in samples] if paired else samples
    rows = [x.asnumpy() if isinstance(x, nd.NDArray) else np.asarray(x) for x in data]
    if not all(row.size for row in rows):
        raise DatasetError("a sample has no data")
    return rows, [sample[1] for sample in samples] if paired else None


def _one_shape(rows: list[np.ndarray]) -> tuple[int, ...]:
    shapes = sorted({row.shape for row in rows})
    if len(shapes) > 1:
        shown = f"samples of {len(shapes)} shapes, such as {shapes[:2]}, cannot be stacked"
        raise DatasetError(f"{shown}: use Pad, or features of one rate and length")
    return shapes[0]


def _array(labels: Any) -> nd.NDArray:
    """Labels of any kind, numbers or arrays, in their own type."""
    if isinstance(labels[0], nd.NDArray):
        return nd.stack(*labels)
    try:
        labels = np.asarray(labels)
    except ValueError:
        raise DatasetError("labels of several shapes cannot be stacked") from None
    if labels.dtype.kind not in "biuf":
        raise DatasetError(f"labels must be numbers, got {labels.flat[0]!r}")
    if labels.dtype.kind in "iu" and labels.dtype not in _INTEGERS:
        labels = labels.astype(np.int64)
    array, memory = _blank(labels.shape, labels.dtype)
    memory[...] = labels
    return array


def _blank(shape: tuple[int, ...], dtype: Any = np.float32) -> tuple[nd.NDArray, np.ndarray]:
    """An array of MXNet's on the CPU, and its memory as NumPy's, to be filled before MXNet works with it.

    A copy (`nd.array`) takes four times as long as the stacking itself. `nd.from_numpy`, as fast as this, calls
    Python from MXNet's own threads when the array goes, which at the interpreter's end aborts the process.
    """
    array = nd.empty(shape, ctx=mx.cpu(), dtype=dtype)
    pointer = ctypes.c_void_p()
    mx.base.check_call(mx.base._LIB.MXNDArrayGetData(array.handle, ctypes.byref(pointer)))
    interface = {"version": 3, "shape": shape, "typestr": np.dtype(dtype).str, "data": (pointer.value, False)}
    return array, np.asarray(SimpleNamespace(__array_interface__=interface, owner=array))  # the view keeps its owner

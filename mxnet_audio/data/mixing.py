"""Batches whose samples are mixed or spliced with one another, for training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mxnet_audio.checks import real_number, whole_number
from mxnet_audio.data.batch_arrays import common_shape, empty_batch, label_batch, split_samples
from mxnet_audio.data.batchify import Pad
from mxnet_audio.data.transforms.base import Draws, Seed
from mxnet_audio.engine import nd
from mxnet_audio.errors import DatasetError

__all__ = ["Mixup", "Splice"]


class Mixup:
    """Mix samples and labels pairwise (arXiv 1710.09412).

    Sample ``i`` becomes ``l x[i] + (1 - l) x[j]``, and its label likewise, with ``j`` from a permutation of the batch
    and ``l`` from ``Beta(alpha, alpha)``. Each sample has its own ``l``, as in the paper's formula (its authors'
    program draws one for each batch).

    Labels become distributions: train with ``gluon.loss.SoftmaxCrossEntropyLoss(sparse_label=False)``. Rows of 0 and 1,
    for several labels a sample, are mixed as they are: train with ``gluon.loss.SigmoidBinaryCrossEntropyLoss()``.

    Parameters
    ----------
    alpha : float > 0
        Strength: the paper uses 0.1 to 0.4 for images and sounds; at 1 all mixtures are equally likely.
    classes : int > 0
        Number of classes.
    seed : int >= 0, np.random.Generator or None
        As for `mxnet_audio.data.transforms.RandomTransform`.
    pad : Pad, optional
        Padding of samples of several lengths. A mixture is as long as the longer one of its two samples.

    Raises
    ------
    ParameterError
        If an argument is out of range.

    Examples
    --------
    >>> x, y = Mixup(0.2, classes=2, seed=1)([(np.zeros(3), 0), (np.ones(3), 1)])
    >>> x.shape, y.shape, bool((x[:, 0] == y[:, 1]).min())
    ((2, 3), (2, 2), True)
    """

    random = True

    def __init__(self, alpha: float, classes: int, seed: Seed = None, pad: Pad | None = None):
        self.alpha, self.classes = real_number("alpha", alpha, above=0), whole_number("classes", classes)
        self._draws, self._pad = Draws(seed), pad

    def __repr__(self) -> str:
        return f"Mixup(alpha={self.alpha}, classes={self.classes})"

    def __call__(self, samples: Sequence, entropy: Sequence[int] | None = None) -> tuple[nd.NDArray, ...]:
        """Make a batch.

        Parameters
        ----------
        samples : sequence of (data, label)
            Data: np.ndarray or NDArray, all of one shape, or as `Pad` takes them. Labels: whole numbers from 0 to
            ``classes - 1``, or np.ndarray [shape=(classes,)] of 0 and 1.
        entropy : tuple of int, optional
            Numbers that determine the draw together with the seed, such as (epoch, batch). If omitted, calls are
            counted.

        Returns
        -------
        data : NDArray [shape=(batch, ...)], float32
        lengths : NDArray [shape=(batch,)], int32
            Only with `pad`, as it gives them.
        label : NDArray [shape=(batch, classes)], float32
            Each row sums to 1, if the labels are whole numbers.

        Raises
        ------
        DatasetError
            As for `Stack`; or if a label is not a class.
        """
        rows, given = split_samples(samples)
        rows_of_labels = self._label_rows(np.asarray([] if given is None else given))
        lengths: list[nd.NDArray] = []
        if self._pad is not None:
            padded, *lengths = self._pad(rows)
            rows = list(padded.asnumpy())
        data, memory = empty_batch((len(rows), *common_shape(rows)))
        rng = self._draws(entropy)
        order = rng.permutation(len(rows))
        shares = rng.beta(self.alpha, self.alpha, len(rows)).astype(np.float32)
        # Row by row: temporaries as large as the batch take several times as long.
        for out, row, other, share in zip(memory, rows, order, shares):
            np.multiply(row, share, out=out, casting="same_kind")
            out += rows[other] * (1 - share)
        column = shares[:, np.newaxis]
        lengths = [nd.maximum(length, length[nd.array(order)]) for length in lengths]
        return data, *lengths, label_batch(column * rows_of_labels + (1 - column) * rows_of_labels[order])

    def _label_rows(self, labels: np.ndarray) -> np.ndarray:
        """Return labels as rows of 0 and 1 [shape=(n, classes)], float32; DatasetError if a label is not a class."""
        if labels.ndim == 2 and labels.shape[1] == self.classes and labels.dtype.kind in "biuf":
            return labels.astype(np.float32)
        wrong = labels if labels.dtype.kind not in "iu" else labels[(labels < 0) | (labels >= self.classes)]
        if labels.ndim != 1 or labels.size == 0 or wrong.size:
            raise DatasetError(f"labels must be whole numbers from 0 to {self.classes - 1}, got {wrong[:3].tolist()}")
        return np.eye(self.classes, dtype=np.float32)[labels]


class Splice:
    """Assemble each sample from pieces, along the last axis, of the batch's samples of the same class.

    The pieces have in common what distinguishes the class: the voice of a speaker, and not the word. This is CutMix
    (arXiv 1905.04899) along time and within classes, so that labels stay whole. A sample that is the only one of its
    class is assembled from its own pieces.

    Parameters
    ----------
    share : float, above 0 and at most 1
        Mean length of a piece, as a share of a sample's; lengths are drawn between half of it and one and a half times.
    seed : int >= 0, np.random.Generator or None
        As for `mxnet_audio.data.transforms.RandomTransform`.

    Raises
    ------
    ParameterError
        If an argument is out of range.

    Examples
    --------
    >>> ones, twos = np.full(8, 1), np.full(8, 2)
    >>> x, y = Splice(0.25, seed=0)([(ones, 0), (twos, 0), (7 * ones, 1)])
    >>> x.asnumpy()[0], x.asnumpy()[2].mean()
    (array([1., 1., 1., 2., 2., 2., 2., 2.], dtype=float32), 7.0)
    """

    random = True

    def __init__(self, share: float, seed: Seed = None):
        self.share = real_number("share", share, maximum=1, above=0)
        self._draws = Draws(seed)

    def __repr__(self) -> str:
        return f"Splice(share={self.share})"

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
            As for `Stack`; or if labels are not numbers.
        """
        rows, given = split_samples(samples)
        if given is None or np.ndim(given) != 1:
            raise DatasetError("Splice needs samples with one number each as their label")
        data, memory = empty_batch((len(rows), *common_shape(rows)))
        rng, length, labels = self._draws(entropy), memory.shape[-1], np.asarray(given)
        mean_size = self.share * length
        for out, label in zip(memory, labels):
            same_class, position = np.flatnonzero(labels == label), 0
            while position < length:
                size = min(max(round(rng.uniform(0.5, 1.5) * mean_size), 1), length - position)
                start = rng.integers(length - size + 1)
                out[..., position : position + size] = rows[rng.choice(same_class)][..., start : start + size]
                position += size
        return data, label_batch(labels)

"""Samplers: shuffled by seed and epoch, balanced by class, or in batches of similar length."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from numbers import Integral

import numpy as np

from mxnet_audio.checks import whole_number
from mxnet_audio.engine import gluon
from mxnet_audio.errors import DatasetError, ParameterError

__all__ = ["BalancedSampler", "BucketSampler", "ClassBatchSampler", "EpochSampler"]


class EpochSampler(gluon.data.Sampler):
    """Sampler of all positions, in order or shuffled by seed and epoch.

    Parameters
    ----------
    length : int
        Number of samples.
    shuffle : bool
    seed : int >= 0

    Attributes
    ----------
    epoch : int
        Number of the next epoch.

    Raises
    ------
    ParameterError
        If `seed` is below 0.

    Examples
    --------
    >>> sampler = EpochSampler(5, shuffle=True)
    >>> first = list(sampler)
    >>> sampler.epoch = 1
    >>> list(sampler) == first, sorted(sampler)
    (False, [0, 1, 2, 3, 4])
    """

    def __init__(self, length: int, shuffle: bool = False, seed: int = 0):
        self.length, self.shuffle, self.seed, self.epoch = length, shuffle, whole_number("seed", seed, 0), 0

    def __repr__(self) -> str:
        return f"EpochSampler({self.length} samples, shuffle={self.shuffle}, seed={self.seed})"

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[int]:
        if not self.shuffle:
            return iter(range(self.length))
        return iter(np.random.default_rng((self.seed, self.epoch)).permutation(self.length).tolist())


class BalancedSampler(gluon.data.Sampler):
    """Sampler of equally many positions of each class, in an order that seed and epoch determine.

    An epoch has as many samples as the dataset. Samples of a small class are repeated, each equally often up to one;
    of a large class, each epoch has other samples.

    Parameters
    ----------
    targets : sequence of int
        Class of each sample.
    seed : int >= 0

    Attributes
    ----------
    epoch : int
        Number of the next epoch.

    Raises
    ------
    ParameterError
        If `seed` is below 0.

    Examples
    --------
    >>> targets = [0, 0, 0, 0, 0, 1]
    >>> sorted(targets[position] for position in BalancedSampler(targets))
    [0, 0, 0, 1, 1, 1]
    """

    def __init__(self, targets: Sequence[int], seed: int = 0):
        self._length, self.seed, self.epoch = len(targets), whole_number("seed", seed, 0), 0
        self._members = [np.flatnonzero(np.asarray(targets) == target) for target in np.unique(targets)]

    def __repr__(self) -> str:
        return f"BalancedSampler({self._length} samples, {len(self._members)} classes, seed={self.seed})"

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[int]:
        rng = np.random.default_rng((self.seed, self.epoch))
        shares = np.full(len(self._members), self._length // len(self._members))
        shares[rng.permutation(len(shares))[: self._length % len(shares)]] += 1
        drawn = [
            np.concatenate([rng.permutation(members) for _ in range(-(-share // len(members)))])[:share]
            for members, share in zip(self._members, shares)
            if share
        ]
        return iter(rng.permutation(np.concatenate(drawn)).tolist())


class ClassBatchSampler(gluon.data.Sampler):
    """Sampler of positions in an order whose batches hold a few classes, equally many samples of each.

    Metric losses need such batches: those of GE2E (arXiv 1710.10467) with P speakers and M utterances have
    ``batch_size = P * M`` and ``per_class = M``. Samples of one class follow each other. This is a sampler, not a
    ``batch_sampler``: `AudioLoader.take` with ``sampler=``, or ``gluon.data.BatchSampler``, cuts it into batches.

    An epoch has as many samples as the dataset, rounded up to a whole batch. All classes are drawn before one is
    repeated, and all samples of a class before one of them is. A batch holds no sample twice unless a class has fewer
    samples than are needed.

    Parameters
    ----------
    targets : sequence of int or of str
        Class of each sample.
    batch_size : int > 0
        Size of a batch, a multiple of `per_class`.
    per_class : int > 0
        Number of samples of each class in a batch.
    seed : int >= 0

    Attributes
    ----------
    epoch : int
        Number of the next epoch.

    Raises
    ------
    ParameterError
        If `batch_size` is not a multiple of `per_class`, or a number is out of range.
    DatasetError
        If there are no targets.

    See Also
    --------
    BalancedSampler : equally many samples of each class in an epoch, not in each batch.

    Examples
    --------
    >>> targets = [0, 0, 0, 1, 1, 2, 2, 2]
    >>> order = list(ClassBatchSampler(targets, batch_size=4, per_class=2))
    >>> [[targets[position] for position in order[start : start + 4]] for start in (0, 4)]
    [[2, 2, 0, 0], [1, 1, 2, 2]]
    """

    def __init__(self, targets: Sequence[int] | Sequence[str], batch_size: int, per_class: int = 2, seed: int = 0):
        self.batch_size, self.per_class = whole_number("batch_size", batch_size), whole_number("per_class", per_class)
        self.seed, self.epoch = whole_number("seed", seed, 0), 0
        if self.batch_size % self.per_class:
            raise ParameterError(f"batch_size must be a multiple of per_class ({per_class}), got {batch_size}")
        if not len(targets):
            raise DatasetError("there are no targets to make batches of")
        classes = np.asarray(targets)
        # One sort, not one search for each of a thousand speakers.
        order = np.argsort(classes, kind="stable")
        starts = np.unique(classes[order], return_index=True)[1]
        self._members = [members.tolist() for members in np.split(order, starts[1:])]
        self._batches = -(-len(targets) // self.batch_size)

    def __repr__(self) -> str:
        sizes = f"batch_size={self.batch_size}, per_class={self.per_class}, seed={self.seed}"
        return f"ClassBatchSampler({len(self)} samples, {len(self._members)} classes, {sizes})"

    def __len__(self) -> int:
        return self._batches * self.batch_size

    def __iter__(self) -> Iterator[int]:
        rng = np.random.default_rng((self.seed, self.epoch))
        classes = _ShuffledRounds(list(range(len(self._members))), rng)
        samples = [_ShuffledRounds(members, rng) for members in self._members]
        for _ in range(self._batches):
            for index, times in Counter(classes.draw(self.batch_size // self.per_class)).items():
                yield from samples[index].draw(self.per_class * times)


class _ShuffledRounds:
    """Draws without replacement, in rounds: all items are drawn before one is drawn again."""

    def __init__(self, items: list[int], rng: np.random.Generator):
        self._items, self._rng = items, rng
        self._remaining: list[int] = []  # of this round

    def draw(self, count: int) -> list[int]:
        """Draw so many: none twice, or, of fewer items than that, each equally often up to one."""
        rounds, count = divmod(count, len(self._items))
        if len(self._remaining) < count:
            remaining = set(self._remaining)
            # In the new round, those that are drawn now anyway come last: sorting is stable.
            self._remaining += sorted(self._rng.permutation(self._items).tolist(), key=remaining.__contains__)
        drawn, self._remaining = self._remaining[:count], self._remaining[count:]
        return self._items * rounds + drawn


class BucketSampler(gluon.data.Sampler):
    """Sampler of batches with samples of similar length, which need little padding; a ``batch_sampler``.

    Parameters
    ----------
    lengths : sequence of number
        Length of each sample, in any unit, such as seconds from `audio.info`.
    batch_size : int > 0
        Largest size of a batch; the last one of a bucket may be smaller.
    buckets : int > 0 or sequence of number
        Number of buckets, each with equally many samples; or the largest length of each, as for `Pad`.
    shuffle : bool
        True shuffles the samples within their bucket, and the batches, by seed and epoch.
    seed : int >= 0

    Attributes
    ----------
    epoch : int
        Number of the next epoch.
    buckets : list of float
        Largest length of each bucket.

    Raises
    ------
    ParameterError
        If an argument is out of range.
    DatasetError
        If there are no lengths, or one is not finite or above the last bucket.

    Examples
    --------
    >>> list(BucketSampler([1, 9, 2, 8, 1], batch_size=2, buckets=[2, 10]))
    [[0, 2], [4], [1, 3]]
    """

    def __init__(
        self,
        lengths: Sequence[float],
        batch_size: int,
        buckets: int | Sequence[float] = 8,
        shuffle: bool = False,
        seed: int = 0,
    ):
        self.batch_size, self.seed = whole_number("batch_size", batch_size), whole_number("seed", seed, 0)
        self.shuffle, self.epoch = shuffle, 0
        sizes = np.asarray(lengths, dtype=np.float64)
        if not (len(sizes) and np.isfinite(sizes).all()):
            raise DatasetError(f"{len(sizes)} lengths: there are none, or one is not finite")
        if isinstance(buckets, Integral):
            count = whole_number("buckets", buckets)
            edges = np.quantile(sizes, np.arange(1, count + 1) / count, method="higher")
        else:
            edges = np.asarray(buckets, dtype=np.float64)
        edges = np.unique(edges)  # sorted, too
        if not edges.size or edges[0] <= 0:
            raise ParameterError(f"buckets must be a number of buckets, or lengths > 0, got {buckets}")
        if not sizes.max() <= edges[-1]:
            raise DatasetError(f"a length of {sizes.max():g} is above the last bucket ({edges[-1]:g})")
        self.buckets: list[float] = edges.tolist()
        bucket_of = np.searchsorted(edges, sizes)
        members = (np.flatnonzero(bucket_of == bucket) for bucket in range(len(edges)))
        self._members = [positions for positions in members if len(positions)]

    def __repr__(self) -> str:
        counts = f"{len(self)} batches, {len(self._members)} buckets, batch_size={self.batch_size}"
        return f"BucketSampler({counts}, shuffle={self.shuffle}, seed={self.seed})"

    def __len__(self) -> int:
        return sum(-(-len(members) // self.batch_size) for members in self._members)

    def __iter__(self) -> Iterator[list[int]]:
        rng = np.random.default_rng((self.seed, self.epoch))
        batches = []
        for members in self._members:
            members = rng.permutation(members) if self.shuffle else members
            batches += [members[start : start + self.batch_size] for start in range(0, len(members), self.batch_size)]
        if self.shuffle:
            batches = [batches[index] for index in rng.permutation(len(batches))]
        return iter([batch.tolist() for batch in batches])

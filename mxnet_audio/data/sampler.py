"""In which order samples are read: shuffled by seed and epoch, some of each class, or in batches of like length."""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Iterator, Sequence
from numbers import Integral

import numpy as np

from mxnet_audio.engine import gluon
from mxnet_audio.errors import DatasetError

__all__ = ["BalancedSampler", "BucketSampler", "ClassBatchSampler", "EpochSampler"]


class EpochSampler(gluon.data.Sampler):
    """Positions in order, or in an order that seed and epoch determine.

    Parameters
    ----------
    length : int
        Number of samples.
    shuffle : bool
    seed : int >= 0

    Attributes
    ----------
    epoch : int
        Which epoch the next pass is.

    Raises
    ------
    DatasetError
        `seed` is below 0.

    Examples
    --------
    >>> sampler = EpochSampler(5, shuffle=True)
    >>> first = list(sampler)
    >>> sampler.epoch = 1
    >>> list(sampler) == first, sorted(sampler)
    (False, [0, 1, 2, 3, 4])
    """

    def __init__(self, length: int, shuffle: bool = False, seed: int = 0):
        if operator.index(seed) < 0:
            raise DatasetError(f"seed is 0 or more, not {seed}")
        self.length, self.shuffle, self.seed, self.epoch = length, shuffle, seed, 0

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[int]:
        if not self.shuffle:
            return iter(range(self.length))
        return iter(np.random.default_rng((self.seed, self.epoch)).permutation(self.length).tolist())


class BalancedSampler(gluon.data.Sampler):
    """As many positions of one class as of another, in an order that seed and epoch determine.

    An epoch is as long as there are samples: of a class that is smaller than its share some come more than once, and
    none a second time more than another; of a larger one, others in each epoch.

    Parameters
    ----------
    targets : sequence of int
        Class of each sample.
    seed : int >= 0

    Attributes
    ----------
    epoch : int
        Which epoch the next pass is.

    Examples
    --------
    >>> targets = [0, 0, 0, 0, 0, 1]
    >>> sorted(targets[position] for position in BalancedSampler(targets))
    [0, 0, 0, 1, 1, 1]
    """

    def __init__(self, targets: Sequence[int], seed: int = 0):
        if operator.index(seed) < 0:
            raise DatasetError(f"seed is 0 or more, not {seed}")
        self._length, self.seed, self.epoch = len(targets), seed, 0
        self._members = [np.flatnonzero(np.asarray(targets) == target) for target in np.unique(targets)]

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
    """Positions in an order whose every `batch_size` are of a few classes, and as many of each: for metric losses.

    GE2E's batches (arXiv 1710.10467) of P speakers and M utterances are ``batch_size = P * M`` and ``per_class = M``;
    those of one class follow each other. It is an order, not a ``batch_sampler``: whoever reads it cuts batches of
    that size, as `AudioLoader.take` does with ``sampler=``, or ``gluon.data.BatchSampler``.

    An epoch is as long as there are samples, up to a whole batch. All classes come before one comes again, all
    samples of a class before one of them does; a batch holds none twice, unless there are too few.

    Parameters
    ----------
    targets : sequence of int or of str
        Class of each sample.
    batch_size : int > 0
        A multiple of `per_class`.
    per_class : int > 0
        How many samples of a class.
    seed : int >= 0

    Attributes
    ----------
    epoch : int
        Which epoch the next pass is.

    Raises
    ------
    DatasetError
        `batch_size` is no multiple of `per_class`, there are no targets, or a number is out of range.

    See Also
    --------
    BalancedSampler : as many of each class in an epoch, not in each batch.

    Examples
    --------
    >>> targets = [0, 0, 0, 1, 1, 2, 2, 2]
    >>> order = list(ClassBatchSampler(targets, batch_size=4, per_class=2))
    >>> [[targets[position] for position in order[start : start + 4]] for start in (0, 4)]
    [[2, 2, 0, 0], [1, 1, 2, 2]]
    """

    def __init__(self, targets: Sequence[int] | Sequence[str], batch_size: int, per_class: int = 2, seed: int = 0):
        targets = np.asarray(targets)
        if operator.index(seed) < 0:
            raise DatasetError(f"seed is 0 or more, not {seed}")
        if operator.index(per_class) < 1 or operator.index(batch_size) < 1 or batch_size % per_class:
            raise DatasetError(f"batch_size is a multiple of per_class, not {batch_size} of {per_class}")
        if not len(targets):
            raise DatasetError("there are no targets to make batches of")
        self.batch_size, self.per_class, self.seed, self.epoch = batch_size, per_class, seed, 0
        # One sort, not a look at all targets for each of a thousand speakers.
        order = np.argsort(targets, kind="stable")
        starts = np.unique(targets[order], return_index=True)[1]
        self._members = [members.tolist() for members in np.split(order, starts[1:])]
        self._batches = -(-len(targets) // batch_size)

    def __len__(self) -> int:
        return self._batches * self.batch_size

    def __iter__(self) -> Iterator[int]:
        rng = np.random.default_rng((self.seed, self.epoch))
        classes = _Pack(list(range(len(self._members))), rng)
        packs = [_Pack(members, rng) for members in self._members]
        for _ in range(self._batches):
            for place, times in Counter(classes.deal(self.batch_size // self.per_class)).items():
                yield from packs[place].deal(self.per_class * times)


class _Pack:
    """Cards dealt from a shuffled pack, and a new one when it is used up."""

    def __init__(self, cards: list[int], rng: np.random.Generator):
        self._cards, self._rng, self._left = cards, rng, []

    def deal(self, count: int) -> list[int]:
        """Deal so many, none twice; of a pack that is smaller than that, none a second time more than another."""
        rounds, count = divmod(count, len(self._cards))
        if len(self._left) < count:
            left = set(self._left)
            # Of the new pack, those that are still in hand go to the bottom: sorting is stable.
            self._left += sorted(self._rng.permutation(self._cards).tolist(), key=left.__contains__)
        dealt, self._left = self._left[:count], self._left[count:]
        return self._cards * rounds + dealt


class BucketSampler(gluon.data.Sampler):
    """Batches of samples of like length, so that little is padded; a ``batch_sampler``.

    Parameters
    ----------
    lengths : sequence of number
        Length of each sample, in any unit, such as seconds by `audio.info`.
    batch_size : int > 0
        Most samples in a batch; the last one of a bucket may hold fewer.
    buckets : int > 0 or sequence of number
        Number of buckets, each of as many samples; or the longest lengths of each, as for `Pad`.
    shuffle : bool
        Shuffle samples in their bucket, and the batches, by seed and epoch.
    seed : int >= 0

    Raises
    ------
    DatasetError
        A length is above the last bucket, or there is none, or an argument is out of range.

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
        lengths = np.asarray(lengths, dtype=np.float64)
        if not (len(lengths) and np.isfinite(lengths).all() and batch_size >= 1 and seed >= 0):
            known = f"{len(lengths)} lengths, batch_size {batch_size}, seed {seed}"
            raise DatasetError(f"{known}: there are none, one is not finite, or a number is out of range")
        if isinstance(buckets, Integral) and buckets > 0:
            buckets = np.quantile(lengths, np.arange(1, buckets + 1) / buckets, method="higher")
        edges = np.unique(np.asarray(buckets, dtype=np.float64))  # and sorted
        if not edges.size or edges[0] <= 0:
            raise DatasetError(f"buckets are a number of them, or lengths, above 0, not {buckets}")
        if not lengths.max() <= edges[-1]:
            raise DatasetError(f"a length of {lengths.max():g} is above the last bucket ({edges[-1]:g})")
        places = np.searchsorted(edges, lengths)
        self._members = [members for place in range(len(edges)) if len(members := np.flatnonzero(places == place))]
        self.batch_size, self.shuffle, self.seed, self.epoch = batch_size, shuffle, seed, 0

    def __len__(self) -> int:
        return sum(-(-len(members) // self.batch_size) for members in self._members)

    def __iter__(self) -> Iterator[list[int]]:
        rng = np.random.default_rng((self.seed, self.epoch))
        batches = []
        for members in self._members:
            members = rng.permutation(members) if self.shuffle else members
            batches += [members[start : start + self.batch_size] for start in range(0, len(members), self.batch_size)]
        if self.shuffle:
            batches = [batches[place] for place in rng.permutation(len(batches))]
        return iter([batch.tolist() for batch in batches])

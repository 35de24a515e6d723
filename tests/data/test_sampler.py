"""Orders: every sample once, by seed and epoch; some of each class; buckets of like length."""

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxnet_audio.data import AudioDataset, AudioLoader, BalancedSampler, BucketSampler, ClassBatchSampler, EpochSampler
from mxnet_audio.errors import DatasetError


@given(st.integers(1, 50), st.integers(0, 2**32), st.integers(0, 1000))
def test_shuffled_is_numpys_permutation_of_seed_and_epoch(length, seed, epoch):
    sampler = EpochSampler(length, shuffle=True, seed=seed)
    sampler.epoch = epoch
    assert list(sampler) == np.random.default_rng((seed, epoch)).permutation(length).tolist()
    assert list(EpochSampler(length)) == list(range(length))


@given(st.lists(st.floats(0.1, 100), min_size=1, max_size=60), st.integers(1, 9), st.integers(1, 6), st.booleans())
def test_buckets_hold_every_sample_once_and_none_is_longer_than_the_edge(lengths, batch_size, buckets, shuffle):
    sampler = BucketSampler(lengths, batch_size, buckets, shuffle=shuffle)
    batches = list(sampler)
    assert len(batches) == len(sampler)
    assert sorted(position for batch in batches for position in batch) == list(range(len(lengths)))
    assert all(1 <= len(batch) <= batch_size for batch in batches)
    spans = sorted((min(lengths[i] for i in batch), max(lengths[i] for i in batch)) for batch in batches)
    if not shuffle and batch_size >= len(lengths):  # a batch is a bucket then: none reaches into the next
        assert all(a[1] < b[0] for a, b in itertools.pairwise(spans))


def test_another_epoch_is_another_order_of_the_same_batches_sizes():
    sampler = BucketSampler(range(1, 41), 4, 4, shuffle=True, seed=1)
    first = list(sampler)
    assert list(sampler) == first
    sampler.epoch = 1
    assert list(sampler) != first


@pytest.mark.parametrize(("lengths", "batch_size", "buckets"), [([], 2, 3), ([1.0], 0, 3), ([5.0], 2, [1, 2])])
def test_what_cannot_be_is_refused(lengths, batch_size, buckets):
    with pytest.raises(DatasetError):
        BucketSampler(lengths, batch_size, buckets)


@pytest.mark.parametrize("counts", [(5, 5), (38, 2), (1, 1, 95), (7,)])
def test_balanced_draws_each_class_as_often_and_each_clip_of_it_too(counts):
    targets = np.repeat(np.arange(len(counts)), counts)
    sampler = BalancedSampler(targets, seed=3)
    epochs = []
    for epoch in range(3):
        sampler.epoch = epoch
        epochs.append(list(sampler))
        assert len(epochs[-1]) == len(sampler) == len(targets)
        drawn = np.bincount(targets[epochs[-1]], minlength=len(counts))
        assert np.ptp(drawn) <= 1
        for target in range(len(counts)):
            often = np.bincount(epochs[-1], minlength=len(targets))[targets == target]
            assert np.ptp(often) <= 1
    sampler.epoch = 1
    assert list(sampler) == epochs[1] and (len(targets) < 8 or epochs[0] != epochs[1])


def test_balanced_wants_a_seed():
    with pytest.raises(DatasetError, match="seed"):
        BalancedSampler([0, 1], seed=-1)


@given(
    st.lists(st.integers(0, 6), min_size=1, max_size=60), st.integers(1, 5), st.integers(1, 5), st.integers(0, 2**32)
)
def test_batches_hold_as_many_of_each_of_their_classes(targets, per_class, classes, seed):
    """Within a batch, and over the epoch, none comes twice before it has to."""
    batch_size = per_class * classes
    sampler = ClassBatchSampler(targets, batch_size, per_class, seed)
    order = list(sampler)
    assert len(order) == len(sampler) == -(-len(targets) // batch_size) * batch_size
    assert list(sampler) == order
    members = {target: targets.count(target) for target in targets}
    drawn = Counter()
    for start in range(0, len(order), batch_size):
        batch = order[start : start + batch_size]
        here = Counter(targets[position] for position in batch)
        assert all(count % per_class == 0 for count in here.values())
        assert len(here) == min(classes, len(members))
        assert max(here.values()) - min(here.values()) <= per_class
        runs = [target for target, _ in itertools.groupby(targets[position] for position in batch)]
        assert len(runs) == len(here), "those of a class follow each other"
        for target, count in here.items():
            often = Counter(position for position in batch if targets[position] == target)
            assert len(often) == min(count, members[target]) and max(often.values()) - min(often.values()) <= 1
        drawn.update(here)
    counts = [drawn[target] for target in members]
    assert max(counts) - min(counts) <= 2 * per_class
    often = Counter(order)
    for target in members:
        counts = [often[position] for position in range(len(targets)) if targets[position] == target]
        assert max(counts) - min(counts) <= 2


def test_class_batches_in_the_loader_are_others_in_another_epoch():
    targets = list("aaaabbbbbccc")
    dataset = AudioDataset([(np.full(10, place + 1.0), 8000) for place in range(12)], targets, transforms=[len])
    part = AudioLoader(dataset, 12).take(range(12), 4, sampler=ClassBatchSampler(targets, 4, 2, seed=1))
    epochs = [[label.asnumpy().tolist() for _, label in part] for _ in range(4)]
    for batches in epochs:
        assert len(batches) == 3 and all(a == b != c == d for a, b, c, d in batches)
    assert len(set(map(str, epochs))) > 1


def test_class_batches_are_by_the_seed_and_the_epoch():
    sampler = ClassBatchSampler(np.arange(1000) % 100, 20, 2, seed=3)
    first = list(sampler)
    sampler.epoch = 1
    assert list(sampler) != first != list(ClassBatchSampler(np.arange(1000) % 100, 20, 2, seed=4))
    sampler.epoch = 0
    assert list(sampler) == first and sorted(first) == list(range(1000)), "equal classes: every sample once"


@pytest.mark.parametrize(
    ("targets", "batch_size", "per_class", "seed", "message"),
    [
        ([0, 1], 5, 2, 0, "batch_size is a multiple of per_class, not 5 of 2"),
        ([0, 1], 0, 2, 0, "multiple"),
        ([0, 1], 4, 0, 0, "multiple"),
        ([], 4, 2, 0, "no targets"),
        ([0, 1], 4, 2, -1, "seed"),
    ],
)
def test_class_batches_that_cannot_be(targets, batch_size, per_class, seed, message):
    with pytest.raises(DatasetError, match=message):
        ClassBatchSampler(targets, batch_size, per_class, seed)

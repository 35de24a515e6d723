"""Orders: every sample once, by seed and epoch; buckets of like length."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxnet_audio.data import BalancedSampler, BucketSampler, EpochSampler
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

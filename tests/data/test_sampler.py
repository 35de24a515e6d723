"""Samplers: every sample once, by seed and epoch; balanced classes; buckets of similar length."""

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxnet_audio.data import AudioDataset, AudioLoader, BalancedSampler, BucketSampler, ClassBatchSampler, EpochSampler
from mxnet_audio.errors import DatasetError, ParameterError


@given(st.integers(1, 50), st.integers(0, 2**32), st.integers(0, 1000))
def test_shuffled_order_is_numpys_permutation_by_seed_and_epoch(length, seed, epoch):
    sampler = EpochSampler(length, shuffle=True, seed=seed)
    sampler.epoch = epoch
    assert list(sampler) == np.random.default_rng((seed, epoch)).permutation(length).tolist()
    assert list(EpochSampler(length)) == list(range(length))


@given(st.lists(st.floats(0.1, 100), min_size=1, max_size=60), st.integers(1, 9), st.integers(1, 6), st.booleans())
def test_buckets_hold_every_sample_once_and_do_not_overlap(lengths, batch_size, buckets, shuffle):
    sampler = BucketSampler(lengths, batch_size, buckets, shuffle=shuffle)
    batches = list(sampler)
    assert len(batches) == len(sampler)
    assert sorted(position for batch in batches for position in batch) == list(range(len(lengths)))
    assert all(1 <= len(batch) <= batch_size for batch in batches)
    spans = sorted((min(lengths[i] for i in batch), max(lengths[i] for i in batch)) for batch in batches)
    if not shuffle and batch_size >= len(lengths):  # each batch is a bucket then
        assert all(a[1] < b[0] for a, b in itertools.pairwise(spans))


def test_another_epoch_has_another_order():
    sampler = BucketSampler(range(1, 41), 4, 4, shuffle=True, seed=1)
    assert sampler.buckets == BucketSampler(range(1, 41), 4, sampler.buckets).buckets == [11, 21, 31, 40]
    first = list(sampler)
    assert list(sampler) == first
    sampler.epoch = 1
    assert list(sampler) != first


@pytest.mark.parametrize(
    ("lengths", "options", "error", "message"),
    [
        ([], {}, DatasetError, "lengths"),
        ([1.0, np.nan], {}, DatasetError, "lengths"),
        ([5.0], {"buckets": [1, 2]}, DatasetError, r"length.*\b5\b.*\b2\b"),
        ([1.0], {"batch_size": 0}, ParameterError, "batch_size"),
        ([1.0], {"buckets": 0}, ParameterError, "buckets"),
        ([1.0], {"buckets": []}, ParameterError, "buckets"),
        ([1.0], {"buckets": [0, 2]}, ParameterError, "buckets"),
        ([1.0], {"seed": -1}, ParameterError, "seed"),
    ],
)
def test_wrong_buckets_are_refused(lengths, options, error, message):
    with pytest.raises(error, match=message):
        BucketSampler(lengths, **{"batch_size": 2, "buckets": 3} | options)


@pytest.mark.parametrize("counts", [(5, 5), (38, 2), (1, 1, 95), (7,)])
def test_balanced_sampler_draws_classes_and_their_clips_equally_often(counts):
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
            counts_of_clips = np.bincount(epochs[-1], minlength=len(targets))[targets == target]
            assert np.ptp(counts_of_clips) <= 1
    sampler.epoch = 1
    assert list(sampler) == epochs[1] and (len(targets) < 8 or epochs[0] != epochs[1])


@pytest.mark.parametrize("make", [lambda seed: EpochSampler(2, seed=seed), lambda seed: BalancedSampler([0, 1], seed)])
@pytest.mark.parametrize("seed", [-1, 0.5, None])
def test_a_wrong_seed_is_refused(make, seed):
    with pytest.raises(ParameterError, match="seed"):
        make(seed)


@given(
    st.lists(st.integers(0, 6), min_size=1, max_size=60), st.integers(1, 5), st.integers(1, 5), st.integers(0, 2**32)
)
def test_class_batches_hold_equally_many_samples_of_their_classes(targets, per_class, classes, seed):
    """Within a batch, and over the epoch, nothing is repeated before all others were drawn."""
    batch_size = per_class * classes
    sampler = ClassBatchSampler(targets, batch_size, per_class, seed)
    order = list(sampler)
    assert len(order) == len(sampler) == -(-len(targets) // batch_size) * batch_size
    assert list(sampler) == order
    members = {target: targets.count(target) for target in targets}
    drawn = Counter()
    for start in range(0, len(order), batch_size):
        batch = order[start : start + batch_size]
        of_batch = Counter(targets[position] for position in batch)
        assert all(count % per_class == 0 for count in of_batch.values())
        assert len(of_batch) == min(classes, len(members))
        assert max(of_batch.values()) - min(of_batch.values()) <= per_class
        runs = [target for target, _ in itertools.groupby(targets[position] for position in batch)]
        assert len(runs) == len(of_batch), "samples of one class follow each other"
        for target, count in of_batch.items():
            times = Counter(position for position in batch if targets[position] == target)
            assert len(times) == min(count, members[target]) and max(times.values()) - min(times.values()) <= 1
        drawn.update(of_batch)
    counts = [drawn[target] for target in members]
    assert max(counts) - min(counts) <= 2 * per_class
    times = Counter(order)
    for target in members:
        counts = [times[position] for position in range(len(targets)) if targets[position] == target]
        assert max(counts) - min(counts) <= 2


def test_class_batches_in_the_loader_differ_between_epochs():
    targets = list("aaaabbbbbccc")
    dataset = AudioDataset([(np.full(10, index + 1.0), 8000) for index in range(12)], targets, transforms=[len])
    part = AudioLoader(dataset, 12).take(range(12), 4, sampler=ClassBatchSampler(targets, 4, 2, seed=1))
    epochs = [[label.asnumpy().tolist() for _, label in part] for _ in range(4)]
    for batches in epochs:
        assert len(batches) == 3 and all(a == b != c == d for a, b, c, d in batches)
    assert len(set(map(str, epochs))) > 1


def test_seed_and_epoch_determine_class_batches():
    sampler = ClassBatchSampler(np.arange(1000) % 100, 20, 2, seed=3)
    first = list(sampler)
    sampler.epoch = 1
    assert list(sampler) != first != list(ClassBatchSampler(np.arange(1000) % 100, 20, 2, seed=4))
    sampler.epoch = 0
    assert list(sampler) == first and sorted(first) == list(range(1000)), (
        "every sample once if classes are equally large"
    )


@pytest.mark.parametrize(
    ("targets", "batch_size", "per_class", "seed", "error", "message"),
    [
        ([0, 1], 5, 2, 0, ParameterError, r"batch_size.*per_class.*\b2\b.*\b5\b"),
        ([0, 1], 0, 2, 0, ParameterError, "batch_size"),
        ([0, 1], 4, 0, 0, ParameterError, "per_class"),
        ([], 4, 2, 0, DatasetError, "targets"),
        ([0, 1], 4, 2, -1, ParameterError, "seed"),
    ],
)
def test_wrong_class_batches_are_refused(targets, batch_size, per_class, seed, error, message):
    with pytest.raises(error, match=message):
        ClassBatchSampler(targets, batch_size, per_class, seed)


def test_reprs_are_one_line():
    samplers = [
        EpochSampler(5, shuffle=True),
        BalancedSampler([0, 0, 1], seed=2),
        ClassBatchSampler([0, 0, 1], 4, 2),
        BucketSampler([1, 2, 9], 2, [3, 10]),
    ]
    assert list(map(repr, samplers)) == [
        "EpochSampler(5 samples, shuffle=True, seed=0)",
        "BalancedSampler(3 samples, 2 classes, seed=2)",
        "ClassBatchSampler(4 samples, 2 classes, batch_size=4, per_class=2, seed=0)",
        "BucketSampler(2 batches, 2 buckets, batch_size=2, shuffle=False, seed=0)",
    ]

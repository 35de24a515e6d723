"""Clips with several labels each: splits, samplers, losses, measures, and heads of frozen encoders."""

import numpy as np
import pytest

from mxnet_audio.data import Mixup
from mxnet_audio.engine import autograd, nd
from mxnet_audio.errors import DatasetError
from mxnet_audio.training import split
from mxnet_audio.training.criterion import BinaryCriterion, label_weights
from mxnet_audio.training.label_sets import distribute, rarest_label
from mxnet_audio.training.measure import MeanAveragePrecision, mean_average_precision


def random_sets(n, shares, seed=0):
    return (np.random.default_rng(seed).random((n, len(shares))) < shares).astype(np.float32)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("test_size", [0.2, 0.5])
def test_each_class_has_its_share_on_both_sides(test_size, seed):
    targets = random_sets(200, [0.5, 0.3, 0.1, 0.05], seed)
    train, test = split(targets, test_size, random_state=seed)
    assert sorted([*train, *test]) == list(range(200)) and (np.diff(train) > 0).all() and (np.diff(test) > 0).all()
    assert abs(len(test) - 200 * test_size) <= 3
    np.testing.assert_allclose(targets[test].sum(axis=0), test_size * targets.sum(axis=0), atol=2)
    np.testing.assert_array_equal(split(targets, test_size, seed)[1], test)
    assert not np.array_equal(split(targets, test_size, seed + 10)[1], test)


def test_clips_without_labels_are_on_both_sides():
    targets = np.zeros((20, 3), np.float32)
    targets[:8, 0] = targets[4:12, 1] = 1
    targets[0, 2] = 1  # a class of one clip, which is trained on
    train, test = split(targets, 0.25, random_state=1)
    assert 1 <= (~targets[test].any(axis=1)).sum() <= 3 and len(test) in (4, 5, 6)
    assert targets[train].any(axis=0).all()


@pytest.mark.parametrize("seed", range(20))
def test_every_class_is_trained_on(seed):
    targets = random_sets(12, [0.2] * 6, seed)
    targets = targets[:, targets.any(axis=0)]
    train, test = split(targets, 0.5, random_state=seed)
    assert len(test) and targets[train].any(axis=0).all()


@pytest.mark.parametrize("seed", range(5))
def test_a_group_is_on_one_side(seed):
    targets = random_sets(120, [0.4, 0.3, 0.2], seed)
    groups = [f"session {n // 5}" if n < 100 else n for n in range(120)]
    train, test = split(targets, 0.25, seed, groups)
    assert not {groups[n] for n in train} & {groups[n] for n in test}
    np.testing.assert_allclose(targets[test].sum(axis=0), 0.25 * targets.sum(axis=0), atol=6)
    assert len(test) == pytest.approx(30, abs=10)  # the groups have five clips, and other classes decide


def test_an_impossible_split_is_refused():
    with pytest.raises(DatasetError, match="no clips are left"):
        split(random_sets(10, [0.5, 0.5]), 0.25, 0, groups=["one"] * 10)


def test_folds_have_equal_shares():
    targets = random_sets(103, [0.5, 0.2, 0.06])
    counts = np.append(targets.sum(axis=0), len(targets))
    parts = distribute(targets, np.tile(counts / 5, (5, 1)), random_state=0)
    for part in range(5):
        found = np.append(targets[parts == part].sum(axis=0), (parts == part).sum())
        np.testing.assert_allclose(found, counts / 5, atol=2)


def test_many_clips_are_split_quickly_enough():
    targets = random_sets(20_000, np.geomspace(0.001, 0.2, 40))
    _, test = split(targets, 0.1, 0)
    np.testing.assert_allclose(targets[test].sum(axis=0), 0.1 * targets.sum(axis=0), rtol=0.1, atol=2)


def test_the_rarest_label_stands_for_a_clip():
    targets = np.array([[1, 1, 1], [1, 1, 0], [1, 0, 0], [0, 0, 0]])
    assert rarest_label(targets).tolist() == [2, 1, 0, 3]


def test_the_loss_is_the_mean_of_binary_cross_entropies():
    rng = np.random.default_rng(0)
    scores, labels = rng.normal(0, 3, (5, 4)), random_sets(5, [0.5] * 4)
    p = 1 / (1 + np.exp(-scores))
    for smoothing, weights in ((0, None), (0.2, None), (0.1, rng.uniform(0.5, 2, (2, 4)))):
        y = labels * (1 - smoothing) + smoothing / 2
        losses = -(y * np.log(p) + (1 - y) * np.log(1 - p))
        if weights is not None:
            losses *= np.where(labels > 0, weights[1], weights[0])
        found = BinaryCriterion(smoothing, weights)(nd.array(scores), nd.array(labels)).asnumpy()
        np.testing.assert_allclose(found, losses.mean(axis=1), rtol=1e-5)


def test_the_gradient_of_a_mixed_label_vanishes_at_its_share():
    scores = nd.array([[np.log(3), -np.log(3)]])
    scores.attach_grad()
    with autograd.record():
        loss = BinaryCriterion()(scores, nd.array([[0.75, 0.25]]))
    loss.backward()
    np.testing.assert_allclose(scores.grad.asnumpy(), 0, atol=1e-6)


def test_weights_make_clips_with_and_without_a_label_count_equally():
    targets = random_sets(50, [0.5, 0.1])
    weights = label_weights(targets)
    with_label = targets.sum(axis=0)
    np.testing.assert_allclose(weights[1] * with_label, weights[0] * (50 - with_label))
    np.testing.assert_allclose(weights[1] * with_label + weights[0] * (50 - with_label), 50)
    assert label_weights(np.ones((3, 1))).tolist() == [[0], [1]]


def test_mixup_mixes_rows_of_labels_as_it_mixes_sounds():
    labels = random_sets(16, [0.5, 0.2, 0.3])
    samples = [(row.copy(), row) for row in labels]
    x, y = Mixup(0.4, classes=3, seed=0)(samples, (0, 0))
    np.testing.assert_allclose(x.asnumpy(), y.asnumpy(), atol=1e-6)
    assert ((y.asnumpy() > 0) & (y.asnumpy() < 1)).any() and y.dtype == np.float32
    one_hot = [(row, np.eye(3, dtype=np.float32)[n % 3]) for n, row in enumerate(labels)]
    numbers = [(row, n % 3) for n, row in enumerate(labels)]
    for one, other in zip(Mixup(0.4, 3, 0)(one_hot, (0, 0)), Mixup(0.4, 3, 0)(numbers, (0, 0))):
        np.testing.assert_array_equal(one.asnumpy(), other.asnumpy())
    with pytest.raises(DatasetError, match="labels"):
        Mixup(0.4, classes=2)(samples)


def test_the_measure_is_that_of_all_batches_together():
    scores, targets = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32), random_sets(20, [0.5, 0.2, 0])
    measure = MeanAveragePrecision(3)
    for rows in (slice(0, 8), slice(8, 20)):
        measure.add(nd.array(scores[rows]), nd.array(targets[rows] * 0.8 + 0.1))  # mixed with others
    assert measure.value == pytest.approx(mean_average_precision(targets > 0, scores))
    assert measure.thresholds.shape == (3,) and measure.thresholds[2] == 0.5
    assert mean_average_precision(np.zeros((4, 2), bool), np.zeros((4, 2))) == 0

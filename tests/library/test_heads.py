"""Heads that are fitted to vectors: accuracy, calibration, few clips, folds."""

import numpy as np
import pytest
from scipy.special import expit, softmax
from sklearn.metrics import log_loss

from mxnet_audio.engine import mx
from mxnet_audio.library.heads import cross_entropy, fit_linear, head_scores, inner_folds
from mxnet_audio.library.mlp_head import fit_mlp
from mxnet_audio.training import Settings
from mxnet_audio.training.measure import mean_average_precision

CLASSES, DIM = 4, 30
SETTINGS = Settings(batch_size=16, epochs=10, random_state=0, learning_rate=0.003, checkpoint_interval=1)


def clips(n, spread=1.0, seed=0):
    """Return vectors of classes whose means differ in a few elements, and their classes."""
    means = np.random.default_rng(1).normal(5, 1, (CLASSES, DIM))
    rng = np.random.default_rng(seed)
    targets = np.arange(n) % CLASSES
    return (means[targets] + rng.normal(0, spread, (n, DIM))).astype(np.float32), targets


def linear(vectors, targets, folds):
    return fit_linear(vectors, targets, CLASSES, folds)


def mlp(vectors, targets, folds):
    return fit_mlp(vectors, targets, CLASSES, folds, SETTINGS, ctx=mx.cpu(), after_epoch=lambda layers: False)


@pytest.mark.parametrize("fit", [linear, mlp])
def test_accuracy_and_calibration(fit):
    train, targets = clips(80, spread=2.5)
    test, test_targets = clips(400, spread=2.5, seed=1)
    head = fit(train, targets, inner_folds(targets, None, 0))
    scores = head_scores(head.layers, test)
    right = scores.argmax(axis=1) == test_targets
    assert 0.6 < right.mean() < 1
    assert softmax(scores, axis=1).max(axis=1).mean() == pytest.approx(right.mean(), abs=0.08)
    uncalibrated = scores * head.settings["temperature"]
    assert cross_entropy(scores, test_targets) < cross_entropy(uncalibrated, test_targets) + 0.02


@pytest.mark.parametrize("fit", [linear, mlp])
def test_the_result_is_the_same_each_time(fit):
    vectors, targets = clips(40)
    one, two = (fit(vectors, targets, inner_folds(targets, None, 0)) for _ in range(2))
    assert one.settings == two.settings
    for (weight, bias), (weight_too, bias_too) in zip(one.layers, two.layers):
        assert (weight == weight_too).all() and (bias == bias_too).all()


@pytest.mark.parametrize("fit", [linear, mlp])
@pytest.mark.parametrize("each", [1, 2, 3])
def test_few_clips(fit, each):
    vectors, targets = clips(each * CLASSES)
    head = fit(vectors, targets, inner_folds(targets, None, 0))
    test, test_targets = clips(100, seed=1)
    scores = head_scores(head.layers, test)
    assert (scores.argmax(axis=1) == test_targets).mean() > 0.6
    assert (head.known is None) == (each == 1)
    assert cross_entropy(scores, test_targets) < 1.5


def test_a_class_with_one_clip_and_a_class_without():
    vectors, targets = clips(40)
    kept = (targets < 2) | (np.arange(40) == 2)  # one clip of class 2, none of class 3
    head = linear(vectors[kept], targets[kept], inner_folds(targets[kept], None, 0))
    scores = head_scores(head.layers, vectors)
    assert set(scores.argmax(axis=1)) <= {0, 1, 2}
    assert scores[2].argmax() == 2 and np.isfinite(softmax(scores, axis=1)).all()
    assert 0.05 < head.settings["temperature"] < 5


def test_two_classes():
    vectors, targets = clips(40)
    kept = targets < 2
    head = fit_linear(vectors[kept], targets[kept], 2, inner_folds(targets[kept], None, 0))
    scores = head_scores(head.layers, vectors[kept])
    assert scores.shape == (20, 2) and (scores.argmax(axis=1) == targets[kept]).all()


def test_more_clips_than_elements():
    vectors, targets = clips(200, spread=2.5)
    some = fit_linear(vectors[:, :10], targets, CLASSES, inner_folds(targets, None, 0))
    assert (head_scores(some.layers, vectors[:, :10]).argmax(axis=1) == targets).mean() > 0.4
    assert head_scores(some.layers, vectors[:, :10]).shape == (200, CLASSES)


def test_folds_keep_groups_together_and_classes_known():
    targets, groups = np.arange(60) % 3, np.arange(60) // 6
    folds = inner_folds(targets, groups, 0)
    assert len(folds) == 5
    for fit, left_out in folds:
        assert not set(groups[fit]) & set(groups[left_out])
        assert set(targets[left_out]) <= set(targets[fit])
    assert sorted(np.concatenate([left_out for _, left_out in folds])) == list(range(60))
    assert inner_folds(targets, np.zeros(60, int), 0) == []
    assert inner_folds(np.arange(4), None, 0) == []
    many = inner_folds(np.arange(5000) % 3, None, 0)
    assert sum(len(left_out) for _, left_out in many) == 2000


def sets_and_vectors(n=120, dim=12, seed=0, shares=(0.5, 0.3, 0.15)):
    """Vectors that are sums of a direction for each label of a clip, and noise."""
    rng, directions = np.random.default_rng(seed), np.random.default_rng(9).normal(0, 1, (len(shares), dim))
    targets = (rng.random((n, len(shares))) < shares).astype(np.float32)
    return targets @ directions + rng.normal(size=(n, dim)), targets


def test_heads_of_several_labels_are_calibrated_and_have_thresholds():
    vectors, targets = sets_and_vectors()
    new_vectors, new_targets = sets_and_vectors(400, seed=1)
    folds = inner_folds(targets, None, 0)
    assert len(folds) == 5 and sorted(row for _, rows in folds for row in rows) == list(range(len(targets)))
    head = fit_linear(vectors, targets, 3, folds)
    assert head.known is None and head.settings["C"] in (0.01, 0.1, 1.0, 10.0) and head.thresholds.shape == (3,)
    probabilities = expit(head_scores(head.layers, new_vectors))
    assert mean_average_precision(new_targets > 0, probabilities) > 0.9
    confident = probabilities > 0.5
    assert abs(probabilities[confident].mean() - new_targets[confident].mean()) < 0.1
    one_by_one = cross_entropy(head_scores(head.layers, vectors), targets)
    assert one_by_one == pytest.approx(log_loss(targets.ravel(), expit(head_scores(head.layers, vectors)).ravel()))


def test_classes_without_or_with_all_clips_have_the_same_score_for_every_sound():
    vectors, targets = sets_and_vectors(shares=(0.5, 0, 1, 0.4))
    head = fit_linear(vectors, targets, 4, inner_folds(targets, None, 0))
    scores = head_scores(head.layers, vectors)
    assert np.ptp(scores[:, 1]) == np.ptp(scores[:, 2]) == 0
    assert scores[0, 1] < -2 and scores[0, 2] > 2 and np.ptp(scores[:, 0]) > 1
    assert head.thresholds[1] == 0.5


def test_a_class_that_a_fold_lacks_keeps_its_threshold():
    vectors, targets = sets_and_vectors()
    targets[:, 2] = 0
    targets[7, 2] = 1
    head = fit_linear(vectors, targets, 3, inner_folds(targets, None, 0))
    assert head.thresholds[2] == 0.5 and head.thresholds[0] != 0.5


def test_folds_of_several_labels_keep_groups_together():
    _, targets = sets_and_vectors()
    groups = np.arange(120) // 4
    folds = inner_folds(targets, groups, 0)
    assert len(folds) == 5
    for fit, left_out in folds:
        assert not set(groups[fit]) & set(groups[left_out]) and len(fit) + len(left_out) == 120
    assert inner_folds(targets, np.zeros(120, int), 0) == []
    few = fit_linear(*sets_and_vectors(6), 3, [])
    assert few.thresholds.tolist() == [0.5, 0.5, 0.5] and few.settings["temperature"] == 1.0

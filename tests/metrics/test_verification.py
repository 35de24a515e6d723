"""Error rates by hand, against scikit-learn's curve, and by what must hold for any trials."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.interpolate import interp1d
from scipy.optimize import brentq
from sklearn.metrics import accuracy_score, roc_curve

from mxnet_audio.errors import DatasetError
from mxnet_audio.metrics import eer, min_dcf, pair_accuracy, roc, tar_at_far
from mxnet_audio.metrics.trials import error_curve

MEASURES = (roc, eer, min_dcf, lambda *trials: tar_at_far(*trials, far=0.1), pair_accuracy)


@st.composite
def trials(draw, weighted=False):
    """Labels of both kinds, scores with and without ties, and whole numbers as weights."""
    labels = [0, 1, *draw(st.lists(st.integers(0, 1), max_size=40))]
    kind = draw(st.sampled_from([st.integers(-4, 4), st.floats(-1e3, 1e3)]))
    scores = draw(st.lists(kind, min_size=len(labels), max_size=len(labels)))
    if not weighted:
        return np.array(labels), np.array(scores, dtype=float)
    weights = [1, 1, *draw(st.lists(st.integers(0, 3), min_size=len(labels) - 2, max_size=len(labels) - 2))]
    return np.array(labels), np.array(scores, dtype=float), np.array(weights)


def simulated(seed=0, n=2000, distance=2.0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, n)
    return labels, rng.normal(size=n) + distance * labels


@pytest.mark.parametrize(
    ("labels", "scores", "rate", "threshold"),
    [
        ([1, 1, 0, 0], [4, 3, 2, 1], 0, 3),  # apart
        ([0, 0, 1, 1], [4, 3, 2, 1], 1, 3),  # the wrong way round
        ([1, 0, 1, 0], [1, 1, 1, 1], 1 / 2, 1),  # no difference: all or none
        ([1, 1, 1, 0, 0, 0], [9, 7, 3, 5, 2, 1], 1 / 3, 5),  # one of three each
        # (FAR, FRR) is (0, 1/3) at 7 and (1/2, 1/3) at 5: a level line crosses at a third.
        ([1, 1, 1, 0, 0], [9, 7, 3, 5, 1], 1 / 3, 5),
        # From (0, 1/2) straight to (1/3, 0), as 5 is the score of a 1 and of a 0: x = 1/2 - 3/2 x at 1/5.
        ([1, 1, 0, 0, 0], [9, 5, 5, 2, 1], 1 / 5, 5),
    ],
)
def test_eer_by_hand(labels, scores, rate, threshold):
    assert eer(labels, scores) == (pytest.approx(rate), threshold)


@given(trials())
def test_eer_is_where_scikit_learns_curve_crosses(given_trials):
    labels, scores = given_trials
    rate, threshold = eer(labels, scores)
    far, tar, _ = roc_curve(labels, scores, drop_intermediate=False)
    # By how far along the curve, as FAR alone stands still on its upright parts.
    along = np.arange(len(far))
    far_at, frr_at = interp1d(along, far), interp1d(along, 1 - tar)
    at = brentq(lambda x: far_at(x) - frr_at(x), 0, len(far) - 1, xtol=1e-12)
    assert rate == pytest.approx(float(far_at(at)), abs=1e-9)
    assert threshold in scores


def test_eer_on_many_trials_is_the_crossing_of_rates_interpolated_over_far():
    labels, scores = simulated()
    far, tar, _ = roc_curve(labels, scores)
    expected = brentq(lambda x: 1 - x - interp1d(far, tar)(x), 0, 1)
    rate, threshold = eer(labels, scores)
    assert rate == pytest.approx(expected, abs=1e-6)
    false_accepts, false_rejects = scores[labels == 0] >= threshold, scores[labels == 1] < threshold
    assert false_accepts.mean() == pytest.approx(rate, abs=1e-3) == pytest.approx(false_rejects.mean(), abs=1e-3)


@given(trials())
def test_only_the_order_of_scores_counts(given_trials):
    labels, scores = given_trials
    ranks = np.unique(scores, return_inverse=True)[1]
    rate, threshold = eer(labels, scores)
    for stretched in (np.exp(ranks / 10), ranks**3 - 7.0):
        again, other = eer(labels, stretched)
        assert again == rate
        np.testing.assert_array_equal(stretched >= other, scores >= threshold)
    assert eer(1 - labels, -scores)[0] == pytest.approx(rate)
    assert eer(labels, -scores)[0] == pytest.approx(1 - rate)


@given(trials(weighted=True))
def test_weights_are_repetitions(given_trials):
    labels, scores, weights = given_trials
    repeated = np.repeat(labels, weights), np.repeat(scores, weights)
    assert eer(labels, scores, weights) == (pytest.approx(eer(*repeated)[0]), eer(*repeated)[1])
    assert min_dcf(labels, scores, sample_weight=weights)[0] == pytest.approx(min_dcf(*repeated)[0])
    for far in (0, 0.1, 0.5):
        assert tar_at_far(labels, scores, far, weights) == pytest.approx(tar_at_far(*repeated, far))
    for one, other in zip(roc(labels, scores, weights), roc(*repeated)):
        np.testing.assert_allclose(one, other)


@given(trials(weighted=True))
def test_the_fast_curve_is_scikit_learns(given_trials):
    labels, scores, weights = given_trials
    for weight in (None, weights.astype(float)):
        far, tar, thresholds = roc(labels, scores, weight)
        curve = error_curve(labels == 1, scores, weight)
        np.testing.assert_allclose(curve.far, far)
        np.testing.assert_allclose(curve.frr, 1 - tar, atol=1e-12)
        np.testing.assert_array_equal(curve.thresholds, thresholds)


@given(trials(), st.floats(0.001, 0.999), st.floats(0.1, 10), st.floats(0.1, 10))
def test_min_dcf_is_the_least_of_all_thresholds(given_trials, p_target, c_miss, c_fa):
    labels, scores = given_trials
    cost, threshold = min_dcf(labels, scores, p_target, c_miss, c_fa)
    assert 0 <= cost <= 1

    def at(threshold):
        frr, far = np.mean(scores[labels == 1] < threshold), np.mean(scores[labels == 0] >= threshold)
        return (c_miss * p_target * frr + c_fa * (1 - p_target) * far) / min(c_miss * p_target, c_fa * (1 - p_target))

    assert cost == pytest.approx(at(threshold))
    assert cost == pytest.approx(min(at(other) for other in [np.inf, *scores]))


def test_min_dcf_by_hand():
    labels, scores = [1, 1, 1, 1, 0, 0, 0, 0], [9, 8, 6, 3, 7, 4, 2, 1]
    # No 0 is let in for 1 in 99: half of the 1s lie above all of them.
    assert min_dcf(labels, scores) == (0.5, 8)
    # FRR + FAR at 8 is 2/4 + 0, at 6 1/4 + 1/4, and at 3 0 + 2/4: the highest of them is told.
    assert min_dcf(labels, scores, p_target=0.5) == (0.5, 8)
    assert min_dcf(labels, scores, p_target=0.5, c_miss=3) == (
        pytest.approx(1 / 2),
        3,
    )  # 3 FRR + FAR: all 1s, half the 0s
    assert min_dcf([0, 1], [2, 1]) == (1, np.inf)


def test_tar_at_far_by_hand():
    labels, scores = [1, 0, 1, 0, 1, 0, 1, 0], [8, 7, 6, 5, 4, 3, 2, 1]
    rates = [0, 0.1, 0.25, 0.49, 0.5, 0.75, 1]
    np.testing.assert_array_equal(tar_at_far(labels, scores, rates), [0.25, 0.25, 0.5, 0.5, 0.75, 1, 1])
    assert tar_at_far(labels, scores, 0.25) == 0.5 and isinstance(tar_at_far(labels, scores, 0.25), float)
    # Ten weights of 0.1 make a little less than 1, and three of them a little more than 0.3.
    assert tar_at_far([0] * 3 + [1] + [0] * 7, range(11, 0, -1), 0.3, [0.1] * 11) == 1


def test_pair_accuracy_chooses_the_threshold_elsewhere():
    """As scikit-learn's folds, and each threshold searched slowly, have it."""
    from sklearn.model_selection import StratifiedKFold

    labels, scores = simulated(n=200)
    mean, std, folds = pair_accuracy(labels, scores, n_folds=5, random_state=3)
    for (train, test), accuracy in zip(StratifiedKFold(5, shuffle=True, random_state=3).split(labels, labels), folds):
        steps = np.sort(scores[train])[::-1]
        middles = [np.inf, *((steps[1:] + steps[:-1]) / 2), -np.inf]
        best = max(middles, key=lambda threshold: accuracy_score(labels[train], scores[train] >= threshold))
        assert accuracy == pytest.approx(accuracy_score(labels[test], scores[test] >= best))
    assert (mean, std) == (pytest.approx(np.mean(folds)), pytest.approx(np.std(folds)))
    assert pair_accuracy(labels, scores, 5, 3) == (mean, std, folds)
    assert pair_accuracy(labels, 1000 + labels + 1e-3 * scores)[0] == 1.0
    assert pair_accuracy(labels, np.zeros(200))[0] == pytest.approx(max(labels.mean(), 1 - labels.mean()), abs=0.03)


def test_pair_accuracy_between_scores_that_nothing_lies_between():
    one, next_one = 1.0, np.nextafter(1.0, 2)
    assert pair_accuracy([1, 1, 1, 0, 0, 0], [next_one] * 3 + [one] * 3, n_folds=3)[0] == 1.0
    assert pair_accuracy([1, 1, 0, 0], [1.7e308, 1.7e308, -1.7e308, -1.7e308], n_folds=2)[0] == 1.0


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize(
    ("labels", "scores", "match"),
    [
        ([], [], "no trial"),
        ([1, 1], [0.1, 0.2], "all trials are labelled 1"),
        ([0, 0], [0.1, 0.2], "all trials are labelled 0"),
        ([0, 1], [0.1, np.nan], "score of trial 1 is nan"),
        ([0, 1], [np.inf, 0], "score of trial 0 is inf"),
        ([0, 1], ["a", 1], "not a number.*'a'"),
        ([0, 1], [[0.1], [0.2]], r"shape \(2, 1\)"),
        ([0, 1, 1], [0.1, 0.2], "3 labels, 2 scores"),
        ([0, 1, 2], [1, 2, 3], "label 2 is neither"),
        ([-1, 1], [1, 2], "label -1 is neither"),
        ([0, np.nan], [1, 2], "label nan is neither"),
        (["same", 0], [1, 2], "label 'same' is neither"),
        ([None, 0], [1, 2], "label None is neither"),
        ([[1], [0]], [1, 2], r"label \[1\] is neither"),
    ],
)
def test_trials_that_cannot_be_judged_say_why(measure, labels, scores, match):
    with pytest.raises(DatasetError, match=match):
        measure(labels, scores)


@pytest.mark.parametrize(
    ("weights", "match"),
    [
        ([1, 1], "3 labels, 3 scores, 2 weights"),
        ([1, -1, 1], "weight -1.0 is below 0"),
        ([1, np.nan, 1], "weight of trial 1 is nan"),
        ([0, 1, 1], "all trials are labelled 1"),
        ([0, 0, 0], "no trial has weight"),
    ],
)
def test_weights_that_cannot_be_used_say_why(weights, match):
    with pytest.raises(DatasetError, match=match):
        eer([0, 1, 1], [1, 2, 3], weights)


def test_parameters_out_of_range():
    trials = [0, 1], [1, 2]
    for wrong in ({"p_target": 0}, {"p_target": 1}, {"c_miss": 0}, {"c_fa": -1}):
        with pytest.raises(ValueError, match="p_target"):
            min_dcf(*trials, **wrong)
    for far in (-0.1, 1.1, [0.1, 2], np.nan):
        with pytest.raises(ValueError, match="from 0 to 1"):
            tar_at_far(*trials, far)
    with pytest.raises(ValueError, match="n_folds"):
        pair_accuracy(*trials, n_folds=1)
    with pytest.raises(DatasetError, match="10 folds need as many trials of each kind, and there are 1 of one"):
        pair_accuracy(*trials)


def test_labels_and_scores_of_any_kind_of_number():
    wanted = eer([1, 0, 1, 0], [4, 3, 2, 1])
    for labels in ([True, False, True, False], np.array([1, 0, 1, 0], np.uint8), [1.0, 0.0, 1.0, 0.0]):
        assert eer(labels, np.array([4, 3, 2, 1], np.float32)) == wanted
    assert eer(np.array([1, 0, 1, 0], object), (4, 3, 2, 1)) == wanted

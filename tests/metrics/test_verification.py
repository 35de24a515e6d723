"""Test error rates by hand, against scikit-learn's curve, and by properties of arbitrary trials."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.interpolate import interp1d
from scipy.optimize import brentq
from sklearn.metrics import accuracy_score, roc_curve

from mxnet_audio.errors import DatasetError, ParameterError
from mxnet_audio.metrics import eer, min_dcf, pair_accuracy, roc, tar_at_far
from mxnet_audio.metrics.trials import error_curve

MEASURES = (roc, eer, min_dcf, lambda *trials: tar_at_far(*trials, far=0.1), pair_accuracy)


@st.composite
def trials(draw, weighted=False):
    """Draw labels of both kinds, scores with and without ties, and integers as weights."""
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
        ([1, 1, 0, 0], [4, 3, 2, 1], 0, 3),  # separated
        ([0, 0, 1, 1], [4, 3, 2, 1], 1, 3),  # separated in the wrong order
        ([1, 0, 1, 0], [1, 1, 1, 1], 1 / 2, 1),  # equal scores: all are accepted, or none
        ([1, 1, 1, 0, 0, 0], [9, 7, 3, 5, 2, 1], 1 / 3, 5),  # one of three of each kind
        # (FAR, FRR) is (0, 1/3) at 7 and (1/2, 1/3) at 5: the horizontal line crosses at 1/3.
        ([1, 1, 1, 0, 0], [9, 7, 3, 5, 1], 1 / 3, 5),
        # A straight line from (0, 1/2) to (1/3, 0), as 5 is the score of a 1 and of a 0: x = 1/2 - 3/2 x at 1/5.
        ([1, 1, 0, 0, 0], [9, 5, 5, 2, 1], 1 / 5, 5),
    ],
)
def test_eer_by_hand(labels, scores, rate, threshold):
    assert eer(labels, scores) == (pytest.approx(rate), threshold)


@given(trials())
def test_eer_is_the_crossing_of_scikit_learns_curve(given_trials):
    labels, scores = given_trials
    rate, threshold = eer(labels, scores)
    far, tar, _ = roc_curve(labels, scores, drop_intermediate=False)
    # Parametrized by the position along the curve, as FAR is constant on its vertical parts.
    position = np.arange(len(far))
    far_at, frr_at = interp1d(position, far), interp1d(position, 1 - tar)
    crossing = brentq(lambda x: far_at(x) - frr_at(x), 0, len(far) - 1, xtol=1e-12)
    assert rate == pytest.approx(float(far_at(crossing)), abs=1e-9)
    assert threshold in scores


def test_eer_of_many_trials_is_the_crossing_of_rates_interpolated_over_far():
    labels, scores = simulated()
    far, tar, _ = roc_curve(labels, scores)
    expected = brentq(lambda x: 1 - x - interp1d(far, tar)(x), 0, 1)
    rate, threshold = eer(labels, scores)
    assert rate == pytest.approx(expected, abs=1e-6)
    false_accepts, false_rejects = scores[labels == 0] >= threshold, scores[labels == 1] < threshold
    assert false_accepts.mean() == pytest.approx(rate, abs=1e-3) == pytest.approx(false_rejects.mean(), abs=1e-3)


@given(trials())
def test_eer_depends_only_on_the_order_of_scores(given_trials):
    labels, scores = given_trials
    ranks = np.unique(scores, return_inverse=True)[1]
    rate, threshold = eer(labels, scores)
    for stretched in (np.exp(ranks / 10), ranks**3 - 7.0):
        new_rate, new_threshold = eer(labels, stretched)
        assert new_rate == rate
        np.testing.assert_array_equal(stretched >= new_threshold, scores >= threshold)
    assert eer(1 - labels, -scores)[0] == pytest.approx(rate)
    assert eer(labels, -scores)[0] == pytest.approx(1 - rate)


@given(trials(weighted=True))
def test_weights_equal_repetitions(given_trials):
    labels, scores, weights = given_trials
    repeated = np.repeat(labels, weights), np.repeat(scores, weights)
    assert eer(labels, scores, weights) == (pytest.approx(eer(*repeated)[0]), eer(*repeated)[1])
    assert min_dcf(labels, scores, sample_weight=weights)[0] == pytest.approx(min_dcf(*repeated)[0])
    for far in (0, 0.1, 0.5):
        assert tar_at_far(labels, scores, far, weights) == pytest.approx(tar_at_far(*repeated, far))
    for weighted, expected in zip(roc(labels, scores, weights), roc(*repeated)):
        np.testing.assert_allclose(weighted, expected)


@given(trials(weighted=True))
def test_fast_curve_equals_scikit_learns(given_trials):
    labels, scores, weights = given_trials
    for weight in (None, weights.astype(float)):
        far, tar, thresholds = roc(labels, scores, weight)
        curve = error_curve(labels == 1, scores, weight)
        np.testing.assert_allclose(curve.far, far)
        np.testing.assert_allclose(curve.frr, 1 - tar, atol=1e-12)
        np.testing.assert_array_equal(curve.thresholds, thresholds)


@given(trials(), st.floats(0.001, 0.999), st.floats(0.1, 10), st.floats(0.1, 10))
def test_min_dcf_is_the_minimum_over_thresholds(given_trials, p_target, c_miss, c_fa):
    labels, scores = given_trials
    cost, threshold = min_dcf(labels, scores, p_target, c_miss, c_fa)
    assert 0 <= cost <= 1

    def cost_at(threshold):
        frr, far = np.mean(scores[labels == 1] < threshold), np.mean(scores[labels == 0] >= threshold)
        return (c_miss * p_target * frr + c_fa * (1 - p_target) * far) / min(c_miss * p_target, c_fa * (1 - p_target))

    assert cost == pytest.approx(cost_at(threshold))
    assert cost == pytest.approx(min(cost_at(other) for other in [np.inf, *scores]))


def test_min_dcf_by_hand():
    labels, scores = [1, 1, 1, 1, 0, 0, 0, 0], [9, 8, 6, 3, 7, 4, 2, 1]
    # A false acceptance costs 99 times a false rejection: half of the 1s are above all 0s.
    assert min_dcf(labels, scores) == (0.5, 8)
    # FRR + FAR is 2/4 + 0 at 8, 1/4 + 1/4 at 6, and 0 + 2/4 at 3: the highest threshold is returned.
    assert min_dcf(labels, scores, p_target=0.5) == (0.5, 8)
    assert min_dcf(labels, scores, p_target=0.5, c_miss=3) == (
        pytest.approx(1 / 2),
        3,
    )  # 3 FRR + FAR: all 1s and half of the 0s are accepted
    assert min_dcf([0, 1], [2, 1]) == (1, np.inf)


def test_tar_at_far_by_hand():
    labels, scores = [1, 0, 1, 0, 1, 0, 1, 0], [8, 7, 6, 5, 4, 3, 2, 1]
    rates = [0, 0.1, 0.25, 0.49, 0.5, 0.75, 1]
    np.testing.assert_array_equal(tar_at_far(labels, scores, rates), [0.25, 0.25, 0.5, 0.5, 0.75, 1, 1])
    assert tar_at_far(labels, scores, 0.25) == 0.5 and isinstance(tar_at_far(labels, scores, 0.25), float)
    # Ten weights of 0.1 add up to slightly less than 1, and three of them to slightly more than 0.3.
    assert tar_at_far([0] * 3 + [1] + [0] * 7, range(11, 0, -1), 0.3, [0.1] * 11) == 1


def test_pair_accuracy_chooses_thresholds_on_the_other_folds():
    """Compare with an exhaustive search of the thresholds over scikit-learn's folds."""
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


def test_pair_accuracy_with_adjacent_and_with_extreme_scores():
    one, above_one = 1.0, np.nextafter(1.0, 2)
    assert pair_accuracy([1, 1, 1, 0, 0, 0], [above_one] * 3 + [one] * 3, n_folds=3)[0] == 1.0
    assert pair_accuracy([1, 1, 0, 0], [1.7e308, 1.7e308, -1.7e308, -1.7e308], n_folds=2)[0] == 1.0


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize(
    ("labels", "scores", "error", "match"),
    [
        ([], [], DatasetError, "no trials"),
        ([1, 1], [0.1, 0.2], DatasetError, "label 1"),
        ([0, 0], [0.1, 0.2], DatasetError, "label 0"),
        ([0, 1], [0.1, np.nan], DatasetError, "score of trial 1 .*nan"),
        ([0, 1], [np.inf, 0], DatasetError, "score of trial 0 .*inf"),
        ([0, 1], ["a", 1], DatasetError, "score .*'a'"),
        ([0, 1], [[0.1], [0.2]], ParameterError, r"score.* \(2, 1\)"),
        ([0, 1, 1], [0.1, 0.2], ParameterError, "3 labels, 2 scores"),
        ([0, 1, 2], [1, 2, 3], DatasetError, "label 2 "),
        ([-1, 1], [1, 2], DatasetError, "label -1 "),
        ([0, np.nan], [1, 2], DatasetError, "label nan "),
        (["same", 0], [1, 2], DatasetError, "label 'same' "),
        ([None, 0], [1, 2], DatasetError, "label None "),
        ([[1], [0]], [1, 2], DatasetError, r"label \[1\] "),
    ],
)
def test_unsuitable_trials_are_refused(measure, labels, scores, error, match):
    with pytest.raises(error, match=match):
        measure(labels, scores)


@pytest.mark.parametrize(
    ("weights", "error", "match"),
    [
        ([1, 1], ParameterError, "3 labels, 3 scores, 2 weights"),
        ([1, -1, 1], DatasetError, "weight .*-1.0"),
        ([1, np.nan, 1], DatasetError, "weight of trial 1 .*nan"),
        ([0, 1, 1], DatasetError, "label 1"),
        ([0, 0, 0], DatasetError, "no trial has weight"),
    ],
)
def test_unsuitable_weights_are_refused(weights, error, match):
    with pytest.raises(error, match=match):
        eer([0, 1, 1], [1, 2, 3], weights)


def test_parameters_out_of_range():
    trials = [0, 1], [1, 2]
    for wrong in ({"p_target": 0}, {"p_target": 1}, {"p_target": "0.1"}, {"c_miss": 0}, {"c_fa": -1}, {"c_fa": None}):
        with pytest.raises(ParameterError, match=next(iter(wrong))):
            min_dcf(*trials, **wrong)
    for far in (-0.1, 1.1, [0.1, 2], np.nan):
        with pytest.raises(ParameterError, match="far must be"):
            tar_at_far(*trials, far)
    with pytest.raises(ParameterError, match="n_folds"):
        pair_accuracy(*trials, n_folds=1)
    with pytest.raises(DatasetError, match=r"10 folds .* got 1 "):
        pair_accuracy(*trials)


def test_labels_and_scores_of_any_numeric_type():
    expected = eer([1, 0, 1, 0], [4, 3, 2, 1])
    for labels in ([True, False, True, False], np.array([1, 0, 1, 0], np.uint8), [1.0, 0.0, 1.0, 0.0]):
        assert eer(labels, np.array([4, 3, 2, 1], np.float32)) == expected
    assert eer(np.array([1, 0, 1, 0], object), (4, 3, 2, 1)) == expected

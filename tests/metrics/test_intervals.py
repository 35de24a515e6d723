"""Test the coverage and the reproducibility of bootstrap intervals over speakers."""

from itertools import combinations

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from mxnet_audio.errors import DatasetError, ParameterError
from mxnet_audio.metrics import bootstrap, eer, min_dcf
from mxnet_audio.metrics.intervals import _resampled_weights


def simulated(seed, n_speakers=30, n_sounds=4, spread=1.0):
    """Make all pairs of sounds; a sound is a point around its speaker's, with a spread of its speaker."""
    rng = np.random.default_rng(seed)
    centers, spreads = rng.normal(size=(n_speakers, 3)), rng.uniform(0.1, spread, n_speakers)
    names = [speaker for speaker in range(n_speakers) for _ in range(n_sounds)]
    sounds = [centers[speaker] + spreads[speaker] * rng.normal(size=3) for speaker in names]
    speakers = list(combinations(names, 2))
    return [int(a == b) for a, b in speakers], (-pdist(sounds)).tolist(), speakers


def test_the_same_seed_gives_the_same_interval():
    trials = simulated(0, 10)
    interval = bootstrap(eer, *trials, n_resamples=50)
    assert interval == bootstrap(eer, *trials, n_resamples=50)
    assert interval != bootstrap(eer, *trials, n_resamples=50, random_state=1)
    order = np.random.default_rng(0).permutation(len(trials[0]))
    shuffled = [[column[i] for i in order] for column in trials]
    assert interval[0] < eer(*trials[:2])[0] < interval[1]
    assert bootstrap(eer, *shuffled, n_resamples=400) == pytest.approx(
        bootstrap(eer, *trials, n_resamples=400), abs=0.03
    )


def test_speakers_can_have_any_names():
    labels, scores, speakers = simulated(0, 6)
    interval = bootstrap(eer, labels, scores, speakers, 50)
    for named in (np.array(speakers), [(f"id{a}", f"id{b}") for a, b in speakers], [((a,), (b,)) for a, b in speakers]):
        assert bootstrap(eer, labels, scores, named, 50) == interval


def test_measure_returns_a_float_or_a_tuple_that_begins_with_it():
    trials = simulated(0, 6)
    assert bootstrap(lambda *t: eer(*t)[0], *trials, 20) == bootstrap(eer, *trials, 20)
    low, high = bootstrap(lambda *t: min_dcf(*t[:2], sample_weight=t[2])[0], *trials, 20)
    assert 0 <= low <= high <= 1
    wide, narrow = (bootstrap(eer, *trials, 200, level=level) for level in (0.99, 0.5))
    assert wide[0] <= narrow[0] <= narrow[1] <= wide[1]


def test_weights_are_products_of_speaker_counts():
    labels, scores, speakers = simulated(0, 5, 3)
    samples = []
    bootstrap(lambda *trials: samples.append(trials) or 0.0, labels, scores, speakers, 30)
    speakers_of_score = dict(zip(scores, speakers))
    for same, falling, weight in samples:
        assert (np.diff(falling) <= 0).all() and weight[same].any() and weight[~same].any()
        counts = {speakers_of_score[score][0]: w for is_same, score, w in zip(same, falling, weight) if is_same}
        assert sum(counts.values()) == 5  # as many draws as speakers
        for score, w in zip(falling, weight):
            a, b = speakers_of_score[score]
            assert w == (counts[a] if a == b else counts[a] * counts[b])


def test_interval_covers_the_rate_of_all_speakers():
    """Check 95% intervals of 40 samples of 20 speakers against the rate of very many speakers."""
    labels, scores, _ = simulated(10**6, n_speakers=300, n_sounds=3)
    truth = eer(labels, scores)[0]
    hits, widths = 0, []
    for seed in range(40):
        low, high = bootstrap(eer, *simulated(seed, 20, 3), n_resamples=100)
        hits += low <= truth <= high
        widths.append(high - low)
    assert hits >= 34 and np.mean(widths) < 0.2


def test_samples_with_trials_of_one_kind_are_drawn_again():
    labels, scores, speakers = [1, 1, 0], [3, 2, 1], [("a", "a"), ("b", "b"), ("a", "b")]
    assert bootstrap(eer, labels, scores, speakers, 100) == (0, 0)
    same, first, second = np.array([True, False]), np.array([0, 1]), np.array([0, 2])
    rng = np.random.default_rng(0)
    for _ in range(100):
        assert _resampled_weights(rng, same, first, second, 3).tolist() == [1, 1]  # each of the three speakers once


@pytest.mark.parametrize(
    ("labels", "speakers", "error", "match"),
    [
        ([1, 1], [("a", "a"), ("a", "a")], DatasetError, "one speaker"),
        ([1, 1], [("a", "a"), ("b", "b")], DatasetError, "label 1"),
        ([1, 0], [("a", "b")], ParameterError, "speakers.* 1 pairs and 2 trials"),
        ([1, 0], [("a", "a"), ("a", "b"), ("a", "c")], ParameterError, "speakers.* 3 pairs and 2 trials"),
        ([1, 0, 1], [("a", "a"), ("a", "b"), ("a", "b")], DatasetError, r"trial 2 .*label 1.* \('a', 'b'\)"),
        ([1, 0, 0], [("a", "a"), ("a", "b"), ("b", "b")], DatasetError, r"trial 2 .*label 0.* \('b', 'b'\)"),
        ([1, 0], ["abc", "d"], ParameterError, "speakers must be"),
        ([1, 0], [1, 2], ParameterError, "speakers must be"),
        ([1, 0], [(["a"], ["a"]), (["a"], ["b"])], ParameterError, "speakers must be"),
        ([], [], DatasetError, "no trials"),
    ],
)
def test_unsuitable_speakers_are_refused(labels, speakers, error, match):
    with pytest.raises(error, match=match):
        bootstrap(eer, labels, list(range(len(labels))), speakers, 10)


@pytest.mark.parametrize("wrong", [{"n_resamples": 0}, {"level": 0}, {"level": 1}, {"level": "0.95"}])
def test_parameters_out_of_range(wrong):
    with pytest.raises(ParameterError, match=next(iter(wrong))):
        bootstrap(eer, *simulated(0, 3), **wrong)

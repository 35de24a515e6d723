"""Intervals hold what they promise when other speakers are asked, and are the same again."""

from itertools import combinations

import numpy as np
import pytest

from mxnet_audio.errors import DatasetError
from mxnet_audio.metrics import bootstrap, eer, min_dcf
from mxnet_audio.metrics.intervals import _drawn


def asked(seed, n_speakers=30, n_sounds=4, spread=1.0):
    """All pairs of sounds, each a point: near its speaker's, some speakers being steadier than others."""
    rng = np.random.default_rng(seed)
    places, steadiness = rng.normal(size=(n_speakers, 3)), rng.uniform(0.1, spread, n_speakers)
    sounds = [(s, places[s] + steadiness[s] * rng.normal(size=3)) for s in range(n_speakers) for _ in range(n_sounds)]
    pairs = list(combinations(sounds, 2))
    speakers = [(a[0], b[0]) for a, b in pairs]
    return [int(a == b) for a, b in speakers], [-np.linalg.norm(a[1] - b[1]) for a, b in pairs], speakers


def test_the_same_seed_gives_the_same_interval():
    trials = asked(0, 10)
    interval = bootstrap(eer, *trials, n_resamples=50)
    assert interval == bootstrap(eer, *trials, n_resamples=50)
    assert interval != bootstrap(eer, *trials, n_resamples=50, random_state=1)
    order = np.random.default_rng(0).permutation(len(trials[0]))
    shuffled = [[column[i] for i in order] for column in trials]
    assert interval[0] < eer(*trials[:2])[0] < interval[1]
    assert bootstrap(eer, *shuffled, n_resamples=400) == pytest.approx(
        bootstrap(eer, *trials, n_resamples=400), abs=0.03
    )


def test_speakers_have_any_names():
    labels, scores, speakers = asked(0, 6)
    interval = bootstrap(eer, labels, scores, speakers, 50)
    for named in (np.array(speakers), [(f"id{a}", f"id{b}") for a, b in speakers], [((a,), (b,)) for a, b in speakers]):
        assert bootstrap(eer, labels, scores, named, 50) == interval


def test_a_measure_is_a_float_or_a_tuple_that_begins_with_it():
    trials = asked(0, 6)
    assert bootstrap(lambda *t: eer(*t)[0], *trials, 20) == bootstrap(eer, *trials, 20)
    low, high = bootstrap(lambda *t: min_dcf(*t[:2], sample_weight=t[2])[0], *trials, 20)
    assert 0 <= low <= high <= 1
    wide, narrow = (bootstrap(eer, *trials, 200, level=level) for level in (0.99, 0.5))
    assert wide[0] <= narrow[0] <= narrow[1] <= wide[1]


def test_trials_weigh_as_often_as_their_speakers_were_drawn():
    labels, scores, speakers = asked(0, 5, 3)
    seen = []
    bootstrap(lambda *trials: seen.append(trials) or 0.0, labels, scores, speakers, 30)
    of_score = dict(zip(scores, speakers))
    for same, falling, weight in seen:
        assert (np.diff(falling) <= 0).all() and weight[same].any() and weight[~same].any()
        times = {of_score[score][0]: w for is_same, score, w in zip(same, falling, weight) if is_same}
        assert sum(times.values()) == 5  # as many draws as there are speakers
        for score, w in zip(falling, weight):
            a, b = of_score[score]
            assert w == (times[a] if a == b else times[a] * times[b])


def test_the_interval_covers_the_rate_of_all_speakers():
    """Of 40 times that 20 speakers are asked, 95% intervals hold the rate of very many speakers most times."""
    labels, scores, _ = asked(10**6, n_speakers=300, n_sounds=3)
    truth = eer(labels, scores)[0]
    hits, widths = 0, []
    for seed in range(40):
        low, high = bootstrap(eer, *asked(seed, 20, 3), n_resamples=100)
        hits += low <= truth <= high
        widths.append(high - low)
    assert hits >= 34 and np.mean(widths) < 0.2


def test_draws_that_leave_one_kind_are_made_anew():
    labels, scores, speakers = [1, 1, 0], [3, 2, 1], [("a", "a"), ("b", "b"), ("a", "b")]
    assert bootstrap(eer, labels, scores, speakers, 100) == (0, 0)
    same, first, second = np.array([True, False]), np.array([0, 1]), np.array([0, 2])
    rng = np.random.default_rng(0)
    for _ in range(100):
        assert _drawn(rng, same, first, second, 3).tolist() == [1, 1]  # each of the three, once


@pytest.mark.parametrize(
    ("labels", "speakers", "match"),
    [
        ([1, 1], [("a", "a"), ("a", "a")], "of one speaker: .* two or more"),
        ([1, 1], [("a", "a"), ("b", "b")], "all trials are labelled 1"),
        ([1, 0], [("a", "b")], "1 pairs of speakers with 2 trials"),
        ([1, 0], [("a", "a"), ("a", "b"), ("a", "c")], "3 pairs of speakers with 2 trials"),
        ([1, 0, 1], [("a", "a"), ("a", "b"), ("a", "b")], r"trial 2 is labelled 1, but its speakers are \('a', 'b'\)"),
        ([1, 0, 0], [("a", "a"), ("a", "b"), ("b", "b")], r"trial 2 is labelled 0, but its speakers are \('b', 'b'\)"),
        ([1, 0], ["abc", "d"], "one pair"),
        ([1, 0], [1, 2], "one pair"),
        ([1, 0], [(["a"], ["a"]), (["a"], ["b"])], "one pair"),
        ([], [], "no trial"),
    ],
)
def test_speakers_that_do_not_fit_say_why(labels, speakers, match):
    with pytest.raises(DatasetError, match=match):
        bootstrap(eer, labels, list(range(len(labels))), speakers, 10)


@pytest.mark.parametrize("wrong", [{"n_resamples": 0}, {"level": 0}, {"level": 1}])
def test_parameters_out_of_range(wrong):
    with pytest.raises(ValueError, match="n_resamples"):
        bootstrap(eer, *asked(0, 3), **wrong)

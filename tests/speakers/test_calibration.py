"""Calibration: the recordings that are chosen, their pairs, and the threshold."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxnet_audio.errors import DatasetError, ParameterError
from mxnet_audio.metrics import eer
from mxnet_audio.speakers.calibration import ErrorRates, choose_recordings, find_threshold, trial_pairs

RNG = np.random.default_rng(0)


def count_by_speaker(speakers, chosen):
    return {speaker: sum(speakers[index] == speaker for index in chosen) for speaker in set(speakers)}


@given(st.lists(st.sampled_from("abc"), max_size=12), st.integers(0, 12))
def test_recordings_are_chosen_evenly_over_the_speakers(speakers, limit):
    chosen = choose_recordings(speakers, limit)
    assert chosen == sorted(set(chosen))
    assert len(chosen) == min(limit, len(speakers))
    counts = count_by_speaker(speakers, chosen)
    for speaker, count in counts.items():
        if count < speakers.count(speaker):
            assert max(counts.values()) <= count + 1


def test_with_many_speakers_some_are_left_out_so_that_each_has_several_recordings():
    speakers = [f"{n}" for n in range(1251)] * 5  # as many as in VoxCeleb1
    chosen = choose_recordings(speakers, 1000, min_per_speaker=4)
    assert sorted(set(count_by_speaker(speakers, chosen).values())) == [0, 4]
    assert len(chosen) == 1000
    assert choose_recordings(["a", "b"], 1000, min_per_speaker=4) == [0, 1]


def test_recordings_of_one_session_are_not_paired():
    speakers = np.repeat(["a", "b"], 4)
    sessions = np.array(["1", "1", "2", "2"] * 2)
    pairs = set(zip(*trial_pairs(speakers, sessions)))
    own = {(0, 2), (0, 3), (1, 2), (1, 3)}
    assert pairs == own | {(a + 4, b + 4) for a, b in own} | {(a, b) for a in range(4) for b in range(4, 8)}


def test_recordings_that_were_trained_on_are_paired_only_if_the_others_do_not_suffice():
    speakers, sessions = np.repeat(["a", "b"], 3), np.arange(6)
    held_out = np.array([False, True, True, False, True, True])
    expected = {(1, 2), (1, 4), (1, 5), (2, 4), (2, 5), (4, 5)}
    assert set(zip(*trial_pairs(speakers, sessions, held_out))) == expected
    single = np.array([False, False, True, False, False, True])
    pairs = set(zip(*trial_pairs(speakers, sessions, single)))
    assert {(0, 2), (1, 2), (3, 5), (4, 5), (2, 5)} <= pairs
    assert all(single[a] or single[b] for a, b in pairs)
    # One session of each is held out: pairs of its recordings are no pairs of one speaker.
    sessions = np.array([0, 1, 1, 2, 3, 3])
    assert {(0, 1), (0, 2), (3, 4), (3, 5)} <= set(zip(*trial_pairs(speakers, sessions, held_out)))


def test_the_threshold_has_equal_error_rates_or_the_requested_false_accept_rate():
    labels = np.repeat([1, 0], [300, 2000])
    scores = np.concatenate([RNG.normal(2, 1, 300), RNG.normal(0, 1, 2000)])
    threshold = find_threshold(labels, scores)
    assert (scores[labels == 0] >= threshold).mean() == pytest.approx(eer(labels, scores)[0], abs=0.01)
    for far in (0.001, 0.01, 0.1):
        threshold = find_threshold(labels, scores, far)
        below = scores[scores < threshold].max()
        assert (scores[labels == 0] >= threshold).mean() <= far
        assert (scores[labels == 0] >= below).mean() > far or below in scores[labels == 1]  # the lowest such threshold
    assert find_threshold(np.array([1, 1, 0]), np.array([0.9, 0.7, 0.1])) == pytest.approx(0.4)  # in the middle


@pytest.mark.parametrize("far", [0, 1, -0.1, 2, float("nan")])
def test_far_is_between_0_and_1(far):
    with pytest.raises(ParameterError, match=f"far must be between 0 and 1, got {far}"):
        find_threshold(np.array([1, 0]), np.array([0.9, 0.1]), far)


def test_far_is_a_number():
    with pytest.raises(ParameterError, match=r"far .*'x'"):
        find_threshold(np.array([1, 0]), np.array([0.9, 0.1]), "x")


@pytest.mark.parametrize(
    ("labels", "far", "numbers"),
    [
        ([1, 1], None, "two speakers"),
        ([0, 0], None, "two recordings"),
        ([0, 1], 0.3, "0.3 .* 4 .* 1/1"),
        ([0, 1], 1e-300, r"1e-300 needs 1e\+300 .* 1/1"),
    ],
)
def test_too_few_trials_are_refused(labels, far, numbers):
    with pytest.raises(DatasetError, match=numbers):
        find_threshold(np.array(labels), np.array([0.9, 0.1]), far)


def test_rates_are_shares_of_the_pairs_of_each_kind():
    labels, scores = np.array([1, 1, 1, 1, 0, 0]), np.array([0.9, 0.8, 0.5, 0.4, 0.5, 0.1])
    rates = ErrorRates.measure(labels, scores, 0.5, "six pairs")  # a score at the threshold passes
    assert (rates.far, rates.frr, rates.n_target, rates.n_impostor) == (0.5, 0.25, 4, 2)
    assert rates.eer == pytest.approx(eer(labels, scores)[0])
    assert str(rates) == "50.0% of 2 pairs of two speakers pass, 25.0% of 4 pairs of one speaker do not (six pairs)"
    assert ErrorRates.from_dict(dataclasses.asdict(rates)) == rates

"""Which recordings are compared, and where the threshold is put."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxnet_audio.errors import DatasetError
from mxnet_audio.metrics import eer
from mxnet_audio.speakers.calibration import spread, threshold_of, trials_of

RNG = np.random.default_rng(0)


@given(st.lists(st.sampled_from("abc"), max_size=12), st.integers(0, 12))
def test_spread_takes_as_many_as_it_may_and_no_speaker_twice_more_than_another_that_is_left(speakers, most):
    chosen = spread(speakers, most)
    assert chosen == sorted(set(chosen))
    assert len(chosen) == min(most, len(speakers))
    taken = {speaker: sum(speakers[place] == speaker for place in chosen) for speaker in set(speakers)}
    for speaker, count in taken.items():
        if count < speakers.count(speaker):
            assert max(taken.values()) <= count + 1


def test_of_many_speakers_some_are_left_out_so_that_there_are_several_of_each():
    speakers = [f"{n}" for n in range(1251)] * 5  # as VoxCeleb1's
    chosen = spread(speakers, 1000, least=4)
    counts = {speaker: sum(speakers[place] == speaker for place in chosen) for speaker in set(speakers)}
    assert sorted(set(counts.values())) == [0, 4]
    assert len(chosen) == 1000
    assert spread(["a", "b"], 1000, least=4) == [0, 1]


def test_recordings_of_one_session_are_not_compared():
    speakers = np.repeat(["a", "b"], 4)
    sessions = np.array(["1", "1", "2", "2"] * 2)
    pairs = set(zip(*trials_of(speakers, sessions)))
    own = {(0, 2), (0, 3), (1, 2), (1, 3)}
    assert pairs == own | {(a + 4, b + 4) for a, b in own} | {(a, b) for a in range(4) for b in range(4, 8)}


def test_those_trained_on_come_in_only_where_the_others_do_not_do():
    speakers, sessions = np.repeat(["a", "b"], 3), np.arange(6)
    held = np.array([False, True, True, False, True, True])
    assert set(zip(*trials_of(speakers, sessions, held))) == {(1, 2), (1, 4), (1, 5), (2, 4), (2, 5), (4, 5)}
    one = np.array([False, False, True, False, False, True])
    pairs = set(zip(*trials_of(speakers, sessions, one)))
    assert {(0, 2), (1, 2), (3, 5), (4, 5), (2, 5)} <= pairs
    assert all(one[a] or one[b] for a, b in pairs)
    # One session of each is held out: its recordings among themselves are no trials of one speaker.
    sessions = np.array([0, 1, 1, 2, 3, 3])
    assert {(0, 1), (0, 2), (3, 4), (3, 5)} <= set(zip(*trials_of(speakers, sessions, held)))


def test_the_threshold_has_equal_errors_or_the_share_of_impostors_that_was_asked_for():
    labels = np.repeat([1, 0], [300, 2000])
    scores = np.concatenate([RNG.normal(2, 1, 300), RNG.normal(0, 1, 2000)])
    threshold = threshold_of(labels, scores)
    assert (scores[labels == 0] >= threshold).mean() == pytest.approx(eer(labels, scores)[0], abs=0.01)
    for far in (0.001, 0.01, 0.1):
        threshold = threshold_of(labels, scores, far)
        below = scores[scores < threshold].max()
        assert (scores[labels == 0] >= threshold).mean() <= far
        assert (scores[labels == 0] >= below).mean() > far or below in scores[labels == 1]  # and no stricter
    assert threshold_of(np.array([1, 1, 0]), np.array([0.9, 0.7, 0.1])) == pytest.approx(0.4)  # in the middle


@pytest.mark.parametrize(
    ("labels", "far", "told"),
    [
        ([1, 0], 0, "far is a share"),
        ([1, 0], 1, "far is a share"),
        ([1, 1], None, "no two speakers"),
        ([0, 0], None, "no speaker has two recordings"),
        ([0, 1], 0.01, "one of 100 impostors is asked for, and there are 1 pairs .* or a far of 1/1"),
    ],
)
def test_a_threshold_that_cannot_be_is_refused(labels, far, told):
    with pytest.raises(DatasetError, match=told):
        threshold_of(np.array(labels), np.array([0.9, 0.1]), far)

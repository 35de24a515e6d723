"""Enrolled voices, and scores on one scale."""

import numpy as np
import pytest

from mxnet_audio.errors import ModelError
from mxnet_audio.speakers.scoring import Cohort, EnrolledSpeakers, unit

RNG = np.random.default_rng(0)
COHORT, FIRST, SECOND = (RNG.normal(size=(n, 16)).astype(np.float32) for n in (300, 5, 7))


def test_scores_without_a_cohort_are_cosines():
    found = Cohort(np.empty((0, 16))).scores(FIRST, SECOND)
    lengths = np.linalg.norm(FIRST, axis=1)[:, None] * np.linalg.norm(SECOND, axis=1)
    np.testing.assert_allclose(found, FIRST @ SECOND.T / lengths, atol=1e-6)


def test_scores_with_a_cohort_are_the_formula():
    found = Cohort(COHORT, top=50).scores(FIRST, SECOND)
    for i, a in enumerate(unit(FIRST.astype(np.float64))):
        for j, b in enumerate(unit(SECOND.astype(np.float64))):
            others = [np.sort(unit(COHORT.astype(np.float64)) @ side)[-50:] for side in (a, b)]
            expected = np.mean([(a @ b - scores.mean()) / scores.std() for scores in others])
            assert found[i, j] == pytest.approx(expected, abs=1e-4)


def test_a_speakers_own_voices_in_the_cohort_do_not_count():
    speakers = ["ann"] * 40 + ["bob"] * 260
    named = Cohort(COHORT, speakers, top=30)
    found = named.levels(FIRST, ["ann", "bob", "eve", "ann", "bob"])
    for row, without in enumerate((COHORT[40:], COHORT[:40], COHORT, COHORT[40:], COHORT[:40])):
        np.testing.assert_allclose(found[row], Cohort(without, top=30).levels(FIRST)[row], rtol=1e-4)
    assert not np.allclose(found, named.levels(FIRST))  # whose they are goes unsaid


@pytest.mark.parametrize("cohort", [COHORT, COHORT[:0]])
def test_trials_are_the_matrix_entry_by_entry(cohort, monkeypatch):
    monkeypatch.setattr("mxnet_audio.speakers.scoring.BLOCK", 3)
    first, second = np.indices((5, 5)).reshape(2, -1)
    found = Cohort(cohort).trials(FIRST, first, second)
    np.testing.assert_allclose(found, Cohort(cohort).scores(FIRST, FIRST)[first, second], atol=1e-5)


def test_a_voice_is_the_mean_of_its_utterances_whatever_their_length():
    voices = EnrolledSpeakers()
    assert voices.add("ann", np.array([[2.0, 0.0]])) == 1
    assert voices.add("ann", np.array([[0.0, 9.0]])) == 2  # adds
    np.testing.assert_allclose(voices.centre("ann"), [2**-0.5] * 2)
    assert voices.add("ann", np.array([[0.0, 9.0]]), replace=True) == 1
    np.testing.assert_allclose(voices.centre("ann"), [0, 1])
    voices.add("bob", np.array([[1.0, 0.0]]))
    assert voices.names == ["ann", "bob"]
    voices.remove("ann")
    np.testing.assert_allclose(voices.centres(), [[1, 0]])


def test_a_name_is_one_however_its_accents_are_spelled():
    voices, composed, apart = EnrolledSpeakers(), "J\u00f6rg", "Jo\u0308rg"
    voices.add(apart, np.array([[1.0, 0.0]]))
    assert voices.add(composed, np.array([[0.0, 1.0]])) == 2 and voices.names == [composed]
    np.testing.assert_array_equal(voices.centre(apart), voices.centre(composed))
    assert voices.known(np.array([[1.0, 0.0]]), apart) == {} and voices.known(np.eye(2), "bob") == {composed: 2}
    voices.remove(apart)
    assert voices.names == []
    kept = EnrolledSpeakers({apart: np.array([[1.0, 0.0]]), composed: np.array([[0.0, 1.0]])})
    assert kept.names == [composed] and len(kept.vectors[composed]) == 2


def test_who_is_not_enrolled_is_named():
    voices = EnrolledSpeakers()
    with pytest.raises(ModelError, match="nobody is enrolled"):
        voices.centres()
    with pytest.raises(ModelError, match="no 'ann' is enrolled; there is nobody"):
        voices.remove("ann")
    voices.add("bob", np.ones((1, 2)))
    with pytest.raises(ModelError, match="there is bob"):
        voices.centre("ann")
    for name in ("", "  ", 7, "a\tb", "a\nb"):
        with pytest.raises(ModelError, match="a speaker has a name"):
            voices.add(name, np.ones((1, 2)))

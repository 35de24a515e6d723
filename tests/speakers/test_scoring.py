"""Scores: cosines, the S-norm by its formula, and the scorer's answers on vectors, without MXNet."""

import subprocess
import sys

import numpy as np
import pytest

from mxnet_audio.errors import DatasetError, InvalidAudioError, ModelError, ParameterError
from mxnet_audio.inference.results import Encoding
from mxnet_audio.speakers.enrollment import EnrolledSpeakers, unit_length
from mxnet_audio.speakers.scoring import MEAN_SHARE, Cohort, SpeakerScorer

RNG = np.random.default_rng(0)
COHORT, FIRST, SECOND = (RNG.normal(size=(n, 16)).astype(np.float32) for n in (300, 5, 7))


def test_scores_without_a_cohort_are_cosines():
    scores = Cohort(np.empty((0, 16))).scores(FIRST, SECOND)
    lengths = np.linalg.norm(FIRST, axis=1)[:, None] * np.linalg.norm(SECOND, axis=1)
    np.testing.assert_allclose(scores, FIRST @ SECOND.T / lengths, atol=1e-6)


def test_scores_with_a_cohort_follow_the_formula():
    scores = Cohort(COHORT, top=50).scores(FIRST, SECOND)
    for i, a in enumerate(unit_length(FIRST.astype(np.float64))):
        for j, b in enumerate(unit_length(SECOND.astype(np.float64))):
            nearest = [np.sort(unit_length(COHORT.astype(np.float64)) @ side)[-50:] for side in (a, b)]
            expected = np.mean([(a @ b - cosines.mean()) / cosines.std() for cosines in nearest])
            assert scores[i, j] == pytest.approx(expected, abs=1e-4)


def test_embeddings_of_a_compared_speaker_are_left_out_of_the_cohort():
    speakers = ["ann"] * 40 + ["bob"] * 260
    cohort = Cohort(COHORT, speakers, top=30)
    statistics = cohort.statistics(FIRST, ["ann", "bob", "eve", "ann", "bob"])
    for row, others in enumerate((COHORT[40:], COHORT[:40], COHORT, COHORT[40:], COHORT[:40])):
        np.testing.assert_allclose(statistics[row], Cohort(others, top=30).statistics(FIRST)[row], rtol=1e-4)
    assert not np.allclose(statistics, cohort.statistics(FIRST))  # without the speakers of the vectors


@pytest.mark.parametrize("cohort", [COHORT, COHORT[:0]])
def test_trial_scores_are_entries_of_the_matrix(cohort, monkeypatch):
    monkeypatch.setattr("mxnet_audio.speakers.scoring.TRIALS_PER_BLOCK", 3)
    first, second = np.indices((5, 5)).reshape(2, -1)
    scores = Cohort(cohort).trial_scores(FIRST, first, second)
    np.testing.assert_allclose(scores, Cohort(cohort).scores(FIRST, FIRST)[first, second], atol=1e-5)


@pytest.fixture
def scorer():
    """A scorer with ann at the first axis and bob at the second."""
    enrolled = EnrolledSpeakers({"ann": np.array([[1.0, 0.0, 0.0]]), "bob": np.array([[0.0, 1.0, 0.0]])})
    return SpeakerScorer(enrolled, Cohort(np.eye(3), ["ann", "bob", "cem"]), threshold=0.7)


def test_verification_of_vectors(scorer):
    near, far = np.array([0.8, 0.6, 0.0]), np.array([0.0, 0.0, 1.0])
    assert scorer.verify_as("ann", near) == (pytest.approx(0.8), True, 0.7)
    assert scorer.verify_as("bob", near) == (pytest.approx(0.6), False, 0.7)
    assert scorer.verify(near, 5 * near) == (pytest.approx(1), True, 0.7)
    assert scorer.verify(near, far) == (pytest.approx(0), False, 0.7)


def test_identification_of_vectors(scorer):
    error = InvalidAudioError("silent", "c.wav")
    encodings = [
        Encoding("a.wav", np.array([0.8, 0.6, 0.0])),
        Encoding("b.wav", np.array([0.6, 0.6, 0.6])),
        Encoding("c.wav", None, error),
    ]
    ann, unknown, silent = scorer.identify(encodings, top_k=1)
    assert ann == ("a.wav", "ann", [("ann", pytest.approx(0.8))], None)
    assert unknown.speaker is None and len(unknown.ranking) == 1
    assert silent == ("c.wav", None, [], error)
    with pytest.raises(ParameterError, match=r"top_k .*got 0"):
        list(scorer.identify(encodings, top_k=0))


def test_normalized_scores_are_those_of_the_cohort(scorer):
    vector, ann = np.array([0.8, 0.5, 0.2]), scorer.enrolled.centroid("ann")
    normalized = SpeakerScorer(scorer.enrolled, scorer.cohort, 0.7, normalize=True)
    expected = scorer.cohort.scores(ann[None], vector[None])[0, 0]
    assert normalized.verify_as("ann", vector).score == pytest.approx(expected)
    assert scorer.verify_as("ann", vector).score != pytest.approx(expected)


def test_centered_scores_are_cosines_without_a_share_of_the_mean(scorer):
    cohort = Cohort(COHORT)
    first, second = (unit_length(unit_length(x) - MEAN_SHARE * cohort.vectors.mean(axis=0)) for x in (FIRST, SECOND))
    centered = SpeakerScorer(cohort=cohort, threshold=0.5, centered=True)
    np.testing.assert_allclose(centered.scores(FIRST, 3 * SECOND), first @ second.T, atol=1e-6)
    both = np.concatenate([FIRST, SECOND])
    expected = centered.scores(FIRST, SECOND)[[0, 4], [0, 1]]
    np.testing.assert_allclose(centered.trial_scores(both, [0, 4], [5, 6]), expected, atol=1e-6)
    assert centered.verify(FIRST[0], SECOND[1]).score == pytest.approx(float(centered.scores(FIRST, SECOND)[0, 1]))
    centered.enrolled.add("ann", SECOND[:3])
    (answer,) = centered.identify([Encoding("a.wav", FIRST[0])])
    assert answer.ranking == [("ann", pytest.approx(centered.verify_as("ann", FIRST[0]).score))]


def test_calibration_refuses_to_separate_what_it_cannot(scorer):
    speakers = np.array(["x", "y", "x", "y"])
    vectors = np.array([[1, 0.1, 0], [1, 0, 0.1], [0, 1, 0.1], [0.1, 1, 0]])
    with pytest.raises(DatasetError, match=r"rate [01]\.\d{3}, above 0\.35"):
        scorer.calibrate(vectors, speakers, np.arange(4))
    assert (scorer.threshold, scorer.rates) == (0.7, None)
    scorer.calibrate(vectors, speakers, np.arange(4), force=True, source="four vectors")
    assert scorer.threshold != 0.7
    rates = scorer.rates
    assert rates.eer > 0.35 and (rates.n_target, rates.n_impostor, rates.source) == (2, 4, "four vectors")


def test_calibration_separates_vectors_of_two_speakers(scorer):
    vectors = np.array([[1, 0.1, 0], [1, 0, 0.1], [0, 1, 0.1], [0.1, 1, 0]])
    labels, scores = scorer.calibrate(vectors, np.array(["x", "x", "y", "y"]), np.arange(4))
    assert labels.tolist() == [1, 0, 0, 0, 0, 1]
    assert scores[labels == 0].max() < scorer.threshold < scores[labels == 1].min()
    assert (scorer.rates.far, scorer.rates.frr, scorer.rates.eer) == (0, 0, 0)


def test_reprs_have_one_line(scorer):
    assert repr(scorer.cohort) == "Cohort(3 embeddings, top=200)"
    assert repr(scorer) == (
        "SpeakerScorer(EnrolledSpeakers(2 speakers, 2 recordings), Cohort(3 embeddings, top=200), "
        "threshold=0.7, normalize=False, centered=False)"
    )


def test_without_a_threshold_and_bad_arguments():
    with pytest.raises(ModelError):
        _ = SpeakerScorer().threshold
    with pytest.raises(ParameterError, match=r"top .*got 1"):
        Cohort(COHORT, top=1)


@pytest.mark.parametrize("module", ["enrollment", "scoring", "default_thresholds", "state"])
def test_vectors_need_no_mxnet(module):
    code = f"import sys, mxnet_audio.speakers.{module}; sys.exit('mxnet' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_too_few_recordings_of_others_leave_the_cosines_as_they_are():
    vectors = np.array([[1.0, 0.0, 0.0], [0.8, 0.6, 0.0], [0.0, 0.6, 0.8]])
    cohort = Cohort(vectors, ["ann", "ann", "bob"])
    scores = cohort.trial_scores(vectors, [0, 0], [1, 2], ["ann", "ann", "bob"])
    assert np.isfinite(scores).all()
    statistics = cohort.statistics(vectors, ["ann", "ann", "bob"])  # one recording of others for ann, two for bob
    assert statistics[:2].tolist() == [[0, 1], [0, 1]] and statistics[2].tolist() != [0, 1]

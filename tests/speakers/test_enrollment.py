"""Enrolled speakers: embeddings by name, centroids, duplicates, and names in one spelling."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from mxnet_audio.errors import ModelError, ParameterError
from mxnet_audio.speakers.enrollment import EnrolledSpeakers


def test_centroid_is_the_mean_direction_whatever_the_length():
    enrolled = EnrolledSpeakers()
    assert enrolled.add("ann", np.array([[2.0, 0.0]])) == 1
    assert enrolled.add("ann", np.array([[0.0, 9.0]])) == 2  # adds
    np.testing.assert_allclose(enrolled.centroid("ann"), [2**-0.5] * 2)
    assert enrolled.add("ann", np.array([[0.0, 9.0]]), replace=True) == 1
    np.testing.assert_allclose(enrolled.centroid("ann"), [0, 1])
    enrolled.add("bob", np.array([[1.0, 0.0]]))
    assert enrolled.names == ["ann", "bob"] and enrolled.counts == {"ann": 1, "bob": 1}
    assert repr(enrolled) == "EnrolledSpeakers(2 speakers, 2 recordings)"
    enrolled.remove("ann")
    np.testing.assert_allclose(enrolled.centroids(), [[1, 0]])


def test_a_name_is_one_in_both_unicode_spellings():
    enrolled, composed, decomposed = EnrolledSpeakers(), "J\u00f6rg", "Jo\u0308rg"
    enrolled.add(decomposed, np.array([[1.0, 0.0]]))
    assert enrolled.add(composed, np.array([[0.0, 1.0]])) == 2 and enrolled.names == [composed]
    np.testing.assert_array_equal(enrolled.centroid(decomposed), enrolled.centroid(composed))
    assert enrolled.duplicates(np.array([[1.0, 0.0]]), decomposed) == {}
    assert enrolled.duplicates(np.eye(2), "bob") == enrolled.duplicates(np.eye(2)) == {composed: 2}
    enrolled.remove(decomposed)
    assert enrolled.names == []
    loaded = EnrolledSpeakers({decomposed: np.array([[1.0, 0.0]]), composed: np.array([[0.0, 1.0]])})
    assert loaded.names == [composed] and len(loaded.vectors[composed]) == 2


def test_missing_speakers_and_bad_names():
    enrolled = EnrolledSpeakers()
    with pytest.raises(ModelError, match="nobody"):
        enrolled.centroids()
    with pytest.raises(ModelError, match=r"'ann'.* nobody"):
        enrolled.remove("ann")
    enrolled.add("bob", np.ones((1, 2)))
    for name in ("ann", 7):
        with pytest.raises(ModelError, match=rf"'{name}'.* bob"):
            enrolled.centroid(name)
    for name in ("", "  ", 7, "a\tb", "a\nb"):
        with pytest.raises(ParameterError, match="name"):
            enrolled.add(name, np.ones((1, 2)))


def test_changes_of_two_writers_are_combined():
    one, two, three, four = np.eye(4)[:, None]
    before = EnrolledSpeakers({"ann": np.concatenate([one, two]), "bob": three})
    mine, theirs = before.copy(), before.copy()
    mine.add("ann", four)  # both add to one speaker, one of them replaces recordings, and one speaker is removed
    mine.remove("bob")
    theirs.add("ann", np.concatenate([two, three]), replace=True)
    theirs.add("cem", one)
    for combined in (theirs.with_changes(before, mine), mine.with_changes(before, theirs)):
        assert combined.counts == {"ann": 3, "cem": 1}
        found = combined.vectors["ann"][np.argsort(-combined.vectors["ann"] @ np.arange(4))]
        np.testing.assert_array_equal(found, np.concatenate([four, three, two]))
    assert before.counts == {"ann": 2, "bob": 1}


def test_speakers_are_enrolled_from_threads():
    enrolled, rows = EnrolledSpeakers(), np.eye(64)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda index: enrolled.add(f"speaker {index % 2}", rows[index : index + 1]), range(64)))
    assert enrolled.counts == {"speaker 0": 32, "speaker 1": 32}


def test_speakers_can_be_enrolled_while_others_are_compared(monkeypatch):
    enrolled, counted = EnrolledSpeakers({"ann": np.eye(3)[:1], "bob": np.eye(3)[1:2]}), []

    def count(vectors, others):
        enrolled.add(f"speaker {len(counted)}", np.eye(3)[2:])  # as another thread may
        counted.append(len(others))
        return len(others)

    monkeypatch.setattr("mxnet_audio.speakers.enrollment.shared_recordings", count)
    assert enrolled.duplicates(np.eye(3)[:1]) == {"ann": 1, "bob": 1}
    assert enrolled.names == ["ann", "bob", "speaker 0", "speaker 1"]

"""State on disk: round trip, changes without MXNet, and named damage."""

import json
import subprocess
import sys

import numpy as np
import pytest

from mxnet_audio.errors import ModelError
from mxnet_audio.speakers.enrollment import EnrolledSpeakers
from mxnet_audio.speakers.scoring import Cohort, SpeakerScorer
from mxnet_audio.speakers.state import SpeakerState


@pytest.fixture
def state():
    enrolled = EnrolledSpeakers({"ann/é": np.eye(4, dtype=np.float32)[:2], "bob": np.eye(4, dtype=np.float32)[2:3]})
    return SpeakerState(
        "resnet18", "0123", SpeakerScorer(enrolled, Cohort(np.eye(4, dtype=np.float32), list("abcd")), 0.25, True)
    )


def test_a_saved_state_is_loaded_again(state, tmp_path):
    state.save(tmp_path / "new")
    loaded = SpeakerState.load(tmp_path / "new")
    assert (loaded.network, loaded.model_id) == ("resnet18", "0123")
    assert (loaded.scorer.threshold, loaded.scorer.normalize) == (0.25, True)
    assert loaded.scorer.enrolled.counts == {"ann/é": 2, "bob": 1}
    np.testing.assert_array_equal(loaded.scorer.enrolled.vectors["ann/é"], np.eye(4)[:2])
    np.testing.assert_array_equal(loaded.scorer.cohort.vectors, np.eye(4))
    assert loaded.scorer.cohort.speakers == list("abcd")


def test_speakers_are_listed_and_forgotten_without_mxnet(state, tmp_path):
    state.save(tmp_path)
    code = f"""
import sys
from mxnet_audio.speakers import SpeakerState
state = SpeakerState.load({str(tmp_path)!r})
assert state.scorer.enrolled.counts == {{"ann/é": 2, "bob": 1}}
state.scorer.enrolled.remove("bob")
state.save({str(tmp_path)!r})
sys.exit('mxnet' in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert SpeakerState.enrolled_in(tmp_path) == ["ann/é"]


def test_a_missing_state_or_an_unfinished_training_is_named(tmp_path):
    with pytest.raises(ModelError, match="no speaker model here"):
        SpeakerState.load(tmp_path)
    assert SpeakerState.enrolled_in(tmp_path) == []
    (tmp_path / "resnet18.json").write_text("{}")
    with pytest.raises(ModelError, match=r"resnet18.*resume"):
        SpeakerState.load(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"threshold": None},
        {"network": "cifar10"},
        {"network": []},
        {"normalize": "yes"},
        {"speakers": ["ann", "bob", "cem"]},
        {"speakers": ["", "bob"]},
    ],
    ids=str,
)
def test_a_damaged_description_is_named(state, tmp_path, change):
    state.save(tmp_path)
    path = tmp_path / "speaker.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ModelError, match="damaged"):
        SpeakerState.load(tmp_path)


def test_damaged_vectors_are_named(state, tmp_path):
    state.save(tmp_path)
    path = next(tmp_path.glob("speaker-cohort-*"))
    path.write_bytes(path.read_bytes()[:-4] + b"abcd")
    with pytest.raises(ModelError, match="damaged"):
        SpeakerState.load(tmp_path)


def test_nothing_is_saved_without_a_threshold_or_into_a_file(state, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError):
        state.save(tmp_path / "file")
    state.scorer = SpeakerScorer()
    with pytest.raises(ModelError):
        state.save(tmp_path / "new")
    assert not (tmp_path / "new").exists()

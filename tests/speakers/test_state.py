"""State on disk: round trip, changes without MXNet, and named damage."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from mxnet_audio.errors import ModelError
from mxnet_audio.speakers.calibration import ErrorRates
from mxnet_audio.speakers.enrollment import EnrolledSpeakers
from mxnet_audio.speakers.scoring import Cohort, SpeakerScorer
from mxnet_audio.speakers.state import SpeakerState, check_kind

RATES = ErrorRates(0.05, 0.3, 0.1, 10, 20, "thirty pairs")


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


def test_centering_and_rates_are_saved_and_an_earlier_state_has_neither(state, tmp_path):
    state.network, state.scorer.centered, state.scorer.rates = "resemblyzer", True, RATES
    state.save(tmp_path)
    loaded = SpeakerState.load(tmp_path)
    assert (loaded.network, loaded.scorer.centered, loaded.scorer.rates) == ("resemblyzer", True, RATES)
    path = tmp_path / "speaker.json"
    manifest = json.loads(path.read_text())
    del manifest["centered"], manifest["rates"]
    path.write_text(json.dumps(manifest))
    assert (SpeakerState.load(tmp_path).scorer.centered, SpeakerState.load(tmp_path).scorer.rates) == (False, None)


def test_a_directory_is_of_a_published_encoder_or_of_networks_to_train(state, tmp_path):
    for network in ("resnet18", "resemblyzer"):
        check_kind(tmp_path / "new", network)
    (tmp_path / "trained").mkdir()
    (tmp_path / "trained" / "resnet18.json").write_text("{}")
    check_kind(tmp_path / "trained", "sincnet")
    with pytest.raises(ModelError, match=r"trained: .*resnet18.* resemblyzer"):
        check_kind(tmp_path / "trained", "resemblyzer")
    state.network = "resemblyzer"
    state.save(tmp_path / "published")
    check_kind(tmp_path / "published", "resemblyzer")
    with pytest.raises(ModelError, match=r"published: .*resemblyzer.* sincnet"):
        check_kind(tmp_path / "published", "sincnet")


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
        {"centered": 1},
        {"rates": 3},
        {"rates": {"far": 0.1}},
        {"rates": {"far": "?", "frr": 0, "eer": 0, "n_target": 1, "n_impostor": 1, "source": ""}},
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


def test_savers_of_one_directory_wait_for_each_other(tmp_path):
    """Each removes the files of the one before it."""

    def save(number):
        enrolled = EnrolledSpeakers({f"{number}": np.eye(64)[[number]]})
        SpeakerState("resnet18", "0123", SpeakerScorer(enrolled, threshold=0.5)).save(tmp_path)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(save, range(64)))
    assert len(SpeakerState.load(tmp_path).scorer.enrolled.names) == 1


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

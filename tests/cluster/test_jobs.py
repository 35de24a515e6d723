"""Jobs are plain values that are checked when they are made."""

import json
import pickle

import numpy as np
import pytest

from mxnet_audio.cluster import EmbedJob, EventsJob, IndexJob, TagJob
from mxnet_audio.errors import ParameterError

SERVER = {"uri": "http://127.0.0.1:1", "collection": "songs"}


@pytest.mark.parametrize(
    ("job", "arguments"),
    [
        (EmbedJob, {}),
        (EmbedJob, {"encoder": "yamnet", "model_dir": "models"}),
        (EmbedJob, {"encoder": "nothing"}),
        (EmbedJob, {"encoder": "yamnet", "channel": "centre"}),
        (EmbedJob, {"encoder": "yamnet", "gpu": -1}),
        (TagJob, {"encoder": "yamnet", "top_k": 0}),
        (EventsJob, {"encoder": "yamnet", "channel": "each"}),
        (EventsJob, {"encoder": "yamnet", "threshold": 0}),
        (EventsJob, {"encoder": "yamnet", "max_gap": -1.0}),
        (EventsJob, {"encoder": "yamnet", "window": 0}),
        (EventsJob, {"encoder": "yamnet", "labels": "dog"}),
        (IndexJob, {**SERVER}),
    ],
    ids=[
        "none",
        "two",
        "encoder",
        "channel",
        "gpu",
        "top_k",
        "each",
        "threshold",
        "max_gap",
        "window",
        "labels",
        "no model",
    ],
)
def test_arguments_are_checked(job, arguments):
    with pytest.raises(ParameterError):
        job(**arguments)


def test_jobs_travel_and_paths_are_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights").mkdir()
    for job in (
        EmbedJob(model_dir="models"),
        TagJob(encoder="yamnet", source="weights"),
        EventsJob(encoder="yamnet", source="OWNER/NAME", labels=("dog",)),
        IndexJob(encoder="yamnet", index_params={"M": 8}, **SERVER),
    ):
        assert pickle.loads(pickle.dumps(job)) == job
    assert EmbedJob(model_dir="models").model_dir == str(tmp_path / "models")
    assert EmbedJob(encoder="yamnet", source="weights").source == str(tmp_path / "weights")
    assert EmbedJob(encoder="wavlm", source="OWNER/NAME").source == "OWNER/NAME"


def test_settings_are_those_that_results_depend_on():
    job = EventsJob(encoder="yamnet", source="weights", gpu=1, threshold=0.25, labels=("dog",))
    assert job.settings == {
        "job": "events", "channel": "mix", "window": None, "hop": None, "threshold": 0.25, "labels": ["dog"],
        "min_duration": 0.0, "max_gap": 0.0,
    }  # fmt: skip


def test_settings_of_numpy_are_stored():
    job = EventsJob(
        encoder="yamnet", channel=np.int64(1), threshold=np.float32(0.25), hop=np.float64(1), labels=["dog"]
    )
    assert json.loads(json.dumps(job.settings)) == job.settings
    assert json.loads(json.dumps(TagJob(encoder="yamnet", top_k=np.int32(3)).settings))["top_k"] == 3

"""``info`` says what is here."""

import sys

import numpy as np

import mxnet_audio
from mxnet_audio.errors import DatasetError


def test_info(run, run_json):
    document = run_json("info")
    versions = document["versions"]
    assert versions["mxnet_audio"] == mxnet_audio.__version__
    assert versions["python"] == ".".join(map(str, sys.version_info[:3]))
    assert versions["numpy"] == np.__version__
    assert versions["mxnet"] == "1.9.1"
    assert {"librosa", "soundfile", "libsndfile", "av", "annoy", "voyager"} <= versions.keys()
    assert document["formats"]["WAV"] == document["formats"]["FLAC"] == "libsndfile"
    assert set(document["formats"]) == {"WAV", "AU", "FLAC", "Ogg Vorbis", "Opus", "MP3", "M4A/AAC"}
    assert document["devices"]["cpus"] >= 1
    assert document["devices"]["gpus"] >= 0
    text = run("info").stdout
    for name in ("mxnet", "libsndfile", "M4A/AAC", "cpus"):
        assert name in text


def test_info_without_an_optional_decoder(run, run_json, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    monkeypatch.setattr("audioread.available_backends", lambda: [])
    assert run_json("info")["formats"]["M4A/AAC"] is None
    assert "M4A/AAC      cannot be read" in run("info").stdout


def test_demo_tells_its_story_or_gives_its_figures(run, run_json, monkeypatch, tmp_path):
    asked = []

    def show(output, data, say, progress):
        asked.append((output, data))
        say("Training …")
        return {"accuracy": 0.5}

    monkeypatch.setattr("mxnet_audio.cli.tour.run", show)
    words = ("demo", "--output", tmp_path / "öut", "--data", tmp_path)
    assert run(*words).stdout == "Training …\n"
    assert run_json(*words) == {"accuracy": 0.5}
    assert asked == [(tmp_path / "öut", tmp_path)] * 2


def test_demo_on_data_that_cannot_be_used(run, tmp_path):
    result = run("demo", "--output", tmp_path / "out", "--data", tmp_path / "nö.csv", code=1)
    assert str(DatasetError("", tmp_path / "nö.csv")) in result.stderr

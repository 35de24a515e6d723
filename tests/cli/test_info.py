"""``info``: versions, formats, devices."""

import sys

import numpy as np

import mxnet_audio


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


def test_missing_decoder(run, run_json, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    monkeypatch.setattr("audioread.available_backends", lambda: [])
    monkeypatch.setenv("PATH", "")
    assert run_json("info")["formats"]["M4A/AAC"] is None
    assert "M4A/AAC      cannot be read" in run("info").stdout

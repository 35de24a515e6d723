"""Copies of the trained recognizer, with and without enrolled speakers."""

import json
import shutil

import numpy as np
import pytest
import soundfile as sf

from tests.voices import FakeEncoder


@pytest.fixture(autouse=True)
def feature_cache(own_cache):
    """Feature cache of each test alone."""


@pytest.fixture
def model(speaker_model, tmp_path):
    """The option for a copy of the trained recognizer; nobody is enrolled."""
    return "--model-dir", shutil.copytree(speaker_model, tmp_path / "vöices")


@pytest.fixture
def enrolled(run, people, model):
    """The same, with ann and bob enrolled by their first four recordings."""
    for name in ("ann", "bob"):
        run("speaker", "enroll", name, *(people / name / f"{take}.wav" for take in range(4)), *model)
    return model


@pytest.fixture
def fake_encoder(monkeypatch):
    """Stand-in for the published encoder."""
    monkeypatch.setattr("mxnet_audio.speakers.published_encoder.load_encoder", FakeEncoder)


@pytest.fixture
def new(fake_encoder, tmp_path):
    """The option for a folder that does not exist yet, where the stand-in is used."""
    return "--model-dir", tmp_path / "néw"


@pytest.fixture
def manifest():
    """Function that reads ``speaker.json`` of a model option."""
    return lambda model: json.loads((model[1] / "speaker.json").read_text())


@pytest.fixture
def silence(tmp_path):
    """Silent recording."""
    path = tmp_path / "silence ü.wav"
    sf.write(path, np.zeros(4800), 8000)
    return path

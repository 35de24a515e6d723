"""Fixtures of the speaker tests: four synthesised speakers, a recognizer trained on three of them, a fake encoder."""

import copy

import pytest

from mxnet_audio.models import sincnet
from mxnet_audio.speakers.recognizer import SpeakerRecognizer
from tests.voices import TRAINED, FakeEncoder, write_speaker_model


@pytest.fixture(scope="session")
def speaker_folder(make_once):
    """Folder with ``people`` and ``model``; tests must not change it."""
    return make_once("speakers", write_speaker_model)


@pytest.fixture(scope="session")
def people(speaker_folder):
    """Folder of four speakers, ten vowels each."""
    return speaker_folder / "people"


@pytest.fixture(scope="session")
def model_dir(speaker_folder):
    """Directory of the trained recognizer; nobody is enrolled."""
    return speaker_folder / "model"


@pytest.fixture(scope="session")
def recordings(people):
    """Function that lists pairs of path and speaker: ``recordings('ann', 'bob', takes=range(10))``."""

    def recordings(*names, takes=range(10)):
        return [(str(people / name / f"{take}.wav"), name) for name in names for take in takes]

    return recordings


@pytest.fixture(scope="session")
def options():
    """Arguments of a quick `fit`."""
    return {"epochs": 1, "batch_size": 8, "seconds": 0.1, "checkpoint_interval": 9, "progress": False}


@pytest.fixture
def small_sincnet(monkeypatch):
    """Narrow the network that a test trains."""
    sizes = {"FILTERS": 16, "CONVOLUTIONS": ((16, 5), (16, 5)), "DENSE_UNITS": (32, 32), "EMBEDDING_DIM": 32}
    for name, size in sizes.items():
        monkeypatch.setattr(sincnet, name, size)


@pytest.fixture
def fake_encoder(monkeypatch):
    """Stand-in for the published encoder."""
    monkeypatch.setattr("mxnet_audio.speakers.published_encoder.load_encoder", FakeEncoder)


@pytest.fixture
def pretrained(fake_encoder):
    """Recognizer with the stand-in; nobody is enrolled."""
    return SpeakerRecognizer("resemblyzer")


@pytest.fixture
def recognizer(model_dir):
    """The trained recognizer, loaded for each test."""
    return SpeakerRecognizer.load(model_dir)


@pytest.fixture(scope="session")
def enrolled_speakers(model_dir, recordings):
    """Three recordings each of three speakers, encoded once by the trained recognizer."""
    recognizer = SpeakerRecognizer.load(model_dir)
    for name in TRAINED:
        recognizer.enroll(name, [path for path, _ in recordings(name, takes=range(3))])
    return recognizer.scorer.enrolled


@pytest.fixture
def enrolled(recognizer, enrolled_speakers):
    """The trained recognizer with its three speakers enrolled."""
    recognizer.scorer.enrolled = copy.deepcopy(enrolled_speakers)
    return recognizer

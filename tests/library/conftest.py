"""A corpus small enough to train on in a second, and a classifier trained on it."""

from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from mxnet_audio.library.cifar10 import Cifar10AudioClassifier

SR = 12000
KINDS = ("low", "high", "noise")


def write_corpus(folder):
    """Write 24 one-second clips of three kinds, ``<kind>/clip <i> é.wav``, that a small network can tell apart."""
    rng = np.random.default_rng(0)
    t = np.arange(SR) / SR
    for i in range(24):
        kind = KINDS[i % 3]
        if kind == "noise":
            y = rng.normal(0, 0.1, SR)
        else:
            frequency = rng.uniform(200, 600) if kind == "low" else rng.uniform(2000, 5000)
            y = 0.5 * np.sin(2 * np.pi * frequency * t) + rng.normal(0, 0.01, SR)
        path = folder / kind / f"clip {i} é.wav"
        path.parent.mkdir(exist_ok=True)
        sf.write(path, y, SR)


@pytest.fixture(scope="session")
def corpus(make_once):
    """Pairs of path and label of 24 clips of three classes."""
    folder = make_once("library-corpus", write_corpus)
    return [(str(folder / KINDS[i % 3] / f"clip {i} é.wav"), KINDS[i % 3]) for i in range(24)]


@pytest.fixture(scope="session")
def options(tmp_path_factory):
    """Arguments of a quick `fit`."""
    return {
        "batch_size": 5,
        "epochs": 6,
        "test_size": 0.25,
        "input_shape": (1, 32, 40),
        "nb_classes": 3,
        "checkpoint_interval": 2,
        "cache": tmp_path_factory.mktemp("cache"),
        "progress": False,
    }


@pytest.fixture(scope="session")
def model_dir(corpus, options, make_once) -> Path:
    """Directory of a model trained on `corpus`; tests must not change it."""
    return make_once("library-model", lambda folder: Cifar10AudioClassifier().fit(corpus, folder, **options))


@pytest.fixture
def classifier(model_dir):
    """The trained classifier, loaded for each test."""
    loaded = Cifar10AudioClassifier()
    loaded.load_model(model_dir)
    return loaded

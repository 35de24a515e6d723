"""A corpus small enough to train on in a second, and a classifier trained on it."""

import numpy as np
import pytest
import soundfile as sf

from mxnet_audio.library.cifar10 import Cifar10AudioClassifier

SR = 12000
KINDS = ("low", "high", "noise")


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    """Pairs of 24 one-second clips of three kinds that a small network can tell apart."""
    folder = tmp_path_factory.mktemp("corpus")
    rng = np.random.default_rng(0)
    t = np.arange(SR) / SR
    pairs = []
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
        pairs.append((str(path), kind))
    return pairs


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
def model_dir(corpus, options, tmp_path_factory):
    """Directory of a model trained on `corpus`."""
    folder = tmp_path_factory.mktemp("model")
    Cifar10AudioClassifier().fit(corpus, folder, **options)
    return folder


@pytest.fixture
def classifier(model_dir):
    """The trained classifier, loaded anew."""
    loaded = Cifar10AudioClassifier()
    loaded.load_model(model_dir)
    return loaded

"""A tiny network that takes sound of any length, and clips of different lengths for it."""

import numpy as np
import pytest

from mxnet_audio.engine import mx
from mxnet_audio.models import get_model
from mxnet_audio.training import initialize
from mxnet_audio.weights.architecture import read_architecture
from tests.training.tiny import TINY


@pytest.fixture
def tiny_net():
    """Function that makes the network, with the same parameters every time: ``tiny_net(embedding="mean")``."""

    def make(embedding="mean", **settings):
        architecture = read_architecture(TINY | settings)
        net = get_model("wav2vec2", 2, (1, 1, 16000), embedding=embedding, architecture=architecture)
        initialize(net, 0, mx.cpu())
        return net

    return make


@pytest.fixture(scope="session")
def tones():
    """Pairs of tone and class: low ones and high ones, of 0.1 to 0.4 s at 16 kHz."""
    rng = np.random.default_rng(0)
    pairs = []
    for index in range(22):
        t = np.arange(rng.integers(1600, 6400)) / 16000
        pitch = rng.uniform(200, 300) if index % 2 else rng.uniform(900, 1400)
        samples = np.sin(2 * np.pi * pitch * t) + rng.normal(0, 0.1, len(t))
        pairs.append(((0.4 * samples.astype(np.float32), 16000), ("high", "low")[index % 2]))
    return pairs

"""Small encoder network, and sounds, for the tests of pretrained encoders."""

from typing import ClassVar

import numpy as np
import pytest

from mxnet_audio.engine import gluon, mx
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.models.encoder_net import Embedding, EncoderNet
from mxnet_audio.models.sequence_net import SequenceNet
from mxnet_audio.nn.reduce import steps_within


class SmallBody(gluon.nn.HybridBlock):
    """Two dense layers on a patch."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        with self.name_scope():
            self.first = gluon.nn.Dense(6, activation="tanh", in_units=80)
            self.second = gluon.nn.Dense(4, activation="tanh", in_units=6)

    def hybrid_forward(self, F, x):
        first = self.first(F.log(x + 1e-3))
        return [first, self.second(first)]


class SmallNet(EncoderNet):
    """Encoder of patches of 10 frames of 8 mel bands, 0.16 s at 8 kHz."""

    features = AudioFeatureConfig(type="mel", sr=8000, n_fft=256, hop_length=128, n_mels=8, n_frames=10)
    input_format = "(1, 8, frames) with 10 frames or more"
    patch_hop = 4
    layer_dims = (6, 4)
    embeddings: ClassVar = {
        "mean": Embedding(0),
        "mean_std": Embedding(0, "mean_std"),
        "unit": Embedding(1, "unit_mean"),
    }
    tags = 3
    tag_layer = 1

    def make_body(self, layers):
        return SmallBody()


@pytest.fixture
def small_net():
    """Return the function that makes an initialized network with an embedding, for inputs of a number of frames."""

    def make(embedding="mean", frames=10, head="tags", classes=3):
        mx.random.seed(0)
        net = SmallNet(classes, (1, 8, frames), head, embedding)
        net.initialize(mx.init.Xavier())
        return net

    return make


@pytest.fixture
def sound():
    """Return the function that makes noise of a length, which differs from seed to seed."""

    def make(seconds, seed=0, sr=8000):
        rng = np.random.default_rng(seed)
        t = np.arange(round(seconds * sr)) / sr
        noise = rng.normal(0, 0.05, t.size)
        return (np.float32(noise * (1 + np.sin(7 * t)) + 0.1 * np.sin(300 * (seed + 1) * t)), sr)

    return make


class SmallSequences(gluon.nn.HybridBlock):
    """Two layers on frames: a convolution that sees both neighbours, and a dense layer."""

    def __init__(self, layers, **kwargs):
        super().__init__(**kwargs)
        self._layers = layers
        with self.name_scope():
            self.first = gluon.nn.Conv1D(4, 3, padding=1, activation="tanh", in_channels=8)
            self.second = gluon.nn.Dense(4, flatten=False, activation="tanh", in_units=4) if layers else None

    def hybrid_forward(self, F, x, lengths):
        x = F.log(F.reshape(x, (0, -3, 0)) + 1e-3)
        within = steps_within(F, x, lengths, axis=2)
        first = F.transpose(self.first(F.broadcast_mul(x, F.expand_dims(within, 1))), (0, 2, 1))
        return [lengths, first] + ([self.second(first)] if self._layers else [])


class SmallSequenceNet(SequenceNet):
    """Network of sequences, one vector for each frame of 8 mel bands, of windows of 2 s at 8 kHz."""

    features = AudioFeatureConfig(type="mel", sr=8000, n_fft=256, hop_length=128, n_mels=8)
    input_format = "(1, 8, frames) with 3 frames or more"
    window, min_input, step = 2.0, 3, (128 / 8000, 256 / 8000)
    dim, layers = 4, 1

    @classmethod
    def longest_input(cls, architecture):
        return 1, 8, 126

    def make_body(self, layers):
        return SmallSequences(layers)


@pytest.fixture
def small_sequence_net():
    """Return the function that makes an initialized network of sequences with an embedding and three classes."""

    def make(embedding="mean", classes=3, kind=SmallSequenceNet):
        mx.random.seed(0)
        net = kind(classes, kind.longest_input(None), "tags", embedding)
        net.initialize(mx.init.Xavier())
        return net

    return make

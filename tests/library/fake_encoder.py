"""Encoder without a network: published records, and vectors as `FakeClassifier` makes them."""

from types import SimpleNamespace

from mxnet_audio import weights
from mxnet_audio.pretrained import AudioEncoder
from tests.library.fake_classifier import FakeClassifier


class FakeEncoder(AudioEncoder):
    """Replacement for `AudioEncoder` with vectors of eight numbers."""

    embedding_dim = 8
    labels = ("dog", "cat")

    def fit(self, X=None, y=None):
        self.fake = FakeClassifier()
        self.fake.load_model(self.model_id)
        return self

    @property
    def record(self):
        return weights.record("yamnet" if self.name == "auto" else self.name)

    @property
    def net(self):
        return SimpleNamespace(embedding=self.embedding or next(iter(self.record.embeddings)))

    @property
    def model_id(self):
        return f"{self.record.name}-{self.net.embedding}"

    def encode_audio(self, path):
        return self.fake.encode_audio(path)

    def encode_many(self, paths, batch_size=4):
        return self.fake.encode_many(paths, batch_size)


def load_fake_encoder(name="auto", **options):
    """Replacement for `load_encoder`."""
    return FakeEncoder(name, **options).fit()

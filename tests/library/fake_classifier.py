"""Classifier without a network: the embedding is read from the file, or derived from its bytes."""

import hashlib
import json
import time
from pathlib import Path

import numpy as np

from mxnet_audio.audio import Channel
from mxnet_audio.audio.source import source_name
from mxnet_audio.errors import AudioDecodeError, AudioError, ModelError
from mxnet_audio.inference.results import Encoding


class FakeClassifier:
    """Replacement for `AudioClassifier`: the name of a model directory is its model, and contains ``dim-16`` for 16."""

    delay = 0.0

    def __init__(self, model_ctx=None, data_ctx=None):
        self.contexts = (model_ctx, data_ctx)
        self.model_id = None
        self.embedding_dim = None
        self.encoded = []

    def load_model(self, model_dir_path):
        """Use the name of the directory as the model."""
        name = Path(model_dir_path).name
        if name == "missing":
            raise ModelError("no model here", model_dir_path)
        self.model_id, self.embedding_dim = name, 16 if "dim-16" in name else 8

    def encode_audio(self, path):
        """Derive the embedding from the bytes; a JSON file contains it. A channel has one of its own."""
        time.sleep(self.delay)
        path, channel = (path.source, path.change) if isinstance(path, Channel) else (path, "")
        self.encoded.append(str(path))
        try:
            content = path if isinstance(path, bytes) else Path(path).read_bytes()
        except OSError as error:
            raise AudioDecodeError(error.strerror, path) from error
        if content.startswith(b"["):
            return np.array(json.loads(content), dtype=np.float32)
        if not content or content.startswith(b"bad"):
            raise AudioDecodeError("not audio", path)
        seed = int.from_bytes(hashlib.sha256(content + channel.encode()).digest()[:8], "big")
        return np.random.default_rng(seed).uniform(0.1, 1, self.embedding_dim).astype(np.float32)

    def encode_many(self, paths, batch_size=4):
        """Encode in order, a batch ahead of the consumer."""
        paths = list(paths)
        for start in range(0, len(paths), batch_size):
            batch = []
            for path in paths[start : start + batch_size]:
                try:
                    batch.append(Encoding(source_name(path), self.encode_audio(path)))
                except AudioError as error:
                    batch.append(Encoding(source_name(path), None, error))
            yield from batch

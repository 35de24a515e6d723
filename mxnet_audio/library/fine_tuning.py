"""Training run of a whole encoder with published weights."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from itertools import islice
from typing import Any

import numpy as np

from mxnet_audio import training
from mxnet_audio.data import AudioLoader
from mxnet_audio.engine import mx
from mxnet_audio.errors import ParameterError
from mxnet_audio.inference.known_sounds import KnownSounds
from mxnet_audio.library.encoder_head import fit_head, group_numbers
from mxnet_audio.library.encoder_run import EncoderRun, read_samples
from mxnet_audio.library.trained_model import TrainedModel
from mxnet_audio.pretrained import AudioEncoder

__all__ = ["FineTuningRun"]


class FineTuningRun(EncoderRun):
    """Training run of the whole network, after its head; parameters as for `EncoderRun`.

    The learning rates of the layers fall toward the first one, as the recipe sets it.
    """

    def __init__(self, encoder: AudioEncoder, head: str, *arguments: Any, **devices: mx.Context):
        super().__init__(encoder, head, *arguments, **devices)
        if self.recipe.loss != "softmax":
            raise ParameterError(f"recipe: loss must be 'softmax' for a pretrained encoder, got {self.recipe.loss!r}")

    def settings_of(self, clips: training.Prepared) -> dict:
        """Return the settings that must be the same for a run to be resumed, JSON-serializable."""
        return super().settings_of(clips) | {"encoder": self._encoder.model_id, "head": self.head}

    def train(
        self,
        model: TrainedModel,
        clips: training.Prepared,
        progress: training.Progress,
        callbacks: Sequence[training.Callback],
        show: bool,
    ) -> None:
        """Fit the head, unless the run is resumed, and train the network; then measure the sounds that it knows."""
        batch_size = self.settings.batch_size
        if not progress.epochs:
            vectors, targets = _embeddings(model, clips.train_plain, batch_size)
            fit_head(model, vectors, targets, group_numbers(clips.groups), self.settings)
            model.extras = {}
        super().train(model, clips, progress, callbacks, show)
        if clips.test is not None:
            vectors, targets = _embeddings(model, clips.train_plain, batch_size)
            known = KnownSounds.of(vectors, targets)
            held_out, _ = _embeddings(model, clips.test, batch_size)
            model.extras["known"] = KnownSounds.of(vectors, targets, known.scores(held_out)).to_tensors()
            model.save(self.model_dir, progress)


def _embeddings(model: TrainedModel, loader: AudioLoader, batch_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Compute the embeddings [shape=(n, dim)] of the network's inputs, and return the targets [shape=(n,)]."""
    vectors, targets = [], []
    with contextlib.closing(read_samples(loader)) as samples:
        while batch := list(islice(samples, batch_size)):
            vectors.append(model.forward(np.stack([x for x, _ in batch]))[1])
            targets += [target for _, target in batch]
    return np.concatenate(vectors), np.array(targets)

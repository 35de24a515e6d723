"""Training runs on an encoder with published weights: their base, and the run of the head alone."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import Any

import numpy as np

from mxnet_audio import model_store, training
from mxnet_audio.data import AudioDataset, AudioLoader
from mxnet_audio.data.transforms import Transform
from mxnet_audio.engine import mx
from mxnet_audio.errors import ModelError
from mxnet_audio.features import AudioFeatureConfig, FeatureCache
from mxnet_audio.inference.predictor import AudioSource
from mxnet_audio.library.base_weights import BaseWeights
from mxnet_audio.library.encoder_head import copy_body, fit_head, group_numbers
from mxnet_audio.library.trained_model import TrainedModel
from mxnet_audio.library.training_run import TrainingRun
from mxnet_audio.models import SequenceNet
from mxnet_audio.pretrained import AudioEncoder
from mxnet_audio.pretrained.sound_encoder import SoundEncoder, sound_encoder

__all__ = ["EncodeSound", "EncoderRun", "HeadRun", "read_samples", "read_vectors", "vector_cache"]


class EncodeSound(Transform):
    """Transform from a sound of any length to its embedding [shape=(dim,)].

    Parameters
    ----------
    model_id : str
        Identity of the embeddings, for caches.
    encoder : PatchEncoder or WindowEncoder
        Encoder; its network computes in one thread at a time.
    """

    takes_source = True

    def __init__(self, model_id: str, encoder: SoundEncoder):
        super().__init__(model_id=model_id)
        self._encoder = encoder

    def apply(self, source: AudioSource) -> np.ndarray:
        """Encode a sound."""
        (output,) = self._encoder.encode_many([source])
        if output.error is not None:
            raise output.error
        assert output.vector is not None
        return output.vector


class EncoderRun(TrainingRun):
    """Base of the training runs on an encoder; attributes and errors as for `TrainingRun`.

    Parameters
    ----------
    encoder : AudioEncoder
        Encoder with its published weights.
    head : {'dense', 'mlp'}
        Kind of the head.
    *arguments
        Arguments of `TrainingRun`.
    saves_base : bool
        Whether published weights that training does not change are saved with the model; if not, their source is.
    **devices
        Arguments of `TrainingRun`.
    """

    def __init__(
        self, encoder: AudioEncoder, head: str, *arguments: Any, saves_base: bool = True, **devices: mx.Context
    ):
        super().__init__(*arguments, **devices)
        self.head, self.embedding, self._encoder, self._saves_base = head, encoder.net.embedding, encoder, saves_base
        net = encoder.net
        self.architecture = net.architecture if isinstance(net, SequenceNet) else None

    def new_model(self, clips: training.Prepared) -> TrainedModel:
        """Make the network with the published weights, except the head."""
        model, encoder, loaded = super().new_model(clips), self._encoder, self._encoder.loaded
        copy_body(encoder.net, model.net)
        model.notes["encoder"] = {"name": encoder.record.name, "model_id": encoder.model_id}
        if not self._saves_base:
            source = loaded.source or (None if encoder.source is None else os.fspath(encoder.source))
            reference = {"source": source, "revision": loaded.revision, "identity": loaded.identity}
            model.notes["encoder"]["weights"] = reference
        names = model.net._collect_params_with_prefix().keys() & loaded.tensors.keys()
        published = {name: loaded.tensors[name] for name in names if not name.startswith("head.")}
        model.base = BaseWeights(published, is_saved=self._saves_base)
        return model


class HeadRun(EncoderRun):
    """Training run of the head alone: each clip is encoded once; parameters as for `EncoderRun`."""

    takes_steps = False

    def __init__(self, encoder: AudioEncoder, head: str, *arguments: Any, **options: Any):
        super().__init__(encoder, head, *arguments, **options)
        devices = {"model_ctx": self.model_ctx, "data_ctx": self.data_ctx}
        self.transforms = [EncodeSound(encoder.model_id, sound_encoder(encoder.net, encoder.feature_config, **devices))]

    def loader(self, cache: bool | str | os.PathLike) -> Callable[[AudioDataset], AudioLoader]:
        """Return the function that makes the loader of a dataset; vectors that are not cached are kept in memory."""
        mode = training.cache_options(self.config, cache)["mode"]
        return partial(super().loader(cache), **({"mode": "eager"} if mode == "lazy" else {}))

    def start(self, clips: training.Prepared, resume: bool) -> tuple[TrainedModel, training.Progress]:
        """Make the network with the published weights; a run is resumed by fitting again to vectors of the cache.

        Raises
        ------
        ModelError
            If it is resumed, and the model in the directory is of another run.
        """
        if resume and self.network in model_store.stored_models(self.model_dir):
            manifest = model_store.read_manifest(self.model_dir, self.network)
            entries = (manifest.get(name) for name in ("training", "encoder", "network"))
            settings, encoder, network = (entry if isinstance(entry, dict) else {} for entry in entries)
            is_trained = "vectors" not in manifest["files"]  # which models on a frozen encoder have
            before = {
                **settings,
                "trainable": is_trained,
                "encoder": encoder.get("model_id"),
                "head": network.get("head"),
            }
            now = {
                "trainable": False,
                "encoder": self._encoder.model_id,
                "head": self.head,
                **self.settings.identity(),
                **clips.digests,
            }
            if changed := [name for name in now if before.get(name) != now[name]]:
                reason = f"the model is of another run: {', '.join(changed)} changed; start again without resume"
                raise ModelError(reason, self.model_dir)
        return super().start(clips, resume=False)

    def settings_of(self, clips: training.Prepared) -> dict:
        """Return the settings of the run, JSON-serializable."""
        return self.settings.identity() | {"epochs": self.settings.epochs} | clips.digests

    def train(
        self,
        model: TrainedModel,
        clips: training.Prepared,
        progress: training.Progress,
        callbacks: Sequence[training.Callback],
        show: bool,
    ) -> None:
        """Fit the head, measure it, and save the model."""
        vectors, targets = read_vectors(clips.train_plain)
        fit_head(
            model,
            vectors,
            targets,
            group_numbers(clips.groups),
            self.settings,
            test=None if clips.test is None else read_vectors(clips.test),
            counts_as=clips.counts_as,
            callbacks=callbacks,
        )
        model.save(self.model_dir)


def vector_cache(
    transform: EncodeSound, config: AudioFeatureConfig, cache: bool | str | os.PathLike
) -> FeatureCache | None:
    """Open the cache of vectors that runs fill; None if there is none."""
    options = training.cache_options(config, cache)
    return FeatureCache(str(transform.key), options["cache_dir"]) if options["mode"] == "lazy_cached" else None


def read_vectors(loader: AudioLoader) -> tuple[np.ndarray, np.ndarray]:
    """Return the vectors [shape=(n, dim)] and the targets [shape=(n,)] of all samples, in order."""
    samples = list(read_samples(loader))
    return np.stack([vector for vector, _ in samples]), np.array([target for _, target in samples])


def read_samples(loader: AudioLoader) -> Generator[tuple[np.ndarray, int], None, None]:
    """Yield the samples, in order; raise the error of the first that cannot be read."""
    with contextlib.closing(loader.samples()) as stream:
        for _, sample, error in stream:
            if error is not None:
                raise error
            yield sample

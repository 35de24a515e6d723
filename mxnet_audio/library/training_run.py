"""Training run behind `AudioClassifier.fit`: planned, started or resumed, and carried out."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial

from mxnet_audio import model_store, training
from mxnet_audio.data import AudioDataset, AudioLoader
from mxnet_audio.data.transforms import Transform
from mxnet_audio.engine import mx
from mxnet_audio.errors import ParameterError
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.library.inputs import input_shape_of
from mxnet_audio.library.trained_model import TrainedModel, head_for, skipped_notes
from mxnet_audio.weights.architecture import Architecture

__all__ = ["TrainingRun", "model_lock"]

log = logging.getLogger(__name__)


def model_lock(directory: str | os.PathLike, network: str) -> AbstractContextManager[None]:
    """Wait until no other process writes the model of a network in a directory, and make others wait.

    Raises
    ------
    ModelError
        If the directory cannot be written to.
    """
    return model_store.lock(directory, network, f"the training of {network}")


class TrainingRun:
    """One training run. Its arguments are checked when it is made, before any sound is decoded.

    Parameters
    ----------
    network : str
        Name of the network.
    config : AudioFeatureConfig
        Features that the network takes.
    recipe : training.Recipe
        Recipe to train by.
    settings : training.Settings
        Numbers of the run.
    model_dir : str or os.PathLike
        Directory for the model and its checkpoints.
    model_ctx, data_ctx : mxnet.Context
        Device of the network, and device on which batches are put first.

    Raises
    ------
    ParameterError
        If the network cannot take these features or this loss, or the loss this batch size.
    ModelError
        If the directory cannot be written to.

    Attributes
    ----------
    identity : dict
        Settings that must be the same for a run to be resumed.
    head : str
        Last layer of the network.
    embedding : str or None
        Embedding of an encoder's network.
    architecture : Architecture or None
        Settings of a network that is built from settings.
    transforms : list of Transform
        Steps from a sound to what is learned from; if empty, those to the input of the network.
    open_input : training.OpenInput or None
        Last of the steps, if inputs have different lengths.
    workers : training.Workers
        Workers that train together; by default this process alone.
    """

    takes_steps = True  # trains in steps, which several workers can share

    def __init__(
        self,
        network: str,
        config: AudioFeatureConfig,
        recipe: training.Recipe,
        settings: training.Settings,
        model_dir: str | os.PathLike,
        *,
        model_ctx: mx.Context,
        data_ctx: mx.Context,
    ):
        self.network, self.config, self.recipe, self.settings = network, config, recipe, settings
        self.model_dir, self.model_ctx, self.data_ctx = model_dir, model_ctx, data_ctx
        self.identity: dict = {}
        self.head = head_for(network, recipe.loss)
        self.embedding: str | None = None
        self.architecture: Architecture | None = None
        self.transforms: list[Transform] = []
        self.open_input: training.OpenInput | None = None
        self.workers = training.ALONE
        training.check_batch(recipe, settings)
        input_shape_of(network, config)
        model_store.check_writable(model_dir)

    def loader(self, cache: bool | str | os.PathLike) -> Callable[[AudioDataset], AudioLoader]:
        """Return the function that makes the loader of a dataset, with features cached as requested."""
        return partial(
            AudioLoader,
            batch_size=self.settings.batch_size,
            seed=self.settings.random_state,
            ctx=self.data_ctx,
            **training.cache_options(self.config, cache),
        )

    def start(self, clips: training.Prepared, resume: bool) -> tuple[TrainedModel, training.Progress]:
        """Make the network, and load the last checkpoint if the run is resumed.

        Raises
        ------
        ModelError
            If the checkpoint is damaged or of another run.
        ParameterError
            If more epochs are done than requested, or workers have other settings or clips than worker 0.
        """
        self.identity = self.settings_of(clips)
        features = {"epochs": self.settings.epochs, "labels": clips.labels, "features": self.config.identity()}
        self.workers.check_same({"network": self.network} | features | self.identity)
        model = self.new_model(clips)
        progress = training.Progress()
        if self.workers.rank:
            return model, progress  # which it gets from worker 0
        if resume and self.network in model_store.stored_models(self.model_dir):
            progress = model.resume(self.model_dir, self.identity)
            log.info("%s: resuming after epoch %d", self.model_dir, progress.epochs)
            if progress.epochs > self.settings.epochs:
                reason = f"epochs must be >= {progress.epochs}, which are done already, got {self.settings.epochs}"
                raise ParameterError(f"{reason}; or start again without resume", self.model_dir)
        elif resume:
            log.info("%s: no checkpoint to resume from, starting from the beginning", self.model_dir)
        model.notes |= {"training": self.identity, "skipped": skipped_notes(clips.skipped)}
        return model, progress

    def new_model(self, clips: training.Prepared) -> TrainedModel:
        """Make the network, with its initial parameters."""
        model = TrainedModel(
            self.network,
            clips.labels,
            self.config,
            views=self.recipe.views,
            head=self.head,
            multi_label=clips.multi_label,
            embedding=self.embedding,
            architecture=self.architecture,
            model_ctx=self.model_ctx,
            data_ctx=self.data_ctx,
            random_state=self.settings.random_state,
        )
        if model.net.standardizes:
            model.net.standardize.set(clips.mean, clips.std)
        return model

    def settings_of(self, clips: training.Prepared) -> dict:
        """Return the settings that must be the same for a run to be resumed, JSON-serializable."""
        recipe = {f"recipe.{name}": value for name, value in self.recipe.identity().items()}
        return self.settings.identity() | recipe | clips.digests

    def train(
        self,
        model: TrainedModel,
        clips: training.Prepared,
        progress: training.Progress,
        callbacks: Sequence[training.Callback],
        show: bool,
    ) -> None:
        """Train the model until all epochs are done or a callback stops it; checkpoints are saved on the way."""
        training.run_epochs(
            model.net,
            clips,
            progress,
            self.settings,
            self.recipe,
            ctx=self.model_ctx,
            checkpoint=partial(model.save, self.model_dir),
            callbacks=callbacks,
            workers=self.workers,
            show=show,
        )
        model.history = progress.history
        model.thresholds = progress.thresholds.get("last", model.thresholds)

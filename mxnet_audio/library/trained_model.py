"""A network together with what gives its numbers a meaning: labels, features, history; in use, and on disk."""

from __future__ import annotations

import hashlib
import math
import operator
import os
import platform
from collections.abc import Iterable, Iterator
from functools import cached_property

import numpy as np

import mxnet_audio
from mxnet_audio import model_store, training
from mxnet_audio.data.transforms import Features, ToImage, Transform
from mxnet_audio.engine import autograd, mx, nd
from mxnet_audio.errors import FeatureError, ModelError
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.models import NETWORKS, check_shape, default_features, get_model
from mxnet_audio.nn.loss import LOSSES

__all__ = ["TrainedModel", "features_for_shape", "head_for", "input_shape_of", "network_input"]

STATES = ("best", "optimizer", "average", "loss")  # of a `training.Progress`: what only training on needs


def network_input(config: AudioFeatureConfig) -> list[Transform]:
    """Steps from a sound to the input of a network [shape=(1, bands, frames)]."""
    return [Features(config), ToImage(config.time_axis)]


def features_for_shape(network: str, input_shape: tuple[int, int, int]) -> AudioFeatureConfig:
    """The usual features of a network, as many as make an input of this shape; ModelError if it takes no such input."""
    if len(input_shape) != 3 or input_shape[0] != 1:
        raise FeatureError(f"input_shape is one channel, (1, bands, frames), not {tuple(input_shape)}")
    check_shape(network, input_shape)
    config = default_features(network)
    _, bands, length = input_shape
    if config.type != "raw":
        return AudioFeatureConfig(**config.identity() | {"n_mels": bands, "n_frames": length})
    limit = length / config.sr
    if int(limit * config.sr) < length:  # by a rounding, and whole samples are counted
        limit = math.nextafter(limit, math.inf)
    return AudioFeatureConfig(**config.identity() | {"audio_file_length_limit_in_s": limit})


def input_shape_of(network: str, config: AudioFeatureConfig) -> tuple[int, int, int]:
    """Shape of a network's input.

    Raises
    ------
    FeatureError
        If that is not the same for all sounds.
    ModelError
        If the network takes no such input.
    """
    if not isinstance(config, AudioFeatureConfig):
        kind = type(config).__name__
        raise FeatureError(f"feature_config is an AudioFeatureConfig, as from_yaml gives one, not {kind}")
    if None in config.shape:
        reason = f"set n_frames (or sr and a length limit) in feature_config; {network} takes {NETWORKS[network].takes}"
        raise FeatureError(f"a network needs inputs of one size: {reason}")
    shape = (1, *config.shape[:: 1 if config.time_axis == -1 else -1])
    try:
        check_shape(network, shape)
    except ModelError as error:
        raise ModelError(f"{config.type} features: {error.reason}") from None
    return shape


def head_for(network: str, loss: str) -> str:
    """The last layer that a loss wants; ModelError if the network can have no such.

    Examples
    --------
    >>> head_for('resnet18', 'arc')
    'cosine'
    """
    head, heads = LOSSES[loss].head, NETWORKS[network].heads
    if head not in heads:
        raise ModelError(
            f"the loss {loss!r} works on a {head} head, which {network} has not; it has {', '.join(heads)}"
        )
    return head


class TrainedModel:
    """A network with its labels and features, on a device.

    Parameters
    ----------
    network : str
        Name of the network.
    labels : list of int or str
        Classes, in the order of the scores.
    feature_config : AudioFeatureConfig
        What the network is fed with; of one size.
    views : int > 0
        Windows, or shifts, of a sound that its predictions are averaged over.
    head : {'dense', 'cosine'}
        Last layer of the network: what its loss works on.
    model_ctx, data_ctx : mxnet.Context
        Where the network computes, and where batches are put first.
    random_state : int, optional
        Seed of the first parameters; needless if they are replaced.

    Attributes
    ----------
    history : dict
        Measures of the training, epoch by epoch.
    notes : dict
        What else is kept with the model, JSON-able: how it was trained (``training``), and which files could not be
        used (``skipped``).
    """

    def __init__(
        self,
        network: str,
        labels: list[int | str],
        feature_config: AudioFeatureConfig,
        *,
        views: int = 1,
        head: str = "dense",
        model_ctx: mx.Context,
        data_ctx: mx.Context,
        random_state: int | None = None,
    ):
        self.network, self.labels, self.feature_config, self.views = network, labels, feature_config, views
        self.model_ctx, self.data_ctx = model_ctx, data_ctx
        self.history = training.new_history()
        self.notes: dict = {}
        self.net = get_model(
            network, classes=len(labels), input_shape=input_shape_of(network, feature_config), head=head
        )
        training.initialize(self.net, random_state, model_ctx)

    @cached_property
    def id(self) -> str:
        """Identity of the vectors, once training is over: changes with the parameters and with the features."""
        parameters = model_store.fingerprint(training.get_parameters(self.net))
        identity = f"{self.network} {self.feature_config.key()} {self.views} {parameters}"
        return hashlib.sha256(identity.encode()).hexdigest()[:16]

    def forward(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities [shape=(n, classes)] and vectors [shape=(n, dim)] of inputs [shape=(n, 1, bands, frames)]."""
        x = nd.array(x, ctx=self.data_ctx).as_in_context(self.model_ctx)
        with autograd.predict_mode():
            scores, embedding = self.net(x)
        return scores.softmax().asnumpy(), embedding.asnumpy()

    def adapt(self, inputs: Iterable[np.ndarray]) -> None:
        """Measure the statistics of the norms anew, on batches of inputs; if that fails, all stays as it was."""
        before, seen = training.get_parameters(self.net), 0

        def batches() -> Iterator[tuple[nd.NDArray, None]]:
            nonlocal seen
            for x in inputs:
                seen += len(x)
                yield nd.array(x, ctx=self.data_ctx), None

        try:
            training.refresh_norms(self.net, batches(), self.model_ctx)
        except BaseException:
            training.set_parameters(self.net, before)
            raise
        self.__dict__.pop("id", None)  # it is another model now
        self.notes["training"] = {**self.notes.get("training", {}), "adapted to, inputs": seen}

    def save(self, directory: str | os.PathLike, progress: training.Progress | None = None) -> None:
        """Keep the model in a directory.

        Parameters
        ----------
        directory : str or os.PathLike
            Made if it is not there; a model of this network that is there is replaced.
        progress : training.Progress, optional
            How far training has come, and all that is needed to train on. Without, it cannot be gone on with.
        """
        files = {"last": training.get_parameters(self.net)}
        if progress is not None:
            self.history = progress.history
            files |= {name: state for name in STATES if (state := getattr(progress, name)) or name != "loss"}
        net = self.net
        manifest = {
            "network": {
                "name": self.network,
                "classes": net.classes,
                "input_shape": list(net.input_shape),
                "head": net.head_name,
            },
            "labels": self.labels,
            "features": self.feature_config.identity(),
            "views": self.views,
            "history": self.history,
            "best_epoch": training.best_epoch(self.history) + 1,
            "versions": {
                "mxnet_audio": mxnet_audio.__version__,
                "mxnet": mx.__version__,
                "numpy": np.__version__,
                "python": platform.python_version(),
            },
            **self.notes,
        }
        model_store.save_state(directory, self.network, manifest, files)

    @classmethod
    def load(cls, directory: str | os.PathLike, network: str, parameters: str, **contexts) -> TrainedModel:
        """Load a model that `save` kept; see `AudioClassifier.load_model`."""
        manifest = model_store.read_manifest(directory, network)
        tensors = model_store.read_tensors(directory, manifest, parameters)
        try:
            found = manifest["network"]["name"]
            if found != network:
                raise ModelError(f"a {found} model, not {network}")
            config = AudioFeatureConfig(**manifest["features"])
            views = operator.index(manifest["views"])
            if views < 1:
                raise TypeError(f"views: {views}")
            head = manifest["network"].get("head", "dense")
            model = cls(network, list(manifest["labels"]), config, views=views, head=head, **contexts)
            training.set_parameters(model.net, tensors)
            model.history = {measure: list(manifest["history"][measure]) for measure in training.new_history()}
            model.notes = {note: manifest[note] for note in ("training", "skipped")}
        except (KeyError, TypeError) as error:
            raise _damaged(error, directory) from error
        except (ModelError, FeatureError) as error:
            raise ModelError(error.reason, directory) from error
        return model

    def resume(self, directory: str | os.PathLike, settings: dict) -> training.Progress:
        """Take over the last checkpoint's parameters, and tell how far it had come.

        Raises
        ------
        ModelError
            If that run was another one: its `settings` (noted as ``training``), labels or features differ; or the
            checkpoint is damaged.
        """
        manifest = model_store.read_manifest(directory, self.network)
        try:
            before = {**manifest["training"], "labels": manifest["labels"], "features": manifest["features"]}
            history = {measure: list(manifest["history"][measure]) for measure in training.new_history()}
        except (KeyError, TypeError) as error:
            raise _damaged(error, directory) from error
        now = {**settings, "labels": self.labels, "features": self.feature_config.identity()}
        changed = [name for name in now if before.get(name) != now[name]]
        if changed:
            reason = f"cannot go on from this checkpoint: {', '.join(changed)} changed since; start anew without resume"
            raise ModelError(reason, directory)
        training.set_parameters(self.net, model_store.read_tensors(directory, manifest, "last"))
        names = [name for name in STATES if name != "loss" or name in manifest["files"]]  # few losses learn
        states = {name: model_store.read_tensors(directory, manifest, name) for name in names}
        return training.Progress(history, **states)


def _damaged(error: Exception, directory: str | os.PathLike) -> ModelError:
    return ModelError(f"damaged: its description lacks or misstates {error}", directory)

"""Trained network with its labels, features and history: in use, on disk, and in other processes."""

from __future__ import annotations

import hashlib
import json
import os
import reprlib
import threading
from collections.abc import Iterable, Iterator
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from mxnet_audio import model_store, training
from mxnet_audio.engine import autograd, mx, nd
from mxnet_audio.errors import AudioError, ModelError, ParameterError
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.inference.onnx_metadata import are_labels, are_thresholds, are_views
from mxnet_audio.library.base_weights import BASE, BaseWeights
from mxnet_audio.library.inputs import input_shape_of
from mxnet_audio.models import NETWORKS, SequenceNet, get_model
from mxnet_audio.models.pretrained import read_base
from mxnet_audio.nn.lora import add_lora, merge_lora
from mxnet_audio.nn.loss import LOSSES
from mxnet_audio.weights.architecture import Architecture, read_architecture

__all__ = ["TrainedModel", "head_for", "skipped_notes"]

EXTRAS = ("vectors", "known")  # further tensors of a head on a frozen encoder
STATES = ("best", "optimizer", "average", "loss")  # parts of `training.Progress` that only resuming needs

_calling = threading.Lock()  # held while a network is called: two threads cannot make a graph of Gluon at once


def head_for(network: str, loss: str) -> str:
    """Return the kind of last layer that a loss needs.

    Raises
    ------
    ParameterError
        If the network cannot have such a layer.

    Examples
    --------
    >>> head_for('resnet18', 'arc')
    'cosine'
    """
    head, heads = LOSSES[loss].head, NETWORKS[network].heads
    if head not in heads:
        raise ParameterError(f"the loss {loss!r} needs a {head} head, but {network} can have: {', '.join(heads)}")
    return head


def skipped_notes(skipped: Iterable[tuple[str, AudioError]]) -> list[list[str]]:
    """Return the clips that were skipped as they are kept in a model: their names without folders, and the reasons.

    Models are passed on; paths would name the home folder and the user.

    Examples
    --------
    >>> skipped_notes([('/home/ada/clips/a.wav', AudioError('silent'))])
    [['a.wav', 'silent']]
    """
    return [[Path(path).name, error.reason] for path, error in skipped]


class TrainedModel:
    """Network with its labels and features, on a device. It can be pickled and copied.

    Parameters
    ----------
    network : str
        Name of the network.
    labels : list of int or str
        Classes, in the order of the scores.
    feature_config : AudioFeatureConfig
        Features that the network takes; of one size.
    views : int > 0, optional
        Number of parts, or shifts, of a sound that outputs are averaged over; by default as many as cover it, see
        `Predictor.views`.
    head : {'dense', 'cosine', 'tags'}
        Last layer of the network, as its loss needs it.
    multi_label : bool
        True if several classes can apply to one sound: then probabilities are computed by the sigmoid of the scores, in
        place of their softmax.
    embedding : str, optional
        Layer and pooling of an encoder's vectors, see `get_model`.
    architecture : Architecture, optional
        Settings of a network that is built from settings.
    model_ctx, data_ctx : mxnet.Context
        Device of the network, and device on which batches are put first.
    random_state : int, optional
        Seed of the initial parameters.
    tensors : dict of str to np.ndarray, optional
        Parameters that `training.set_parameters` must set before the model is used: there are no initial ones then.
        Their shapes are compared with those of a network that is built from settings.

    Attributes
    ----------
    net : AudioNet
        The network.
    thresholds : np.ndarray [shape=(classes,)] or None
        Lowest probability at which each class applies, at first 0.5; None unless `multi_label`.
    history : dict
        Measures of the training, epoch by epoch.
    notes : dict
        Further entries of the manifest, JSON-serializable: settings of the training (``training``), files that could
        not be used (``skipped``), and the pretrained ``encoder``, if it is one.
    extras : dict of str to dict of str to np.ndarray
        Further tensors of a head on a frozen encoder: the embeddings of the training clips (``vectors``), and what is
        needed to tell unknown sounds (``known``).
    base : BaseWeights or None
        Published weights that the network was made from.
    adapter : dict or None
        Arguments of `nn.lora.add_lora` for the adapters that the network has, JSON-serializable.
    """

    def __init__(
        self,
        network: str,
        labels: list[int | str],
        feature_config: AudioFeatureConfig,
        *,
        views: int | None = None,
        head: str = "dense",
        multi_label: bool = False,
        embedding: str | None = None,
        architecture: Architecture | None = None,
        model_ctx: mx.Context,
        data_ctx: mx.Context,
        random_state: int | None = None,
        tensors: model_store.Tensors | None = None,
    ):
        self.network, self.labels, self.feature_config, self.views = network, labels, feature_config, views
        self.model_ctx, self.data_ctx = model_ctx, data_ctx
        self.thresholds = np.full(len(labels), 0.5) if multi_label else None
        self.history = training.new_history()
        self.notes: dict[str, Any] = {}
        self.extras: dict[str, model_store.Tensors] = {}
        self.base: BaseWeights | None = None
        self.adapter: dict[str, Any] | None = None
        self._make_net({"head": head, "embedding": embedding, "architecture": architecture}, random_state, tensors)

    def _make_net(
        self,
        options: dict[str, Any],
        random_state: int | None = None,
        tensors: model_store.Tensors | None = None,
    ) -> None:
        input_shape = input_shape_of(self.network, self.feature_config)
        self.net = get_model(self.network, len(self.labels), input_shape, **options)
        if tensors is None:
            training.initialize(self.net, random_state, self.model_ctx)
            return
        training.set_shapes(self.net)
        if isinstance(self.net, SequenceNet):
            training.check_shapes(self.net, tensors)

    def add_lora(self, **adapter: Any) -> None:
        """Add adapters to the network, and freeze the rest of its body; parameters and errors as of `nn.lora.add_lora`.

        Only the adapters and the last layer are trained then.
        """
        add_lora(self.net, **adapter)
        self.adapter = adapter

    def merge_lora(self) -> None:
        """Add the adapters to the weights that they belong to, so that the network computes as fast as without."""
        merge_lora(self.net)
        self.adapter = None
        self.__dict__.pop("id", None)  # rounding makes it another model

    @property
    def architecture(self) -> Architecture | None:
        """Settings of a network that is built from settings."""
        return self.net.architecture if isinstance(self.net, SequenceNet) else None

    def __getstate__(self) -> dict[str, Any]:
        """Return all attributes, with the parameters as NumPy arrays in place of the network."""
        attributes = {name: value for name, value in vars(self).items() if name != "net"}
        net = self.net
        options = {"head": net.head_name, "embedding": net.embedding, "architecture": self.architecture}
        return {**attributes, "options": options, "parameters": training.get_parameters(net)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Make the network again, on the same kind of device."""
        attributes = dict(state)
        options, parameters = attributes.pop("options"), attributes.pop("parameters")
        vars(self).update(attributes)
        self._make_net(options, tensors=parameters)
        if self.adapter is not None:
            self.add_lora(**self.adapter)
        training.set_parameters(self.net, parameters, self.model_ctx)

    @cached_property
    def id(self) -> str:
        """Identity of the embeddings, once training is over: it changes with the parameters and the features."""
        parameters = model_store.fingerprint(training.get_parameters(self.net))
        entries = self._settings_entries().values()
        network = " ".join([self.network, *(e if isinstance(e, str) else json.dumps(e) for e in entries)])
        identity = f"{network} {self.feature_config.key()} {self.views} {parameters}"
        return hashlib.sha256(identity.encode()).hexdigest()[:16]

    def _settings_entries(self) -> dict[str, Any]:
        """Return embedding, architecture and adapters for the manifest, those that the network has."""
        settings = self.architecture
        architecture = None if settings is None else settings.model_dump(mode="json")
        entries = {"embedding": self.net.embedding, "architecture": architecture, "adapter": self.adapter}
        return {name: entry for name, entry in entries.items() if entry is not None}

    def forward(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Compute the outputs of the network.

        Parameters
        ----------
        x : np.ndarray [shape=(n, 1, bands, frames)]
            Inputs.

        Returns
        -------
        probabilities : np.ndarray [shape=(n, classes)], float32
        vectors : np.ndarray [shape=(n, dim)], float32
        """
        x = nd.array(x, ctx=self.data_ctx).as_in_context(self.model_ctx)
        with _calling, autograd.predict_mode():
            scores, embedding = self.net(x)
        return self.probabilities(scores), embedding.asnumpy()

    @property
    def activation(self) -> str:
        """Function from scores to probabilities: 'sigmoid' if several classes can apply to one sound, or 'softmax'."""
        return "softmax" if self.thresholds is None else "sigmoid"

    def probabilities(self, scores: nd.NDArray) -> np.ndarray:
        """Return the probabilities [shape=(n, classes)] of scores."""
        return getattr(scores, self.activation)().asnumpy()

    def adapt(self, inputs: Iterable[np.ndarray]) -> None:
        """Measure the statistics of the batch norms again, on batches of inputs; if that fails, nothing changes.

        Raises
        ------
        ModelError
            If the network has none.
        """
        if not any(name.endswith("running_mean") for name in self.net._collect_params_with_prefix()):
            raise ModelError(f"{self.network} has no batch norms to adapt; models on a frozen encoder can be adapted")
        before, count = training.get_parameters(self.net), 0

        def batches() -> Iterator[tuple[nd.NDArray, None]]:
            nonlocal count
            for x in inputs:
                count += len(x)
                yield nd.array(x, ctx=self.data_ctx), None

        try:
            training.refresh_norms(self.net, batches(), self.model_ctx)
        except BaseException:
            training.set_parameters(self.net, before)
            raise
        self.__dict__.pop("id", None)  # it is another model now
        self.notes["training"] = {**self.notes.get("training", {}), "adapted to, inputs": count}

    def save(self, directory: str | os.PathLike, progress: training.Progress | None = None) -> None:
        """Save the model in a directory.

        Parameters
        ----------
        directory : str or os.PathLike
            Model directory; created if missing. An existing model of this network is replaced.
        progress : training.Progress, optional
            State of the training. If omitted, training cannot be resumed.
        """
        files = {"last": training.get_parameters(self.net), **self.extras}
        if progress is not None:
            self.history = progress.history
            self.thresholds = progress.thresholds.get("last", self.thresholds)
            files |= {name: state for name in STATES if (state := getattr(progress, name)) or name != "loss"}
        net = self.net
        manifest = {
            "network": {
                "name": self.network,
                "classes": net.classes,
                "input_shape": list(net.input_shape),
                "head": net.head_name,
                **self._settings_entries(),
            },
            "labels": self.labels,
            "features": self.feature_config.identity(),
            "views": self.views,
            "history": self.history,
            "best_epoch": training.best_epoch(self.history) + 1,
            "versions": training.versions(),
            **self.notes,
        }
        if self.thresholds is not None:
            thresholds = {"last": self.thresholds, **({} if progress is None else progress.thresholds)}
            manifest["thresholds"] = {name: values.tolist() for name, values in thresholds.items()}
        save = model_store.save_state if self.base is None else self.base.save
        save(directory, self.network, manifest, files)

    @classmethod
    def load(
        cls,
        directory: str | os.PathLike,
        network: str,
        parameters: str,
        *,
        source: Any = None,
        model_ctx: mx.Context,
        data_ctx: mx.Context,
    ) -> TrainedModel:
        """Load a saved model; see `AudioClassifier.load_model`, and `read_base` for `source`."""
        devices = {"model_ctx": model_ctx, "data_ctx": data_ctx}
        read = partial(cls._read, directory, network, parameters, source, devices)
        return model_store.read_state(directory, network, read)

    @classmethod
    def _read(
        cls,
        directory: str | os.PathLike,
        network: str,
        parameters: str,
        source: Any,
        devices: dict[str, mx.Context],
        manifest: dict,
    ) -> TrainedModel:
        """Read the files of a manifest and make the model."""
        if parameters == "best" and "vectors" in manifest["files"]:
            parameters = "last"  # a head on a frozen encoder has no best epoch
        tensors = model_store.read_tensors(directory, manifest, parameters)
        try:
            found = manifest["network"]["name"]
            if found != network:
                raise ModelError(f"a {found} model, not {network}")
            config = AudioFeatureConfig(**manifest["features"])
            labels, views = manifest["labels"], manifest["views"]
            if not are_labels(labels) or not are_views(views):
                raise TypeError(f"labels {reprlib.repr(labels)} or views {views!r}")
            if list(input_shape_of(network, config)) != list(manifest["network"]["input_shape"]):
                raise ValueError("the input of the network is not that of the features")
            settings = manifest["network"].get("architecture")
            if not isinstance(settings, dict | None):
                raise TypeError(f"architecture {reprlib.repr(settings)}")
            base = read_base(directory, manifest, source)
            model = cls(
                network,
                labels,
                config,
                views=views,
                head=manifest["network"].get("head", "dense"),
                multi_label="thresholds" in manifest,
                embedding=manifest["network"].get("embedding"),
                architecture=None if settings is None else read_architecture(settings),
                tensors={**(base or {}), **tensors},
                **devices,
            )
            if (adapter := manifest["network"].get("adapter")) is not None:
                model.add_lora(**adapter)
            if base is not None:
                names = model.net._collect_params_with_prefix().keys()
                base = {name: tensor for name, tensor in base.items() if name in names}  # not layers behind these
                model.base = BaseWeights(base, is_saved=BASE in manifest["files"])
                tensors = {**base, **tensors}
            training.set_parameters(model.net, tensors, model.model_ctx)
            if "thresholds" in manifest:
                thresholds = _read_thresholds(manifest)
                model.thresholds = thresholds.get(parameters, thresholds["last"])
            model.history = {measure: list(manifest["history"][measure]) for measure in training.new_history()}
            model.notes = {note: manifest[note] for note in ("training", "skipped")}
            if "encoder" in manifest:
                model.notes["encoder"] = dict(manifest["encoder"])
            model.extras = {
                role: model_store.read_tensors(directory, manifest, role)
                for role in EXTRAS
                if role in manifest["files"] and parameters == "last"  # they were measured with these
            }
        except (ModelError, ParameterError) as error:
            raise ModelError(error.reason, directory) from error
        except (KeyError, TypeError, ValueError, mx.MXNetError) as error:  # MXNet's: no network is that large
            raise _damaged(error, directory) from error
        return model

    def resume(self, directory: str | os.PathLike, settings: dict[str, Any]) -> training.Progress:
        """Load the parameters of the last checkpoint.

        Parameters
        ----------
        directory : str or os.PathLike
            Model directory of the run.
        settings : dict
            Settings of this run, as they are saved under ``training``.

        Returns
        -------
        training.Progress
            State of the training at the checkpoint.

        Raises
        ------
        ModelError
            If the checkpoint is damaged, or of a run with other settings, labels or features.
        """
        manifest = model_store.read_manifest(directory, self.network)
        try:
            before = {**manifest["training"], "labels": manifest["labels"], "features": manifest["features"]}
            history = {measure: list(manifest["history"][measure]) for measure in training.new_history()}
            thresholds = _read_thresholds(manifest) if "thresholds" in manifest else {}
        except (KeyError, TypeError, ValueError) as error:
            raise _damaged(error, directory) from error
        now = {**settings, "labels": self.labels, "features": self.feature_config.identity()}
        changed = [name for name in now if before.get(name) != now[name]]
        if changed:
            reason = f"the checkpoint is of another run: {', '.join(changed)} changed; start again without resume"
            raise ModelError(reason, directory)
        names = [name for name in STATES if name != "loss" or name in manifest["files"]]  # few losses have parameters
        states = {name: model_store.read_tensors(directory, manifest, name) for name in ["last", *names]}
        if self.base is not None:
            base = self.base.unchanged(training.get_parameters(self.net))
            states |= {name: {**base, **states[name]} for name in ("last", "best")}
        training.set_parameters(self.net, states.pop("last"))
        if not history["acc_test"]:
            thresholds = {}  # none were chosen
        return training.Progress(history, **states, thresholds=thresholds)


def _read_thresholds(manifest: dict) -> model_store.Tensors:
    """Return the thresholds of the last and the best parameters; TypeError or ValueError if they are damaged."""
    entry = manifest["thresholds"]
    if not isinstance(entry, dict) or "last" not in entry:
        raise TypeError(f"thresholds {reprlib.repr(entry)}")
    for name, values in entry.items():
        if not are_thresholds(values, len(manifest["labels"])):
            raise ValueError(f"thresholds {name} {reprlib.repr(values)}")
    return {name: np.array(values, np.float64) for name, values in entry.items()}


def _damaged(error: Exception, directory: str | os.PathLike) -> ModelError:
    return ModelError(f"damaged: missing or invalid in its description: {error}", directory)

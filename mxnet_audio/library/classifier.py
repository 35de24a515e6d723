"""Classifier that all networks share: train it on files, label files with it, compute embeddings of files."""

from __future__ import annotations

import copy
import logging
import os
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from mxnet_audio import model_store, training
from mxnet_audio.audio.channel import channel_sources
from mxnet_audio.audio.source import source_name
from mxnet_audio.checks import path_argument
from mxnet_audio.data.transforms import Compose, Transform
from mxnet_audio.engine import contexts, mx
from mxnet_audio.errors import AudioError, DatasetError, ModelError, ParameterError
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.inference.predictor import AudioSource, AudioSources, Predictor, as_list
from mxnet_audio.library.inputs import choose_features, network_input
from mxnet_audio.library.trained_model import TrainedModel
from mxnet_audio.library.training_run import TrainingRun, model_lock
from mxnet_audio.weights.architecture import Architecture

__all__ = ["AudioClassifier"]

log = logging.getLogger(__name__)

MIN_ADAPT_CLIPS = 20  # clips to adapt to; adapting to one clip of each of ten classes is worse than not adapting


class AudioClassifier(Predictor):
    """Label sound, and compute embeddings, with one of the networks; see the subclasses.

    A classifier can be pickled and copied, trained or not.

    Parameters
    ----------
    model_ctx : mxnet.Context, optional
        Device of the network; the CPU by default, also on a machine with a GPU, so that the same script gives the same
        numbers everywhere.
    data_ctx : mxnet.Context, optional
        Device on which batches are put first; `model_ctx` by default.

    Raises
    ------
    ParameterError
        If a device is not an `mxnet.Context`, or this machine, or this build of MXNet, has no such GPU.

    Attributes
    ----------
    model_path : pathlib.Path or None
        Directory that holds the current model; None if it was not saved as it is, or is that of the best epoch.
    skipped : list of (path, AudioError)
        Files that the last `fit` or `adapt` could not use.
    """

    network: str
    recipe = "spectrogram"  # default of `fit`
    has_inner_groups = False  # `fit` splits the training clips again, so that `validation_pairs` may come with `groups`
    label_aliases: Mapping[int | str, int | str] = {}  # labels that count as others in the accuracy during training

    def __init__(self, model_ctx: mx.Context | None = None, data_ctx: mx.Context | None = None):
        # Raises ParameterError for a missing GPU now, not after all files are read.
        self._model_ctx, self._data_ctx = contexts(model_ctx, data_ctx)
        self._model: TrainedModel | None = None
        self.model_path: Path | None = None
        self.skipped: list[tuple[str, AudioError]] = []

    def __repr__(self) -> str:
        """Return one line with the number of classes and the shape of the input."""
        model = self._model
        state = "untrained" if model is None else f"classes={len(model.labels)}, input_shape={model.net.input_shape}"
        return f"{type(self).__name__}({state})"

    @property
    def model_ctx(self) -> mx.Context:
        """Device of the network."""
        return self._model_ctx

    @property
    def data_ctx(self) -> mx.Context:
        """Device on which batches are put first."""
        return self._data_ctx

    @property
    def model(self) -> TrainedModel:
        """Trained network with its labels and features; ModelError if none was trained or loaded."""
        if self._model is None:
            raise ModelError("no model yet: call fit or load_model first")
        return self._model

    @property
    def labels(self) -> list[int | str]:
        """Classes, in the order of the probabilities."""
        return self.model.labels

    @property
    def history(self) -> dict[str, list[float]]:
        """Measures of the training, ``loss_train, loss_test, acc_train, acc_test``: one value an epoch; see `fit`."""
        return self.model.history

    @property
    def feature_config(self) -> AudioFeatureConfig:
        """Configuration of the features that the network takes."""
        return self.model.feature_config

    @property
    def views(self) -> int | None:
        """Number of parts, or shifts, of a sound that outputs are averaged over, as the recipe sets it.

        None is as many as cover the sound, at most 10. With 1, the middle of a longer sound is used.
        """
        return self.model.views

    @property
    def thresholds(self) -> np.ndarray | None:
        """Lowest probability at which each class applies, if clips can have several labels; else None."""
        return self.model.thresholds

    @property
    def model_id(self) -> str:
        """Identity of the embeddings: it changes with the parameters and with the features."""
        return self.model.id

    @property
    def embedding_dim(self) -> int:
        """Length of an embedding."""
        return self.model.forward(np.zeros((1, *self.input_shape), np.float32))[1].shape[1]

    @property
    def model_name(self) -> str:
        """Name of the network: `network` under the name that the first mxnet-audio gave it."""
        return self.network

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Shape of one input, (1, bands, frames)."""
        return self.model.net.input_shape

    @property
    def nb_classes(self) -> int:
        """Number of classes."""
        return len(self.labels)

    @property
    def config(self) -> dict[str, Any]:
        """`input_shape` and `nb_classes` as a dictionary."""
        return {"input_shape": self.input_shape, "nb_classes": self.nb_classes}

    def fit(
        self,
        audio_path_label_pairs: training.Pairs,
        model_dir_path: str | os.PathLike,
        batch_size: int = 64,
        epochs: int = 20,
        test_size: float = 0.2,
        random_state: int = 42,
        input_shape: tuple[int, int, int] | None = None,
        nb_classes: int | None = None,
        learning_rate: float = 0.001,
        checkpoint_interval: int = 10,
        *,
        validation_pairs: training.Pairs | None = None,
        groups: Sequence[Hashable] | None = None,
        resume: bool = False,
        overwrite: bool = True,
        early_stopping: int | None = None,
        feature_config: AudioFeatureConfig | None = None,
        cache: bool | str | os.PathLike = True,
        progress: bool = True,
        recipe: training.Recipe | str | None = None,
        callbacks: Sequence[training.Callback] = (),
        report: str | os.PathLike | None = None,
        label_separator: str | None = None,
        kvstore: str | None = None,
    ) -> dict[str, list[float]]:
        """Train on files. The model is saved in a directory, and this classifier uses it.

        Files that cannot be used are left out, logged, and listed in `skipped`. The classifier ends with the
        parameters of the last epoch; those of the best epoch are saved beside them, see `load_model`. The command
        ``mxnet-audio train`` has the same defaults but for ``epochs=40, batch_size=16, checkpoint_interval=1``.

        Parameters
        ----------
        audio_path_label_pairs : iterable of (path, label)
            Labelled clips. In place of a path anything that `mxnet_audio.audio.load` takes. Labels are all int or all
            str; `predict_class` returns them unchanged. If one clip has a set, frozenset, list or tuple of labels,
            several classes can sound at once in all clips, or none (an empty set); see Notes.
        model_dir_path : str or os.PathLike
            Model directory; created if missing.
        batch_size : int > 0
            Clips in one step; a short last batch is used too.
        epochs : int > 0
            Passes over the training clips.
        test_size : float, 0 <= test_size < 1
            Share of the clips that is held out to measure on, stratified by class. With 0 all clips are trained on,
            and ``loss_test`` and ``acc_test`` stay empty: for a final training, after `cross_validate` has measured.
        random_state : int
            Seed of the split, the initial parameters, the order of clips and dropout.
        input_shape : tuple of int [(1, n_mels, frames)], optional
            Shape of the log-mel input, at 12 kHz with a hop of 256: ``frames = 1 + 12000 * seconds // 256``. By default
            96 bands, and the length of a typical clip, at most 29.12 s: (1, 96, 1366) for clips of 30 s.
        nb_classes : int, optional
            Number of classes, checked against the labels: integer labels are below it, and there are as many different
            strings. By default the classes are the labels that occur.
        learning_rate : float > 0
            Learning rate of Adam.
        checkpoint_interval : int > 0
            Epochs from one checkpoint to the next.
        validation_pairs : iterable of (path, label), optional
            Clips to measure on, in place of a held-out share.
        groups : sequence of hashable, optional
            Recording, artist or speaker of each pair: clips of one group are held out together. Not with
            `validation_pairs`, except for a `PretrainedAudioClassifier`, which splits the training clips again.
        resume : bool
            Resume from the last checkpoint in `model_dir_path`, if there is one; the result is the same as without the
            interruption. With more epochs than the interrupted run was planned for, the schedule of the recipe is
            stretched over all of them from there on, unlike in an uninterrupted run.
        overwrite : bool
            Replace a model of this network that is in `model_dir_path`, finished or not. If False, it is an error,
            unless its training is resumed.
        early_stopping : int > 0, optional
            Shorthand for the callback `training.EarlyStopping` with this patience, in epochs.
        feature_config : AudioFeatureConfig, optional
            Other features than the default log-mel, in place of `input_shape`. A missing length is that of a typical
            clip, a missing rate the most frequent one.
        cache : bool or str or os.PathLike
            Cache of the features on disk: in the user's cache directory (True), in another directory, or none (False).
            With True, `mode` and `lazy_cache_dir` of `feature_config` apply if they are set.
        progress : bool
            Show progress bars on standard error. If False, each epoch is logged (INFO).
        recipe : training.Recipe or str, optional
            Training recipe: the network's own by default (None or 'default'), 'plain' for the bare loop (Adam, constant
            rate), 'speech' for spoken words, or another. Mixed and masked clips are harder, so the accuracy on training
            clips may be below that on held-out clips.
        callbacks : sequence of callable
            Called with the history after each epoch; training stops if one returns True. See
            `mxnet_audio.training.callbacks`.
        report : str or os.PathLike, optional
            Directory for a report on the held-out clips, ``report.html``; see `mxnet_audio.viz.report`.
        label_separator : str, optional
            Text between the labels of a clip, such as ``"|"`` in ``"dog|rain"``; by default, text is one label.
        kvstore : 'dist_sync', optional
            Train on several machines, with MXNet's kvstore, whose environment variables (``DMLC_ROLE`` and so on) say
            where. Each worker trains on `batch_size` clips in one step. Worker 0 alone saves the model, calls the
            callbacks and writes the report. In a server or scheduler, this serves until the end, and exits.

        Returns
        -------
        dict of str to list of float
            ``loss_train, loss_test, acc_train, acc_test``: one value an epoch.

        Raises
        ------
        DatasetError
            If the labels or the split are unusable, or no file can be used.
        ParameterError
            If an argument is out of range, of the wrong type, or contradicts another; if the environment of `kvstore`
            is wrong.
        EngineError
            If the scheduler of `kvstore` cannot be reached.
        ModelError
            If the directory cannot be written to, or holds a model that is not to be overwritten; if training cannot be
            resumed from the checkpoint, or the loss becomes infinite or NaN.

        Notes
        -----
        With several labels a clip, the loss is the binary cross-entropy, and ``acc_train`` and ``acc_test`` are the
        mean average precision of the classes. The threshold of each class is that with the highest F1 on the held-out
        clips, whose F1 is thus optimistic, or 0.5 without any; for a head on a frozen encoder, the training clips are
        left out in turn to choose it. Losses for speakers and splices are refused.
        """
        training.check_kvstore(kvstore)
        path = path_argument("model_dir_path", model_dir_path)
        settings = training.Settings(
            batch_size=batch_size,
            epochs=epochs,
            random_state=random_state,
            learning_rate=learning_rate,
            checkpoint_interval=checkpoint_interval,
        )
        callbacks = training.checked_callbacks(callbacks, early_stopping)
        if report is not None:
            model_store.check_writable(path_argument("report", report))
            if test_size == 0 and validation_pairs is None:
                raise ParameterError("test_size must be > 0 for a report, which needs held-out clips, got 0")
        pairs = training.checked_pairs(
            audio_path_label_pairs, "audio_path_label_pairs", label_separator=label_separator
        )
        config = self.choose_features([sound for sound, _ in pairs], input_shape, feature_config)
        run = self._new_run(config, recipe, settings, path)
        if keep := not (overwrite or resume):
            model_store.check_free(path, run.network)
        if kvstore is not None and not run.takes_steps:
            raise ParameterError(f"kvstore must be None for a head on a frozen encoder, got {kvstore!r}")
        with training.join(kvstore) as run.workers:
            leads = run.workers.rank == 0
            clips = training.prepare(
                pairs,
                run.loader(cache),
                run.transforms or self.input_transforms(run.config),
                run.config,
                settings,
                run.recipe,
                nb_classes=nb_classes,
                test_size=test_size,
                validation_pairs=validation_pairs,
                groups=groups,
                inner_groups=self.has_inner_groups,
                label_aliases=self.label_aliases,
                open_input=run.open_input,
                label_separator=label_separator,
                workers=run.workers,
                show=progress and leads,
            )
            self.skipped = clips.skipped
            with model_lock(path, self.network) if leads else nullcontext():
                if keep and leads:  # another process may have trained here meanwhile
                    model_store.check_free(path, run.network)
                model, done = run.start(clips, resume)
                run.train(model, clips, done, callbacks, progress and leads)
        self._use(model, path, run, cache)
        if not leads:
            self.model_path = None
        elif report is not None:
            from mxnet_audio.viz.report import write_report  # needs Jinja2 and matplotlib

            write_report(self, clips.held_out, report, settings=run.identity)
        return self.history

    def choose_features(
        self,
        sounds: Sequence[AudioSource],
        input_shape: tuple[int, int, int] | None = None,
        feature_config: AudioFeatureConfig | None = None,
    ) -> AudioFeatureConfig:
        """Choose the features that `fit` trains on; see `mxnet_audio.library.inputs.choose_features`."""
        return choose_features(self.network, sounds, input_shape, feature_config, self.published_features)

    @property
    def published_features(self) -> AudioFeatureConfig | None:
        """Features of a window that published weights take, of networks that are built from settings; else None."""
        return None

    @property
    def architecture(self) -> Architecture | None:
        """Settings of a network that is built from settings; None for others."""
        return None

    def untrained(self) -> AudioClassifier:
        """Return a copy without a model."""
        twin = copy.copy(self)
        twin._model, twin.model_path, twin.skipped = None, None, []
        return twin

    @property
    def settings(self) -> dict[str, Any]:
        """Settings, beside those of `fit`, that results depend on, JSON-serializable: none but of encoders."""
        return {}

    def fill_cache(self, sounds: Sequence[AudioSource], cache: bool | str | os.PathLike, progress: bool) -> None:
        """Compute what several runs of `fit` would each compute; nothing, except with a frozen encoder."""

    def adapt(self, paths: AudioSources, batch_size: int = 64, *, channel: str | int = "mix") -> None:
        """Adapt to another speaker, microphone or room with unlabelled clips recorded there (AdaBN).

        The statistics of the batch norms are measured again on these clips, in place of those of the training clips
        (Y. Li et al., arXiv 1603.04779). Nothing else changes; `save_model` saves the result, and `model_id` changes.
        Use 50 clips or more, of all classes about as often as they will occur: with clips of one class only, the norms
        would remove what distinguishes it.

        Parameters
        ----------
        paths : iterable
            Files, each as in `predict_class`. Files that cannot be used are left out, logged, and listed in `skipped`.
        batch_size : int > 0
            Clips in one pass of the network, drawn at random.
        channel : {'mix', 'left', 'right', 'each'} or int >= 0
            Channel of each file to use, as for `predict_many`.

        Raises
        ------
        DatasetError
            If no file can be used. The model stays unchanged.
        ModelError
            If no model was trained or loaded.
        ParameterError
            If `batch_size` is below 1, `paths` is not iterable, pairs of path and label are given, or `channel` is out
            of range.
        """
        self.model  # noqa: B018 - raises ModelError if there is none
        sounds = list(as_list(paths))
        if any(isinstance(sound, tuple) and sound and isinstance(sound[0], str | os.PathLike) for sound in sounds):
            raise ParameterError("paths must be without labels, got (path, label) pairs")
        sounds = list(channel_sources(sounds, channel))
        self.skipped = []
        self._adapt(sounds, batch_size)
        self.model_path = None
        if (usable := len(sounds) - len(self.skipped)) < MIN_ADAPT_CLIPS:
            log.warning("adapted to %d clips: too few to represent a room or a speaker; use 50 or more", usable)

    def _adapt(self, sounds: list[AudioSource], batch_size: int) -> None:
        order = np.random.default_rng(0).permutation(len(sounds))

        def inputs() -> Iterator[np.ndarray]:
            positions = iter(order)
            for batch in self._batches((sounds[position] for position in order), batch_size):
                for sound, position in zip(batch, positions):
                    self._note_error(sound.source, position, sound.error)
                if any(sound.inputs is not None for sound in batch):
                    views = np.concatenate([sound.inputs for sound in batch if sound.inputs is not None])
                    for start in range(0, len(views), batch_size):  # each view counts
                        yield views[start : start + batch_size]
            self._check_usable(sounds)

        self.model.adapt(inputs())

    def _note_error(self, path: AudioSource, position: int, error: AudioError | None) -> None:
        """Log and list the error of a file that is left out."""
        if error is not None:
            log.warning("left out: %s", error)
            self.skipped.append((source_name(path) or f"item {position}", error))

    def _check_usable(self, sounds: Sequence[Any]) -> None:
        """Raise DatasetError if all files were left out."""
        if len(self.skipped) == len(sounds):
            first = f"; the first: {self.skipped[0][1]}" if sounds else ""
            raise DatasetError(f"none of the {len(sounds)} files can be used{first}")

    def load_model(self, model_dir_path: str | os.PathLike, *, parameters: str = "last") -> None:
        """Load a model that `fit` or `save_model` saved.

        Parameters
        ----------
        model_dir_path : str or os.PathLike
            Directory that was given to `fit`.
        parameters : {'last', 'best'}
            Parameters after the last epoch, or after the epoch with the highest accuracy on the held-out clips. That
            accuracy is optimistic: the epoch was chosen by the same clips.

        Raises
        ------
        ModelError
            If the model is missing, damaged, of another network or of a newer version. The current model stays.
        ParameterError
            If `parameters` is another name, or `model_dir_path` is not a path.
        """
        if parameters not in ("last", "best"):
            raise ParameterError(f"parameters must be 'last' or 'best', got {parameters!r}")
        path = path_argument("model_dir_path", model_dir_path)
        self._model = self._load(model_dir_path, parameters)
        self.model_path = path.absolute() if parameters == "last" else None
        self.skipped = []

    def _load(self, model_dir_path: str | os.PathLike, parameters: str) -> TrainedModel:
        """Read a stored model."""
        return TrainedModel.load(
            model_dir_path, self.network, parameters, model_ctx=self.model_ctx, data_ctx=self.data_ctx
        )

    def save_model(self, model_dir_path: str | os.PathLike) -> None:
        """Save the current model in a directory, for `load_model`. Training cannot be resumed from it.

        Parameters
        ----------
        model_dir_path : str or os.PathLike
            Model directory; created if missing. An existing model of this network is replaced.

        Raises
        ------
        ModelError
            If no model was trained or loaded, or the directory cannot be written to.
        ParameterError
            If `model_dir_path` is not a path.
        """
        path = path_argument("model_dir_path", model_dir_path)
        model_store.check_writable(path)
        with model_lock(path, self.network):
            self.model.save(path)
        self.model_path = path.absolute()

    def export_onnx(self, path: str | os.PathLike, *, front_end: bool = False) -> None:
        """Write the model as one file that runs without MXNet; see `mxnet_audio.library.export.export_onnx`."""
        from mxnet_audio.library.export import export_onnx  # needs packages that not every user has

        export_onnx(self.model, path, front_end=front_end)

    def _use(self, model: TrainedModel, path: Path, run: TrainingRun, cache: bool | str | os.PathLike) -> None:
        """Take the trained model of a run."""
        self._model, self.model_path = model, path.absolute()

    def _new_run(
        self,
        config: AudioFeatureConfig,
        recipe: training.Recipe | str | None,
        settings: training.Settings,
        model_dir: Path,
    ) -> TrainingRun:
        """Make the run behind `fit`; it checks its arguments."""
        return TrainingRun(
            self.network,
            config,
            training.get_recipe(recipe, self.recipe),
            settings,
            model_dir,
            model_ctx=self.model_ctx,
            data_ctx=self.data_ctx,
        )

    def input_transforms(self, config: AudioFeatureConfig) -> list[Transform]:
        """Return the transforms from a sound to the input of the network, for training and for prediction."""
        return network_input(config)

    def _input(self, source: AudioSource) -> np.ndarray:
        return Compose(self.input_transforms(self.feature_config))(source)

    def _forward(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self.model.forward(x)

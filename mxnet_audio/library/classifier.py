"""The classifier that all networks share: train it on files, label files with it, turn files into vectors."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from functools import partial

import numpy as np

from mxnet_audio import features, model_store, training
from mxnet_audio.audio.source import source_name
from mxnet_audio.data import AudioLoader
from mxnet_audio.data.transforms import Compose, ToImage, Transform
from mxnet_audio.engine import context, mx
from mxnet_audio.errors import AudioError, DatasetError, ModelError
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.inference.predictor import Predictor, as_list
from mxnet_audio.library.trained_model import TrainedModel, features_for_shape, head_for, input_shape_of, network_input

__all__ = ["AudioClassifier"]

log = logging.getLogger(__name__)

MIN_ADAPT_CLIPS = 20  # clips that a model is adapted to; one of each of ten classes is worse than none at all


class AudioClassifier(Predictor):
    """Label sound, and turn it into vectors, with one of the networks; see its subclasses.

    Parameters
    ----------
    model_ctx : mxnet.Context, optional
        Where the network computes; the CPU by default.
    data_ctx : mxnet.Context, optional
        Where batches are put first; `model_ctx` by default.

    Raises
    ------
    ModelError
        If this machine, or this build of MXNet, has no such GPU.

    Attributes
    ----------
    skipped : list of (path, AudioError)
        Files that the last `fit` or `adapt` could not use.
    """

    network: str
    recipe = "spectrogram"  # the default of `fit`, by its name
    label_aliases: Mapping[int | str, int | str] = {}  # labels that count as others where `fit` counts right answers

    def __init__(self, model_ctx: mx.Context | None = None, data_ctx: mx.Context | None = None):
        model_ctx = model_ctx or mx.cpu()
        self._contexts = {"model_ctx": model_ctx, "data_ctx": data_ctx or model_ctx}
        for ctx in self._contexts.values():
            if ctx.device_type == "gpu":
                context(ctx.device_id)  # says that it is not there now, not once all files are read
        self._model: TrainedModel | None = None
        self.skipped: list[tuple[str, AudioError]] = []

    @property
    def model(self) -> TrainedModel:
        """The trained network with its labels and features; ModelError if there is none yet."""
        if self._model is None:
            raise ModelError("no model yet: call fit or load_model first")
        return self._model

    @property
    def labels(self) -> list[int | str]:
        """The classes, in the order in which probabilities are given."""
        return self.model.labels

    @property
    def history(self) -> dict[str, list[float]]:
        """``loss_train, loss_test, acc_train, acc_test``: one value an epoch."""
        return self.model.history

    @property
    def feature_config(self) -> AudioFeatureConfig:
        """How sound becomes the network's input."""
        return self.model.feature_config

    @property
    def views(self) -> int:
        """Windows, or shifts, of a sound that predictions and vectors are averaged over: what the recipe said."""
        return self.model.views

    @property
    def model_id(self) -> str:
        """Identity of the vectors: changes with the parameters and with the features."""
        return self.model.id

    @property
    def embedding_dim(self) -> int:
        """Length of a vector."""
        return self.model.forward(np.zeros((1, *self.model.net.input_shape), np.float32))[1].shape[1]

    def fit(
        self,
        audio_path_label_pairs: training.Pairs,
        model_dir_path: str | os.PathLike,
        batch_size: int = 64,
        epochs: int = 20,
        test_size: float = 0.2,
        random_state: int = 42,
        input_shape: tuple[int, int, int] = (1, 96, 1366),
        nb_classes: int | None = 10,
        learning_rate: float = 0.001,
        checkpoint_interval: int = 10,
        *,
        validation_pairs: training.Pairs | None = None,
        groups: Sequence[Hashable] | None = None,
        resume: bool = False,
        early_stopping: int | None = None,
        feature_config: AudioFeatureConfig | None = None,
        cache: bool | str | os.PathLike = True,
        progress: bool = True,
        recipe: training.Recipe | str | None = None,
        callbacks: Sequence[training.Callback] = (),
        report: str | os.PathLike | None = None,
    ) -> dict[str, list[float]]:
        """Train on files, keep what was learned in a directory, and in this classifier.

        Files that cannot be used are left out, logged, and listed in `skipped`. The classifier ends with the
        parameters of the last epoch; those of the best one are kept beside them, see `load_model`.

        Parameters
        ----------
        audio_path_label_pairs : iterable of (path, label)
            Or anything else that `mxnet_audio.audio.load` takes, in place of a path. Labels are all int or all str, and
            come back from `predict_class` as they are.
        model_dir_path : str or os.PathLike
            Where the model is kept; made if it is not there.
        batch_size : int > 0
            Clips to a step; a short last batch is used too.
        epochs : int > 0
            Passes over the training clips.
        test_size : float, 0 or more and below 1
            Share of the clips that is held out to measure on, every class in proportion. With 0 all are trained on,
            and ``loss_test`` and ``acc_test`` stay empty: for a last run, once `cross_validate` has measured.
        random_state : int
            Seed of the split, the first parameters, the order of clips and dropout.
        input_shape : tuple of int [(1, n_mels, frames)]
            Size of the log-mel input. At its 12 kHz and hop of 256, ``frames = 1 + 12000 * seconds // 256``.
        nb_classes : int or None
            Number of classes, checked against the labels: integers are below it, strings as many. None: the labels
            that occur are the classes.
        learning_rate : float > 0
            Of Adam.
        checkpoint_interval : int > 0
            Epochs from one checkpoint to the next.
        validation_pairs : iterable of (path, label), optional
            Measure on these instead of holding out a share.
        groups : sequence of hashable, optional
            Recording, artist or speaker of each pair: clips of one are held out together. Not with
            `validation_pairs`.
        resume : bool
            Go on from the last checkpoint in `model_dir_path`, if there is one, as if never interrupted. Without, a
            model that is there is replaced. With more epochs than that run was to have, the schedule of the recipe is
            laid over them all from there on, which no unbroken run would have done.
        early_stopping : int > 0, optional
            Shorthand for the callback `training.EarlyStopping`, with so many epochs of patience.
        feature_config : AudioFeatureConfig, optional
            Other features than the default log-mel; takes the place of `input_shape`.
        cache : bool or str or os.PathLike
            Keep features on disk from epoch to epoch: in the user's cache directory, in another, or not (False). With
            True, a `mode` and a `lazy_cache_dir` that `feature_config` was given count.
        progress : bool
            Whether to show progress bars, on standard error; without, each epoch is logged (INFO).
        recipe : training.Recipe or str, optional
            How to train: the network's own recipe by default, 'plain' for the bare loop (Adam, constant rate), 'speech'
            for spoken words, or another. Mixed and masked clips are harder: the accuracy on training clips may be below
            that on others.
        callbacks : sequence of callable
            Called with the history after each epoch; one that returns True ends the training. See
            `mxnet_audio.training.callbacks`.
        report : str or os.PathLike, optional
            Directory for a page on what was learned, ``report.html``; see `mxnet_audio.viz.report`.

        Returns
        -------
        dict of str to list of float
            ``loss_train, loss_test, acc_train, acc_test``: one value an epoch.

        Raises
        ------
        DatasetError
            If the labels or the split do not work out, or no file can be used.
        FeatureError
            If `input_shape` or `feature_config` does not hold together.
        ModelError
            If a number is out of range, the directory cannot be written to, the run cannot go on from the checkpoint,
            or the loss stops being a number.
        """
        settings = training.Settings(
            batch_size=batch_size,
            epochs=epochs,
            random_state=random_state,
            learning_rate=learning_rate,
            checkpoint_interval=checkpoint_interval,
        )
        if report is not None:
            model_store.check_writable(report)
            if test_size == 0 and validation_pairs is None:
                raise ModelError("test_size=0 holds out no clips, which a report needs")
        recipe = training.get_recipe(self.recipe if recipe is None else recipe)
        head = head_for(self.network, recipe.loss)
        training.check_batch(recipe, settings)
        if early_stopping is not None:
            callbacks = [*callbacks, training.EarlyStopping(early_stopping)]
        config = feature_config or features_for_shape(self.network, input_shape)
        input_shape_of(self.network, config)  # says whether there is one
        model_store.check_writable(model_dir_path)
        clips = training.prepare(
            audio_path_label_pairs,
            partial(
                AudioLoader,
                batch_size=settings.batch_size,
                seed=settings.random_state,
                ctx=self._contexts["data_ctx"],
                **training.keeping(config, cache),
            ),
            self._steps(config),
            config,
            settings,
            recipe,
            nb_classes=nb_classes,
            test_size=test_size,
            validation_pairs=validation_pairs,
            groups=groups,
            label_aliases=self.label_aliases,
            show=progress,
        )
        self.skipped = clips.skipped
        model = TrainedModel(
            self.network,
            clips.labels,
            config,
            views=recipe.views,
            head=head,
            random_state=settings.random_state,
            **self._contexts,
        )
        model.net.standardize.set(clips.mean, clips.std)
        told = {f"recipe.{name}": value for name, value in recipe.identity().items()}
        identity = settings.identity() | told | clips.digests
        run = training.Progress()
        if resume and self.network in model_store.stored_models(model_dir_path):
            run = model.resume(model_dir_path, identity)
            log.info("%s: going on after epoch %d", model_dir_path, run.epochs)
            if run.epochs > settings.epochs:
                reason = f"{run.epochs} epochs are done, more than the {epochs} asked for: ask for more, or start anew"
                raise ModelError(reason, model_dir_path)
        elif resume:
            log.info("%s: no checkpoint to go on from, starting anew", model_dir_path)
        model.notes = {"training": identity, "skipped": [[path, error.reason] for path, error in clips.skipped]}
        training.run_epochs(
            model.net,
            clips,
            run,
            settings,
            recipe,
            ctx=self._contexts["model_ctx"],
            checkpoint=partial(model.save, model_dir_path),
            callbacks=callbacks,
            show=progress,
        )
        model.history = run.history
        self._model = model
        if report is not None:
            from mxnet_audio.viz.report import write_report  # and Jinja2, and matplotlib

            write_report(self, clips.held_out, report, settings=identity)
        return self.history

    def adapt(self, paths: Iterable, batch_size: int = 64) -> None:
        """Get used to another speaker, microphone or room, by clips from there that need no labels: AdaBN.

        The statistics that the network's norms go by are measured anew, on these clips in place of those that were
        trained on (Y. Li et al., arXiv 1603.04779). Nothing else changes; `save_model` keeps the result, and `model_id`
        is another. Use some 50 clips or more, of all classes about as often as they will come: of one class alone, the
        norms would take away what tells it from the others.

        Parameters
        ----------
        paths : iterable
            Files, each as in `predict_class`. Those that cannot be used are left out, logged, and listed in `skipped`.
        batch_size : int > 0
            Clips to a pass of the network, drawn at random.

        Raises
        ------
        DatasetError
            If no file can be used, or pairs are given. The model stays as it was.
        ModelError
            If there is no model yet, or `batch_size` is below 1.
        """
        model, paths = self.model, list(as_list(paths))
        if any(isinstance(path, tuple) and path and isinstance(path[0], (str, os.PathLike)) for path in paths):
            raise DatasetError("adapt takes paths, without their labels")
        order = np.random.default_rng(0).permutation(len(paths))
        self.skipped = []

        def inputs() -> Iterator[np.ndarray]:
            places = iter(order)
            for errors, x in self._batches((paths[place] for place in order), batch_size):
                for (path, error), place in zip(errors, places):
                    if error is not None:
                        log.warning("left out: %s", error)
                        self.skipped.append((source_name(path) or f"item {place}", error))
                if x is not None:
                    yield x.reshape(-1, *x.shape[-3:])  # of several views, each counts
            if len(self.skipped) == len(paths):
                first = f"; the first: {self.skipped[0][1]}" if paths else ""
                raise DatasetError(f"none of the {len(paths)} files can be used{first}")

        model.adapt(inputs())
        if (usable := len(paths) - len(self.skipped)) < MIN_ADAPT_CLIPS:
            log.warning("adapted to %d clips: too few to know a place or a speaker by, take 50 or more", usable)

    def load_model(self, model_dir_path: str | os.PathLike, *, parameters: str = "last") -> None:
        """Load what `fit` kept in a directory.

        Parameters
        ----------
        model_dir_path : str or os.PathLike
            Directory given to `fit`.
        parameters : {'last', 'best'}
            After the last epoch, or after the one with the highest accuracy on the held-out clips. The accuracy
            of the best epoch on those same clips flatters it: it was chosen by them.

        Raises
        ------
        ModelError
            If there is no such model, or it is damaged, of another network or of a newer version. The model that
            was there stays.
        """
        self._model = TrainedModel.load(model_dir_path, self.network, parameters, **self._contexts)
        self.skipped = []

    def save_model(self, model_dir_path: str | os.PathLike) -> None:
        """Keep the model as it is now in a directory, without what only `fit` needs to go on; `load_model` reads it.

        Parameters
        ----------
        model_dir_path : str or os.PathLike
            Made if it is not there; a model of this network that is there is replaced.

        Raises
        ------
        ModelError
            If there is no model yet, or the directory cannot be written to.
        """
        model_store.check_writable(model_dir_path)
        self.model.save(model_dir_path)

    def export_onnx(self, path: str | os.PathLike, *, front_end: bool = False) -> None:
        """Write the model as one file that runs without MXNet; see `mxnet_audio.library.export.export_onnx`."""
        from mxnet_audio.library.export import export_onnx  # which not every user has the packages for

        export_onnx(self.model, path, front_end=front_end)

    def _reader(self) -> Callable:
        return Compose(self._steps(self.feature_config))

    def _steps(self, config: AudioFeatureConfig) -> list[Transform]:
        """Steps from a sound, wherever it is, to the network's input."""
        return network_input(config)

    def _inputs(self, y: np.ndarray) -> np.ndarray:
        config = self.feature_config
        return ToImage(config.time_axis)(features.extract(y, config.sr, config))

    def _forward(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self.model.forward(x)

"""The classifier that all networks share: train it on files, label files with it, turn files into vectors."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import platform
from collections.abc import Hashable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice

import numpy as np
from pydantic import ValidationError
from tqdm import tqdm

import mxnet_audio
from mxnet_audio import audio, features, training
from mxnet_audio.data import batches, map_ordered
from mxnet_audio.engine import autograd, mx, nd
from mxnet_audio.errors import AudioError, DatasetError, FeatureError, ModelError
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.library.results import Encoding, Prediction, TimedPrediction
from mxnet_audio.metrics import ClassificationReport, classification_report
from mxnet_audio.models import get_model, store

__all__ = ["AudioClassifier", "load_classifier"]

log = logging.getLogger(__name__)

Pairs = Iterable[tuple[str | os.PathLike, int | str]]


class AudioClassifier:
    """Label sound, and turn it into vectors, with one of the networks; see its subclasses.

    Parameters
    ----------
    model_ctx : mxnet.Context, optional
        Where the network computes; the CPU by default.
    data_ctx : mxnet.Context, optional
        Where batches are put first; `model_ctx` by default.

    Attributes
    ----------
    labels : list of int or str
        The classes, in the order in which probabilities are given.
    history : dict of str to list of float
        ``loss_train, loss_test, acc_train, acc_test``: one value an epoch.
    feature_config : AudioFeatureConfig
        How sound becomes the network's input.
    model_id : str
        Identity of the vectors: changes with the parameters and with the features.
    skipped : list of (path, AudioError)
        Files that the last `fit` could not use.
    """

    network: str

    def __init__(self, model_ctx: mx.Context | None = None, data_ctx: mx.Context | None = None):
        self.model_ctx = model_ctx or mx.cpu()
        self.data_ctx = data_ctx or self.model_ctx
        self.labels: list[int | str] = []
        self.history = training.new_history()
        self.feature_config: AudioFeatureConfig | None = None
        self.skipped: list[tuple[str, AudioError]] = []
        self.model_id: str | None = None
        self._net = None

    # -- training ------------------------------------------------------------------------------------------------------

    def fit(
        self,
        audio_path_label_pairs: Pairs,
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
        validation_pairs: Pairs | None = None,
        groups: Sequence[Hashable] | None = None,
        resume: bool = False,
        early_stopping: int | None = None,
        feature_config: AudioFeatureConfig | None = None,
        cache: bool | str | os.PathLike = True,
        progress: bool = True,
    ) -> dict[str, list[float]]:
        """Train on files, keep what was learned in a directory, and in this classifier.

        Files that cannot be used are left out, logged, and listed in `skipped`. The classifier ends with the
        parameters of the last epoch; those of the best one are kept beside them, see `load_model`.

        Parameters
        ----------
        audio_path_label_pairs : iterable of (path, label)
            Labels are all int or all str, and come back from `predict_class` as they are.
        model_dir_path : str or os.PathLike
            Where the model is kept; made if it is not there.
        batch_size : int > 0
            Clips to a step; a short last batch is used too.
        epochs : int > 0
            Passes over the training clips.
        test_size : float in (0, 1)
            Share of the clips that is held out to measure on, every class in proportion.
        random_state : int
            Seed of the split, the first parameters, the order of clips and dropout.
        input_shape : tuple of int [(1, n_mels, frames)]
            Size of the log-mel input. At its 12 kHz and hop of 256, ``frames = 1 + 12000 * seconds // 256``.
        nb_classes : int or None
            Number of classes, checked against the labels; None takes what the labels show.
        learning_rate : float > 0
            Of Adam.
        checkpoint_interval : int > 0
            Epochs from one checkpoint to the next.
        validation_pairs : iterable of (path, label), optional
            Measure on these instead of holding out a share.
        groups : sequence of hashable, optional
            Recording, artist or speaker of each pair: clips of one are held out together.
        resume : bool
            Go on from the last checkpoint in `model_dir_path`, if there is one, as if never interrupted.
        early_stopping : int, optional
            Stop once the test loss has seen no new low for so many epochs.
        feature_config : AudioFeatureConfig, optional
            Other features than the default log-mel; takes the place of `input_shape`.
        cache : bool or str or os.PathLike
            Keep features on disk from epoch to epoch: in the user's cache directory, in another, or not (False).
        progress : bool
            Whether to show progress bars, on standard error.

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
            If the run cannot go on from the checkpoint, or the loss stops being a number.
        """
        for name, value in (("batch_size", batch_size), ("epochs", epochs), ("checkpoint_interval", checkpoint_interval)):
            if value < 1:
                raise ModelError(f"{name} is 1 or more, not {value}")
        config = feature_config or _default_config(input_shape)
        if config.n_frames is None:
            raise FeatureError("a network needs inputs of one size: set n_frames in feature_config")
        pairs = _checked_pairs(audio_path_label_pairs)
        held_out = None if validation_pairs is None else _checked_pairs(validation_pairs)
        order = training.class_order([label for _, label in pairs], nb_classes)
        if groups is not None and len(groups) != len(pairs):
            raise DatasetError(f"{len(groups)} groups for {len(pairs)} clips: give one for each")
        settings = {"batch_size": batch_size, "learning_rate": learning_rate, "random_state": random_state}

        directory = None if cache in (True, False) else cache
        feature_cache = None if cache is False else features.FeatureCache(directory)
        read = partial(features.load_features, config=config, cache=feature_cache)
        self.skipped = []
        kept, moments = self._readable(read, [path for path, _ in pairs], progress)
        pairs = [pairs[i] for i in kept]
        targets = training.to_targets([label for _, label in pairs], order)
        if held_out is None:
            kept_groups = None if groups is None else [groups[i] for i in kept]
            train, test = training.split(targets, test_size, random_state, kept_groups)
            held_out = [pairs[i] for i in test]
            pairs = [pairs[i] for i in train]
            moments = moments[train]
        else:
            kept, _ = self._readable(read, [path for path, _ in held_out], progress)
            held_out = [held_out[i] for i in kept]
            shared = {path for path, _ in pairs} & {path for path, _ in held_out}
            if shared:
                raise DatasetError("is among the training and the validation clips", sorted(shared)[0])
        settings |= {"train": _digest(pairs), "test": _digest(held_out)}

        self._build(order, config)
        training.initialize(self._net, self._net.input_shape, random_state, self.model_ctx)
        mean, square = moments.mean(axis=0)
        self._net.standardize.set(mean, max(square - mean**2, 1e-12) ** 0.5)
        run = training.Progress()
        if resume and self.network in store.stored_models(model_dir_path):
            run = self._restore(model_dir_path, settings)

        def checkpoint(state: training.Progress) -> None:
            last = training.get_parameters(self._net)
            self.history = state.history
            manifest = self._manifest() | {"training": settings}
            files = {"last": last, "best": state.best, "optimizer": state.optimizer}
            store.save_state(model_dir_path, self.network, manifest, files)

        training.run_epochs(
            self._net,
            self._clips(read, pairs, order, batch_size),
            self._clips(read, held_out, order, batch_size),
            run,
            epochs=epochs,
            learning_rate=learning_rate,
            random_state=random_state,
            model_ctx=self.model_ctx,
            data_ctx=self.data_ctx,
            checkpoint_interval=checkpoint_interval,
            checkpoint=checkpoint,
            early_stopping=early_stopping,
            show=progress,
        )
        self.history = run.history
        self._identify()
        return self.history

    def _readable(self, read, paths: Sequence[str], progress: bool) -> tuple[list[int], np.ndarray]:
        """Positions of the files that become features, and the mean and mean square of each one's.

        The others are logged and added to `skipped`.
        """
        kept, moments = [], []
        results = map_ordered(read, paths)
        for position, (path, x, error) in enumerate(
            tqdm(results, total=len(paths), desc="features", unit="clip", disable=not progress)
        ):
            if error is None:
                kept.append(position)
                moments.append((x.mean(dtype=np.float64), np.square(x, dtype=np.float64).mean()))
            else:
                log.warning("left out: %s", error)
                self.skipped.append((path, error))
        if not kept:
            raise DatasetError(f"none of the {len(paths)} files can be used; the first: {self.skipped[0][1]}")
        return kept, np.array(moments)

    @staticmethod
    def _clips(read, pairs: list[tuple[str, int | str]], order: list[int | str], batch_size: int) -> training.Clips:
        paths = np.array([path for path, _ in pairs], dtype=object)
        targets = training.to_targets([label for _, label in pairs], order)
        return training.Clips(
            len(pairs), lambda positions: batches(read, paths[positions], targets[positions], batch_size)
        )

    # -- models on disk ------------------------------------------------------------------------------------------------

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
            If there is no such model, or it is damaged, of another network or of a newer version.
        """
        manifest = store.read_manifest(model_dir_path, self.network)
        tensors = store.read_tensors(model_dir_path, manifest, parameters)
        try:
            found = manifest["network"]["name"]
            labels = list(manifest["labels"])
            config = AudioFeatureConfig.model_validate(manifest["features"])
            history = {measure: list(manifest["history"][measure]) for measure in training.new_history()}
        except (KeyError, TypeError, ValidationError, FeatureError) as error:
            raise ModelError(f"damaged: its description lacks or misstates {error}", model_dir_path) from error
        if found != self.network:
            raise ModelError(f"a {found} model, not {self.network}", model_dir_path)
        self._build(labels, config)
        training.initialize(self._net, self._net.input_shape, 0, self.model_ctx)
        try:
            training.set_parameters(self._net, tensors)
        except ModelError as error:
            raise ModelError(error.reason, model_dir_path) from error
        self.history = history
        self._identify()

    def _build(self, labels: list[int | str], config: AudioFeatureConfig) -> None:
        shape = (1, config.n_mels, config.n_frames)
        self._net = get_model(self.network, classes=len(labels), input_shape=shape)
        self.labels, self.feature_config, self.model_id = labels, config, None

    def _identify(self) -> None:
        parts = (self.network, self.feature_config.key(), store.fingerprint(training.get_parameters(self._net)))
        self.model_id = hashlib.sha256(" ".join(parts).encode()).hexdigest()[:16]

    def _manifest(self) -> dict:
        return {
            "network": {
                "name": self.network,
                "classes": self._net.classes,
                "input_shape": list(self._net.input_shape),
            },
            "labels": self.labels,
            "features": self.feature_config.model_dump(mode="json"),
            "history": self.history,
            "best_epoch": training.best_epoch(self.history) + 1,
            "skipped": [[path, error.reason] for path, error in self.skipped],
            "versions": {
                "mxnet_audio": mxnet_audio.__version__,
                "mxnet": mx.__version__,
                "numpy": np.__version__,
                "python": platform.python_version(),
            },
        }

    def _restore(self, model_dir_path: str | os.PathLike, settings: dict) -> training.Progress:
        """Put the last checkpoint's parameters into the network; how far it had come."""
        manifest = store.read_manifest(model_dir_path, self.network)
        before = manifest.get("training", {}) | {"labels": manifest["labels"], "features": manifest["features"]}
        now = settings | {"labels": self.labels, "features": self.feature_config.model_dump(mode="json")}
        changed = [name for name in now if before.get(name) != now[name]]
        if changed:
            raise ModelError(
                f"cannot go on from this checkpoint: {', '.join(changed)} changed since; start anew without resume",
                model_dir_path,
            )
        training.set_parameters(self._net, store.read_tensors(model_dir_path, manifest, "last"))
        return training.Progress(
            manifest["history"],
            store.read_tensors(model_dir_path, manifest, "best"),
            store.read_tensors(model_dir_path, manifest, "optimizer"),
        )

    # -- answers -------------------------------------------------------------------------------------------------------

    def predict_class(self, path) -> int | str:
        """Label of one file, as it was given to `fit`.

        Parameters
        ----------
        path : str or os.PathLike or binary file or (np.ndarray, rate)
            What `mxnet_audio.audio.load` takes.

        Raises
        ------
        AudioDecodeError, InvalidAudioError
            If the file cannot be used.
        ModelError
            If there is no model yet.
        """
        return self.predict(path).label

    def predict(self, path) -> Prediction:
        """Label and probabilities of one file; parameters and errors as in `predict_class`."""
        return _only(self.predict_many([path]))

    def predict_many(self, paths: Iterable, batch_size: int = 16) -> Iterator[Prediction]:
        """Label many files; threads decode while the network works, and memory does not grow with their number.

        Parameters
        ----------
        paths : iterable
            Files, each as in `predict_class`.
        batch_size : int > 0
            Files to a pass of the network.

        Yields
        ------
        Prediction
            One for each file, in order. For a file that cannot be used, `error` says why.
        """
        for path, scores, _, error in self._outputs(paths, batch_size):
            if error is not None:
                yield Prediction(path, None, None, error)
            else:
                yield Prediction(path, self.labels[int(scores.argmax())], scores)

    def encode_audio(self, path) -> np.ndarray:
        """Vector of one file: float32 [shape=(dim,)], the penultimate layer; errors as in `predict_class`."""
        return _only(self.encode_many([path])).vector

    def encode_many(self, paths: Iterable, batch_size: int = 16) -> Iterator[Encoding]:
        """Vectors of many files, in order; parameters and behaviour as in `predict_many`."""
        for path, _, vector, error in self._outputs(paths, batch_size):
            yield Encoding(path, vector, error)

    @property
    def embedding_dim(self) -> int:
        """Length of a vector."""
        return self._forward(np.zeros((1, *self._trained().input_shape[1:]), np.float32))[1].shape[1]

    def evaluate(self, audio_path_label_pairs: Pairs, batch_size: int = 16) -> ClassificationReport:
        """Compare predictions with labels.

        Parameters
        ----------
        audio_path_label_pairs : iterable of (path, label)
            Labels that the model knows. Files that cannot be used are listed in the report and not counted.

        Returns
        -------
        ClassificationReport
            Accuracy, figures by class, confusion matrix.

        Raises
        ------
        DatasetError
            If a label is not known to the model, or no file can be used.
        """
        self._trained()
        pairs = _checked_pairs(audio_path_label_pairs)
        training.to_targets([label for _, label in pairs], self.labels)
        true, predicted, skipped = [], [], []
        for prediction, (path, label) in zip(self.predict_many([path for path, _ in pairs], batch_size), pairs):
            if prediction.error is None:
                true.append(label)
                predicted.append(prediction.label)
            else:
                skipped.append((path, prediction.error))
        if not true:
            raise DatasetError(f"none of the {len(pairs)} files can be used; the first: {skipped[0][1]}")
        return classification_report(true, predicted, self.labels, skipped)

    def predict_timeline(self, path, window: float | None = None, hop: float | None = None) -> list[TimedPrediction]:
        """Label a long file stretch by stretch.

        Parameters
        ----------
        path : str or os.PathLike or binary file or (np.ndarray, rate)
            What `mxnet_audio.audio.load` takes.
        window : float > 0 [s], optional
            Length of a stretch; what the network was trained on by default.
        hop : float > 0 [s], optional
            From the start of one to the start of the next; half a window by default.

        Returns
        -------
        list of TimedPrediction
            In order; the last stretch ends with the sound.
        """
        self._trained()
        config = self.feature_config
        window = config.n_samples / config.sr if window is None else window
        y, sr = audio.load(path, sr=config.sr)
        y = audio.valid_audio(y, path if isinstance(path, (str, os.PathLike)) else None, allow_silence=False)
        stretches = audio.windows(y, sr, window, window / 2 if hop is None else hop)
        answers = []
        for start in range(0, len(stretches.samples), 16):
            part = slice(start, start + 16)
            scores, _ = self._forward(features.extract(stretches.samples[part], sr, config))
            answers += [
                TimedPrediction(float(begin), min(float(end), len(y) / sr), self.labels[int(row.argmax())], row)
                for (begin, end), row in zip(stretches.times[part], scores)
            ]
        return answers

    def _trained(self):
        if self.model_id is None:
            raise ModelError("no model yet: call fit or load_model first")
        return self._net

    def _outputs(self, paths: Iterable, batch_size: int):
        """Yield (path, probabilities, vector, error) for each file, in order."""
        self._trained()
        read = partial(features.load_features, config=self.feature_config)
        stream = map_ordered(read, paths)
        try:
            while chunk := list(islice(stream, batch_size)):
                usable = [x for _, x, error in chunk if error is None]
                outputs = iter(zip(*self._forward(np.stack(usable))) if usable else ())
                for path, _, error in chunk:
                    scores, vector = (None, None) if error is not None else next(outputs)
                    yield path, scores, vector, error
        finally:
            stream.close()

    def _forward(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities [shape=(n, classes)] and vectors [shape=(n, dim)] of features [shape=(n, n_mels, frames)]."""
        x = nd.array(x[:, None], ctx=self.data_ctx).as_in_context(self.model_ctx)
        with autograd.predict_mode():
            scores, embedding = self._net(x)
        return scores.softmax().asnumpy(), embedding.asnumpy()


def load_classifier(
    model_dir_path: str | os.PathLike, name: str | None = None, *, model_ctx: mx.Context | None = None
) -> AudioClassifier:
    """Load whatever classifier a directory holds.

    Parameters
    ----------
    model_dir_path : str or os.PathLike
        Directory that was given to `AudioClassifier.fit`.
    name : str, optional
        Name of the network; needed only if the directory holds several.
    model_ctx : mxnet.Context, optional
        Where the network computes; the CPU by default.

    Raises
    ------
    ModelError
        If there is no model, or there are several and none was named.
    """
    from mxnet_audio.library import classifiers

    known = classifiers()
    if name is None:
        found = store.stored_models(model_dir_path)
        if len(found) != 1:
            what = f"several models ({', '.join(found)}): name one" if found else "no model here"
            raise ModelError(what, model_dir_path)
        name = found[0]
    if name not in known:
        raise ModelError(f"no classifier {name!r}; there are {', '.join(sorted(known))}", model_dir_path)
    classifier = known[name](model_ctx=model_ctx)
    classifier.load_model(model_dir_path)
    return classifier


def _default_config(input_shape: tuple[int, int, int]) -> AudioFeatureConfig:
    if len(input_shape) != 3 or input_shape[0] != 1:
        raise FeatureError(f"input_shape is (1, n_mels, frames), not {tuple(input_shape)}")
    return AudioFeatureConfig(n_mels=input_shape[1], n_frames=input_shape[2])


def _checked_pairs(pairs: Pairs) -> list[tuple[str, int | str]]:
    pairs = list(pairs)
    if not pairs:
        raise DatasetError("no clips: give pairs of path and label")
    for pair in pairs:
        if not (isinstance(pair, (tuple, list)) and len(pair) == 2 and isinstance(pair[0], (str, os.PathLike))):
            raise DatasetError(f"each clip is a pair (path, label), not {pair!r}")
    return [(os.fspath(path), label) for path, label in pairs]


def _digest(pairs: list[tuple[str, int | str]]) -> str:
    text = json.dumps([[path, str(label)] for path, label in pairs])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _only(answers: Iterator):
    """The answer for a single file; its error is raised."""
    (answer,) = answers
    if answer.error is not None:
        raise answer.error
    return answer

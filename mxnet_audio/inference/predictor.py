"""Base of all classifiers, with MXNet and without: label sound, compute embeddings, evaluate.

Nothing here needs MXNet.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

import numpy as np

from mxnet_audio import audio
from mxnet_audio.audio.source import naming_errors, source_name
from mxnet_audio.checks import iterable_argument, real_number, whole_number
from mxnet_audio.errors import AudioError, ModelError
from mxnet_audio.inference.evaluation import compare_predictions, labelled_pairs
from mxnet_audio.inference.known_sounds import KnownSounds, checked_share
from mxnet_audio.inference.missing_packages import naming_missing_packages
from mxnet_audio.inference.results import Encoding, Output, Prediction, TimedPrediction
from mxnet_audio.parallel import map_ordered

if TYPE_CHECKING:
    from mxnet_audio.datasets.labels import Pairs
    from mxnet_audio.features import AudioFeatureConfig
    from mxnet_audio.metrics import ClassificationReport

__all__ = ["AudioSource", "AudioSources", "Predictor", "as_list", "input_length"]

AudioSource = str | os.PathLike | BinaryIO | bytes | tuple[np.ndarray, float] | Mapping[str, Any]
AudioSources = Iterable[AudioSource] | str | os.PathLike
Result = TypeVar("Result", Prediction, Encoding)

BATCH_SIZE = 16


class Predictor(ABC):
    """Base of classifiers: label sound, and compute its embeddings.

    One file and many take the same steps: `preprocess` reads a file in a thread and returns the inputs of the network,
    `_forward` computes, `postprocess` makes the result. A subclass defines the properties `labels`, `feature_config`,
    `views` and `model_id`, and `_forward`.
    """

    encoder: str | None = None  # name of the pretrained encoder, if there is one

    @property
    @abstractmethod
    def labels(self) -> list[int | str]:
        """Classes, in the order of the probabilities."""

    @property
    @abstractmethod
    def feature_config(self) -> AudioFeatureConfig:
        """Configuration of the features that the network takes."""

    @property
    @abstractmethod
    def views(self) -> int:
        """Number of windows, or shifts, of a sound that outputs are averaged over."""

    @property
    @abstractmethod
    def model_id(self) -> str:
        """Identity of the embeddings: it changes with the parameters and with the features."""

    def predict_class(self, path: AudioSource) -> int | str:
        """Return the label of one file.

        Parameters
        ----------
        path : str or os.PathLike or binary file or bytes or (np.ndarray, rate)
            Sound, as `mxnet_audio.audio.load` takes it.

        Returns
        -------
        int or str
            The label as it was given to `fit`.

        Raises
        ------
        AudioDecodeError, InvalidAudioError
            If the file cannot be used.
        ModelError
            If no model was trained or loaded.
        """
        label = self.predict(path).label
        assert label is not None  # predict raises the error of a file that cannot be used
        return label

    @property
    def known_sounds(self) -> KnownSounds:
        """Description of the sounds that the model knows.

        Raises
        ------
        ModelError
            If the model has none.
        """
        raise ModelError(
            "this model cannot tell unknown sounds: train a PretrainedAudioClassifier (mxnet-audio train --encoder)"
        )

    def predict(self, path: AudioSource, *, unknown: bool | float = False) -> Prediction:
        """Return label and probabilities of one file; parameters and errors as in `predict_many`."""
        return _only(self.predict_many([path], unknown=unknown))

    def predict_many(
        self, paths: AudioSources, batch_size: int = BATCH_SIZE, *, unknown: bool | float = False
    ) -> Iterator[Prediction]:
        """Label many files.

        Threads decode while the network computes. Memory does not grow with the number of files.

        Parameters
        ----------
        paths : iterable
            Files, each as in `predict_class`; or a single path.
        batch_size : int > 0
            Number of files in one pass of the network.
        unknown : bool or float
            True sets `Prediction.known`, which is False for sounds unlike those of all classes, whatever their label
            and its probability. 5% of known sounds are then turned away, too; a number above 0 and below 1 is another
            share.

        Yields
        ------
        Prediction
            One for each file, in order. If a file cannot be used, `error` holds the reason.

        Raises
        ------
        ModelError
            If no model was trained or loaded, or the model cannot tell `unknown` sounds.
        ParameterError
            If `batch_size` is below 1, `paths` is not iterable, or `unknown` is out of range.
        """
        self._check_unknown(unknown)
        for output in self.forward_many(paths, batch_size):
            prediction = self.postprocess(output)
            if output.vector is not None:
                (prediction.known,) = self._known(output.vector[np.newaxis], unknown)
            yield prediction

    def encode_audio(self, path: AudioSource) -> np.ndarray:
        """Compute the embedding of one file.

        Parameters and errors as in `predict_class`.

        Returns
        -------
        np.ndarray [shape=(dim,)], float32
            Output of the penultimate layer.
        """
        vector = _only(self.encode_many([path])).vector
        assert vector is not None
        return vector

    def encode_many(self, paths: AudioSources, batch_size: int = BATCH_SIZE) -> Iterator[Encoding]:
        """Compute the embeddings of many files, in order; parameters and errors as in `predict_many`."""
        for path, _, vector, error in self.forward_many(paths, batch_size):
            yield Encoding(path, vector, error)

    def forward_many(self, paths: AudioSources, batch_size: int = BATCH_SIZE) -> Iterator[Output]:
        """Compute probabilities and embeddings of many files, in order; parameters and errors as in `predict_many`.

        Yields
        ------
        Output
            ``(path, probabilities, vector, error)``; `postprocess` makes a `Prediction` of it.
        """
        with naming_missing_packages():
            for files, x in self._batches(paths, batch_size):
                outputs = iter(() if x is None else zip(*self.forward(x)))
                for path, error in files:
                    probabilities, vector = (None, None) if error is not None else next(outputs)
                    yield Output(source_name(path), probabilities, vector, error)

    def evaluate(self, audio_path_label_pairs: Pairs, batch_size: int = BATCH_SIZE) -> ClassificationReport:
        """Compare predictions with labels.

        Parameters
        ----------
        audio_path_label_pairs : iterable of (path, label)
            Labelled files. The report lists files that cannot be used, and does not count them.
        batch_size : int > 0
            Number of files in one pass of the network.

        Returns
        -------
        ClassificationReport
            Accuracy, figures by class, confusion matrix.

        Raises
        ------
        DatasetError
            If a label is unknown to the model, or no file can be used.
        ModelError
            If no model was trained or loaded.
        ParameterError
            If `batch_size` is below 1, or `audio_path_label_pairs` is not iterable.
        """
        pairs = labelled_pairs(audio_path_label_pairs, self.labels)
        return compare_predictions(pairs, self.predict_many([sound for sound, _ in pairs], batch_size), self.labels)

    @naming_missing_packages()
    def predict_timeline(
        self,
        path: AudioSource,
        window: float | None = None,
        hop: float | None = None,
        *,
        unknown: bool | float = False,
    ) -> list[TimedPrediction]:
        """Label a long file window by window.

        Parameters
        ----------
        path : str or os.PathLike or binary file or bytes or (np.ndarray, rate)
            Sound, as `mxnet_audio.audio.load` takes it.
        window : float > 0 [s], optional
            Length of a window; the length of the network's input by default. Of a longer window the middle is used,
            or the start if the features have ``crop='start'``.
        hop : float > 0 [s], optional
            Time from the start of a window to the start of the next, at most `window`; half of it by default.
        unknown : bool or float
            As for `predict_many`.

        Returns
        -------
        list of TimedPrediction
            In order; the last window ends with the sound.

        Raises
        ------
        AudioDecodeError, InvalidAudioError
            If the file cannot be used.
        ModelError
            If no model was trained or loaded.
        ParameterError
            If `window` or `hop` is out of range.
        """
        self._check_timeline(window, hop, unknown)
        sr, n_samples = self._input_length
        window = n_samples / sr if window is None else window
        y, _ = audio.load(path, sr=sr)
        y = audio.valid_audio(y, source_name(path), allow_silence=False)
        windows = audio.windows(y, sr, window, window / 2 if hop is None else hop)
        times = np.minimum(windows.times, len(y) / sr)
        predictions: list[TimedPrediction] = []
        for start in range(0, len(windows.samples), BATCH_SIZE):
            batch = slice(start, start + BATCH_SIZE)
            outputs = self._forward(self._inputs(windows.samples[batch]))
            predictions += self._timed(times[batch], *outputs, unknown)
        return predictions

    def preprocess(self, source: AudioSource) -> np.ndarray:
        """Read a sound and return the inputs of the network; called in threads.

        Parameters
        ----------
        source : str or os.PathLike or binary file or bytes or (np.ndarray, rate)
            Sound, as `mxnet_audio.audio.load` takes it.

        Returns
        -------
        np.ndarray [shape=(views, ...)], float32
            One input for each view: windows of a sound that is longer than the input, shifts of a shorter one.

        Raises
        ------
        AudioError
            If the sound cannot be used; the error names the file.
        """
        if self.views == 1:
            return self._input(source)[np.newaxis]
        sr, n_samples = self._input_length
        with naming_errors(source_name(source)):
            y = audio.valid_audio(audio.load(source, sr=sr)[0], allow_silence=False)
            return self._inputs(audio.views(y, n_samples, self.views))

    @abstractmethod
    def _forward(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Compute probabilities [shape=(n, classes)] and embeddings [shape=(n, dim)] of inputs [shape=(n, ...)]."""

    def forward(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Compute the outputs of the network for several sounds, averaged over the views.

        Parameters
        ----------
        x : np.ndarray [shape=(n, views, ...)]
            Inputs, as `preprocess` returns them for each sound.

        Returns
        -------
        probabilities : np.ndarray [shape=(n, classes)], float32
        vectors : np.ndarray [shape=(n, dim)], float32
        """
        probabilities, vectors = (
            output.reshape(*x.shape[:2], -1).mean(axis=1) for output in self._forward(x.reshape(-1, *x.shape[2:]))
        )
        return probabilities, vectors

    def postprocess(self, output: Output) -> Prediction:
        """Make the prediction for one file from the outputs of the network."""
        path, probabilities, _, error = output
        label = None if probabilities is None else self.labels[int(probabilities.argmax())]
        return Prediction(path, label, probabilities, error, labels=self.labels, encoder=self.encoder)

    def _check_unknown(self, unknown: bool | float) -> None:
        """Raise the errors of the argument `unknown` before any sound is read."""
        if unknown is not False:
            checked_share(unknown)
            self.known_sounds  # noqa: B018

    def _check_timeline(self, window: float | None, hop: float | None, unknown: bool | float) -> None:
        for name, seconds in (("window", window), ("hop", hop)):
            if seconds is not None:
                real_number(name, seconds, above=0)
        self._check_unknown(unknown)

    def _known(self, vectors: np.ndarray, unknown: bool | float) -> list[bool | None]:
        """Return for each embedding [shape=(n, dim)] whether the sound is known; None if that was not asked for."""
        if unknown is False:
            return [None] * len(vectors)
        return self.known_sounds.contain(vectors, checked_share(unknown)).tolist()

    def _timed(
        self, times: np.ndarray, probabilities: np.ndarray, vectors: np.ndarray, unknown: bool | float
    ) -> Iterator[TimedPrediction]:
        """Make the predictions for windows [shape=(n, 2), seconds] from the outputs of the network."""
        for (begin, end), row, known in zip(times.tolist(), probabilities, self._known(vectors, unknown)):
            label = self.labels[int(row.argmax())]
            prediction = TimedPrediction(begin, end, label, row, labels=self.labels, encoder=self.encoder)
            prediction.known = known
            yield prediction

    @property
    def _input_length(self) -> tuple[int, int]:
        """Sampling rate [Hz] and number of samples of one input."""
        return input_length(self.feature_config)

    def _input(self, source: AudioSource) -> np.ndarray:
        """Return the input for the single view of a sound; no more of a file is decoded than that needs."""
        from mxnet_audio.features import as_image, load_features  # not needed for exported models with a front end

        config = self.feature_config
        return as_image(load_features(source, config), config.time_axis)

    def _inputs(self, y: np.ndarray) -> np.ndarray:
        """Return the inputs for samples [shape=(n, samples)] at the rate of the features."""
        from mxnet_audio.features import as_image, extract

        config = self.feature_config
        return as_image(extract(y, self._input_length[0], config), config.time_axis)

    def _batches(
        self, paths: AudioSources, batch_size: int
    ) -> Iterator[tuple[list[tuple[AudioSource, AudioError | None]], np.ndarray | None]]:
        """Yield [(path, error or None), …] of a batch of files, and the inputs [shape=(n, views, ...)] of usable ones.

        The inputs are None if none of the files can be used.
        """
        batch_size = whole_number("batch_size", batch_size)
        self.views  # noqa: B018 - raises ModelError here, and not in each thread, if there is no model
        stream = map_ordered(self.preprocess, as_list(paths))
        try:
            while batch := list(islice(stream, batch_size)):
                usable = [x for _, x, error in batch if error is None]
                yield [(path, error) for path, _, error in batch], np.stack(usable) if usable else None
        finally:
            stream.close()


def input_length(config: AudioFeatureConfig) -> tuple[int, int]:
    """Return sampling rate [Hz] and number of samples of one input of a network that takes these features."""
    assert config.sr is not None and config.n_samples is not None  # inputs of a network are of one size
    return config.sr, config.n_samples


def as_list(paths: AudioSources) -> Iterable[AudioSource]:
    """Return the files; a single path becomes a list of one. ParameterError if they cannot be iterated over."""
    return [paths] if isinstance(paths, str | os.PathLike) else iterable_argument("paths", paths, "sounds")


def _only(results: Iterator[Result]) -> Result:
    """Return the result for a single file, or raise its error."""
    (result,) = results
    if result.error is not None:
        raise result.error
    return result

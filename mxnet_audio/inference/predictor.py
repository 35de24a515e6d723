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
from mxnet_audio.errors import AudioError
from mxnet_audio.inference.evaluation import compare_predictions, labelled_pairs
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

    def predict(self, path: AudioSource) -> Prediction:
        """Return label and probabilities of one file; parameters and errors as in `predict_class`."""
        return _only(self.predict_many([path]))

    def predict_many(self, paths: AudioSources, batch_size: int = BATCH_SIZE) -> Iterator[Prediction]:
        """Label many files.

        Threads decode while the network computes. Memory does not grow with the number of files.

        Parameters
        ----------
        paths : iterable
            Files, each as in `predict_class`; or a single path.
        batch_size : int > 0
            Number of files in one pass of the network.

        Yields
        ------
        Prediction
            One for each file, in order. If a file cannot be used, `error` holds the reason.

        Raises
        ------
        ModelError
            If no model was trained or loaded.
        ParameterError
            If `batch_size` is below 1, or `paths` is not iterable.
        """
        for output in self.forward_many(paths, batch_size):
            yield self.postprocess(output)

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
        self, path: AudioSource, window: float | None = None, hop: float | None = None
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
        for name, seconds in (("window", window), ("hop", hop)):
            if seconds is not None:
                real_number(name, seconds, above=0)
        sr, n_samples = self._input_length
        window = n_samples / sr if window is None else window
        y, _ = audio.load(path, sr=sr)
        y = audio.valid_audio(y, source_name(path), allow_silence=False)
        windows = audio.windows(y, sr, window, window / 2 if hop is None else hop)
        predictions = []
        for start in range(0, len(windows.samples), BATCH_SIZE):
            batch = slice(start, start + BATCH_SIZE)
            probabilities, _ = self._forward(self._inputs(windows.samples[batch]))
            predictions += [
                TimedPrediction(
                    float(begin),
                    min(float(end), len(y) / sr),
                    self.labels[int(row.argmax())],
                    row,
                    labels=self.labels,
                )
                for (begin, end), row in zip(windows.times[batch], probabilities)
            ]
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
        return Prediction(path, label, probabilities, error, labels=self.labels)

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

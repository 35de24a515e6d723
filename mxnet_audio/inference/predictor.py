"""Base of all classifiers, with MXNet and without: label sound, compute embeddings, evaluate.

Nothing here needs MXNet.
"""

from __future__ import annotations

import contextlib
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

from mxnet_audio import audio
from mxnet_audio.audio.channel import channel_sources, check_channel
from mxnet_audio.audio.opened import Source, rereadable
from mxnet_audio.audio.source import naming_errors, source_name
from mxnet_audio.audio.stream_windows import StreamedWindow, stream_windows
from mxnet_audio.checks import iterable_argument, whole_number
from mxnet_audio.errors import AudioError, ModelError
from mxnet_audio.inference.evaluation import compare_predictions, labelled_pairs
from mxnet_audio.inference.known_sounds import KnownSounds, checked_share
from mxnet_audio.inference.missing_packages import naming_missing_packages
from mxnet_audio.inference.parts import mean_outputs, read_views, window_length, window_parts
from mxnet_audio.inference.results import Encoding, Output, Prediction, TimedPrediction, WindowVector
from mxnet_audio.parallel import map_ordered

if TYPE_CHECKING:
    from mxnet_audio.datasets.labels import Pairs
    from mxnet_audio.features import AudioFeatureConfig
    from mxnet_audio.metrics import ClassificationReport
    from mxnet_audio.metrics.multilabel import MultiLabelReport

__all__ = ["AudioSource", "AudioSources", "Predictor", "as_list", "input_length"]

AudioSource = Source
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
    def views(self) -> int | None:
        """Number of parts, or shifts, of a sound that outputs are averaged over; None for as many as cover it.

        Those are at most 10, spread evenly from start to end. Sound up to a tenth longer than the network's input, and
        shorter sound, is then a single part.
        """

    @property
    @abstractmethod
    def model_id(self) -> str:
        """Identity of the embeddings: it changes with the parameters and with the features."""

    @property
    def thresholds(self) -> np.ndarray | None:
        """Lowest probability at which each class applies, if clips can have several labels; else None."""
        return None

    def predict_class(self, path: AudioSource, *, channel: str | int = "mix") -> int | str | set[int | str]:
        """Return the label of one file, or the set of its labels.

        Parameters
        ----------
        path : str or os.PathLike or binary file or bytes or (np.ndarray, rate)
            Sound, as `mxnet_audio.audio.load` takes it.
        channel : {'mix', 'left', 'right'} or int >= 0
            Channel to use; 'mix' is the average of all.

        Returns
        -------
        int or str, or set of them
            The label as it was given to `fit`; with several labels a clip, the set of all classes whose probability
            reaches their threshold, which may be empty.

        Raises
        ------
        AudioDecodeError, InvalidAudioError
            If the file cannot be used.
        ModelError
            If no model was trained or loaded.
        """
        label = self.predict(path, channel=channel).label
        assert label is not None  # predict raises the error of a file that cannot be used
        return set(label) if isinstance(label, tuple) else label

    @property
    def known_sounds(self) -> KnownSounds:
        """Description of the sounds that the model knows.

        Raises
        ------
        ModelError
            If the model has none.
        """
        if self.thresholds is not None:
            raise ModelError("a model of several labels a clip cannot tell unknown sounds: it may give them no label")
        raise ModelError(
            "this model cannot tell unknown sounds: train a PretrainedAudioClassifier (mxnet-audio train --encoder)"
        )

    def predict(self, path: AudioSource, *, unknown: bool | float = False, channel: str | int = "mix") -> Prediction:
        """Return label and probabilities of one file; parameters and errors as in `predict_many`."""
        return _only(self.predict_many([path], unknown=unknown, channel=check_channel(channel)))

    def predict_many(
        self,
        paths: AudioSources,
        batch_size: int = BATCH_SIZE,
        *,
        unknown: bool | float = False,
        channel: str | int = "mix",
    ) -> Iterator[Prediction]:
        """Label many files.

        Threads decode while the network computes. Memory grows neither with the number of files nor with their length:
        of a long file only the parts that are used are read, see `views`.

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
        channel : {'mix', 'left', 'right', 'each'} or int >= 0
            Channel of each file to use: 'mix' is the average of all, 'each' makes every channel a sound of its own,
            named as `mxnet_audio.audio.channel_sources` names it.

        Yields
        ------
        Prediction
            One for each file, in order. If a file cannot be used, `error` holds the reason. `seconds_used` says how
            much of a sound was used if that was not all.

        Raises
        ------
        ModelError
            If no model was trained or loaded, or the model cannot tell `unknown` sounds.
        ParameterError
            If `batch_size` is below 1, `paths` is not iterable, or `unknown` or `channel` is out of range.
        """
        self._check_unknown(unknown)
        for output in self.forward_many(paths, batch_size, channel=channel):
            prediction = self.postprocess(output)
            if output.vector is not None:
                (prediction.known,) = self._known(output.vector[np.newaxis], unknown)
            yield prediction

    def encode_audio(self, path: AudioSource, *, channel: str | int = "mix") -> np.ndarray:
        """Compute the embedding of one file.

        Parameters and errors as in `predict_class`.

        Returns
        -------
        np.ndarray [shape=(dim,)], float32
            Output of the penultimate layer.
        """
        vector = _only(self.encode_many([path], channel=check_channel(channel))).vector
        assert vector is not None
        return vector

    def encode_many(
        self, paths: AudioSources, batch_size: int = BATCH_SIZE, *, channel: str | int = "mix"
    ) -> Iterator[Encoding]:
        """Compute the embeddings of many files, in order; parameters and errors as in `predict_many`."""
        for path, _, vector, error in self.forward_many(paths, batch_size, channel=channel):
            yield Encoding(path, vector, error)

    def forward_many(
        self, paths: AudioSources, batch_size: int = BATCH_SIZE, *, channel: str | int = "mix"
    ) -> Iterator[Output]:
        """Compute probabilities and embeddings of many files, in order; parameters and errors as in `predict_many`.

        Yields
        ------
        Output
            ``(path, probabilities, vector, error)``; `postprocess` makes a `Prediction` of it.
        """
        with naming_missing_packages():
            for batch in self._batches(channel_sources(as_list(paths), channel), batch_size):
                inputs = [sound.inputs for sound in batch if sound.inputs is not None]
                outputs = iter(zip(*self.forward(inputs)) if inputs else ())
                for sound in batch:
                    probabilities, vector = (None, None) if sound.inputs is None else next(outputs)
                    output = Output(source_name(sound.source), probabilities, vector, sound.error)
                    output.seconds, output.seconds_used = sound.seconds, sound.seconds_used
                    yield output

    def evaluate(
        self,
        audio_path_label_pairs: Pairs,
        batch_size: int = BATCH_SIZE,
        *,
        channel: str | int = "mix",
        label_separator: str | None = None,
    ) -> ClassificationReport | MultiLabelReport:
        """Compare predictions with labels.

        Parameters
        ----------
        audio_path_label_pairs : iterable of (path, label)
            Labelled files. The report lists files that cannot be used, and does not count them. For a model of several
            labels a clip, a label may be a set, frozenset, list or tuple, or a single label.
        batch_size : int > 0
            Number of files in one pass of the network.
        channel : {'mix', 'left', 'right'} or int >= 0
            Channel of each file to use.
        label_separator : str, optional
            Text between the labels of a clip, as for `fit`; only for a model of several labels a clip.

        Returns
        -------
        ClassificationReport or MultiLabelReport
            Accuracy, figures by class, confusion matrix; with several labels a clip, average precision and F1 by
            class and over all.

        Raises
        ------
        DatasetError
            If a label is unknown to the model, a clip has several labels and the model one, or no file can be used.
        ModelError
            If no model was trained or loaded.
        ParameterError
            If `batch_size` is below 1, `audio_path_label_pairs` is not iterable, or `label_separator` is not a text.
        """
        labels, thresholds = self.labels, self.thresholds
        pairs = labelled_pairs(
            audio_path_label_pairs, labels, multi_label=thresholds is not None, label_separator=label_separator
        )
        sounds = [sound for sound, _ in pairs]
        predictions = self.predict_many(sounds, batch_size, channel=check_channel(channel))
        return compare_predictions(pairs, predictions, labels, thresholds)

    def predict_timeline(
        self,
        path: AudioSource,
        window: float | None = None,
        hop: float | None = None,
        *,
        unknown: bool | float = False,
        channel: str | int = "mix",
    ) -> list[TimedPrediction]:
        """Label a long file window by window. It is read as a stream; only the results are kept.

        Parameters
        ----------
        path : str or os.PathLike or binary file or bytes or (np.ndarray, rate)
            Sound, as `mxnet_audio.audio.load` takes it.
        window : float > 0 [s], optional
            Length of a window; the length of the network's input by default. A longer window is cut into inputs that
            cover it, and their outputs are averaged. For a shorter window, the network takes the sound around it, too.
        hop : float > 0 [s], optional
            Time from the start of a window to the start of the next, at most `window`; half of it by default.
        unknown : bool or float
            As for `predict_many`.
        channel : {'mix', 'left', 'right'} or int >= 0
            Channel to use; 'mix' is the average of all.

        Returns
        -------
        list of TimedPrediction
            In order; the last window ends with the sound. The label of digital silence is None.

        Raises
        ------
        AudioDecodeError, InvalidAudioError
            If the file cannot be used.
        ModelError
            If no model was trained or loaded.
        ParameterError
            If `window`, `hop`, `unknown` or `channel` is out of range.

        See Also
        --------
        iter_timeline : the same without a list, for sound of many hours.
        """
        return list(self.iter_timeline(path, window, hop, unknown=unknown, channel=channel))

    def iter_timeline(
        self,
        path: AudioSource,
        window: float | None = None,
        hop: float | None = None,
        *,
        unknown: bool | float = False,
        channel: str | int = "mix",
    ) -> Iterator[TimedPrediction]:
        """Label a long file window by window, in constant memory; parameters and errors as in `predict_timeline`.

        Yields
        ------
        TimedPrediction
            In order. What shows only within the file is raised when it is reached.
        """
        self._check_unknown(unknown)
        sr, n_samples = self._input_length
        size, step = window_length(sr, n_samples, window, hop)
        blocks = audio.blocks(path, sr, allow_silence=False, channel=check_channel(channel))
        return self._label_windows(stream_windows(blocks, size, step, n_samples), unknown)

    def _label_windows(self, windows: Iterator[StreamedWindow], unknown: bool | float) -> Iterator[TimedPrediction]:
        """Label windows, a batch at a time."""
        sr, n_samples = self._input_length
        times: list[tuple[float, float]] = []
        parts: list[list[np.ndarray]] = []
        with naming_missing_packages():
            for window in windows:
                times.append((window.start / sr, window.end / sr))
                parts.append(window_parts(window, n_samples))
                if sum(map(len, parts)) >= BATCH_SIZE:
                    yield from self._timed(times, self._part_outputs(parts), unknown)
                    times, parts = [], []
            yield from self._timed(times, self._part_outputs(parts), unknown)

    def _part_outputs(self, parts: list[list[np.ndarray]]) -> list[tuple[np.ndarray, np.ndarray] | None]:
        """Compute the mean outputs over the parts of each window; None for a window without any."""
        every = [part for of_window in parts for part in of_window]
        if not every:
            return [None] * len(parts)
        passes = (
            self._forward(self._inputs(np.stack(every[start : start + BATCH_SIZE])))
            for start in range(0, len(every), BATCH_SIZE)
        )
        outputs = zip(*mean_outputs(passes, [len(of_window) for of_window in parts if of_window]))
        return [next(outputs) if of_window else None for of_window in parts]

    def preprocess(self, source: AudioSource) -> np.ndarray:
        """Read a sound and return the inputs of the network; called in threads.

        Parameters
        ----------
        source : str or os.PathLike or binary file or bytes or (np.ndarray, rate)
            Sound, as `mxnet_audio.audio.load` takes it.

        Returns
        -------
        np.ndarray [shape=(views, ...)], float32
            One input for each view: parts of a sound that is longer than the input, without those that are digital
            silence; shifts of a shorter one.

        Raises
        ------
        AudioError
            If the sound cannot be used; the error names the file.
        """
        inputs = self._prepare(source).inputs
        assert inputs is not None  # _prepare raises the error of a sound that cannot be used
        return inputs

    def _prepare(self, source: AudioSource) -> _Sound:
        """Read a sound; called in threads."""
        with naming_errors(source_name(source)):
            sound = rereadable(source)
            views = read_views(sound, *self._input_length, self.views)
            inputs = self._input(sound)[np.newaxis] if views.samples is None else self._inputs(views.samples)
        return _Sound(source, inputs, views.seconds, views.seconds_used)

    @abstractmethod
    def _forward(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Compute probabilities [shape=(n, classes)] and embeddings [shape=(n, dim)] of inputs [shape=(n, ...)]."""

    def forward(self, x: Sequence[np.ndarray] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Compute the outputs of the network for several sounds, averaged over the views.

        Parameters
        ----------
        x : sequence of np.ndarray [shape=(views, ...)]
            Inputs, as `preprocess` returns them for each sound.

        Returns
        -------
        probabilities : np.ndarray [shape=(n, classes)], float32
        vectors : np.ndarray [shape=(n, dim)], float32
        """
        inputs, size = np.concatenate(x), max(BATCH_SIZE, len(x))
        passes = (self._forward(inputs[start : start + size]) for start in range(0, len(inputs), size))
        return mean_outputs(passes, [len(views) for views in x])

    def postprocess(self, output: Output) -> Prediction:
        """Make the prediction for one file from the outputs of the network."""
        path, probabilities, _, error = output
        prediction = Prediction(
            path, self._label_of(probabilities), probabilities, error, labels=self.labels, encoder=self.encoder
        )
        prediction.seconds, prediction.seconds_used = output.seconds, output.seconds_used
        return prediction

    def _label_of(self, probabilities: np.ndarray | None) -> int | str | tuple[int | str, ...] | None:
        """Return the most probable class [shape=(classes,)], or all that reach their thresholds if there are any."""
        if probabilities is None:
            return None
        thresholds, labels = self.thresholds, self.labels
        if thresholds is None:
            return labels[int(probabilities.argmax())]
        return tuple(labels[index] for index in np.flatnonzero(probabilities >= thresholds))

    def _check_unknown(self, unknown: bool | float) -> None:
        """Raise the errors of the argument `unknown` before any sound is read."""
        if unknown is not False:
            checked_share(unknown)
            self.known_sounds  # noqa: B018

    def _known(self, vectors: np.ndarray, unknown: bool | float) -> list[bool | None]:
        """Return for each embedding [shape=(n, dim)] whether the sound is known; None if that was not asked for."""
        if unknown is False:
            return [None] * len(vectors)
        return self.known_sounds.contain(vectors, checked_share(unknown)).tolist()

    def _timed(
        self,
        times: Iterable[tuple[float, float]],
        outputs: Sequence[tuple[np.ndarray, np.ndarray] | None],
        unknown: bool | float,
    ) -> Iterator[TimedPrediction]:
        """Make the predictions for windows from probabilities and embedding of each; None for one that is silent."""
        vectors = [output[1] for output in outputs if output is not None]
        known_ones = iter(self._known(np.stack(vectors), unknown) if vectors else [])
        for (begin, end), output in zip(times, outputs):
            row = None if output is None else output[0]
            prediction = TimedPrediction(begin, end, self._label_of(row), row, labels=self.labels, encoder=self.encoder)
            prediction.known = None if output is None else next(known_ones)
            yield prediction

    def _label_vectors(
        self,
        windows: Iterator[WindowVector],
        classify: Callable[[np.ndarray], np.ndarray],
        unknown: bool | float,
    ) -> Iterator[TimedPrediction]:
        """Label windows by their embeddings, a batch at a time.

        `classify` computes probabilities [shape=(n, classes)] from embeddings [shape=(n, dim)].
        """
        while batch := list(islice(windows, BATCH_SIZE)):
            audible = [one.vector for one in batch if one.vector is not None]
            rows = iter(classify(np.stack(audible)) if audible else ())
            outputs = [None if one.vector is None else (next(rows), one.vector) for one in batch]
            yield from self._timed([(one.start, one.end) for one in batch], outputs, unknown)

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

    def _batches(self, sounds: Iterable[AudioSource], batch_size: int) -> Iterator[list[_Sound]]:
        """Yield the inputs of sounds, or their errors, in batches."""
        batch_size = whole_number("batch_size", batch_size)
        self.views  # noqa: B018 - raises ModelError here, and not in each thread, if there is no model
        stream = map_ordered(self._prepare, sounds)
        with contextlib.closing(stream):
            while batch := list(islice(stream, batch_size)):
                yield [_Sound(source, error=error) if sound is None else sound for source, sound, error in batch]


class _Sound(NamedTuple):
    """Sound that is prepared for the network; the inputs are None if it cannot be used."""

    source: AudioSource
    inputs: np.ndarray | None = None
    seconds: float | None = None
    seconds_used: float | None = None
    error: AudioError | None = None


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

"""Labels and vectors of sound, whatever computes them: what trained classifiers share, in MXNet and out of it.

Nothing here needs MXNet.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np

from mxnet_audio import audio
from mxnet_audio.audio.source import naming_errors, source_name
from mxnet_audio.datasets.labels import Pair, Pairs, checked_pairs, to_targets
from mxnet_audio.errors import DatasetError, ModelError
from mxnet_audio.inference.results import Encoding, Prediction, TimedPrediction
from mxnet_audio.parallel import map_ordered

if TYPE_CHECKING:
    from mxnet_audio.metrics import ClassificationReport

__all__ = ["Predictor", "as_list"]


class Predictor(ABC):
    """Label sound, and turn it into vectors.

    A subclass has `labels`, `feature_config` and `views`, and defines `_reader`, `_inputs` and `_forward`.
    """

    views: int

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
            Files, each as in `predict_class`; a single path will do.
        batch_size : int > 0
            Files to a pass of the network.

        Yields
        ------
        Prediction
            One for each file, in order. For a file that cannot be used, `error` says why.

        Raises
        ------
        ModelError
            If there is no model yet, or `batch_size` is below 1.
        """
        for output in self._outputs(paths, batch_size):
            yield self._prediction(*output)

    def encode_audio(self, path) -> np.ndarray:
        """Vector of one file: float32 [shape=(dim,)], the penultimate layer; errors as in `predict_class`."""
        return _only(self.encode_many([path])).vector

    def encode_many(self, paths: Iterable, batch_size: int = 16) -> Iterator[Encoding]:
        """Vectors of many files, in order; parameters and behaviour as in `predict_many`."""
        for path, _, vector, error in self._outputs(paths, batch_size):
            yield Encoding(path, vector, error)

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
        pairs = self._known(audio_path_label_pairs)
        return self._compared(pairs, self.predict_many([sound for sound, _ in pairs], batch_size))

    def _known(self, pairs: Pairs) -> list[Pair]:
        """Pairs, checked; DatasetError if the model does not know a label."""
        pairs = checked_pairs(pairs)
        to_targets([label for _, label in pairs], self.labels)
        return pairs

    def _compared(self, pairs: list[Pair], answers: Iterable[Prediction]) -> ClassificationReport:
        """What was answered for each pair beside its label; DatasetError if there is no answer to any."""
        from mxnet_audio.metrics import classification_report  # and scikit-learn, which answers do not need

        true, predicted, skipped = [], [], []
        for row, (answer, (sound, label)) in enumerate(zip(answers, pairs)):
            if answer.error is None:
                true.append(label)
                predicted.append(answer.label)
            else:
                skipped.append((source_name(sound) or f"item {row}", answer.error))
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
            Length of a stretch; what the network was trained on by default. Of a longer one the
            middle is judged, or the start where the features have ``crop='start'``.
        hop : float > 0 [s], optional
            From the start of one to the start of the next, at most `window`; half of it by default.

        Returns
        -------
        list of TimedPrediction
            In order; the last stretch ends with the sound.
        """
        sr, n_samples = self._input_length
        window = n_samples / sr if window is None else window
        y, _ = audio.load(path, sr=sr)
        y = audio.valid_audio(y, source_name(path), allow_silence=False)
        stretches = audio.windows(y, sr, window, window / 2 if hop is None else hop)
        answers = []
        for start in range(0, len(stretches.samples), 16):
            part = slice(start, start + 16)
            scores, _ = self._forward(self._inputs(stretches.samples[part]))
            answers += [
                TimedPrediction(float(begin), min(float(end), len(y) / sr), self.labels[int(row.argmax())], row)
                for (begin, end), row in zip(stretches.times[part], scores)
            ]
        return answers

    @property
    def _input_length(self) -> tuple[int, int]:
        """Rate of the features [Hz], and how many samples make an input."""
        return self.feature_config.sr, self.feature_config.n_samples

    @abstractmethod
    def _reader(self) -> Callable[[Any], np.ndarray]:
        """What makes of a sound, from wherever it is, the network's input; called in threads."""

    @abstractmethod
    def _inputs(self, y: np.ndarray) -> np.ndarray:
        """The network's inputs of samples [shape=(n, samples)] at the rate of the features."""

    @abstractmethod
    def _forward(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities [shape=(n, classes)] and vectors [shape=(n, dim)] of inputs."""

    def _read_views(self, source: Any) -> np.ndarray:
        """The network's inputs for all views of a sound."""
        sr, n_samples = self._input_length
        with naming_errors(source_name(source)):
            y = audio.valid_audio(audio.load(source, sr=sr)[0], allow_silence=False)
            return self._inputs(audio.views(y, n_samples, self.views))

    def _averaged(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What the network says of inputs [shape=(n, ...)], or on average of all views [shape=(n, views, ...)]."""
        if self.views == 1:
            return self._forward(x)
        outputs = self._forward(x.reshape(-1, *x.shape[2:]))
        return tuple(output.reshape(len(x), self.views, -1).mean(axis=1) for output in outputs)

    def _prediction(self, path, scores, vector, error) -> Prediction:
        """What one of the `_outputs` answers."""
        return Prediction(path, None if error is not None else self.labels[int(scores.argmax())], scores, error)

    def _outputs(self, paths: Iterable, batch_size: int):
        """Yield (path, probabilities, vector, error) for each file, in order."""
        for errors, x in self._batches(paths, batch_size):
            outputs = iter(() if x is None else zip(*self._averaged(x)))
            for path, error in errors:
                scores, vector = (None, None) if error is not None else next(outputs)
                yield source_name(path), scores, vector, error

    def _batches(self, paths: Iterable, batch_size: int):
        """Yield [(path, error or None)] of so many files, and the inputs of those without an error, None if none is."""
        if not isinstance(batch_size, Integral) or batch_size < 1:
            raise ModelError(f"batch_size is 1 or more, not {batch_size!r}")
        stream = map_ordered(self._reader() if self.views == 1 else self._read_views, as_list(paths))
        try:
            while chunk := list(islice(stream, batch_size)):
                usable = [x for _, x, error in chunk if error is None]
                yield [(path, error) for path, _, error in chunk], np.stack(usable) if usable else None
        finally:
            stream.close()


def as_list(paths: Iterable) -> Iterable:
    """Files; one alone will do."""
    return [paths] if isinstance(paths, (str, os.PathLike)) else paths


def _only(answers: Iterator):
    """The answer for a single file; its error is raised."""
    (answer,) = answers
    if answer.error is not None:
        raise answer.error
    return answer

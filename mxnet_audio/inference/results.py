"""Results of classifiers and speaker recognizers: named tuples that can be unpacked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from mxnet_audio.checks import whole_number
from mxnet_audio.errors import AudioError, ParameterError

__all__ = ["Encoding", "Identification", "Output", "Prediction", "TimedPrediction", "Verification", "WindowVector"]

Label = int | str


class _OutputFields(NamedTuple):
    path: str | None
    probabilities: np.ndarray | None
    vector: np.ndarray | None
    error: AudioError | None = None


class Output(_OutputFields):
    """Outputs of a network for one file: a tuple ``(path, probabilities, vector, error)``.

    Attributes
    ----------
    path : str or None
        Path of the file; None for sound that was not given by a path.
    probabilities : np.ndarray [shape=(classes,)] or None
        Probability of each class; None if the file could not be used.
    vector : np.ndarray [shape=(dim,)], float32, or None
        The embedding; None if the file could not be used.
    error : AudioError or None
        Reason why the file could not be used.
    seconds, seconds_used : float or None
        As of a `Prediction`; not items of the tuple.
    """

    seconds: float | None = None
    seconds_used: float | None = None


class _Probabilities:
    """Common part of `Prediction` and `TimedPrediction`, which are equal if all their items are."""

    labels: Sequence[Label] = ()
    encoder: str | None = None
    known: bool | None = None

    @property
    def probability(self) -> float | None:
        """Probability of the most probable class, which is that of a single label; None if there is none."""
        array = self._array
        return None if array is None else float(array.max())

    def top(self, k: int = 5) -> list[tuple[Label, float]]:
        """Return the most probable classes as (label, probability), best first.

        Parameters
        ----------
        k : int > 0
            Number of classes; all of them if there are fewer.

        Returns
        -------
        list of (int or str, float)
            Empty if there are no probabilities.
        """
        k = whole_number("k", k)
        return sorted(self._by_label().items(), key=lambda item: -item[1])[:k]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, tuple):
            return NotImplemented
        items: tuple = tuple(self)  # type: ignore[arg-type]
        return len(items) == len(other) and all(map(np.array_equal, items, other))

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(tuple(item for item in self if not isinstance(item, np.ndarray)))  # type: ignore[attr-defined]

    @property
    def _array(self) -> np.ndarray | None:
        return self.probabilities  # type: ignore[attr-defined]  # a field of the tuple

    def _by_label(self) -> dict[Label, float]:
        """Map labels to probabilities, in the order of the labels; empty if there are none."""
        if (array := self._array) is None:
            return {}
        if len(self.labels) != len(array):
            raise ParameterError(f"labels must be given, one for each of {len(array)} probabilities")
        return dict(zip(self.labels, array.tolist()))

    def _class_items(self) -> dict[str, Any]:
        label = self.label  # type: ignore[attr-defined]  # a field of the tuple
        return {
            "label": list(label) if isinstance(label, tuple) else label,
            "probability": self.probability,
            "probabilities": self._by_label() or None,
            **({"encoder": self.encoder} if self.encoder else {}),
            **({} if self.known is None else {"known": self.known}),
        }

    def _summary(self) -> str:
        probability = math.nan if self.probability is None else self.probability
        known = "" if self.known is None else f", known={self.known}"
        return f"label={self.label!r}, probability={probability:.4g}{known}"  # type: ignore[attr-defined]


class _PredictionFields(NamedTuple):
    path: str | None
    label: Label | tuple[Label, ...] | None
    probabilities: np.ndarray | None
    error: AudioError | None = None


class Prediction(_Probabilities, _PredictionFields):
    """Label of one file, and the probability of each class.

    It is a tuple of the four attributes ``(path, label, probabilities, error)``. Predictions are equal if all four are
    equal.

    Parameters
    ----------
    path, label, probabilities, error
        See the attributes.
    labels : sequence of int or str
        Classes in the order of `probabilities`; not an item of the tuple.
    encoder : str, optional
        Name of the pretrained encoder that gave the result; not an item of the tuple.

    Attributes
    ----------
    path : str or None
        Path of the file; None for sound that was not given by a path.
    label : int or str, or tuple of them, or None
        The most probable class; None if the file could not be used. With several labels a clip, all classes whose
        probability reaches their threshold, in the order of `labels`: an empty tuple if none does.
    probabilities : np.ndarray [shape=(classes,)] or None
        Probabilities in the order of `labels`; None if the file could not be used. Those of a model of several labels a
        clip, and the scores of an `AudioTagger`, are each between 0 and 1 on their own, and do not add up to 1.
    error : AudioError or None
        Reason why the file could not be used.
    known : bool or None
        False if the sound is unlike those of all classes; None if this was not asked for. Not an item of the tuple.
    seconds, seconds_used : float or None
        Length of the sound, and of its parts that were used, with those among them that are digital silence; None if
        all of it was used (of a sound that is up to a tenth longer than the network's input, its middle counts as all).
        Not items of the tuple.

    Examples
    --------
    >>> prediction = Prediction('a.wav', 'tone', np.float32([0.25, 0.75]), labels=['noise', 'tone'])
    >>> path, label, probabilities, error = prediction
    >>> prediction.top(1)
    [('tone', 0.75)]
    >>> prediction
    Prediction(path='a.wav', label='tone', probability=0.75)
    >>> Prediction('b.wav', ('dog', 'rain'), np.float32([0.75, 0.5]), labels=['dog', 'rain']).as_dict()['label']
    ['dog', 'rain']
    """

    seconds: float | None = None
    seconds_used: float | None = None

    def __new__(
        cls,
        path: str | None,
        label: Label | tuple[Label, ...] | None,
        probabilities: np.ndarray | None,
        error: AudioError | None = None,
        *,
        labels: Sequence[Label] = (),
        encoder: str | None = None,
    ) -> Prediction:
        """Make the tuple; labels and encoder become attributes."""
        prediction = super().__new__(cls, path, label, probabilities, error)
        prediction.labels, prediction.encoder = labels, encoder
        return prediction

    def as_dict(self) -> dict[str, Any]:
        """Return the result in JSON's types: path, label, probability, probabilities by label, error.

        If a part of the sound was not used, also ``seconds`` and ``seconds_used``.
        """
        used = {} if self.seconds is None else {"seconds": self.seconds, "seconds_used": self.seconds_used}
        return {"path": self.path, **self._class_items(), **used, "error": _message(self.error)}

    def __repr__(self) -> str:
        """Return one line without the array."""
        return _error_repr(self) if self.error is not None else f"Prediction(path={self.path!r}, {self._summary()})"


class Encoding(NamedTuple):
    """Embedding of one file.

    Attributes
    ----------
    path : str or None
        Path of the file; None for sound that was not given by a path.
    vector : np.ndarray [shape=(dim,)], float32, or None
        The embedding; None if the file could not be used.
    error : AudioError or None
        Reason why the file could not be used.
    """

    path: str | None
    vector: np.ndarray | None
    error: AudioError | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the result in JSON's types: path, vector, error."""
        vector = None if self.vector is None else self.vector.tolist()
        return {"path": self.path, "vector": vector, "error": _message(self.error)}

    def __repr__(self) -> str:
        """Return one line without the numbers of the vector."""
        if self.vector is None:
            return _error_repr(self)
        return f"Encoding(path={self.path!r}, vector={self.vector.dtype}[{self.vector.size}])"


class _TimedFields(NamedTuple):
    start: float
    end: float
    label: Label | tuple[Label, ...] | None
    probabilities: np.ndarray | None


class TimedPrediction(_Probabilities, _TimedFields):
    """Label of one window of a long file.

    It is a tuple of the four attributes ``(start, end, label, probabilities)``. Predictions are equal if all four are
    equal.

    Parameters
    ----------
    start, end, label, probabilities
        See the attributes.
    labels : sequence of int or str
        Classes in the order of `probabilities`; not an item of the tuple.
    encoder : str, optional
        Name of the pretrained encoder that gave the result; not an item of the tuple.

    Attributes
    ----------
    start, end : float [s]
        Position of the window.
    label : int or str, or tuple of them, or None
        The most probable class, or all that reach their thresholds, as of a `Prediction`; None for digital silence, a
        peak below -100 dBFS.
    probabilities : np.ndarray [shape=(classes,)] or None
        Probabilities in the order of `labels`; None for digital silence.
    known : bool or None
        False if the sound is unlike those of all classes; None if this was not asked for. Not an item of the tuple.
    """

    def __new__(
        cls,
        start: float,
        end: float,
        label: Label | tuple[Label, ...] | None,
        probabilities: np.ndarray | None,
        *,
        labels: Sequence[Label] = (),
        encoder: str | None = None,
    ) -> TimedPrediction:
        """Make the tuple; labels and encoder become attributes."""
        prediction = super().__new__(cls, start, end, label, probabilities)
        prediction.labels, prediction.encoder = labels, encoder
        return prediction

    def as_dict(self) -> dict[str, Any]:
        """Return the result in JSON's types: start, end, label, probability, probabilities by label."""
        return {"start": self.start, "end": self.end, **self._class_items()}

    def __repr__(self) -> str:
        """Return one line without the array."""
        return f"TimedPrediction(start={self.start:g}, end={self.end:g}, {self._summary()})"


class WindowVector(NamedTuple):
    """Window of a sound from `start` to `end` [s], and its embedding [shape=(dim,)]; None for digital silence."""

    start: float
    end: float
    vector: np.ndarray | None


class Verification(NamedTuple):
    """Comparison of two recordings of speech.

    Attributes
    ----------
    score : float
        Similarity of the two voices.
    same : bool
        True if the score reaches the threshold: both recordings count as one speaker's.
    threshold : float
        Lowest score that counts as the same speaker.
    """

    score: float
    same: bool
    threshold: float


class Identification(NamedTuple):
    """Speaker of one recording, among the enrolled ones.

    Attributes
    ----------
    path : str or None
        Path of the recording; None for sound that was not given by a path.
    speaker : str or None
        Name of the most similar enrolled speaker; None if the score is below the threshold.
    ranking : list of (str, float)
        Names and scores of the most similar enrolled speakers, best first.
    error : AudioError or None
        Reason why the recording could not be used.
    """

    path: str | None
    speaker: str | None
    ranking: list[tuple[str, float]]
    error: AudioError | None = None


def _error_repr(result: Prediction | Encoding) -> str:
    return f"{type(result).__name__}(path={result.path!r}, error={result.error!r})"


def _message(error: AudioError | None) -> str | None:
    return None if error is None else str(error)

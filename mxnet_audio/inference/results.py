"""What the classifiers answer."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mxnet_audio.errors import AudioError

__all__ = ["Encoding", "Identification", "Prediction", "TimedPrediction", "Verification"]


class Prediction(NamedTuple):
    """The label of one file, and the probability of each class in the order of the classifier's `labels`.

    For a file that could not be used, `label` and `probabilities` are None and `error` says why. For sound that was
    not given by its path, `path` is None.
    """

    path: str | None
    label: int | str | None
    probabilities: np.ndarray | None
    error: AudioError | None = None


class Encoding(NamedTuple):
    """The vector of one file, float32 [shape=(dim,)]; None, and `error` says why, if it could not be used."""

    path: str | None
    vector: np.ndarray | None
    error: AudioError | None = None


class TimedPrediction(NamedTuple):
    """The label of one stretch of a long file, `start` to `end` [s]."""

    start: float
    end: float
    label: int | str
    probabilities: np.ndarray


class Verification(NamedTuple):
    """Whether two voices are one: how alike they are, and from which score on they count as the same."""

    score: float
    same: bool
    threshold: float


class Identification(NamedTuple):
    """Whose voice it is: the most alike of those who are enrolled, None if even he scores below the threshold.

    `ranking` is (name, score) of the most alike, best first. If the file could not be used, `error` says why.
    """

    path: str | None
    speaker: str | None
    ranking: list[tuple[str, float]]
    error: AudioError | None = None

"""What the classifiers answer."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mxnet_audio.errors import AudioError

__all__ = ["Encoding", "Prediction", "TimedPrediction"]


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

"""Checks of verification trials, and their error rates at every threshold."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np

from mxnet_audio.errors import DatasetError, ParameterError

__all__ = ["Curve", "Labels", "Numbers", "SpeakerPairs", "checked_trials", "error_curve"]

Labels = Sequence[int] | np.ndarray
Numbers = Sequence[float] | np.ndarray
SpeakerPairs = Sequence[tuple[Hashable, Hashable]] | np.ndarray


class Curve(NamedTuple):
    """Error rates at all thresholds, from the one that accepts no trial to the one that accepts all."""

    far: np.ndarray
    frr: np.ndarray
    thresholds: np.ndarray


def error_curve(same: np.ndarray, scores: np.ndarray, weight: np.ndarray | None) -> Curve:
    """Compute the error rates of checked trials.

    The rates are those of `roc`; for sorted trials, as in `bootstrap`, they take a third of its time.
    """
    if weight is None:
        weight = np.ones(len(scores))
    else:
        positive = weight > 0  # the others would add thresholds at which nothing changes
        same, scores, weight = same[positive], scores[positive], weight[positive]
    if np.any(scores[1:] > scores[:-1]):
        order = np.argsort(-scores, kind="stable")
        same, scores, weight = same[order], scores[order], weight[order]
    last = np.flatnonzero(np.append(scores[1:] != scores[:-1], True))  # equal scores are accepted together
    targets = np.cumsum(weight * same)[last]
    impostors = np.cumsum(weight * ~same)[last]
    return Curve(
        np.append(0, impostors / impostors[-1]),
        np.append(1, 1 - targets / targets[-1]),
        np.append(np.inf, scores[last]),
    )


def checked_trials(
    labels: Labels, scores: Numbers, sample_weight: Numbers | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Return the trials as arrays: same speaker or not (bool), score and weight (float64).

    Raises
    ------
    DatasetError
        If the trials cannot be evaluated; see `roc`.
    ParameterError
        If the sequences differ in length or have more than one axis.
    """
    scores = _numbers("score", scores)
    weight = None if sample_weight is None else _numbers("weight", sample_weight)
    lengths = [len(labels), len(scores), *([] if weight is None else [len(weight)])]
    if len(set(lengths)) > 1:
        found = "{} labels, {} scores".format(*lengths) + "".join(f", {n} weights" for n in lengths[2:])
        raise ParameterError(f"each trial must have one label, score and weight, got {found}")
    if not len(scores):
        raise DatasetError("there are no trials to evaluate")
    same = _same(labels)
    if weight is not None and weight.min() < 0:
        raise DatasetError(f"the weight of a trial must be >= 0, got {weight.min()}")
    counted = same if weight is None else same[weight > 0]
    if counted.all() or not counted.any():
        kinds = f"all trials have the label {int(counted[0])}" if len(counted) else "no trial has weight"
        raise DatasetError(f"{kinds}: trials of one speaker (1) and of two speakers (0) are needed")
    return same, scores, weight


def _same(labels: Labels) -> np.ndarray:
    """Return True for each label 1 and False for each label 0."""
    values = np.asarray(labels)
    if values.dtype == bool and values.ndim == 1:
        return values
    if values.dtype.kind not in "iuf" or values.ndim != 1:
        # Not through NumPy, which would turn a 0 beside a string into a string.
        wrong = [label for label in labels if not (np.isscalar(label) and label in (0, 1))]
        if wrong:
            raise DatasetError(f"label {wrong[0]!r} is neither 1 (same speaker) nor 0 (two speakers)")
        return np.array([bool(label) for label in labels])
    same = values == 1
    valid = same | (values == 0)
    if not valid.all():
        raise DatasetError(f"label {values[np.argmin(valid)]} is neither 1 (same speaker) nor 0 (two speakers)")
    return same


def _numbers(name: str, values: Numbers) -> np.ndarray:
    """Return the values as a float64 vector."""
    try:
        numbers = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DatasetError(f"a {name} is not a number: {error}") from None
    if numbers.ndim != 1:
        raise ParameterError(f"each trial must have one {name}, got an array of shape {numbers.shape}")
    finite = np.isfinite(numbers)
    if not finite.all():
        trial = int(np.argmin(finite))
        raise DatasetError(f"the {name} of trial {trial} must be finite, got {numbers[trial]}")
    return numbers

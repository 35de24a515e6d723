"""Trials of a comparison, checked; and their error rates, fast enough to be asked for a thousand times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mxnet_audio.errors import DatasetError

__all__ = ["Curve", "checked_trials", "error_curve"]


class Curve(NamedTuple):
    """Error rates of every threshold, from the one that accepts nothing to the one that accepts everything."""

    far: np.ndarray
    frr: np.ndarray
    thresholds: np.ndarray


def error_curve(same: np.ndarray, scores: np.ndarray, weight: np.ndarray | None) -> Curve:
    """As `roc`, of trials that were checked; in a third of its time where they are sorted, as in `bootstrap`."""
    if weight is None:
        weight = np.ones(len(scores))
    else:
        given = weight > 0  # others would add thresholds at which nothing changes
        same, scores, weight = same[given], scores[given], weight[given]
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
    labels: Sequence[int], scores: Sequence[float], sample_weight: Sequence[float] | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Return the trials as arrays: whether of one speaker (bool), score and weight (float64)."""
    scores = _numbers("score", scores)
    weight = None if sample_weight is None else _numbers("weight", sample_weight)
    lengths = [len(labels), len(scores), *([] if weight is None else [len(weight)])]
    if len(set(lengths)) > 1:
        raise DatasetError("{} labels, {} scores".format(*lengths) + "".join(f", {n} weights" for n in lengths[2:]))
    if not len(scores):
        raise DatasetError("no trial to judge")
    same = _same(labels)
    if weight is not None and weight.min() < 0:
        raise DatasetError(f"weight {weight.min()} is below 0")
    counted = same if weight is None else same[weight > 0]
    if counted.all() or not counted.any():
        kinds = "no trial has weight" if not len(counted) else f"all trials are labelled {int(counted[0])}"
        raise DatasetError(f"{kinds}: there must be trials of one speaker (1) and of two (0)")
    return same, scores, weight


def _same(labels: Sequence[int]) -> np.ndarray:
    """Return whether each label is 1 rather than 0."""
    values = np.asarray(labels)
    if values.dtype == bool and values.ndim == 1:
        return values
    if values.dtype.kind not in "iuf" or values.ndim != 1:
        # Not through NumPy, which would make text of a 0 beside a text.
        wrong = [label for label in labels if not (np.isscalar(label) and label in (0, 1))]
        if wrong:
            raise DatasetError(f"label {wrong[0]!r} is neither 1 (the same speaker) nor 0 (another)")
        return np.array([bool(label) for label in labels])
    same = values == 1
    right = same | (values == 0)
    if not right.all():
        raise DatasetError(f"label {values[np.argmin(right)]} is neither 1 (the same speaker) nor 0 (another)")
    return same


def _numbers(name: str, values: Sequence[float]) -> np.ndarray:
    try:
        numbers = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DatasetError(f"a {name} is not a number: {error}") from None
    if numbers.ndim != 1:
        raise DatasetError(f"expected one {name} a trial, not an array of shape {numbers.shape}")
    finite = np.isfinite(numbers)
    if not finite.all():
        at = int(np.argmin(finite))
        raise DatasetError(f"the {name} of trial {at} is {numbers[at]}, not a finite number")
    return numbers

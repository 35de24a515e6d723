"""Calibration of the speaker threshold: choose recordings, pair them, and find the score that separates the pairs.

Needs no MXNet.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from mxnet_audio.errors import DatasetError, ParameterError
from mxnet_audio.metrics import eer, roc

__all__ = ["MAX_EER", "ErrorRates", "check_far", "choose_recordings", "find_threshold", "trial_pairs"]

MAX_CALIBRATION = 1000  # recordings that a threshold is set by
CALIBRATION_PER_SPEAKER = 4  # recordings of one speaker among these, where there are so many
MAX_EER = 0.35  # equal error rate above which a threshold separates nothing; by chance it is 0.5


@dataclass(frozen=True)
class ErrorRates:
    """Error rates of a threshold, and the recordings that they were measured on.

    Attributes
    ----------
    far : float, 0 to 1
        False accept rate: share of the pairs of two speakers that pass.
    frr : float, 0 to 1
        False reject rate: share of the pairs of one speaker that do not pass.
    eer : float, 0 to 1
        Equal error rate, at another threshold.
    n_target, n_impostor : int
        Number of pairs of one speaker, and of two.
    source : str
        The recordings, in words.

    Examples
    --------
    >>> print(ErrorRates.measure(np.array([1, 1, 0, 0]), np.array([0.9, 0.7, 0.8, 0.1]), 0.75, "four recordings"))
    50.0% of 2 pairs of two speakers pass, 50.0% of 2 pairs of one speaker do not (four recordings)
    """

    far: float
    frr: float
    eer: float
    n_target: int
    n_impostor: int
    source: str

    @classmethod
    def measure(cls, labels: np.ndarray, scores: np.ndarray, threshold: float, source: str) -> ErrorRates:
        """Measure the rates of a threshold on pairs, given as for `find_threshold`."""
        same = labels == 1
        far, frr = (float(np.mean(wrong)) for wrong in (scores[~same] >= threshold, scores[same] < threshold))
        return cls(far, frr, eer(labels, scores)[0], int(same.sum()), int((~same).sum()), source)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ErrorRates:
        """Make rates from what `dataclasses.asdict` gave; KeyError, TypeError or ValueError if they are damaged."""
        far, frr, rate = (float(values[name]) for name in ("far", "frr", "eer"))
        return cls(far, frr, rate, int(values["n_target"]), int(values["n_impostor"]), str(values["source"]))

    def __str__(self) -> str:
        accepted = f"{self.far:.1%} of {self.n_impostor:,} pairs of two speakers pass"
        return f"{accepted}, {self.frr:.1%} of {self.n_target:,} pairs of one speaker do not ({self.source})"


def choose_recordings(speakers: Sequence[Hashable], limit: int, min_per_speaker: int = 1) -> list[int]:
    """Choose at most `limit` recordings, as evenly over the speakers as possible.

    Parameters
    ----------
    speakers : sequence of hashable
        Speaker of each recording.
    limit : int >= 0
        Number of recordings to choose at most.
    min_per_speaker : int > 0
        Number of recordings to choose of each chosen speaker, or all of them if there are fewer. With many speakers,
        some are left out for it.

    Returns
    -------
    list of int
        Indices of the recordings, ascending.

    Examples
    --------
    >>> choose_recordings(["a", "a", "a", "b"], 3)
    [0, 1, 3]
    >>> choose_recordings(["a", "b", "c", "a", "b", "c"], 4, min_per_speaker=2)
    [0, 1, 3, 4]
    """
    counts: Counter[Hashable] = Counter()
    order: dict[Hashable, int] = {}
    candidates = []
    for index, speaker in enumerate(speakers):
        counts[speaker] += 1
        surplus = order.setdefault(speaker, len(order)) >= max(limit // min_per_speaker, 1)
        candidates.append((surplus, max(counts[speaker], min_per_speaker), index))
    return sorted(index for *_, index in sorted(candidates)[:limit])


def trial_pairs(
    speakers: np.ndarray, sessions: np.ndarray, held_out: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Pair all recordings, except those of one speaker in one session: their scores are too high.

    Parameters
    ----------
    speakers, sessions : np.ndarray [shape=(n,)]
        Speaker and session of each recording.
    held_out : np.ndarray [shape=(n,)], bool, optional
        Recordings that were not trained on. Only these are paired, if that gives pairs of one speaker and of two;
        otherwise each is also paired with the recordings that were trained on.

    Returns
    -------
    first, second : np.ndarray [shape=(trials,)]
        Indices of the two recordings of each pair.

    Examples
    --------
    >>> trial_pairs(np.array(["a", "a", "b"]), np.array([1, 1, 2]))
    (array([0, 1]), array([2, 2]))
    """
    first, second = np.triu_indices(len(speakers), 1)
    same = speakers[first] == speakers[second]
    usable = ~(same & (sessions[first] == sessions[second]))
    if held_out is not None:
        both = usable & held_out[first] & held_out[second]
        has_both_kinds = len(np.unique(same[both])) == 2
        usable = both if has_both_kinds else usable & (held_out[first] | held_out[second])
    return first[usable], second[usable]


def check_far(far: float | None) -> None:
    """Raise ParameterError unless a false accept rate is between 0 and 1, or None."""
    if far is not None and not (isinstance(far, Real) and 0 < far < 1):
        raise ParameterError(f"far must be between 0 and 1, got {far!r}")


def find_threshold(labels: np.ndarray, scores: np.ndarray, far: float | None = None) -> float:
    """Find the score from which two recordings count as one speaker's.

    It is the score of equal error rates, or the lowest whose false accept rate is at most `far`. If the scores of the
    two kinds do not overlap, it is the middle between them.

    Parameters
    ----------
    labels, scores : np.ndarray [shape=(trials,)]
        1 for one speaker and 0 for two; higher scores for more similar recordings.
    far : float in (0, 1), optional
        False accept rate.

    Returns
    -------
    float

    Raises
    ------
    ParameterError
        If `far` is not between 0 and 1.
    DatasetError
        If all trials are of one kind, or there are too few for `far`.

    Examples
    --------
    >>> find_threshold(np.array([1, 0]), np.array([0.75, 0.25]))
    0.5
    """
    check_far(far)
    impostors = int((labels == 0).sum())
    if impostors == len(labels):
        raise DatasetError("no speaker has two recordings (of two sessions, where sessions are given) to compare")
    if not impostors:
        raise DatasetError("there are no two speakers to compare")
    if far is not None and far * impostors < 1:
        reason = f"a false accept rate of {far:g} needs {np.ceil(1 / far):g} pairs of two speakers, found {impostors}"
        raise DatasetError(f"{reason}: give more recordings, or a far of at least 1/{impostors}")
    rate, threshold = eer(labels, scores)
    if rate == 0:
        return float((scores[labels == 1].min() + scores[labels == 0].max()) / 2)
    if far is None:
        return float(threshold)
    rates, _, thresholds = roc(labels, scores)
    return float(np.min(thresholds[rates <= far]))

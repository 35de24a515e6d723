"""From which score on two voices count as one speaker's: which recordings are compared, and where the threshold is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from mxnet_audio.errors import DatasetError
from mxnet_audio.metrics import eer, roc

__all__ = ["spread", "threshold_of", "trials_of"]


def spread(speakers: Sequence, most: int, least: int = 1) -> list[int]:
    """Positions of at most so many recordings, as many of each speaker as possible, in order.

    Parameters
    ----------
    speakers : sequence of hashable
        Who speaks in each recording.
    most : int >= 0
        How many to take.
    least : int > 0
        Of a speaker, so many or all there are: where speakers are many, some are left out for it.

    Examples
    --------
    >>> spread(["a", "a", "a", "b"], 3)
    [0, 1, 3]
    >>> spread(["a", "b", "c", "a", "b", "c"], 4, least=2)
    [0, 1, 3, 4]
    """
    counts: Counter = Counter()
    order = {}
    turns = []
    for place, speaker in enumerate(speakers):
        counts[speaker] += 1
        turn = counts[speaker]
        late = order.setdefault(speaker, len(order)) >= max(most // least, 1)
        turns.append((late, max(turn, least), place))
    return sorted(place for *_, place in sorted(turns)[:most])


def trials_of(
    speakers: np.ndarray, sessions: np.ndarray, held: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of recordings, by their positions, but those of one speaker in one session: they would flatter.

    Parameters
    ----------
    speakers, sessions : np.ndarray [shape=(n,)]
        Of each recording.
    held : np.ndarray [shape=(n,)], bool, optional
        Recordings that were not trained on: only these are compared with one another; or, where those leave no pairs
        of one speaker or none of two, with the others too.

    Returns
    -------
    first, second : np.ndarray [shape=(trials,)]

    Examples
    --------
    >>> trials_of(np.array(["a", "a", "b"]), np.array([1, 1, 2]))
    (array([0, 1]), array([2, 2]))
    """
    first, second = np.triu_indices(len(speakers), 1)
    same = speakers[first] == speakers[second]
    usable = ~(same & (sessions[first] == sessions[second]))
    if held is not None:
        both = usable & held[first] & held[second]
        usable = both if len(np.unique(same[both])) == 2 else usable & (held[first] | held[second])
    return first[usable], second[usable]


def threshold_of(labels: np.ndarray, scores: np.ndarray, far: float | None = None) -> float:
    """Score of equal errors, or that lets in a share of impostors; between the two kinds, where nothing is mistaken.

    Raises
    ------
    DatasetError
        If there are trials of one kind only, or too few to tell such a share, or `far` is none.

    Examples
    --------
    >>> threshold_of(np.array([1, 0]), np.array([0.75, 0.25]))
    0.5
    """
    if far is not None and not 0 < far < 1:
        raise DatasetError(f"far is a share of impostors between 0 and 1, not {far}")
    impostors = int((labels == 0).sum())
    if impostors == len(labels):
        raise DatasetError("no speaker has two recordings (of two sessions, where they are known) to be compared")
    if not impostors:
        raise DatasetError("there are no two speakers to be compared")
    if far is not None and far * impostors < 1:
        reason = f"one of {1 / far:.0f} impostors is asked for, and there are {impostors} pairs of two speakers"
        raise DatasetError(f"{reason}: give more recordings, or a far of 1/{impostors} or more")
    rate, threshold = eer(labels, scores)
    if rate == 0:
        return float((scores[labels == 1].min() + scores[labels == 0].max()) / 2)
    if far is None:
        return float(threshold)
    rates, _, thresholds = roc(labels, scores)
    return float(np.min(thresholds[rates <= far]))

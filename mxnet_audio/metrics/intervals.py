"""How sure a measure of trials is: other speakers might have been asked."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import numpy as np

from mxnet_audio.errors import DatasetError
from mxnet_audio.metrics.trials import checked_trials

__all__ = ["bootstrap"]


def bootstrap(
    measure: Callable[..., float | tuple],
    labels: Sequence[int],
    scores: Sequence[float],
    speakers: Sequence[tuple[Hashable, Hashable]],
    n_resamples: int = 1000,
    level: float = 0.95,
    random_state: int | None = 0,
) -> tuple[float, float]:
    """Return the interval in which a measure lies, had other speakers been asked.

    Trials that share a speaker are alike, so it is speakers that are drawn with replacement, as many as there are [1]_.
    A trial of two speakers then counts as many times as the product of the times that each was drawn, a trial of
    one speaker as many times as he was. Draws that leave no trial of one kind are made anew.

    Parameters
    ----------
    measure : callable
        Called with labels, scores and weights; returns a float, or a tuple that begins with it, as
        :func:`~mxnet_audio.metrics.eer` and :func:`~mxnet_audio.metrics.min_dcf` do. The trials come in the order
        of falling scores.
    labels, scores
        The trials, see :func:`~mxnet_audio.metrics.roc`.
    speakers : sequence [n] of (speaker, speaker)
        Whose the two sounds of each trial are.
    n_resamples : int > 0
        How many draws.
    level : 0 < float < 1
        Share of the draws that lie in the interval.
    random_state : int, optional
        Seed of the draws.

    Returns
    -------
    low, high : float
        Percentiles of the measure over the draws.

    Raises
    ------
    DatasetError
        See :func:`~mxnet_audio.metrics.roc`; or the speakers are not one pair a trial, contradict the labels, or are
        one only.
    ValueError
        If ``n_resamples`` or ``level`` is out of range.

    References
    ----------
    .. [1] T. A. B. Snijders, S. P. Borgatti, "Non-parametric standard errors and tests for network statistics",
       Connections 22(2), 1999: the bootstrap of nodes where the data are pairs.

    Examples
    --------
    >>> from itertools import combinations
    >>> from mxnet_audio.metrics import eer
    >>> sounds = [("ann", 0.0), ("ann", 0.1), ("bob", 1.0), ("bob", 1.4), ("cy", 1.3), ("cy", 1.2)]
    >>> pairs = list(combinations(sounds, 2))
    >>> speakers = [(a[0], b[0]) for a, b in pairs]
    >>> labels, scores = [a == b for a, b in speakers], [-abs(a[1] - b[1]) for a, b in pairs]
    >>> low, high = bootstrap(eer, labels, scores, speakers, n_resamples=200)
    >>> low <= eer(labels, scores)[0] <= high
    True
    """
    if n_resamples < 1 or not 0 < level < 1:
        raise ValueError(f"n_resamples {n_resamples} is below 1, or level {level} not between 0 and 1")
    pairs, n_speakers = _coded(speakers)
    if n_speakers == 1:
        raise DatasetError("all trials are of one speaker: an interval over speakers needs two or more")
    same, scores, _ = checked_trials(labels, scores, None)
    if len(pairs) != len(same):
        raise DatasetError(f"{len(pairs)} pairs of speakers with {len(same)} trials")
    wrong = np.flatnonzero((pairs[:, 0] == pairs[:, 1]) != same)
    if len(wrong):
        at = int(wrong[0])
        raise DatasetError(f"trial {at} is labelled {int(same[at])}, but its speakers are {tuple(speakers[at])}")
    # Sorted once: measures find that out, and need not sort again for each draw.
    order = np.argsort(-scores, kind="stable")
    same, scores, (first, second) = same[order], scores[order], pairs[order].T
    rng = np.random.default_rng(random_state)
    values = []
    for _ in range(n_resamples):
        value = measure(same, scores, _drawn(rng, same, first, second, n_speakers))
        values.append(value[0] if isinstance(value, tuple) else value)
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _drawn(
    rng: np.random.Generator, same: np.ndarray, first: np.ndarray, second: np.ndarray, n_speakers: int
) -> np.ndarray:
    """Return the weight of each trial when as many speakers as there are are drawn with replacement."""
    # Of two speakers or more, trials of both kinds are left in a fifth of the draws at least.
    for _ in range(1000):
        times = np.bincount(rng.integers(n_speakers, size=n_speakers), minlength=n_speakers).astype(float)
        weight = np.where(same, 1.0, times[second]) * times[first]
        if weight[same].any() and weight[~same].any():
            return weight
    raise DatasetError(f"no draw of {n_speakers} speakers leaves trials of both kinds")


def _coded(speakers: Sequence[tuple[Hashable, Hashable]]) -> tuple[np.ndarray, int]:
    """Return the speakers as numbers [n, 2], and how many there are."""
    codes: dict[Hashable, int] = {}
    try:
        pairs = [(codes.setdefault(a, len(codes)), codes.setdefault(b, len(codes))) for a, b in speakers]
    except (TypeError, ValueError):
        raise DatasetError("speakers are one pair (speaker, speaker) a trial") from None
    return np.array(pairs, dtype=np.intp).reshape(-1, 2), len(codes)

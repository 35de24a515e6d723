"""Confidence intervals of verification measures, by resampling speakers."""

from __future__ import annotations

from collections.abc import Callable, Hashable

import numpy as np

from mxnet_audio.checks import real_number, whole_number
from mxnet_audio.errors import DatasetError, ParameterError
from mxnet_audio.metrics.trials import Labels, Numbers, SpeakerPairs, checked_trials

__all__ = ["bootstrap"]


def bootstrap(
    measure: Callable[..., float | tuple],
    labels: Labels,
    scores: Numbers,
    speakers: SpeakerPairs,
    n_resamples: int = 1000,
    level: float = 0.95,
    random_state: int | None = 0,
) -> tuple[float, float]:
    """Compute the confidence interval of a measure over other sets of speakers.

    Trials that share a speaker are correlated, so speakers are resampled with replacement, as many as there are [1]_.
    A trial of two speakers is then weighted by the product of the counts of both, a trial of one speaker by the count
    of that speaker. A sample without trials of one kind is drawn again.

    Parameters
    ----------
    measure : callable
        Called with labels, scores and weights; returns a float, or a tuple that begins with it, as
        :func:`~mxnet_audio.metrics.eer` and :func:`~mxnet_audio.metrics.min_dcf` do. The trials are sorted by
        falling score.
    labels, scores
        The trials, see :func:`~mxnet_audio.metrics.roc`.
    speakers : sequence [n] of (speaker, speaker)
        The speakers of the two recordings of each trial.
    n_resamples : int > 0
        Number of samples.
    level : 0 < float < 1
        Share of the samples that lie in the interval.
    random_state : int, optional
        Seed of the samples.

    Returns
    -------
    low, high : float
        Percentiles of the measure over the samples.

    Raises
    ------
    DatasetError
        If the trials cannot be evaluated (see :func:`~mxnet_audio.metrics.roc`), the speakers contradict the labels,
        or there is one speaker only.
    ParameterError
        If ``n_resamples`` or ``level`` is out of range, or ``speakers`` is not one pair per trial.

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
    n_resamples = whole_number("n_resamples", n_resamples)
    real_number("level", level, above=0)
    if level >= 1:
        raise ParameterError(f"level must be between 0 and 1, got {level}")
    pairs, n_speakers = _speaker_codes(speakers)
    if n_speakers == 1:
        raise DatasetError("all trials are of one speaker: an interval over speakers needs two or more")
    same, scores, _ = checked_trials(labels, scores, None)
    if len(pairs) != len(same):
        raise ParameterError(f"speakers must have one pair per trial, got {len(pairs)} pairs and {len(same)} trials")
    wrong = np.flatnonzero((pairs[:, 0] == pairs[:, 1]) != same)
    if len(wrong):
        trial = int(wrong[0])
        raise DatasetError(
            f"trial {trial} has the label {int(same[trial])}, but its speakers are {tuple(speakers[trial])}"
        )
    # Sorted once: the measures detect sorted scores and need not sort again for each sample.
    order = np.argsort(-scores, kind="stable")
    same, scores, (first, second) = same[order], scores[order], pairs[order].T
    rng = np.random.default_rng(random_state)
    values = []
    for _ in range(n_resamples):
        value = measure(same, scores, _resampled_weights(rng, same, first, second, n_speakers))
        values.append(value[0] if isinstance(value, tuple) else value)
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _resampled_weights(
    rng: np.random.Generator, same: np.ndarray, first: np.ndarray, second: np.ndarray, n_speakers: int
) -> np.ndarray:
    """Return the weight of each trial after resampling the speakers with replacement."""
    # With two speakers or more, at least a fifth of the samples has trials of both kinds.
    for _ in range(1000):
        count = np.bincount(rng.integers(n_speakers, size=n_speakers), minlength=n_speakers).astype(float)
        weight = np.where(same, 1.0, count[second]) * count[first]
        if weight[same].any() and weight[~same].any():
            return weight
    raise DatasetError(f"no sample of {n_speakers} speakers has trials of both kinds")


def _speaker_codes(speakers: SpeakerPairs) -> tuple[np.ndarray, int]:
    """Return the speakers as integers [shape=(n, 2)], and the number of speakers."""
    codes: dict[Hashable, int] = {}
    try:
        pairs = [(codes.setdefault(a, len(codes)), codes.setdefault(b, len(codes))) for a, b in speakers]
    except (TypeError, ValueError):
        raise ParameterError("speakers must be a sequence of pairs (speaker, speaker), one per trial") from None
    return np.array(pairs, dtype=np.intp).reshape(-1, 2), len(codes)

"""How good a comparison of speakers is: error rates, detection cost and pair accuracy.

Trials have a score (higher: more alike) and a label (1: the same speaker, 0: two). A score at or above a threshold
is taken for the same speaker. FAR is the share of the 0s that are taken for 1, FRR the share of the 1s that are not,
TAR the rest of these.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.metrics import roc_curve
from sklearn.model_selection import StratifiedKFold

from mxnet_audio.errors import DatasetError
from mxnet_audio.metrics.trials import checked_trials, error_curve

__all__ = ["eer", "min_dcf", "pair_accuracy", "roc", "tar_at_far"]


def roc(
    labels: Sequence[int], scores: Sequence[float], sample_weight: Sequence[float] | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what each threshold costs: the receiver operating characteristic.

    Parameters
    ----------
    labels : sequence [n] of {0, 1}
        1 where a trial is of one speaker, 0 where of two.
    scores : sequence [n] of float
        Finite; higher where the two sounds are more alike.
    sample_weight : sequence [n] of float >= 0, optional
        How many trials each stands for.

    Returns
    -------
    far, tar : np.ndarray [shape=(thresholds,)], 0 to 1
        False and true accept rate, from (0, 0) to (1, 1).
    thresholds : np.ndarray [shape=(thresholds,)]
        Every score that occurs, falling; infinity before them, at which nothing is accepted.

    Raises
    ------
    DatasetError
        If there is no trial, or only trials of one kind; a label is neither 0 nor 1; a score is not a finite
        number, or a weight not one of 0 or more; or there is not one label, score and weight a trial.

    See Also
    --------
    sklearn.metrics.roc_curve : which this calls, every threshold kept.

    Examples
    --------
    >>> far, tar, thresholds = roc([1, 1, 0, 0], [0.9, 0.4, 0.6, 0.1])
    >>> far.tolist(), tar.tolist(), thresholds.tolist()
    ([0.0, 0.0, 0.5, 0.5, 1.0], [0.0, 0.5, 0.5, 1.0, 1.0], [inf, 0.9, 0.6, 0.4, 0.1])
    """
    same, scores, weight = checked_trials(labels, scores, sample_weight)
    return roc_curve(same, scores, sample_weight=weight, drop_intermediate=False)


def eer(
    labels: Sequence[int], scores: Sequence[float], sample_weight: Sequence[float] | None = None
) -> tuple[float, float]:
    """Return the equal error rate: as many of the 0s are accepted as of the 1s rejected.

    The points (FAR, FRR) of all thresholds are joined by straight lines, and the rate is where these cross
    FAR = FRR. The lines go through every point: not along the convex hull, which would give less.

    Parameters
    ----------
    labels, scores, sample_weight
        The trials, see :func:`roc`.

    Returns
    -------
    rate : float, 0 to 1
    threshold : float
        The score at which the two rates lie nearest to each other.

    Raises
    ------
    DatasetError
        See :func:`roc`.

    Examples
    --------
    >>> eer([1, 1, 1, 0, 0, 0], [0.9, 0.7, 0.3, 0.5, 0.2, 0.1])
    (0.3333333333333333, 0.5)
    """
    curve = error_curve(*checked_trials(labels, scores, sample_weight))
    # Both rates change one way only, so their difference rises from -1 to 1 and is 0 once.
    difference = curve.far - curve.frr
    after = int(np.argmax(difference >= 0))
    before = after - 1
    part = difference[before] / (difference[before] - difference[after])
    rate = curve.far[before] + part * (curve.far[after] - curve.far[before])
    # The first point's threshold is infinity, and no score.
    nearest = before if before > 0 and -difference[before] < difference[after] else after
    return float(rate), float(curve.thresholds[nearest])


def min_dcf(
    labels: Sequence[int],
    scores: Sequence[float],
    p_target: float = 0.01,
    c_miss: float = 1.0,
    c_fa: float = 1.0,
    sample_weight: Sequence[float] | None = None,
) -> tuple[float, float]:
    """Return the least detection cost that a threshold can have.

    ``c_miss * p_target * FRR + c_fa * (1 - p_target) * FAR``, divided by what the better of two systems would cost
    that don't listen: the one that accepts nothing, and the one that accepts everything. So 1 is as good as no system.

    Parameters
    ----------
    labels, scores
        The trials, see :func:`roc`.
    p_target : 0 < float < 1
        How likely a trial is of one speaker where the system is used. The default and those of the costs are those of
        VoxCeleb1 [2]_; later VoxSRC challenges took 0.05.
    c_miss, c_fa : float > 0
        Cost of rejecting the same speaker, and of accepting another.
    sample_weight : sequence [n] of float >= 0, optional
        How many trials each stands for.

    Returns
    -------
    cost : float, 0 to 1
    threshold : float
        The highest of this cost; infinity if it is best to accept nothing.

    Raises
    ------
    DatasetError
        See :func:`roc`.
    ValueError
        If ``p_target`` or a cost is out of range.

    References
    ----------
    .. [1] NIST, "2016 Speaker Recognition Evaluation Plan" (SRE16), section 3, normalised detection cost.
    .. [2] A. Nagrani, J. S. Chung, A. Zisserman, "VoxCeleb: a large-scale speaker identification dataset",
       Interspeech 2017, arXiv:1706.08612.

    Examples
    --------
    >>> min_dcf([1, 1, 0, 0], [0.9, 0.4, 0.6, 0.1])
    (0.5, 0.9)
    """
    if not (0 < p_target < 1 and c_miss > 0 and c_fa > 0):
        raise ValueError(f"p_target {p_target} is not between 0 and 1, or a cost ({c_miss}, {c_fa}) not above 0")
    curve = error_curve(*checked_trials(labels, scores, sample_weight))
    miss, fa = c_miss * p_target, c_fa * (1 - p_target)
    # Divided before it is added, so that accepting nothing, or everything, costs 1.0 exactly.
    costs = curve.frr * (miss / min(miss, fa)) + curve.far * (fa / min(miss, fa))
    best = int(np.argmin(costs))
    return float(costs[best]), float(curve.thresholds[best])


def tar_at_far(
    labels: Sequence[int],
    scores: Sequence[float],
    far: float | Sequence[float],
    sample_weight: Sequence[float] | None = None,
) -> float | np.ndarray:
    """Return the best true accept rate of the thresholds whose false accept rate is at most ``far``.

    Nothing is interpolated: a rate below ``1 / n`` allows none of ``n`` trials of two speakers.

    Parameters
    ----------
    labels, scores, sample_weight
        The trials, see :func:`roc`.
    far : float or sequence of float, 0 to 1
        False accept rates.

    Returns
    -------
    float or np.ndarray [shape=far.shape], 0 to 1

    Raises
    ------
    DatasetError
        See :func:`roc`.
    ValueError
        If ``far`` is not between 0 and 1.

    Examples
    --------
    >>> tar_at_far([1, 1, 0, 0], [0.9, 0.4, 0.6, 0.1], 0.1)
    0.5
    >>> tar_at_far([1, 1, 0, 0], [0.9, 0.4, 0.6, 0.1], [0, 0.5])
    array([0.5, 1. ])
    """
    allowed = np.asarray(far, dtype=float)
    if not np.all((allowed >= 0) & (allowed <= 1)):
        raise ValueError(f"a false accept rate is from 0 to 1, not {far}")
    curve = error_curve(*checked_trials(labels, scores, sample_weight))
    # Sums of weights like 0.1 are not exact: 3 of 10 such would be a little more than 0.3.
    best = 1 - curve.frr[np.searchsorted(curve.far, allowed + 1e-12, side="right") - 1]
    return best if allowed.ndim else float(best)


def pair_accuracy(
    labels: Sequence[int], scores: Sequence[float], n_folds: int = 10, random_state: int | None = 0
) -> tuple[float, float, list[float]]:
    """Return the share of right answers where the threshold was chosen on other pairs.

    The measure of LFW [1]_, and of GluonAR: the pairs are dealt to folds, and each fold is judged with the threshold
    that is best on all others. Folds here have the same share of each kind and are dealt by chance; pairs that share a
    speaker may lie in two.

    Parameters
    ----------
    labels, scores
        The trials, see :func:`roc`. The more one kind outnumbers the other, the less this says: LFW has as many of
        each.
    n_folds : int > 1
        How many folds.
    random_state : int, optional
        Seed of the dealing.

    Returns
    -------
    mean, std : float
        Over the folds, the standard deviation being that of the folds themselves (``ddof=0``).
    accuracies : list [n_folds] of float
        Of each fold, 0 to 1.

    Raises
    ------
    DatasetError
        See :func:`roc`; or there are fewer than ``n_folds`` of one kind.
    ValueError
        If ``n_folds`` is below 2.

    References
    ----------
    .. [1] G. B. Huang, M. Ramesh, T. Berg, E. Learned-Miller, "Labeled Faces in the Wild", Technical Report 07-49,
       University of Massachusetts, Amherst, 2007 (View 2).

    Examples
    --------
    >>> pair_accuracy([1, 1, 1, 1, 0, 0, 0, 0], [0.9, 0.8, 0.7, 0.3, 0.4, 0.2, 0.2, 0.1], n_folds=2)
    (0.875, 0.125, [0.75, 1.0])
    """
    if n_folds < 2:
        raise ValueError(f"n_folds must be at least 2, not {n_folds}")
    same, scores, _ = checked_trials(labels, scores, None)
    fewest = min(same.sum(), (~same).sum())
    if fewest < n_folds:
        raise DatasetError(f"{n_folds} folds need as many trials of each kind, and there are {fewest} of one")
    accuracies = []
    for others, fold in StratifiedKFold(n_folds, shuffle=True, random_state=random_state).split(scores, same):
        accepted = scores[fold] >= _best_threshold(same[others], scores[others])
        accuracies.append(float(np.mean(accepted == same[fold])))
    return float(np.mean(accuracies)), float(np.std(accuracies)), accuracies


def _best_threshold(same: np.ndarray, scores: np.ndarray) -> float:
    """Return the threshold at which most trials are right, in the middle between two scores."""
    curve = error_curve(same, scores, None)
    n = len(same)
    n_target = same.sum()
    best = int(np.argmax(n_target * (1 - curve.frr) + (n - n_target) * (1 - curve.far)))
    if best in (0, len(curve.far) - 1):
        return np.inf if best == 0 else -np.inf
    accepted, rejected = curve.thresholds[best : best + 2]
    middle = accepted / 2 + rejected / 2
    return float(middle if middle > rejected else accepted)

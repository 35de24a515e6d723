"""Measures of speaker verification: error rates, detection cost and pair accuracy.

A trial has a score (higher: more similar) and a label (1: same speaker, 0: two speakers). A trial is accepted if its
score is at or above a threshold. FAR is the share of the 0s that are accepted, FRR the share of the 1s that are
rejected, and TAR is 1 - FRR.
"""

from __future__ import annotations

import numpy as np

from mxnet_audio.checks import real_number, whole_number
from mxnet_audio.errors import DatasetError, ParameterError
from mxnet_audio.metrics.trials import Labels, Numbers, checked_trials, error_curve

__all__ = ["eer", "min_dcf", "pair_accuracy", "roc", "tar_at_far"]


def roc(
    labels: Labels, scores: Numbers, sample_weight: Numbers | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compute the receiver operating characteristic.

    Parameters
    ----------
    labels : sequence [n] of {0, 1}
        1 for a trial of one speaker, 0 for a trial of two speakers.
    scores : sequence [n] of float
        Finite similarities; higher for more similar recordings.
    sample_weight : sequence [n] of float >= 0, optional
        Weight of each trial: the number of trials that it represents.

    Returns
    -------
    far, tar : np.ndarray [shape=(thresholds,)], 0 to 1
        False and true accept rate, from (0, 0) to (1, 1).
    thresholds : np.ndarray [shape=(thresholds,)]
        Infinity, at which no trial is accepted, and every distinct score, falling.

    Raises
    ------
    DatasetError
        If there are no trials, or only trials of one kind; a label is neither 0 nor 1; a score is not a finite
        number; or a weight is negative or not finite.
    ParameterError
        If labels, scores and weights differ in length or have more than one axis.

    See Also
    --------
    sklearn.metrics.roc_curve : the implementation, here with every threshold kept

    Examples
    --------
    >>> far, tar, thresholds = roc([1, 1, 0, 0], [0.9, 0.4, 0.6, 0.1])
    >>> far.tolist(), tar.tolist(), thresholds.tolist()
    ([0.0, 0.0, 0.5, 0.5, 1.0], [0.0, 0.5, 0.5, 1.0, 1.0], [inf, 0.9, 0.6, 0.4, 0.1])
    """
    same, scores, weight = checked_trials(labels, scores, sample_weight)
    from sklearn.metrics import roc_curve  # 0.4 s, which is not needed to verify or identify a speaker

    return roc_curve(same, scores, sample_weight=weight, drop_intermediate=False)


def eer(labels: Labels, scores: Numbers, sample_weight: Numbers | None = None) -> tuple[float, float]:
    """Compute the equal error rate, at which FAR and FRR are equal.

    The points (FAR, FRR) of all thresholds are joined by straight lines, and the rate is where these cross
    FAR = FRR. The lines go through every point, not along the convex hull, which would give a lower rate.

    Parameters
    ----------
    labels, scores, sample_weight
        The trials, see :func:`roc`.

    Returns
    -------
    rate : float, 0 to 1
    threshold : float
        The score at which the two rates are closest.

    Raises
    ------
    DatasetError, ParameterError
        See :func:`roc`.

    Examples
    --------
    >>> eer([1, 1, 1, 0, 0, 0], [0.9, 0.7, 0.3, 0.5, 0.2, 0.1])
    (0.3333333333333333, 0.5)
    """
    curve = error_curve(*checked_trials(labels, scores, sample_weight))
    # Both rates are monotonic, so their difference rises from -1 to 1 and is 0 once.
    difference = curve.far - curve.frr
    after = int(np.argmax(difference >= 0))
    before = after - 1
    part = difference[before] / (difference[before] - difference[after])
    rate = curve.far[before] + part * (curve.far[after] - curve.far[before])
    # The threshold of the first point is infinity, which is not a score.
    nearest = before if before > 0 and -difference[before] < difference[after] else after
    return float(rate), float(curve.thresholds[nearest])


def min_dcf(
    labels: Labels,
    scores: Numbers,
    p_target: float = 0.01,
    c_miss: float = 1.0,
    c_fa: float = 1.0,
    sample_weight: Numbers | None = None,
) -> tuple[float, float]:
    """Compute the minimum detection cost over all thresholds.

    The cost is ``c_miss * p_target * FRR + c_fa * (1 - p_target) * FAR``, divided by the cost of the better of two
    trivial systems: one that accepts nothing and one that accepts everything. So a cost of 1 is as good as no system.

    Parameters
    ----------
    labels, scores
        The trials, see :func:`roc`.
    p_target : 0 < float < 1
        Prior probability of a trial of one speaker in the application. This default and those of the costs are
        VoxCeleb1's [2]_; later VoxSRC challenges used 0.05.
    c_miss, c_fa : float > 0
        Cost of a false rejection, and of a false acceptance.
    sample_weight : sequence [n] of float >= 0, optional
        Weight of each trial: the number of trials that it represents.

    Returns
    -------
    cost : float, 0 to 1
    threshold : float
        The highest threshold of minimum cost; infinity if accepting nothing costs least.

    Raises
    ------
    DatasetError
        See :func:`roc`.
    ParameterError
        If ``p_target`` or a cost is out of range; see also :func:`roc`.

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
    real_number("p_target", p_target, above=0)
    if p_target >= 1:
        raise ParameterError(f"p_target must be between 0 and 1, got {p_target}")
    real_number("c_miss", c_miss, above=0)
    real_number("c_fa", c_fa, above=0)
    curve = error_curve(*checked_trials(labels, scores, sample_weight))
    miss, fa = c_miss * p_target, c_fa * (1 - p_target)
    # Divided before the sum, so that accepting nothing, or everything, costs exactly 1.0.
    costs = curve.frr * (miss / min(miss, fa)) + curve.far * (fa / min(miss, fa))
    best = int(np.argmin(costs))
    return float(costs[best]), float(curve.thresholds[best])


def tar_at_far(
    labels: Labels,
    scores: Numbers,
    far: float | Numbers,
    sample_weight: Numbers | None = None,
) -> float | np.ndarray:
    """Compute the highest true accept rate at a false accept rate of at most ``far``.

    There is no interpolation: a rate below ``1 / n`` accepts none of ``n`` trials of two speakers.

    Parameters
    ----------
    labels, scores, sample_weight
        The trials, see :func:`roc`.
    far : float or sequence of float, 0 to 1
        Allowed false accept rates.

    Returns
    -------
    float or np.ndarray [shape=far.shape], 0 to 1

    Raises
    ------
    DatasetError
        See :func:`roc`.
    ParameterError
        If ``far`` is not between 0 and 1; see also :func:`roc`.

    Examples
    --------
    >>> tar_at_far([1, 1, 0, 0], [0.9, 0.4, 0.6, 0.1], 0.1)
    0.5
    >>> tar_at_far([1, 1, 0, 0], [0.9, 0.4, 0.6, 0.1], [0, 0.5])
    array([0.5, 1. ])
    """
    allowed = np.asarray(far, dtype=float)
    if not np.all((allowed >= 0) & (allowed <= 1)):
        raise ParameterError(f"far must be between 0 and 1, got {far}")
    curve = error_curve(*checked_trials(labels, scores, sample_weight))
    # Sums of weights such as 0.1 are not exact: 3 of 10 of them are slightly more than 0.3.
    best = 1 - curve.frr[np.searchsorted(curve.far, allowed + 1e-12, side="right") - 1]
    return best if allowed.ndim else float(best)


def pair_accuracy(
    labels: Labels, scores: Numbers, n_folds: int = 10, random_state: int | None = 0
) -> tuple[float, float, list[float]]:
    """Compute the accuracy over folds, each with the threshold that is best on the other folds.

    This is the measure of LFW [1]_ and of GluonAR. The folds here are stratified and shuffled; pairs that share a
    speaker may lie in different folds.

    Parameters
    ----------
    labels, scores
        The trials, see :func:`roc`. The measure is meaningful if there are about as many of each kind, as in LFW.
    n_folds : int > 1
        Number of folds.
    random_state : int, optional
        Seed of the shuffling.

    Returns
    -------
    mean, std : float
        Mean and standard deviation (``ddof=0``) of the folds' accuracies.
    accuracies : list [n_folds] of float
        Accuracy of each fold, 0 to 1.

    Raises
    ------
    DatasetError
        If there are fewer than ``n_folds`` trials of one kind; see also :func:`roc`.
    ParameterError
        If ``n_folds`` is below 2; see also :func:`roc`.

    References
    ----------
    .. [1] G. B. Huang, M. Ramesh, T. Berg, E. Learned-Miller, "Labeled Faces in the Wild", Technical Report 07-49,
       University of Massachusetts, Amherst, 2007 (View 2).

    Examples
    --------
    >>> pair_accuracy([1, 1, 1, 1, 0, 0, 0, 0], [0.9, 0.8, 0.7, 0.3, 0.4, 0.2, 0.2, 0.1], n_folds=2)
    (0.875, 0.125, [0.75, 1.0])
    """
    n_folds = whole_number("n_folds", n_folds, 2)
    same, scores, _ = checked_trials(labels, scores, None)
    fewest = min(same.sum(), (~same).sum())
    if fewest < n_folds:
        raise DatasetError(f"{n_folds} folds need at least {n_folds} trials of each kind, got {fewest} of one kind")
    from sklearn.model_selection import StratifiedKFold

    accuracies = []
    for others, fold in StratifiedKFold(n_folds, shuffle=True, random_state=random_state).split(scores, same):
        accepted = scores[fold] >= _best_threshold(same[others], scores[others])
        accuracies.append(float(np.mean(accepted == same[fold])))
    return float(np.mean(accuracies)), float(np.std(accuracies)), accuracies


def _best_threshold(same: np.ndarray, scores: np.ndarray) -> float:
    """Return the threshold of the highest accuracy, halfway between two scores."""
    curve = error_curve(same, scores, None)
    n = len(same)
    n_target = same.sum()
    best = int(np.argmax(n_target * (1 - curve.frr) + (n - n_target) * (1 - curve.far)))
    if best in (0, len(curve.far) - 1):
        return np.inf if best == 0 else -np.inf
    accepted, rejected = curve.thresholds[best : best + 2]
    middle = accepted / 2 + rejected / 2
    return float(middle if middle > rejected else accepted)

"""Heads of frozen encoders: last layers that are fitted to embeddings, with calibrated probabilities."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_expit, log_softmax

from mxnet_audio.inference.known_sounds import KnownSounds, Standardization
from mxnet_audio.metrics.multilabel import choose_thresholds
from mxnet_audio.training.label_sets import distribute

__all__ = [
    "FittedHead",
    "Fold",
    "Layers",
    "calibrated",
    "cross_entropy",
    "fit_linear",
    "folded",
    "head_scores",
    "inner_folds",
]

FOLDS = 5
MAX_FOLDED_CLIPS = 2000  # more clips do not change the choice of the regularization, and take minutes
STRENGTHS = (0.01, 0.1, 1.0, 10.0)  # inverse regularization, scikit-learn's C
ABSENT = -1e3  # score of a class without clips

Layers = list[tuple[np.ndarray, np.ndarray]]  # weight [shape=(out, in)] and bias of each, with rectifiers in between
Fold = tuple[np.ndarray, np.ndarray]  # rows to fit on, and rows that are left out


@dataclass(frozen=True)
class FittedHead:
    """Fitted head, and the sounds that it knows.

    Attributes
    ----------
    layers : list of (np.ndarray, np.ndarray)
        Weight and bias of each layer, from embeddings to calibrated scores.
    known : KnownSounds or None
        None if there are too few clips: each class has a single one, or one group; or if clips have several labels.
    settings : dict of str to float
        Chosen settings: ``temperature``, and ``C`` of a linear head.
    thresholds : np.ndarray [shape=(classes,)] or None
        Threshold of each class if clips have several labels: that with the highest F1 on the clips that the folds leave
        out; 0.5 if there are too few.
    """

    layers: Layers
    known: KnownSounds | None
    settings: dict[str, float]
    thresholds: np.ndarray | None = None


def inner_folds(targets: np.ndarray, groups: np.ndarray | None, random_state: int) -> list[Fold]:
    """Return folds within the training clips, stratified, with the clips of a group in one fold.

    Parameters
    ----------
    targets : np.ndarray [shape=(n,) or (n, classes)]
        Class of each clip; or 1 for each label of a clip, else 0.
    groups : np.ndarray [shape=(n,)], int, or None
        Number of the recording, artist or speaker of each clip.
    random_state : int
        Seed.

    Returns
    -------
    list of (np.ndarray, np.ndarray)
        Rows to fit on, and rows that are left out, whose classes are all among the former if each clip has one. Of more
        than 2,000 clips, a random part. Empty if there are too few clips.

    Examples
    --------
    >>> [len(left_out) for _, left_out in inner_folds(np.array([0, 0, 1, 1, 1]), None, 0)]
    [2, 2, 1]
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold  # 0.4 s, which predictions do not need

    rows = np.random.default_rng(random_state).permutation(len(targets))[:MAX_FOLDED_CLIPS]
    targets = targets[rows]
    numbers = None if groups is None else np.unique(groups[rows], return_inverse=True)[1]
    largest = int((np.bincount(targets) if targets.ndim == 1 else targets.sum(axis=0)).max())
    k = min(FOLDS, largest, len(rows) if numbers is None else numbers.max() + 1)
    if k < 2:
        return []
    if targets.ndim == 2:
        counts = np.append(targets.sum(axis=0), len(targets))
        parts = distribute(targets, np.tile(counts / k, (k, 1)), random_state, None if groups is None else groups[rows])
        return [(rows[parts != part], rows[parts == part]) for part in np.unique(parts)]
    splitter = StratifiedKFold if groups is None else StratifiedGroupKFold
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # classes smaller than the number of folds
        splits = list(splitter(k, shuffle=True, random_state=random_state).split(rows, targets, numbers))
    folds = ((fit, left_out[np.isin(targets[left_out], targets[fit])]) for fit, left_out in splits)
    return [(rows[fit], rows[left_out]) for fit, left_out in folds if len(left_out) and len(set(targets[fit])) > 1]


def fit_linear(vectors: np.ndarray, targets: np.ndarray, classes: int, folds: Sequence[Fold]) -> FittedHead:
    """Fit a logistic regression, or one for each label, whose regularization the folds choose.

    Parameters
    ----------
    vectors : np.ndarray [shape=(n, dim)]
        Embeddings of the training clips.
    targets : np.ndarray [shape=(n,) or (n, classes)]
        Class of each; or 1 for each label, else 0.
    classes : int
        Number of classes; those without clips are never predicted.
    folds : sequence of (np.ndarray, np.ndarray)
        Result of `inner_folds`; without any, C is 1.

    Returns
    -------
    FittedHead
    """
    fits = [_logistic_path(vectors[fit], targets[fit], classes) for fit, _ in folds]
    candidates = []
    for strength in STRENGTHS if folds else ():
        scores = [head_scores(path(strength), vectors[left_out]) for path, (_, left_out) in zip(fits, folds)]
        candidates.append((_fit_temperature(scores, targets, folds)[1], strength, scores))
    _, strength, scores = min(candidates, default=(0.0, 1.0, []))
    layers = _logistic_path(vectors, targets, classes)(strength)
    return calibrated(layers, scores, vectors, targets, folds, C=strength)


def calibrated(
    layers: Layers,
    scores: Sequence[np.ndarray],
    vectors: np.ndarray,
    targets: np.ndarray,
    folds: Sequence[Fold],
    **settings: float,
) -> FittedHead:
    """Return a head that is fitted to all clips, calibrated by the clips that each fold leaves out.

    Parameters
    ----------
    layers : list of (np.ndarray, np.ndarray)
        Layers that are fitted to all vectors.
    scores : sequence of np.ndarray [shape=(left out, classes)]
        Scores of the clips that each fold leaves out, by layers that are fitted to the others.
    vectors, targets, folds
        As for `fit_linear`.
    **settings : float
        Settings of the fit, to which the temperature is added.
    """
    temperature = _fit_temperature(scores, targets, folds)[0] if folds else 1.0
    *others, (weight, bias) = layers
    layers, settings = [*others, (weight / temperature, bias / temperature)], {**settings, "temperature": temperature}
    if targets.ndim == 1:
        return FittedHead(layers, _known_sounds(vectors, targets, folds), settings)
    return FittedHead(layers, None, settings, _thresholds([one / temperature for one in scores], targets, folds))


def folded(layers: Layers, standardization: Standardization) -> Layers:
    """Return layers for vectors that are not standardized, given those for standardized ones."""
    (weight, bias), *others = layers
    weight = weight / standardization.scale
    return [(weight, bias - weight @ standardization.center), *others]


def _known_sounds(vectors: np.ndarray, targets: np.ndarray, folds: Sequence[Fold]) -> KnownSounds | None:
    """Measure the classes, and the scores of the clips that each fold leaves out; None without folds."""
    if not folds:
        return None
    scores = [KnownSounds.of(vectors[fit], targets[fit]).scores(vectors[left_out]) for fit, left_out in folds]
    return KnownSounds.of(vectors, targets, np.concatenate(scores))


def _thresholds(scores: Sequence[np.ndarray], targets: np.ndarray, folds: Sequence[Fold]) -> np.ndarray:
    """Choose the thresholds on the clips that each fold leaves out; 0.5 for classes that not all folds can learn."""
    thresholds = np.full(targets.shape[1], 0.5)
    if folds:
        learned = np.all([targets[fit].any(axis=0) for fit, _ in folds], axis=0)
        left_out = np.concatenate([targets[rows] for _, rows in folds]) > 0
        thresholds[learned] = choose_thresholds(left_out, expit(np.concatenate(scores)))[learned]
    return thresholds


def head_scores(layers: Layers, vectors: np.ndarray) -> np.ndarray:
    """Compute the scores before the softmax, or sigmoid [shape=(n, classes)].

    Examples
    --------
    >>> head_scores([(np.array([[1.0, -1.0]]), np.array([0.5]))], np.array([[2.0, 1.0]]))
    array([[1.5]])
    """
    for number, (weight, bias) in enumerate(layers):
        vectors = (np.maximum(vectors, 0) if number else vectors) @ weight.T + bias
    return vectors


def cross_entropy(scores: np.ndarray, targets: np.ndarray) -> float:
    """Compute the mean cross-entropy of scores and targets, as for `fit_linear`, over all clips and labels."""
    return float(-_log_likelihoods(scores, targets).mean())


def _log_likelihoods(scores: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return the logarithms of the probabilities of the targets [shape=(n,)]; for several, means over classes."""
    if targets.ndim == 1:
        return log_softmax(scores, axis=1)[np.arange(len(targets)), targets]
    return log_expit(np.where(targets > 0, scores, -scores)).mean(axis=1)


def _logistic_path(vectors: np.ndarray, targets: np.ndarray, classes: int) -> Callable[[float], Layers]:
    """Prepare the vectors for fits of several strengths, and return the function that fits."""
    standardization = Standardization.of(vectors)
    x, basis = standardization.apply(vectors), None
    if 4 * len(x) < x.shape[1]:  # the weights are sums of the vectors: as many coordinates as vectors are enough
        left, values, basis = np.linalg.svd(x, full_matrices=False)
        x = left * values

    def fit(strength: float) -> Layers:
        if targets.ndim == 1:
            (found, weight, bias), others = _logistic(x, targets, strength), np.full(classes, ABSENT)
        else:
            with_label = targets.sum(axis=0)
            found = np.flatnonzero((with_label > 0) & (with_label < len(targets)))
            fitted = [_logistic(x, targets[:, column], strength) for column in found]
            weight = np.array([weight[0] for _, weight, _ in fitted]).reshape(len(found), x.shape[1])
            bias = np.array([bias[0] for _, _, bias in fitted])
            others = np.log((with_label + 1) / (len(targets) - with_label + 1))  # the same for all sounds
        weight = weight if basis is None else weight @ basis
        if targets.ndim == 1 and len(weight) == 1:  # of two classes
            weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
        every_weight, every_bias = np.zeros((classes, weight.shape[1])), others
        every_weight[found], every_bias[found] = weight, bias
        return folded([(every_weight, every_bias)], standardization)

    return fit


def _logistic(x: np.ndarray, targets: np.ndarray, strength: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fit a logistic regression; return the classes that it found, and weight and bias of their scores."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = LogisticRegression(C=strength, max_iter=1000).fit(x, targets)
    return model.classes_, model.coef_, model.intercept_


def _fit_temperature(
    left_out_scores: Sequence[np.ndarray], targets: np.ndarray, folds: Sequence[Fold]
) -> tuple[float, float]:
    """Return the divisor of the scores with the lowest cross-entropy (arXiv 1706.04599), and that cross-entropy.

    One clip more, as likely of one class as of another, is added: without it, a few clips that are all classified
    correctly would make the probabilities 0 and 1. If clips have several labels, each of them applies to it with a
    probability of one half.
    """
    scores = np.concatenate(left_out_scores)
    targets = np.concatenate([targets[left_out] for _, left_out in folds])
    present = scores > ABSENT

    def loss(log_temperature: float) -> float:
        scaled = scores / np.exp(log_temperature)
        if targets.ndim == 1:
            unsure = log_softmax(scaled, axis=1)[present].mean()
        else:
            unsure = (log_expit(scaled).mean() + log_expit(-scaled).mean()) / 2
        return -(_log_likelihoods(scaled, targets).sum() + unsure) / (len(targets) + 1)

    found = minimize_scalar(loss, bounds=(-3, 3), method="bounded")
    return float(np.exp(found.x)), float(found.fun)

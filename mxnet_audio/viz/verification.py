"""Figures of speaker verification: ROC, DET, and accuracy by threshold.

Each takes the trials of one system, (labels, scores), or of several by name; see `mxnet_audio.metrics.roc`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.special import ndtri

from mxnet_audio.errors import ParameterError
from mxnet_audio.viz.figure import COLORS, cycled, literal, new_figure, saved, split_path

__all__ = ["plot_accuracy", "plot_det", "plot_roc"]

Array = np.ndarray | Sequence[float]
Trials = tuple[np.ndarray | Sequence[int], Array]
Path = str | os.PathLike

# Rates of 0 and 1 are infinite as normal deviates: they are drawn outside of the figure instead.
_MIN_RATE = 1e-6
_TICKS = np.array([0.01, 0.1, 0.5, 1, 2, 5, 10, 20, 40, 60, 80, 90, 95, 98, 99, 99.5, 99.9, 99.99])  # %


def plot_roc(
    trials: Trials | Mapping[str, Trials] | Array, fpr: Array | Path | None = None, path: Path | None = None
) -> Figure:
    """Draw the true accept rate over the false accept rate, with the equal error rate of each system.

    ``plot_roc(tpr, fpr)``, as in GluonAR, draws rates that are already computed: the second argument is then an array,
    while a path may be given there otherwise.

    Parameters
    ----------
    trials : (labels, scores), or dict of them
        Labels are 1 (one speaker) or 0 (two), scores are higher for more similar recordings. Several systems by name:
        ``{'cifar10': (labels, scores), 'resnet_v2': (labels, scores)}``.
    tpr, fpr : np.ndarray [shape=(thresholds,)], 0 to 1
        True and false accept rates, in place of trials.
    path : str or os.PathLike, optional
        Image file to write, in the format of its suffix; without a suffix, PNG.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    DatasetError
        See :func:`mxnet_audio.metrics.roc`.
    ParameterError
        If there is no system, or the rates are not those of a curve.

    Examples
    --------
    >>> figure = plot_roc(([1, 1, 0, 0], [0.9, 0.4, 0.6, 0.1]))
    >>> [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    ['EER 50.0%']
    >>> plot_roc([0.0, 0.5, 1.0], [0.0, 0.1, 1.0]).axes[0].lines[-1].get_xdata().tolist()
    [0.0, 10.0, 100.0]
    """
    fpr, path = split_path(fpr, path)
    figure = new_figure(6, 5.5)
    axes = figure.subplots()
    # False accept and false reject rate are equal here.
    axes.plot([0, 100], [100, 0], color="#999999", linestyle=":", linewidth=1)
    if fpr is not None:
        tar, far = _shares("tpr", trials), _shares("fpr", fpr)
        if tar.shape != far.shape or not (_is_sorted(tar, far) or _is_sorted(-tar, -far)):
            reason = "tpr and fpr must have one length and increase, or decrease, together"
            raise ParameterError(f"{reason}; labels and scores must be given as one tuple")
        axes.plot(100 * far, 100 * tar, color=COLORS[0])
    else:
        from mxnet_audio.metrics import eer, roc  # imports scikit-learn, which other figures do not need

        for name, color, labels, scores in _systems(trials):
            far, tar, _ = roc(labels, scores)
            rate, _ = eer(labels, scores)
            axes.plot(100 * far, 100 * tar, color=color, label=_legend(name, rate))
            axes.plot(100 * rate, 100 * (1 - rate), "o", color=color, markeredgecolor="white", zorder=3)
        axes.legend(frameon=False, loc="lower right")
    axes.set(xlabel="false accept rate (%)", ylabel="true accept rate (%)", xlim=(-1, 101), ylim=(-1, 101))
    axes.set_aspect("equal")
    axes.grid(alpha=0.25)
    return saved(figure, path)


def plot_det(trials: Trials | Mapping[str, Trials], path: Path | None = None) -> Figure:
    """Draw the false reject rate over the false accept rate, both as normal deviates (detection error tradeoff).

    The curve is a straight line if the scores of both kinds of trials are normally distributed. Systems are easier to
    distinguish than by :func:`plot_roc` [1]_.

    Parameters
    ----------
    trials : (labels, scores), or dict of them
        See :func:`plot_roc`.
    path : str or os.PathLike, optional
        Image file to write, in the format of its suffix; without a suffix, PNG.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    DatasetError
        See :func:`mxnet_audio.metrics.roc`.
    ParameterError
        If there is no system.

    References
    ----------
    .. [1] A. Martin, G. Doddington, T. Kamm, M. Ordowski, M. Przybocki, "The DET curve in assessment of detection task
       performance", Eurospeech 1997.

    Examples
    --------
    >>> axes = plot_det(([1, 1, 0, 0], [0.9, 0.4, 0.6, 0.1])).axes[0]
    >>> [text.get_text() for text in axes.get_xticklabels()][:4]
    ['0.5', '1', '2', '5']
    """
    from mxnet_audio.metrics import eer, roc

    figure = new_figure(6, 5.5)
    axes = figure.subplots()
    lowest, worst = 0.01, 0.0
    for name, color, labels, scores in _systems(trials):
        far, tar, _ = roc(labels, scores)
        rate, _ = eer(labels, scores)
        axes.plot(_deviate(far), _deviate(1 - tar), color=color, label=_legend(name, rate))
        axes.plot(_deviate(rate), _deviate(rate), "o", color=color, markeredgecolor="white", zorder=3)
        worst = max(worst, rate)
        lowest = min(lowest, far[far > 0][0], 1 - tar[tar < 1][-1])
    # From the lowest rate to a little above useful ones; systems near chance need the whole range.
    limits = _deviate(np.array([max(lowest / 2, 5e-5), 0.6 if worst < 0.4 else 0.9995]))
    axes.axline((0, 0), slope=1, color="#999999", linestyle=":", linewidth=1)
    positions = _deviate(_TICKS / 100)
    inside = (positions >= limits[0]) & (positions <= limits[1])
    ticks = positions[inside], [f"{tick:g}" for tick in _TICKS[inside]]
    axes.set_xticks(*ticks, rotation=45 if inside.sum() > 12 else 0)
    axes.set_yticks(*ticks)
    axes.set(xlabel="false accept rate (%)", ylabel="false reject rate (%)", xlim=limits, ylim=limits)
    axes.set_aspect("equal")
    axes.grid(alpha=0.25)
    axes.legend(frameon=False, loc="upper right")
    return saved(figure, path)


def plot_accuracy(
    trials: Trials | Mapping[str, Trials] | Array, thresholds: Array | Path | None = None, path: Path | None = None
) -> Figure:
    """Draw the share of correct answers by threshold, and mark the best threshold.

    The best accuracy is optimistic, since the threshold is chosen by the same trials; for an unbiased one, see
    :func:`mxnet_audio.metrics.pair_accuracy`.

    ``plot_accuracy(accs, thresholds)``, as in GluonAR, draws accuracies that are already computed: the second argument
    is then an array, while a path may be given there otherwise.

    Parameters
    ----------
    trials : (labels, scores), or dict of them
        See :func:`plot_roc`.
    accs, thresholds : np.ndarray [shape=(thresholds,)]
        Accuracies, 0 to 1, and their thresholds, in place of trials.
    path : str or os.PathLike, optional
        Image file to write, in the format of its suffix; without a suffix, PNG.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    DatasetError
        See :func:`mxnet_audio.metrics.roc`.
    ParameterError
        If there is no system, or the accuracies and thresholds are not those of a curve.

    Examples
    --------
    >>> figure = plot_accuracy(([1, 1, 0, 0], [0.9, 0.7, 0.6, 0.1]))
    >>> [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    ['best 100.0% at 0.7']
    >>> figure = plot_accuracy([0.5, 0.9, 0.6], [0.2, 0.4, 0.6])
    >>> [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    ['best 90.0% at 0.4']
    """
    thresholds, path = split_path(thresholds, path)
    figure = new_figure(7, 4.5)
    axes = figure.subplots()
    if thresholds is not None:
        accuracies, thresholds = _shares("accs", trials), _numbers("thresholds", thresholds)
        if accuracies.shape != thresholds.shape or not (_is_sorted(thresholds) or _is_sorted(-thresholds)):
            reason = "accs and thresholds must have one length, and thresholds increase or decrease"
            raise ParameterError(f"{reason}; labels and scores must be given as one tuple")
        best = int(np.argmax(accuracies))
        label = f"best {100 * accuracies[best]:.1f}% at {thresholds[best]:.4g}"
        axes.plot(thresholds, 100 * accuracies, color=COLORS[0], label=label)
        axes.plot(thresholds[best], 100 * accuracies[best], "o", color=COLORS[0], markeredgecolor="white", zorder=3)
    else:
        for name, color, labels, scores in _systems(trials):
            _draw_accuracy(axes, name, color, labels, scores)
    axes.set(xlabel="threshold (score)", ylabel="accuracy (%)", ylim=(0, 101))
    axes.grid(alpha=0.25)
    axes.legend(frameon=False, loc="lower right")
    return saved(figure, path)


def _draw_accuracy(axes: Axes, name: str, color: str, labels: Any, scores: Any) -> None:
    """Draw the accuracy of one system at all thresholds."""
    from mxnet_audio.metrics import roc

    far, tar, thresholds = roc(labels, scores)
    share = np.mean(np.asarray(labels, dtype=float))
    accuracies = 100 * (share * tar + (1 - share) * (1 - far))
    # Above the highest score nothing is accepted, and below the lowest everything.
    margin = 0.05 * (thresholds[1] - thresholds[-1] or 1)
    positions = np.concatenate([[thresholds[-1] - margin], thresholds[:0:-1], [thresholds[1] + margin]])
    heights = np.append(accuracies[-1], accuracies[::-1])
    best = int(np.argmax(accuracies))
    where = f"at {thresholds[best]:.4g}" if best else "where none is accepted"
    label = literal(f"{name} best {accuracies[best]:.1f}% {where}".strip())
    # A score is accepted at thresholds up to its own value, so the steps are just above the scores.
    axes.plot(positions, heights, color=color, drawstyle="steps-pre", label=label)
    x = thresholds[best] if best else positions[-1]
    axes.plot(x, accuracies[best], "o", color=color, markeredgecolor="white", zorder=3)


def _systems(trials: Any) -> Iterator[tuple[str, str, Any, Any]]:
    """Yield name, color, labels and scores of each system."""
    systems = trials if isinstance(trials, Mapping) else {"": trials}
    if not systems:
        raise ParameterError("trials must have at least one system, got none")
    for (name, system), color in zip(systems.items(), cycled(COLORS, len(systems))):
        try:
            labels, scores = system
        except (TypeError, ValueError) as error:
            raise ParameterError(f"trials must be (labels, scores), or a dict of them, got {type(system)}") from error
        yield name, color, labels, scores


def _numbers(name: str, values: Any) -> np.ndarray:
    """Return values as an array [shape=(n,)]; ParameterError unless they are one or more numbers."""
    try:
        array = np.asarray(values, dtype=float)
    except (TypeError, ValueError) as error:
        raise ParameterError(f"{name} must be an array of numbers: {error}") from error
    if array.ndim != 1 or not array.size:
        raise ParameterError(f"{name} must be one-dimensional and not empty, got shape {array.shape}")
    return array


def _shares(name: str, values: Any) -> np.ndarray:
    """Return values as an array [shape=(n,)]; ParameterError unless they are numbers between 0 and 1."""
    array = _numbers(name, values)
    if not (array.min() >= 0 and array.max() <= 1):
        raise ParameterError(f"{name} must be between 0 and 1, got {array.min():g} to {array.max():g}")
    return array


def _is_sorted(*arrays: np.ndarray) -> bool:
    return all((np.diff(array) >= 0).all() for array in arrays)


def _legend(name: str, rate: float) -> str:
    return literal(f"{name} (EER {100 * rate:.1f}%)" if name else f"EER {100 * rate:.1f}%")


def _deviate(rate: Any) -> Any:
    return ndtri(np.clip(rate, _MIN_RATE, 1 - _MIN_RATE))

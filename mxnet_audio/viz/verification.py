"""Pictures of a comparison of speakers: ROC, DET, and accuracy over the threshold.

Each takes the trials of one system, (labels, scores), or of several by name. What trials are, and their measures,
say `mxnet_audio.metrics.roc` and `mxnet_audio.metrics.eer`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from scipy.special import ndtri

from mxnet_audio.viz.figure import COLOURS, cycled, new_figure, saved, shown

__all__ = ["plot_accuracy", "plot_det", "plot_roc"]

Trials = tuple[Sequence[int], Sequence[float]]

# A rate of 0 or 1 lies infinitely far out on normal deviates: its lines leave the picture instead.
_LEAST = 1e-6
_TICKS = np.array([0.01, 0.1, 0.5, 1, 2, 5, 10, 20, 40, 60, 80, 90, 95, 98, 99, 99.5, 99.9, 99.99])  # %


def plot_roc(trials: Trials | Mapping[str, Trials], path: str | os.PathLike | None = None) -> Figure:
    """Draw true over false accept rate, of one system or of several, with the equal error rate of each.

    Parameters
    ----------
    trials : (labels, scores), or dict of them
        Labels are 1 (the same speaker) or 0, scores higher for those more alike; or several such by name,
        ``{'cifar10': (labels, scores), 'resnet_v2': (labels, scores)}``.
    path : str or os.PathLike, optional
        PNG to write.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    DatasetError
        See :func:`mxnet_audio.metrics.roc`.
    ValueError
        If there is no system.

    Examples
    --------
    >>> figure = plot_roc(([1, 1, 0, 0], [0.9, 0.4, 0.6, 0.1]))
    >>> [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    ['EER 50.0%']
    """
    from mxnet_audio.metrics import eer, roc  # and scikit-learn, which other pictures do not need

    figure = new_figure(6, 5.5)
    axes = figure.subplots()
    # Where as many are wrongly accepted as wrongly rejected.
    axes.plot([0, 100], [100, 0], color="#999999", linestyle=":", linewidth=1)
    for name, colour, labels, scores in _systems(trials):
        far, tar, _ = roc(labels, scores)
        rate, _ = eer(labels, scores)
        axes.plot(100 * far, 100 * tar, color=colour, label=_legend(name, rate))
        axes.plot(100 * rate, 100 * (1 - rate), "o", color=colour, markeredgecolor="white", zorder=3)
    axes.set(xlabel="false accept rate (%)", ylabel="true accept rate (%)", xlim=(-1, 101), ylim=(-1, 101))
    axes.set_aspect("equal")
    axes.grid(alpha=0.25)
    axes.legend(frameon=False, loc="lower right")
    return saved(figure, path)


def plot_det(trials: Trials | Mapping[str, Trials], path: str | os.PathLike | None = None) -> Figure:
    """Draw false reject over false accept rate, both as normal deviates (detection error tradeoff).

    Where the scores of both kinds of trial are normal, the curve is a straight line: systems are told apart more
    easily than by :func:`plot_roc` [1]_.

    Parameters
    ----------
    trials : (labels, scores), or dict of them
        See :func:`plot_roc`.
    path : str or os.PathLike, optional
        PNG to write.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    DatasetError
        See :func:`mxnet_audio.metrics.roc`.
    ValueError
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
    for name, colour, labels, scores in _systems(trials):
        far, tar, _ = roc(labels, scores)
        rate, _ = eer(labels, scores)
        axes.plot(_deviate(far), _deviate(1 - tar), color=colour, label=_legend(name, rate))
        axes.plot(_deviate(rate), _deviate(rate), "o", color=colour, markeredgecolor="white", zorder=3)
        worst = max(worst, rate)
        lowest = min(lowest, far[far > 0][0], 1 - tar[tar < 1][-1])
    # From the least rate that was seen to a little above what is of use; systems that are of no use need all.
    limits = _deviate(np.array([max(lowest / 2, 5e-5), 0.6 if worst < 0.4 else 0.9995]))
    axes.axline((0, 0), slope=1, color="#999999", linestyle=":", linewidth=1)
    at = _deviate(_TICKS / 100)
    inside = (at >= limits[0]) & (at <= limits[1])
    ticks = at[inside], [f"{tick:g}" for tick in _TICKS[inside]]
    axes.set_xticks(*ticks, rotation=45 if inside.sum() > 12 else 0)
    axes.set_yticks(*ticks)
    axes.set(xlabel="false accept rate (%)", ylabel="false reject rate (%)", xlim=limits, ylim=limits)
    axes.set_aspect("equal")
    axes.grid(alpha=0.25)
    axes.legend(frameon=False, loc="upper right")
    return saved(figure, path)


def plot_accuracy(trials: Trials | Mapping[str, Trials], path: str | os.PathLike | None = None) -> Figure:
    """Draw the share of right answers over the threshold, and the threshold at which it is greatest.

    That share is of the very trials that the threshold was chosen on; :func:`mxnet_audio.metrics.pair_accuracy`
    chooses it on others.

    Parameters
    ----------
    trials : (labels, scores), or dict of them
        See :func:`plot_roc`.
    path : str or os.PathLike, optional
        PNG to write.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    DatasetError
        See :func:`mxnet_audio.metrics.roc`.
    ValueError
        If there is no system.

    Examples
    --------
    >>> figure = plot_accuracy(([1, 1, 0, 0], [0.9, 0.7, 0.6, 0.1]))
    >>> [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    ['best 100.0% at 0.7']
    """
    from mxnet_audio.metrics import roc

    figure = new_figure(7, 4.5)
    axes = figure.subplots()
    for name, colour, labels, scores in _systems(trials):
        far, tar, thresholds = roc(labels, scores)
        share = np.mean(np.asarray(labels, dtype=float))
        accuracies = 100 * (share * tar + (1 - share) * (1 - far))
        # Nothing is accepted anywhere above the highest score, and everything anywhere below the lowest.
        margin = 0.05 * (thresholds[1] - thresholds[-1] or 1)
        at = np.concatenate([[thresholds[-1] - margin], thresholds[:0:-1], [thresholds[1] + margin]])
        heights = np.append(accuracies[-1], accuracies[::-1])
        best = int(np.argmax(accuracies))
        where = f"at {thresholds[best]:.4g}" if best else "where none is accepted"
        label = shown(f"{name} best {accuracies[best]:.1f}% {where}".strip())
        # Answers change just above a score: up to it, it is accepted.
        axes.plot(at, heights, color=colour, drawstyle="steps-pre", label=label)
        x = thresholds[best] if best else at[-1]
        axes.plot(x, accuracies[best], "o", color=colour, markeredgecolor="white", zorder=3)
    axes.set(xlabel="threshold (score)", ylabel="accuracy (%)", ylim=(0, 101))
    axes.grid(alpha=0.25)
    axes.legend(frameon=False, loc="lower right")
    return saved(figure, path)


def _systems(trials: Trials | Mapping[str, Trials]) -> Iterator[tuple[str, str, Sequence[int], Sequence[float]]]:
    """Name, colour, labels and scores of each system."""
    systems = trials if isinstance(trials, Mapping) else {"": trials}
    if not systems:
        raise ValueError("expected the trials of one system or more")
    for (name, (labels, scores)), colour in zip(systems.items(), cycled(COLOURS, len(systems))):
        yield name, colour, labels, scores


def _legend(name: str, rate: float) -> str:
    return shown(f"{name} (EER {100 * rate:.1f}%)" if name else f"EER {100 * rate:.1f}%")


def _deviate(rate: float | np.ndarray) -> float | np.ndarray:
    return ndtri(np.clip(rate, _LEAST, 1 - _LEAST))

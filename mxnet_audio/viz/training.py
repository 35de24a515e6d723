"""Figures of a training and its results: curves, confusion matrix, folds."""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mxnet_audio.errors import ParameterError
from mxnet_audio.metrics import MultiLabelReport
from mxnet_audio.viz.figure import COLORS, cycled, literal, new_figure, saved

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from mxnet_audio.metrics import ClassificationReport

__all__ = ["plot_confusion", "plot_folds", "plot_history"]


def plot_history(
    history: Mapping[str, Sequence[float]] | Mapping[str, Mapping[str, Sequence[float]]],
    path: str | os.PathLike | None = None,
    *,
    measure: str = "accuracy",
) -> Figure:
    """Draw loss and accuracy over the epochs, of one training or of several.

    Parameters
    ----------
    history : dict, or dict of dicts
        Result of ``fit``: ``loss_train``, ``loss_test``, ``acc_train``, ``acc_test``, one value per epoch;
        or several by name, ``{'cifar10': history, 'resnet_v2': history}``.
    path : str or os.PathLike, optional
        Image file to write, in the format of its suffix; without a suffix, PNG.
    measure : str
        Name of the second measure: with several labels a clip, it is the mean average precision.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> figure = plot_history({'loss_train': [2.1, 1.2], 'loss_test': [2.0, 1.4],
    ...                        'acc_train': [0.2, 0.6], 'acc_test': [0.3, 0.5]})
    >>> [axes.get_ylabel() for axes in figure.axes]
    ['loss (cross-entropy)', 'accuracy (%)']
    """
    several = all(isinstance(value, Mapping) for value in history.values())
    runs: Mapping[str, Any] = history if several else {"": history}
    figure = new_figure(10, 4)
    for axes, kind, name, scale in zip(
        figure.subplots(1, 2), ("loss", "acc"), ("loss (cross-entropy)", f"{measure} (%)"), (1, 100)
    ):
        for (run, curves), color in zip(runs.items(), cycled(COLORS, len(runs))):
            for part, style in (("train", {"linestyle": "--", "alpha": 0.7}), ("test", {"linestyle": "-"})):
                values = scale * np.asarray(curves.get(f"{kind}_{part}", ()), dtype=float)
                if len(values):
                    # A single epoch has no line, only its marker.
                    marker = "o" if len(values) <= 20 else None
                    axes.plot(
                        np.arange(1, len(values) + 1),
                        values,
                        color=color,
                        label=literal(f"{run} {part}".strip()),
                        marker=marker,
                        markersize=3.5,
                        **style,
                    )
        axes.set(xlabel="epoch", ylabel=name)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.25)
    if figure.axes[0].lines:
        figure.axes[0].legend(frameon=False)
    figure.axes[1].set_ylim(0, 100)
    figure.axes[0].set_ylim(bottom=0)
    return saved(figure, path)


def plot_confusion(report: ClassificationReport, path: str | os.PathLike | None = None) -> Figure:
    """Draw the confusion matrix: numbers are clips, the shade is the share of the true class.

    Parameters
    ----------
    report : ClassificationReport
        Result of `evaluate`.
    path : str or os.PathLike, optional
        Image file to write, in the format of its suffix; without a suffix, PNG.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ParameterError
        If it is a report of several labels a clip, which has no confusion matrix.
    """
    if isinstance(report, MultiLabelReport):
        raise ParameterError("report must be a ClassificationReport: several labels a clip have no confusion matrix")
    size = _confusion_size(report)
    figure = new_figure(size + 0.8, size)
    _draw_confusion(figure.subplots(), report)
    return saved(figure, path)


def plot_folds(
    accuracies: Mapping[Hashable, Sequence[float]],
    report: ClassificationReport | MultiLabelReport,
    path: str | os.PathLike | None = None,
    n_seeds: int = 1,
) -> Figure:
    """Draw a cross-validation: accuracy by fold, beside the confusion matrix of all folds.

    With several labels a clip, it is the mean average precision by fold, beside average precision and F1 of each class.

    Parameters
    ----------
    accuracies : dict of sequences of float, 0 to 1
        Accuracies with each seed, by name of the fold: drawn as dots, with a line for their mean.
    report : ClassificationReport or MultiLabelReport
        Report on all folds.
    path : str or os.PathLike, optional
        Image file to write, in the format of its suffix; without a suffix, PNG.
    n_seeds : int > 0
        Number of times that each clip is counted in `report`.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ParameterError
        If there is no fold, or one without accuracies.
    """
    if not accuracies or not all(len(values) for values in accuracies.values()):
        raise ParameterError(f"accuracies must have at least one value for each fold, got {dict(accuracies)}")
    size, width = _confusion_size(report), max(3.5, 1.2 + 0.6 * len(accuracies))
    figure = new_figure(width + size + 0.8, size)
    folds, classes = figure.subplots(1, 2, width_ratios=(width, size + 0.8))
    means = [100 * np.mean(values) for values in accuracies.values()]
    for x, values in enumerate(accuracies.values()):
        # Side by side, as equal ones would cover each other.
        at = x + (np.arange(len(values)) - (len(values) - 1) / 2) * min(0.12, 0.6 / len(values))
        folds.scatter(at, 100 * np.asarray(values), s=30, c=COLORS[0], alpha=0.75, edgecolors="white", zorder=3)
    folds.hlines(means, np.arange(len(means)) - 0.35, np.arange(len(means)) + 0.35, color=COLORS[1], linewidth=2)
    mean = float(np.mean(means))
    folds.axhline(mean, color="#555555", linestyle="--", linewidth=1)
    folds.set_xticks(range(len(accuracies)), [literal(fold) for fold in accuracies])
    if max(len(str(fold)) for fold in accuracies) > 4:
        folds.tick_params(axis="x", labelrotation=45)
    lowest = 100 * min(map(min, accuracies.values()))
    folds.set(
        xlabel="fold held out",
        ylabel="mean average precision (%)" if isinstance(report, MultiLabelReport) else "accuracy (%)",
        xlim=(-0.6, len(accuracies) - 0.4),
        ylim=(max(0, 10 * (lowest // 10) - 5), 101),
        title=f"mean {mean:.1f}%",
    )
    folds.grid(axis="y", alpha=0.25)
    folds.spines[["top", "right"]].set_visible(False)
    if isinstance(report, MultiLabelReport):
        _draw_classes(classes, report)
    else:
        _draw_confusion(classes, report, n_seeds)
    return saved(figure, path)


def _draw_classes(axes: Axes, report: MultiLabelReport) -> None:
    """Draw average precision and F1 of each class as bars."""
    rows = report.per_class
    for offset, measure, name in ((-0.2, "average_precision", "average precision"), (0.2, "f1", "F1")):
        color = COLORS[0] if offset < 0 else COLORS[1]
        values = [100 * row[measure] for row in rows]
        axes.barh(np.arange(len(rows)) + offset, np.nan_to_num(values), height=0.38, color=color, label=name)
    axes.set_yticks(range(len(rows)), [literal(row["label"]) for row in rows])
    axes.set(xlabel="%", xlim=(0, 100), title=f"micro F1 {100 * report.micro_f1:.1f}%")
    axes.invert_yaxis()  # the first class is on top, as in the table
    axes.grid(axis="x", alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.08), ncols=2)  # not over the bars


def _confusion_size(report: ClassificationReport | MultiLabelReport) -> float:
    """Return the height of a confusion matrix with its names [inches]."""
    return max(4.5, 2.5 + 0.5 * len(report.labels))


def _draw_confusion(axes: Axes, report: ClassificationReport, n_seeds: int = 1) -> None:
    counts = report.confusion
    n = len(report.labels)
    # Shaded by row, as one class with many clips would make all others look empty.
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(100 * shares, cmap="Blues", vmin=0, vmax=100)
    names = [literal(label) for label in report.labels]
    axes.set_xticks(range(n), names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(n), names)
    axes.set(xlabel="predicted", ylabel="true", title=_accuracy_line(report, n_seeds))
    for true, predicted in np.argwhere(counts):
        axes.text(
            predicted,
            true,
            counts[true, predicted],
            ha="center",
            va="center",
            fontsize=9 if n <= 20 else 6,
            color="white" if shares[true, predicted] > 0.55 else "#222222",
        )
    axes.set_xticks(np.arange(n + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(n + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="#dddddd", linewidth=0.6)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    axes.figure.colorbar(image, ax=axes, label="share of the true class (%)", fraction=0.046, pad=0.03)


def _accuracy_line(report: ClassificationReport, n_seeds: int) -> str:
    times = f" x {n_seeds} seeds" if n_seeds > 1 else ""
    return f"accuracy {100 * report.accuracy:.1f}% of {report.n_clips // n_seeds} clips{times}"

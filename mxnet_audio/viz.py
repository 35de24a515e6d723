"""Pictures: training curves, confusion matrix, folds, spectrogram, map of the embeddings.

Each function returns a :class:`matplotlib.figure.Figure` of its own, and saves it as PNG when given a path; `save`
writes it in other formats, and to file objects.
No ``pyplot`` and no global state: it draws on a server without a screen, and in threads.
"""

from __future__ import annotations

import os
import unicodedata
import warnings
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from mxnet_audio.features import AudioFeatureConfig
    from mxnet_audio.metrics import ClassificationReport

__all__ = ["plot_confusion", "plot_embedding", "plot_folds", "plot_history", "plot_spectrogram", "printable", "save"]

# Paul Tol's "muted" scheme: ten colours that remain apart with every kind of colour blindness.
COLOURS = (
    "#332288", "#CC6677", "#117733", "#DDCC77", "#88CCEE",
    "#882255", "#44AA99", "#AA4499", "#999933", "#777777",
)  # fmt: skip
# Seven shapes beside ten colours: 70 classes differ, and no two are told apart by colour alone.
MARKERS = ("o", "s", "^", "D", "v", "P", "X")


def save(figure: Figure, file: str | os.PathLike | BinaryIO, format: str = "png") -> None:
    """Write a picture.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        What one of the functions here returned.
    file : str, os.PathLike or binary file object
    format : {'png', 'svg', 'webp', ...}
        What matplotlib can write.

    Examples
    --------
    >>> import io
    >>> file = io.BytesIO()
    >>> save(plot_history({"loss_test": [2.0, 1.4]}), file, "svg")
    >>> b"<svg" in file.getvalue()
    True
    """
    with warnings.catch_warnings():
        # A label in a script that no font here has is drawn as boxes; a warning would not change that.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(file, format=format, bbox_inches="tight", pad_inches=0.12)


def printable(text: object) -> str:
    """Text that can be shown: without control characters, halves of characters, and those that do not exist.

    Examples
    --------
    >>> printable("a\\x00b"), printable("half a\\u00a0loaf")
    ('a\ufffdb', 'half a\\xa0loaf')
    """
    return "".join("\ufffd" if unicodedata.category(c) in ("Cc", "Cs", "Cn") else c for c in str(text))


def plot_history(
    history: Mapping[str, Sequence[float]] | Mapping[str, Mapping[str, Sequence[float]]],
    path: str | os.PathLike | None = None,
) -> Figure:
    """Draw loss and accuracy over the epochs, of one training or of several side by side.

    Parameters
    ----------
    history : dict, or dict of dicts
        What ``fit`` returns: ``loss_train``, ``loss_test``, ``acc_train``, ``acc_test``, one value an epoch;
        or several of them by name, ``{'cifar10': history, 'resnet_v2': history}``.
    path : str or os.PathLike, optional
        PNG to write.

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
    runs = history if several else {"": history}
    figure = _figure(10, 4)
    for axes, kind, name, scale in zip(
        figure.subplots(1, 2), ("loss", "acc"), ("loss (cross-entropy)", "accuracy (%)"), (1, 100)
    ):
        for (run, curves), colour in zip(runs.items(), _cycle(COLOURS, len(runs))):
            for part, style in (("train", {"linestyle": "--", "alpha": 0.7}), ("test", {"linestyle": "-"})):
                values = scale * np.asarray(curves.get(f"{kind}_{part}", ()), dtype=float)
                if len(values):
                    # One epoch alone has no line: its dot must show.
                    marker = "o" if len(values) <= 20 else None
                    axes.plot(
                        np.arange(1, len(values) + 1),
                        values,
                        color=colour,
                        label=_name(f"{run} {part}".strip()),
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
    return _saved(figure, path)


def plot_confusion(report: ClassificationReport, path: str | os.PathLike | None = None) -> Figure:
    """Draw the confusion matrix: numbers are clips, shade is the share of the true class.

    Parameters
    ----------
    report : ClassificationReport
    path : str or os.PathLike, optional
        PNG to write.

    Returns
    -------
    matplotlib.figure.Figure
    """
    size = _confusion_size(report)
    figure = _figure(size + 0.8, size)
    _draw_confusion(figure.subplots(), report)
    return _saved(figure, path)


def plot_folds(
    accuracies: Mapping[Hashable, Sequence[float]],
    report: ClassificationReport,
    path: str | os.PathLike | None = None,
    n_seeds: int = 1,
) -> Figure:
    """Draw a cross-validation: accuracy by fold, beside the confusion matrix of all folds together.

    Parameters
    ----------
    accuracies : dict of sequences of float, 0 to 1
        Of each fold, by its name, the accuracy with each seed: a dot each, and a line for their mean.
    report : ClassificationReport
        Of all folds.
    path : str or os.PathLike, optional
        PNG to write.
    n_seeds : int > 0
        How many times each clip counts in `report`.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If there is no fold, or one without accuracies.
    """
    if not accuracies or not all(len(values) for values in accuracies.values()):
        raise ValueError("expected one accuracy or more for each fold")
    size, width = _confusion_size(report), max(3.5, 1.2 + 0.6 * len(accuracies))
    figure = _figure(width + size + 0.8, size)
    folds, confusion = figure.subplots(1, 2, width_ratios=(width, size + 0.8))
    means = [100 * np.mean(values) for values in accuracies.values()]
    for x, values in enumerate(accuracies.values()):
        # Side by side, seed by seed: equal ones would hide each other.
        at = x + (np.arange(len(values)) - (len(values) - 1) / 2) * min(0.12, 0.6 / len(values))
        folds.scatter(at, 100 * np.asarray(values), s=30, c=COLOURS[0], alpha=0.75, edgecolors="white", zorder=3)
    folds.hlines(means, np.arange(len(means)) - 0.35, np.arange(len(means)) + 0.35, color=COLOURS[1], linewidth=2)
    mean = float(np.mean(means))
    folds.axhline(mean, color="#555555", linestyle="--", linewidth=1)
    folds.set_xticks(range(len(accuracies)), [_name(fold) for fold in accuracies])
    if max(len(str(fold)) for fold in accuracies) > 4:
        folds.tick_params(axis="x", labelrotation=45)
    lowest = 100 * min(map(min, accuracies.values()))
    folds.set(
        xlabel="fold held out",
        ylabel="accuracy (%)",
        xlim=(-0.6, len(accuracies) - 0.4),
        ylim=(max(0, 10 * (lowest // 10) - 5), 101),
        title=f"mean {mean:.1f}%",
    )
    folds.grid(axis="y", alpha=0.25)
    folds.spines[["top", "right"]].set_visible(False)
    _draw_confusion(confusion, report, n_seeds)
    return _saved(figure, path)


def _confusion_size(report: ClassificationReport) -> float:
    """Height of a confusion matrix with its names [inches]."""
    return max(4.5, 2.5 + 0.5 * len(report.labels))


def _draw_confusion(axes: Axes, report: ClassificationReport, n_seeds: int = 1) -> None:
    counts = report.confusion
    n = len(report.labels)
    # Shade by row: a class with many clips would else make all others look empty.
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(100 * shares, cmap="Blues", vmin=0, vmax=100)
    names = [_name(label) for label in report.labels]
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


def plot_spectrogram(features: np.ndarray, config: AudioFeatureConfig, path: str | os.PathLike | None = None) -> Figure:
    """Draw features over seconds; mel bands in hertz, others by number.

    Parameters
    ----------
    features : np.ndarray [shape=config.shape]
        What :func:`mxnet_audio.features.extract` returns; a leading axis of one channel may stand before.
    config : AudioFeatureConfig
        The configuration that made them: it says what a band and a frame are.
    path : str or os.PathLike, optional
        PNG to write.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If ``features`` is not one array of as many bands as ``config`` makes.
    """
    features = np.asarray(features)
    if features.ndim == 3 and len(features) == 1:
        features = features[0]
    bands = -3 - config.time_axis  # the other axis
    if features.ndim != 2 or config.shape[bands] not in (features.shape[bands], None):
        wanted = ", ".join(str(size or "any") for size in config.shape)
        raise ValueError(f"expected features [{wanted}], not {features.shape}")
    # The first frame lies centred on the first sample, or on the middle of the first window.
    if config.time_axis == -1:
        frame, first = config.hop_length / config.sr, 0 if config.center else config.n_fft / 2 / config.sr
    else:
        features = features.T
        frame, first = config.window_shift_in_s, config.window_length_in_s / 2
    edges = first + frame * (np.arange(features.shape[1] + 1) - 0.5)
    figure = _figure(10, 4)
    axes = figure.subplots()
    image = axes.imshow(
        features,
        origin="lower",
        aspect="auto",
        interpolation="nearest",
        cmap="magma",
        extent=(edges[0], edges[-1], -0.5, len(features) - 0.5),
    )
    if config.type in ("log_mel", "mel"):
        axes.set_yticks(*_hertz_ticks(config))
    ylabel = {"log_mel": "frequency (Hz, mel scale)", "mel": "frequency (Hz, mel scale)", "mfcc": "coefficient"}
    axes.set(xlabel="time (s)", ylabel=ylabel.get(config.type, "band"), xlim=(max(edges[0], 0), edges[-1]))
    figure.colorbar(image, ax=axes, label="level (dB)" if config.type == "log_mel" else config.type, pad=0.02)
    return _saved(figure, path)


def plot_embedding(vectors: np.ndarray, labels: Sequence[Hashable], path: str | os.PathLike | None = None) -> Figure:
    """Draw the vectors as points on a plane, near to each other where they are alike.

    Each class is one collection of the axes, in the order of their names, its points in the order given.

    The plane is found by t-SNE, always the same for the same vectors; below 12 different vectors it is
    spanned by the first two principal components.

    Parameters
    ----------
    vectors : np.ndarray [shape=(n, d)]
        One vector a clip.
    labels : sequence [n] of str or int
        The class of each, by colour and shape.
    path : str or os.PathLike, optional
        PNG to write.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If there are fewer than two vectors, or not one label for each.
    """
    vectors = np.asarray(vectors, dtype=np.float32)
    if vectors.ndim != 2 or len(vectors) < 2 or len(vectors) != len(labels):
        raise ValueError(f"expected two vectors or more [n, d] and n labels, not {vectors.shape}, {len(labels)}")
    points, method = _plane(vectors)
    classes = sorted(set(labels), key=str)
    figure = _figure(8.5, 6)
    axes = figure.subplots()
    shapes = _cycle(MARKERS, len(classes))
    of_class = np.array([classes.index(label) for label in labels])
    for i, (name, colour, marker) in enumerate(zip(classes, _cycle(COLOURS, len(classes)), shapes)):
        x, y = points[of_class == i].T
        axes.scatter(x, y, s=34, c=colour, marker=marker, label=_name(name), edgecolors="white", linewidths=0.5)
    axes.set(xlabel=f"{method} 1", ylabel=f"{method} 2", xticks=[], yticks=[])
    axes.set_aspect("equal", adjustable="datalim")
    columns = 1 + (len(classes) - 1) // 25
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, ncols=columns)
    return _saved(figure, path)


def _plane(vectors: np.ndarray) -> tuple[np.ndarray, str]:
    """Return the points [n, 2] that stand for the vectors, and the name of the way there."""
    # t-SNE divides by the spread: vectors that are all the same crash it, and few give it nothing to go by.
    if len(np.unique(vectors, axis=0)) < 12:
        centred = np.pad(vectors - vectors.mean(axis=0), ((0, 0), (0, max(0, 2 - vectors.shape[1]))))
        sides, lengths, _ = np.linalg.svd(centred, full_matrices=False)
        return sides[:, :2] * lengths[:2], "principal component"
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    perplexity = min(30.0, (len(vectors) - 1) / 3)
    # With one dimension there are no two principal components to start from, and all angles are equal.
    wide = vectors.shape[1] > 1
    tsne = TSNE(
        metric="cosine" if wide else "euclidean",
        init="pca" if wide else "random",
        perplexity=perplexity,
        random_state=0,
        n_jobs=1,
    )
    with threadpool_limits(1, "openmp"):  # beside MXNet's threads its own wait for each other: 3 to 20 times as long
        return tsne.fit_transform(vectors), "t-SNE"


def _hertz_ticks(config: AudioFeatureConfig) -> tuple[np.ndarray, list[str]]:
    """Return the (fractional) bands at which round frequencies lie, and their names."""
    from librosa import mel_frequencies

    fmax = config.fmax or config.sr / 2
    # Without the two outer edges, these are the centres of the bands.
    centres = mel_frequencies(config.n_mels + 2, fmin=config.fmin, fmax=fmax, htk=config.htk)[1:-1]
    round_ones = np.array([63, 125, 250, 500, 1000, 2000, 4000, 8000, 16000])
    inside = round_ones[(round_ones >= centres[0]) & (round_ones <= centres[-1])]
    bands = np.interp(inside, centres, np.arange(config.n_mels))
    # The lowest lie so close together that their names would overlap: each keeps its distance from the next.
    clear = np.diff(bands, append=np.inf) > 0.045 * config.n_mels
    return bands[clear], [f"{hertz:,}" for hertz in inside[clear]]


def _accuracy_line(report: ClassificationReport, n_seeds: int) -> str:
    times = f" x {n_seeds} seeds" if n_seeds > 1 else ""
    return f"accuracy {100 * report.accuracy:.1f}% of {report.n_clips // n_seeds} clips{times}"


def _name(label: Hashable) -> str:
    """A label as matplotlib draws it as it stands: no mathematics between dollars."""
    return printable(label).replace("$", r"\$")


def _cycle(items: Sequence, n: int) -> list:
    return [items[i % len(items)] for i in range(n)]


def _figure(width: float, height: float) -> Figure:
    return Figure(figsize=(width, height), dpi=120, layout="constrained")


def _saved(figure: Figure, path: str | os.PathLike | None) -> Figure:
    if path is not None:
        save(figure, path)
    return figure

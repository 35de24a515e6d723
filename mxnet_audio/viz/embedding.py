"""A map of embeddings: what is alike lies together."""

from __future__ import annotations

import os
from collections.abc import Hashable, Sequence

import numpy as np
from matplotlib.figure import Figure

from mxnet_audio.viz.figure import COLOURS, MARKERS, cycled, new_figure, saved, shown

__all__ = ["plot_embedding"]


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
    figure = new_figure(8.5, 6)
    axes = figure.subplots()
    shapes = cycled(MARKERS, len(classes))
    of_class = np.array([classes.index(label) for label in labels])
    for i, (name, colour, marker) in enumerate(zip(classes, cycled(COLOURS, len(classes)), shapes)):
        x, y = points[of_class == i].T
        axes.scatter(x, y, s=34, c=colour, marker=marker, label=shown(name), edgecolors="white", linewidths=0.5)
    axes.set(xlabel=f"{method} 1", ylabel=f"{method} 2", xticks=[], yticks=[])
    axes.set_aspect("equal", adjustable="datalim")
    columns = 1 + (len(classes) - 1) // 25
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, ncols=columns)
    return saved(figure, path)


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

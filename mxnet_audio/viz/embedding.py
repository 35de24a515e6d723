"""Map of embeddings: similar vectors are close to each other."""

from __future__ import annotations

import os
from collections.abc import Hashable, Sequence

import numpy as np
from matplotlib.figure import Figure

from mxnet_audio.errors import ParameterError
from mxnet_audio.viz.figure import COLORS, MARKERS, cycled, literal, new_figure, saved

__all__ = ["plot_embedding"]

MIN_TSNE_VECTORS = 12  # distinct vectors


def plot_embedding(vectors: np.ndarray, labels: Sequence[Hashable], path: str | os.PathLike | None = None) -> Figure:
    """Draw vectors as points on a plane, similar ones close to each other.

    The points are found by t-SNE, and are always the same for the same vectors; for fewer than 12 distinct vectors,
    they are the first two principal components. Each class is one collection of the axes, in the order of the names,
    with its points in the given order.

    Parameters
    ----------
    vectors : np.ndarray [shape=(n, d)]
        Embeddings, one for each clip.
    labels : sequence [n] of str or int
        Class of each clip, shown by color and shape.
    path : str or os.PathLike, optional
        Image file to write, in the format of its suffix; without a suffix, PNG.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ParameterError
        If there are fewer than two vectors, or not one label for each.
    """
    vectors = np.asarray(vectors, dtype=np.float32)
    if vectors.ndim != 2 or len(vectors) < 2 or len(vectors) != len(labels):
        found = f"vectors of shape {vectors.shape} and {len(labels)} labels"
        raise ParameterError(f"vectors must be two or more, [n, d], with n labels; got {found}")
    points, method = _to_plane(vectors)
    classes = sorted(set(labels), key=str)
    figure = new_figure(8.5, 6)
    axes = figure.subplots()
    markers = cycled(MARKERS, len(classes))
    class_indices = np.array([classes.index(label) for label in labels])
    for i, (name, color, marker) in enumerate(zip(classes, cycled(COLORS, len(classes)), markers)):
        x, y = points[class_indices == i].T
        axes.scatter(x, y, s=34, c=color, marker=marker, label=literal(name), edgecolors="white", linewidths=0.5)
    axes.set(xlabel=f"{method} 1", ylabel=f"{method} 2", xticks=[], yticks=[])
    axes.set_aspect("equal", adjustable="datalim")
    columns = 1 + (len(classes) - 1) // 25
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, ncols=columns)
    return saved(figure, path)


def _to_plane(vectors: np.ndarray) -> tuple[np.ndarray, str]:
    """Project vectors to the plane; return the points [n, 2] and the name of the method."""
    # t-SNE fails where all vectors are equal, since it divides by their spread, and needs more than a few.
    if len(np.unique(vectors, axis=0)) < MIN_TSNE_VECTORS:
        centered = np.pad(vectors - vectors.mean(axis=0), ((0, 0), (0, max(0, 2 - vectors.shape[1]))))
        left, lengths, _ = np.linalg.svd(centered, full_matrices=False)
        return left[:, :2] * lengths[:2], "principal component"
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    perplexity = min(30.0, (len(vectors) - 1) / 3)
    # One dimension has no two principal components to start from, and all its angles are equal.
    several_dimensions = vectors.shape[1] > 1
    tsne = TSNE(
        metric="cosine" if several_dimensions else "euclidean",
        init="pca" if several_dimensions else "random",
        perplexity=perplexity,
        random_state=0,
        n_jobs=1,
    )
    with threadpool_limits(1, "openmp"):  # beside MXNet's threads, its own take 3 to 20 times as long
        return tsne.fit_transform(vectors), "t-SNE"

"""Maps of embeddings: similar vectors are close to each other, at the same points every time."""

import numpy as np
import pytest
from matplotlib.image import imread

from mxnet_audio.errors import ParameterError
from mxnet_audio.viz import plot_embedding


@pytest.mark.parametrize("n", [2, 6, 40])
def test_classes_are_close_together_and_the_map_is_reproducible(n, tmp_path):
    rng = np.random.default_rng(0)
    labels = ["rain", 7] * (n // 2)
    vectors = rng.normal(size=(n, 8), scale=0.05) + np.eye(8)[[0, 1] * (n // 2)]
    path = tmp_path / "map.png"
    first, again = plot_embedding(vectors, labels, path), plot_embedding(vectors, labels)
    points = [[c.get_offsets().data for c in figure.axes[0].collections] for figure in (first, again)]
    np.testing.assert_array_equal(points[0], points[1])
    a, b = points[0]
    assert len(a) == len(b) == n // 2
    between = np.linalg.norm(a.mean(axis=0) - b.mean(axis=0))
    assert between > 2 * np.linalg.norm(a - a.mean(axis=0), axis=1).mean()
    assert {t.get_text() for t in first.axes[0].get_legend().get_texts()} == {"rain", "7"}
    assert imread(path).std() > 0.01


def test_one_dimension_and_equal_vectors():
    assert plot_embedding(np.ones((3, 1)), ["a", "b", "c"]).axes
    assert plot_embedding(np.ones((20, 4)), ["a", "b"] * 10).axes
    assert plot_embedding(np.arange(20.0)[:, None], ["a", "b"] * 10).axes


@pytest.mark.parametrize("vectors, labels", [(np.ones((1, 4)), ["a"]), (np.ones((3, 4)), ["a"]), (np.ones(4), "abcd")])
def test_bad_vectors_are_refused(vectors, labels):
    with pytest.raises(ParameterError, match="vectors must be"):
        plot_embedding(vectors, labels)

"""Test exact distances beyond the precision of float32, and that the shortlist loses no neighbour."""

import numpy as np
import pytest

from mxnet_audio.errors import SearchError
from mxnet_audio.search.vectors import VectorTable


def expected_distances(vectors, query, metric):
    vectors, query = vectors.astype(np.float64), query.astype(np.float64)
    if metric == "cosine":
        vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        query = query / np.linalg.norm(query)
    distances = np.linalg.norm(vectors - query, axis=1)
    return distances**2 / 2 if metric == "cosine" else distances


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("spread", [1.0, 1e-3, 1e-5])
@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6, 1e18, 1e25])
def test_nearest_is_exact_at_any_scale(metric, spread, size):
    rng = np.random.default_rng(0)
    vectors = (size * (5 + spread * rng.normal(size=(500, 32)))).astype(np.float32)
    table = VectorTable(metric)
    table.add(range(500), vectors)
    for query in vectors[:20]:
        ids, distances = table.nearest(query, 10)
        expected = expected_distances(vectors, query, metric)
        np.testing.assert_allclose(distances, np.sort(expected)[:10], rtol=1e-7, atol=1e-15)
        np.testing.assert_allclose(expected[ids], np.sort(expected)[:10], rtol=1e-7, atol=1e-15)


def test_long_vector_hides_no_near_one():
    table = VectorTable("euclidean")
    table.add(range(4), [[1e9, 1e9], [3.0, 0.0], [2.0, 0.0], [1.0, 0.0]])
    assert table.nearest(np.float32([0, 0]), 2)[0].tolist() == [3, 2]


def test_overflow_hides_no_near_vector():
    table = VectorTable("euclidean")
    table.add(
        range(3), [[1e20, 0], [1.001e19, 0], [2e20, 0]]
    )  # their products with the query overflow float32, except the second
    assert table.nearest(np.float32([1e19, 0]), 1)[0].tolist() == [1]


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_pairwise_agrees_with_nearest(metric):
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(9000, 8)).astype(np.float32)  # more than one block
    table = VectorTable(metric)
    table.add(range(9000), vectors)
    table.remove([4])
    distances_of_queries = table.pairwise(vectors[:3])
    assert distances_of_queries.shape == (3, 8999)
    for query, row in zip(vectors, distances_of_queries):
        ids, distances = table.nearest(query, 8999)
        columns = np.searchsorted(table.ids, ids)
        np.testing.assert_allclose(row[columns], distances, atol=1e-6)


def test_ids_and_vectors_keep_the_order_of_insertion():
    table = VectorTable("euclidean")
    for key in (5, 3, 9, 1):
        table.add([key], [[float(key)]])
    table.add([3], [[33.0]])  # replaced at its position
    table.remove([9])
    assert table.ids.tolist() == [5, 3, 1]
    assert table.vectors().ravel().tolist() == [5.0, 33.0, 1.0]
    table.remove([5, 1])
    table.add([5], [[55.0]])
    assert table.ids.tolist() == [3, 5]
    assert (len(table), table.dim) == (2, 1)


def test_removal_does_not_walk_all_ids(monkeypatch):
    """Check that `n` removals take linear time: none looks at the other ids."""
    table = VectorTable("euclidean")
    table.add(range(1000), np.ones((1000, 2), np.float32))

    class Rows(dict):
        def keys(self):
            pytest.fail("walks all ids")

        __iter__ = items = values = keys

    table._row = Rows(table._row)
    for key in range(400):
        table.remove([key])
    with pytest.raises(SearchError, match="id 3"):
        table.remove([3])
    assert len(table) == 600


@pytest.mark.parametrize(
    "arrays",
    [
        {"ids": np.arange(3), "vectors": np.ones((3, 2, 2))},
        {"ids": np.array(["a", "b", "c"]), "vectors": np.ones((3, 2))},
        {"ids": np.float32([0, 1, 2]), "vectors": np.ones((3, 2))},
        {"ids": np.array(3), "vectors": np.array(3.0)},
        {"vectors": np.ones((3, 2))},
    ],
    ids=["three axes", "texts", "floats", "no axis", "no ids"],
)
def test_load_arrays_of_another_kind(arrays, tmp_path):
    np.savez(tmp_path / "vectors.npz", **arrays)
    with pytest.raises(SearchError, match=r"vectors\.npz"):
        VectorTable().load(tmp_path / "vectors.npz")


def test_load_refuses_compressed_arrays(tmp_path):
    """A small file could hold arrays that fill the memory."""
    np.savez_compressed(tmp_path / "vectors.npz", ids=np.arange(1000), vectors=np.ones((1000, 8), np.float32))
    with pytest.raises(SearchError, match="compressed"):
        VectorTable().load(tmp_path / "vectors.npz")

"""Test exact distances beyond the precision of float32, and that the shortlist loses no neighbour."""

import numpy as np
import pytest

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

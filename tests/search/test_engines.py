"""Test all engines against one contract: behavior, recall against the exact search, distances, copies."""

import copy
import itertools
import pickle
import sys

import numpy as np
import pytest

from mxnet_audio.errors import ParameterError, SearchError
from mxnet_audio.search.engines import ENGINES, create_engine

METRICS = ("cosine", "euclidean")
COUNT = 300  # vectors of most tests: an engine with a structure searches it for 150 nearest and fewer


def clustered(n, seed=0, dim=128, scale=1.0, bias=0.0):
    """Make vectors like those of a network with a final softrelu: clusters, positive, with a large common mean."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(20, dim))
    points = centres[rng.integers(20, size=n)] + 0.3 * rng.normal(size=(n, dim))
    return np.logaddexp(0, scale * points + bias).astype(np.float32)


def expected_distances(vectors, query, metric):
    """Compute distances by their definition, in float64."""
    vectors, query = vectors.astype(np.float64), query.astype(np.float64)
    if metric == "euclidean":
        return np.sqrt(((vectors - query) ** 2).sum(axis=1))
    return 1 - vectors @ query / np.linalg.norm(vectors, axis=1) / np.linalg.norm(query)


@pytest.fixture(params=METRICS)
def metric(request):
    return request.param


@pytest.fixture(params=sorted(ENGINES))
def make(request, metric):
    return lambda: create_engine(request.param, metric)


class MilvusEngine:
    """Index in Milvus with the calls of an engine: ids are the names of files.

    Vectors of other sizes than the collection's are made longer by zeros, which do not change distances.
    """

    name = "milvus"

    def __init__(self, index):
        self.index = index

    def _longer(self, vectors):
        vectors = np.asarray(vectors)
        return np.pad(vectors, [*[(0, 0)] * (vectors.ndim - 1), (0, 128 - vectors.shape[-1])])

    def __len__(self):
        return len(self.index)

    def add(self, ids, vectors):
        self.index.add_many([f"/{key}" for key in ids], self._longer(vectors))

    def remove(self, ids):
        self.index.remove([f"/{key}" for key in ids])

    def query(self, vectors, k):
        longer = self._longer(vectors)
        found = self.index.query_many(longer, k) if longer.ndim == 2 else [self.index.query(longer, k)]
        ids = np.array([[int(path.strip("/")) for path, _ in row] for row in found], int)
        distances = np.array([[distance for _, distance in row] for row in found], float)
        return (ids, distances) if np.ndim(vectors) == 2 else (ids[0], distances[0])


@pytest.fixture(params=[*itertools.product(sorted(ENGINES), METRICS), ("milvus_server", "cosine")], ids="-".join)
def any_kind(request):
    return request.param


@pytest.fixture
def any_metric(any_kind):
    return any_kind[1]


@pytest.fixture
def make_any(any_kind, request):
    if any_kind[0] != "milvus_server":
        return lambda: create_engine(*any_kind)
    indexes = request.getfixturevalue("milvus_indexes")
    return lambda: MilvusEngine(indexes(128))


@pytest.fixture
def many(any_kind):
    """Number of vectors where it matters; fewer where writing them takes time."""
    return 300 if any_kind[0] == "milvus_server" else 2000


@pytest.fixture
def any_engine(make_any, vectors):
    engine = make_any()
    engine.add(range(COUNT), vectors)
    return engine


@pytest.fixture(scope="module")
def vectors():
    return clustered(COUNT)


@pytest.fixture
def engine(make, vectors):
    engine = make()
    engine.add(range(COUNT), vectors)
    return engine


@pytest.mark.parametrize("shape", [{}, {"scale": 0.01, "bias": 2.0}], ids=["spread", "large common mean"])
def test_recall(make_any, any_metric, many, shape):
    vectors, queries = clustered(many, **shape), clustered(50, seed=1, **shape)
    engine = make_any()
    engine.add(range(many), vectors)
    ids, _ = engine.query(queries, 10)
    exact = [np.argsort(expected_distances(vectors, query, any_metric), kind="stable")[:10] for query in queries]
    recall = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(ids, exact)])
    assert recall >= (1.0 if engine.name == "exact" else 0.95)


def test_distances_follow_their_definition_and_ascend(any_engine, any_metric, vectors):
    query = clustered(1, seed=2)[0]
    ids, distances = any_engine.query(query, 10)
    np.testing.assert_allclose(distances, expected_distances(vectors, query, any_metric)[ids], rtol=1e-9, atol=1e-12)
    assert (np.diff(distances) >= 0).all()


def test_all_engines_report_identical_distances(metric, vectors):
    query = clustered(1, seed=3)[0]
    results = []
    for name in ENGINES:
        engine = create_engine(name, metric)
        engine.add(range(COUNT), vectors)
        results.append(engine.query(query, 10))
    for ids, distances in results[1:]:
        assert ids.tolist() == results[0][0].tolist()
        assert distances.tolist() == results[0][1].tolist()


def test_cosine_distance_reaches_two():
    engine = create_engine("exact", "cosine")
    engine.add([0, 1, 2], [[-5, 0], [0, 3], [2, 0]])
    ids, distances = engine.query([1, 0], 3)
    assert ids.tolist() == [2, 1, 0]
    np.testing.assert_allclose(distances, [0, 1, 2], atol=1e-15)


def test_one_query_and_several(any_engine, vectors):
    ids, distances = any_engine.query(vectors[:3], 4)
    assert ids.shape == distances.shape == (3, 4)
    assert ids[:, 0].tolist() == [0, 1, 2]
    single_ids, single_distances = any_engine.query(vectors[2], 4)
    assert single_ids.tolist() == ids[2].tolist()
    assert single_distances.tolist() == distances[2].tolist()


def test_vectors_added_after_a_query_are_found(any_engine, vectors):
    any_engine.query(vectors[0], 1)
    extra = clustered(30, seed=4)
    any_engine.add(range(5000, 5030), extra)
    assert len(any_engine) == COUNT + 30
    assert any_engine.query(extra, 1)[0][:, 0].tolist() == list(range(5000, 5030))
    assert any_engine.query(vectors[:30], 1)[0][:, 0].tolist() == list(range(30))  # so are the earlier ones


def test_removed_vectors_are_not_found(any_engine, vectors):
    any_engine.query(vectors[0], 1)
    removed = list(range(0, COUNT, 2))
    any_engine.remove(removed)
    assert len(any_engine) == COUNT // 2
    ids, _ = any_engine.query(vectors[:20], 10)
    assert not set(ids.ravel().tolist()) & set(removed)
    assert ids[1::2, 0].tolist() == list(range(1, 20, 2))


def test_repeated_removals_keep_recall(make_any, any_metric, many):
    count = min(many, 1000)
    vectors, engine, last = clustered(count), make_any(), count - 100
    engine.add(range(count), vectors)
    for start in range(0, last - 100, 50):
        engine.remove(range(start, start + 50))
        ids, _ = engine.query(vectors[last], 10)
        assert ids[0] == last
    left = np.arange(last - 100, count)
    expected = left[np.argsort(expected_distances(vectors[left], vectors[last], any_metric), kind="stable")[:10]]
    assert len(set(engine.query(vectors[last], 10)[0]) & set(expected)) >= 9


def test_replaced_id_has_only_the_new_vector(any_engine, vectors):
    any_engine.query(vectors[0], 1)
    new = clustered(1, seed=5)
    any_engine.add([7], new)
    assert len(any_engine) == COUNT
    ids, distances = any_engine.query(new[0], 1)
    assert (ids.tolist(), distances.tolist()) == ([7], [0.0])
    assert 7 not in any_engine.query(vectors[7], 1)[0]


def test_id_replaced_by_a_similar_vector_is_found_once(any_engine, vectors):
    any_engine.query(vectors[0], 1)
    any_engine.add([7], vectors[7:8] * np.linspace(1, 1.001, 128, dtype=np.float32))
    ids, _ = any_engine.query(vectors[7], 10)
    assert ids[0] == 7
    assert len(set(ids.tolist())) == 10


def test_removed_id_can_be_added_again(any_engine, vectors):
    any_engine.query(vectors[0], 1)
    any_engine.remove([3])
    any_engine.query(vectors[0], 1)
    any_engine.add([3], vectors[3:4])
    assert any_engine.query(vectors[3], 1)[0].tolist() == [3]


@pytest.mark.parametrize("k", [COUNT - 1, COUNT, COUNT + 1, 100_000])
def test_k_larger_than_the_index(engine, vectors, k):
    ids, distances = engine.query(vectors[0], k)
    assert len(ids) == len(distances) == len(set(ids.tolist())) == min(k, COUNT)


def test_empty_engine(make_any):
    engine = make_any()
    assert len(engine) == 0
    ids, distances = engine.query([1.0, 2.0], 5)
    assert ids.shape == distances.shape == (0,)
    assert engine.query([[1.0, 2.0], [3.0, 4.0]], 5)[0].shape == (2, 0)


def test_engine_can_be_emptied_and_refilled(make_any):
    engine = make_any()
    engine.add(range(50), clustered(50))
    engine.query(clustered(1)[0], 1)
    engine.remove(range(50))
    assert engine.query(clustered(1)[0], 3)[0].tolist() == []
    engine.add(range(50), clustered(50, seed=6))
    assert engine.query(clustered(50, seed=6), 1)[0][:, 0].tolist() == list(range(50))


def test_equal_vectors_are_ordered_and_hide_no_others(make_any, many):
    """Check equal vectors: with 1,000 nodes of one vector, voyager would find no others."""
    equal = many // 2
    vectors = np.concatenate([np.repeat(clustered(1, seed=7), equal, axis=0), clustered(100, seed=8)])
    engine = make_any()
    engine.add(range(equal + 100), vectors)
    ids, distances = engine.query(vectors[0], 5)
    assert (ids.tolist(), distances.tolist()) == ([0, 1, 2, 3, 4], [0.0] * 5)
    assert engine.query(vectors[equal:], 1)[0][:, 0].tolist() == list(range(equal, equal + 100))
    engine.remove([0, 2])
    assert engine.query(vectors[0], 3)[0].tolist() == [1, 3, 4]
    engine.remove(set(range(equal - 1)) - {0, 2})
    assert engine.query(vectors[0], 1)[0].tolist() == [equal - 1]


def test_save_and_load(make, engine, vectors, tmp_path):
    engine.add([COUNT], vectors[5:6])
    engine.query(vectors[0], 1)
    engine.remove([5])  # its copy remains
    before = engine.query(vectors[:20], 10)
    engine.save(tmp_path)
    loaded = make()
    loaded.add([1], clustered(1, dim=3))  # is replaced by load
    loaded.load(tmp_path)
    assert len(loaded) == COUNT
    after = loaded.query(vectors[:20], 10)
    assert before[0].tolist() == after[0].tolist()
    assert before[1].tolist() == after[1].tolist()
    loaded.add([9000, 9001], clustered(2, seed=9))
    loaded.add([9002], vectors[10:11])  # a copy of a loaded vector
    loaded.remove([0])
    assert loaded.query(clustered(2, seed=9), 1)[0][:, 0].tolist() == [9000, 9001]
    assert loaded.query(vectors[10], 2)[0].tolist() == [10, 9002]
    assert loaded.query(vectors[0], 1)[0][0] != 0


def test_save_and_load_empty(make, tmp_path):
    engine = make()
    engine.save(tmp_path)
    engine.load(tmp_path)
    assert len(engine) == 0
    engine.add([0], [[1.0, 2.0]])
    assert engine.query([1.0, 2.0], 1)[0].tolist() == [0]


def test_graph_is_rebuilt_after_many_removals(vectors):
    engine = create_engine("voyager")
    engine.add(range(COUNT), vectors)
    engine.query(vectors[0], 1)
    engine.remove(range(200))
    engine.query(vectors[250], 1)
    assert engine._structure.num_elements == COUNT - 200


@pytest.mark.parametrize("name", ["voyager", "annoy"])
def test_too_few_candidates_fall_back_to_exact_search(vectors, name, monkeypatch):
    engine, exact = create_engine(name), create_engine("exact")
    for each in (engine, exact):
        each.add(range(COUNT), vectors)
    search = engine._search
    monkeypatch.setattr(engine, "_search", lambda point, count: list(search(point, count))[:3])
    assert engine.query(vectors[0], 10)[0].tolist() == exact.query(vectors[0], 10)[0].tolist()


@pytest.mark.parametrize("name", sorted(ENGINES))
@pytest.mark.parametrize("damage", ["missing", "cut", "text"])
def test_load_damaged(name, damage, tmp_path):
    engine = create_engine(name, "cosine")
    engine.add(range(100), clustered(100))
    engine.save(tmp_path)
    files = sorted(tmp_path.iterdir())
    assert len(files) == (1 if name == "exact" else 2)
    for path in files:
        content = path.read_bytes()
        path.unlink()
        if damage != "missing":
            path.write_bytes(content[:100] if damage == "cut" else b"not an index")
        loaded = create_engine(name, "cosine")
        if path.name.startswith("graph"):
            loaded.load(tmp_path)  # the structure is rebuilt
            assert loaded.query(clustered(100), 1)[0][:, 0].tolist() == list(range(100))
        else:
            with pytest.raises(SearchError, match=path.name):
                loaded.load(tmp_path)
        path.write_bytes(content)


def test_structure_is_loaded_and_not_rebuilt(metric, vectors, tmp_path, monkeypatch):
    for name in ("voyager", "annoy"):
        engine = create_engine(name, metric)
        engine.add(range(COUNT), vectors)
        engine.save(tmp_path)
        monkeypatch.setattr(type(engine), "_insert", lambda *_: pytest.fail("rebuilt"))
        loaded = create_engine(name, metric)
        loaded.load(tmp_path)
        assert loaded.query(vectors[3], 1)[0].tolist() == [3]


def test_results_are_deterministic(make):
    vectors = clustered(2000)

    def results():
        engine = make()
        engine.add(range(1000), vectors[:1000])
        engine.query(vectors[0], 1)
        engine.add(range(1000, 2000), vectors[1000:])
        return [part.tolist() for part in engine.query(clustered(50, seed=10), 10)]

    assert results() == results()


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (np.full(128, np.nan), "NaN"),
        (np.r_[np.ones(127), np.inf], "NaN or infinity"),
        (np.full(128, 1e300), "NaN or infinity"),
        (np.ones(64), "128 numbers, got 64"),
        (np.ones((1, 1, 128)), "shape"),
        (1.0, "shape"),
        ("sound", "numbers"),
        ([[1, 2], [3]], "numbers"),
    ],
)
def test_bad_vectors_are_refused(engine, bad, reason):
    with pytest.raises(SearchError, match=reason):
        engine.add([9999], bad)
    with pytest.raises(SearchError, match=reason):
        engine.query(bad, 1)
    assert len(engine) == COUNT


def test_zero_vector(make_any, any_metric):
    engine = make_any()
    engine.add([0], [[1.0, 0.0]])
    if any_metric == "euclidean":
        engine.add([1], [[0.0, 0.0]])
        assert engine.query([0.0, 0.0], 1)[0].tolist() == [1]
        return
    for call in (lambda: engine.add([1], [[0.0, 0.0]]), lambda: engine.query([0.0, 0.0], 1)):
        with pytest.raises(SearchError, match="zero vector"):
            call()
    assert len(engine) == 1


def test_bad_arguments_and_ids_are_refused(any_engine, vectors):
    with pytest.raises(ParameterError, match="k must be"):
        any_engine.query(vectors[0], 0)
    with pytest.raises(SearchError, match="77777"):
        any_engine.remove([1, 77777])
    assert len(any_engine) == COUNT  # nothing was removed
    assert any_engine.query(vectors[1], 1)[0].tolist() == [1]
    with pytest.raises(ParameterError, match=r"and vectors .* 2 and 1"):
        any_engine.add([1, 2], vectors[:1])


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda engine: pickle.loads(pickle.dumps(engine))])
def test_copies_give_equal_results(engine, vectors, duplicate):
    queries = clustered(30, seed=11)
    engine.query(vectors[0], 1)  # builds the structure
    engine.remove(range(0, 100, 3))
    engine.add([3, COUNT], clustered(2, seed=12))  # pending at the time of the copy
    other = duplicate(engine)
    expected = [part.tolist() for part in engine.query(queries, 10)]
    assert [part.tolist() for part in other.query(queries, 10)] == expected
    other.remove([1])
    other.add([2001], vectors[1:2])
    assert other.query(vectors[1], 1)[0].tolist() == [2001]
    assert engine.query(vectors[1], 1)[0].tolist() == [1]  # independent of the copy


def test_voyager_copies_do_not_rebuild_the_graph(vectors, monkeypatch):
    engine = create_engine("voyager")
    engine.add(range(COUNT), vectors)
    engine.query(vectors[0], 1)
    monkeypatch.setattr(type(engine), "_insert", lambda *_: pytest.fail("rebuilt"))
    assert copy.deepcopy(engine).query(vectors[3], 1)[0].tolist() == [3]


def test_empty_engine_can_be_copied(make):
    engine = pickle.loads(pickle.dumps(make()))
    engine.add([0], [[1.0, 2.0]])
    assert engine.query([1.0, 2.0], 1)[0].tolist() == [0]


def test_repr_is_one_line(make, metric):
    engine = make()
    engine.add([0], [[1.0, 2.0]])
    assert repr(engine) == f"{type(engine).__name__}(1 vectors, dim=2, metric={metric!r})"
    assert repr(engine.table) == f"VectorTable(1 vectors, dim=2, metric={metric!r})"


def test_unknown_names():
    with pytest.raises(ParameterError, match=r"engine .* auto, exact, voyager, annoy, got 'faiss'"):
        create_engine("faiss")
    with pytest.raises(ParameterError, match=r"metric .*'manhattan'"):
        create_engine("exact", "manhattan")


@pytest.mark.parametrize(
    ("name", "install"),
    [("voyager", "pip install voyager"), ("annoy", "pip install annoy")],
)
def test_missing_package(monkeypatch, name, install):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(SearchError, match=install):
        create_engine(name)

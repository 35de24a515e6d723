"""Test the index in Milvus: arguments, metadata, partitions, several writers, and collections that are not its own."""

import copy
import itertools
import os
import pickle
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from unittest.mock import Mock

import numpy as np
import pytest

from mxnet_audio.errors import ParameterError, SearchError
from mxnet_audio.search import MilvusIndex, VectorIndex

AWAY = "http://someone:secret@127.0.0.1:1"  # nothing listens there


def vectors(n, seed=0):
    return np.random.default_rng(seed).uniform(0.1, 1, (n, 8)).astype(np.float32)


@pytest.fixture(scope="module")
def lite(tmp_path_factory):
    """File of Milvus Lite, in which each test has a collection of its own."""
    pytest.importorskip("milvus_lite")
    return str(tmp_path_factory.mktemp("lite") / "songs.db")


@pytest.fixture
def opened(lite, request):
    """Function that opens the collection of the test in Milvus Lite."""
    name = f"c{abs(hash(request.node.name))}"
    return lambda **arguments: MilvusIndex(lite, name, **arguments)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"uri": "localhost:19530"}, "mean 'http://localhost:19530'"),
        ({"uri": "user:secret@localhost:19530"}, "uri [^@]*$"),
        ({"uri": "ftp://localhost"}, "uri"),
        ({"uri": "http://localhost:99999"}, "uri"),
        ({"uri": "nowhere/songs.db"}, "uri"),
        ({"uri": None}, "uri"),
        ({"collection": "my songs"}, "collection"),
        ({"collection": 3}, "collection"),
        ({"metric": "manhattan"}, "metric"),
        ({"index_type": "TREE"}, "index_type"),
        ({"index_type": "HNSW", "index_params": [16]}, "index_params"),
        ({"index_params": {"M": 16}}, "index_params"),
        ({"search_params": 3}, "search_params"),
        ({"consistency": "weak"}, "consistency"),
        ({"token": b"secret"}, "token"),
        ({"tls": "ca.pem"}, "tls"),
        ({"tls": {"ca": "nowhere.pem"}}, "ca"),
        ({"tls": {"cert": "nowhere.pem"}}, "tls"),
        ({"timeout": 0}, "timeout"),
        ({"uri": "songs.db", "index_type": "IVF_PQ"}, "IVF_PQ"),
    ],
    ids=str,
)
def test_bad_arguments_are_refused_before_anything_is_asked(arguments, name):
    with pytest.raises(ParameterError, match=name):
        MilvusIndex(**{"uri": AWAY, "collection": "songs", **arguments})


@pytest.mark.parametrize("package", ["pymilvus", "milvus_lite"])
def test_missing_package(package, tmp_path, monkeypatch):
    index = MilvusIndex(tmp_path / "songs.db", "songs")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(SearchError, match="pip install"):
        index.add("a.wav", [1, 2])


def test_reading_creates_no_file(tmp_path):
    pytest.importorskip("milvus_lite")
    index = MilvusIndex(tmp_path / "songs.db", "songs")
    assert (len(index), index.query([1, 2]), index.dim) == (0, [], None)
    assert not list(tmp_path.iterdir())


def test_the_address_names_the_database():
    assert MilvusIndex(f"{AWAY}/live", "songs").address == "http://127.0.0.1:1/live"
    assert MilvusIndex(f"{AWAY}/", "songs").address == "http://127.0.0.1:1"


def test_no_server():
    index = MilvusIndex(AWAY, "songs", token="a:secret", timeout=0.3)
    for use in (lambda: len(index), lambda: index.add("a.wav", [1, 2]), lambda: index.query([1, 2])):
        with pytest.raises(SearchError, match=r"http://127\.0\.0\.1:1: no Milvus server") as caught:
            use()
        assert "secret" not in str(caught.value) + repr(index)


def test_certificates(tmp_path, monkeypatch):
    import pymilvus

    files = {name: tmp_path / f"{name}.pem" for name in ("ca", "certificate", "key")}
    for file in files.values():
        file.write_text("no certificate")
    for tls in ({"ca": files["ca"]}, files, {**files, "server_name": "songs"}):
        with pytest.raises(SearchError, match="no Milvus server"):
            len(MilvusIndex("https://127.0.0.1:1", "songs", tls=tls, timeout=0.3))
    refused = pymilvus.MilvusException(message="UNAUTHENTICATED: Hostname Verification Check failed.")
    monkeypatch.setattr(pymilvus, "MilvusClient", Mock(side_effect=refused))
    with pytest.raises(SearchError, match=r"certificate.*server_name"):
        len(MilvusIndex("https://127.0.0.1:1", "songs", tls={"ca": files["ca"]}))
    refused = pymilvus.MilvusException(message="WRONG_VERSION_NUMBER: Invalid certificate verification context: OK")
    monkeypatch.setattr(pymilvus, "MilvusClient", Mock(side_effect=refused))
    with pytest.raises(SearchError, match=r"without TLS.*http://"):
        len(MilvusIndex("https://127.0.0.1:1", "songs"))
    seen = []
    monkeypatch.setattr(pymilvus, "MilvusClient", lambda uri, **arguments: seen.append(arguments) or pytest.skip())
    for tls in ({"ca": files["ca"]}, {**files, "server_name": "songs"}):
        with pytest.raises(pytest.skip.Exception):
            len(MilvusIndex("https://127.0.0.1:1", "songs", tls=tls))
    assert seen[0]["dedicated"] and seen[0]["secure"] and seen[0]["server_pem_path"] == str(files["ca"])
    assert {"ca_pem_path", "client_pem_path", "client_key_path", "server_name"} < set(seen[1])


@pytest.mark.parametrize("token", ["root:wrong-password", "wrong-key", None])
def test_wrong_token_of_a_milvus_server(milvus_server, token):
    index = MilvusIndex(milvus_server.uri, "songs", token=token, timeout=5)
    reason = "refuses the token" if token else "none was given.*MXNET_AUDIO_MILVUS_TOKEN"
    with pytest.raises(SearchError, match=reason) as caught:
        len(index)
    assert "wrong-" not in str(caught.value) and milvus_server.uri in str(caught.value)


def check_metadata_and_partitions(index):
    names = [f"songs/{number}.wav" for number in range(20)]
    years = [{"year": 1960 + number, "tags": ["live"] if number % 2 else []} for number in range(20)]
    index.add_many(names, vectors(20), metadata=years)
    assert [path for path, _ in index.query(vectors(1)[0], 3, where="year < 1962")] == names[:2]
    assert len(index.query(vectors(1)[0], 20, where='year > 1970 or path == "songs/0.wav"')) == 10
    index.add(names[0], vectors(1, seed=1)[0])  # the metadata stay
    assert index.metadata(names[0]) == {"year": 1960, "tags": []}
    index.add(names[0], vectors(1)[0], metadata={"year": 1950})
    assert index.metadata(names[0])["year"] == 1950
    if index.address.startswith("http"):  # Milvus Lite keeps former fields
        assert index.metadata(names[0]) == {"year": 1950}
    index.add_many(names[:5], vectors(5), partition="live")
    assert len(index) == 20  # one row for each file, whichever partition it is in
    assert {path for path, _ in index.query(vectors(1)[0], 20, partition="live")} == set(names[:5])
    index.add(names[1], vectors(2)[1])  # stays there
    index.add(names[2], vectors(3)[2], partition="_default")
    assert {path for path, _ in index.query(vectors(1)[0], 20, partition="live")} == set(names[:5]) - {names[2]}
    assert index.metadata(names[2])["year"] == 1962 and len(index) == 20
    parts = list(index.batches(3, where="year > 1976"))
    assert [entry.path for entries, _ in parts for entry in entries] == names[17:]
    assert np.concatenate([part for _, part in parts]).tolist() == vectors(20)[17:].tolist()
    for where in ("year >", "year === 1", "vector > 3", "", 3, "\ud800", "a" * 10 + "("):
        with pytest.raises(ParameterError, match="where must be") as caught:
            index.query(vectors(1)[0], exclude=names, where=where)
        assert "real_path" not in str(caught.value)
        with pytest.raises(ParameterError, match="where must be"):
            list(index.batches(where=where))
    with pytest.raises(SearchError, match="no partition 'nowhere'"):
        index.query(vectors(1)[0], partition="nowhere")
    with pytest.raises(ParameterError, match="partition"):
        index.add(names[0], vectors(1)[0], partition="my songs")


def test_metadata_and_partitions_in_a_milvus_server(milvus_indexes):
    check_metadata_and_partitions(milvus_indexes(8))


def test_metadata_and_partitions_in_lite(opened):
    check_metadata_and_partitions(opened())


@pytest.mark.parametrize(
    "metadata",
    [
        3,
        {"path": "x"},
        {"vector": 1},
        {1: 2},
        {"": 1},
        {"$meta": 1},
        {"a": {1}},
        {"a": float("nan")},
        {"a": [1 << 63]},
        {"a": "x" * 70_000},
    ],
    ids=lambda metadata: str(metadata)[:20],
)
def test_bad_metadata_are_refused(opened, metadata):
    index = opened()
    with pytest.raises(ParameterError, match="metadata"):
        index.add("a.wav", [1, 2], metadata=metadata)
    assert len(index) == 0 and index.dim is None  # not even the collection was created


def test_bad_columns_are_refused(opened):
    index = opened()
    for arguments in (
        {"paths": ["a.wav"], "vectors": vectors(2)},
        {"paths": ["a.wav", "b.wav"], "vectors": vectors(2), "stamps": [(1, 2)]},
        {"paths": ["a.wav"], "vectors": vectors(1), "metadata": []},
        {"paths": "a.wav", "vectors": vectors(1)},
        {"paths": ["/" + "é" * 40_000], "vectors": vectors(1)},
    ):
        with pytest.raises(ParameterError):
            index.add_many(**arguments)
    with pytest.raises(SearchError, match=r"b\.wav: .*NaN"):
        index.add_many(["a.wav", "b.wav"], [[1, 2], [1, np.nan]])
    index.add_many([], [])
    assert len(index) == 0


def test_results_are_those_of_the_embedded_index(opened):
    index, embedded = opened(metric="euclidean"), VectorIndex(metric="euclidean")
    names = [os.fsdecode(b"not-utf8-\xff.wav"), 'quo"te.wav', "back\\slash.wav", "line\nbreak\r\t\x01.wav", "%_.wav"]
    names += ["\ufffd.wav", "Ärger ♪ 音 😀.wav", "copy of 7.wav", "twice.wav", "twice.wav"]
    rows = vectors(10)
    rows[7] = rows[6]
    index.add_many(names, rows, [(number, 1) for number in range(10)])
    for number, (name, row) in enumerate(zip(names, rows)):
        embedded.add(name, row, (number, 1))
    assert len(index) == len(embedded) == 9
    assert set(index.paths) == set(embedded.paths) and set(index.real_paths) == set(embedded.real_paths)
    for row in rows:
        assert index.query(row, 9) == embedded.query(row, 9)
        assert index.query(row, 3, keep=is_third) == embedded.query(row, 3, keep=is_third)
    assert index.query_many(rows, 3, keep=is_third) == [embedded.query(row, 3, keep=is_third) for row in rows]
    for name in names:
        assert index.vector(name).tolist() == embedded.vector(name).tolist()
        assert index.stamp(name) == embedded.stamp(name) and index.find([name]) == embedded.find([name])
    assert index.stamps([*names, "nowhere"]) == {entry.real: entry.stamp for entry in embedded.entries}
    assert index.vectors(names).shape == (10, 8)
    for row in index.entries:
        assert index.stamp(row.path) == row.stamp


def is_third(entry):
    return entry.stamp[0] % 3 == 0


def test_model_of_the_collection(opened):
    index = opened(model_id="model-a")
    index.model = {"encoder": "é", "hop": 0.5}
    index.check("model-b", 3)  # nothing is there yet
    index.add("a.wav", vectors(1)[0])
    other = opened()
    assert (other.model_id, other.model, other.dim, other.metric) == (
        "model-a",
        {"encoder": "é", "hop": 0.5},
        8,
        "cosine",
    )
    with pytest.raises(SearchError, match=r"model-a.*model-b"):
        opened(model_id="model-b").query(vectors(1)[0])
    with pytest.raises(SearchError, match=r"model-a.*model-b"):
        other.check("model-b")
    with pytest.raises(SearchError, match=r"8 numbers.*512"):
        other.check("model-a", 512)
    with pytest.raises(SearchError, match=r"8 numbers, got 3"):
        other.add("b.wav", [1, 2, 3])
    with pytest.raises(SearchError, match="euclidean"):
        len(opened(metric="euclidean"))
    with pytest.raises(SearchError, match="HNSW"):
        len(opened(index_type="HNSW"))
    index.model_id = "model-b"
    with pytest.raises(SearchError, match="model-a"):
        len(index)


def test_model_that_is_not_json_is_refused(opened):
    index = opened()
    index.model = {"a": {1}}
    with pytest.raises(ParameterError, match="model"):
        index.add("a.wav", [1, 2])


def foreign_collection(index, **arguments):
    """Create a collection in Milvus Lite as another program would."""
    from pymilvus import DataType, MilvusClient

    schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=True)
    schema.add_field("real_path", DataType.VARCHAR, is_primary=True, max_length=100)
    for name in ("path", "stamp", "partition"):
        schema.add_field(name, DataType.VARCHAR, max_length=100)
    schema.add_field("inserted", DataType.INT64)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=2)
    index._table.connection.client().create_collection(index.collection, schema=schema, **arguments)


@pytest.mark.parametrize(
    "header",
    [
        None, "", "[]", "{", '{"format": 1}', '{"format": "1", "metric": "cosine", "model_id": null, "model": null}',
        '{"format": 1, "metric": "angular", "model_id": null, "model": null}',
        '{"format": 1, "metric": "cosine", "model_id": 3, "model": null}', "[" * 100_000,
    ],
    ids=lambda header: str(header)[:30],
)  # fmt: skip
def test_collection_of_another_program_is_refused(opened, header):
    index = opened()
    foreign_collection(index, properties={} if header is None else {"mxnet_audio": header})
    for use in (index.__len__, lambda: index.add("a.wav", [1, 2]), lambda: index.query([1, 2])):
        with pytest.raises(SearchError, match="not an index"):
            use()


def test_collection_of_a_later_version_is_refused(opened):
    index = opened()
    header = '{"format": 2, "metric": "cosine", "model_id": null, "model": null}'
    foreign_collection(index, properties={"mxnet_audio": header})
    with pytest.raises(SearchError, match=r"format 2.*upgrade"):
        len(index)


def test_interrupted_creation_is_completed(opened):
    index = opened()
    header = '{"format": 1, "metric": "cosine", "model_id": "m", "model": null}'
    foreign_collection(index, properties={"mxnet_audio": header})
    index.add("a.wav", [1, 2])
    assert index.query([1, 2]) == [("a.wav", 0.0)] and index.model_id == "m"


@pytest.mark.parametrize(
    "values",
    [
        {"stamp": "[1, "}, {"stamp": "[1.5]"}, {"stamp": "3"}, {"stamp": '"ab"'}, {"vector": [float("nan"), 1]},
        {"vector": [0, 0]}, {"stamp": "[" * 90},
    ],
    ids=str,
)  # fmt: skip
def test_rows_that_another_program_wrote(opened, values):
    index = opened()
    index.add("a.wav", [1, 2], (1, 2))
    row = {"real_path": "/b", "path": "b", "stamp": "", "inserted": 1, "partition": "_default", "vector": [1, 1]}
    index._table.connection.client().upsert(index.collection, [{**row, **values}])
    with pytest.raises(SearchError):
        index.query([1, 2])
    with pytest.raises(SearchError):
        list(index.batches())
    index.remove("/b")
    assert index.query([1, 2]) == [("a.wav", 0.0)]


def test_dropped_collection(opened):
    index, other = opened(), opened()
    index.add("a.wav", [1, 2])
    assert len(other) == 1
    index.drop()
    with pytest.raises(SearchError, match="dropped"):
        len(other)
    assert len(index) == len(other) == 0 and other.query([1, 2]) == [] and other.dim is None
    other.add("a.wav", [1, 2, 3])
    assert index.dim == 3


def test_copies(opened):
    index = opened(token="a:secret")
    index.add("a.wav", [1, 2])
    for other in (copy.deepcopy(index), pickle.loads(pickle.dumps(index))):
        other.close()
        assert other.query([1, 2]) == index.query([1, 2]) == [("a.wav", 0.0)]
    assert "secret" not in repr(index)
    with index as same:
        assert same is index and len(index) == 1
    assert len(index) == 1  # it is connected again


def test_many_queries_are_few_messages(opened, monkeypatch):
    index = opened()
    index.add_many([f"{number}.wav" for number in range(50)], vectors(50))
    expected = [index.query(row, 5) for row in vectors(50)]
    messages, search = [], index._table.search
    monkeypatch.setattr(
        index._table,
        "search",
        lambda queries, *rest, **options: messages.append(len(queries)) or search(queries, *rest, **options),
    )
    assert index.query_many(vectors(50), 5) == expected and messages == [50]
    monkeypatch.setattr("mxnet_audio.search.milvus.table._MESSAGE_ROWS", 200)  # ten candidates for each query
    assert index.query_many(vectors(50), 5) == expected and messages == [50, 20, 20, 10]
    with pytest.raises(SearchError, match="8 numbers, got 3"):
        index.query_many([[1, 2, 3]])
    with pytest.raises(SearchError, match="one vector"):
        index.query(vectors(2))


@pytest.mark.parametrize("index_type", ["HNSW", "IVF_FLAT"])
def test_index_types_of_lite(opened, index_type):
    params = {"index_params": {"nlist": 4}} if index_type == "IVF_FLAT" else {"search_params": {"ef": 1}}
    index = opened(index_type=index_type, **params)
    index.add_many([f"{number}.wav" for number in range(200)], vectors(200))
    index._table.connection.client().flush(index.collection)
    assert [index.query(row, 1)[0].path for row in vectors(200)[:20]] == [f"{number}.wav" for number in range(20)]
    assert index.index_type == index_type


def test_parameters_that_a_milvus_server_refuses(milvus_server, milvus_collection):
    arguments = {"token": milvus_server.token, "index_type": "HNSW"}
    with pytest.raises(ParameterError, match="index_params"):
        MilvusIndex(milvus_server.uri, milvus_collection, **arguments, index_params={"M": -3}).add("a.wav", [1, 2])
    index = MilvusIndex(milvus_server.uri, milvus_collection, **arguments)
    index.add("a.wav", [1, 2])  # the index is created now
    assert index.query([1, 2]) == [("a.wav", 0.0)]


def test_more_files_than_milvus_returns(opened, monkeypatch):
    from mxnet_audio.search.milvus import table

    monkeypatch.setattr(table, "_LARGEST_ANSWER", 10)
    index = opened()
    index.add_many([f"{number}.wav" for number in range(25)], vectors(25))
    assert len(index.query(vectors(1)[0], 10)) == 10 and len(list(index.paths)) == 25
    with pytest.raises(ParameterError, match="top_k must be <= 10"):
        index.query(vectors(1)[0], 11)


WRITER = """
import sys
import numpy as np
from mxnet_audio.search import MilvusIndex
uri, collection, token, first = sys.argv[1:]
index = MilvusIndex(uri, collection, token=token)
for start in range(int(first), int(first) + 100, 50):
    names = [f"/songs/{number}.wav" for number in range(start, start + 50)]
    index.add_many(names, np.random.default_rng(start).normal(size=(50, 4)), [(start, 1)] * 50)
"""


@pytest.mark.slow
def test_two_processes_write_to_a_milvus_server_at_once(milvus_server, milvus_collection):
    """Let two processes create a collection at the same time, and write files of which half are the same."""
    command = [sys.executable, "-c", WRITER, milvus_server.uri, milvus_collection, milvus_server.token]
    writers = [subprocess.Popen([*command, first], stderr=subprocess.PIPE) for first in ("0", "50")]
    for writer in writers:
        _, errors = writer.communicate(timeout=300)
        assert writer.returncode == 0, errors.decode()
    index = MilvusIndex(milvus_server.uri, milvus_collection, token=milvus_server.token)
    names = [entry.path for entry in index.entries]
    assert sorted(names) == sorted(f"/songs/{number}.wav" for number in range(150)) and len(index) == 150
    for start in range(0, 150, 50):
        expected = np.random.default_rng(start).normal(size=(50, 4)).astype(np.float32)
        assert index.vectors([f"/songs/{n}.wav" for n in range(start, start + 50)]).tolist() == expected.tolist()


@pytest.mark.slow
def test_a_server_that_is_killed(own_milvus_server):
    """Kill the server while others write and search, and start it again: they go on, and nothing is lost."""
    server, acknowledged, answers, stop = own_milvus_server, [], [], threading.Event()

    def opened(timeout=180):
        return MilvusIndex(server.uri, "songs", token=server.token, timeout=timeout)

    def write():
        for number in itertools.count(1):
            names = [f"/songs/{number}-{part}.wav" for part in range(20)]
            index.add_many(names, vectors(20, seed=number), [(number, 1)] * 20)
            acknowledged.append(number)
            if stop.is_set():
                return

    def search():
        while not stop.is_set():
            answers.append(index.query(first, 1))

    def wait_for(things, count):
        while len(things) < count and not any(thread.done() for thread in threads):
            time.sleep(0.01)

    index, impatient = opened(), opened(timeout=1)
    first = vectors(1)[0]
    index.add("/songs/0.wav", first)
    assert impatient.query(first) == [("/songs/0.wav", 0.0)]
    with ThreadPoolExecutor(2) as pool:
        threads = pool.submit(write), pool.submit(search)
        wait_for(acknowledged, 3)
        server.kill()
        for reader in (impatient, opened(timeout=1)):
            with pytest.raises(SearchError, match=server.uri):
                reader.query(first)
        server.start()
        wait_for(acknowledged, len(acknowledged) + 2)
        wait_for(answers, len(answers) + 2)
        stop.set()
        for thread in threads:
            thread.result()
    assert answers == [[("/songs/0.wav", 0.0)]] * len(answers)
    for reader in (index, opened()):
        names = list(reader.paths)
        assert len(reader) == len(names) == len(set(names)) == 1 + 20 * len(acknowledged)
        for number in acknowledged:
            assert reader.query(vectors(1, seed=number)[0], 1) == [(f"/songs/{number}-0.wav", 0.0)]

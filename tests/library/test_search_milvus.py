"""Searches and recommenders on a Milvus server: the same answers as from a local index, and several writers."""

import json
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from mxnet_audio.errors import ParameterError, SearchError
from mxnet_audio.library.index_transfer import pull, push
from mxnet_audio.library.recommender import AudioRecommender
from mxnet_audio.library.search import AudioSearch
from mxnet_audio.search import VectorIndex
from mxnet_audio.search.milvus import MilvusIndex
from tests.library.fake_classifier import FakeClassifier
from tests.library.fake_encoder import load_fake_encoder


class FakeSearch(AudioSearch):
    classifier_class = FakeClassifier


class FakeRecommender(AudioRecommender):
    classifier_class = FakeClassifier


@pytest.fixture
def server(tmp_path):
    """Arguments that name a collection in a file of Milvus Lite, which is faster made than one of a server."""
    pytest.importorskip("milvus_lite")
    return {"engine": "milvus", "uri": str(tmp_path / "songs.db"), "collection": "songs"}


@pytest.fixture
def fake_encoders(monkeypatch):
    monkeypatch.setattr("mxnet_audio.pretrained.load_encoder", load_fake_encoder)


@pytest.fixture
def songs(tmp_path):
    """Paths of twenty files, 'a' to 't'; the later the letter, the larger the distance from 'a'."""
    folder = tmp_path / "songs é ♪"
    folder.mkdir()
    paths = [folder / f"{letter}.wav" for letter in "abcdefghijklmnopqrst"]
    for i, path in enumerate(paths):
        angle = i * np.pi / 40
        path.write_text(json.dumps([np.cos(angle), np.sin(angle), 0, 0, 0, 0, 0, 0]))
    return [str(path) for path in paths]


def loaded(kind=FakeSearch, **options):
    search = kind(**options)
    search.load_model("models/model-a")
    return search


def collection_of(server):
    return MilvusIndex(server["uri"], server["collection"], token=server.get("token"))


def year(path):
    """Metadata of a song: 1960 for 'a', 1979 for 't'."""
    return {"year": 1960 + ord(Path(path).stem) - ord("a")}


def test_answers_are_those_of_a_local_index(server, songs, tmp_path):
    search, local = loaded(**server), loaded()
    bad = tmp_path / "bad.wav"
    bad.write_text("bad")
    report = search.index_many([*songs, bad, songs[0]], checkpoint_every=7, metadata=year)
    assert (report.added, report.unchanged, [path for path, _ in report.skipped]) == (20, 0, [str(bad)])
    local.index_many(songs)
    for query in (songs[0], songs[9], b"anything"):
        found, expected = search.query(query, 5), local.query(query, 5)
        assert [path for path, _ in found] == [path for path, _ in expected]
        np.testing.assert_allclose([item.distance for item in found], [item.distance for item in expected], rtol=1e-12)
    assert [path for path, _ in search.query(songs[0], 3, where="year >= 1970")] == songs[10:13]
    assert (len(search), songs[3] in search, "nowhere.wav" in search) == (20, True, False)
    assert sorted(search.paths) == songs

    again = loaded(**server)
    Path(songs[1]).write_text(json.dumps([0, 0, 1, 0, 0, 0, 0, 0]))
    report = again.index_many(songs)
    assert (report.added, report.unchanged, again.classifier.encoded) == (1, 19, songs[1:2])
    assert again.query(songs[0], 1)[0].path == songs[2]
    assert search.index.metadata(songs[1]) == {"year": 1961}  # it is kept
    search.index_audio(songs[1], metadata={"year": 2000})
    assert search.query(songs[0], 1, where="year == 2000")[0].path == songs[1]


def test_files_that_are_missing_here_are_answers_until_they_are_pruned(server, songs, tmp_path):
    search = loaded(**server)
    search.index_many(songs)
    for path in songs[1:3]:
        Path(path).unlink()
    assert [path for path, _ in search.query(songs[0], 2)] == songs[1:3] and not search.left_out
    assert sorted(search.prune()) == songs[1:3]
    assert search.remove(songs[3]) == [songs[3]]
    with pytest.raises(SearchError, match="not in the index"):
        search.remove([songs[3], songs[4]])
    moved = Path(songs[0]).parent.rename(tmp_path / "archive")
    expected = sorted(str(moved / Path(path).name) for path in (songs[0], *songs[4:]))
    assert sorted(search.relocate(Path(songs[0]).parent, moved)) == sorted(search.paths) == expected
    assert loaded(**server).index_many(expected).unchanged == 17
    search.reset()
    assert len(search) == 0


def test_paths_of_files_are_absolute_and_keep_links(server, songs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("linked").symlink_to(Path(songs[0]).parent)
    search = loaded(**server)
    search.index_many(["linked/a.wav"])
    search.index_audio("linked/b.wav")
    search.index_audio("a tone", songs[2])
    assert set(search.paths) == {str(tmp_path / "linked" / name) for name in ("a.wav", "b.wav")} | {"a tone"}
    assert search.relocate("linked/a.wav", "c.wav") == [str(tmp_path / "c.wav")]


def test_partitions(server, songs):
    search = loaded(**server, partition="archive")
    search.index_many(songs[:10])
    loaded(**server).index_many(songs[10:])
    assert [path for path, _ in search.query(songs[19], 2)] == [songs[9], songs[8]]
    assert [path for path, _ in loaded(**server).query(songs[19], 2)] == [songs[18], songs[17]]


@pytest.mark.usefixtures("fake_encoders")
def test_a_collection_knows_its_model(server, songs):
    AudioSearch(**server, encoder="musicnn").index_many(songs)
    search = AudioSearch(**server)
    assert [path for path, _ in search.query(songs[0], 2)] == songs[1:3]
    assert (search.encoder.name, len(search)) == ("musicnn", 20)
    other = AudioSearch(**server, encoder="yamnet")
    for call in (other.query, other.index_audio, other.index_many):
        with pytest.raises(SearchError, match=r"musicnn, max_pool.*yamnet, mean.*collection"):
            call(songs[0])


def test_recommendations_are_those_of_a_local_index(server, songs):
    recommender, local = loaded(FakeRecommender, **server), loaded(FakeRecommender)
    for each in (recommender, local):
        each.index_many(songs[:-1])
        for path in (songs[0], songs[0], songs[9], songs[-1]):
            each.track(path)
    assert (len(local), len(recommender)) == (20, 19)  # what is played is not stored for others
    found, expected = recommender.recommend(5), local.recommend(5)
    assert [path for path, _ in found] == [path for path, _ in expected]
    np.testing.assert_allclose([item.score for item in found], [item.score for item in expected], rtol=1e-9)
    assert len(recommender.recommend(100)) == 17
    twin = pickle.loads(pickle.dumps(recommender))
    assert twin.history == recommender.history and twin.recommend(5) == found
    assert loaded(FakeRecommender, **server).history == []  # other listeners have their own
    recommender.index.add_many(songs[:5], recommender.index.vectors(songs[:5]), metadata=[{"live": True}] * 5)
    assert {path for path, _ in recommender.recommend(where="live == true")} == set(songs[1:5])


def test_an_interrupted_run_is_continued(server, songs, monkeypatch):
    search = loaded(**server)

    def interrupted(paths):
        for i, encoding in enumerate(FakeClassifier.encode_many(search.classifier, paths)):
            if i == 12:
                raise KeyboardInterrupt
            yield encoding

    monkeypatch.setattr(search.classifier, "encode_many", interrupted)
    with pytest.raises(KeyboardInterrupt):
        search.index_many(songs, checkpoint_every=5)
    assert len(search) == 12
    search = loaded(**server)
    with pytest.raises(ParameterError, match="metadata"):
        search.index_many(songs, metadata=lambda path: {"year": {1960} if path == songs[16] else 1960})
    assert len(search) == 16
    report = search.index_many(songs)
    assert (report.added, report.unchanged) == (4, 16)


def test_several_writers_on_a_milvus_server(milvus_server, milvus_collection, songs):
    options = {"uri": milvus_server.uri, "token": milvus_server.token, "collection": milvus_collection}

    def write(start):
        return loaded(engine="milvus", **options).index_many(songs[start : start + 10], checkpoint_every=3)

    with ThreadPoolExecutor(3) as threads:  # the parts overlap, and the collection is made by one of them
        reports = list(threads.map(write, (0, 5, 10)))
    assert sum(report.added + report.unchanged for report in reports) == 30
    search = loaded(engine="milvus", **options)
    assert sorted(search.paths) == songs
    assert [path for path, _ in search.query(songs[0], 100)] == songs[1:]


def test_arguments_that_are_not_for_the_engine(songs, tmp_path):
    server = {"engine": "milvus", "uri": "http://127.0.0.1:1", "collection": "songs"}  # which is not asked
    search, local = FakeSearch(**server), loaded()
    for name, call in {
        "save": lambda: search.save(tmp_path),
        "load": lambda: search.load(tmp_path),
        "save_dir": lambda: search.index_many(songs, save_dir=tmp_path),
        "function": lambda: search.index_many(songs, metadata={}),
        "metadata": lambda: local.index_audio(songs[0], metadata={"year": 1960}),
        "milvus": lambda: local.index_many(songs, metadata=year),
        "where": lambda: local.query(songs[0], where="year > 1960"),
        "partition": lambda: FakeSearch(partition="old"),
        "uri": lambda: FakeSearch(uri="songs.db"),
        "collection": lambda: FakeSearch(engine="milvus", uri="songs.db"),
    }.items():
        with pytest.raises(ParameterError, match=name):
            call()
    with pytest.raises(ParameterError, match="where"):
        loaded(FakeRecommender).recommend(where="year > 1960")
    with pytest.raises(TypeError, match="colection"):
        FakeSearch(engine="milvus", uri="songs.db", colection="songs")


def test_a_server_that_is_away(songs):
    options = {"uri": "http://127.0.0.1:1", "collection": "songs", "timeout": 0.5}
    search = AudioSearch(engine="milvus", classifier=loaded().classifier, **options)
    for call in (search.query, search.index_audio, search.index_many):
        with pytest.raises(SearchError) as caught:
            call(songs[0])
        assert "127.0.0.1:1" in str(caught.value)
    assert "songs" in repr(search)


def test_push_and_pull(server, songs, tmp_path):
    local = loaded()
    local.index_many(songs)
    local.index_audio("a tone", songs[3])
    local.save(tmp_path / "index")
    index = VectorIndex.load(tmp_path / "index")
    index.model = {"model": "models/model-a", "network": "cifar10"}
    collection = collection_of(server)
    report = push(index, collection, batch_size=6)
    assert (report.copied, report.unchanged) == (21, 0)
    report = push(index, collection, batch_size=6)
    assert (report.copied, report.unchanged) == (1, 20)  # of a sound without a file, changes are not known
    collection = collection_of(server)
    assert (pull(collection, tmp_path / "copy", batch_size=6).copied, len(collection)) == (21, 21)
    report = pull(collection, tmp_path / "copy")
    assert (report.copied, report.unchanged) == (0, 21)
    copy = VectorIndex.load(tmp_path / "copy")
    assert (copy.model_id, copy.model, copy.metric) == (index.model_id, index.model, index.metric)
    assert {entry.real: (entry.path, entry.stamp) for entry in copy.entries} == {
        entry.real: (entry.path, entry.stamp) for entry in index.entries
    }
    for path in index.paths:
        assert copy.vector(path).tobytes() == index.vector(path).tobytes()


def test_copies_of_other_vectors_are_refused(server, tmp_path):
    def index_of(dim=4, metric="cosine", model_id="a"):
        index = VectorIndex(metric=metric, model_id=model_id)
        index.add("a.wav", np.ones(dim))
        return index

    with pytest.raises(SearchError, match="no collection"):
        pull(collection_of(server), tmp_path / "index")
    push(index_of(), collection_of(server))
    for options, reason in (
        ({"dim": 5}, "5 numbers"),
        ({"metric": "euclidean"}, "metric"),
        ({"model_id": "b"}, "model b"),
    ):
        with pytest.raises(SearchError, match=reason):
            push(index_of(**options), collection_of(server))
        index_of(**options).save(tmp_path / reason)
        with pytest.raises(SearchError, match=reason):
            pull(collection_of(server), tmp_path / reason)

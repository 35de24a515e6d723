"""Paths and vectors: identity, queries, the engine that 'auto' picks, and what load checks."""

import json
import os
import shutil

import numpy as np
import pytest

from mxnet_audio.errors import SearchError
from mxnet_audio.search import VectorIndex, store
from mxnet_audio.search import index as index_module

ENGINES = ("exact", "voyager", "annoy")


def vectors(n, seed=0):
    return np.random.default_rng(seed).uniform(0.1, 1, (n, 8)).astype(np.float32)


def filled(n=30, **kwargs):
    index = VectorIndex(**kwargs)
    for i, vector in enumerate(vectors(n)):
        index.add(f"songs/{i}.wav", vector, stamp=(i, 10 * i))
    return index


def same(a, b):
    return a.paths == b.paths and a.vectors.tolist() == b.vectors.tolist() and a.real_paths == b.real_paths


@pytest.fixture
def saved(tmp_path):
    filled(model_id="model-a").save(tmp_path / "index")
    return tmp_path / "index"


def generation(directory):
    """The one folder of vectors in it."""
    (folder,) = directory.glob("generation-*")
    return folder


def edit_manifest(directory, **changes):
    path = directory / "index.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_paths_come_as_given_and_are_known_by_their_real_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.wav").touch()
    (tmp_path / "link.wav").symlink_to("a.wav")
    index = VectorIndex()
    index.add("a.wav", [1, 0])
    for name in ("a.wav", "./a.wav", tmp_path / "a.wav", "link.wav", os.fsencode(tmp_path / "a.wav")):
        assert name in index
        index.add(name, [0, 1])
        assert len(index) == 1
    index.add("songs/../b.wav", [1, 1])
    assert index.query([1, 1], 1) == [("songs/../b.wav", 0.0)]
    index.remove(tmp_path / "b.wav")
    assert "b.wav" not in index


def test_a_file_indexed_again_is_replaced_and_keeps_its_place():
    index = filled()
    index.add("songs/3.wav", vectors(1, seed=9)[0], stamp=(1, 2))
    assert len(index) == 30
    assert index.paths == [f"songs/{i}.wav" for i in range(30)]
    assert index.stamp("songs/3.wav") == (1, 2)
    assert index.query(vectors(1, seed=9)[0], 1) == [("songs/3.wav", 0.0)]


@pytest.mark.parametrize("engine", ENGINES)
def test_query_excludes_and_still_gives_as_many(engine):
    index = filled(engine=engine)
    all_of_them = index.query(vectors(30)[4], 30)
    assert all_of_them[0] == ("songs/4.wav", 0.0)
    shown = index.query(vectors(30)[4], 10, exclude=["songs/4.wav", "./songs/4.wav", "elsewhere.wav"])
    assert shown == all_of_them[1:11]
    assert index.query(vectors(1)[0], 5, exclude=index.paths) == []
    assert all(isinstance(distance, float) for _, distance in shown)


@pytest.mark.parametrize("top_k", [0, -1, 2.5, True, "3", None])
def test_top_k_is_checked_even_when_empty(top_k):
    for index in (VectorIndex(), filled()):
        with pytest.raises(SearchError, match="top_k"):
            index.query(vectors(1)[0], top_k)


def test_bad_vectors_name_the_file():
    index = filled()
    for bad, reason in (
        ([np.nan] * 8, "songs/x.wav: the vector holds NaN"),
        ([1.0] * 7, "songs/x.wav: the vector has 7 numbers"),
        ([0.0] * 8, "songs/x.wav: a zero vector"),
        (vectors(2), "songs/x.wav: a file has one vector, not 2"),
    ):
        with pytest.raises(SearchError, match=reason):
            index.add("songs/x.wav", bad)
    assert "songs/x.wav" not in index
    assert len(index.query(vectors(1)[0], 100)) == 30
    with pytest.raises(SearchError, match="a query is one vector, not 2"):
        index.query(vectors(2), 1)
    with pytest.raises(SearchError, match=r"nowhere\.wav: this file is not in the index"):
        index.remove("nowhere.wav")


def test_auto_moves_to_voyager(monkeypatch, tmp_path):
    assert index_module.AUTO_EXACT_LIMIT == 20_000
    monkeypatch.setattr(index_module, "AUTO_EXACT_LIMIT", 30)
    index = filled(30)
    assert index.engine == "exact"
    index.save(tmp_path / "small")
    index.add("songs/30.wav", vectors(31)[30])
    assert index.engine == "voyager"
    assert [index.query(v, 1)[0].path for v in vectors(31)] == index.paths
    index.save(tmp_path / "large")
    assert VectorIndex.load(tmp_path / "large").engine == "voyager"
    small = VectorIndex.load(tmp_path / "small")
    assert small.engine == "exact"
    small.add("songs/30.wav", vectors(31)[30])  # still on its own choice
    assert small.engine == "voyager"
    assert filled(31, engine="exact").engine == "exact"


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("engine", [*ENGINES, "auto"])
def test_save_and_load(engine, metric, tmp_path):
    index = filled(200, engine=engine, metric=metric, model_id="model-a")
    index.remove("songs/7.wav")
    index.add("songs/with space/Ärger ♪ 音.wav", vectors(1, seed=3)[0])
    index.add(os.fsdecode(b"songs/not-utf8-\xff.wav"), vectors(1, seed=4)[0])
    index.notes = {"heard": ["é"]}
    index.save(tmp_path / "ein Ordner é")
    loaded = VectorIndex.load(tmp_path / "ein Ordner é", model_id="model-a", dim=8)
    assert same(index, loaded)
    assert (loaded.engine, loaded.metric, loaded.dim, loaded.model_id) == (index.engine, metric, 8, "model-a")
    assert loaded.notes == {"heard": ["é"]}
    assert loaded.stamp("songs/3.wav") == (3, 30)
    query = vectors(1, seed=5)[0]
    assert loaded.query(query, 10) == index.query(query, 10)
    loaded.add("songs/new.wav", query)  # ids go on where they were
    assert loaded.query(query, 1) == [("songs/new.wav", 0.0)]
    assert len(loaded) == 202
    assert loaded.vector(index.paths[-1]).tolist() == vectors(1, seed=4)[0].tolist()


def test_manifest_says_what_it_is(saved):
    manifest = json.loads((saved / "index.json").read_text())
    assert (manifest["engine"], manifest["metric"], manifest["dimension"]) == ("exact", "cosine", 8)
    assert (manifest["model_id"], manifest["count"], manifest["format"]) == ("model-a", 30, 1)


def test_save_replaces_and_tidies(saved):
    (saved / "notes.txt").write_text("mine")
    (saved / ".generation-dead.tmp").mkdir()
    (saved / ".index.json.dead.tmp").touch()
    (saved / f"generation-{'0' * 32}").mkdir()  # of a run killed before its manifest was written
    (saved / "generation-x").mkdir()  # somebody's own
    filled(3).save(saved)
    names = sorted(path.name for path in saved.iterdir())
    assert names[1:] == ["generation-x", "index.json", "notes.txt"]
    assert names[0] == f"generation-{json.loads((saved / 'index.json').read_text())['generation']}"
    assert len(VectorIndex.load(saved)) == 3


def test_empty_index_is_bound_to_nothing(tmp_path):
    index = VectorIndex(model_id="model-a")
    assert index.query([1.0, 2.0], 5) == []
    index.save(tmp_path)
    loaded = VectorIndex.load(tmp_path, model_id="model-b", dim=3)
    assert (len(loaded), loaded.dim) == (0, None)
    emptied = filled(1)
    emptied.remove("songs/0.wav")
    emptied.add("other.wav", [1.0, 2.0])
    assert emptied.dim == 2


def test_only_notes_changed_leaves_the_vectors_alone(saved):
    index = VectorIndex.load(saved)
    index.notes = {"heard": [1]}
    before = generation(saved)
    index.save(saved)
    assert generation(saved) == before
    assert VectorIndex.load(saved).notes == {"heard": [1]}
    filled(2).save(saved)  # somebody else: then all of it is written
    index.notes = {"heard": [2]}
    index.save(saved)
    assert len(VectorIndex.load(saved)) == 30
    shutil.rmtree(saved)
    filled(2).save(saved)  # and when somebody began anew
    index.save(saved)
    assert len(VectorIndex.load(saved)) == 30


def test_load_refuses_another_model(saved):
    with pytest.raises(SearchError, match=r"model model-a, the loaded model is model-b"):
        VectorIndex.load(saved, model_id="model-b")
    with pytest.raises(SearchError, match="vectors of 8 numbers, the loaded model makes 512"):
        VectorIndex.load(saved, model_id="model-a", dim=512)


def test_load_missing(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "nowhere", tmp_path / "file"):
        with pytest.raises(SearchError, match="there is no index in this directory"):
            VectorIndex.load(path)


def test_load_newer_format(saved):
    edit_manifest(saved, format=store.FORMAT + 1)
    with pytest.raises(SearchError, match="format 2, this version of mxnet-audio reads up to 1: upgrade"):
        VectorIndex.load(saved)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": "1"}', "\x00\x01", '{"format": 1}', "é"])
def test_load_damaged_manifest(saved, text):
    (saved / "index.json").write_text(text, encoding="utf-8")
    with pytest.raises(SearchError, match="index"):
        VectorIndex.load(saved)


@pytest.mark.parametrize("engine", ENGINES)
def test_load_any_damaged_or_missing_file(engine, tmp_path):
    filled(engine=engine).save(tmp_path)
    for file in sorted(generation(tmp_path).iterdir()):
        whole = file.read_bytes()
        middle = len(whole) // 2
        for harm in (
            None,
            b"",
            whole[:middle],
            whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
        ):
            file.unlink() if harm is None else file.write_bytes(harm)
            with pytest.raises(SearchError, match=file.name):
                VectorIndex.load(tmp_path)
        file.write_bytes(whole)
    assert len(VectorIndex.load(tmp_path)) == 30
    shutil.rmtree(generation(tmp_path))
    with pytest.raises(SearchError, match="cannot be read"):
        VectorIndex.load(tmp_path)


def test_save_where_nothing_can_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SearchError, match="cannot be saved"):
        filled().save(tmp_path / "file")


def test_failed_save_leaves_the_former(saved, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(SearchError, match="No space left on device"):
        filled(3).save(saved)
    assert len(VectorIndex.load(saved)) == 30
    assert sorted(saved.iterdir()) == [generation(saved), saved / "index.json"]


def test_load_while_it_is_replaced(saved, monkeypatch):
    verify = store.verify

    def replaced_meanwhile(directory, manifest):
        monkeypatch.setattr(store, "verify", verify)
        filled(5).save(saved)
        return verify(directory, manifest)

    monkeypatch.setattr(store, "verify", replaced_meanwhile)
    assert len(VectorIndex.load(saved)) == 5

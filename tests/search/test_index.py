"""Test the index of files: identity of paths, queries, engine 'auto', copies, save and load."""

import copy
import json
import os
import pickle
import shutil

import numpy as np
import pytest

from mxnet_audio.errors import ParameterError, SearchError
from mxnet_audio.search import MilvusIndex, VectorIndex, contents, store

ENGINES = ("exact", "voyager", "annoy")


def vectors(n, seed=0):
    return np.random.default_rng(seed).uniform(0.1, 1, (n, 8)).astype(np.float32)


def filled(n=30, **kwargs):
    return fill(VectorIndex(**kwargs), n)


def fill(index, n=30):
    names, stamps = [f"songs/{i}.wav" for i in range(n)], [(i, 10 * i) for i in range(n)]
    if isinstance(index, MilvusIndex):  # in one message
        index.add_many(names, vectors(n), stamps)
    else:
        for name, vector, stamp in zip(names, vectors(n), stamps):
            index.add(name, vector, stamp=stamp)
    return index


@pytest.fixture(params=["embedded", "milvus_server"])
def index(request):
    """Index of 30 files, in memory or in a server."""
    return fill(VectorIndex() if request.param == "embedded" else request.getfixturevalue("milvus_indexes")(8))


def paths(index):
    """Paths in the order of insertion."""
    return [entry.path for entry in sorted(index.entries, key=lambda entry: entry.id)]


def equal(a, b):
    return a.paths == b.paths and a.vectors.tolist() == b.vectors.tolist() and a.real_paths == b.real_paths


@pytest.fixture
def saved(tmp_path):
    filled(model_id="model-a").save(tmp_path / "index")
    return tmp_path / "index"


def generation(directory):
    """Return the only generation folder of an index."""
    (folder,) = directory.glob("generation-*")
    return folder


def edit_manifest(directory, **changes):
    path = directory / "index.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_paths_are_returned_as_given_and_identified_by_their_real_path(index, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.wav").touch()
    (tmp_path / "link.wav").symlink_to("a.wav")
    index.remove(list(index.real_paths))
    one, two = vectors(2)
    index.add("a.wav", one)
    for name in ("a.wav", "./a.wav", tmp_path / "a.wav", "link.wav", os.fsencode(tmp_path / "a.wav")):
        assert name in index
        index.add(name, two)
        assert len(index) == 1
    index.add("songs/../b.wav", one)
    assert index.query(one, 1) == [("songs/../b.wav", 0.0)]
    index.remove(tmp_path / "b.wav")
    assert "b.wav" not in index


def test_file_indexed_again_is_replaced_and_keeps_its_position(index):
    index.add("songs/3.wav", vectors(1, seed=9)[0], stamp=(1, 2))
    assert len(index) == 30
    assert paths(index) == [f"songs/{i}.wav" for i in range(30)]
    assert index.stamp("songs/3.wav") == (1, 2)
    assert index.query(vectors(1, seed=9)[0], 1) == [("songs/3.wav", 0.0)]


@pytest.mark.parametrize("engine", ENGINES)
def test_engines_return_top_k_files_besides_the_excluded_ones(engine):
    check_top_k_files(filled(engine=engine))


def test_query_returns_top_k_files_besides_the_excluded_ones(index):
    check_top_k_files(index)


def check_top_k_files(index):
    all_files = index.query(vectors(30)[4], 30)
    assert all_files[0] == ("songs/4.wav", 0.0)
    found = index.query(vectors(30)[4], 10, exclude=["songs/4.wav", "./songs/4.wav", "elsewhere.wav"])
    assert found == all_files[1:11]
    assert index.query(vectors(1)[0], 5, exclude=paths(index)) == []
    assert all(isinstance(distance, float) for _, distance in found)


@pytest.mark.parametrize("top_k", [0, -1, 2.5, True, "3", None])
def test_top_k_is_checked_even_if_the_index_is_empty(top_k):
    for index in (VectorIndex(), filled()):
        with pytest.raises(ParameterError, match="top_k"):
            index.query(vectors(1)[0], top_k)


@pytest.mark.parametrize("path", [None, 3, "a\0b"], ids=repr)
def test_what_is_no_directory_is_refused(path):
    for use in (filled().save, VectorIndex.load):
        with pytest.raises(ParameterError, match="directory must be a path"):
            use(path)


@pytest.mark.parametrize("path", [None, 3, "a\0b"], ids=repr)
def test_what_is_no_path_is_refused(path, index):
    for use in (index.remove, index.vector, index.stamp, index.__contains__):
        with pytest.raises(ParameterError, match="path must be a"):
            use(path)


def test_bad_stamps_and_functions_are_refused(index):
    for stamp in (3, "ab", [1.5], [None]):
        with pytest.raises(ParameterError, match="stamp"):
            index.add("songs/x.wav", vectors(1)[0], stamp)
    with pytest.raises(ParameterError, match="keep"):
        index.query(vectors(1)[0], 1, keep="all")
    assert len(index) == 30


def test_errors_of_bad_vectors_name_the_file(index):
    for bad, reason in (
        ([np.nan] * 8, r"songs/x\.wav: .*NaN"),
        ([1.0] * 7, r"songs/x\.wav: .*8 numbers, got 7"),
        ([0.0] * 8, r"songs/x\.wav: .*zero vector"),
        (vectors(2), r"songs/x\.wav: .*got 2"),
    ):
        with pytest.raises(SearchError, match=reason):
            index.add("songs/x.wav", bad)
    assert "songs/x.wav" not in index
    assert len(index.query(vectors(1)[0], 100)) == 30
    with pytest.raises(SearchError, match=r"query .* got 2"):
        index.query(vectors(2), 1)
    with pytest.raises(SearchError, match=r"nowhere\.wav: .*not in the index"):
        index.remove("nowhere.wav")


def test_auto_switches_to_voyager(monkeypatch, tmp_path):
    assert contents.AUTO_EXACT_LIMIT == 20_000
    monkeypatch.setattr(contents, "AUTO_EXACT_LIMIT", 30)
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
    small.add("songs/30.wav", vectors(31)[30])  # still with engine='auto'
    assert small.engine == "voyager"
    assert filled(31, engine="exact").engine == "exact"


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("engine", [*ENGINES, "auto"])
def test_save_and_load(engine, metric, tmp_path):
    index = filled(200, engine=engine, metric=metric, model_id="model-a")
    index.remove("songs/7.wav")
    index.add("songs/with space/Ärger ♪ 音.wav", vectors(1, seed=3)[0])
    index.add(os.fsdecode(b"songs/not-utf8-\xff.wav"), vectors(1, seed=4)[0])
    index.notes = {"tracks": ["é"]}
    index.save(tmp_path / "ein Ordner é")
    loaded = VectorIndex.load(tmp_path / "ein Ordner é", model_id="model-a", dim=8)
    assert equal(index, loaded)
    assert (loaded.engine, loaded.metric, loaded.dim, loaded.model_id) == (index.engine, metric, 8, "model-a")
    assert loaded.notes == {"tracks": ["é"]}
    assert loaded.stamp("songs/3.wav") == (3, 30)
    query = vectors(1, seed=5)[0]
    assert loaded.query(query, 10) == index.query(query, 10)
    loaded.add("songs/new.wav", query)  # with a new id
    assert loaded.query(query, 1) == [("songs/new.wav", 0.0)]
    assert len(loaded) == 202
    assert loaded.vector(index.paths[-1]).tolist() == vectors(1, seed=4)[0].tolist()


def test_manifest_describes_the_index(saved):
    manifest = json.loads((saved / "index.json").read_text())
    assert (manifest["engine"], manifest["metric"], manifest["dimension"]) == ("exact", "cosine", 8)
    assert (manifest["model_id"], manifest["count"], manifest["format"]) == ("model-a", 30, 1)


def test_save_replaces_the_index_and_removes_leftovers(saved):
    (saved / "notes.txt").write_text("notes")
    (saved / ".generation-dead.tmp").mkdir()
    (saved / ".index.json.dead.tmp").touch()
    (saved / f"generation-{'0' * 32}").mkdir()  # left by a run that was killed before it wrote the manifest
    (saved / "generation-x").mkdir()  # not a name of the index
    filled(3).save(saved)
    names = sorted(path.name for path in saved.iterdir())
    assert names[0] == ".index.lock"
    assert names[2:] == ["generation-x", "index.json", "notes.txt"]
    assert names[1] == f"generation-{json.loads((saved / 'index.json').read_text())['generation']}"
    assert len(VectorIndex.load(saved)) == 3


def test_empty_index_accepts_any_model_and_size(tmp_path):
    index = VectorIndex(model_id="model-a")
    assert index.query([1.0, 2.0], 5) == []
    index.save(tmp_path)
    loaded = VectorIndex.load(tmp_path, model_id="model-b", dim=3)
    assert (len(loaded), loaded.dim) == (0, None)
    emptied = filled(1)
    emptied.remove("songs/0.wav")
    emptied.add("other.wav", [1.0, 2.0])
    assert emptied.dim == 2


def test_changed_notes_do_not_rewrite_the_vectors(saved):
    index = VectorIndex.load(saved)
    index.notes = {"tracks": [1]}
    before = generation(saved)
    index.save(saved)
    assert generation(saved) == before
    assert VectorIndex.load(saved).notes == {"tracks": [1]}
    shutil.rmtree(saved)
    index.notes = {"tracks": [2]}
    index.save(saved)  # after the directory was deleted, all files are written
    assert len(VectorIndex.load(saved)) == 30
    filled(2).save(saved)  # another index replaces it: its files are kept, and the notes
    index.notes = {"tracks": [3]}
    index.save(saved)
    assert len(index) == len(VectorIndex.load(saved)) == 2
    assert VectorIndex.load(saved).notes == {"tracks": [3]}


def test_load_refuses_vectors_of_another_model(saved):
    with pytest.raises(SearchError, match=r"model-a.*model-b"):
        VectorIndex.load(saved, model_id="model-b")
    with pytest.raises(SearchError, match=r"8 numbers.*512"):
        VectorIndex.load(saved, model_id="model-a", dim=512)


def test_is_current_until_others_change_the_directory(saved, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(saved)
    index, other = VectorIndex.load(link), VectorIndex.load(saved)
    assert (index.directory, other.directory) == (str(link), str(saved))
    assert index.is_current()
    other.notes["text"] = "new"
    other.save(saved)
    assert index.is_current()
    with other.journal(saved, 1) as journal:
        other.add("new.wav", vectors(1)[0], stamp=(1, 2))
        other.record(journal, "new.wav")
    assert not index.is_current()
    assert VectorIndex.load(link).is_current()
    shutil.rmtree(saved)
    with pytest.raises(SearchError):
        index.is_current()
    assert not VectorIndex().is_current()


def test_load_missing(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "nowhere", tmp_path / "file"):
        with pytest.raises(SearchError, match="no index"):
            VectorIndex.load(path)


def test_load_newer_format(saved):
    edit_manifest(saved, format=store.FORMAT + 1)
    with pytest.raises(SearchError, match=r"format 2.* 1: upgrade"):
        VectorIndex.load(saved)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": "1"}', "\x00\x01", '{"format": 1}', "é"])
def test_load_damaged_manifest(saved, text):
    (saved / "index.json").write_text(text, encoding="utf-8")
    with pytest.raises(SearchError, match="index"):
        VectorIndex.load(saved)


@pytest.mark.parametrize(
    "changes",
    [{"generation": "../x"}, {"generation": ""}, {"files": {}}, {"files": {"entries.json": "0"}}, {"count": "1"}],
    ids=str,
)
def test_load_manifest_that_would_verify_nothing(saved, changes):
    edit_manifest(saved, **changes)
    with pytest.raises(SearchError, match=r"index\.json.*damaged"):
        VectorIndex.load(saved)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_pipes_in_place_of_files_are_refused(saved):
    for name, reason in (("vectors.npz", "regular file"), ("entries.json", "regular file")):
        file = generation(saved) / name
        content = file.read_bytes()
        file.unlink()
        os.mkfifo(file)
        with pytest.raises(SearchError, match=reason):
            VectorIndex.load(saved)
        file.unlink()
        file.write_bytes(content)
    os.mkfifo(generation(saved) / "journal.jsonl")
    assert len(VectorIndex.load(saved)) == 30
    (saved / "index.json").unlink()
    os.mkfifo(saved / "index.json")
    with pytest.raises(SearchError, match="no index"):
        VectorIndex.load(saved)


@pytest.mark.parametrize("engine", ENGINES)
def test_directory_whose_name_is_not_utf8(engine, tmp_path):
    directory = tmp_path / os.fsdecode(b"ix\xff\n")
    index = filled(engine=engine)
    index.save(directory)
    loaded = VectorIndex.load(directory)
    assert equal(index, loaded) and loaded.query(vectors(30)[4], 3) == index.query(vectors(30)[4], 3)


def test_notes_that_are_not_json_are_refused(saved):
    index = VectorIndex.load(saved)
    for notes in ({"a": {1, 2}}, {"a": float("nan")}):
        index.notes = notes
        with pytest.raises(ParameterError, match="notes"):
            index.save(saved)
    assert VectorIndex.load(saved).notes == {}


@pytest.mark.parametrize("changes", [{"choice": "faiss"}, {"engine": "faiss"}, {"metric": "manhattan"}])
def test_load_manifest_with_unknown_names(saved, changes):
    edit_manifest(saved, **changes)
    with pytest.raises(SearchError, match=f"index: .*{next(iter(changes.values()))}"):
        VectorIndex.load(saved)


@pytest.mark.parametrize("engine", ENGINES)
def test_load_any_damaged_or_missing_file(engine, tmp_path):
    filled(engine=engine).save(tmp_path)
    for file in sorted(generation(tmp_path).iterdir()):
        content = file.read_bytes()
        middle = len(content) // 2
        for damaged in (
            None,
            b"",
            content[:middle],
            content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
        ):
            file.unlink() if damaged is None else file.write_bytes(damaged)
            with pytest.raises(SearchError, match=file.name):
                VectorIndex.load(tmp_path)
        file.write_bytes(content)
    assert len(VectorIndex.load(tmp_path)) == 30
    shutil.rmtree(generation(tmp_path))
    with pytest.raises(SearchError, match="cannot be read"):
        VectorIndex.load(tmp_path)


def test_save_to_a_file(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SearchError, match="cannot be saved"):
        filled().save(tmp_path / "file")


def test_failed_save_keeps_the_previous_index(saved, monkeypatch):
    def raise_disk_full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", raise_disk_full)
    with pytest.raises(SearchError, match="No space left on device"):
        filled(3).save(saved)
    assert len(VectorIndex.load(saved)) == 30
    assert sorted(saved.iterdir()) == [saved / ".index.lock", generation(saved), saved / "index.json"]


def test_load_while_the_index_is_replaced(saved, monkeypatch):
    verify = store.verify

    def replace_and_verify(directory, manifest):
        monkeypatch.setattr(store, "verify", verify)
        filled(5).save(saved)
        return verify(directory, manifest)

    monkeypatch.setattr(store, "verify", replace_and_verify)
    assert len(VectorIndex.load(saved)) == 5


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda index: pickle.loads(pickle.dumps(index))])
@pytest.mark.parametrize("engine", [*ENGINES, "auto"])
def test_copies_give_equal_results(engine, duplicate, tmp_path):
    index = filled(200, engine=engine, model_id="model-a")
    index.notes = {"tracks": [1]}
    index.query(vectors(1)[0], 1)
    index.remove("songs/7.wav")
    index.save(tmp_path)
    other = duplicate(index)
    assert equal(index, other) and other.saved_in(tmp_path)
    assert (other.engine, other.model_id, other.notes) == (index.engine, "model-a", {"tracks": [1]})
    assert other.stamp("songs/3.wav") == (3, 30)
    for query in vectors(20, seed=5):
        assert other.query(query, 10) == index.query(query, 10)
    other.add("songs/new.wav", vectors(1, seed=6)[0])
    assert (len(other), len(index)) == (200, 199)
    other.save(tmp_path)
    assert equal(VectorIndex.load(tmp_path), other) and index.saved_in(tmp_path)


def test_repr_is_one_line():
    assert repr(VectorIndex()) == "VectorIndex(0 vectors, dim=None, engine='exact', metric='cosine')"
    assert repr(filled(3, engine="annoy")) == "VectorIndex(3 vectors, dim=8, engine='annoy', metric='cosine')"

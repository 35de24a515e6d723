"""Tests of the index that is replaced while it serves."""

import asyncio
import shutil
import threading
import time

import numpy as np
import pytest
import soundfile as sf

pytest.importorskip("fastapi")

from mxnet_audio.errors import InvalidAudioError, ParameterError
from mxnet_audio.library.search import AudioSearch
from mxnet_audio.search import VectorIndex
from mxnet_audio.search.index import VectorIndex as Index
from mxnet_audio.serve import ServedModels, live_index
from mxnet_audio.serve.live_index import IndexNotReplaced, LiveIndex


@pytest.fixture
def folder(index_dir, tmp_path):
    """Folder of an index of the clips of the corpus, which the test may change."""
    return shutil.copytree(index_dir, tmp_path / "index")


@pytest.fixture
def search(onnx_model, folder):
    search = AudioSearch(classifier=onnx_model)
    search.load(folder)
    return search


@pytest.fixture
def live(search):
    return LiveIndex(search)


@pytest.fixture
def models(onnx_model, search):
    return ServedModels(classifier=onnx_model, search=search)


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """New sounds."""
    folder = tmp_path_factory.mktemp("clips")
    t = np.arange(6000) / 12000
    for number in range(4):
        sf.write(folder / f"{number}.wav", 0.5 * np.sin(2 * np.pi * (300 + 100 * number) * t), 12000)
    return sorted(folder.iterdir())


def add(onnx_model, folder, path):
    """Add a file to a stored index, as another process does."""
    search = AudioSearch(classifier=onnx_model)
    search.load(folder)
    search.index_audio(path)
    search.save(folder)


def damaged(folder):
    """Save a changed index, one of whose files is damaged."""
    index = VectorIndex.load(folder)
    index.remove(index.paths[0])
    index.save(folder)
    (entries,) = folder.glob("generation-*/entries.json")
    entries.write_text("[]")


def of_another_model(folder):
    index = VectorIndex(model_id="another")
    index.add("a.wav", [1.0, 2.0])
    index.save(folder)


def test_an_index_that_has_not_changed_is_not_loaded(live, monkeypatch):
    monkeypatch.setattr(live.search, "load", None)
    assert live.reload() is False


def test_a_changed_index_is_served(live, onnx_model, folder, clips):
    former, entry = live.search.index, live.search.index.entries[0]
    id = live.catalogue.id_of(entry)
    add(onnx_model, folder, clips[0])
    assert live.reload() is True
    assert live.search.index is not former
    matches = live.nearest(onnx_model.encode_audio(clips[0]), 1)
    assert [match.entry.path for match in matches] == [str(clips[0])]
    assert live.find(matches[0].id) == matches[0].entry
    assert live.find(id) == entry


def test_files_in_the_journal_are_served_on_request(live, onnx_model, folder, clips):
    writer = VectorIndex.load(folder)
    with writer.journal(folder, 1) as journal:
        writer.add(clips[0], onnx_model.encode_audio(clips[0]), (1, 2))
        writer.record(journal, clips[0])
    assert live._follow(None) is not None
    assert len(live.search) == 24 + 1  # the first look takes all that is there
    with writer.journal(folder, 1) as journal:
        writer.add(clips[1], onnx_model.encode_audio(clips[1]), (1, 2))
        writer.record(journal, clips[1])
    live._follow(live_index.manifest_stamp(folder))
    assert len(live.search) == 24 + 1
    assert live.reload() is True
    assert len(live.search) == 24 + 2


@pytest.mark.parametrize("spoil", [damaged, of_another_model, shutil.rmtree], ids=["damaged", "other-model", "missing"])
def test_an_index_that_cannot_be_used_leaves_the_former(live, folder, spoil, serving, models):
    client = serving(models)
    former = live.search.index
    spoil(folder)
    with pytest.raises(IndexNotReplaced):
        live.reload()
    answer = client.post("/v1/reload")
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:mxnet-audio:index-not-replaced")
    assert str(folder.parent) not in answer.text
    assert live.search.index is former
    assert len(live.nearest(former.vectors[0], 3)) == 3


def test_a_link_to_another_index_is_followed(onnx_model, folder, tmp_path, clips):
    link = tmp_path / "current"
    link.symlink_to(folder)
    search = AudioSearch(classifier=onnx_model)
    search.load(link)
    live = LiveIndex(search)
    shutil.copytree(folder, tmp_path / "next")
    add(onnx_model, tmp_path / "next", clips[0])
    link.unlink()
    link.symlink_to(tmp_path / "next")
    assert live.reload() is True
    assert len(live.search) == 25


def test_reloads_at_once_are_one(live, onnx_model, folder, clips, monkeypatch):
    add(onnx_model, folder, clips[0])
    loads = []
    load = Index.load

    def counted(directory, *args):
        loads.append(directory)
        time.sleep(0.05)
        return load(directory, *args)

    monkeypatch.setattr(Index, "load", counted)
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(live.reload())) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [False, False, False, False, True]
    assert len(loads) == 1


def test_an_index_that_is_begun_anew_is_not_served_by_itself(live, onnx_model, folder):
    stamp = live._follow(None)
    empty = VectorIndex(model_id=onnx_model.model_id)
    empty.save(folder)
    assert live._follow(stamp) != stamp
    assert len(live.search) == 24


def test_ids_stay_when_the_index_is_deleted_and_built_again(live, onnx_model, folder):
    paths = list(live.search.index.paths)
    ids = {entry.path: live.catalogue.id_of(entry) for entry in live.search.index.entries}
    shutil.rmtree(folder)
    AudioSearch(classifier=onnx_model).index_many(paths[5:], save_dir=folder)
    assert live.reload() is True
    assert {entry.path: live.catalogue.id_of(entry) for entry in live.search.index.entries} == {
        path: ids[path] for path in paths[5:]
    }
    other = LiveIndex(live.search)
    assert other.catalogue.key == live.catalogue.key


def test_a_damaged_index_is_loaded_once_and_told_once(live, folder, caplog):
    damaged(folder)
    stamp = live._follow(None)
    assert live._follow(stamp) == stamp
    assert sum("not loaded" in record.message for record in caplog.records) == 1


def test_a_missing_index_is_loaded_when_it_is_there_again(live, onnx_model, folder, tmp_path, clips):
    stamp = live._follow(None)
    folder.rename(tmp_path / "moved")
    assert live._follow(stamp) is None
    add(onnx_model, tmp_path / "moved", clips[0])
    (tmp_path / "moved").rename(folder)
    assert live._follow(None) is not None
    assert len(live.search) == 25


def test_an_index_in_memory_is_never_loaded(onnx_model):
    live = LiveIndex(AudioSearch(classifier=onnx_model))
    assert live.reload() is False
    asyncio.run(asyncio.wait_for(live.watch(), 5))
    assert live.nearest(np.ones(onnx_model.embedding_dim)) == []


def test_vectors_that_cannot_be_compared(live, onnx_model):
    with pytest.raises(InvalidAudioError):
        live.nearest(np.zeros(onnx_model.embedding_dim))
    with pytest.raises(ParameterError):
        live.nearest(np.ones(onnx_model.embedding_dim), where="year > 1990")


def test_queries_go_on_while_the_index_is_replaced(serving, models, onnx_model, folder, clips, wav_bytes, monkeypatch):
    """Threads query all the time, and no query fails; the later answers hold the new files."""
    monkeypatch.setattr(live_index, "POLL_SECONDS", 0.02)
    client = serving(models)
    content, stop, failures, counts = wav_bytes(), threading.Event(), [], [0, 0, 0]

    def query(number):
        while not stop.is_set():
            answer = client.post("/v1/search?top_k=30", content=content, headers={"Content-Type": "audio/wav"})
            found = answer.json().get("neighbours", [])
            if answer.status_code != 200 or len(found) < 24:
                failures.append(answer.text)
                return
            url = found[counts[number] % len(found)]["audio_url"]
            if client.get(url, headers={"Range": "bytes=0-99"}).status_code != 206:
                failures.append(url)
                return
            counts[number] += 1

    threads = [threading.Thread(target=query, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    try:
        for number, clip in enumerate(clips):
            add(onnx_model, folder, clip)
            if number % 2:  # in between it is found by itself
                assert client.post("/v1/reload").status_code == 200
            before = list(counts)
            while not failures and any(now <= then for now, then in zip(counts, before)):
                time.sleep(0.01)
        answer = client.post("/v1/reload")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not failures
    assert answer.json()["sounds"] == 28
    content = clips[0].read_bytes()
    found = client.post("/v1/search?top_k=30", content=content, headers={"Content-Type": "audio/wav"}).json()
    assert found["neighbours"][0]["name"].endswith(clips[0].name)
    assert len(found["neighbours"]) == 28

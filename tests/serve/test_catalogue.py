"""Tests of the ids and names of the sounds of an index."""

import errno
import logging
import os
import re
import stat

import numpy as np
import pytest

pytest.importorskip("fastapi")

from mxnet_audio.search import MilvusIndex, VectorIndex
from mxnet_audio.search.entries import Entry
from mxnet_audio.serve.catalogue import CollectionCatalogue, FolderCatalogue, catalogue_of, has_file

ID = re.compile("[0-9a-f]{32}")


def filled(*names, stamp=(1, 2)):
    index = VectorIndex()
    for number, name in enumerate(names):
        index.add(name, [1.0, number], stamp)
    return index


def names_of(*names, root=None, stamp=(1, 2)):
    catalogue = FolderCatalogue(filled(*names, stamp=stamp), root, b"key")
    return [catalogue.name_of(entry) for entry in catalogue.index.entries]


def ids_of(catalogue):
    return {entry.real: catalogue.id_of(entry) for entry in catalogue.index.entries}


def test_every_id_leads_back_to_its_entry():
    catalogue = FolderCatalogue(filled(*(f"/sounds/{i}.wav" for i in range(500))), None, b"key")
    ids = {catalogue.id_of(entry): entry for entry in catalogue.index.entries}
    assert len(ids) == 500
    assert all(ID.fullmatch(id) for id in ids)
    assert all(catalogue.find(id) is entry for id, entry in ids.items())


@pytest.mark.parametrize("id", ["", "x", "0" * 32, "f" * 32, "F" * 32, "0" * 33, "\u0660" * 32])
def test_other_ids_lead_nowhere(id):
    assert FolderCatalogue(filled("/a.wav", "/b.wav"), None, b"key").find(id) is None
    assert FolderCatalogue(VectorIndex(), None, b"key").find(id) is None


def test_entries_whose_first_bytes_are_equal_are_told_apart(monkeypatch):
    catalogue = FolderCatalogue(filled("/a.wav", "/b.wav", "/c.wav"), None, b"key")
    monkeypatch.setattr(catalogue, "_digest", lambda real: bytes(8) + real.encode().ljust(8))
    for entry in catalogue.index.entries:
        assert catalogue.find(catalogue.id_of(entry)) is entry


def test_ids_stay_when_the_index_is_built_again(tmp_path):
    filled("/sounds/a.wav", "/sounds/b.wav").save(tmp_path)
    former = ids_of(catalogue_of(VectorIndex.load(tmp_path)))
    assert ids_of(catalogue_of(VectorIndex.load(tmp_path))) == former
    filled("/sounds/new.wav", "/sounds/b.wav").save(tmp_path)
    ids = ids_of(catalogue_of(VectorIndex.load(tmp_path)))
    assert ids["/sounds/b.wav"] == former["/sounds/b.wav"]
    assert ids["/sounds/new.wav"] not in former.values()


def test_the_key_is_secret_and_another_in_each_folder(tmp_path):
    ids = []
    for name in ("one", "two"):
        filled("/sounds/a.wav").save(tmp_path / name)
        ids += ids_of(catalogue_of(VectorIndex.load(tmp_path / name))).values()
        if os.name == "posix":
            assert stat.S_IMODE((tmp_path / name / "audio-ids.key").stat().st_mode) == 0o600
    assert ids[0] != ids[1]


def test_a_folder_that_is_for_reading_gets_a_passing_key(tmp_path, caplog, monkeypatch):
    def refuse(path):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("mxnet_audio.serve.catalogue.replacing", refuse)
    filled("/sounds/a.wav").save(tmp_path)
    assert ids_of(catalogue_of(VectorIndex.load(tmp_path)))
    assert "audio-ids.key" in caplog.text


@pytest.mark.parametrize("content", [b"", b"short", bytes(1000)], ids=["empty", "short", "long"])
def test_a_damaged_key_is_replaced(tmp_path, content):
    filled("/sounds/a.wav").save(tmp_path)
    (tmp_path / "audio-ids.key").write_bytes(content)
    first, second = (ids_of(catalogue_of(VectorIndex.load(tmp_path))) for _ in range(2))
    assert first == second
    assert len((tmp_path / "audio-ids.key").read_bytes()) == 32


def test_a_key_that_cannot_be_read_is_told(tmp_path, caplog):
    filled("/sounds/a.wav").save(tmp_path)
    (tmp_path / "audio-ids.key").mkdir()
    with caplog.at_level(logging.WARNING):
        catalogue_of(VectorIndex.load(tmp_path))
    assert "audio-ids.key" in caplog.text


def test_names_are_relative_to_the_common_folder():
    assert names_of("/data/sounds/a.wav") == ["a.wav"]
    assert names_of("/data/sounds/a.wav", "/data/sounds/birds/b.wav") == ["a.wav", "birds/b.wav"]
    assert names_of("/data/so/a.wav", "/data/sounds/b.wav") == ["so/a.wav", "sounds/b.wav"]
    assert names_of("/data/a.wav", "/home/b.wav") == ["a.wav", "b.wav"]
    assert names_of("/data/x/call.wav [left]", "/data/x/call.wav [right]") == ["call.wav [left]", "call.wav [right]"]


def test_names_are_relative_to_the_root_of_requests(tmp_path):
    assert names_of("/data/sounds/birds/a.wav", "/other/b.wav", root="/data/sounds") == ["birds/a.wav", "b.wav"]
    assert names_of("/data/sounds2/a.wav", "/data/sounds2/x/b.wav", root="/data/sounds") == ["a.wav", "x/b.wav"]


def test_names_of_links_are_those_that_were_indexed(tmp_path, monkeypatch):
    sounds, other = tmp_path / "sounds", tmp_path / "other" / "1-21934-A.ogg"
    for path in (other, sounds / "Geräusche & Töne" / "Regen.ogg"):
        path.parent.mkdir(parents=True)
        path.touch()
    try:
        (sounds / "link out.ogg").symlink_to(other)
    except OSError:
        pytest.skip("links cannot be made here")
    names = ["Geräusche & Töne/Regen.ogg", "link out.ogg"]
    assert names_of(*(str(sounds / name) for name in names)) == names
    assert names_of(*(str(sounds / name) for name in names), root=sounds) == names
    assert names_of(str(sounds / names[1]), root=other.parent) == [other.name]
    monkeypatch.chdir(tmp_path)
    assert names_of(*(f"sounds/{name}" for name in names)) == names
    assert names_of(*(f"./sounds/../sounds/{name}" for name in names)) == names


def test_names_of_sounds_that_are_no_files_have_no_folders():
    names = ["/secret/a.wav", "s3://bucket/folder/b.wav", "https://host/c.wav?signature=secret", "tone"]
    assert names_of(*names, stamp=None) == ["a.wav", "b.wav", "c.wav", "tone"]
    assert not any(has_file(Entry(0, name, name, None)) for name in names)
    assert not has_file(Entry(0, names[1], names[1], (1, 2)))


def test_names_can_be_sent_as_json():
    (name,) = names_of("/data/caf\udce9\n.wav")
    assert name.encode() == "caf\ufffd\ufffd.wav".encode()


def test_sounds_of_a_collection(tmp_path):
    pytest.importorskip("milvus_lite")
    with MilvusIndex(str(tmp_path / "songs.db"), "songs") as index:
        paths = [f"/sounds/{name}.wav" for name in "abc"]
        index.add_many(paths, np.eye(3, 4), [(1, 2)] * 3)
        catalogue = catalogue_of(index, "/sounds")
        ids = ids_of(catalogue)
        assert all(ID.fullmatch(id) for id in ids.values())
        assert [catalogue.find(ids[path]).real for path in paths] == paths
        assert catalogue.find("0" * 32) is catalogue.find("f" * 32) is catalogue.find("x") is None
        other = ids[paths[0]][:16] + ids[paths[1]][16:]
        assert catalogue.find(other) is None
        assert [catalogue.name_of(entry) for entry in index.entries] == ["a.wav", "b.wav", "c.wav"]
        assert CollectionCatalogue(index, None).name_of(next(index.entries)) == "a.wav"
        index.add(paths[0], [1, 2, 3, 4], (3, 4))
        assert ids_of(catalogue)[paths[0]] == ids[paths[0]]

"""Files, channels and folders of an index: found, removed, relocated; what is missing is known."""

import os

import numpy as np
import pytest

from mxnet_audio.errors import ParameterError, SearchError
from mxnet_audio.search import VectorIndex

NAMES = ["songs/a.wav", "songs/jazz/b.wav", "songs/jazz/c.wav [left]", "songs/jazz/c.wav [right]", "songs2/d.wav"]


@pytest.fixture(params=["embedded", "milvus_server"])
def empty_index(request):
    """Index in memory, or in a server."""
    return VectorIndex() if request.param == "embedded" else request.getfixturevalue("milvus_indexes")(2)


@pytest.fixture
def index(empty_index, tmp_path, monkeypatch):
    """Index of four files, one of them by channels, and of a sound that never was a file."""
    monkeypatch.chdir(tmp_path)
    index = empty_index
    for number, name in enumerate(NAMES):
        file = tmp_path / name.partition(" ")[0]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
        index.add(name, [1, number], stamp=(number, 1))
    index.add("a tone", [1, 9])
    return index


def paths(index):
    """Paths in the order of insertion."""
    return [entry.path for entry in sorted(index.entries, key=lambda entry: entry.id)]


def test_find(index, tmp_path):
    folder = os.path.realpath(tmp_path)
    found = index.find(
        ["songs", "songs/jazz/c.wav", tmp_path / "songs2", "a tone", "songs/jazz/", "nowhere", "song", "/"]
    )
    counts = {name: len(reals) for name, reals in found.items()}
    assert counts == {
        "songs": 4, "songs/jazz/c.wav": 2, str(tmp_path / "songs2"): 1, "a tone": 1, "songs/jazz/": 3, "nowhere": 0,
        "song": 0, "/": 5,
    }  # fmt: skip
    assert found["songs/jazz/c.wav"] == [f"{folder}/songs/jazz/c.wav [left]", f"{folder}/songs/jazz/c.wav [right]"]
    assert index.find([tmp_path])[str(tmp_path)] == found["/"]  # what never was a file is in no folder


def test_missing(index, tmp_path):
    assert index.missing() == []
    (tmp_path / "songs" / "jazz" / "c.wav").unlink()
    (tmp_path / "songs2" / "d.wav").rename(tmp_path / "d.wav")
    (tmp_path / "songs2").rmdir()
    (tmp_path / "songs2").touch()  # not a folder any more
    assert [entry.path for entry in index.missing()] == NAMES[2:]


def test_prune(index, tmp_path):
    (tmp_path / "songs" / "jazz" / "c.wav").unlink()
    (tmp_path / "songs" / "a.wav").unlink()
    assert [entry.path for entry in index.prune()] == [NAMES[0], *NAMES[2:4]]
    assert paths(index) == [NAMES[1], NAMES[4], "a tone"] and index.prune() == []


@pytest.mark.parametrize("lost", ["songs", "songs/jazz", "songs2"])
@pytest.mark.parametrize("empty", [True, False], ids=["mount point", "no folder"])
def test_files_of_a_disk_that_is_not_mounted_are_not_pruned(index, tmp_path, lost, empty):
    (tmp_path / "songs" / "a.wav").unlink()  # what could be pruned stays, too
    (tmp_path / "songs" / "readme").touch()
    (tmp_path / lost).rename(tmp_path / "disk")
    if empty:
        (tmp_path / lost).mkdir()
    with pytest.raises(SearchError, match=r"relocate.*remove") as caught:
        index.prune()
    assert caught.value.path == os.path.realpath(tmp_path / lost)
    assert paths(index) == [*NAMES, "a tone"]
    index.remove(index.find([lost])[lost])
    assert set(paths(index)) == {"a tone", *(name for name in NAMES if not name.startswith(f"{lost}/"))}


def test_files_are_not_pruned_if_all_are_missing(index, tmp_path):
    for name in NAMES:
        file = tmp_path / name.partition(" ")[0]
        file.unlink(missing_ok=True)
        (file.parent / "readme").touch()
    with pytest.raises(SearchError, match="all 5 files"):
        index.prune()
    assert len(index) == 6
    VectorIndex().prune()


def test_relocate_a_folder(index, tmp_path):
    (tmp_path / "songs").rename(tmp_path / "archive")
    before = [index.vector(path).tolist() for path in paths(index)]
    moved = index.relocate("songs/", "archive")
    assert paths(index) == [*(name.replace("songs/", "archive/") for name in NAMES[:4]), NAMES[4], "a tone"]
    assert index.missing() == []
    assert [index.vector(path).tolist() for path in paths(index)] == before
    assert [path for path, _ in moved.values()] == paths(index)[:4]
    assert index.stamp("archive/jazz/b.wav") == (1, 1)
    with pytest.raises(SearchError, match=r"songs: neither"):
        index.relocate("songs", "archive")
    index.relocate(tmp_path / "archive" / "jazz", tmp_path / "archive" / "jazz" / "old")  # into itself
    assert f"{tmp_path}/archive/jazz/old/b.wav" in index and len(index) == 6


def test_relocate_a_file(index, tmp_path):
    index.relocate("songs/a.wav", "songs/z.wav")
    index.relocate("songs/jazz/c.wav", "songs2")  # into a folder
    assert paths(index)[0] == "songs/z.wav" and paths(index)[2:4] == ["songs2/c.wav [left]", "songs2/c.wav [right]"]
    for bad in (None, "", 3):
        with pytest.raises(ParameterError):
            index.relocate("songs", bad)
        with pytest.raises(ParameterError):
            index.find(["songs", bad])


def check_relocated_once(index):
    assert len(index) == 6 and index.stamp("archive/a.wav") == (7, 7)
    assert index.query([5, 0.2], 1)[0].path == "archive/a.wav"


def test_relocated_files_that_were_indexed_again_are_there_once(index, tmp_path):
    (tmp_path / "songs").rename(tmp_path / "archive")
    index.add("archive/a.wav", [5, 0.2], stamp=(7, 7))
    index.relocate("songs", "archive")
    check_relocated_once(index)


@pytest.mark.parametrize("empty_index", ["embedded"], indirect=True)
def test_relocated_files_of_a_saved_index_are_there_once(index, tmp_path):
    (tmp_path / "songs").rename(tmp_path / "archive")
    index.add("archive/a.wav", [5, 0.2], stamp=(7, 7))
    index.save(tmp_path / "ix")
    index.relocate("songs", "archive")
    index.save(tmp_path / "ix")
    for each in (index, VectorIndex.load(tmp_path / "ix")):
        check_relocated_once(each)
        assert np.array_equal(each.vectors, [each.vector(path) for path in each.paths])


def test_relocate_by_the_name_of_a_link(empty_index, tmp_path):
    (tmp_path / "disk1").mkdir()
    (tmp_path / "disk1" / "a.wav").touch()
    link = tmp_path / "music"
    link.symlink_to("disk1")
    index = empty_index
    index.add(link / "a.wav", [1, 1], stamp=(1, 1))
    link.unlink()
    (tmp_path / "disk1").rename(tmp_path / "disk2")
    link.symlink_to("disk2")
    index.relocate(link, tmp_path / "disk2")
    assert index.missing() == [] and paths(index) == [f"{tmp_path}/disk2/a.wav"]


def test_channels_of_a_linked_file_are_those_of_the_file(index, tmp_path):
    (tmp_path / "link.wav").symlink_to("songs/jazz/c.wav")
    assert "link.wav [left]" in index
    index.remove("link.wav [left]")
    assert len(index) == 5


def test_removal_of_several(index):
    with pytest.raises(SearchError, match="nowhere"):
        index.remove(["songs/a.wav", "nowhere"])
    assert len(index) == 6
    index.remove(["songs/a.wav", "./songs/a.wav", "a tone"])
    assert paths(index) == NAMES[1:]
    index.remove(list(index.real_paths))
    assert len(index) == 0 and index.query([1, 2]) == []


@pytest.mark.parametrize(
    "name", [b"line\nbreak\r.wav", b"not utf-8 \xff\xc3.wav", b"\x1b[31m \xe2\x80\xae.wav"], ids=repr
)
def test_any_name_survives_a_round_trip(name, tmp_path):
    path = os.fsencode(tmp_path) + b"/" + name
    index = VectorIndex()
    index.add(path, [1, 2], stamp=(1, 2))
    index.notes = {"heard": [[os.fsdecode(path)]]}
    index.save(tmp_path / "ix")
    with index.journal(tmp_path / "ix", 1) as journal:
        index.add(path + b"2", [1, 3], stamp=(1, 2))
        index.record(journal, path + b"2")
    loaded = VectorIndex.load(tmp_path / "ix")
    assert [os.fsencode(each) for each in loaded.paths] == [path, path + b"2"]
    assert path in loaded and loaded.notes == index.notes
    assert loaded.missing() == loaded.entries

"""Files on this machine, in memory, and in stores that deny or fail."""

import builtins
import re
from pathlib import Path

import fsspec
import numpy as np
import pytest
import soundfile as sf
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.spec import AbstractFileSystem

from mxnet_audio import audio
from mxnet_audio.cluster import storage
from mxnet_audio.cluster.remote_sound import sound
from mxnet_audio.cluster.urls import display_name
from mxnet_audio.errors import AudioDecodeError, AudioError


class Denying(AbstractFileSystem):
    """Store that denies everything, and names an address with a signature."""

    protocol = "denying"

    def info(self, path, **kwargs):
        raise PermissionError("Access Denied at https://host/a?X-Amz-Signature=secret")

    def ls(self, path, detail=True, **kwargs):
        raise PermissionError("Access Denied")

    def _open(self, path, mode="rb", **kwargs):
        raise PermissionError("Access Denied")


class Renaming(MemoryFileSystem):
    """Store in which a file that is being written can be seen, and which fails on request."""

    protocol = "renaming"
    store, pseudo_dirs = {}, [""]
    fails = False

    @classmethod
    def _strip_protocol(cls, path):
        return "/" + path.removeprefix("renaming://").strip("/")

    def pipe_file(self, path, value, **kwargs):
        super().pipe_file(path, value[: len(value) // 2] if self.fails else value)
        if self.fails:
            raise OSError("connection lost")


@pytest.fixture(autouse=True)
def stores():
    """Fake stores, and empty memory."""
    for store in (Denying, Renaming):
        fsspec.register_implementation(store.protocol, store, clobber=True)
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]
    Renaming.store.clear()


@pytest.fixture
def clip(tmp_path):
    """WAV file, and its content."""
    path = tmp_path / "é.wav"
    sf.write(path, 0.5 * np.sin(np.arange(4000) / 5), 8000)
    return path, path.read_bytes()


def read(url):
    with storage.open_file(url) as file:
        return file.read()


@pytest.mark.parametrize("scheme", ["", "file://", "memory://", "renaming://"])
def test_the_same_calls_for_all_stores(scheme, tmp_path):
    root = f"{scheme}{tmp_path}"
    assert storage.list_names(root + "/missing") == []
    for name in ("deep/er/b.WAV", "c.mp3", ".hidden/d.wav", "._c.mp3", "notes.txt", "ä a.ogg"):
        storage.write(f"{root}/in/{name}", name.encode())
    found = list(storage.find_sounds([f"{root}/in", f"{root}/in/notes.txt", f"{root}/in/c.mp3"]))
    assert sorted(file.url.partition("/in/")[2] for file in found[:-1]) == ["c.mp3", "deep/er/b.WAV", "ä a.ogg"]
    assert display_name(found[-1].url).endswith("notes.txt") and found[-1].size == len("notes.txt")
    assert all(read(file.url).decode().endswith(Path(file.url).name) for file in found)
    (before,) = storage.find_sounds([f"{root}/in/c.mp3"])
    assert before in found  # with the same stamp, as a file of its own and of a folder
    storage.write(f"{root}/in/c.mp3", b"other")
    (after,) = storage.find_sounds([f"{root}/in/c.mp3"])
    assert after.url == before.url and after.stamp != before.stamp
    assert storage.list_names(f"{root}/in/") == ["c.mp3", "notes.txt", "ä a.ogg"]
    storage.remove(f"{root}/in/c.mp3")
    storage.remove(f"{root}/in/c.mp3")
    assert storage.list_names(f"{root}/in") == ["notes.txt", "ä a.ogg"]
    with pytest.raises(AudioError, match="no such"):
        read(f"{root}/in/c.mp3")


def test_many_files_are_listed_one_by_one():
    for number in range(5):
        storage.write(f"memory://in/{number}/a.wav", b"")
    found = storage.find_sounds(["memory://in"])
    assert next(found).url == "memory://in/0/a.wav"
    storage.write("memory://in/4/b.wav", b"")  # listed when its folder is reached
    assert len(list(found)) == 5


def test_what_cannot_be_used_is_skipped(tmp_path, clip):
    (tmp_path / "empty").mkdir()
    places = [tmp_path / "missing", "memory://missing", "denying://bucket/a", "no-such-store://b", tmp_path / "empty"]
    errors = []
    found = list(storage.find_sounds([*places, clip[0]], on_skip=errors.append))
    assert [file.url for file in found] == [str(clip[0])]
    assert [error.path for error in errors] == [str(place) for place in places]
    assert all(isinstance(error, AudioError) for error in errors)
    with pytest.raises(AudioDecodeError):
        list(storage.find_sounds(places))


def test_a_store_that_denies_is_named_without_secrets():
    url = "denying://bucket/a.wav"
    for call in (read, storage.list_names, lambda url: audio.load(sound(url))):
        with pytest.raises(AudioError, match="denied") as caught:
            call(url)
        assert caught.value.path == url and "secret" not in str(caught.value)
    with pytest.raises(AudioError, match=re.escape(url)):
        storage.write(url, b"")


def test_a_write_that_fails_leaves_nothing_to_be_seen(monkeypatch):
    storage.write("renaming://out/part.parquet", b"before")
    monkeypatch.setattr(Renaming, "fails", True)
    with pytest.raises(AudioError, match="connection lost"):
        storage.write("renaming://out/part.parquet", b"afterwards")
    assert read("renaming://out/part.parquet") == b"before"
    assert Renaming.store.keys() == {"/out/part.parquet"}


def test_errors_of_this_machine(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(AudioError, match="file"):
        storage.write(str(tmp_path / "file" / "part"), b"")
    with pytest.raises(AudioError):
        read(str(tmp_path))


def test_packages_that_are_not_installed(monkeypatch, clip):
    real = builtins.__import__

    def refuse(name, *arguments, **options):
        if name.split(".")[0] in ("fsspec", "s3fs"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(AudioError, match="pip install fsspec"):
        read("memory://a")
    assert [file.url for file in storage.find_sounds([clip[0].parent])] == [str(clip[0])]
    assert read(str(clip[0])) == clip[1]


def test_a_store_whose_package_is_not_installed():
    with pytest.raises(AudioError, match="pip install s3fs") as caught:
        read("s3://bucket/a.wav")
    assert caught.value.path == "s3://bucket/a.wav"

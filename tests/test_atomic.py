"""Whole files: a file that is written is complete or unchanged, and only regular files are read."""

import errno
import json
import os
import stat
import threading
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from mxnet_audio.atomic import contents, parse_json, read_json, replacing, write_json


def write(path, text="new"):
    with replacing(path) as temporary:
        temporary.write_text(text)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_json_keeps_names_that_are_not_unicode(tmp_path):
    names = ["é 音.wav", os.fsdecode(b"not-utf8-\xff.wav"), "back\\slash"]
    write_json(tmp_path / "a.json", names)
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert "é 音.wav" in text
    assert json.loads(text) == names == read_json(tmp_path / "a.json")


def test_values_that_are_not_json_leave_the_old_file(tmp_path):
    write_json(tmp_path / "a.json", [1])
    with pytest.raises(ValueError):
        write_json(tmp_path / "a.json", [float("nan")])
    assert [path.read_text() for path in tmp_path.iterdir()] == ["[\n 1\n]\n"]


@pytest.mark.parametrize("exists", [True, False])
def test_a_link_stays_and_the_file_that_it_names_is_replaced(exists, tmp_path):
    other = tmp_path / "elsewhere" / "target.txt"
    other.parent.mkdir()
    if exists:
        other.write_text("old")
    link = tmp_path / "link.txt"
    link.symlink_to(Path("elsewhere") / "target.txt")
    (tmp_path / "second.txt").symlink_to(link)
    write(tmp_path / "second.txt")
    assert other.read_text() == "new" and link.is_symlink() and (tmp_path / "second.txt").is_symlink()
    assert [path.name for path in other.parent.iterdir()] == ["target.txt"]


def test_a_link_to_itself_is_named(tmp_path):
    link = tmp_path / "loop"
    link.symlink_to(link)
    with pytest.raises(OSError) as raised:
        write(link)
    assert (raised.value.errno, raised.value.filename) == (errno.ELOOP, str(link)) and link.is_symlink()


def test_devices_and_pipes_are_written_to(tmp_path):
    before = Path("/dev/null").stat()
    write("/dev/null")
    after = Path("/dev/null").stat()
    assert stat.S_ISCHR(after.st_mode) and (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)
    os.mkfifo(tmp_path / "pipe")
    received = []
    reader = threading.Thread(target=lambda: received.append((tmp_path / "pipe").read_text()))
    reader.start()
    write(tmp_path / "pipe", "through the pipe")
    reader.join()
    assert received == ["through the pipe"]
    assert [stat.S_ISFIFO(path.stat().st_mode) for path in tmp_path.iterdir()] == [True]


def test_a_descriptor_is_written_to():
    end, start = os.pipe()
    write(f"/dev/fd/{start}", "text")
    os.close(start)
    with os.fdopen(end) as file:
        assert file.read() == "text"


def test_a_directory_is_refused_before_the_work(tmp_path):
    for path in (str(tmp_path), "/", "."):
        with pytest.raises(IsADirectoryError) as raised, replacing(path):
            pytest.fail("the block was run")
        assert raised.value.filename == path
    with pytest.raises(IsADirectoryError):
        write("")


def test_a_missing_or_read_only_folder_is_refused_before_the_work(tmp_path, monkeypatch):
    path = tmp_path / "missing" / "a.txt"
    with pytest.raises(FileNotFoundError) as raised, replacing(path):
        pytest.fail("the block was run")
    assert raised.value.filename == str(path)

    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied", "the temporary file")

    monkeypatch.setattr(Path, "touch", refuse)  # root may write anywhere
    with pytest.raises(PermissionError), replacing(tmp_path / "a.txt"):
        pytest.fail("the block was run")


def test_permissions_of_the_old_file_are_kept(tmp_path):
    path = tmp_path / "a.txt"
    for permissions in (0o600, 0o640, 0o755, 0o444):
        path.touch()
        path.chmod(permissions)
        if os.geteuid() == 0:
            os.chown(path, 1234, 4321)
        former = path.stat()
        with replacing(path) as temporary:
            assert not mode(temporary) & ~permissions & 0o077  # nobody else may read what is written
            temporary.write_text("new")
        assert mode(path) == permissions
        assert (path.stat().st_uid, path.stat().st_gid) == (former.st_uid, former.st_gid)


def test_new_files_have_the_permissions_of_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        write(tmp_path / "a.txt")
        with replacing(tmp_path / "b.safetensors") as temporary:
            save_file({"x": np.ones(3)}, temporary)  # makes a file of its own, which only its owner may read
    finally:
        os.umask(before)
    assert mode(tmp_path / "a.txt") == mode(tmp_path / "b.safetensors") == 0o640


@pytest.mark.parametrize("name", ["a" * 251 + ".csv", "é" * 127, "音" * 85, "." * 255, "\U0001f3b5" * 63])
def test_names_of_255_bytes_can_be_written(name, tmp_path):
    write(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_name_that_is_too_long_is_named(tmp_path):
    with pytest.raises(OSError) as raised:
        write(tmp_path / ("a" * 256))
    assert (raised.value.errno, raised.value.filename) == (errno.ENAMETOOLONG, str(tmp_path / ("a" * 256)))


def test_a_full_disk_leaves_the_old_file_and_is_named(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(OSError) as raised, replacing(path) as temporary:
        temporary.write_text("half")
        with Path("/dev/full").open("w") as full:
            full.write("x")
    assert (raised.value.errno, raised.value.filename) == (errno.ENOSPC, str(path))
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_an_error_of_another_file_keeps_its_name(tmp_path):
    with pytest.raises(FileNotFoundError) as raised, replacing(tmp_path / "a.txt"):
        (tmp_path / "other").read_text()
    assert raised.value.filename == str(tmp_path / "other")


def test_a_mount_point_is_written_to(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def busy(*_):
        raise OSError(errno.EBUSY, "Device or resource busy")

    monkeypatch.setattr(Path, "replace", busy)
    write(path)
    assert path.read_text() == "new" and list(tmp_path.iterdir()) == [path]


def test_only_regular_files_of_bounded_size_are_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path, tmp_path / "missing"):
        with pytest.raises(OSError) as raised:
            contents(path)
        assert raised.value.filename == str(path)
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(OSError, match="MiB") as raised:
        read_json(tmp_path / "huge")
    assert raised.value.errno == errno.EFBIG
    (tmp_path / "link").symlink_to(tmp_path / "b")
    (tmp_path / "b").write_bytes(b"12")
    assert contents(str(tmp_path / "link"), largest=2) == b"12"


BAD_JSON = {
    "empty": b"",
    "deep lists": b"[" * 100_000,
    "deep objects": b'{"a":' * 100_000,
    "NaN": b"[NaN]",
    "infinity": b"-Infinity",
    "bytes": b"\xff\xfe\x00",
    "a long number": b"1" * 100_000,
    "two values": b"1 2",
    "UTF-16, cut": "[]".encode("utf-16")[:-1],
    "a key without quotes": b"{a: 1}",
}


@pytest.mark.parametrize("kind", BAD_JSON)
def test_anything_but_strict_json_is_a_value_error(kind, tmp_path):
    (tmp_path / "a.json").write_bytes(BAD_JSON[kind])
    with pytest.raises(ValueError):
        read_json(tmp_path / "a.json")
    with pytest.raises(ValueError):
        parse_json(BAD_JSON[kind].decode("utf-8", "surrogateescape"))


def test_several_writers_of_one_file(tmp_path):
    path = tmp_path / "a.json"
    threads = [threading.Thread(target=write_json, args=(path, [number] * 1000)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(read_json(path))) == 1 and list(tmp_path.iterdir()) == [path]

"""Search of folders for sound files."""

import os
import socket

import pytest

from mxnet_audio import audio
from mxnet_audio.errors import AudioDecodeError


def test_folders_are_searched_and_files_listed_whatever_their_suffix(tmp_path):
    names = [
        "b.WAV",
        "c.m4r",
        "d.wave",
        "e.aifc",
        "f.m4b",
        "g.mka",
        "h.mov",
        "i.wv",
        "j.sph",
        "k.amb",
        "l.amr",
        "deep/er/ä b.ogg",
        "._b.WAV",
        ".git/x.wav",
        "notes.txt",
        "odd.xyz",
    ]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    expected = [str(tmp_path / name) for name in sorted(names) if name not in ("._b.WAV", ".git/x.wav", "notes.txt")]
    expected.remove(str(tmp_path / "odd.xyz"))
    assert audio.find_audio(tmp_path) == expected
    assert audio.find_audio(str(tmp_path)) == expected
    assert audio.find_audio([tmp_path / "odd.xyz", tmp_path, tmp_path / "b.WAV"]) == [
        *expected,
        str(tmp_path / "odd.xyz"),
    ]
    assert audio.find_audio([]) == []


def test_a_missing_path_is_named(tmp_path):
    with pytest.raises(AudioDecodeError, match="missing: no such"):
        audio.find_audio([tmp_path, tmp_path / "missing"])


def test_a_folder_without_permission_is_named(tmp_path, monkeypatch, caplog):
    (tmp_path / "secret").mkdir()
    (tmp_path / "a.wav").touch()
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith("secret"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert audio.find_audio(tmp_path) == [str(tmp_path / "a.wav")]
    assert "secret" in caplog.text and "Permission denied" in caplog.text


def test_linked_folders_are_searched_once_and_loops_end(tmp_path):
    library, elsewhere = tmp_path / "library", tmp_path / "elsewhere"
    for path in (library / "z real/a.wav", elsewhere / "deep/b.wav", elsewhere / "c.wav"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (library / "a link").symlink_to(library / "z real")  # listed under its real name
    (library / "loop").symlink_to(library)
    (library / "far").symlink_to(elsewhere)
    (library / "far again").symlink_to(elsewhere / "deep")
    (elsewhere / "back").symlink_to(library)
    (library / "itself.wav").symlink_to("itself.wav")
    found = audio.find_audio(library)
    assert [os.path.realpath(path) for path in found] == sorted(
        [str(elsewhere / "c.wav"), str(elsewhere / "deep/b.wav"), str(library / "z real/a.wav")]
    )
    assert str(library / "z real/a.wav") in found
    assert audio.find_audio([library, elsewhere]) == sorted(
        str(path) for path in (elsewhere / "c.wav", elsewhere / "deep/b.wav", library / "z real/a.wav")
    )


def test_only_regular_files_are_listed(tmp_path, caplog):
    (tmp_path / "good.wav").touch()
    (tmp_path / "link.wav").symlink_to(tmp_path / "good.wav")
    (tmp_path / "broken.wav").symlink_to(tmp_path / "missing.wav")
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "device.wav").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(tmp_path / "socket.wav"))
        found = audio.find_audio(tmp_path)
    assert found == [str(tmp_path / "good.wav"), str(tmp_path / "link.wav")]
    for name in ("broken", "pipe", "device", "socket"):
        assert f"{name}.wav" in caplog.text


def test_a_name_that_is_too_long_is_missing(tmp_path):
    with pytest.raises(AudioDecodeError, match="no such"):
        audio.find_audio(tmp_path / ("x" * 300))


def test_what_is_skipped_can_be_listed(tmp_path):
    (tmp_path / "broken.wav").symlink_to(tmp_path / "missing.wav")
    skipped = []
    assert audio.find_audio(tmp_path, on_skip=skipped.append) == []
    (error,) = skipped
    assert error.path == str(tmp_path / "broken.wav") and "does not exist" in error.reason

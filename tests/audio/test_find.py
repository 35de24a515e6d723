"""Search of folders for sound files."""

import os

import pytest

from mxnet_audio import audio
from mxnet_audio.errors import AudioDecodeError


def test_folders_are_searched_and_files_listed_whatever_their_suffix(tmp_path):
    names = ["b.WAV", "c.m4r", "deep/er/ä b.ogg", "._b.WAV", ".git/x.wav", "notes.txt", "odd.xyz"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    expected = [str(tmp_path / "b.WAV"), str(tmp_path / "c.m4r"), str(tmp_path / "deep/er/ä b.ogg")]
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

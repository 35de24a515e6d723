"""Atomic writes: a file is complete or unchanged."""

import json
import os

import pytest

from mxnet_audio.atomic import replacing, write_json


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
    assert json.loads(text) == names


def test_values_that_are_not_json_leave_the_old_file(tmp_path):
    write_json(tmp_path / "a.json", [1])
    with pytest.raises(ValueError):
        write_json(tmp_path / "a.json", [float("nan")])
    assert [path.read_text() for path in tmp_path.iterdir()] == ["[\n 1\n]\n"]

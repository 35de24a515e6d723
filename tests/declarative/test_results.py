"""Files of a results folder."""

import json

import pytest

from mxnet_audio.declarative import RunConfig
from mxnet_audio.declarative.results import read_part, write_results
from mxnet_audio.declarative.splits import Split
from mxnet_audio.errors import ModelError

CONFIG = RunConfig.read("input_features: [{name: clip, type: audio}]\noutput_features: [{name: y, type: number}]")


def test_files(tmp_path):
    unfinished = tmp_path / ".split.csv.0123.tmp"
    unfinished.touch()
    split = Split(train=[0, 4], validation=[1], test=[3])
    write_results(tmp_path, CONFIG, 5, split, {"test": {"y": {"r2": [float("nan"), 0.5]}}}, {"y": {"mae": 0.5}})
    assert RunConfig.read(tmp_path / "config.yaml") == CONFIG
    assert (tmp_path / "split.csv").read_text() == "row,split\n0,train\n1,validation\n2,\n3,test\n4,train\n"
    assert json.loads((tmp_path / "training_statistics.json").read_text()) == {"test": {"y": {"r2": [None, 0.5]}}}
    assert json.loads((tmp_path / "test_statistics.json").read_text()) == {"y": {"mae": 0.5}}
    assert not unfinished.exists()


def test_parts_are_read(tmp_path):
    (tmp_path / "split.csv").write_text("row,split\n0,train\n1,\n2,test\n4,test\n")
    assert read_part(tmp_path, "test") == [2, 4] and read_part(tmp_path, "train") == [0]
    with pytest.raises(ModelError, match="validation"):
        read_part(tmp_path, "validation")
    (tmp_path / "split.csv").write_text("row,split\nx,test\n")
    for directory in (tmp_path, tmp_path / "none"):
        with pytest.raises(ModelError, match="cannot be read"):
            read_part(directory, "test")


def test_files_that_cannot_be_written_are_named(tmp_path):
    (tmp_path / "split.csv").mkdir()
    for directory, name in ((tmp_path / "none", "config.yaml"), (tmp_path, "split.csv")):
        with pytest.raises(ModelError, match="cannot be written") as caught:
            write_results(directory, CONFIG, 1, Split([0], [], []), {}, {})
        assert name in str(caught.value)

"""Files of a results folder."""

import json

import pytest

from mxnet_audio.declarative import RunConfig
from mxnet_audio.declarative.results import write_setup, write_statistics
from mxnet_audio.declarative.splits import Split
from mxnet_audio.errors import ModelError

CONFIG = RunConfig.read("input_features: [{name: clip, type: audio}]\noutput_features: [{name: y, type: number}]")


def test_setup(tmp_path):
    write_setup(tmp_path, CONFIG, 5, Split(train=[0, 4], validation=[1], test=[3]))
    assert RunConfig.read(tmp_path / "config.yaml") == CONFIG
    assert (tmp_path / "split.csv").read_text() == "row,split\n0,train\n1,validation\n2,\n3,test\n4,train\n"


def test_statistics_are_strict_json(tmp_path):
    write_statistics(tmp_path, {"test": {"y": {"r2": [float("nan"), 0.5]}}}, {"y": {"mae": 0.5}})
    assert json.loads((tmp_path / "training_statistics.json").read_text()) == {"test": {"y": {"r2": [None, 0.5]}}}
    assert json.loads((tmp_path / "test_statistics.json").read_text()) == {"y": {"mae": 0.5}}


def test_a_folder_that_cannot_be_written_to(tmp_path):
    with pytest.raises(ModelError, match="cannot be written"):
        write_setup(tmp_path / "none", CONFIG, 1, Split([0], [], []))
    with pytest.raises(ModelError, match="cannot be written"):
        write_statistics(tmp_path / "none", {}, {})

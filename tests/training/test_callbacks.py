"""Tests of logs and early stopping."""

import csv
import sys
from pathlib import Path

import pytest

from mxnet_audio.errors import ModelError, ParameterError
from mxnet_audio.training import CsvLog, EarlyStopping, TensorBoardLog

HISTORY = {"loss_train": [1.0, 0.5], "loss_test": [2.0, 1.5], "acc_train": [0.5, 1.0], "acc_test": [0.25, 0.75]}


def test_the_csv_log_holds_the_whole_history(tmp_path):
    log = CsvLog(tmp_path / "log.csv")
    assert log({measure: values[:1] for measure, values in HISTORY.items()}) is None
    log(HISTORY)
    with (tmp_path / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert {measure: [float(row[measure]) for row in rows] for measure in HISTORY} == HISTORY


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_log_that_cannot_be_written_does_not_end_the_training(caplog):
    assert CsvLog("/dev/full")(HISTORY) is None
    assert "/dev/full" in caplog.text


def test_the_tensorboard_log_can_be_read(tmp_path):
    events = pytest.importorskip("tensorboardX.proto.event_pb2")
    log = TensorBoardLog(tmp_path)
    log({measure: values[:1] for measure, values in HISTORY.items()})
    log(HISTORY)
    (file,) = tmp_path.iterdir()
    found, data = {}, file.read_bytes()
    while data:  # each event: length, checksum of the length, event, checksum
        length = int.from_bytes(data[:8], "little")
        event = events.Event.FromString(data[12 : 12 + length])
        for value in event.summary.value:
            found.setdefault(value.tag, []).append((event.step, pytest.approx(value.simple_value)))
        data = data[16 + length :]
    assert found == {measure.replace("_", "/"): list(enumerate(values, 1)) for measure, values in HISTORY.items()}


def test_a_missing_tensorboard_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX.event_file_writer", None)
    with pytest.raises(ModelError, match="tensorboardX"):
        TensorBoardLog(tmp_path)


def test_bad_arguments_are_named(tmp_path):
    for patience in (0, 1.5, "3"):
        with pytest.raises(ParameterError, match=rf"patience .*1.* {patience!r}"):
            EarlyStopping(patience)
    with pytest.raises(ParameterError, match="missing"):
        CsvLog(tmp_path / "missing" / "log.csv")
    with pytest.raises(ParameterError, match=tmp_path.name):
        CsvLog(tmp_path)


def test_early_stopping_needs_held_out_clips():
    with pytest.raises(ParameterError, match="early_stopping"):
        EarlyStopping(1)(HISTORY | {"loss_test": []})


@pytest.mark.parametrize("path", [3, None, ""])
def test_logs_need_a_path(path):
    for log in (CsvLog, TensorBoardLog):
        with pytest.raises(ParameterError, match="path"):
            log(path)

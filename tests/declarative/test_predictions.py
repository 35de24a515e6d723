"""Tables of predictions: columns by type of the output, and files of each format."""

import csv
import datetime
import json
import os
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from mxnet_audio.declarative import OutputPrediction, RowPrediction, RunConfig
from mxnet_audio.declarative.columns import Columns
from mxnet_audio.declarative.encodings import AudioEncoding, NumberEncoding
from mxnet_audio.declarative.label_encodings import BinaryEncoding, CategoryEncoding, SetEncoding
from mxnet_audio.declarative.predictions import check_table_path, prediction_columns, set_separators, write_table
from mxnet_audio.declarative.table import read_table
from mxnet_audio.errors import AudioError, InvalidAudioError, ParameterError

CONFIG = {
    "input_features": [{"name": "clip", "type": "audio", "column": "path"}],
    "output_features": [{"name": kind, "type": kind} for kind in ("category", "binary", "number", "set")],
}
ENCODINGS = {
    "clip": AudioEncoding(),
    "category": CategoryEncoding(labels=[1, 2]),
    "binary": BinaryEncoding(labels=["no", "yes"]),
    "number": NumberEncoding(),
    "set": SetEncoding(labels=["dog", "rain", "wind"]),
}
FOUND = {
    "category": OutputPrediction(2, {1: 0.25, 2: 0.75}),
    "binary": OutputPrediction("no", {"no": 0.9, "yes": 0.1}),
    "number": OutputPrediction(1.5),
    "set": OutputPrediction({"wind", "dog"}, {"dog": 0.75, "rain": 0.125, "wind": 0.5}),
}
PREDICTIONS = [RowPrediction(FOUND), RowPrediction({}, InvalidAudioError("silent,\nor so", "b.wav"))]
OUTPUT_COLUMNS = {
    "category_predictions": [2, None],
    "category_probabilities_1": [0.25, None],
    "category_probabilities_2": [0.75, None],
    "category_probability": [0.75, None],
    "binary_predictions": ["no", None],
    "binary_probabilities_no": [0.9, None],
    "binary_probabilities_yes": [0.1, None],
    "binary_probability": [0.9, None],
    "number_predictions": [1.5, None],
    "set_predictions": [["dog", "wind"], None],
    "set_probabilities_dog": [0.75, None],
    "set_probabilities_rain": [0.125, None],
    "set_probabilities_wind": [0.5, None],
    "error": [None, "b.wav: silent, or so"],
}


@pytest.fixture(scope="module")
def model():
    """Part of a model that a table of predictions needs."""
    return SimpleNamespace(config=RunConfig.read(CONFIG), columns=Columns(encodings=ENCODINGS))


@pytest.fixture(scope="module")
def columns(model):
    """Table of two rows, the second of which could not be used."""
    return prediction_columns(model, {"path": ["a.wav", "b.wav"], "set": [["dog"], []]}, PREDICTIONS)


def test_columns_of_each_type_of_output(columns):
    expected = {"path": ["a.wav", "b.wav"], "set": [["dog"], []], **OUTPUT_COLUMNS}
    assert columns == expected and list(columns) == list(expected)


def test_own_columns_that_a_table_cannot_hold_are_left_out(model):
    day = datetime.date(2026, 11, 30)
    dataset = {
        "path": [b"RIFF", b"RIFF"],
        "array": [np.zeros(2), np.zeros(2)],
        "vector": [[0.5], [0.5]],
        "parts": [{"a": 1}, {"a": 2}],
        "day": [day, None],
        "level": [float("nan"), 2.0],
        "error": [0, 1],
        "number_predictions": [7, 7],
    }
    columns = prediction_columns(model, dataset, PREDICTIONS)
    assert {name: columns[name] for name in columns if name not in OUTPUT_COLUMNS} == {
        "day": [day, None],
        "level": [None, 2.0],
    }
    assert {name: columns[name] for name in OUTPUT_COLUMNS} == OUTPUT_COLUMNS
    assert list(columns)[-1] == "error"


def test_as_many_predictions_as_rows(model):
    with pytest.raises(ParameterError, match=r"predictions .* 1 rows, got 2"):
        prediction_columns(model, {"path": ["a.wav"]}, PREDICTIONS)


def test_csv(columns, tmp_path):
    write_table(columns, tmp_path / "p.csv")
    with (tmp_path / "p.csv").open(newline="", encoding="utf-8") as file:
        first, second = csv.DictReader(file)
    assert list(first) == list(columns)
    assert json.loads(first["set_predictions"]) == ["dog", "wind"]
    assert float(first["category_probability"]) == 0.75 and first["error"] == ""
    assert second["error"] == "b.wav: silent, or so" and second["number_predictions"] == ""


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet", ".PARQUET"])
def test_values_keep_their_types(columns, suffix, tmp_path):
    if suffix.lower() == ".parquet":
        pytest.importorskip("pyarrow")
    write_table(columns, tmp_path / f"p{suffix}")
    table = read_table(tmp_path / f"p{suffix}")
    assert {name: list(table.rows_of(name)) for name in table.names} == columns


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_values_of_any_kind(suffix, tmp_path):
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    odd = {
        "name \udcff": ["\udcff.wav", "ä"],
        "mixed": ["a", 1],
        "large": [10**40, 1],
        "numpy": [np.float32(0.5), np.int64(3)],
        "day": [datetime.date(2026, 11, 30), None],
        "nothing": [None, None],
        "limits": [float("inf"), np.float32("nan")],
    }
    write_table(odd, tmp_path / f"p{suffix}")
    table = read_table(tmp_path / f"p{suffix}")
    assert len(table) == 2 and len(table.names) == 7
    assert [str(value) for value in table.column("mixed")] == ["a", "1"]
    assert "2026-11-30" in str(table.column("day")[0])


@pytest.mark.parametrize("name", ["p.xlsx", "p", ".csv"])
def test_other_suffixes_are_refused(name):
    with pytest.raises(ParameterError, match=r"\.csv, \.jsonl, \.parquet"):
        check_table_path(name)


def test_parquet_needs_pyarrow(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ParameterError, match=r"pip install .pyarrow<26"):
        write_table({"a": [1]}, tmp_path / "p.parquet")
    assert not list(tmp_path.iterdir())


def test_files_that_cannot_be_written(tmp_path, monkeypatch):
    with pytest.raises(AudioError, match="none: no such folder"):
        check_table_path(tmp_path / "none" / "p.csv")
    (tmp_path / "p.csv").mkdir()
    with pytest.raises(ParameterError, match="the folder"):
        check_table_path(tmp_path / "p.csv")
    monkeypatch.setattr(os, "access", lambda *_: True)
    with pytest.raises(AudioError, match=r"p\.csv: cannot be written"):
        write_table({"a": [1]}, tmp_path / "none" / "p.csv")
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(AudioError, match="no permission"):
        check_table_path(tmp_path / "q.csv")


@pytest.mark.parametrize(("tokenizer", "text"), [("pipe", "dog|wind"), ("space", "dog wind"), ("json", None)])
def test_sets_in_csv_are_read_by_the_tokenizer(model, tokenizer, text, tmp_path):
    encoding = SetEncoding(labels=["dog", "rain", "wind"], tokenizer=tokenizer)
    run = SimpleNamespace(config=model.config, columns=Columns(encodings={**ENCODINGS, "set": encoding}))
    columns = prediction_columns(run, {"path": ["a.wav", "b.wav"]}, PREDICTIONS)
    write_table(columns, tmp_path / "a.csv", set_separators(run))
    cell, missing = read_table(tmp_path / "a.csv").column("set_predictions")
    assert encoding.members(cell) == {"dog", "wind"} and missing is None
    assert text in (cell, None)


def test_labels_with_the_separator_stay_json(model):
    encoding = SetEncoding(labels=["dog bark", "rain"])
    run = SimpleNamespace(config=model.config, columns=Columns(encodings={**ENCODINGS, "set": encoding}))
    assert set_separators(run) == {}

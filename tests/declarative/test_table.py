"""Tables of any form: files, frames, data sets, columns and records."""

import json
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mxnet_audio.declarative.table import Table, read_table
from mxnet_audio.errors import AudioError, DatasetError, ParameterError

ROWS = [
    {"audio": "a.wav", "age": 3, "label": "dog"},
    {"audio": "sub/b.wav", "age": None, "label": "cat, small"},
    {"audio": "c.wav", "age": 5, "label": None},
]


def write(path, kind):
    frame = pd.DataFrame(ROWS)
    if kind == "jsonl":
        path.write_text("\n".join(json.dumps(row) for row in ROWS) + "\n\n")
    elif kind == "parquet":
        frame.to_parquet(path)
    else:
        separator = {"csv": ",", "tsv": "\t", "txt": ";"}[kind]
        frame.astype({"age": "Int64"}).to_csv(path, sep=separator, index=False)
    return path


@pytest.mark.parametrize("kind", ["csv", "tsv", "txt", "jsonl", "parquet"])
def test_files_have_the_same_rows(tmp_path, kind):
    table = read_table(write(tmp_path / f"clips.{kind}", kind))
    assert table.names == ["audio", "age", "label"] and len(table) == 3
    assert table.column("label") == ["dog", "cat, small", None]
    age = table.column("age")
    assert age[1] is None and [float(age[0]), float(age[2])] == [3, 5]
    assert list(table.sounds("audio")) == [str(tmp_path / row["audio"]) for row in ROWS]
    assert read_table(table) is table


def test_objects_have_the_same_rows():
    import datasets

    frame = pd.DataFrame(ROWS)
    columns = {name: [row[name] for row in ROWS] for name in ROWS[0]}
    forms = [
        ROWS,
        columns,
        frame,
        datasets.Dataset.from_list(ROWS),
        pa.Table.from_pylist(ROWS),
        {**columns, "age": frame.age},
    ]
    for form in forms:
        table = read_table(form)
        assert table.column("label") == ["dog", "cat, small", None]
        assert table.column("age") == [3, None, 5]
        assert table.sounds("audio")[1] == "sub/b.wav"


def test_columns_may_be_named_like_attributes():
    frame = pd.DataFrame({"features": [1, 2], "columns": [3, 4], "column_names": [5, 6]})
    assert read_table(frame).names == ["features", "columns", "column_names"]


def test_records_may_lack_keys():
    assert read_table([{"a": 1}, {"b": np.float32(2)}]).column("a") == [1, None]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_text_of_any_encoding(tmp_path, encoding):
    (tmp_path / "a.csv").write_bytes('"Datei" ; Größe \r\n"é;1.wav"; "laut" \r\n ; \r\nb.wav;\r\n'.encode(encoding))
    table = read_table(tmp_path / "a.csv")
    assert table.names == ["Datei", "Größe"]
    assert table.column("Datei") == ["é;1.wav", "b.wav"] and table.column("Größe") == ["laut", None]
    assert [table.row_name(row) for row in (0, 1)] == ["line 2", "line 4"]


def test_separators_within_cells_are_not_those_of_the_table(tmp_path):
    (tmp_path / "a.csv").write_text("file,tags\na.wav,dog|rain\nb.wav,dog|cat\n")
    assert read_table(tmp_path / "a.csv").column("tags") == ["dog|rain", "dog|cat"]


def test_index_column_of_pandas_is_left_out(tmp_path):
    pd.DataFrame(ROWS).to_csv(tmp_path / "a.csv")
    assert read_table(tmp_path / "a.csv").names == ["audio", "age", "label"]


def test_class_labels_of_hugging_face_are_names():
    import datasets

    features = datasets.Features(
        {
            "label": datasets.ClassLabel(names=["cat", "dog"]),
            "tags": datasets.Sequence(datasets.ClassLabel(names=["loud", "near"])),
        }
    )
    dataset = datasets.Dataset.from_dict({"label": [1, 0, None], "tags": [[0, 1], [], [1]]}, features=features)
    for table in (read_table(dataset), read_table(dataset.select([0, 1]).with_format("numpy"))):
        assert table.column("label")[:2] == ["dog", "cat"]
        assert table.column("tags")[:2] == [["loud", "near"], []]
    assert read_table(dataset).column("label")[2] is None


def test_sounds_of_hugging_face_are_not_decoded(write_tone, tmp_path):
    import datasets

    path = str(write_tone(tmp_path / "a.wav"))
    dataset = datasets.Dataset.from_dict({"audio": [path, None]}).cast_column("audio", datasets.Audio())
    sounds = read_table(dataset).sounds("audio")
    assert sounds[0]["path"] == path and sounds[1] is None


def test_tables_of_many_columns_are_read_column_by_column(tmp_path):
    (tmp_path / "a.csv").write_text(",".join(f"a{i}" for i in range(3000)) + "\n" + "x\n" * 3000)
    (tmp_path / "a.jsonl").write_text("".join(f'{{"a{i}": {i}}}\n' for i in range(3000)))
    tracemalloc.start()
    tables = [read_table(tmp_path / name) for name in ("a.csv", "a.jsonl")]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6  # a reference for each of 3000 x 3000 cells is 72 MB
    assert tables[0].column("a0")[2999] == "x" and tables[0].column("a2999") == [None] * 3000
    assert tables[1].column("a7")[6:9] == [None, 7, None]


@pytest.mark.parametrize("kind", [pa.timestamp("s"), pa.timestamp("s", tz="Atlantis"), pa.date32()], ids=str)
def test_values_of_parquet_that_python_has_not(tmp_path, kind):
    number = 10**6 * 400 if kind == pa.date32() else 1 if kind.tz else 10**15
    pq.write_table(pa.table({"label": ["dog"], "when": pa.array([number], kind)}), tmp_path / "a.parquet")
    table = read_table(tmp_path / "a.parquet")
    assert table.column("label") == ["dog"]
    with pytest.raises(DatasetError, match="'when'"):
        table.column("when")


def test_missing_column_has_a_suggestion():
    with pytest.raises(DatasetError, match="did you mean label"):
        read_table(ROWS).column("lable")


BAD_FILES = {
    "empty": ("a.csv", b""),
    "header only": ("a.csv", b"a,b\n"),
    "equal names": ("a.csv", b"a,a\n1,2\n"),
    "too many cells": ("a.csv", b"a,b\n1,2,3\n"),
    "open quotation mark": ("a.csv", b'a,b\n"1,2\n'),
    "binary": ("a.csv", b"\0\0\0"),
    "no JSON": ("a.jsonl", b"{'a': 1}\n"),
    "NaN": ("a.jsonl", b'{"a": NaN}\n'),
    "list": ("a.jsonl", b"[1, 2]\n"),
    "deep": ("a.jsonl", b"[" * 100_000),
    "empty JSON": ("a.jsonl", b"\n"),
    "no Parquet": ("a.parquet", b"PAR1 no"),
    "empty Parquet": ("a.parquet", b""),
    "other type": ("a.wav", b"RIFF"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_files_are_named(tmp_path, name):
    file, content = BAD_FILES[name]
    (tmp_path / file).write_bytes(content)
    with pytest.raises(DatasetError) as error:
        read_table(tmp_path / file)
    assert error.value.path == str(tmp_path / file)


@pytest.mark.parametrize(
    "name", ["missing.csv", "missing.jsonl", "missing.parquet", "folder.csv", "folder.parquet", "x" * 300 + ".parquet"]
)
def test_files_that_are_none(tmp_path, name):
    if name.startswith("folder"):
        (tmp_path / name).mkdir()
    with pytest.raises(DatasetError, match=name):
        read_table(tmp_path / name)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_names_that_are_too_long(suffix):
    with pytest.raises(DatasetError):
        read_table("x" * 300 + suffix)


def test_damaged_parquet_files(tmp_path):
    data = write(tmp_path / "a.parquet", "parquet").read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(60):
        damaged = bytearray(data)
        for position in rng.integers(0, len(data), 8):
            damaged[position] = rng.integers(0, 256)
        (tmp_path / "a.parquet").write_bytes(damaged)
        try:
            table = read_table(tmp_path / "a.parquet")
            [table.column(name) for name in table.names]
        except AudioError:
            pass


BAD_OBJECTS = {
    "number": (3, ParameterError),
    "none": (None, ParameterError),
    "bytes": (b"a,b", ParameterError),
    "iterator": (iter(ROWS), ParameterError),
    "no rows": ([], DatasetError),
    "no columns": ({}, DatasetError),
    "empty columns": ({"a": []}, DatasetError),
    "text as column": ({"a": "xyz"}, DatasetError),
    "number as column": ({"a": 3}, DatasetError),
    "set as column": ({"a": {1, 2}}, DatasetError),
    "different lengths": ({"a": [1], "b": [1, 2]}, DatasetError),
    "list of lists": ([[1, 2]], DatasetError),
    "equal names": (pd.DataFrame([[1, 2]], columns=["a", "a"]), DatasetError),
    "equal names as text": ({1: ["a"], "1": ["b"]}, DatasetError),
    "empty frame": (pd.DataFrame({"a": []}), DatasetError),
}


@pytest.mark.parametrize("name", BAD_OBJECTS)
def test_bad_objects(name):
    value, error = BAD_OBJECTS[name]
    with pytest.raises(error):
        read_table(value)


def test_integers_of_thousands_of_digits():
    with pytest.raises(DatasetError, match="row 1"):
        read_table({"x": [1, 10**5000]}).column("x")


def test_several_tables_and_streams_of_hugging_face():
    import datasets

    dataset = datasets.Dataset.from_list(ROWS)
    with pytest.raises(DatasetError, match="train"):
        read_table(datasets.DatasetDict(train=dataset, test=dataset))
    with pytest.raises(ParameterError):
        read_table(dataset.to_iterable_dataset())
    with pytest.raises(DatasetError, match="'age' cannot be read"):
        read_table(dataset.with_format("numpy", columns=["label"])).column("age")


def test_values_of_libraries_are_rows():
    table = read_table({"x": np.array([1.5, np.nan]), "y": ("a", pd.NA), "z": np.zeros((2, 3))})
    assert read_table({"x": [np.float32("nan"), pd.NaT, 1]}).column("x") == [None, None, 1]
    assert table.column("x") == [1.5, None] and table.column("y") == ["a", None]
    assert table.rows_of("z")[1].tolist() == [0, 0, 0]
    assert repr(table) == "Table(2 rows, columns x, y, z)" and isinstance(table, Table)
    assert read_table({"x": [{"b", "a", "c"}, frozenset({"d"})]}).column("x") == [["a", "b", "c"], ["d"]]
    assert Path("a.wav").name in table.locate("a.wav")

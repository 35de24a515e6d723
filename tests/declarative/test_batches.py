"""Batches of rows: arrays, order, rows that cannot be used, predictions."""

import numpy as np
import pandas as pd
import pytest
import soundfile as sf

from mxnet_audio.declarative.batches import Batch, EncodedTable
from mxnet_audio.declarative.columns import Columns
from mxnet_audio.declarative.config import RunConfig
from mxnet_audio.declarative.table import read_table
from mxnet_audio.errors import AudioDecodeError, AudioError, DatasetError, InvalidAudioError, ParameterError

SIDE = [{"name": "age", "type": "number"}, {"name": "place", "type": "category"}, {"name": "flag", "type": "binary"}]
OUTPUTS = [
    {"name": "label", "type": "category"},
    {"name": "tags", "type": "set", "preprocessing": {"tokenizer": "pipe"}},
    {"name": "score", "type": "number", "preprocessing": {"normalization": "minmax"}},
    {"name": "loud", "type": "binary"},
]
ROWS = 24


def config(inputs=(), outputs=OUTPUTS, **audio):
    preprocessing = {"audio_file_length_limit_in_s": 0.5, "missing_value_strategy": "drop_row"}
    sound = {"name": "sound", "type": "audio", "column": "file", "preprocessing": preprocessing, **audio}
    return RunConfig.read(
        {"input_features": [sound, *inputs], "output_features": list(outputs), "backend": {"threads": 2}}
    )


@pytest.fixture
def frame():
    """Frame of sounds of 0.05 to 0.4 s, with all kinds of columns."""
    rng = np.random.default_rng(0)
    sounds = [(rng.normal(0, 0.1, 400 * (1 + i % 8)), 8000) for i in range(ROWS)]
    return pd.DataFrame(
        {
            "file": sounds,
            "age": range(ROWS),
            "place": ["in", "out", "near"] * 8,
            "flag": ["yes", "no"] * 12,
            "label": ["dog", "cat"] * 12,
            "tags": ["dog|rain", "rain", ""] * 8,
            "score": np.linspace(1, 5, ROWS),
            "loud": [True, False] * 12,
        }
    )


def encoded(configuration, frame, train=range(ROWS), **options):
    table = read_table(frame)
    columns = Columns.fit(configuration, table, list(train))
    return EncodedTable(configuration, columns, table, **({"cache": False} | options))


def test_arrays_of_all_types(frame):
    frame["tags"] = [value.split("|") if value else [] for value in frame.tags]
    table = encoded(config(SIDE), frame)
    (batch,) = table.batches(range(ROWS), 100)
    assert isinstance(batch, Batch) and batch.rows.tolist() == list(range(ROWS))
    sounds, lengths = batch.inputs["sound"]
    assert sounds.shape[0] == ROWS and sounds.shape[2] == 80 and lengths.max() <= sounds.shape[1]
    assert batch.inputs["age"].shape == (ROWS, 1) and abs(batch.inputs["age"].mean()) < 1e-6
    assert batch.inputs["place"].shape == (ROWS, 4) and (batch.inputs["place"].sum(axis=1) == 1).all()
    assert batch.inputs["flag"][:2, 0].tolist() == [1, 0]
    assert batch.targets["label"][:3].tolist() == [1, 0, 1]
    assert batch.targets["tags"][:3].tolist() == [[1, 1], [0, 1], [0, 0]]
    assert batch.targets["score"].min() == 0 and batch.targets["score"].max() == 1
    assert batch.targets["loud"][:2].tolist() == [1, 0]
    arrays = [sounds, lengths, *list(batch.inputs.values())[1:], *batch.targets.values()]
    assert all(array.dtype == np.float32 for array in arrays)


@pytest.mark.parametrize("seed", [None, 0, (3, 1)])
def test_each_row_is_in_one_batch(frame, seed):
    table = encoded(config(outputs=OUTPUTS[:1]), frame)
    rows = [row for row in range(ROWS) if row % 5]
    for _ in range(2):  # before and after the lengths are known
        batches = list(table.batches(rows, 7, seed))
        assert len(batches) == -(-len(rows) // 7) and {len(batch.rows) for batch in batches[:-1]} >= {7}
        assert sorted(row for batch in batches for row in batch.rows) == rows
        for batch in batches:
            assert batch.targets["label"].tolist() == [1 - row % 2 for row in batch.rows]
        assert table.usable(rows) == rows


def test_the_order_depends_on_the_seed(frame):
    table = encoded(config(outputs=OUTPUTS[:1]), frame)
    table.usable(range(ROWS))

    def order(seed):
        return [batch.rows.tolist() for batch in table.batches(range(ROWS), 5, seed)]

    assert order((1, 2)) == order((1, 2)) != order((1, 3))
    again = encoded(config(outputs=OUTPUTS[:1]), frame)
    again.usable(range(ROWS))
    assert [batch.rows.tolist() for batch in again.batches(range(ROWS), 5, (1, 2))] == order((1, 2))


def test_batches_hold_sounds_of_similar_length(frame):
    table = encoded(config(outputs=OUTPUTS[:1]), frame)
    table.usable(range(ROWS))
    padding = [
        (1 - lengths / x.shape[1]).mean()
        for x, lengths in (batch.inputs["sound"] for batch in table.batches(range(ROWS), 3, 0))
    ]
    assert np.mean(padding) < 0.2


def test_a_row_has_the_same_arrays_in_every_batch(frame):
    table = encoded(config(SIDE[:1], OUTPUTS[:1]), frame)
    (batch,) = table.batches([3, 9, 20], 3)
    for index, row in enumerate(batch.rows):
        (alone,) = table.batches([row], 1)
        length = int(alone.inputs["sound"][1][0])
        assert batch.inputs["sound"][1][index] == length
        np.testing.assert_array_equal(batch.inputs["sound"][0][index, :length], alone.inputs["sound"][0][0, :length])
        np.testing.assert_array_equal(batch.inputs["age"][index], alone.inputs["age"][0])


def test_rows_that_cannot_be_used_are_listed_once(frame, tmp_path):
    (tmp_path / "text.wav").write_text("no sound")
    frame.at[2, "file"] = str(tmp_path / "missing.wav")
    frame.at[5, "file"] = str(tmp_path / "text.wav")
    frame.at[7, "file"] = (np.zeros(800), 8000)
    frame.at[8, "file"] = None
    frame.at[11, "file"] = 3
    frame["age"] = frame.age.astype(object)
    frame.at[13, "age"] = "old"
    frame.at[17, "label"] = "whale"
    table = encoded(config(SIDE, OUTPUTS[:1]), frame, train=range(17))
    bad = [2, 5, 7, 8, 11, 13, 17]
    assert table.usable(range(ROWS)) == [row for row in range(ROWS) if row not in bad]
    batches = list(table.batches(range(ROWS), 4, 0))
    assert sorted(row for batch in batches for row in batch.rows) == [row for row in range(ROWS) if row not in bad]
    assert [row for row, _, _ in table.skipped] == bad
    names = {row: name for row, name, _ in table.skipped}
    assert names[2] == str(tmp_path / "missing.wav") and names[8] == "row 8" and names[13] == "row 13"
    kinds = {row: type(error) for row, _, error in table.skipped}
    assert kinds[2] is kinds[5] is AudioDecodeError and kinds[7] is kinds[8] is InvalidAudioError
    assert kinds[11] is ParameterError and kinds[13] is kinds[17] is DatasetError
    assert all(isinstance(error, AudioError) for _, _, error in table.skipped)


def test_predictions_need_no_outputs_and_no_sounds_of_other_rows(frame):
    configuration = config(outputs=OUTPUTS[:1], preprocessing={"missing_value_strategy": "bfill"})
    frame.at[4, "file"] = None
    table = encoded(configuration, frame)
    assert table.usable([3, 4]) == [3, 4]  # filled by the next
    new = read_table(frame.drop(columns=[feature["name"] for feature in OUTPUTS]))
    predicted = EncodedTable(configuration, table._columns, new, cache=False, targets=False)
    (batch,) = predicted.batches([3, 4, 5], 8)
    assert batch.targets == {} and batch.rows.tolist() == [3, 5]
    assert [(row, name) for row, name, _ in predicted.skipped] == [(4, "row 4")]
    with pytest.raises(DatasetError, match="'label'"):
        EncodedTable(configuration, table._columns, new, cache=False)


def test_new_categories_of_inputs_are_unknown(frame):
    configuration = config(SIDE[1:2], OUTPUTS[:1])
    table = encoded(configuration, frame)
    new = frame.assign(place="elsewhere")
    (batch,) = EncodedTable(configuration, table._columns, read_table(new), cache=False).batches([0], 1)
    assert batch.inputs["place"].tolist() == [[1, 0, 0, 0]]


def test_several_sounds_of_a_row(frame):
    frame["other"] = frame.file[::-1].tolist()
    inputs = [
        {"name": "other", "type": "audio", "tied": "sound", "preprocessing": {"audio_file_length_limit_in_s": 0.5}}
    ]
    table = encoded(config(inputs, OUTPUTS[:1]), frame)
    (batch,) = table.batches([0, 1], 2)
    (mirrored,) = table.batches([ROWS - 1, ROWS - 2], 2)
    np.testing.assert_array_equal(batch.inputs["sound"][0], mirrored.inputs["other"][0])


def test_features_are_read_from_the_cache(tmp_path, monkeypatch, frame):
    for row, (samples, sr) in enumerate(frame.file):
        sf.write(tmp_path / f"{row}.wav", samples, sr)
    frame["file"] = [str(tmp_path / f"{row}.wav") for row in range(ROWS)]
    first = encoded(config(outputs=OUTPUTS[:1]), frame, cache=tmp_path / "cache")
    (expected,) = first.batches(range(ROWS), ROWS)
    monkeypatch.setattr("mxnet_audio.declarative.sounds.load_features", None)
    (again,) = encoded(config(outputs=OUTPUTS[:1]), frame, cache=tmp_path / "cache").batches(range(ROWS), ROWS)
    np.testing.assert_array_equal(again.inputs["sound"][0], expected.inputs["sound"][0])


def test_a_consumer_that_stops_ends_the_threads(frame):
    table = encoded(config(outputs=OUTPUTS[:1]), frame)
    stream = table.batches(range(ROWS), 2)
    next(stream)
    stream.close()
    assert list(table.batches([], 2)) == []


@pytest.mark.parametrize("batch_size", [0, -1, 2.5, "3"])
def test_bad_batch_sizes(frame, batch_size):
    with pytest.raises(ParameterError, match="batch_size"):
        next(encoded(config(outputs=OUTPUTS[:1]), frame).batches([0], batch_size))


def test_sounds_of_other_rows_are_announced(frame, caplog):
    frame.loc[[3, 7], "file"] = None
    run = config(preprocessing={"audio_file_length_limit_in_s": 0.5})
    table = read_table(frame)
    columns = Columns.fit(run, table, range(ROWS))
    EncodedTable(run, columns, table, cache=False, targets=False)
    assert "missing sounds" not in caplog.text
    EncodedTable(run, columns, table, cache=False)
    assert "'file': 2 missing sounds" in caplog.text and "bfill" in caplog.text and "drop_row" in caplog.text


def test_rows_left_out_are_counted(frame, caplog):
    frame["tags"] = ["dog|rain", "rain"] * 12
    frame["score"] = [*frame["score"][:-2], "loud", "4,5"]
    encoded = EncodedTable(config(), Columns.fit(config(), read_table(frame), range(ROWS)), read_table(frame))
    assert encoded.usable(range(ROWS)) == list(range(ROWS - 2))
    assert caplog.messages[-1] == f"left out 2 of {ROWS} rows"

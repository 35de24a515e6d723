"""Splits of rows: at random, stratified, fixed and by groups."""

from collections import Counter

import numpy as np
import pytest

from mxnet_audio.declarative.config import RunConfig
from mxnet_audio.declarative.splits import Split, split_rows
from mxnet_audio.declarative.table import read_table
from mxnet_audio.errors import DatasetError


def config(split=None, inputs=("audio",), output="category", **trainer):
    return RunConfig.read(
        {
            "input_features": [{"name": name, "type": "audio"} for name in inputs],
            "output_features": [{"name": "label", "type": output}],
            "preprocessing": {"split": split or {"type": "random"}},
            "trainer": trainer,
        }
    )


def table(n=20, **columns):
    return read_table(
        {"audio": [f"{i}.wav" for i in range(n)], "label": [("dog", "cat")[i % 2] for i in range(n)], **columns}
    )


def sides(parts):
    """Return the part of each row."""
    return {row: name for name, rows in zip(Split._fields, parts) for row in rows}


def test_random_parts_have_the_shares_and_depend_on_the_seed():
    parts = split_rows(config(), table(100))
    assert [len(part) for part in parts] == [70, 10, 20]
    assert sorted(sides(parts)) == list(range(100)) and all(part == sorted(part) for part in parts)
    other = config().model_copy(update={"random_seed": 1})
    assert split_rows(config(), table(100)) == parts != split_rows(other, table(100))


def test_only_given_rows_are_split():
    rows = list(range(0, 60, 2))
    parts = split_rows(config(), table(60, label=["a", "a", "b"] * 20), rows)
    assert sorted(sides(parts)) == rows and [len(part) for part in parts] == [21, 3, 6]


def test_a_probability_of_zero_leaves_a_part_empty():
    parts = split_rows(config({"type": "random", "probabilities": [0.8, 0.2, 0]}), table(10))
    assert [len(part) for part in parts] == [8, 2, 0]


@pytest.mark.parametrize("counts", [(3, 3), (3, 40), (10, 30), (4, 5)])
def test_stratified_parts_have_all_classes(counts):
    labels = np.random.default_rng(0).permutation(["a"] * counts[0] + ["b"] * counts[1]).tolist()
    split = {"type": "stratify", "column": "label"}
    parts = split_rows(config(split), table(len(labels), label=labels))
    for label, count in zip("ab", counts):
        found = [sum(labels[row] == label for row in part) for part in parts]
        assert min(found) >= 1 and abs(found[2] - 0.2 * count) <= 1 and sum(found) == count


def test_a_class_that_is_too_small_is_named():
    split = {"type": "stratify", "column": "label"}
    with pytest.raises(DatasetError, match="'whale' of column 'label' has only 2 rows"):
        split_rows(config(split), table(22, label=["a"] * 20 + ["whale"] * 2))


def test_a_class_without_training_rows_is_named():
    numbers = [0] * 8 + [1, 2]
    with pytest.raises(DatasetError, match=r"'whale'.*stratify"):
        split_rows(config({"type": "fixed"}), table(10, label=["a", "b"] * 4 + ["whale", "a"], split=numbers))


def test_a_table_that_is_too_small():
    with pytest.raises(DatasetError, match="the table has only 2 rows"):
        split_rows(config(), table(2))


@pytest.mark.parametrize(
    "cells",
    [[0, 1, 2], ["train", "validation", "test"], [" Training", "val", "testing"], ["0", "1", "2"], [0.0, 1.0, 2.0]],
    ids=["numbers", "names", "other names", "text", "floats"],
)
def test_fixed_parts_are_those_of_the_column(cells):
    chosen = [cells[(i // 2) % 3] for i in range(12)]
    parts = split_rows(config({"type": "fixed", "column": "part"}), table(12, part=chosen))
    assert parts == Split([0, 1, 6, 7], [2, 3, 8, 9], [4, 5, 10, 11])


@pytest.mark.parametrize("cell", ["fold1", 3, None, "", -1, "maybe"])
def test_a_wrong_part_names_the_row(cell):
    with pytest.raises(DatasetError, match=r"row 7.*'part'"):
        split_rows(config({"type": "fixed", "column": "part"}), table(8, part=[0] * 6 + [1, cell]))


def test_a_missing_column_has_a_suggestion():
    with pytest.raises(DatasetError, match="did you mean part"):
        split_rows(config({"type": "fixed", "column": "parts"}), table(3, part=[0, 1, 2]))


def test_training_that_stops_by_validation_needs_validation_rows():
    fixed, cells = {"type": "fixed"}, [0] * 6 + [2] * 2
    with pytest.raises(DatasetError, match="no row is in the validation part"):
        split_rows(config(fixed), table(8, split=cells))
    assert split_rows(config(fixed, early_stop=-1), table(8, split=cells)).validation == []
    with pytest.raises(DatasetError, match="no row is in the train part"):
        split_rows(config(fixed, early_stop=-1), table(8, split=[2] * 8))


def test_groups_stay_together():
    speakers = [f"s{i % 11}" for i in range(66)]
    parts = split_rows(config({"type": "groups", "column": "speaker"}), table(66, speaker=speakers))
    of_row = sides(parts)
    assert all(len({of_row[row] for row in range(66) if speakers[row] == s}) == 1 for s in set(speakers))
    assert [len(part) for part in parts] == [48, 6, 12]


def test_large_groups_leave_rows_for_all_parts():
    speakers = ["a"] * 40 + ["b", "c"]
    parts = split_rows(config({"type": "groups", "column": "speaker"}), table(42, speaker=speakers))
    assert [len(part) for part in parts] == [40, 1, 1]
    with pytest.raises(DatasetError, match="42 rows in 2 groups"):
        split_rows(config({"type": "groups", "column": "speaker"}), table(42, speaker=["a"] * 40 + ["b"] * 2))


def test_a_fixed_split_that_leaks_a_group_names_it():
    split = {"type": "fixed", "groups": "speaker"}
    leak = table(6, split=[0, 0, 0, 1, 1, 2], speaker=["Ann", "Ben", "Cem", "Dan", "Ben", "Eva"])
    with pytest.raises(DatasetError, match=r"'Ben' .* train \(row 1\) and validation \(row 4\)"):
        split_rows(config(split), leak)
    honest = table(6, split=[0, 0, 0, 1, 1, 2], speaker=["Ann", "Ben", "Cem", "Dan", "Dan", "Eva"])
    assert split_rows(config(split), honest).test == [5]


def test_a_fixed_split_that_leaks_a_sound_names_it(tmp_path):
    (tmp_path / "clips").mkdir()
    (tmp_path / "a.csv").write_text("audio,label,split\na.wav,dog,0\nb.wav,cat,1\nclips/../a.wav,dog,2\nc.wav,cat,0\n")
    with pytest.raises(DatasetError, match=r"a\.wav' .*line 2.*line 4"):
        split_rows(config({"type": "fixed"}), read_table(tmp_path / "a.csv"))
    samples = [(np.full(4, i / 8), 8000) for i in (1, 2, 1)]
    with pytest.raises(DatasetError, match=r"a sound .*row 0.*row 2"):
        split_rows(config({"type": "fixed"}), table(3, audio=samples, split=[0, 1, 2]))


def test_rows_with_the_same_sound_stay_together():
    sounds = [f"{i // 3}.wav" for i in range(60)]
    parts = split_rows(config(), table(60, audio=sounds))
    of_row = sides(parts)
    assert all(len({of_row[3 * i + j] for j in range(3)}) == 1 for i in range(20))
    assert Counter(of_row.values()) == {"train": 42, "validation": 6, "test": 12}


def test_a_sound_counts_in_any_column():
    left, right = [f"{i}.wav" for i in range(20)], [f"{(i + 1) % 20}.wav" for i in range(20)]
    pairs = table(20, left=left, right=right)
    with pytest.raises(DatasetError, match="20 rows in 1 groups"):
        split_rows(config(inputs=("left", "right")), pairs)
    other = [f"x{i}.wav" for i in range(20)]
    assert len(split_rows(config(inputs=("left", "right")), table(20, left=left, right=other)).test) == 4


def test_sounds_that_replace_missing_ones_count_too():
    sounds = [None if i % 2 else f"{i}.wav" for i in range(20)]  # each is replaced by the next
    of_row = sides(split_rows(config(), table(20, audio=sounds)))
    assert all(of_row[i] == of_row[i + 1] for i in range(1, 19, 2))


def test_the_constant_for_missing_sounds_is_no_leak():
    missing = table(20, audio=[None, *(f"{i}.wav" for i in range(18)), None], split=[0] * 17 + [1, 2, 2])
    filled = {"audio": {"preprocessing": {"missing_value_strategy": "fill_with_const", "fill_value": "0.wav"}}}
    fixed = config({"type": "fixed"}).model_dump(mode="json") | {"defaults": filled}
    fixed["input_features"] = [{"name": "audio", "type": "audio"}]
    assert split_rows(RunConfig.read(fixed), missing).test == [18, 19]


def test_a_leak_by_a_replaced_sound_says_so():
    missing = table(6, audio=["0.wav", None, "2.wav", "3.wav", "4.wav", "5.wav"], split=[0, 0, 1, 0, 2, 2])
    with pytest.raises(DatasetError, match=r"row 1 has no sound.*drop_row"):
        split_rows(config({"type": "fixed"}), missing)


@pytest.mark.parametrize(
    ("cell", "hint"), [("vali", "did you mean val"), ("4", "type: groups"), (3.0, "type: groups")], ids=str
)
def test_a_wrong_part_has_a_hint(cell, hint):
    with pytest.raises(DatasetError, match=hint):
        split_rows(config({"type": "fixed"}), table(4, split=[0, 1, 2, cell]))

"""Splits, folds, columns and separators of the argument DATA."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from mxnet_audio.cli.clips import list_clips, list_folds, list_pairs, list_training_sets
from mxnet_audio.errors import DatasetError

SMALL = ("--input-shape", "1,16,16", "--batch-size", 8, "--epochs", 1, "--recipe", "plain")


@pytest.fixture
def split_folder(tmp_path):
    """Function that makes empty files, two of each of two classes in each folder: ``split_folder(*names) -> path``."""

    def make(*splits):
        for split in splits:
            for name in ("dog/1.wav", "dog/2.wav", "cat/1.wav", "cat/2.wav"):
                path = tmp_path / "data" / split / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
        return tmp_path / "data"

    return make


def folds_of(pairs, root):
    """Return the first folder of each path."""
    return sorted({Path(path).relative_to(root).parts[0] for path, _ in pairs})


def test_training_takes_the_training_set_and_validates_on_the_validation_set(split_folder, capsys):
    root = split_folder("train", "val", "test")
    sets = list_training_sets(root)
    assert (folds_of(sets.pairs, root), folds_of(sets.validation, root), sets.groups) == (["train"], ["val"], None)
    assert "4 clips of the train set" in capsys.readouterr().err
    assert folds_of(list_pairs(root), root) == ["test"]
    assert {clip.fold for clip in list_folds(root)} == {None} and len(list_folds(root)) == 8


def test_without_a_validation_set_there_is_none(split_folder):
    root = split_folder("training", "testing")
    sets = list_training_sets(root)
    assert folds_of(sets.pairs, root) == ["training"] and sets.validation is None
    assert folds_of(list_pairs(root), root) == ["testing"]


def test_validation_set_that_is_named(split_folder, tmp_path):
    root = split_folder("train", "val", "test")
    sets = list_training_sets(root, root / "test")
    assert (folds_of(sets.pairs, root), folds_of(sets.validation, root)) == (["train"], ["test"])
    assert folds_of(list_training_sets(root / "train", root).validation, root) == ["val"]


def test_splits_that_are_chosen(split_folder):
    root = split_folder("train", "val", "test")
    assert folds_of(list_pairs(root, folds="train"), root) == ["train"]
    assert folds_of(list_training_sets(root, folds="test").pairs, root) == ["test"]
    assert {clip.fold for clip in list_folds(root, folds="train, validation")} == {"train", "val"}
    with pytest.raises(DatasetError, match="fold 'Berlin': there are test, train, val"):
        list_clips(root, folds="Berlin")


def test_splits_without_a_training_set_are_named(split_folder):
    root = split_folder("dev", "eval")
    with pytest.raises(DatasetError, match="has no train set, only validation and test: choose by --folds"):
        list_training_sets(root)
    assert folds_of(list_pairs(root), root) == ["eval"]


def test_folds_are_no_splits(split_folder):
    root = split_folder("fold1", "fold2")
    assert len(list_training_sets(root).pairs) == len(list_pairs(root)) == 8
    assert {clip.fold for clip in list_folds(root)} == {"fold1", "fold2"}
    assert folds_of(list_pairs(root, folds="2"), root) == ["fold2"]


def test_table_with_splits(tmp_path):
    table = tmp_path / "list.csv"
    table.write_text("filename;class;split\na.wav;dog;train\nb.wav;cat;Train\nc.wav;dog;valid\nd.wav;cat;test\n")
    sets = list_training_sets(table)
    assert sets.pairs == [(str(tmp_path / "a.wav"), "dog"), (str(tmp_path / "b.wav"), "cat")]
    assert sets.validation == [(str(tmp_path / "c.wav"), "dog")]
    assert list_pairs(table) == [(str(tmp_path / "d.wav"), "cat")]


def test_columns_are_those_of_tables(split_folder, tmp_path):
    (tmp_path / "list.csv").write_text("name,label\na.wav,dog\n")
    sets = list_training_sets(tmp_path / "list.csv", split_folder("val"), columns="path=name")
    assert len(sets.pairs) == 1 and len(sets.validation) == 4


@pytest.mark.parametrize(
    ("separator", "options"),
    [("#", ("#",)), ("\t", ("tab",)), ("\t", ("\\t",)), (";", (None,))],
    ids=["chosen", "tab", "escaped tab", "detected"],
)
def test_columns_and_separator(tmp_path, separator, options):
    table = tmp_path / "list.csv"
    table.write_text("species,who,file 1\ndog,Ann,a.wav\n".replace(",", separator))
    columns = "path=file 1, label=species,group=who"
    [clip] = list_clips(table, columns=columns, separator=options[0])
    assert clip == (str(tmp_path / "a.wav"), "dog", None, "Ann")


@pytest.mark.parametrize("command", ["train", "evaluate", "report", "cross-validate"])
@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--columns", "path"), "path=filename,label=class, got 'path'"),
        (("--columns", "label=a,label=path"), "path=filename,label=class, got 'label=a,label=path'"),
        (("--columns", "label=species"), "no column species among path, label"),
        (("--columns", "species=label"), "'species'"),
        (("--separator", ",,"), "',,'"),
    ],
    ids=["no name", "twice", "missing", "unknown", "two characters"],
)
def test_wrong_columns_are_named(run_fails, tmp_path, command, words, named):
    (tmp_path / "list.csv").write_text("path,label\na.wav,dog\n")
    assert named in run_fails(command, tmp_path / "list.csv", *words)


@pytest.mark.parametrize("words", [("--columns", "path=a"), ("--separator", ";")], ids=["columns", "separator"])
def test_columns_of_a_folder_are_wrong_usage(run, split_folder, words):
    assert words[0] in run("train", split_folder("train"), *words, code=2).stderr


@pytest.mark.parametrize("command", ["train", "evaluate", "report", "cross-validate"])
def test_pipe_as_a_table(run, tmp_path, command):
    os.mkfifo(tmp_path / "pipe")
    assert f"{tmp_path / 'pipe'}: cannot be read: not a regular file" in run(command, tmp_path / "pipe", code=1).stderr


@pytest.fixture
def run_fails(run):
    """Function that runs a command that must fail, and returns stderr without line breaks."""

    def run_fails(*words):
        code = 2 if words[-1].endswith("path") else 1
        return run(*words, code=code).stderr.replace("\n", " ")

    return run_fails


@pytest.mark.usefixtures("own_cache")
def test_train_and_evaluate_with_folders_of_splits(run, run_json, tmp_path):
    rng = np.random.default_rng(0)
    for split, count in (("train", 4), ("val", 2), ("test", 3)):
        for label in ("low", "high"):
            (tmp_path / "data" / split / label).mkdir(parents=True)
            for i in range(count):
                sf.write(tmp_path / "data" / split / label / f"{i}.wav", rng.uniform(-0.5, 0.5, 4800), 12000)
    words = (tmp_path / "data", "--model-dir", tmp_path / "model")
    result = run("train", *words, *SMALL)
    assert "trained cifar10 on 2 classes" in result.stdout
    assert "8 clips of the train set" in result.stderr and "4 clips of the validation set" in result.stderr
    assert run_json("evaluate", *words)["n_clips"] == 6
    assert run_json("evaluate", *words, "--folds", "train,val")["n_clips"] == 12

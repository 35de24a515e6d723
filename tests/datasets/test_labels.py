"""Test the checks of labelled clips; class order and unknown labels are tested with ``training.split``."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mxnet_audio import training
from mxnet_audio.datasets import labels
from mxnet_audio.errors import DatasetError, ParameterError


def test_pairs_have_string_paths_and_python_labels():
    sound = (np.ones(4), 8000)
    (path, label), (same_sound, name) = labels.checked_pairs([(Path("a.wav"), np.int64(3)), (sound, "x")])
    assert (path, label, type(label)) == ("a.wav", 3, int) and same_sound is sound and name == "x"
    for bad in ([], ["a.wav"], [(None, 1)]):
        with pytest.raises(DatasetError):
            labels.checked_pairs(bad)
    with pytest.raises(ParameterError, match="got 5"):
        labels.checked_pairs(5)


def test_training_exports_them_and_mxnet_is_not_imported():
    assert training.checked_pairs is labels.checked_pairs and training.to_targets is labels.to_targets
    code = (
        "import sys, mxnet_audio.datasets.labels; sys.exit(any(name in sys.modules for name in ('mxnet', 'sklearn')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("nb_classes", ["3", 2.5, True, [2]])
def test_nb_classes_of_the_wrong_type(nb_classes):
    with pytest.raises(ParameterError, match="nb_classes"):
        labels.class_order(["a", "b"], nb_classes)


def test_one_path_in_place_of_pairs():
    for pairs in ("songs", Path("songs")):
        with pytest.raises(ParameterError, match=r"clips.*datasets\.folder\('songs'\)"):
            labels.checked_pairs(pairs, "clips")


def test_one_set_makes_all_labels_sets():
    given = [("a.wav", "dog"), ("b.wav", ["dog", "rain"]), ("c.wav", ()), ("d.wav", np.array(["rain", "rain"]))]
    found = [label for _, label in labels.checked_pairs(given)]
    assert found == [frozenset(["dog"]), frozenset(["dog", "rain"]), frozenset(), frozenset(["rain"])]
    numbers = [label for _, label in labels.checked_pairs([("a.wav", {np.int64(3)}), ("b.wav", np.int32(2))])]
    assert numbers == [frozenset([3]), frozenset([2])] and all(type(one) is int for label in numbers for one in label)
    assert labels.checked_pairs([("a.wav", "dog")], multi_label=True) == [("a.wav", frozenset(["dog"]))]
    assert labels.checked_pairs([("a.wav", "dog|rain")]) == [("a.wav", "dog|rain")]
    assert labels.checked_pairs([("a.wav", " dog ;; rain")], label_separator=";") == [
        ("a.wav", frozenset(["dog", "rain"]))
    ]
    with pytest.raises(DatasetError, match=r"row 1.*one label"):
        labels.checked_pairs(given, multi_label=False)
    with pytest.raises(DatasetError, match=r"row 0.*label_separator"):
        labels.checked_pairs([("a.wav", "dog")], multi_label=False, label_separator="|")


@pytest.mark.parametrize("label", [[["dog"]], {"dog": 1}, np.zeros((2, 2))], ids=["nested", "mapping", "matrix"])
def test_labels_that_cannot_be_in_a_set(label):
    for others in ("dog", {"dog", "rain"}):
        with pytest.raises(DatasetError, match=r"row 1.*must be int or str"):
            labels.checked_pairs([("a.wav", others), ("b.wav", label)])


@pytest.mark.parametrize(
    "row", [[0, 1, 1], np.array([1.0, 0.0, 0.0]), (False, True, False)], ids=["int", "float", "bool"]
)
def test_rows_of_0_and_1_are_no_labels(row):
    with pytest.raises(DatasetError, match=r"row 1.*0 and 1"):
        labels.checked_pairs([("a.wav", {1, 0}), ("b.wav", row)])


def test_classes_of_sets_are_those_that_occur():
    sets = [frozenset(["rain", "dog"]), frozenset(), frozenset(["cat"])]
    assert labels.class_order(sets, None) == ["cat", "dog", "rain"]
    assert labels.class_order([frozenset([2]), frozenset([0])], 4) == [0, 1, 2, 3]
    for wrong in ([frozenset()], [frozenset(["a"])], [frozenset(["a", 1])], [frozenset([None, "a"])], []):
        with pytest.raises(DatasetError):
            labels.class_order(wrong, None)


def test_a_separator_that_the_labels_have_not(caplog):
    clips = [(f"{index}.wav", label) for index, label in enumerate(["dog|rain", "dog", "rain"])]
    with pytest.raises(DatasetError, match=r"seems to be '\|'"):
        labels.checked_pairs(clips, label_separator=";")
    labels.checked_pairs([("a.wav", "Speech, male"), ("b.wav", "Song, male")], label_separator="|")
    assert "label_separator '|'" in caplog.text
    caplog.clear()
    labels.checked_pairs([("a.wav", "Speech, male|Dog"), ("b.wav", "Song, male"), ("c.wav", "")], label_separator="|")
    assert not caplog.records

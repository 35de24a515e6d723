"""Tests of folds: whole groups, classes that can be learned in every fold, and errors that name the cause."""

from collections import Counter

import numpy as np
import pytest

from mxnet_audio.errors import AudioError, DatasetError, ParameterError
from mxnet_audio.training.folds import assign_folds, check_disjoint, fold_order

LABELS = ["cat", "dog"] * 10
GIVEN = [1, 1, 2, 2, 3] * 4


def test_given_folds_become_python_values():
    assert assign_folds(LABELS, GIVEN) == GIVEN
    for kind in (np.int64, np.float64, np.str_):
        folds = assign_folds(LABELS, np.array(GIVEN).astype(kind))
        assert folds == (GIVEN if kind is not np.str_ else [str(fold) for fold in GIVEN])
        assert {type(fold) for fold in folds} <= {int, str}


def test_drawn_folds_are_stratified_and_the_same_for_the_same_seed():
    folds = assign_folds(LABELS, 5, random_state=3)
    assert Counter(zip(folds, LABELS)) == {(fold, label): 2 for fold in range(1, 6) for label in ("cat", "dog")}
    assert assign_folds(LABELS, np.int64(5), random_state=3) == folds != assign_folds(LABELS, 5, random_state=4)


def test_drawn_folds_keep_groups_whole():
    groups = [i // 2 if i < 10 else f"source {i // 2}" for i in range(20)]  # a cat and a dog each; int and str
    folds = assign_folds(LABELS, 5, groups)
    check_disjoint("group", groups, folds)
    assert set(folds) == {1, 2, 3, 4, 5}


@pytest.mark.parametrize(
    ("folds", "groups", "error", "match"),
    [
        (GIVEN[:-1], None, DatasetError, "19 .*20 "),
        (GIVEN, ["a"] * 3, DatasetError, "3 groups.*20 "),
        (1, None, ParameterError, "folds .*2.* 1"),
        ([7] * 20, None, DatasetError, "7"),
        (11, None, DatasetError, "11 folds.* 10 "),
        (3, ["x", "y"] * 10, DatasetError, "3 folds.* 2 groups"),
        ([None, *GIVEN[1:]], None, DatasetError, "row 0.*fold"),
        ([float("nan"), *GIVEN[1:]], None, DatasetError, "row 0.*fold"),
        (["1", *GIVEN[1:]], None, DatasetError, "folds .*int, str"),
        ([True, *GIVEN[1:]], None, DatasetError, "folds .*bool, int"),
        (GIVEN, [None, *range(19)], DatasetError, "row 0.*group"),
        (GIVEN, ["Ann", *range(18), "Ann"], DatasetError, "group 'Ann'.* 1 .*3"),
        ([1, 2] * 10, None, DatasetError, "class 'cat'.*fold 1 "),
    ],
)
def test_biased_or_impossible_folds_are_refused(folds, groups, error, match):
    with pytest.raises(AudioError, match=match) as caught:
        assign_folds(LABELS, folds, groups)
    assert type(caught.value) is error


def test_folds_of_several_labels_a_clip():
    sets = [frozenset(text) for text in ["a", "b", "ab", "c", "ac", "bc", "", "a", "b", "c", "", "abc"]]
    drawn = assign_folds(sets, 3, random_state=1)
    assert drawn == assign_folds(sets, 3, random_state=1)
    assert sorted(set(drawn)) == [1, 2, 3]
    for label in "abc":  # five or six clips each
        assert max(Counter(fold for fold, labels in zip(drawn, sets) if label in labels).values()) <= 3
    groups = [index // 2 for index in range(len(sets))]
    grouped = assign_folds(sets, 3, groups)
    assert grouped[::2] == grouped[1::2]
    with pytest.raises(DatasetError, match="class 'c' is in fold 2 only"):
        assign_folds(sets[:4], [1, 1, 2, 2])
    with pytest.raises(DatasetError, match="no class has more than 0"):
        assign_folds([frozenset(), frozenset()], 2)
    with pytest.raises(DatasetError, match="no clip of fold 3 has a label"):
        assign_folds([*sets[:4], *sets[:4], frozenset()], [1] * 4 + [2] * 4 + [3])


def test_a_fold_without_a_class_is_logged(caplog):
    assign_folds([*LABELS, "cow", "cow"], [*GIVEN, 1, 2])
    assert "fold 3 " in caplog.text and "cow" in caplog.text


def test_a_class_with_one_clip_cannot_be_drawn():
    with pytest.raises(DatasetError, match=r"class 'cow'"):
        assign_folds([*LABELS, "cow"], 2)


def test_numbers_are_in_numerical_order():
    assert fold_order([10, 9, 10]) == [9, 10]
    assert fold_order(["10", "9", "a"]) == ["9", "10", "a"]


def test_arguments_of_the_wrong_type():
    for folds in ("x", None, 2.0):
        with pytest.raises(ParameterError, match="folds"):
            assign_folds(["a", "a", "b", "b"], folds)
    with pytest.raises(ParameterError, match="groups"):
        assign_folds(["a", "a", "b", "b"], 2, groups=3)

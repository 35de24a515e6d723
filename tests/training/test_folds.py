"""Folds keep groups whole and every class learnable, or are refused by name."""

from collections import Counter

import numpy as np
import pytest

from mxnet_audio.errors import DatasetError
from mxnet_audio.training.folds import assign_folds, fold_order, keep_apart

LABELS = ["cat", "dog"] * 10
GIVEN = [1, 1, 2, 2, 3] * 4


def test_given_folds_are_kept_as_python_has_them():
    assert assign_folds(LABELS, GIVEN) == GIVEN
    for kind in (np.int64, np.float64, np.str_):
        folds = assign_folds(LABELS, np.array(GIVEN).astype(kind))
        assert folds == (GIVEN if kind is not np.str_ else [str(fold) for fold in GIVEN])
        assert {type(fold) for fold in folds} <= {int, str}


def test_drawn_folds_are_in_proportion_and_the_same_for_the_same_seed():
    folds = assign_folds(LABELS, 5, random_state=3)
    assert Counter(zip(folds, LABELS)) == {(fold, label): 2 for fold in range(1, 6) for label in ("cat", "dog")}
    assert assign_folds(LABELS, np.int64(5), random_state=3) == folds != assign_folds(LABELS, 5, random_state=4)


def test_drawn_folds_keep_groups_whole():
    groups = [i // 2 if i < 10 else f"source {i // 2}" for i in range(20)]  # a cat and a dog each; int and str
    folds = assign_folds(LABELS, 5, groups)
    keep_apart("group", groups, folds)
    assert set(folds) == {1, 2, 3, 4, 5}


@pytest.mark.parametrize(
    ("folds", "groups", "reason"),
    [
        (GIVEN[:-1], None, "19 folds for 20 clips"),
        (GIVEN, ["a"] * 3, "3 groups for 20 clips"),
        (1, None, "2 or more, not 1"),
        ([7] * 20, None, "one fold only (7)"),
        (11, None, "no class has more than 10 clips"),
        (3, ["x", "y"] * 10, "3 folds of 2 groups"),
        ([None, *GIVEN[1:]], None, "row 0: the clip is in no fold"),
        ([float("nan"), *GIVEN[1:]], None, "row 0: the clip is in no fold"),
        (["1", *GIVEN[1:]], None, "all int or all str, not int, str"),
        ([True, *GIVEN[1:]], None, "all int or all str, not bool, int"),
        (GIVEN, [None, *range(19)], "row 0: the group is missing"),
        (GIVEN, ["Ann", *range(18), "Ann"], "group 'Ann' is in folds 1 and 3"),
        ([1, 2] * 10, None, "class 'cat' is in fold 1 only"),
    ],
)
def test_what_would_flatter_or_fail_is_refused(folds, groups, reason):
    with pytest.raises(DatasetError) as caught:
        assign_folds(LABELS, folds, groups)
    assert reason in str(caught.value)


def test_a_fold_without_a_class_is_named(caplog):
    assign_folds([*LABELS, "cow", "cow"], [*GIVEN, 1, 2])
    assert "fold 3 has no clips of cow" in caplog.text


def test_a_class_with_one_clip_cannot_be_drawn():
    with pytest.raises(DatasetError, match=r"class 'cow' is in fold . only"):
        assign_folds([*LABELS, "cow"], 2)


def test_numbers_are_in_their_order():
    assert fold_order([10, 9, 10]) == [9, 10]
    assert fold_order(["10", "9", "a"]) == ["9", "10", "a"]

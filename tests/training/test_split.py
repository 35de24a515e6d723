"""Labels, class order and honest splits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxnet_audio.errors import DatasetError
from mxnet_audio.training import class_order, split, to_targets


def test_labels_keep_their_type_and_order():
    assert class_order(["b", "a", "b"], None) == ["a", "b"]
    assert class_order([np.int64(1), 0], 10) == list(range(10))
    assert class_order([4, 0, -7, 10**9], None) == [-7, 0, 4, 10**9]


@pytest.mark.parametrize(
    ("labels", "nb_classes", "match"),
    [
        ([0, 10], 10, "outside 0 to 9.*10"),
        ([0, -1], 10, "outside"),
        (["a", "b", "c"], 10, "nb_classes is 10, but there are 3 labels"),
        (["a", "a"], 1, "one class only"),
        ([3, 3], 10, "one class only"),
        ([0, "a"], 10, "int, str"),
        ([0.5, 1.0], 10, "float"),
        ([True, False], 2, "bool"),
    ],
)
def test_labels_that_do_not_work_out_are_refused(labels, nb_classes, match):
    with pytest.raises(DatasetError, match=match):
        class_order(labels, nb_classes)


def test_unknown_labels_are_named():
    with pytest.raises(DatasetError, match=r"cat.*dog, cow"):
        to_targets(["dog", "cat"], ["dog", "cow"])


@given(
    counts=st.lists(st.integers(2, 30), min_size=2, max_size=6),
    test_size=st.floats(0.05, 0.95),
    seed=st.integers(0, 5),
)
def test_a_split_divides_and_shows_every_class_on_both_sides(counts, test_size, seed):
    targets = np.repeat(np.arange(len(counts)), counts)
    train, test = split(targets, test_size, seed)
    assert sorted([*train, *test]) == list(range(len(targets)))
    assert set(targets[train]) == set(targets[test]) == set(range(len(counts)))
    again = split(targets, test_size, seed)
    assert np.array_equal(train, again[0]) and np.array_equal(test, again[1])


@given(
    groups=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 9)), min_size=12, max_size=60),
    test_size=st.floats(0.1, 0.5),
)
def test_no_group_is_on_both_sides(groups, test_size):
    targets = np.array([target for target, _ in groups])
    names = [f"{target}-{group}" for target, group in groups]
    try:
        train, test = split(targets, test_size, 0, names)
    except DatasetError:
        return
    assert len(train) and len(test)
    assert not {names[i] for i in train} & {names[i] for i in test}
    assert set(targets[train]) == set(targets)


def test_groups_meet_the_share_where_they_can():
    targets = np.tile([0, 1], 50)
    train, test = split(targets, 0.2, 0, [f"{i // 4}" for i in range(100)])
    assert (len(train), len(test)) == (80, 20)


def test_groups_leave_every_class_something_to_be_tested_on():
    # Class 1 has clips in two groups only: three of the five folds lack it, and are nearer to the share in size.
    targets, groups = np.array([0] * 20 + [1] * 4), [*(i // 4 for i in range(20)), 5, 5, 6, 6]
    for seed in range(3):
        train, test = split(targets, 0.2, seed, groups)
        assert set(targets[train]) == set(targets[test]) == {0, 1}


@pytest.mark.parametrize(
    ("targets", "test_size", "groups", "match"),
    [
        ([0, 1], 0.2, None, "one readable clip only"),
        ([0, 0, 1, 1], 0, None, "test_size"),
        ([0, 0, 1, 1], 1.0, None, "test_size"),
        ([0, 0, 1, 1], 0.5, ["a"] * 4, "one group"),
        ([0, 0, 1, 1], 0.5, ["a", "a", "b", "b"], "cannot be trained on and tested on"),
    ],
)
def test_no_honest_split_is_said(targets, test_size, groups, match):
    with pytest.raises(DatasetError, match=match):
        split(np.array(targets), test_size, 0, groups)

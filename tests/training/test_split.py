"""Tests of labels, the order of classes, and splits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxnet_audio.errors import AudioError, DatasetError, ParameterError
from mxnet_audio.training import class_order, split, to_targets


def test_labels_keep_their_type_and_order():
    assert class_order(["b", "a", "b"], None) == ["a", "b"]
    assert class_order([np.int64(1), 0], 10) == list(range(10))
    assert class_order([4, 0, -7, 10**9], None) == [-7, 0, 4, 10**9]


@pytest.mark.parametrize(
    ("labels", "nb_classes", "match"),
    [
        ([0, 10], 10, "nb_classes=10.*10"),
        ([0, -1], 10, "nb_classes=10.*-1"),
        (["a", "b", "c"], 10, "nb_classes is 10.* 3 .*a, b, c"),
        (["a", "a"], 1, "one class.*'a'"),
        ([3, 3], 10, "one class.*3"),
        ([0, "a"], 10, "int, str"),
        ([0.5, 1.0], 10, "float"),
        ([True, False], 2, "bool"),
    ],
)
def test_contradictory_labels_are_refused(labels, nb_classes, match):
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
def test_every_class_is_in_both_sets_of_a_split(counts, test_size, seed):
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
def test_no_group_is_in_both_sets(groups, test_size):
    targets = np.array([target for target, _ in groups])
    names = [f"{target}-{group}" for target, group in groups]
    try:
        train, test = split(targets, test_size, 0, names)
    except DatasetError:
        return
    assert len(train) and len(test)
    assert not {names[i] for i in train} & {names[i] for i in test}
    assert set(targets[train]) == set(targets)


def test_a_split_by_groups_has_the_requested_share():
    targets = np.tile([0, 1], 50)
    train, test = split(targets, 0.2, 0, [f"{i // 4}" for i in range(100)])
    assert (len(train), len(test)) == (80, 20)


def test_a_split_by_groups_has_every_class_in_the_test_set():
    # Class 1 has clips in two groups only: three of the five parts lack it, and are closer to the share in size.
    targets, groups = np.array([0] * 20 + [1] * 4), [*(i // 4 for i in range(20)), 5, 5, 6, 6]
    for seed in range(3):
        train, test = split(targets, 0.2, seed, groups)
        assert set(targets[train]) == set(targets[test]) == {0, 1}


@pytest.mark.parametrize(
    ("targets", "test_size", "groups", "error", "match"),
    [
        ([0, 1], 0.2, None, DatasetError, "2 classes .0, 1."),
        ([0, 0, 1, 1], 0, None, ParameterError, "test_size .*0"),
        ([0, 0, 1, 1], 1.0, None, ParameterError, r"test_size .*1\.0"),
        ([0, 0, 1, 1], "0.2", None, ParameterError, r"test_size .*'0\.2'"),
        ([0, 0, 1, 1], 0.5, ["a"] * 4, DatasetError, "all clips .*one group"),
        ([0, 0, 1, 1], 0.5, ["a", "a", "b", "b"], DatasetError, "class .*one group"),
    ],
)
def test_an_impossible_split_is_refused(targets, test_size, groups, error, match):
    with pytest.raises(AudioError, match=match) as caught:
        split(np.array(targets), test_size, 0, groups)
    assert type(caught.value) is error


def test_classes_of_one_clip_are_named():
    for targets, match in (([0, 0, 1], "'lonely'.*test_size=0"), ([0, 1], "'dog', 'lonely'.*test_size=0")):
        with pytest.raises(DatasetError, match=match):
            split(np.array(targets), 0.5, 0, labels=["dog", "lonely"])

"""Checks of arguments."""

import math
from pathlib import Path

import numpy as np
import pytest

from mxnet_audio.checks import (
    iterable_argument,
    one_of,
    path_argument,
    real_number,
    user_path_argument,
    whole_number,
)
from mxnet_audio.errors import AudioError, ParameterError


def test_numbers_are_returned_as_pythons_own():
    for value in (3, 3.0, np.int8(3), np.float32(3)):
        assert whole_number("n", value) == 3 and type(whole_number("n", value)) is int
        assert type(real_number("x", value)) is float
    assert whole_number("seed", 10**400, 0) == 10**400 and whole_number("axis", -1, minimum=-32) == -1


def test_integers_that_python_does_not_print_are_refused():
    huge = 10**5000
    for check in (one_of, iterable_argument, path_argument):
        with pytest.raises(ParameterError, match="number must be"):
            check("number", huge, *([("a", "b")] if check is one_of else []))
    with pytest.raises(ParameterError, match="number must be"):
        whole_number("number", -huge)
    with pytest.raises(ParameterError, match="number must be"):
        real_number("number", [huge])


@pytest.mark.parametrize("value", [0, 0.5, -3, math.nan, math.inf, None, "3", [3], True])
def test_other_values_than_whole_numbers_are_refused(value):
    with pytest.raises(ParameterError, match="batch_size") as caught:
        whole_number("batch_size", value)
    assert isinstance(caught.value, AudioError) and isinstance(caught.value, ValueError)
    assert repr(value) in str(caught.value)


@pytest.mark.parametrize(
    ("value", "limits"),
    [
        (math.nan, {}),
        (-math.inf, {}),
        (10**400, {}),
        ("1", {}),
        (None, {}),
        (2, {"minimum": 0, "maximum": 1}),
        (-0.1, {"minimum": 0, "maximum": 1}),
        (-1, {"minimum": 0}),
        (0, {"above": 0}),
        (2, {"above": 0, "maximum": 1}),
    ],
)
def test_numbers_outside_the_limits_are_refused(value, limits):
    with pytest.raises(ParameterError, match="share") as caught:
        real_number("share", value, **limits)
    assert all(f"{limit:g}" in str(caught.value) for limit in limits.values())


def test_limits_are_inclusive_except_above():
    assert real_number("share", 0, 0, 1) == 0 and real_number("share", 1, 0, 1) == 1
    assert real_number("share", 1, above=0, maximum=1) == 1


def test_choices():
    assert one_of("mode", "lazy", ("eager", "lazy")) == "lazy"
    for value in ("fast", None, 1, ["lazy"]):
        with pytest.raises(ParameterError, match=r"mode.*'eager'.*'lazy'"):
            one_of("mode", value, ("eager", "lazy"))


def test_paths():
    assert path_argument("report", "a/b") == path_argument("report", Path("a/b")) == Path("a/b")
    for value in (None, 3, "", b"a", ["a"], "a\0b"):
        with pytest.raises(ParameterError, match="report") as caught:
            path_argument("report", value)
        assert repr(value) in str(caught.value)


def test_paths_in_the_home_folder(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ann")
    assert user_path_argument("root", "~/a") == Path("/home/ann/a") and user_path_argument("root", "a") == Path("a")
    assert user_path_argument("root", "~nobody-at-all/a") == Path("~nobody-at-all/a")
    with pytest.raises(ParameterError, match="root must be a path"):
        user_path_argument("root", 3)


def test_iterables():
    items = iter([1, 2])
    assert iterable_argument("sources", items) is items and list(items) == [1, 2]
    for value in (None, 3, "a.wav", b"RIFF", Path("a.wav"), np.array("a.wav")):
        with pytest.raises(ParameterError, match="sources"):
            iterable_argument("sources", value)

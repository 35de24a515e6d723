"""Tests of learning rates over the steps of a run."""

import logging
import math

import pytest

from mxnet_audio.errors import ParameterError
from mxnet_audio.training import Constant, Cosine, Step


def rates(schedule, epochs=4, steps=10):
    rate = schedule.scheduler(0.1, epochs, steps)
    return [rate(step) for step in range(1, epochs * steps + 1)]


def test_cosine_equals_the_formula_after_the_warmup():
    found = rates(Cosine(warmup=0.25))
    for step in range(1, 10):
        assert found[step - 1] == pytest.approx(0.1 * step / 10)
    for step in range(10, 41):
        assert found[step - 1] == pytest.approx(0.05 * (1 + math.cos(math.pi * (step - 10) / 31)))


def test_step_multiplies_the_rate_after_each_interval():
    assert rates(Step(every=1, factor=0.5)) == pytest.approx([0.1] * 10 + [0.05] * 10 + [0.025] * 10 + [0.0125] * 10)


def test_constant_rate():
    assert rates(Constant()) == [0.1] * 40
    assert rates(Constant(warmup=0.1))[:5] == pytest.approx([0.025, 0.05, 0.075, 0.1, 0.1])


@pytest.mark.parametrize("schedule", [Constant(0.9), Cosine(0.9), Step(0.9)])
def test_a_run_of_one_step_has_a_rate(schedule):
    assert all(0 < rate <= 0.1 for rate in rates(schedule, 1, 1))


def test_schedules_do_not_configure_the_root_logger():
    handlers = list(logging.getLogger().handlers)
    rates(Step(every=1))
    assert logging.getLogger().handlers == handlers


@pytest.mark.parametrize("schedule", [Constant(0.1), Cosine(0.1), Step(0.1, every=1)])
def test_a_scheduler_of_a_resumed_run_gives_the_same_rates(schedule):
    rate = schedule.scheduler(0.1, 4, 10)
    assert [rate(step) for step in range(25, 41)] == pytest.approx(rates(schedule)[24:])


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Cosine(1.0), r"warmup .*1\.0"),
        (lambda: Constant(-0.1), r"warmup .*-0\.1"),
        (lambda: Step(every=0), "every .*0"),
        (lambda: Step(every=1.5), r"every .*1\.5"),
        (lambda: Step(factor=2), "factor .*2"),
        (lambda: Cosine("0.1"), r"warmup .*'0\.1'"),
        (lambda: Step(factor=None), "factor .*None"),
    ],
)
def test_a_bad_argument_is_named(make, match):
    with pytest.raises(ParameterError, match=match):
        make()


def test_schedules_are_equal_by_value_and_have_a_one_line_repr():
    assert Cosine(warmup=0.1) == Cosine(0.1) != Constant(0.1)
    assert repr(Step(every=2, factor=0.5)) == "Step(warmup=0.0, every=2, factor=0.5)"

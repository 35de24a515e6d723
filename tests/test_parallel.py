"""Maps over threads: ordered, bounded, without leaks."""

import threading
import time

import pytest

from mxnet_audio.errors import AudioDecodeError, ParameterError
from mxnet_audio.parallel import map_ordered, usable_cpus, without_tracebacks


def worker_threads():
    return [t for t in threading.enumerate() if t.name.startswith("mxnet-audio")]


def test_the_quota_of_a_container_limits_the_cpus(monkeypatch):
    monkeypatch.setattr("joblib.externals.loky.backend.context._cpu_count_cgroup", lambda cpus: 1)
    usable_cpus.cache_clear()
    try:
        assert usable_cpus() == 1
    finally:
        usable_cpus.cache_clear()


def test_results_come_in_the_order_of_the_items():
    def slow(i):
        time.sleep(0.02 * (i % 3 == 0))
        return i * i

    assert [(i, r) for i, r, _ in map_ordered(slow, range(20), workers=4)] == [(i, i * i) for i in range(20)]


def test_items_are_taken_only_a_bounded_way_ahead():
    taken = []

    def items():
        for i in range(1000):
            taken.append(i)
            yield i

    stream = map_ordered(lambda i: i, items(), workers=2)
    next(stream)
    assert len(taken) <= 4 * 2 + 1
    stream.close()


def test_one_bad_file_does_not_stop_the_others():
    def read(path):
        if path == "bad":
            raise AudioDecodeError("not sound", path)
        return path

    results = list(map_ordered(read, ["a", "bad", "b"]))
    assert [result for _, result, _ in results] == ["a", None, "b"]
    assert str(results[1][2]) == "bad: not sound"


def test_other_exceptions_are_raised_and_leave_no_thread():
    with pytest.raises(ZeroDivisionError):
        list(map_ordered(lambda i: 1 // i, [1, 0, 1]))
    assert not worker_threads()


def test_closing_early_leaves_no_thread():
    stream = map_ordered(lambda i: i, range(100))
    next(stream)
    assert worker_threads()
    stream.close()
    assert not worker_threads()


def test_reading_nothing_ahead_uses_no_threads():
    stream = map_ordered(lambda i: 1 // i, [1], ahead=0)
    assert next(stream) == (1, 1, None)
    assert not worker_threads()
    with pytest.raises(ZeroDivisionError):
        list(map_ordered(lambda i: 1 // i, [0], ahead=0))


@pytest.mark.parametrize(("name", "value"), [("workers", 0), ("workers", -1), ("ahead", -1)])
def test_numbers_out_of_range_are_named(name, value):
    with pytest.raises(ParameterError, match=f"{name} .*got {value}"):
        next(map_ordered(abs, [1], **{name: value}))


def test_tracebacks_of_causes_and_contexts_are_removed():
    try:
        try:
            raise KeyError("context")
        except KeyError:
            raise ValueError("error") from OSError("cause")
    except ValueError as error:
        found = without_tracebacks(error)
    assert isinstance(found.__cause__, OSError) and isinstance(found.__context__, KeyError)
    assert [each.__traceback__ for each in (found, found.__cause__, found.__context__)] == [None, None, None]

"""Tasks run a few ahead for each worker; failures are outcomes, and errors of the package end the run."""

import contextlib
import itertools
import threading

import pytest

from mxnet_audio.cluster import scheduling
from mxnet_audio.cluster.scheduling import Failure, run_tasks
from mxnet_audio.errors import ClusterError, ModelError

RELEASED = threading.Event()


def double(number):
    if number == 2:
        raise ValueError("an odd one\nwith details")
    return 2 * number


def model_error(number):
    return ModelError("damaged", f"{number}.onnx")


def wait_for_release(number):
    RELEASED.wait(30)
    return number


def submitter(client, function):
    def submit(item, worker):
        return client.submit(function, item, workers=[worker], allow_other_workers=True, pure=False)

    return submit


def test_outcomes_of_all_items(client):
    outcomes = dict(run_tasks(client, iter(range(1, 20)), submitter(client, double)))
    assert outcomes.pop(2) == Failure("ValueError: an odd one")
    assert outcomes == {number: 2 * number for number in range(1, 20) if number != 2}


def test_no_items(client):
    assert list(run_tasks(client, iter([]), submitter(client, double))) == []


def test_an_error_that_a_task_returns_is_raised(client):
    with pytest.raises(ModelError, match=r"0\.onnx: damaged"):
        list(run_tasks(client, itertools.count(), submitter(client, model_error)))


def test_few_tasks_are_ahead_and_the_rest_is_cancelled(client):
    numbers, futures, submit = itertools.count(), [], submitter(client, wait_for_release)

    def note(item, worker):
        futures.append(submit(item, worker))
        return futures[-1]

    RELEASED.clear()
    threading.Timer(0.2, RELEASED.set).start()
    outcomes = run_tasks(client, numbers, note)
    with contextlib.closing(outcomes):
        next(outcomes)
        assert next(numbers) == 2 * scheduling.AHEAD
    assert sum(future.cancelled() for future in futures) >= 1


def test_a_cluster_without_workers_does_not_hang(monkeypatch):
    from distributed import Client, LocalCluster

    monkeypatch.setattr(scheduling, "LOST_SECONDS", 0.1)
    with (
        LocalCluster(n_workers=0, processes=False, dashboard_address="127.0.0.1:0") as cluster,
        Client(cluster, set_as_default=False) as client,
        pytest.raises(ClusterError, match=r"inproc://.*no worker"),
    ):
        list(run_tasks(client, iter([1]), submitter(client, double)))


def test_a_scheduler_that_is_lost(client):
    def lost(item, worker):
        future = submitter(client, double)(item, worker)
        client.cancel([future])
        return future

    with pytest.raises(ClusterError, match=r"inproc://.*the connection to the scheduler is lost"):
        list(run_tasks(client, iter([1]), lost))


def test_workers_that_are_killed_each_time(client):
    from distributed.scheduler import KilledWorker

    class Killed:
        def cancelled(self):
            return False

        def exception(self, timeout):
            return KilledWorker("task", None, 3)

    assert "killed" in scheduling._outcome(client, Killed()).reason


def test_a_scheduler_that_is_lost_before_a_result_is_fetched(client, monkeypatch):
    from distributed.comm import CommClosedError

    def fail(*arguments):
        raise CommClosedError("Stream is closed")

    monkeypatch.setattr(scheduling, "_outcome", fail)
    with pytest.raises(ClusterError, match="the connection to the scheduler is lost"):
        list(run_tasks(client, iter([1]), submitter(client, double)))

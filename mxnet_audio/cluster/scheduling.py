"""Tasks on a cluster: a few ahead for each worker, whatever their number, and no hang if the cluster is lost."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from mxnet_audio.errors import AudioError, ClusterError

if TYPE_CHECKING:
    from distributed import Client, Future

__all__ = ["Failure", "find_workers", "lost_error", "run_tasks"]

Item = TypeVar("Item")

AHEAD = 2  # tasks that each worker has at most: one that it computes, and the next
POLL_SECONDS = 5.0  # after which new workers are found, and a lost cluster is noticed
LOST_SECONDS = 60.0  # for which a cluster may be without any worker


class Failure(NamedTuple):
    """Outcome of a task that raised an error, also when it was tried again, or whose workers were killed."""

    reason: str


def run_tasks(
    client: Client, items: Iterator[Item], submit: Callable[[Item, str], Future]
) -> Generator[tuple[Item, Any], None, None]:
    """Run a task for each item, and yield the outcomes in the order in which they are there.

    If the generator is closed, the tasks are cancelled: those that have begun end by themselves.

    Parameters
    ----------
    client : distributed.Client
    items : iterator
        It is read as far ahead as there are workers.
    submit : callable
        Function that submits the task of an item to the worker of an address.

    Yields
    ------
    item
    outcome
        Result of the task, or a `Failure`.

    Raises
    ------
    AudioError
        If a task returns one.
    ClusterError
        If the scheduler is lost, or all workers for a minute.
    """
    pending: dict[Future, tuple[Item, str]] = {}
    try:
        while True:
            workers = find_workers(client)
            loads = Counter(worker for _, worker in pending.values())
            while len(pending) < AHEAD * len(workers) and (item := next(items, None)) is not None:
                worker = min(workers, key=loads.__getitem__)
                loads[worker] += 1
                pending[submit(item, worker)] = item, worker
            if not pending:
                return
            for future in _first_done(client, list(pending)):
                try:
                    outcome = _outcome(client, future)
                except (TimeoutError, asyncio.TimeoutError):  # two classes in Python 3.10
                    continue  # the worker that holds the result was killed, and the task runs again
                except OSError as error:
                    raise lost_error(client) from error
                yield pending.pop(future)[0], outcome
    finally:
        with contextlib.suppress(Exception):  # of a lost scheduler
            client.cancel(list(pending))


def find_workers(client: Client) -> list[str]:
    """Return the addresses of the workers; wait a minute for one if all are lost."""
    deadline = time.monotonic() + LOST_SECONDS
    while True:
        try:
            workers = list(client.nthreads())
        except (OSError, asyncio.TimeoutError, RuntimeError) as error:
            raise lost_error(client) from error
        if workers:
            return workers
        if time.monotonic() > deadline:
            raise ClusterError(f"has had no worker for {LOST_SECONDS:g} s: start some, and run again", _address(client))
        time.sleep(0.2)


def _first_done(client: Client, futures: list[Future]) -> list[Future]:
    """Wait for the first of some tasks; return none of them after a while."""
    from distributed import wait

    try:
        with client.as_current():  # which need not be Dask's default client
            return list(wait(futures, timeout=POLL_SECONDS, return_when="FIRST_COMPLETED").done)
    except (TimeoutError, asyncio.TimeoutError):
        return []
    except (OSError, RuntimeError, CancelledError) as error:
        raise lost_error(client) from error


def _outcome(client: Client, future: Future) -> Any:
    """Return the result of a task, or the reason of its failure; raise an AudioError that it returned.

    TimeoutError is raised if the worker that holds the result is lost.
    """
    from distributed.scheduler import KilledWorker

    if future.cancelled():
        raise lost_error(client)
    error = future.exception(timeout=POLL_SECONDS)
    if isinstance(error, KilledWorker):
        return Failure("the workers that computed it were killed, each time, perhaps for lack of memory")
    if error is not None:
        return Failure(f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0][:200]}")
    result = future.result(timeout=POLL_SECONDS)
    if isinstance(result, AudioError):
        raise result
    return result


def lost_error(client: Client) -> ClusterError:
    """Return the error of a scheduler that does not answer anymore."""
    return ClusterError("the connection to the scheduler is lost: run again to continue", _address(client))


def _address(client: Client) -> str | None:
    return None if client.scheduler is None else client.scheduler.address

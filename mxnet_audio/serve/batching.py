"""Batches of concurrent requests, which pass a network together."""

from __future__ import annotations

import asyncio
import math
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Generic, TypeVar

__all__ = ["Batcher"]

Item = TypeVar("Item")
Result = TypeVar("Result")


class Batcher(Generic[Item, Result]):
    """Function of many items that several requests of one event loop call together, each with its own item.

    The first request waits for others for a short time. While the function computes, further ones wait, and are the
    next batch. Items of requests that were cancelled meanwhile are left out.

    Parameters
    ----------
    forward : callable
        Function from a list of items to a sequence of as many results, in order.
    executor : concurrent.futures.Executor
        Executor that the function is called in; other batchers may share it.
    max_batch : int > 0
        Most items in one call.
    wait : float >= 0 [s]
        Time that the first item waits for others.
    max_calls : int > 0
        Most calls at once, for a function that several threads may call. What waits is divided among those that begin.
    """

    def __init__(
        self,
        forward: Callable[[list[Item]], Sequence[Result]],
        executor: Executor,
        *,
        max_batch: int,
        wait: float,
        max_calls: int = 1,
    ):
        self._forward, self._executor, self._max_batch, self._wait = forward, executor, max_batch, wait
        self._max_calls = max_calls
        self._waiting: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._calls = 0  # in progress, or about to be
        self._computing = 0  # in progress
        self._timer: asyncio.TimerHandle | None = None
        self._lock = threading.Lock()  # of the four above

    async def submit(self, item: Item, *, is_alone: bool = False) -> Result:
        """Compute the result of an item, together with those of other requests; do not wait for them if there are none.

        An exception that `forward` raises for several items is raised for those only that fail on their own, too.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        with self._lock:
            self._waiting.append((item, future))
            can_start = self._calls < self._max_calls
            if can_start and self._timer is None:
                self._timer = loop.call_later(self._wait, self._start)
            is_ready = can_start and (is_alone or len(self._waiting) >= self._max_batch)
        if is_ready:
            self._start()
        return await future

    def _start(self) -> None:
        """Let the executor compute what waits."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            count = min(self._max_calls - self._calls, len(self._waiting))
            self._calls += count
        for _ in range(count):
            self._call()

    def _call(self) -> None:
        """Let the executor compute the next batch."""
        try:
            self._executor.submit(self._compute)
        except RuntimeError:  # it was shut down, or there can be no further thread
            with self._lock:
                self._calls -= 1
            raise

    def _compute(self) -> None:
        """Compute one batch, in a thread of the executor; what has come meanwhile waits for its turn in the executor.

        The items are chosen now: those of all requests that came while the executor was busy.
        """
        with self._lock:
            share = math.ceil(len(self._waiting) / (self._max_calls - self._computing))
            batch = [self._waiting.popleft() for _ in range(min(self._max_batch, share))]
            self._computing += 1
        batch = [(item, future) for item, future in batch if not future.cancelled()]
        if batch:
            outcomes = self._outcomes([item for item, _ in batch])
            futures = [future for _, future in batch]
            futures[0].get_loop().call_soon_threadsafe(_deliver, futures, outcomes)
        with self._lock:
            self._computing -= 1
            if not self._waiting:
                self._calls -= 1
                return
        self._call()

    def _outcomes(self, items: list[Item]) -> Sequence[Result | Exception]:
        """Return the results of items; if that fails, the result or the exception of each item on its own."""
        try:
            results = self._forward(items)
            if len(results) != len(items):
                raise RuntimeError(f"{len(results)} results of {len(items)} items")
            return results
        except BaseException as error:  # every request gets an answer
            if len(items) > 1:
                return [self._outcomes([item])[0] for item in items]
            can_be_set = isinstance(error, Exception) and not isinstance(error, StopIteration)
            return [error if can_be_set else RuntimeError(repr(error))]  # type: ignore[list-item]


def _deliver(futures: list[asyncio.Future[Result]], outcomes: Sequence[Result | Exception]) -> None:
    """Set results or exceptions, in the event loop, of requests that were not cancelled meanwhile."""
    for future, outcome in zip(futures, outcomes):
        if future.cancelled():
            continue
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)

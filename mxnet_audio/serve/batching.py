"""Batches of concurrent requests, which pass a network together."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from typing import Generic, TypeVar

__all__ = ["Batcher"]

Item = TypeVar("Item")
Result = TypeVar("Result")


class Batcher(Generic[Item, Result]):
    """Function of many items that several requests call together, each with its own item.

    The first request waits for others for a short time. While the function computes, further ones wait, and are the
    next batch. Items of requests that were cancelled meanwhile are left out.

    Parameters
    ----------
    forward : callable
        Function from a list of items to a sequence of as many results, in order.
    executor : concurrent.futures.Executor
        Executor with a single thread, which the function is called in; other batchers may share it.
    max_batch : int > 0
        Most items in one call.
    wait : float >= 0 [s]
        Time that the first item waits for others.
    """

    def __init__(
        self,
        forward: Callable[[list[Item]], Sequence[Result]],
        executor: Executor,
        *,
        max_batch: int,
        wait: float,
    ):
        self._forward, self._executor, self._max_batch, self._wait = forward, executor, max_batch, wait
        self._waiting: deque[tuple[Item, Future[Result]]] = deque()
        self._is_running = False  # a call is in progress, or about to be
        self._timer: asyncio.TimerHandle | None = None
        self._lock = threading.Lock()  # of the three above

    async def submit(self, item: Item) -> Result:
        """Compute the result of an item, together with those of other requests.

        An exception that `forward` raises for several items is raised for those only that fail on their own, too.
        """
        future: Future[Result] = Future()
        with self._lock:
            self._waiting.append((item, future))
            if not self._is_running and self._timer is None:
                self._timer = asyncio.get_running_loop().call_later(self._wait, self._start)
            is_full = not self._is_running and len(self._waiting) >= self._max_batch
        if is_full:
            self._start()
        return await asyncio.wrap_future(future)

    def _start(self) -> None:
        """Let the executor compute what waits."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            if self._is_running or not self._waiting:
                return
            self._is_running = True
        self._executor.submit(self._compute)

    def _compute(self) -> None:
        """Compute one batch, in the thread of the executor; what has come meanwhile is computed after what waits there.

        The items are chosen now: those of all requests that came while the executor was busy.
        """
        with self._lock:
            batch = [self._waiting.popleft() for _ in range(min(self._max_batch, len(self._waiting)))]
        batch = [(item, future) for item, future in batch if future.set_running_or_notify_cancel()]
        if batch:
            self._answer(batch)
        with self._lock:
            self._is_running = bool(self._waiting)
            if self._is_running:
                self._executor.submit(self._compute)

    def _answer(self, batch: list[tuple[Item, Future[Result]]]) -> None:
        """Set the results of a batch; if it fails, those of each item that does not fail on its own."""
        try:
            results = self._forward([item for item, _ in batch])
            if len(results) != len(batch):
                raise RuntimeError(f"{len(results)} results of {len(batch)} items")
        except Exception as error:
            if len(batch) == 1:
                batch[0][1].set_exception(error)
                return
            for one in batch:
                self._answer([one])
            return
        for (_, future), result in zip(batch, results):
            future.set_result(result)

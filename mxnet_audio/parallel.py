"""Threads that read ahead, in order and bounded, while the network works.

Decoding, resampling and the FFT release the GIL, so threads serve; forked workers would copy MXNet's own threads
in an undefined state.
"""

from __future__ import annotations

import functools
import itertools
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from mxnet_audio.errors import AudioError

__all__ = ["USABLE_CPUS", "map_ordered"]

# What this process may use, where the system says it (Linux); all there are elsewhere.
USABLE_CPUS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def map_ordered(
    function: Callable[[Any], Any], items: Iterable, *, workers: int | None = None, ahead: int | None = None
) -> Iterator[tuple[Any, Any, AudioError | None]]:
    """Apply a function in threads, a bounded way ahead of the consumer, and yield in the order of the items.

    Parameters
    ----------
    function : callable
        What to do with each item.
    items : iterable
        Consumed only as far ahead as the threads work, so memory does not grow with their number.
    workers : int > 0, optional
        Number of threads; the number of usable CPUs by default.
    ahead : int >= 0, optional
        Items that are worked on or done before they are asked for; four to a thread by default. 0: no threads.

    Yields
    ------
    item
        The item.
    result
        What the function made of it; None if it failed.
    error : AudioError or None
        Why it failed, without tracebacks, whose frames would hold the sound: one bad file doesn't stop the others.
        Any other exception is raised here.

    Examples
    --------
    >>> [result for _, result, _ in map_ordered(abs, [-3, 1, -2])]
    [3, 1, 2]
    """
    _keep_large_blocks()
    workers = workers or USABLE_CPUS
    ahead = 4 * workers if ahead is None else ahead
    if not ahead:
        for item in items:
            yield item, *_outcome(lambda item=item: function(item))
        return
    items = iter(items)
    pool = ThreadPoolExecutor(workers, thread_name_prefix="mxnet-audio")

    def submit(count: int) -> Iterator[tuple[Any, Future]]:
        return ((item, pool.submit(function, item)) for item in itertools.islice(items, count))

    try:
        waiting = deque(submit(ahead))
        while waiting:
            item, future = waiting.popleft()
            result, error = _outcome(future.result)
            waiting.extend(submit(1))
            yield item, result, error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@functools.cache
def _keep_large_blocks() -> None:
    """Let the process keep large blocks that are free, up to 64 MiB.

    glibc hands them back to the system at once, and takes the next ones anew, page by page, until it has seen one of
    nearly 32 MiB come and go: a third of the time of decoding short clips. Elsewhere this does nothing.
    """
    np.empty(31 << 20, dtype=np.uint8)


def _outcome(call: Callable[[], Any]) -> tuple[Any, AudioError | None]:
    try:
        return call(), None
    except AudioError as error:
        part: BaseException | None = error
        while part is not None:
            part.__traceback__ = None
            part = part.__cause__ or part.__context__
        return None, error

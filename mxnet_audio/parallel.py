"""Ordered, bounded maps over threads, which read ahead while the network computes.

Decoding, resampling and the FFT release the GIL, so that threads are enough. Forked workers would copy MXNet's own
threads in an undefined state.
"""

from __future__ import annotations

import functools
import itertools
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np

from mxnet_audio.checks import whole_number
from mxnet_audio.errors import AudioError

__all__ = ["map_ordered", "usable_cpus", "without_tracebacks"]


@functools.cache
def usable_cpus() -> int:
    """Return the number of CPUs that this process may use; containers and batch systems often grant a few of many.

    CPU affinity and the quotas of control groups (``docker run --cpus``, Kubernetes, Slurm) are respected, and so is
    the environment variable ``LOKY_MAX_CPU_COUNT``.

    Examples
    --------
    >>> usable_cpus() >= 1
    True
    """
    import joblib  # takes 0.2 s

    return joblib.cpu_count()


def map_ordered(
    function: Callable[[Any], Any], items: Iterable, *, workers: int | None = None, ahead: int | None = None
) -> Generator[tuple[Any, Any, AudioError | None], None, None]:
    """Apply a function in threads, a bounded way ahead of the consumer, and yield in the order of the items.

    Parameters
    ----------
    function : callable
        Function of one item.
    items : iterable
        Items. They are consumed only as far ahead as the threads work, so that memory does not grow with their number.
    workers : int > 0, optional
        Number of threads; the number of usable CPUs by default.
    ahead : int >= 0, optional
        Number of items that are computed before they are requested; four per thread by default. 0 uses no threads.

    Yields
    ------
    item
        The item.
    result
        Result of the function; None if it failed.
    error : AudioError or None
        Reason of the failure, so that one bad file does not stop the others. It has no tracebacks, whose frames would
        keep the sound in memory. Any other exception is raised.

    Raises
    ------
    ParameterError
        A number is out of range.

    Examples
    --------
    >>> [result for _, result, _ in map_ordered(abs, [-3, 1, -2])]
    [3, 1, 2]
    """
    workers = usable_cpus() if workers is None else whole_number("workers", workers)
    ahead = 4 * workers if ahead is None else whole_number("ahead", ahead, 0)
    _keep_large_blocks()
    if not ahead:
        for item in items:
            yield item, *_outcome(functools.partial(function, item))
        return
    items = iter(items)
    pool = ThreadPoolExecutor(workers, thread_name_prefix="mxnet-audio")

    def submit(count: int) -> Iterator[tuple[Any, Future]]:
        return ((item, pool.submit(function, item)) for item in itertools.islice(items, count))

    try:
        pending = deque(submit(ahead))
        while pending:
            item, future = pending.popleft()
            result, error = _outcome(future.result)
            pending.extend(submit(1))
            yield item, result, error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@functools.cache
def _keep_large_blocks() -> None:
    """Let the process keep free memory blocks of up to 64 MiB.

    glibc returns such blocks to the system at once, and gets new ones page by page, until a block of nearly 32 MiB has
    been freed once: a third of the time of decoding short clips. On other systems this has no effect.
    """
    np.empty(31 << 20, dtype=np.uint8)


def _outcome(call: Callable[[], Any]) -> tuple[Any, AudioError | None]:
    try:
        return call(), None
    except AudioError as error:
        return None, without_tracebacks(error)


Error = TypeVar("Error", bound=BaseException)


def without_tracebacks(error: Error) -> Error:
    """Remove the tracebacks of an error, its causes and contexts, whose frames would keep sounds; return the error."""
    waiting: list[BaseException | None] = [error]
    seen = set()
    while waiting:
        part = waiting.pop()
        if part is not None and id(part) not in seen:
            seen.add(id(part))
            part.__traceback__ = None
            waiting += [part.__cause__, part.__context__]
    return error

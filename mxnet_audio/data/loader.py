"""Threads that read ahead, in order and bounded, while the network works.

Decoding, resampling and the FFT release the GIL, so threads serve; forked workers would copy MXNet's own threads
in an undefined state.
"""

from __future__ import annotations

import itertools
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from mxnet_audio.errors import AudioError

__all__ = ["batches", "map_ordered"]

# What this process may use, where the system says it (Linux); all there are elsewhere.
USABLE_CPUS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def map_ordered(
    function: Callable[[Any], Any], items: Iterable, *, workers: int | None = None
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

    Yields
    ------
    item
        The item.
    result
        What the function made of it; None if it failed.
    error : AudioError or None
        Why it failed: one bad file doesn't stop the others. Any other exception is raised here.

    Examples
    --------
    >>> [result for _, result, _ in map_ordered(abs, [-3, 1, -2])]
    [3, 1, 2]
    """
    workers = workers or USABLE_CPUS
    items = iter(items)
    pool = ThreadPoolExecutor(workers, thread_name_prefix="mxnet-audio")
    try:
        ahead = deque((item, pool.submit(function, item)) for item in itertools.islice(items, 4 * workers))
        while ahead:
            item, future = ahead.popleft()
            try:
                result, error = future.result(), None
            except AudioError as failure:
                result, error = None, failure
            ahead.extend((following, pool.submit(function, following)) for following in itertools.islice(items, 1))
            yield item, result, error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def batches(
    read: Callable[[Any], np.ndarray], paths: Sequence, targets: np.ndarray, batch_size: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Read features in threads and stack them; a short last batch is yielded too.

    Parameters
    ----------
    read : callable
        Path to features [shape=(n_mels, frames)].
    paths : sequence
        Files, in the order wanted.
    targets : np.ndarray [shape=(len(paths),)]
        Class indices.
    batch_size : int > 0
        Most clips in a batch.

    Yields
    ------
    x : np.ndarray [shape=(batch, 1, n_mels, frames)]
    y : np.ndarray [shape=(batch,)]

    Raises
    ------
    AudioError
        The error of the first file that cannot be read.
    """
    stream = map_ordered(read, paths)
    try:
        for start in range(0, len(paths), batch_size):
            rows = []
            for _, features, error in itertools.islice(stream, batch_size):
                if error is not None:
                    raise error
                rows.append(features)
            yield np.stack(rows)[:, None], targets[start : start + len(rows)]
    finally:
        stream.close()

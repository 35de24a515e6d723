"""Connection to a Dask scheduler, or to a cluster of processes on this machine."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import tempfile
from collections.abc import Iterator
from types import ModuleType
from typing import TYPE_CHECKING

from mxnet_audio.checks import shown
from mxnet_audio.errors import ClusterError, ParameterError
from mxnet_audio.parallel import usable_cpus, without_tracebacks
from mxnet_audio.processes.launch import local_workers

if TYPE_CHECKING:
    from distributed import Client
    from distributed.deploy.spec import SpecCluster

__all__ = ["connect", "import_distributed"]

CONNECT_SECONDS = 10.0  # for a scheduler to answer
WORKER_SECONDS = 5.0  # for the first of its workers
START_SECONDS = 180.0  # for the processes of a local cluster, each of which imports Dask, also on a busy machine


@contextlib.contextmanager
def connect(scheduler: str | None = None, workers: int | None = None) -> Iterator[Client]:
    """Connect to a Dask scheduler, or start a cluster of processes on this machine for the length of the block.

    The local workers are processes of their own that do not import the running script, so that it needs no
    ``if __name__ == "__main__"``. They share the CPUs, and end with the block, as their temporary folder does.

    Parameters
    ----------
    scheduler : str, optional
        Address of a scheduler, such as ``"tcp://host:8786"``; one of the two is given.
    workers : int > 0, optional
        Number of processes of a local cluster, at most four for each CPU.

    Yields
    ------
    distributed.Client
        Client of the cluster, which has at least one worker.

    Raises
    ------
    ClusterError
        If the scheduler does not answer or has no workers, the local processes do not start, or Dask is not installed.
    ParameterError
        If both or none of the arguments are given, or one is out of range.

    Examples
    --------
    >>> with connect(workers=2) as client:      # doctest: +SKIP
    ...     report = run(EmbedJob(encoder="yamnet"), find_sounds(["songs/"]), "vectors/", client)
    """
    if (scheduler is None) == (workers is None):
        raise ParameterError(f"one of scheduler and workers must be given, got {scheduler!r} and {shown(workers)}")
    if scheduler is not None and (not isinstance(scheduler, str) or not scheduler.strip()):
        raise ParameterError(f"scheduler must be an address such as 'tcp://host:8786', got {shown(scheduler)}")
    count = 1 if workers is None else local_workers(workers)
    distributed = import_distributed()
    with contextlib.ExitStack() as stack:
        stack.enter_context(_quiet_logs())
        if scheduler is None:
            cluster = stack.enter_context(_local_cluster(count))
            name, seconds = "the local cluster", START_SECONDS
        else:
            cluster, name, seconds = None, scheduler, WORKER_SECONDS
        try:
            client = distributed.Client(cluster or scheduler, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, ValueError, TypeError, RuntimeError) as error:  # asyncio's TimeoutError is an OSError, too
            # A client that the garbage collection finds later, while Dask holds a lock, would wait for it for ever.
            without_tracebacks(error)
            gc.collect()
            raise ClusterError(f"the scheduler cannot be reached ({_cause(error)}): is it running?", name) from error
        stack.callback(client.close)
        try:
            client.wait_for_workers(count, timeout=seconds)
        except (OSError, TimeoutError) as error:
            mend = "its processes did not start" if cluster else f"start one: dask worker {scheduler} --nthreads 1"
            raise ClusterError(f"there is no worker after {seconds:g} s: {mend}", name) from error
        yield client


def import_distributed() -> ModuleType:
    """Import Dask's package `distributed`; ClusterError if it is not installed."""
    try:
        import distributed
    except ImportError as error:
        raise ClusterError(
            f"this needs Dask, which is not installed ({error}): pip install distributed fsspec 'pyarrow<26'"
        ) from error
    return distributed


@contextlib.contextmanager
def _quiet_logs() -> Iterator[None]:
    """Keep Dask from logging errors of the connection with their tracebacks: they are exceptions of this package."""
    loggers = [logging.getLogger(name) for name in ("distributed", "distributed.client")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        yield
    finally:
        for logger, level in zip(loggers, levels):
            logger.setLevel(level)


@contextlib.contextmanager
def _local_cluster(count: int) -> Iterator[SpecCluster]:
    """Start a scheduler in this process, and workers in processes of their own."""
    from distributed import Scheduler
    from distributed.deploy.spec import SpecCluster
    from distributed.deploy.subprocess import SubprocessWorker

    threads = str(max(1, usable_cpus() // count))
    with tempfile.TemporaryDirectory(prefix="mxnet-audio-", ignore_cleanup_errors=True) as folder:
        # On the local address only, also Dask's pages about itself; `dashboard` are those with figures.
        common = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0", "local_directory": folder}
        options = {
            **common,
            "nthreads": 1,
            "memory_limit": 0,  # a worker is not stopped for the memory of its model, as this process would not be
            "death_timeout": START_SECONDS,
            "silence_logs": logging.ERROR,
            # The profiler reads the stacks of running threads, which costs time and may crash CPython 3.11.
            "config": {"distributed.worker.profile.enabled": False},
            # Threads of the network, which MXNet reads when it is imported, and of decoding (`usable_cpus`).
            "env": {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", threads), "LOKY_MAX_CPU_COUNT": threads},
        }
        worker = {"cls": SubprocessWorker, "options": {"worker_kwargs": options}}
        scheduler = {"cls": Scheduler, "options": {**common, "port": 0, "dashboard": False}}
        try:
            cluster = SpecCluster(
                workers=dict.fromkeys(range(count), worker),
                scheduler=scheduler,
                worker=worker,
                silence_logs=logging.ERROR,
            )
        except Exception as error:  # of many types
            raise ClusterError(f"the local cluster cannot be started ({_cause(error)})") from error
        with cluster:
            yield cluster


def _cause(error: BaseException) -> str:
    """Return the first line of an error, or its type if it has no text."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]

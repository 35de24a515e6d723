"""Training with several workers on the machines of a Dask cluster."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Sequence
from concurrent.futures import CancelledError
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from mxnet_audio.checks import whole_number
from mxnet_audio.errors import ClusterError, ParameterError
from mxnet_audio.processes.launch import await_end, exit_code, free_port, start

if TYPE_CHECKING:
    from distributed import Client, Future

__all__ = ["train_on_cluster"]

POLL_SECONDS = 2.0  # after which a lost Dask worker, or a cancelled training, is noticed
PORT_SECONDS = 60.0  # for the first Dask worker to answer


def train_on_cluster(
    arguments: Sequence[str], client: Client, workers: int | None = None, *, folder: str | os.PathLike
) -> int:
    """Train with one worker on each Dask worker; the first one also has the scheduler, and each has a server.

    Messages of the workers are printed on standard error as they come, their results on standard output at the end. If
    this call is interrupted, or the client ends, all processes end.

    Parameters
    ----------
    arguments : sequence of str
        Arguments of ``mxnet-audio``: ``["train", "songs", "--kvstore", "dist_sync"]`` and further options of ``train``.
    client : distributed.Client
        Client of the cluster.
    workers : int > 0, optional
        Number of workers; by default as many as the cluster has.
    folder : str or os.PathLike
        Working directory, which all machines have, with the same sounds.

    Returns
    -------
    int
        Exit code: 0, or that of the worker that failed.

    Raises
    ------
    ParameterError
        If there are more `workers` than Dask workers.
    ClusterError
        If a Dask worker or the scheduler is lost, or a machine has no such folder.
    """
    from distributed import wait
    from distributed.comm import get_address_host

    try:
        addresses = sorted(client.nthreads())
        count = len(addresses) if workers is None else whole_number("workers", workers)
        if not 0 < count <= len(addresses):
            raise ParameterError(f"workers must be <= {len(addresses)}, the number of Dask workers, got {count}")
        addresses = addresses[:count]
        host = get_address_host(addresses[0])
        options: dict[str, Any] = {"pure": False, "allow_other_workers": False}
        port = client.submit(free_port, host, workers=addresses[:1], **options).result(timeout=PORT_SECONDS)
        topic = f"mxnet-audio-training-{uuid.uuid4().hex}"
        client.subscribe_topic(topic, _print_event)
        futures = [
            client.submit(
                _train_here, list(arguments), number == 0, host, port, count, os.fspath(folder), topic,
                workers=[address], **options,
            )
            for number, address in enumerate(addresses)
        ]  # fmt: skip
        try:
            with client.as_current():
                while not _have_failed(futures) and not all(future.done() for future in futures):
                    if lost := set(addresses) - set(client.nthreads()):
                        raise ClusterError("this Dask worker ended in training; resume with --resume", min(lost))
                    with contextlib.suppress(TimeoutError, asyncio.TimeoutError):  # two classes in Python 3.10
                        wait(futures, timeout=POLL_SECONDS)
            outcomes = [future.result(timeout=PORT_SECONDS) for future in futures if future.done()]
        finally:
            client.unsubscribe_topic(topic)
            client.cancel(futures, force=True)
    except (OSError, asyncio.TimeoutError, RuntimeError, CancelledError) as error:
        address = None if client.scheduler is None else client.scheduler.address
        raise ClusterError(f"the cluster is lost ({type(error).__name__}); resume with --resume", address) from error
    sys.stdout.write("".join(output for _, output in outcomes))
    return exit_code([code for code, _ in outcomes])


def _have_failed(futures: list[Future]) -> bool:
    """Return True if a task raised an error, or its processes did not end with 0."""
    return any(future.done() and (future.status != "finished" or future.result()[0]) for future in futures)


def _print_event(event: tuple[float, str]) -> None:
    print(event[1], file=sys.stderr, flush=True)


def _train_here(
    arguments: list[str], leads: bool, host: str, port: int, workers: int, folder: str, topic: str
) -> tuple[int, str]:
    """Run the processes of one Dask worker, and return exit code and output of the training worker."""
    from distributed import get_worker
    from distributed.worker import thread_state

    dask_worker, key = get_worker(), thread_state.key
    if not Path(folder).is_dir():
        raise ClusterError(f"the machine of the Dask worker {dask_worker.address} has no such folder", folder)
    command = [sys.executable, "-m", "mxnet_audio", *arguments]
    roles = [*(["scheduler"] if leads else []), "server", "worker"]
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    processes = start(command, roles, host, port, workers, workers, cwd=folder, errors="replace", **pipes)
    output: list[str] = []
    readers = [threading.Thread(target=output.extend, args=(processes[-1].stdout,), daemon=True)]
    for process in processes:
        readers.append(threading.Thread(target=_log_lines, args=(process.stderr, dask_worker, topic), daemon=True))
    for reader in readers:
        reader.start()

    def is_cancelled() -> bool:
        task = dask_worker.state.tasks.get(key)
        return task is None or task.state == "cancelled"

    code = await_end(processes, 1, is_cancelled)
    for reader in readers:
        reader.join()
    return code, "".join(output)


def _log_lines(stream: IO[str], dask_worker: Any, topic: str) -> None:
    for line in stream:
        dask_worker.log_event(topic, line.rstrip("\n"))

"""Processes of a training run on several machines: scheduler, servers and workers, started with one command line."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

from mxnet_audio.checks import whole_number
from mxnet_audio.errors import ParameterError
from mxnet_audio.parallel import usable_cpus

__all__ = ["PARENT", "await_end", "exit_code", "free_port", "local_workers", "start", "train_locally"]

END_SECONDS = 20  # for all processes to end after all workers here, or after one that failed
FOR_A_CPU = 4  # workers of this machine at most: more are a typing error, which could stop the machine
PARENT = "MXNET_AUDIO_PARENT"  # id of the process that started this one, and that it does not outlive


def free_port(host: str) -> int:
    """Return a free port of this machine, the port after which is free, too.

    Examples
    --------
    >>> 1024 <= free_port("127.0.0.1") < 65535
    True
    """
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind((host, 0))
            port = first.getsockname()[1]
            try:
                second.bind((host, port + 1))
            except (OSError, OverflowError):
                continue
            return port


def local_workers(workers: int) -> int:
    """Return a number of workers of this machine; ParameterError if it is below 1, or far above that of the CPUs."""
    most = FOR_A_CPU * usable_cpus()
    if (count := whole_number("workers", workers)) > most:
        raise ParameterError(f"workers must be <= {most} on this machine, {FOR_A_CPU} for each CPU, got {count}")
    return count


def start(
    command: Sequence[str], roles: Sequence[str], host: str, port: int, workers: int, servers: int, **options: object
) -> list[subprocess.Popen]:
    """Start processes of a run on this machine.

    Parameters
    ----------
    command : sequence of str
        Command line of each process.
    roles : sequence of {'scheduler', 'server', 'worker'}
        Role of each process.
    host, port
        Address of the scheduler.
    workers, servers : int
        Number of all workers and servers.
    **options
        Options of `subprocess.Popen`.
    """
    here = roles.count("worker")
    variables = os.environ | {
        "DMLC_PS_ROOT_URI": host,
        "DMLC_PS_ROOT_PORT": str(port),
        "DMLC_NUM_WORKER": str(workers),
        "DMLC_NUM_SERVER": str(servers),
        PARENT: str(os.getpid()),
    }
    # Threads of several processes that compute on the same cores wait for each other at every layer.
    variables.setdefault("OMP_NUM_THREADS", str(max(usable_cpus() // max(here, 1), 1)))
    return [
        subprocess.Popen(command, env=variables | {"DMLC_ROLE": role}, **options)  # type: ignore[call-overload]
        for role in roles
    ]


def train_locally(arguments: Sequence[str], workers: int) -> int:
    """Train with several workers on this machine, and return the exit code; the arguments are those of mxnet-audio.

    ParameterError is raised as by `local_workers`.
    """
    local_workers(workers)
    host = "127.0.0.1"
    roles = ["scheduler", "server", *["worker"] * workers]
    command = [sys.executable, "-m", "mxnet_audio", *arguments]
    processes = start(command, roles, host, free_port(host), workers, 1)
    return await_end(processes, workers)


def await_end(processes: Sequence[subprocess.Popen], workers: int, is_cancelled: Callable[[], bool] = bool) -> int:
    """Wait for the end of processes that `start` started, kill those that remain, and return the exit code.

    Parameters
    ----------
    processes : sequence of subprocess.Popen
        Processes, the last of which are workers.
    workers : int > 0
        Number of these workers.
    is_cancelled : callable
        Function that returns True when the processes are to end.
    """
    deadline = None
    try:
        while any(process.poll() is None for process in processes) and not is_cancelled():
            codes = [process.poll() for process in processes]
            # One worker may write a report for long after the others have ended.
            if deadline is None and (any(codes) or None not in codes[-workers:]):
                deadline = time.monotonic() + END_SECONDS
            if deadline is not None and time.monotonic() > deadline:
                break
            time.sleep(0.2)
    finally:
        for process in processes:
            process.kill()
            process.wait()
    return exit_code([process.returncode for process in processes])


def exit_code(codes: Sequence[int]) -> int:
    """Return the exit code of a run, given those of its processes: that of an error before that of its consequences.

    Examples
    --------
    >>> exit_code([0, 0]), exit_code([75, 1]), exit_code([-9, 75])
    (0, 1, 75)
    """
    if not any(codes):
        return 0
    return min((code for code in codes if code > 0), default=1)

"""Processes of a training run on several machines: scheduler, servers and workers, started with one command line."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Sequence

from mxnet_audio.parallel import usable_cpus

__all__ = ["PARENT", "exit_code", "free_port", "start", "train_locally"]

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
    """Train with several workers on this machine, and return the exit code; the arguments are those of mxnet-audio."""
    host = "127.0.0.1"
    roles = ["scheduler", "server", *["worker"] * workers]
    command = [sys.executable, "-m", "mxnet_audio", *arguments]
    processes = start(command, roles, host, free_port(host), workers, 1)
    try:
        return exit_code([process.wait() for process in processes[2:]])
    finally:
        for process in processes:
            if process.poll() is None:
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


def exit_code(codes: Sequence[int]) -> int:
    """Return the exit code of a run, given those of its workers: that of an error before that of its consequences.

    Examples
    --------
    >>> exit_code([0, 0]), exit_code([75, 1]), exit_code([-9, 75])
    (0, 1, 75)
    """
    if not any(codes):
        return 0
    return min((code for code in codes if code > 0), default=1)

"""Watchdog of training on several machines, where MXNet waits forever for a process that has ended.

The scheduler listens on the port after its own. Every other process holds a connection to it, over which both send
beats. If a connection closes early, or no beat comes for 30 s, the scheduler tells all others, and they end, also while
MXNet waits in C++.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

from mxnet_audio.errors import EngineError

__all__ = ["EXIT_CODE", "Member", "Watchdog", "end_with_parent"]

log = logging.getLogger(__name__)

BEAT_SECONDS = 2
MISSED_BEATS = 15  # in a row, after which a process counts as ended
JOIN_SECONDS = 300  # until all processes must have joined
GRACE_SECONDS = 5  # for a worker to end by an error of its own
MAX_MESSAGE_BYTES = 65536
EXIT_CODE = 75  # temporary failure, in sysexits.h: the training can be resumed


class _Link:
    """Connection to another process, over which both send beats and short messages (lines of JSON)."""

    def __init__(self, connection: socket.socket):
        self._connection, self._lock = connection, threading.Lock()
        connection.settimeout(BEAT_SECONDS)

    def send(self, **message: Any) -> None:
        """Send a message; an empty one is a beat. OSError if the connection is closed."""
        with self._lock:
            self._connection.sendall(json.dumps(message).encode() + b"\n")

    def messages(self) -> Iterator[dict[str, Any]]:
        """Yield messages, and send beats; OSError if the connection is closed or the other process is silent."""
        received, missed, last_beat = b"", 0, 0.0
        while True:
            if time.monotonic() - last_beat >= BEAT_SECONDS:
                with contextlib.suppress(OSError):  # of a closed connection: what has arrived is read first
                    self.send()
                last_beat = time.monotonic()
            try:
                data = self._connection.recv(4096)
            except TimeoutError:
                # Counted, not measured: the time during which this process itself was stopped does not count.
                missed += 1
                if missed >= MISSED_BEATS:
                    raise
                continue
            missed = 0
            *lines, received = (received + data).split(b"\n")
            if not data or len(received) > MAX_MESSAGE_BYTES:
                raise ConnectionError("the connection is closed")
            yield from (message for line in lines if (message := _message(line)))

    def close(self) -> None:
        """Close the connection, also for a thread that waits for messages."""
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()


def _message(line: bytes) -> dict[str, Any]:
    """Return a message; ConnectionError if it is none."""
    try:
        message = json.loads(line)
    except ValueError:
        message = None
    if not isinstance(message, dict):
        raise ConnectionError("the other process is not one of mxnet-audio")
    return message


class Watchdog:
    """Watchdog in the process of the scheduler.

    Parameters
    ----------
    host : str
        Address of the scheduler.
    port : int
        Port of the watchdog.
    workers : int > 0
        Number of workers that must join.

    Raises
    ------
    EngineError
        If the port cannot be listened on.
    """

    def __init__(self, host: str, port: int, workers: int):
        self._workers, self._joined = workers, 0
        self._names: dict[_Link, str] = {}  # of the processes that have not left
        self._lock, self._failed = threading.Lock(), False
        try:
            self._listener = socket.create_server((host, port))
        except OSError as error:
            reason = f"{host}:{port} (DMLC_PS_ROOT_URI, DMLC_PS_ROOT_PORT + 1) cannot be listened on"
            raise EngineError(f"{reason}: {error.strerror or error}") from None
        for target in (self._accept, self._await_workers):
            threading.Thread(target=target, daemon=True).start()

    def wait(self) -> None:
        """Wait until all processes have left, so that none takes the end of this one for a failure."""
        for _ in range(BEAT_SECONDS * MISSED_BEATS):
            if not self._names:
                return
            time.sleep(1)

    def _accept(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            threading.Thread(target=self._attend, args=(_Link(connection),), daemon=True).start()

    def _await_workers(self) -> None:
        time.sleep(JOIN_SECONDS)
        if self._joined < self._workers:
            self._fail(f"{self._joined} of {self._workers} workers joined within {JOIN_SECONDS} s")

    def _attend(self, link: _Link) -> None:
        name = None
        try:
            for message in link.messages():
                with self._lock:
                    if "name" in message:
                        name = self._names[link] = str(message["name"])
                    self._joined += "joined" in message
                    if "left" in message:
                        self._names.pop(link, None)
                        return
        except OSError:
            if name is not None:
                self._fail(f"{name} ended")
        finally:
            link.close()

    def _fail(self, reason: str) -> None:
        with self._lock:
            if self._failed:
                return
            self._failed = True
            for link in self._names:
                with contextlib.suppress(OSError):
                    link.send(ended=reason)
        time.sleep(1)  # the messages must have left before the connections close
        _end_process(reason)


class Member:
    """A server or worker, connected to the watchdog.

    If another process of the run ends, this one ends too, unless it leaves within 5 s.

    Parameters
    ----------
    host : str
        Address of the scheduler.
    port : int
        Port of the watchdog.
    name : str
        Name of this process, for messages.

    Raises
    ------
    EngineError
        If there is no watchdog within 300 s.
    """

    def __init__(self, host: str, port: int, name: str):
        self._host, self._has_left = host, False
        deadline = time.monotonic() + JOIN_SECONDS
        while True:
            try:
                connection = socket.create_connection((host, port), timeout=BEAT_SECONDS)
                break
            except OSError as error:
                if time.monotonic() > deadline:
                    reason = f"no scheduler of mxnet-audio at {host}:{port} (DMLC_PS_ROOT_URI, DMLC_PS_ROOT_PORT + 1)"
                    raise EngineError(f"{reason} within {JOIN_SECONDS} s: {error.strerror or error}") from None
                time.sleep(0.2)
        self._link = _Link(connection)
        self._link.send(name=name)
        threading.Thread(target=self._attend, daemon=True).start()

    def join(self, name: str) -> None:
        """Tell the watchdog that this worker has joined, and under which name."""
        self._link.send(name=name, joined=True)

    def leave(self, *, done: bool) -> None:
        """Leave the run; unless it is done, the others end."""
        self._has_left = True
        if done:
            with contextlib.suppress(OSError):
                self._link.send(left=True)
        self._link.close()

    def _attend(self) -> None:
        reason = f"the scheduler on host {self._host} ended"
        with contextlib.suppress(OSError):
            reason = next(message["ended"] for message in self._link.messages() if "ended" in message)
        time.sleep(0 if self._has_left else GRACE_SECONDS)
        if not self._has_left:
            _end_process(reason)


def end_with_parent(parent: int) -> None:
    """Make this process end when its parent, which has this id, does."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        _end_process("the process that started the training ended")

    threading.Thread(target=watch, daemon=True).start()


def _end_process(reason: str) -> None:
    """End this process with a message, also while its main thread waits in C++."""

    def report() -> None:
        log.error("%s; resume with --resume", reason)
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        logging.shutdown()

    # In another thread, since a stopped reader of our output must not keep the process alive.
    reporter = threading.Thread(target=report, daemon=True)
    reporter.start()
    reporter.join(GRACE_SECONDS)
    os._exit(EXIT_CODE)

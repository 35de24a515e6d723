"""Training on several machines: environment, servers, and sums over workers by MXNet's kvstore ``dist_sync``.

The optimizer stays in each worker; the servers only add up. Gradients are sums over the shares of a batch, so that all
workers take the same step.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from mxnet_audio.checks import one_of
from mxnet_audio.engine import mx, nd
from mxnet_audio.errors import ParameterError
from mxnet_audio.processes.launch import PARENT
from mxnet_audio.processes.watchdog import Member, Watchdog, end_with_parent

__all__ = ["ALONE", "Environment", "Workers", "check_kvstore", "join"]

CHUNK = 1 << 18  # whole numbers of 16 bits that are copied at once

_has_joined = False


@dataclass(frozen=True)
class Environment:
    """Part of this process in a run on several machines, from the variables that MXNet's kvstore reads.

    Examples
    --------
    >>> variables = {"DMLC_ROLE": "worker", "DMLC_PS_ROOT_URI": "127.0.0.1", "DMLC_PS_ROOT_PORT": "9000"}
    >>> Environment.read(variables | {"DMLC_NUM_WORKER": "2", "DMLC_NUM_SERVER": "0"})
    Traceback (most recent call last):
    ...
    mxnet_audio.errors.ParameterError: kvstore 'dist_sync': DMLC_NUM_SERVER must be a number between 1 and 1000, got '0'
    """

    role: str
    host: str
    port: int
    workers: int
    servers: int

    @classmethod
    def read(cls, variables: Mapping[str, str]) -> Environment:
        """Read and check the variables.

        Raises
        ------
        ParameterError
            If one is missing or wrong; the message names it.
        """

        def number(name: str, maximum: int) -> int:
            text = variables.get(name, "")
            if not (text.isascii() and text.isdigit() and len(text) < 10) or not 1 <= int(text) <= maximum:
                raise ParameterError(_wrong(name, f"a number between 1 and {maximum}", variables))
            return int(text)

        role, host = variables.get("DMLC_ROLE"), variables.get("DMLC_PS_ROOT_URI", "")
        if role not in ("worker", "server", "scheduler"):
            raise ParameterError(_wrong("DMLC_ROLE", "worker, server or scheduler", variables))
        try:
            socket.getaddrinfo(host or None, 1, socket.AF_INET)
        except (OSError, UnicodeError):
            host = ""
        if not host:
            raise ParameterError(_wrong("DMLC_PS_ROOT_URI", "the address of the scheduler", variables))
        port = number("DMLC_PS_ROOT_PORT", 65534)
        return cls(role, host, port, number("DMLC_NUM_WORKER", 1000), number("DMLC_NUM_SERVER", 1000))

    def own_address(self) -> str:
        """Return the address of this machine in the network of the scheduler."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((self.host, self.port))  # of a datagram socket: nothing is sent
            return cast(str, probe.getsockname()[0])


def _wrong(name: str, expected: str, variables: Mapping[str, str]) -> str:
    if name in variables:
        return f"kvstore 'dist_sync': {name} must be {expected}, got {variables[name]!r}"
    remedy = "or let mxnet-audio start all processes: mxnet-audio train --kvstore dist_sync --workers 2"
    return f"kvstore 'dist_sync': the environment variable {name} is missing ({expected}); set it, {remedy}"


class Workers:
    """Workers that train together; without a kvstore, this process alone.

    All of them must call the same methods in the same order.

    Parameters
    ----------
    store : mx.kv.KVStore, optional
        Kvstore ``dist_sync``.

    Attributes
    ----------
    rank, count : int
        Number of this worker, from 0, and number of workers.

    Examples
    --------
    >>> Workers().total([1.0, 2.0])
    array([1., 2.])
    """

    def __init__(self, store: Any = None):
        self._store, self._keys = store, set[str]()
        self.rank: int = 0 if store is None else store.rank
        self.count: int = 1 if store is None else store.num_workers

    @property
    def share(self) -> tuple[int, int]:
        """Number of this worker, and of all, for `AudioLoader.take`."""
        return self.rank, self.count

    def total(self, values: Sequence[float] | np.ndarray) -> np.ndarray:
        """Return the sums of numbers [any shape] over all workers, the same in each worker.

        The servers add up in single precision.
        """
        array = np.asarray(values, np.float64)
        if self.count == 1 or not array.size:
            return array
        return self._sum(nd.array(array.ravel(), ctx=mx.cpu())).asnumpy().astype(np.float64).reshape(array.shape)

    def first(self, values: Sequence[float] | np.ndarray) -> np.ndarray:
        """Return the numbers of worker 0, in single precision."""
        return self.total(values if self.rank == 0 else np.zeros(np.shape(values)))

    def add_gradients(self, arrays: Sequence[nd.NDArray], size: int) -> int:
        """Replace arrays by their sums over all workers, and return the sum of the sizes."""
        if self.count == 1:
            return size
        count = nd.array([size], ctx=arrays[0].context)
        self._sum_in_place([*arrays, count])
        return int(count.asscalar())

    def copy_arrays(self, arrays: Sequence[nd.NDArray]) -> None:
        """Replace arrays by those of worker 0."""
        if self.count == 1:
            return
        if self.rank:
            for array in arrays:
                array[:] = 0
        self._sum_in_place(arrays)

    def copy_bytes(self, data: bytes) -> bytes:
        """Return the bytes of worker 0."""
        high, low = self.first(divmod(len(data), 1 << 20)).astype(int)
        size, received = int(high << 20 | low), []
        for start in range(0, size, 2 * CHUNK):  # servers add up floats only, which hold 16 bits exactly
            numbers = np.zeros(CHUNK, np.uint16)
            if self.rank == 0:
                part = data[start : start + 2 * CHUNK]
                numbers[: -(-len(part) // 2)] = np.frombuffer(part + bytes(len(part) % 2), np.uint16)
            received.append(self.first(numbers).astype(np.uint16).tobytes())
        return b"".join(received)[:size]

    def gather(self, rows: np.ndarray) -> np.ndarray:
        """Return the rows [shape=(n, columns)] of all workers, in their order, in single precision."""
        if self.count == 1:
            return rows
        sizes = self.total([len(rows) if rank == self.rank else 0 for rank in range(self.count)]).astype(int)
        every = np.zeros((sizes.sum(), rows.shape[1]))
        start = sizes[: self.rank].sum()
        every[start : start + len(rows)] = rows
        return self.total(every)

    def check_same(self, entries: Mapping[str, Any]) -> None:
        """Check that JSON-serializable settings are the same in all workers.

        Raises
        ------
        ParameterError
            If they are not, in every worker.
        """
        digests = np.zeros((self.count, len(entries)))
        for column, entry in enumerate(entries.values()):
            digest = hashlib.sha256(json.dumps(entry, sort_keys=True, default=repr).encode()).digest()
            digests[self.rank, column] = int.from_bytes(digest[:3], "big")  # single precision holds 24 bits
        digests = self.total(digests)
        for rank, column in np.argwhere(digests != digests[0])[:1]:
            reason = f"worker {rank} has other {list(entries)[column]} than worker 0"
            raise ParameterError(f"{reason}: give all workers the same command, files and paths")

    def _sum_in_place(self, arrays: Sequence[nd.NDArray]) -> None:
        flat = nd.concat(*(array.reshape((-1,)) for array in arrays), dim=0).as_in_context(mx.cpu())
        self._sum(flat)
        start = 0
        for array in arrays:
            array[:] = flat[start : start + array.size].reshape(array.shape).as_in_context(array.context)
            start += array.size

    def _sum(self, array: nd.NDArray) -> nd.NDArray:
        """Replace an array by the sum over all workers."""
        key = str(array.size)
        if key not in self._keys:
            self._store.init(key, nd.zeros_like(array))
            self._keys.add(key)
        self._store.push(key, array)
        self._store.pull(key, out=array)
        return array


ALONE = Workers()


class _Server(mx.kvstore.KVStoreServer):
    """Server that adds up, and does not unpickle the optimizers that MXNet's own server takes."""

    def _controller(self) -> Any:
        return lambda command, body, _: None


def check_kvstore(kvstore: str | None) -> None:
    """Check the environment of a run on several machines; in a server or scheduler, serve until the end, and exit.

    Raises
    ------
    ParameterError
        If `kvstore` is unknown, or the environment is wrong.
    EngineError
        If the scheduler cannot be reached, or its address cannot be listened on.
    SystemExit
        In a server or scheduler, at the end.
    """
    if kvstore is None:
        return
    one_of("kvstore", kvstore, ("dist_sync",))
    environment = Environment.read(os.environ)
    if parent := os.environ.get(PARENT):
        end_with_parent(int(parent))
    if environment.role != "worker":
        _serve(environment)
        raise SystemExit


def _serve(environment: Environment) -> None:
    """Serve until all workers have left."""
    host, port = environment.host, environment.port + 1
    if environment.role == "scheduler":
        watchdog = Watchdog(host, port, environment.workers)
        with _clean_variables(environment):
            _Server(mx.kv.create("dist_sync")).run()
        watchdog.wait()
        return
    member = Member(host, port, f"a server on host {socket.gethostname()}")
    with _clean_variables(environment):
        _Server(mx.kv.create("dist_sync")).run()
    member.leave(done=True)


@contextlib.contextmanager
def join(kvstore: str | None) -> Iterator[Workers]:
    """Join the other workers; the context ends when all of them leave it.

    Parameters
    ----------
    kvstore : 'dist_sync' or None
        None for this process alone.

    Raises
    ------
    ParameterError
        If the environment is wrong, or this process has joined before.
    EngineError
        If the scheduler cannot be reached.
    """
    global _has_joined
    if kvstore is None:
        yield ALONE
        return
    environment, host = Environment.read(os.environ), socket.gethostname()
    if _has_joined:
        raise ParameterError("kvstore: MXNet can join other workers once in a process: start a new one")
    member = Member(environment.host, environment.port + 1, f"a worker on host {host} (process {os.getpid()})")
    store, done = None, False
    try:
        _has_joined = True
        with _clean_variables(environment):
            store = mx.kv.create("dist_sync")
        workers = Workers(store)
        member.join(f"worker {workers.rank} on host {host}")
        yield workers
        workers._store = store = None  # its end waits for the other workers, and stops the servers
        done = True
    finally:
        if store is not None:  # after an error, its end must not wait
            mx.base.check_call(mx.base._LIB.MXKVStoreSetBarrierBeforeExit(store.handle, 0))
        member.leave(done=done)


@contextlib.contextmanager
def _clean_variables(environment: Environment) -> Iterator[None]:
    """Set the address of this machine, and hide a variable of hosting services that ps-lite takes for its own port."""
    os.environ.setdefault("DMLC_NODE_HOST", environment.own_address())
    port = os.environ.pop("PORT", None)
    try:
        yield
    finally:
        if port is not None:
            os.environ["PORT"] = port

"""The process of the server: its address, limits of connections that are too slow, and its end."""

from __future__ import annotations

import asyncio
import math
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import h11
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from mxnet_audio.checks import whole_number
from mxnet_audio.errors import ParameterError
from mxnet_audio.serve.access import LocalHosts, is_local
from mxnet_audio.serve.settings import ServeSettings

__all__ = ["run"]

HEAD_SECONDS = 10.0  # until the head of a request has arrived
LINGER_SECONDS = 2.0  # that the rest of a refused body is discarded for, so that the sender reads the answer
STALLED_SECONDS = 60.0  # without the client reading any of the answer
KEEP_ALIVE_SECONDS = 15
_MOST_CONNECTIONS = 512


def run(
    app: FastAPI, host: str, port: int, settings: ServeSettings, on_start: Callable[[str], Any] | None = None
) -> None:
    """Serve an app until the process is told to end by SIGTERM or SIGINT; requests that run are finished.

    Parameters
    ----------
    app : fastapi.FastAPI
    host : str
        Name or address of this machine; ``"0.0.0.0"`` is all its addresses.
    port : int >= 0
        0 chooses a free port.
    settings : ServeSettings
        `timeout` and `upload_timeout` limit the time that requests are waited for at the end.
    on_start : callable, optional
        Function that is called with the address, such as ``"http://127.0.0.1:8000"``, when it can be used.

    Raises
    ------
    ParameterError
        If the port is in use, or the address is not of this machine.
    """
    server = _server(app, settings)
    server.on_start = on_start
    with _listening(host, port) as address, _ending(server):
        if settings.api_key is None and is_local(address.getsockname()[0]):
            app.add_middleware(LocalHosts, origins=settings.allowed_origins)
        server.run(sockets=[address])


def _server(app: FastAPI, settings: ServeSettings) -> _Server:
    config = uvicorn.Config(
        app,
        # uvicorn has no limits for the parts of a request
        http=partial(_Connection, body_seconds=settings.upload_timeout + HEAD_SECONDS),  # type: ignore[arg-type]
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=_MOST_CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=math.ceil(settings.upload_timeout + settings.timeout),
    )
    return _Server(config)


def _listening(host: str, port: int) -> socket.socket:
    if whole_number("port", port, 0) > 65535:
        raise ParameterError(f"port must be a whole number from 0 to 65535, got {port}")
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, port), family=family)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ParameterError(f"cannot listen on port {port} of {host}: {reason}: choose another one") from error
    # asyncio sets it on sockets of its own only; without it, a body waits 40 ms for the client to confirm the head.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


class _Server(uvicorn.Server):
    """Server that tells its address."""

    on_start: Callable[[str], Any] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for address in sockets or ():
            host, port = address.getsockname()[:2]
            if self.on_start is not None:
                self.on_start(f"http://{f'[{host}]' if ':' in host else host}:{port}")


@contextmanager
def _ending(server: uvicorn.Server) -> Iterator[None]:
    """Let signals end a server, and not the process: uvicorn sends itself the signal again when it has ended."""

    def end(number: int, frame: Any) -> None:
        server.should_exit = True

    previous = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


class _Connection(H11Protocol):
    """Connection that is closed if a head, a body or a reader is too slow."""

    def __init__(self, *args: Any, body_seconds: float, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self._body_seconds = body_seconds
        self._phase: Any = None  # of the request that is arriving: h11's state of the client
        self._reading: asyncio.TimerHandle | None = None
        self._writing: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Wait for a head."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Read a part of a request."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Discard the rest of a body that the answer did not wait for, for a short time."""
        super().on_response_complete()
        self._enter(None)
        if self.conn.our_state is h11.DONE and self.conn.their_state is h11.SEND_BODY:
            self._enter(h11.SEND_BODY, LINGER_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timers."""
        super().connection_lost(exc)
        self._enter(None)
        if self._writing is not None:
            self._writing.cancel()

    def pause_writing(self) -> None:
        """Wait for a client that does not read its answer."""
        super().pause_writing()
        self._writing = self.loop.call_later(STALLED_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on with the answer."""
        super().resume_writing()
        if self._writing is not None:
            self._writing.cancel()

    def _watch(self) -> None:
        """Give each part of a request its time from its first byte on, however many bytes follow."""
        phase = self.conn.their_state
        if phase is not self._phase:
            # Routes that read a body have their own limit, and answer; this one is for the others.
            self._enter(phase, {h11.IDLE: HEAD_SECONDS, h11.SEND_BODY: self._body_seconds}.get(phase))

    def _enter(self, phase: Any, seconds: float | None = None) -> None:
        """Begin a phase, and limit its time."""
        if self._reading is not None:
            self._reading.cancel()
        self._phase = phase
        self._reading = None if seconds is None else self.loop.call_later(seconds, self.transport.abort)

"""State of the server, for supervisors and for Prometheus."""

from __future__ import annotations

import time
from typing import Literal

from fastapi import FastAPI
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.process_collector import ProcessCollector
from pydantic import BaseModel
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mxnet_audio.serve.problems import problem_response, problem_responses

__all__ = ["State", "install_monitoring"]

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_LENGTHS = (1, 3, 10, 30, 60, 180, 600)
_SIZES = (1, 2, 4, 8, 16, 32, 64)


class State(BaseModel):
    """State of the server."""

    status: Literal["ok"] = "ok"


def install_monitoring(app: FastAPI) -> None:
    """Add the routes ``/healthz``, ``/readyz`` and ``/metrics`` to an app with its `SoundService`; measure requests.

    Parameters
    ----------
    app : fastapi.FastAPI
        App with its service in ``app.state.service``.
    """
    service, registry = app.state.service, CollectorRegistry()
    ProcessCollector(registry=registry)
    sizes = Histogram("mxnet_audio_batch_size", "Sounds in a pass of a network", buckets=_SIZES, registry=registry)
    service.on_batch = sizes.observe
    lengths = Histogram("mxnet_audio_sound_seconds", "Length of a sound", buckets=_LENGTHS, registry=registry)
    service.on_sound = lambda sound: lengths.observe(sound.seconds)
    waiting = Gauge(
        "mxnet_audio_waiting_requests", "Requests that are decoded, or wait for a network", registry=registry
    )
    waiting.set_function(lambda: service.waiting)
    app.add_middleware(_Measured, registry=registry)

    @app.get("/healthz", tags=["monitoring"])
    async def healthz() -> State:
        """Answer while the process works."""
        return State()

    @app.get("/readyz", tags=["monitoring"], response_model=State, responses=problem_responses(503))
    async def readyz() -> State | Response:
        """Answer with 200 if requests are answered, and with 503 while the server starts or stops."""
        if service.is_ready:
            return State()
        return problem_response(503, "not-ready", "the server is starting or stopping")

    @app.get("/metrics", tags=["monitoring"], response_class=PlainTextResponse)
    def metrics() -> Response:
        """Return the measures of the server in the format of Prometheus."""
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


class _Measured:
    """Layer of an app that counts requests by route and status, and measures their time."""

    def __init__(self, app: ASGIApp, registry: CollectorRegistry):
        self._app = app
        self._requests = Counter("mxnet_audio_requests", "Requests", ["route", "status"], registry=registry)
        self._seconds = Histogram(
            "mxnet_audio_request_seconds",
            "Time until the end of the answer",
            ["route"],
            buckets=_SECONDS,
            registry=registry,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        status, start = 500, time.perf_counter()

        async def watched(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            # Of an unknown path, or an app that is mounted, there is no route: its names are not the server's choice.
            route = getattr(scope.get("route"), "path", "") or "other"
            self._requests.labels(route, status).inc()
            self._seconds.labels(route).observe(time.perf_counter() - start)

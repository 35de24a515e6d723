"""Rights of requests: the API key, other origins, and the headers that restrict browsers."""

from __future__ import annotations

import base64
import binascii
import hmac
import ipaddress
from urllib.parse import urlsplit

from fastapi import FastAPI
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mxnet_audio.serve.problems import Unauthorized, problem_response
from mxnet_audio.serve.settings import ServeSettings

__all__ = ["OPEN_ROUTES", "SECURITY_HEADERS", "LocalHosts", "install_access", "is_local"]

#: Routes that need no key: a supervisor asks for them.
OPEN_ROUTES = frozenset({"/healthz", "/readyz"})

#: Headers of every answer. The page's framework has inline scripts and styles, and compiles its templates; its players
#: read what was recorded from blobs. Nothing is loaded from other hosts.
SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; media-src 'self' data: blob:; "
    "connect-src 'self' data: blob:; font-src 'self' data:; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

_READING = ("GET", "HEAD", "OPTIONS")


def install_access(app: FastAPI, settings: ServeSettings) -> None:
    """Demand the API key from every request, and refuse those of web pages of other origins; add security headers.

    Call this after `install_problems` and `install_uploads`, so that it comes first, and before `install_monitoring`.

    Parameters
    ----------
    app : fastapi.FastAPI
    settings : ServeSettings
        `api_key` and `allowed_origins` are used.
    """
    app.add_middleware(_Access, key=settings.api_key, origins=settings.allowed_origins)
    if settings.allowed_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.allowed_origins,
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type", "X-API-Key"],
            expose_headers=["Retry-After"],
        )


class _Access:
    """Layer of an app that refuses requests without rights, and adds the security headers to every answer."""

    def __init__(self, app: ASGIApp, key: str | None, origins: tuple[str, ...]):
        self._app, self._key, self._origins = app, None if key is None else key.encode(), origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        headers = Headers(scope=scope)
        answer: ASGIApp
        if scope["path"] not in OPEN_ROUTES and not self._has_key(headers):
            cause = "this is not the API key" if _given_key(headers) else "there is no API key"
            detail = f"{cause}: send it as 'Authorization: Bearer …', as 'X-API-Key: …' or as the password"
            answer = problem_response(401, Unauthorized.kind, detail, Unauthorized.headers)
        elif scope.get("method") not in _READING and self._is_foreign(headers):
            answer = problem_response(
                403, "foreign-page", "this request comes from a web page of another origin, which --origin would allow"
            )
        else:
            answer = self._app
        if scope["type"] == "websocket" and answer is not self._app:
            return await send({"type": "websocket.close", "code": 1008})
        await answer(scope, receive, send_with_headers)

    def _has_key(self, headers: Headers) -> bool:
        return self._key is None or hmac.compare_digest(_given_key(headers), self._key)

    def _is_foreign(self, headers: Headers) -> bool:
        """Return True for a script or form of another origin, which a user's browser may be made to send."""
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        if site in ("same-origin", "none") or origin in self._origins:
            return False
        # Browsers name the site only over HTTPS and to this machine, and the origin always. Programs name neither.
        return site is not None or (origin is not None and origin.partition("://")[2] != headers.get("host"))


def _given_key(headers: Headers) -> bytes:
    """Return the key that a request contains, or nothing."""
    if "x-api-key" in headers:
        return headers["x-api-key"].encode("latin-1")
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip().encode("latin-1")
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value.strip().encode("latin-1"), validate=True).partition(b":")[2]
        except binascii.Error:
            pass
    return b""


class LocalHosts:
    """Layer of an app for this machine only, which refuses requests to other names than its own.

    A web page could otherwise let its own name mean 127.0.0.1, and then read from the server in the user's browser.

    Parameters
    ----------
    app : ASGI app
    origins : tuple of str
        Origins whose hosts are allowed, too, such as that of a proxy.
    """

    def __init__(self, app: ASGIApp, origins: tuple[str, ...] = ()):
        self._app, self._hosts = app, {urlsplit(origin).hostname for origin in origins}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        answer = self._app
        if scope["type"] != "lifespan":
            host = _host_name(Headers(scope=scope).get("host", ""))
            if not is_local(host) and host not in self._hosts:
                detail = (
                    "this server answers requests to localhost only: set an API key, or allow the origin (--origin)"
                )
                answer = problem_response(421, "foreign-host", detail)
        await answer(scope, receive, send)


def is_local(host: str) -> bool:
    """Return True for a name or address that always means this machine.

    Examples
    --------
    >>> is_local("127.0.0.1"), is_local("::1"), is_local("localhost"), is_local("sounds.example")
    (True, True, True, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _host_name(header: str) -> str:
    try:
        return urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return ""

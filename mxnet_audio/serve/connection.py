"""Requests of a client: keys, repetition while the server is busy, and problem details as the package's errors."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import RemoteDisconnected
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase

from mxnet_audio.atomic import parse_json
from mxnet_audio.checks import real_number, shown
from mxnet_audio.errors import AudioDecodeError, AudioError, InvalidAudioError, ParameterError, ServerError

__all__ = ["Connection"]

_BLOCK = 1 << 16  # [bytes]
_LARGEST = 64 << 20  # [bytes] of an answer in JSON
_CONNECT_SECONDS = 10.0
_POOL = 64  # connections that are kept open, one for each thread
_ERRORS: dict[str, type[AudioError]] = {  # by the last part of a problem's type; of others, ServerError
    "bad-sound": InvalidAudioError,
    "unknown-sound": AudioDecodeError,
    "missing-sound": AudioDecodeError,
    "too-long": InvalidAudioError,
    "too-large": InvalidAudioError,
    "bad-parameter": ParameterError,
}


class Connection:
    """Requests to one server, by any number of threads.

    Parameters
    ----------
    base_url, api_key, timeout
        As of `mxnet_audio.serve.Client`, with its errors.

    Examples
    --------
    >>> Connection("http://127.0.0.1:8000/").base_url
    'http://127.0.0.1:8000'
    >>> Connection("localhost")
    Traceback (most recent call last):
    ...
    mxnet_audio.errors.ParameterError: base_url must be an address such as 'http://127.0.0.1:8000', got 'localhost'
    """

    def __init__(self, base_url: str, api_key: str | None = None, timeout: float = 60.0):
        self.base_url = _checked_address(base_url)
        self.timeout = real_number("timeout", timeout, above=0)
        self._key = _Key(_checked_key(api_key))
        self._session = requests.Session()
        self._session.auth = self._key  # without a key, too: then no password of a .netrc file is sent
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(pool_maxsize=_POOL))

    def close(self) -> None:
        """Close what is open; the next request opens a new connection."""
        self._session.close()

    def answer(self, method: str, route: str, **options: Any) -> dict[str, Any]:
        """Return the JSON of the answer to a request; `options` are those of requests."""
        with self._responding(method, route, **options) as response, self.reading():
            answer = parse_json(self._limited(response))
            if not isinstance(answer, dict):
                raise TypeError("no object")
            return answer

    def blocks(self, route: str) -> Iterator[bytes]:
        """Yield the content of an answer."""
        with self._responding("GET", route, headers={"Accept-Encoding": "identity"}) as response:
            yield from self._content(response)

    def succeeds(self, route: str) -> bool:
        """Return True if the server answers with the status 200, without waiting while it is busy."""
        try:
            with self._send("GET", route) as response:
                return response.status_code == 200
        except ServerError:
            return False

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Raise ServerError if an answer does not have the form that is read."""
        try:
            yield
        except AudioError:
            raise
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            reason = "the answer is not that of mxnet-audio serve: check the address, and the version of the server"
            raise ServerError(reason, self.base_url) from error

    @contextmanager
    def _responding(self, method: str, route: str, **options: Any) -> Iterator[requests.Response]:
        """Yield the answer to a request, which is sent again while the server is busy; raise its problem."""
        deadline = time.monotonic() + self.timeout
        while True:
            with self._send(method, route, **options) as response:
                if response.status_code == 200:
                    yield response
                    return
                wait = _retry_after(response)
                if wait is None or time.monotonic() + wait > deadline:
                    raise self._problem(response)
            time.sleep(wait)

    def _send(self, method: str, route: str, **options: Any) -> requests.Response:
        options |= {"stream": True, "allow_redirects": False}  # a redirected POST would become a GET
        timeouts = min(_CONNECT_SECONDS, self.timeout), self.timeout
        try:
            try:
                return self._session.request(method, self.base_url + route, timeout=timeouts, **options)
            except requests.ConnectionError as error:
                if not isinstance(_cause(error), RemoteDisconnected):
                    raise
                # The server has closed a connection that was kept open, just when the request was sent.
                return self._session.request(method, self.base_url + route, timeout=timeouts, **options)
        except requests.RequestException as error:
            raise self._away(error) from error

    def _content(self, response: requests.Response) -> Iterator[bytes]:
        try:
            yield from response.iter_content(_BLOCK)
        except requests.RequestException as error:
            raise self._away(error) from error

    def _limited(self, response: requests.Response) -> bytes:
        """Return the content of an answer that is not larger than JSON may be."""
        content = bytearray()
        for block in self._content(response):
            content += block
            if len(content) > _LARGEST:
                raise ServerError(f"the answer is larger than {_LARGEST >> 20} MiB", self.base_url)
        return bytes(content)

    def _problem(self, response: requests.Response) -> AudioError:
        """Return the error for an answer without success."""
        status = response.status_code
        try:
            problem = parse_json(self._limited(response))
            kind, detail = str(problem["type"]).rpartition(":")[2], str(problem["detail"])
        except (LookupError, TypeError, ValueError):  # of a proxy, or of another server
            kind, detail = "", f"answered {status} {response.reason}"
            if address := response.headers.get("Location"):
                detail += f": the address is {address}"
        if kind in _ERRORS:
            return _ERRORS[kind](detail)
        if status == 401:
            detail = "refuses the API key" if self._key.value else "asks for an API key: give one as api_key"
        return ServerError(detail, self.base_url, status)

    def _away(self, error: requests.RequestException) -> ServerError:
        if isinstance(error, requests.Timeout):
            reason = f"no answer within {self.timeout:g} s"
        else:
            reason = f"cannot be reached ({_cause(error)}): check that mxnet-audio serve runs at this address"
        return ServerError(reason, self.base_url)


class _Key(AuthBase):
    """Header with the key, if there is one."""

    def __init__(self, value: str | None):
        self.value = value

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self.value is not None:
            request.headers["Authorization"] = f"Bearer {self.value}"
        return request


def _checked_address(base_url: Any) -> str:
    """Return the address without a slash at its end; ParameterError if it cannot be one."""
    try:
        parts = urlsplit(base_url if isinstance(base_url, str) else "")
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid or parts.query or parts.fragment:
        raise ParameterError(f"base_url must be an address such as 'http://127.0.0.1:8000', got {shown(base_url)}")
    if "@" in parts.netloc:  # not repeated
        raise ParameterError("base_url must not hold a password: give the key as api_key")
    return base_url.rstrip("/")


def _checked_key(api_key: Any) -> str | None:
    """Return a key that can be sent; ParameterError, without the key, if it is none."""
    if api_key is None or (isinstance(api_key, str) and api_key and api_key.isascii() and api_key.isprintable()):
        return api_key
    raise ParameterError("api_key must be printable ASCII characters")


def _retry_after(response: requests.Response) -> float | None:
    """Return the seconds to wait before the next try, not the same for all clients; None if there should be none."""
    seconds = response.headers.get("Retry-After", "")
    if response.status_code not in (429, 503) or not (seconds.isdecimal() and len(seconds) < 6):
        return None
    return float(seconds) * random.uniform(1, 1.5)


def _cause(error: BaseException) -> BaseException:
    """Return the error that requests and urllib3 wrap in others, which repeat the address."""
    wrapped = [part for part in (getattr(error, "reason", None), *error.args) if isinstance(part, Exception)]
    return _cause(wrapped[0]) if wrapped else error

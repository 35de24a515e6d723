"""Connection to a Milvus server or a file of Milvus Lite: address, TLS, time-outs, retries and errors."""

from __future__ import annotations

import importlib
import logging
import os
import re
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mxnet_audio.checks import one_of, path_argument, real_number, shown
from mxnet_audio.errors import ParameterError, SearchError

__all__ = ["MISSING", "Connection", "Refusal"]

# Codes of Milvus's errors, which pymilvus does not name.
MISSING = 100  # there is no such collection
_NOT_LOADED = (101, 103)  # the collection is not in memory, or not completely
_AWAY = (2, 8, 9)  # service unavailable, too many requests, no more requests now
_AWAY_WORDS = ("not ready", "unavailable", "not available", "no available", "recovering", "not healthy",
               "server id not match", "channel not found", "node not found", "context done", "timeout")  # fmt: skip
_UNAUTHENTICATED = ("unauthenticated", "auth check failure", "authorization", "permission denied", "permissiondenied")
_TLS_FILES = {"ca": "ca_pem_path", "certificate": "client_pem_path", "key": "client_key_path"}
_HOST = re.compile(r"[\w.-]+:\d+")  # and a port, without what may be secret
_CONNECT_SECONDS = 10.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0  # [s]


class Refusal(Exception):
    """Raised if the server answers that a request cannot be done: what it says, and its code."""

    def __init__(self, message: str, code: int):
        super().__init__(message, code)
        self.message, self.code = message, code


class Connection:
    """Client of a Milvus server, connected on first use.

    It can be pickled, and shared by threads.

    Parameters
    ----------
    uri : str
        ``http://host:19530``, ``https://host``, or the path of a file of Milvus Lite, which ends in ``.db``.
    token : str, optional
        Key of an API, or ``user:password``.
    database : str, optional
        Name of the database on the server.
    tls : mapping of str to path, optional
        Files of certificates: 'ca', 'certificate', 'key', and 'server_name', the name in the server's certificate.
    timeout : float > 0 [s]
        Time for which a call is tried again while the server is away.

    Attributes
    ----------
    address : str
        Address without credentials, for messages.
    is_lite : bool
        True for a file of Milvus Lite.

    Raises
    ------
    ParameterError
        If an argument is wrong.
    """

    def __init__(
        self,
        uri: str,
        token: str | None = None,
        database: str | None = None,
        tls: Mapping[str, str] | None = None,
        timeout: float = 60.0,
    ):
        self.timeout = real_number("timeout", timeout, above=0, maximum=1e6)
        for name, value in (("token", token), ("database", database)):
            if value is not None and not isinstance(value, str):
                raise ParameterError(f"{name} must be a string, got {type(value).__name__}")
        self.is_lite, self._uri, self.address = _parse_uri(uri)
        secrets = (token, (token or "").partition(":")[2], urlsplit(self._uri).password)
        self._secrets = [secret for secret in secrets if secret]
        self._arguments: dict[str, Any] = {"token": token or "", "db_name": database or "", **_tls_arguments(tls)}
        self._lock = threading.Lock()
        self._client: Any = None

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("_lock", "_client")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _lock=threading.Lock(), _client=None)

    def close(self) -> None:
        """Close the connection; the next call opens it again."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def client(self) -> Any:
        """Return the client of pymilvus, connected.

        Raises
        ------
        SearchError
            If pymilvus is not installed, the server does not answer, or it refuses the token.
        """
        with self._lock:
            if self._client is None:
                self._client = self._connected()
            return self._client

    def _connected(self) -> Any:
        pymilvus = package("pymilvus", self.address)
        if self.is_lite:
            package("milvus_lite", self.address)
        seconds = min(self.timeout, _CONNECT_SECONDS)
        deadline = time.monotonic() + seconds
        while True:
            try:
                return pymilvus.MilvusClient(self._uri, timeout=seconds, **self._arguments)
            except (pymilvus.MilvusException, OSError, ValueError) as caught:
                error = caught
            text = self._text(error)
            details = self._text(error.__cause__ or error)  # of gRPC
            if "WRONG_VERSION_NUMBER" in details:
                raise SearchError("the server answers without TLS: correct uri to http://", self.address) from error
            if "verification" in details.lower():  # which is "unauthenticated", too
                advice = "Correct uri, or 'server_name' of tls"
                raise SearchError(f"the server's certificate is refused: {details}. {advice}", self.address) from error
            if any(word in details.lower() for word in _UNAUTHENTICATED):
                raise self._refused_token(details) from error
            if self.is_lite:
                advice = "It may be damaged, or another process may be using it: one at a time can"
                raise SearchError(f"Milvus Lite cannot open the file: {text}. {advice}", self.address) from error
            if time.monotonic() + _FIRST_PAUSE > deadline:
                other = "without TLS has http://" if self.address.startswith("https:") else "with TLS has https://"
                advice = f"Start it, or correct uri or tls: the address of a server {other}"
                raise SearchError(
                    f"no Milvus server answers in {seconds:g} s: {text}. {advice}", self.address
                ) from error
            time.sleep(_FIRST_PAUSE)

    def call(self, method: str, *args: Any, collection: str, **kwargs: Any) -> Any:
        """Call a method of pymilvus's client for a collection, again while the server is away for a moment.

        A collection that is not in memory, as after a restart of the server, is loaded.

        Raises
        ------
        Refusal
            If the server refuses the request.
        SearchError
            If the server stays away, or refuses the token.
        """
        pymilvus, grpc = package("pymilvus", self.address), package("grpc", self.address)
        deadline, pause = time.monotonic() + self.timeout, _FIRST_PAUSE
        name = method
        while True:
            # A server that hangs is asked again, too: each attempt has a third of the time.
            left = max(1.0, min(deadline - time.monotonic(), self.timeout / 3))
            try:
                if name != method:
                    self.client().load_collection(collection, timeout=left)
                    name = method
                return getattr(self.client(), method)(collection, *args, timeout=left, **kwargs)
            except (pymilvus.MilvusException, grpc.RpcError) as caught:
                error = caught
            text, code = self._text(error), _code(error)
            if "expression" not in text and any(word in text.lower() for word in _UNAUTHENTICATED):
                raise self._refused_token(text) from error
            if code in _NOT_LOADED:
                name = "load_collection"
            elif not _is_away(code, text):
                raise Refusal(text, code) from error
            if time.monotonic() + pause > deadline:
                raise SearchError(
                    f"the Milvus server is away, which was asked again for {self.timeout:g} s: {text}. "
                    "What it acknowledged is kept: start it, and repeat the call",
                    self.address,
                ) from error
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _refused_token(self, text: str) -> SearchError:
        if not self._secrets:
            return SearchError(
                "the server asks for a token, and none was given: pass token, "
                "which the commands take from the environment variable MXNET_AUDIO_MILVUS_TOKEN",
                self.address,
            )
        return SearchError(f"the server refuses the token: {text}", self.address)

    def _text(self, error: BaseException) -> str:
        """Return the message of an error in one line, without the token."""
        details = getattr(error, "details", None)
        text = getattr(error, "message", "") or (details() if callable(details) else "") or str(error)
        for secret in self._secrets:
            text = text.replace(secret, "…")
        return " ".join(text.split())[:1000]


def _code(error: Any) -> int:
    """Return the code of an error of pymilvus, or of gRPC as `_AWAY` has it; 0 if it is unknown."""
    code = error.code() if callable(error.code) else error.code
    name = getattr(code, "name", "")
    if name in ("UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED"):
        return 2
    return code if isinstance(code, int) else 0


def _is_away(code: int, text: str) -> bool:
    """Return True if the same request may succeed later."""
    quotes_request = "expression" in text  # in which any words may occur
    return code in _AWAY or (not quotes_request and any(word in text.lower() for word in _AWAY_WORDS))


def package(name: str, address: str) -> Any:
    """Import pymilvus or a part of it; SearchError with the command that installs it if it is missing."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # gRPC would print each failed attempt, which is an error here
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        install = "milvus-lite" if name == "milvus_lite" else "'pymilvus<4' 'pandas<3'"  # later ones need NumPy 2
        raise SearchError(f"the engine 'milvus' needs the package {name}: pip install {install}", address) from error
    # They would log every error with its traceback, which is an exception of this package already.
    for logger in ("pymilvus", "milvus_lite", *(["grpc._server"] if name == "milvus_lite" else [])):
        logging.getLogger(logger).setLevel(logging.CRITICAL)
    return module


def _parse_uri(uri: Any) -> tuple[bool, str, str]:
    """Return whether a URI is of Milvus Lite, the URI for pymilvus, and the address without credentials."""
    if isinstance(uri, str) and "://" in uri:
        try:
            parts = urlsplit(uri)
            port = parts.port or (443 if parts.scheme == "https" else 19530)
        except ValueError as error:
            raise ParameterError(f"uri is not an address: {error}") from None
        if parts.scheme in ("http", "https") and parts.hostname:
            database = f"/{parts.path.split('/')[1]}".rstrip("/") if parts.path else ""
            return False, uri, f"{parts.scheme}://{parts.hostname}:{port}{database}"
    elif isinstance(uri, str | os.PathLike) and path_argument("uri", uri).suffix == ".db":
        path = Path(os.fsdecode(uri)).absolute()
        if path.parent.is_dir():
            return True, str(path), str(path)
        raise ParameterError(f"uri must be a file in a folder that exists, got {shown(str(path))}")
    advice = f", got {uri!r}: did you mean 'http://{uri}'?" if isinstance(uri, str) and _HOST.fullmatch(uri) else ""
    raise ParameterError(
        f"uri must be http://host:19530, https://host, or a file of Milvus Lite that ends in .db{advice}"
    )


def _tls_arguments(tls: Any) -> dict[str, Any]:
    """Return the arguments of pymilvus's client for the files of certificates."""
    if tls is None:
        return {}
    if not isinstance(tls, Mapping):
        raise ParameterError(f"tls must be a mapping of names to paths, got {shown(tls)}")
    # pymilvus would otherwise share a connection to the same address, which may have other certificates.
    arguments: dict[str, Any] = {"secure": True, "dedicated": True}
    for name, value in tls.items():
        name = one_of("tls", name, (*_TLS_FILES, "server_name"))
        if name != "server_name" and not path_argument(f"tls[{name!r}]", value).is_file():
            raise ParameterError(f"tls[{name!r}] must be a file, got {shown(value)}")
        arguments[_TLS_FILES.get(name, name)] = os.fsdecode(value)
    # pymilvus has another name for the only certificate, if the client has none of its own.
    if "client_pem_path" not in arguments and "ca_pem_path" in arguments:
        arguments["server_pem_path"] = arguments.pop("ca_pem_path")
    return arguments

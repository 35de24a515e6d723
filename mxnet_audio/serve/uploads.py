"""Sounds that requests send or name, as open files: streamed, limited, and never under a name that could be guessed."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, BinaryIO

import anyio.to_thread
from fastapi import FastAPI, Request
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mxnet_audio.atomic import parse_json
from mxnet_audio.errors import ParameterError
from mxnet_audio.serve.problems import (
    Busy,
    NotServed,
    TooLarge,
    TooSlow,
    UnknownSound,
    UnsupportedType,
    problem_response,
)
from mxnet_audio.serve.regular_files import open_regular
from mxnet_audio.serve.settings import ServeSettings

__all__ = ["UPLOAD_BODY", "Upload", "install_uploads", "receive_upload", "shown_name"]

_MAX_JSON = 16 << 10  # bytes: a body holds one path
_MAX_FIELD = 4 << 10  # bytes of a form's field
_BLOCK = 1 << 20  # bytes that are written at once
_LONGEST_NAME = 255  # characters that are shown
MOST_BYTES = 2 << 30  # of the bodies of all requests that run, together; or one body of the largest size

_TOO_MANY = "too many sounds are being uploaded: try again later"

#: Request body of the routes that take a sound, for `openapi_extra={"requestBody": UPLOAD_BODY}` of FastAPI.
UPLOAD_BODY: dict[str, Any] = {
    "required": True,
    "description": "A sound file, as a form's field `file` or as the body itself; or the `path` of a file of the "
    "server's folder of sounds.",
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "properties": {
                    "file": {"type": "string", "format": "binary", "description": "sound file"},
                    "path": {"type": "string", "description": "path within the server's folder of sounds"},
                },
                "minProperties": 1,
                "maxProperties": 1,
            }
        },
        "application/json": {
            "schema": {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]},
            "example": {"path": "birds/wren.wav"},
        },
        "audio/*": {"schema": {"type": "string", "format": "binary"}},
        "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
    },
}


@dataclass(frozen=True, eq=False)
class Upload:
    """Sound file of a request.

    Attributes
    ----------
    name : str
        Name to show: of an upload, the last part of its file's name; of a served file, its path within the root.
    file : binary file object
        Open file at position 0, without a name. Whoever is finished with it may close it early.
    """

    name: str
    file: BinaryIO


@asynccontextmanager
async def receive_upload(request: Request) -> AsyncIterator[Upload]:
    """Receive the sound of a request, for apps with `install_uploads`; at the end, its file is closed and so deleted.

    Parameters
    ----------
    request : fastapi.Request

    Yields
    ------
    Upload

    Raises
    ------
    RequestError
        `TooLarge`, `TooSlow`, `UnsupportedType`, `UnknownSound`, `NotServed` or `Busy`.
    ParameterError
        The body names no sound.
    """
    upload = await request.app.state.uploads.receive(request)
    try:
        yield upload
    finally:
        upload.file.close()


def install_uploads(app: FastAPI, settings: ServeSettings) -> None:
    """Limit the bodies of all requests of an app, and let it receive sounds (`receive_upload`).

    Parameters
    ----------
    app : fastapi.FastAPI
    settings : ServeSettings
        `max_bytes`, `upload_timeout`, `queue_size` and `audio_root` are used.
    """
    app.state.uploads = _Uploads(settings)
    app.add_middleware(_BodyLimit, max_bytes=settings.max_bytes)


class _BodyLimit:
    """Layer of an app that refuses bodies with too many bytes, each or together, whatever their headers declare."""

    def __init__(self, app: ASGIApp, max_bytes: int):
        self._app, self._max_bytes = app, max_bytes
        self._detail = f"the body has more than {max_bytes} bytes"
        self._total = 0  # bytes of the bodies of all requests that run: their files exist until they end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        declared = Headers(scope=scope).get("content-length", "").lstrip("0")
        if declared.isdecimal() and (len(declared) > 18 or int(declared) > self._max_bytes):
            return await problem_response(413, TooLarge.kind, self._detail)(scope, receive, send)
        count = 0

        async def counted() -> Message:
            nonlocal count
            message = await receive()
            size = len(message.get("body", b""))
            count, self._total = count + size, self._total + size
            if count > self._max_bytes:
                raise HTTPException(413, self._detail)  # which the apps of other packages answer, too
            if self._total > max(MOST_BYTES, self._max_bytes):
                raise HTTPException(429, _TOO_MANY, Busy.headers)
            return message

        try:
            await self._app(scope, counted, send)
        finally:
            self._total -= count


class _Uploads:
    """Reader of the sounds of requests, at most `queue_size` of them at once."""

    def __init__(self, settings: ServeSettings):
        self._settings = settings
        self._count = 0  # being received

    async def receive(self, request: Request) -> Upload:
        """Return the sound of a request, whose file the caller closes; errors as `receive_upload`."""
        if self._count >= self._settings.queue_size:
            raise Busy(_TOO_MANY)
        self._count += 1
        try:
            with anyio.fail_after(self._settings.upload_timeout):
                return await self._received(request)
        except TimeoutError:
            raise TooSlow(f"the body did not arrive within {self._settings.upload_timeout:g} s") from None
        finally:
            self._count -= 1

    async def _received(self, request: Request) -> Upload:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "multipart/form-data":
            form = await request.form(max_files=1, max_fields=1, max_part_size=_MAX_FIELD)
            try:
                return await self._of_form(form)
            except BaseException:
                await form.close()
                raise
        if kind == "application/json":
            return await self._served(await _named_path(request))
        if kind.startswith(("audio/", "video/")) or kind in ("application/octet-stream", "application/ogg"):
            return Upload("sound", await _stored(request))
        raise UnsupportedType(
            "send a sound as multipart/form-data with a field 'file', or as a body of type audio/* or "
            f"application/octet-stream, or JSON with a path; got {kind[:100] or 'no content type'}"
        )

    async def _of_form(self, form: FormData) -> Upload:
        fields = form.multi_items()
        if len(fields) == 1:
            name, value = fields[0]
            if name == "file" and isinstance(value, UploadFile):
                return Upload(shown_name(value.filename), value.file)
            if name == "path" and isinstance(value, str):
                return await self._served(value)
        raise ParameterError(
            "the form must have one field, 'file' with a sound file or 'path'; parameters are part of the address, "
            "such as ?channel=left"
        )

    async def _served(self, path: str) -> Upload:
        root = self._settings.audio_root
        if root is None:
            raise NotServed("no folder of sounds is served: upload the sound, or start the server with --audio-root")
        return Upload(shown_name(path, folders=True), await anyio.to_thread.run_sync(_open_within, root, path))


def shown_name(name: str | None, *, folders: bool = False) -> str:
    """Return a user's name of a file for messages: without folders, and without characters that are not printable.

    Parameters
    ----------
    name : str or None
    folders : bool
        True keeps the folders.

    Returns
    -------
    str
        At most 255 characters; ``'sound'`` if there is no name.

    Examples
    --------
    >>> shown_name("C:\\\\sounds\\\\wren\\x1b.wav"), shown_name(None)
    ('wren\ufffd.wav', 'sound')
    """
    text = name or ""
    if not folders:
        text = text.replace("\\", "/").rpartition("/")[2]
    return "".join(c if c.isprintable() else "\ufffd" for c in text[:_LONGEST_NAME]) or "sound"


async def _stored(request: Request) -> BinaryIO:
    """Write a body to a temporary file without a name."""
    file: Any = TemporaryFile()  # noqa: SIM115 - the caller closes it
    try:
        buffer = bytearray()
        async for chunk in request.stream():
            buffer += chunk
            if len(buffer) >= _BLOCK:  # the disk may be slow
                await anyio.to_thread.run_sync(file.write, buffer)
                buffer = bytearray()
        file.write(buffer)
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file


async def _named_path(request: Request) -> str:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_JSON:
            raise TooLarge(f"a body of JSON has at most {_MAX_JSON} bytes")
    try:
        document = parse_json(body)
    except ValueError as error:
        raise ParameterError(f"the body is not JSON: {error}") from None
    if isinstance(document, dict) and list(document) == ["path"] and isinstance(document["path"], str):
        return document["path"]
    raise ParameterError('the body must be JSON like {"path": "birds/wren.wav"}')


def _open_within(root: Path, name: str) -> BinaryIO:
    """Open a regular file within a folder; the error is the same whatever lies outside of it."""
    unknown = UnknownSound("no such sound on this server")
    if "\\" in name or name.startswith("/") or ".." in name.split("/"):
        raise unknown
    try:
        real = os.path.realpath(root / name, strict=True)
        if not Path(real).is_relative_to(os.path.realpath(root)):
            raise unknown
        return open_regular(real)  # what was put in the place of a file or a folder meanwhile is not followed
    except (OSError, ValueError):  # missing, not permitted, a directory, a pipe, too long, or not a name at all
        raise unknown from None

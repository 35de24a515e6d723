"""Sounds that requests send or name, as open files: streamed, limited, and never under a name that could be guessed."""

from __future__ import annotations

import os
import stat
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, BinaryIO

import anyio.to_thread
from fastapi import Request
from starlette.datastructures import FormData, UploadFile
from starlette.types import Message

from mxnet_audio.atomic import parse_json
from mxnet_audio.checks import shown
from mxnet_audio.errors import ParameterError
from mxnet_audio.serve.problems import Busy, NotServed, TooLarge, TooSlow, UnknownSound, UnsupportedType
from mxnet_audio.serve.settings import ServeSettings

__all__ = ["UPLOAD_BODY", "Upload", "Uploads", "receive_upload", "shown_name"]

_MAX_JSON = 16 << 10  # bytes: a body holds one path
_MAX_FIELD = 4 << 10  # bytes of a form's field
_LONGEST_NAME = 255  # characters that are shown

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


async def receive_upload(request: Request) -> AsyncIterator[Upload]:
    """Yield the sound of a request; a dependency of FastAPI, for apps with `Uploads` in ``app.state.uploads``.

    The file is closed, and by that deleted, when the request ends.

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


class Uploads:
    """Reader of the sounds of requests, at most `queue_size` of them at once.

    Parameters
    ----------
    settings : ServeSettings
        `max_bytes`, `upload_timeout`, `queue_size` and `audio_root` are used.
    """

    def __init__(self, settings: ServeSettings):
        self._settings = settings
        self._count = 0  # being received

    async def receive(self, request: Request) -> Upload:
        """Return the sound of a request, whose file the caller closes; errors as `receive_upload`."""
        if self._count >= self._settings.queue_size:
            raise Busy("too many sounds are being uploaded: try again later")
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
            async with _limited(request, self._settings.max_bytes).form(
                max_files=1, max_fields=1, max_part_size=_MAX_FIELD
            ) as form:
                return await self._of_form(form)
        if kind == "application/json":
            return await self._served(_named_path(await _limited(request, _MAX_JSON).body()))
        if kind.startswith(("audio/", "video/")) or kind in ("application/octet-stream", "application/ogg"):
            return Upload("sound", await _stored(_limited(request, self._settings.max_bytes)))
        raise UnsupportedType(
            "send a sound as multipart/form-data with a field 'file', or as a body of type audio/* or "
            f"application/octet-stream, or JSON with a path; got {kind[:100] or 'no content type'}"
        )

    async def _of_form(self, form: FormData) -> Upload:
        for name, value in form.multi_items():
            if name == "file" and isinstance(value, UploadFile):
                # The form's own file is closed with the form; a copy of its descriptor has the same content.
                return Upload(shown_name(value.filename), os.fdopen(os.dup(value.file.fileno()), "rb"))
            if name == "path" and isinstance(value, str):
                return await self._served(value)
        raise ParameterError("the form must have a field 'file' with a sound file, or a field 'path'")

    async def _served(self, path: str) -> Upload:
        root = self._settings.audio_root
        if root is None:
            raise NotServed("this server has no folder of sounds: upload the sound")
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


def _limited(request: Request, max_bytes: int) -> Request:
    """Return a request whose body raises TooLarge beyond a number of bytes, whatever its header declares."""
    error = TooLarge(f"the body has more than {max_bytes} bytes")
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and (len(declared) > 15 or int(declared) > max_bytes):
        raise error
    count = 0

    async def receive() -> Message:
        nonlocal count
        message = await request.receive()
        count += len(message.get("body", b""))
        if count > max_bytes:
            raise error
        return message

    return Request(request.scope, receive)


async def _stored(request: Request) -> BinaryIO:
    """Write a body to a temporary file without a name."""
    file: Any = TemporaryFile()  # noqa: SIM115 - the caller closes it
    try:
        async for chunk in request.stream():
            await anyio.to_thread.run_sync(file.write, chunk)
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file


def _named_path(body: bytes) -> str:
    try:
        document = parse_json(body)
    except ValueError as error:
        raise ParameterError(f"the body is not JSON: {error}") from None
    if isinstance(document, dict) and list(document) == ["path"] and isinstance(document["path"], str):
        return document["path"]
    raise ParameterError(f'the body must be JSON like {{"path": "birds/wren.wav"}}, got {shown(document)}')


def _open_within(root: Path, name: str) -> BinaryIO:
    """Open a regular file within a folder; the error is the same whatever lies outside of it."""
    unknown = UnknownSound("no such sound on this server")
    if "\\" in name or name.startswith("/") or ".." in name.split("/"):
        raise unknown
    try:
        real = os.path.realpath(root / name, strict=True)
        if not Path(real).is_relative_to(os.path.realpath(root)):
            raise unknown
        # A pipe would block, and a link that was put in the place of the file could lead outside.
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        file = os.fdopen(os.open(real, flags), "rb")
    except (OSError, ValueError):  # missing, not permitted, a directory, too long, or not a name at all
        raise unknown from None
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise unknown
    return file

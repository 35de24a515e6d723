"""Routes of Gradio that the page needs, with the server's limits, and a private folder for its uploads."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException
from starlette.routing import Match, Mount

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from mxnet_audio.serve.settings import ServeSettings

__all__ = ["PageMount", "UploadFolder"]

KEPT = 600.0  # [s] that an upload can be played and analysed again
SWEEP = 30.0  # [s] between two looks for old uploads
MAX_UPLOADS = 16  # times max_bytes, of all uploads together
MAX_MESSAGE = 64 << 10  # bytes of a request that is no upload

GET_PATHS = {
    "/",
    "/favicon.ico",
    "/manifest.json",
    "/theme.css",
    "/gradio_api/queue/data",
    "/gradio_api/upload_progress",
}
GET_FOLDERS = ("/assets/", "/static/")
POST_PATHS = {"/gradio_api/queue/join", "/gradio_api/upload"}
FILE = "/gradio_api/file="


class UploadFolder:
    """Private folder of the page's uploads, which are deleted after ten minutes and at the end.

    Parameters
    ----------
    parent : str
        Folder to make it in.
    """

    def __init__(self, parent: str):
        self._folder = tempfile.TemporaryDirectory(dir=parent)  # mode 0700, a random name
        self.path = Path(self._folder.name).resolve()

    def holds(self, path: str) -> bool:
        """Return True if a path is that of a file in the folder."""
        try:
            real = Path(path).resolve()
            return real.is_relative_to(self.path) and real.is_file()
        except (OSError, ValueError):  # a null character, a name that is too long
            return False

    def size(self) -> int:
        """Return the bytes of all files."""
        return sum(file.stat().st_size for file in self._files())

    def delete(self, age: float = 0.0) -> None:
        """Delete what was uploaded more than `age` seconds ago."""
        for child in self.path.iterdir():
            with suppress(FileNotFoundError):
                if child.lstat().st_mtime > time.time() - age:
                    continue
                if child.is_dir():
                    shutil.rmtree(child, ignore_errors=True)
                else:
                    child.unlink()

    @asynccontextmanager
    async def swept(self, app: Any) -> AsyncIterator[None]:
        """Delete old uploads while a Gradio app runs, and all at its end."""

        async def sweep() -> None:
            while True:
                await asyncio.sleep(SWEEP)
                await asyncio.to_thread(self.delete, KEPT)
                app.get_blocks().upload_file_set.clear()  # names of all uploads so far

        task = asyncio.create_task(sweep())
        try:
            yield
        finally:
            task.cancel()
            self.delete()

    def _files(self) -> list[Path]:
        return [file for file in self.path.rglob("*") if file.is_file()]


class PageMount(Mount):
    """Mount of a Gradio app at ``/`` that has only those of its routes that the page calls.

    All other paths are as if there were no page. Requests have the server's limits of bytes and time, and no headers
    of CORS.

    Parameters
    ----------
    app : gradio.routes.App
    folder : UploadFolder
        Only files in it are sent.
    settings : ServeSettings
    """

    def __init__(self, app: ASGIApp, folder: UploadFolder, settings: ServeSettings):
        super().__init__("/", app=self._limited, name="page")
        self._gradio, self._folder, self._settings = app, folder, settings
        self._arriving = 0  # uploads

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match only requests of the page."""
        if scope["type"] != "http" or not self._is_needed(scope["method"], scope["path"]):
            return Match.NONE, {}
        return super().matches(scope)

    def _is_needed(self, method: str, path: str) -> bool:
        if method == "POST":
            return path in POST_PATHS
        if method not in ("GET", "HEAD"):
            return False
        if path.startswith(FILE):
            return self._folder.holds(path.removeprefix(FILE))
        return path in GET_PATHS or path.startswith(GET_FOLDERS)

    async def _limited(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Gradio would answer requests of other origins with headers of CORS.
        scope["headers"] = [(name, value) for name, value in scope["headers"] if name != b"origin"]
        if scope["method"] != "POST":
            return await self._gradio(scope, receive, send)
        settings, is_upload = self._settings, scope["path"].endswith("/upload")
        receive = _limited_body(receive, settings.max_bytes if is_upload else MAX_MESSAGE, settings.upload_timeout)
        # Each of those that are arriving may still become as large as it may be.
        if is_upload and self._folder.size() > (MAX_UPLOADS - 1 - self._arriving) * settings.max_bytes:
            raise HTTPException(429, "too many uploads: try again in some minutes", {"Retry-After": "60"})
        self._arriving += is_upload
        try:
            await self._gradio(scope, receive, send)
        finally:
            self._arriving -= is_upload


def _limited_body(receive: Receive, limit: int, seconds: float) -> Receive:
    """Return `receive` that raises HTTPException if the body is too long or too slow."""
    count, end, is_complete = 0, time.monotonic() + seconds, False

    async def limited() -> Message:
        nonlocal count, is_complete
        if is_complete:  # wait for the end of the connection
            return await receive()
        try:
            message = await asyncio.wait_for(receive(), max(0.0, end - time.monotonic()))
        except asyncio.TimeoutError:
            raise HTTPException(408, "the upload takes too long") from None
        count += len(message.get("body", b""))
        is_complete = not message.get("more_body", False)
        if count > limit:
            raise HTTPException(413, f"the upload is larger than {limit:,} bytes")
        return message

    return limited

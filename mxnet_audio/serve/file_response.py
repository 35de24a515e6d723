"""Answers with open files, or a range of them (RFC 9110).

`FileResponse` of Starlette opens a path again, which could be a link by then, and has no answer 304.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timezone
from email.utils import format_datetime, parsedate_to_datetime
from typing import BinaryIO
from urllib.parse import quote

from anyio import to_thread
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from mxnet_audio.serve.problems import problem_response

__all__ = ["OpenFileResponse", "disposition", "file_response", "parse_range"]

_BLOCK = 1 << 18  # bytes that are read at a time
# Python refuses numbers of more than 4300 digits.
_RANGE = re.compile(r"\s*bytes\s*=\s*(\d{0,4000})-(\d{0,4000})\s*", re.ASCII | re.IGNORECASE)
_UNSAFE = re.compile(r"[^ !#$%&\'()+,.0-9;=@A-Z\[\]^_`a-z{}~-]")

Span = tuple[int, int]  # first byte, and the one after the last


class OpenFileResponse(StreamingResponse):
    """Answer with a span of an open file, which is closed at its end.

    Parameters
    ----------
    file : binary file object
    span : (int, int)
        First byte, and the one after the last.
    status : int
    headers : mapping of str to str
        With the content's type and length.
    """

    def __init__(self, file: BinaryIO, span: Span, status: int, headers: Mapping[str, str]):
        super().__init__(_content(file, *span), status, headers)
        self._file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._file.close()


def file_response(
    file: BinaryIO, name: str, media_type: str, request_headers: Mapping[str, str], is_head: bool = False
) -> Response:
    """Return the answer to a request for a file: all of it, a range of it, or that it has not changed.

    Parameters
    ----------
    file : binary file object
        Regular file; the answer closes it.
    name : str
        Name to save it under.
    media_type : str
    request_headers : mapping of str to str
        Headers of the request, with names in lower case.
    is_head : bool
        True for the method HEAD, whose answer has no content, and for which ranges have no meaning.

    Returns
    -------
    starlette.responses.Response
        Of the status 200, 206, 304, or 416 if no byte that is asked for is in the file. Several ranges in one request,
        which no player asks for, are answered with the whole file.
    """
    status, now = os.fstat(file.fileno()), time.time()
    size, changed = status.st_size, datetime.fromtimestamp(int(min(max(0, status.st_mtime), now)), timezone.utc)
    headers = {
        "etag": f'"{status.st_mtime_ns:x}-{size:x}"',
        "last-modified": format_datetime(changed, usegmt=True),
        "cache-control": "private, no-cache",  # a cache may keep it, but asks whether it has changed
    }
    if _is_unchanged(request_headers, headers["etag"], changed):
        file.close()
        return Response(status_code=304, headers=headers)
    is_settled = now - status.st_mtime > 1  # the date tells all changes apart
    headers |= {"accept-ranges": "bytes", "content-disposition": disposition(name), "content-type": media_type}
    asked = None if is_head else request_headers.get("range")
    condition = request_headers.get("if-range", headers["etag"])
    if condition != headers["etag"] and not (condition == headers["last-modified"] and is_settled):
        asked = None
    span = None if asked is None else parse_range(asked, size)
    if span is None:
        return OpenFileResponse(file, (0, 0 if is_head else size), 200, headers | {"content-length": str(size)})
    start, stop = span
    if start >= stop:
        file.close()
        reason = f"the file has {size} bytes, and none of them was asked for"
        return problem_response(416, "unsatisfiable-range", reason, {"Content-Range": f"bytes */{size}"})
    headers |= {"content-range": f"bytes {start}-{stop - 1}/{size}", "content-length": str(stop - start)}
    return OpenFileResponse(file, span, 206, headers)


def parse_range(header: str, size: int) -> Span | None:
    """Parse the header Range of a request for a file.

    Parameters
    ----------
    header : str
    size : int >= 0
        Bytes of the file.

    Returns
    -------
    (int, int) or None
        First byte, and the one after the last, which are equal if no byte of the range is in the file. None if the
        header is to be ignored: malformed, in another unit, or of several ranges.

    Examples
    --------
    >>> [parse_range(header, 100) for header in ("bytes=0-1", "bytes=-3", "bytes=90-", "bytes=200-")]
    [(0, 2), (97, 100), (90, 100), (100, 100)]
    >>> [parse_range(header, 100) for header in ("bytes=3-1", "lines=1-2", "bytes=0-1,5-6")]
    [None, None, None]
    """
    match = _RANGE.fullmatch(header)
    first, last = (None, None) if match is None else (int(number) if number else None for number in match.groups())
    if first is None:
        return None if last is None else (max(0, size - last), size)
    if last is None:
        return min(first, size), size
    return None if last < first else (min(first, size), min(last + 1, size))


def disposition(name: str) -> str:
    """Return the header Content-Disposition for a file that is shown, and saved under a name.

    Examples
    --------
    >>> disposition('a "b".wav'), disposition("ö/ü.wav")
    ('inline; filename="a _b_.wav"', 'inline; filename="_.wav"; filename*=UTF-8\\'\\'%C3%BC.wav')
    """
    name = re.sub(r'[<>:"|?*\\]', "_", name.rpartition("/")[2])
    plain = _UNSAFE.sub("_", name)
    return f'inline; filename="{plain}"' + ("" if plain == name else f"; filename*=UTF-8''{quote(name, safe='')}")


def _is_unchanged(request_headers: Mapping[str, str], etag: str, changed: datetime) -> bool:
    """Return True if the client has the file already, as it says by a condition."""
    if (tags := request_headers.get("if-none-match")) is not None:
        return tags.strip() == "*" or etag in (tag.strip().removeprefix("W/") for tag in tags.split(","))
    try:
        since = parsedate_to_datetime(request_headers.get("if-modified-since", ""))
    except (OverflowError, ValueError):
        return False
    return since.tzinfo is not None and changed <= since


async def _content(file: BinaryIO, start: int, stop: int) -> AsyncIterator[bytes]:
    """Yield a span of the file block by block."""
    while start < stop:
        block = await to_thread.run_sync(_read, file, start, min(_BLOCK, stop - start))
        if not block:  # the file has become shorter; the connection is closed before its declared length
            return
        yield block
        start += len(block)


def _read(file: BinaryIO, start: int, count: int) -> bytes:
    file.seek(start)
    return file.read(count)

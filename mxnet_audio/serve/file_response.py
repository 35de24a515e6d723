"""Answers with open files, or ranges of them (RFC 9110)."""

from __future__ import annotations

import os
import re
import secrets
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

__all__ = ["OpenFileResponse", "disposition", "file_response", "parse_ranges"]

_BLOCK = 1 << 18  # bytes that are read at a time
_MAX_RANGES = 50
_RANGE = re.compile(r"(\d{0,4000})-(\d{0,4000})", re.ASCII)  # Python refuses numbers of more digits
_UNSAFE = re.compile(r"[^ !#$%&\'()+,.0-9;=@A-Z\[\]^_`a-z{}~-]")

Span = tuple[int, int]  # first byte, and the one after the last


class OpenFileResponse(StreamingResponse):
    """Answer with parts of an open file, which is closed at its end.

    Parameters
    ----------
    file : binary file object
    pieces : sequence of bytes or (int, int)
        Bytes to send, and spans of the file.
    status : int
    headers : mapping of str to str
        With the content's type and length.
    """

    def __init__(self, file: BinaryIO, pieces: list[bytes | Span], status: int, headers: Mapping[str, str]):
        super().__init__(_content(file, pieces), status, headers)
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
    """Return the answer to a request for a file: all of it, ranges of it, or that it has not changed.

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
        Of the status 200, 206, 304, or 416 if no byte that is asked for is in the file.
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
    spans = None if asked is None else parse_ranges(asked, size)
    if spans is None:
        return OpenFileResponse(file, [] if is_head else [(0, size)], 200, headers | {"content-length": str(size)})
    if not spans:
        file.close()
        reason = f"the file has {size} bytes, and none of them was asked for"
        return problem_response(416, "unsatisfiable-range", reason, {"Content-Range": f"bytes */{size}"})
    if len(spans) > 1:
        return _several(file, spans, size, media_type, headers)
    ((start, stop),) = spans
    headers |= {"content-range": f"bytes {start}-{stop - 1}/{size}", "content-length": str(stop - start)}
    return OpenFileResponse(file, [(start, stop)], 206, headers)


def parse_ranges(header: str, size: int) -> list[Span] | None:
    """Parse the header Range of a request for a file.

    Parameters
    ----------
    header : str
    size : int >= 0
        Bytes of the file.

    Returns
    -------
    list of (int, int) or None
        First byte, and the one after the last, of each range that is in the file, in the order of the header. None if
        the header is to be ignored: in another unit, malformed, of more than 50 ranges, or of ranges that are together
        longer than the file.

    Examples
    --------
    >>> parse_ranges("bytes=0-1, -3, 90-", 100)
    [(0, 2), (97, 100), (90, 100)]
    >>> parse_ranges("bytes=100-", 100), parse_ranges("bytes=3-1", 100), parse_ranges("lines=1-2", 100)
    ([], None, None)
    """
    unit, _, ranges = header.partition("=")
    asked = [part.strip(" \t") for part in ranges.split(",")]
    asked = [part for part in asked if part]  # a list may have empty parts
    if unit.strip().lower() != "bytes" or not 0 < len(asked) <= _MAX_RANGES:
        return None
    spans = []
    for part in asked:
        match = _RANGE.fullmatch(part)
        if match is None or part == "-":
            return None
        first, last = (int(number) if number else None for number in match.groups())
        if first is None:
            start, stop = max(0, size - (last or 0)), size
        else:
            start, stop = first, size if last is None else min(last + 1, size)
            if last is not None and last < first:
                return None
        if start < stop:
            spans.append((start, stop))
    return spans if sum(stop - start for start, stop in spans) <= size else None


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


def _several(file: BinaryIO, spans: list[Span], size: int, media_type: str, headers: Mapping[str, str]) -> Response:
    """Return the answer with several ranges."""
    boundary = secrets.token_hex(16)
    pieces: list[bytes | Span] = []
    for start, stop in spans:
        head = f"--{boundary}\r\nContent-Type: {media_type}\r\nContent-Range: bytes {start}-{stop - 1}/{size}\r\n\r\n"
        pieces += [head.encode("ascii"), (start, stop), b"\r\n"]
    pieces.append(f"--{boundary}--\r\n".encode("ascii"))
    length = sum(len(piece) if isinstance(piece, bytes) else piece[1] - piece[0] for piece in pieces)
    kind = f"multipart/byteranges; boundary={boundary}"
    return OpenFileResponse(file, pieces, 206, {**headers, "content-type": kind, "content-length": str(length)})


async def _content(file: BinaryIO, pieces: list[bytes | Span]) -> AsyncIterator[bytes]:
    """Yield bytes as they are, and spans of the file block by block."""
    for piece in pieces:
        if isinstance(piece, bytes):
            yield piece
            continue
        start, stop = piece
        while start < stop:
            block = await to_thread.run_sync(_read, file, start, min(_BLOCK, stop - start))
            if not block:  # the file has become shorter; the connection is closed before its declared length
                return
            yield block
            start += len(block)


def _read(file: BinaryIO, start: int, count: int) -> bytes:
    file.seek(start)
    return file.read(count)

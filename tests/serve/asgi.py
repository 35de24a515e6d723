"""Requests that are sent to an app part by part, and may end early."""

import itertools
from collections.abc import Iterable
from types import SimpleNamespace

import anyio


def request(
    app,
    parts: Iterable[bytes] = (),
    *,
    path: str = "/v1/sound",
    headers: dict[str, str] | None = None,
    stop: str = "end",
    run=anyio.run,
) -> SimpleNamespace:
    """Send a POST request to an app, and return its status, headers, body and the number of parts that were read.

    After the last part the body ends, the connection is closed ("disconnect"), or nothing happens ("wait"). A part that
    is a number is a pause in seconds.
    """
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path.partition("?")[0],
        "raw_path": path.partition("?")[0].encode(),
        "query_string": path.partition("?")[2].encode(),
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in (headers or {}).items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "state": {},
    }
    answer = SimpleNamespace(status=None, headers={}, body=b"", parts=0)
    remaining = itertools.chain(parts)
    has_ended = False

    async def receive():
        nonlocal has_ended
        for part in remaining:
            if isinstance(part, float):
                await anyio.sleep(part)
                continue
            answer.parts += 1
            return {"type": "http.request", "body": part, "more_body": True}
        if stop == "disconnect":
            return {"type": "http.disconnect"}
        if has_ended or stop == "wait":
            await anyio.sleep_forever()
        has_ended = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = {name.decode(): value.decode("latin-1") for name, value in message["headers"]}
        answer.body += message.get("body", b"")

    async def main():
        await app(scope, receive, send)

    run(main)
    return answer


def form(name: str, content: bytes, filename: str | None = None, boundary: str = "b") -> tuple[bytes, dict[str, str]]:
    """Return the body and the headers of a form with one field."""
    disposition = f'form-data; name="{name}"' + ("" if filename is None else f'; filename="{filename}"')
    head = f"--{boundary}\r\nContent-Disposition: {disposition}\r\n\r\n".encode()
    return head + content + f"\r\n--{boundary}--\r\n".encode(), {
        "Content-Type": f"multipart/form-data; boundary={boundary}"
    }

"""HTTP server for tests of downloads: a conftest.py imports the fixture `host`."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


class Host:
    """HTTP server of byte strings, with faults by options of a path.

    ``drop``: close the connection after this number of bytes of each response. ``ranges=False``: ignore Range.
    ``total=False``: omit the total size from the Content-Range header. ``slow``: seconds between blocks of 4 kB.
    ``headers``: dictionary of more headers. HEAD is answered as GET, without the bytes.
    """

    def __init__(self):
        self.files, self.requests, self.refusals = {}, [], {}
        host = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                requested = self.headers.get("Range")
                host.requests.append((self.path, requested))
                if self.path not in host.files:
                    self.refuse()
                    return
                data, options = host.files[self.path]
                total, start = len(data), 0
                if requested and options.get("ranges", True):
                    start = int(requested.removeprefix("bytes=").rstrip("-"))
                    if start >= total:
                        self.send_response(416)
                        self.send_header("Content-Range", f"bytes */{total}")
                        self.send_header("Content-Length", "0")
                        self.end_headers()
                        return
                    self.send_response(206)
                    size = total if options.get("total", True) else "*"
                    self.send_header("Content-Range", f"bytes {start}-{total - 1}/{size}")
                else:
                    self.send_response(200)
                body = data[start:]
                self.send_header("Content-Length", str(len(body)))
                for name, value in options.get("headers", {}).items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command == "HEAD":
                    return
                body = body[: options.get("drop", total)]
                step = 4096 if "slow" in options else max(1, len(body))
                for offset in range(0, len(body), step):
                    self.wfile.write(body[offset : offset + step])
                    time.sleep(options.get("slow", 0))
                self.close_connection = True

            do_HEAD = do_GET

            def refuse(self):
                prefix = max((prefix for prefix in host.refusals if self.path.startswith(prefix)), key=len, default="")
                code, headers = host.refusals.get(prefix, (404, {}))
                self.send_response(code)
                for name, value in ({"Content-Length": "0"} | headers).items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.server.shutdown()
        self.server.server_close()

    def put(self, path, data, **options):
        """Serve the bytes and return their URL."""
        self.files[path] = (data, options)
        return self.url + path

    def refuse(self, prefix, code, headers):
        """Answer requests of other paths that begin with `prefix` with a status code and headers."""
        self.refusals[prefix] = code, headers

    @property
    def url(self):
        """Address of the server."""
        return f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def host(monkeypatch):
    """Local HTTP server, which is reached without a proxy."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Host() as host:
        yield host

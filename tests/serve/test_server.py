"""Tests of the process of the server: connections that are too slow, and its end."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import pytest
from fastapi import FastAPI, Request
from starlette.responses import StreamingResponse
from typer.testing import CliRunner

from mxnet_audio.cli import app as cli
from mxnet_audio.errors import ParameterError
from mxnet_audio.serve import ServeSettings, server
from mxnet_audio.serve.problems import install_problems
from mxnet_audio.serve.uploads import install_uploads, receive_upload

SHORT = 0.5  # [s] of the limits
LONG = 20.0  # [s], which the tests wait for at most
SETTINGS = ServeSettings(upload_timeout=0.01, timeout=LONG, max_bytes=1 << 20)


def make_app():
    """Return an app with a route that reads its body, one that does not, and one with a long answer."""
    app = FastAPI()
    install_problems(app)
    install_uploads(app, SETTINGS)

    @app.get("/short")
    @app.post("/short")
    async def short():
        return "an answer"

    @app.post("/body")
    async def body(request: Request):
        return len(await request.body())

    @app.post("/v1/sound")
    async def sound(request: Request):
        async with receive_upload(request) as upload:
            return upload.name

    @app.get("/long")
    async def long():
        return StreamingResponse(bytes(1 << 20) for _ in range(1000))

    return app


@pytest.fixture(scope="module")
def running():
    """Server in a thread, with short limits."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HEAD_SECONDS", "LINGER_SECONDS", "STALLED_SECONDS"):
            patch.setattr(server, name, SHORT)
        address = socket.create_server(("127.0.0.1", 0))
        running = server._server(make_app(), SETTINGS)
        port = address.getsockname()[1]
        thread = threading.Thread(target=running.run, kwargs={"sockets": [address]})
        thread.start()
        yield SimpleNamespace(port=port, connections=running.server_state.connections)
        running.should_exit = True
        thread.join()


@pytest.fixture
def connection(running):
    with socket.create_connection(("127.0.0.1", running.port), LONG) as connection:
        yield connection


def read_end(connection):
    """Return what arrives until the server closes a connection."""
    received = b""
    with contextlib.suppress(ConnectionError):
        while block := connection.recv(1 << 16):
            received += block
    return received


def is_cut(connection, part, pause=SHORT / 10):
    """Send a part again and again, and return whether the server closes the connection."""
    deadline = time.monotonic() + LONG
    while time.monotonic() < deadline:
        try:
            connection.sendall(part)
        except ConnectionError:
            return True
        time.sleep(pause)
    return False


def test_answers_are_sent_without_delay():
    """Without this option, a body of an answer is sent 40 ms after its head."""
    with server._listening("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        connection, _ = listener.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_head_that_arrives_slowly_is_cut(connection):
    connection.sendall(b"GET /short HTTP/1.1\r\n")
    assert is_cut(connection, b"X: y\r\n")


def test_connections_without_a_request_are_cut(connection):
    assert read_end(connection) == b""


def test_a_body_that_arrives_slowly_is_cut(connection):
    connection.sendall(b"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 999999\r\n\r\n")
    assert is_cut(connection, b"x")


def test_a_second_head_that_arrives_slowly_is_cut(connection):
    connection.sendall(b"GET /short HTTP/1.1\r\nHost: a\r\n\r\n")
    assert connection.recv(1 << 16).startswith(b"HTTP/1.1 200")
    assert is_cut(connection, b"GET /short HTTP/1.1\r\n")


def test_a_connection_may_rest_between_requests(running):
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=LONG)
    for pause in (1.5 * SHORT, 1.5 * SHORT, 0):
        connection.request("POST", "/body", body=bytes(300_000))
        assert json.load(connection.getresponse()) == 300_000
        own = connection.sock
        time.sleep(pause)
    assert connection.sock is own
    connection.close()


def test_requests_may_follow_each_other_before_they_are_answered(connection):
    one = b"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
    connection.sendall(3 * one + one.replace(b"Host: a", b"Host: a\r\nConnection: close"))
    assert read_end(connection).count(b"HTTP/1.1 200") == 4


def test_an_upload_that_arrives_slowly_is_answered(connection):
    connection.sendall(b"POST /v1/sound HTTP/1.1\r\nHost: a\r\nContent-Type: audio/wav\r\nContent-Length: 9\r\n\r\nab")
    assert read_end(connection).startswith(b"HTTP/1.1 408")


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="the open files of a process are counted in /proc")
def test_uploads_that_are_broken_off_leave_no_open_files(running):
    def count():
        return len(list(Path("/proc/self/fd").iterdir()))

    deadline, before = time.monotonic() + LONG, count()
    head = b"POST /v1/sound HTTP/1.1\r\nHost: a\r\nContent-Type: audio/wav\r\nTransfer-Encoding: chunked\r\n\r\n"
    for number in range(20):
        with socket.create_connection(("127.0.0.1", running.port), LONG) as connection:
            connection.sendall(head + b"10000\r\n" + bytes(1 << (number % 17)))
    while count() > before and time.monotonic() < deadline:
        time.sleep(SHORT / 10)
    assert count() <= before


@pytest.mark.parametrize("head", [b"Content-Length: 10737418240", b"Transfer-Encoding: chunked"])
@pytest.mark.parametrize(("path", "status"), [(b"/body", b"413"), (b"/short", b"200"), (b"/missing", b"404")])
def test_the_rest_of_a_long_body_is_discarded_for_a_moment_only(connection, path, status, head):
    connection.sendall(b"POST " + path + b" HTTP/1.1\r\nHost: a\r\n" + head + b"\r\n\r\n")
    block = b"10000\r\n" + bytes(1 << 16) + b"\r\n"
    for _ in range(20):
        connection.sendall(block)
    expected = b"413" if b"Length" in head else status
    assert connection.recv(1 << 16).startswith(b"HTTP/1.1 " + expected)
    assert is_cut(connection, block, pause=0)


def test_a_reader_that_stalls_is_cut(running, connection):
    connection.sendall(b"GET /long HTTP/1.1\r\nHost: a\r\n\r\n")
    own = connection.getsockname()
    deadline = time.monotonic() + LONG
    assert connection.recv(4) == b"HTTP"
    while (is_open := any(one.client == own for one in set(running.connections))) and time.monotonic() < deadline:
        time.sleep(SHORT / 10)
    assert not is_open


@pytest.mark.parametrize(
    "junk",
    [
        b"\x16\x03\x01\x02\x00\x01" * 100,
        b"GET\r\n\r\n",
        b"X" * 100_000,
        b"GET / HTTP/1.1\r\nHost: a\r\nA: " + b"a" * 100_000,
    ],
    ids=["TLS", "line", "long", "header"],
)
def test_what_is_no_request_is_refused(connection, junk):
    with contextlib.suppress(ConnectionError):
        connection.sendall(junk)
    assert read_end(connection)[:12] in (b"HTTP/1.1 400", b"")


@pytest.mark.parametrize(
    ("host", "port"),
    [
        ("127.0.0.1", -1),
        ("127.0.0.1", 70_000),
        ("127.0.0.1", 8.5),
        ("192.0.2.1", 0),
        ("no such host", 0),
        ("a" * 300, 0),
    ],
    ids=range(6),
)
def test_addresses_that_cannot_be_used_are_named(host, port):
    with pytest.raises(ParameterError, match=r"port|listen"):
        server.run(make_app(), host, port, SETTINGS)


def test_a_port_that_is_in_use_is_named(running):
    with pytest.raises(ParameterError, match=f"port {running.port} of 127.0.0.1"):
        server.run(make_app(), "127.0.0.1", running.port, SETTINGS)


def test_a_damaged_model_ends_the_command(onnx_path, tmp_path):
    (tmp_path / "damaged.onnx").write_bytes(onnx_path.read_bytes()[:-1000])
    for path in (tmp_path / "damaged.onnx", tmp_path / "missing.onnx", tmp_path):
        result = CliRunner().invoke(cli, ["serve", "--model-dir", str(path), "--port", "0", "--no-page"])
        assert result.exit_code == 1 and isinstance(result.exception, SystemExit)
        assert f"error: {path}" in result.stderr and "Traceback" not in result.stderr


@pytest.fixture
def process(onnx_path):
    """Process of the command, and its port."""
    command = [sys.executable, "-m", "mxnet_audio", "serve", "--model-dir", str(onnx_path), "--port", "0", "--no-page"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process, int(process.stdout.readline().rpartition(":")[2])
        finally:
            process.kill()


@pytest.mark.slow
def test_a_signal_lets_requests_end(process, wav_bytes):
    process, port = process
    content = wav_bytes()
    head = "POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: audio/wav\r\nContent-Length: "
    with ExitStack() as stack:
        connection, resting = (
            stack.enter_context(socket.create_connection(("127.0.0.1", port), LONG)) for _ in range(2)
        )
        connection.sendall(f"{head}{len(content)}\r\n\r\n".encode() + content[:1000])
        resting.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        received = resting.recv(1 << 16)
        process.send_signal(signal.SIGTERM)
        assert b'"ok"' in received + read_end(resting)  # it is closed at once: no request runs on it
        with pytest.raises(ConnectionError):
            socket.create_connection(("127.0.0.1", port), LONG)
        connection.sendall(content[1000:])
        answer = read_end(connection)
    assert answer.startswith(b"HTTP/1.1 200") and b'"label"' in answer
    output, messages = process.communicate(timeout=LONG)
    assert (process.returncode, output, messages) == (0, "", "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_process_goes_on_when_the_server_has_ended(number, capsys):
    started = []
    app = make_app()

    @app.get("/end")
    def end():
        os.kill(os.getpid(), number)
        return "an answer"

    def ask():
        while "http://" not in (text := capsys.readouterr().out):
            time.sleep(0.01)
        address = text.split()[-1].removeprefix("http://")
        for name in ("attacker.example", "localhost"):
            connection = http.client.HTTPConnection(address, timeout=LONG)
            connection.request("GET", "/end", headers={"Host": name})
            started.append(connection.getresponse().status)
            connection.close()

    handlers = signal.getsignal(number)
    thread = threading.Thread(target=ask)
    thread.start()
    server.run(app, "127.0.0.1", 0, SETTINGS, print)
    thread.join()
    assert started == [421, 200] and signal.getsignal(number) is handlers

"""Tests of the sounds that requests send or name."""

import contextlib
import gc
import json
import os
import tempfile
import tracemalloc
from pathlib import Path

import anyio
import pytest
from fastapi import FastAPI, Request

from mxnet_audio.serve import ServeSettings, uploads
from mxnet_audio.serve.problems import install_problems
from mxnet_audio.serve.uploads import install_uploads, receive_upload, shown_name
from tests.serve.asgi import form, request

BLOCK = bytes(1 << 16)
MIB = 1 << 20

#: Beginnings of bodies that can go on for ever, by their types.
ENDLESS = {
    "audio/wav": b"",
    "multipart/form-data; boundary=b": form("file", b"", "a.wav")[0].removesuffix(b"\r\n--b--\r\n"),
    "application/json": b"{",
}


@pytest.fixture
def root(tmp_path):
    """Folder of sounds, and a secret file beside it."""
    folder = tmp_path / "root"
    (folder / "birds").mkdir(parents=True)
    (folder / "birds" / "wren.wav").write_bytes(b"wren")
    (tmp_path / "secret.wav").write_bytes(b"secret")
    return folder


@pytest.fixture
def serve(root, tmp_path, monkeypatch):
    """Function that makes an app whose only route returns the name and the size of a sound."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))

    def make(root: Path | None = root, **settings) -> FastAPI:
        app = FastAPI()
        install_problems(app)
        install_uploads(app, ServeSettings(audio_root=root, **settings))
        app.state.seen = []

        @app.post("/v1/sound")
        async def sound(request: Request) -> dict[str, object]:
            async with receive_upload(request) as upload:
                app.state.seen.append(upload)
                assert os.listdir(tmp_path / "temporary") == []  # noqa: PTH208
                return {"name": upload.name, "size": upload.file.seek(0, os.SEEK_END)}

        return app

    return make


def raw(app, parts=(b"sound",), kind="audio/wav", **kwargs):
    """Send a body with a type."""
    return request(app, parts, headers={"Content-Type": kind, **kwargs.pop("headers", {})}, **kwargs)


def named(app, path, **kwargs):
    """Name a sound of the server."""
    return raw(app, [json.dumps({"path": path}).encode()], "application/json", **kwargs)


def open_files():
    """Return the number of open files without a name, as uploads are, once cycles of objects are collected."""
    gc.collect()
    count = 0
    for link in Path("/proc/self/fd").glob("*"):
        with contextlib.suppress(OSError):  # threads of other tests close theirs meanwhile
            count += os.readlink(link).endswith(" (deleted)")  # noqa: PTH115
    return count


def check(answer, status, kind=None):
    """Check the status and the type of a problem."""
    assert answer.status == status, answer.body
    if kind is not None:
        assert json.loads(answer.body)["type"] == f"urn:mxnet-audio:{kind}"


@pytest.mark.parametrize(
    "kind",
    ["audio/wav", "AUDIO/X-Flac; rate=8000", "video/webm", "application/octet-stream", "application/ogg"],
)
def test_a_body_is_a_sound(serve, kind):
    answer = raw(serve(), [b"so", b"", b"und"], kind)
    assert json.loads(answer.body) == {"name": "sound", "size": 5}


@pytest.mark.parametrize("size", [0, 5, 3 * MIB])
def test_a_field_of_a_form_is_a_sound(serve, size):
    body, headers = form("file", bytes(size), "C:\\birds\\wren.wav")
    parts = [body[start : start + 100_000] for start in range(0, len(body), 100_000)]
    assert json.loads(request(serve(), parts, headers=headers).body) == {"name": "wren.wav", "size": size}


def test_a_sound_of_the_server_is_named_by_its_path(serve, root):
    expected = {"name": "birds/wren.wav", "size": 4}
    assert json.loads(named(serve(), "birds/wren.wav").body) == expected
    body, headers = form("path", b"birds/wren.wav")
    assert json.loads(request(serve(), [body], headers=headers).body) == expected
    (root / "link.wav").symlink_to(root / "birds" / "wren.wav")
    assert json.loads(named(serve(), "link.wav").body) == {"name": "link.wav", "size": 4}


def test_paths_are_not_served_without_a_folder(serve):
    answer = named(serve(root=None), "birds/wren.wav")
    check(answer, 404, "not-served")
    assert "--audio-root" in json.loads(answer.body)["detail"]


@pytest.mark.parametrize(
    "path",
    [
        "missing.wav",
        "",
        ".",
        "birds",
        "../secret.wav",
        "birds/../../secret.wav",
        "..%2fsecret.wav",
        "%2e%2e/secret.wav",
        "..\\secret.wav",
        "birds//../../secret.wav",
        "SECRET",
        "/etc/passwd",
        "//etc/passwd",
        "~/secret.wav",
        "birds/wren.wav\0.txt",
        "\0",
        "\ud800.wav",
        "outside.wav",
        "outside/secret.wav",
        "loop.wav",
        "fifo.wav",
        "device.wav",
        "to-device.wav",
        "forbidden.wav",
        "file:///etc/passwd",
        "http://127.0.0.1/a.wav",
        "a/" * 3000,
        "x" * 5000,
    ],
)
def test_nothing_outside_of_the_folder_can_be_named(serve, root, tmp_path, path):
    (root / "outside.wav").symlink_to(tmp_path / "secret.wav")
    (root / "outside").symlink_to(tmp_path)
    (root / "loop.wav").symlink_to("loop.wav")
    (root / "to-device.wav").symlink_to("/dev/zero")
    os.mkfifo(root / "fifo.wav")
    (root / "forbidden.wav").touch(0 if os.geteuid() else 0o600)
    if os.geteuid() == 0:
        (root / "forbidden.wav").unlink()
    answer = named(serve(), str(tmp_path / "secret.wav") if path == "SECRET" else path)
    check(answer, 404, "unknown-sound")
    assert json.loads(answer.body)["detail"] == "no such sound on this server"


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_link_in_the_place_of_a_file_or_a_folder_is_not_followed(serve, root, tmp_path, monkeypatch, kind):
    real_path = os.path.realpath
    (tmp_path / "wren.wav").write_bytes(b"secret")

    def replaced(path, **kwargs):
        found = real_path(path, **kwargs)
        if found.endswith("wren.wav"):
            replaced_path = Path(found) if kind == "file" else Path(found).parent
            replaced_path.rename(tmp_path / "moved")
            replaced_path.symlink_to(tmp_path / "wren.wav" if kind == "file" else tmp_path)
        return found

    monkeypatch.setattr(os.path, "realpath", replaced)
    check(named(serve(), "birds/wren.wav"), 404, "unknown-sound")


@pytest.mark.parametrize(
    "kind", ["", "text/html", "application/x-www-form-urlencoded", "image/png", "audio", "a" * 9000]
)
def test_other_types_are_refused(serve, kind):
    answer = raw(serve(), [b"sound"], kind)
    check(answer, 415, "unsupported-type")
    assert answer.parts == 0 and len(answer.body) < 1000


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"birds/wren.wav"',
        b'{"path": 5}',
        b'{"path": null}',
        b'{"file": "birds/wren.wav"}',
        b'{"path": "birds/wren.wav", "path2": 1}',
        b'{"path": NaN}',
        b"\xff\xfe",
        b"[" * 10_000,
        b'{"path":' * 2000,
        b'{"path": ' + b"9" * 10_000 + b"}",
        b'{"path": 1e99999}',
        b'{"' + b"k" * 10_000 + b'": 1}',
    ],
    ids=range(16),
)
def test_json_that_names_no_sound_is_refused(serve, body):
    answer = raw(serve(), [body], "application/json")
    check(answer, 422, "bad-parameter")
    assert len(answer.body) < 1000


def test_long_json_is_not_read(serve):
    answer = raw(serve(), (b'{"path": "' + b"x" * 5000 for _ in range(100)), "application/json")
    check(answer, 413, "too-large")
    assert answer.parts < 5


@pytest.mark.parametrize("declared", [None, "5", str(10 << 30), "9" * 5000, "0010737418240"])
@pytest.mark.parametrize("kind", ENDLESS)
def test_an_upload_of_10_gib_is_cut(serve, kind, declared):
    parts = (ENDLESS[kind] if number == 0 else BLOCK for number in range(10 << 14))
    files = open_files()
    tracemalloc.start()
    try:
        headers = {} if declared is None else {"Content-Length": declared}
        answer = raw(serve(max_bytes=MIB), parts, kind, headers=headers)
        assert tracemalloc.get_traced_memory()[1] < 4 * MIB
    finally:
        tracemalloc.stop()
    check(answer, 413, "too-large")
    assert answer.parts <= (18 if declared in (None, "5") else 0)
    assert open_files() == files


def test_bodies_of_mounted_apps_are_cut_too(serve):
    app, page = serve(max_bytes=MIB), FastAPI()
    app.mount("/page", page)

    @page.post("/read")
    async def read(request: Request):
        return len(await request.body())

    for headers in ({}, {"Content-Length": str(10 << 30)}):
        answer = request(app, (BLOCK for _ in range(10 << 14)), path="/page/read", headers=headers)
        assert answer.status == 413 and answer.parts <= 17
    assert json.loads(request(app, [BLOCK], path="/page/read").body) == len(BLOCK)


def test_an_upload_is_not_kept_in_memory(serve):
    app = serve()
    tracemalloc.start()
    try:
        answer = raw(app, (BLOCK for _ in range(256)))
        assert tracemalloc.get_traced_memory()[1] < 4 * MIB
    finally:
        tracemalloc.stop()
    assert json.loads(answer.body)["size"] == 16 * MIB


@pytest.mark.parametrize("kind", ENDLESS)
def test_an_upload_that_is_broken_off_leaves_nothing(serve, kind, tmp_path):
    app, files = serve(), open_files()
    answer = raw(app, [ENDLESS[kind], *[b" " * 1000] * 10], kind, stop="disconnect")
    assert answer.status == 499 and app.state.seen == []
    assert open_files() == files
    assert list((tmp_path / "temporary").iterdir()) == []
    assert json.loads(raw(app).body)["size"] == 5  # it is not counted any more


def test_files_are_closed_when_the_request_has_ended(serve):
    app, files = serve(), open_files()
    body, headers = form("file", bytes(2 * MIB), "a.wav")
    for _ in range(3):
        request(app, [body], headers=headers)
        raw(app)
        named(app, "birds/wren.wav")
    assert all(upload.file.closed for upload in app.state.seen) and len(app.state.seen) == 9
    app.state.seen.clear()
    assert open_files() == files


@pytest.mark.parametrize("kind", ENDLESS)
def test_a_body_that_does_not_arrive_is_given_up(serve, kind):
    app, files = serve(upload_timeout=0.05), open_files()
    check(raw(app, [ENDLESS[kind], *[0.01, b" "] * 500], kind), 408, "too-slow")
    check(raw(app, [ENDLESS[kind]], kind, stop="wait"), 408, "too-slow")
    assert open_files() == files


def test_the_number_of_uploads_at_once_is_limited(serve):
    app = serve(queue_size=2)
    answers = []

    async def send_many():
        async with anyio.create_task_group() as group:

            async def send(parts):
                answers.append(await in_this_loop(app, parts))

            for _ in range(2):
                group.start_soon(send, [b"a", 0.05])
            await anyio.sleep(0.01)
            await send([b"a"])
        await send([b"a"])

    anyio.run(send_many)
    assert [answer.status for answer in answers] == [429, 200, 200, 200]
    assert answers[0].headers["retry-after"] == "1"


@pytest.mark.parametrize("kind", ["audio/wav", "multipart/form-data; boundary=b"])
def test_the_bytes_of_uploads_at_once_are_limited(serve, kind, monkeypatch):
    monkeypatch.setattr(uploads, "MOST_BYTES", 3 * MIB)
    app, answers, files = serve(max_bytes=2 * MIB), [], open_files()

    async def send_many():
        async def send():
            parts = [ENDLESS[kind], *[BLOCK, 0.01] * 16]
            answers.append(await in_this_loop(app, parts, kind))

        async with anyio.create_task_group() as group:
            for _ in range(6):
                group.start_soon(send)
        answers.append(await in_this_loop(app, [b"sound"]))

    anyio.run(send_many)
    *statuses, last = [answer.status for answer in answers]
    assert statuses.count(429) >= 3 and last == 200
    assert {
        (json.loads(answer.body)["type"], answer.headers["retry-after"]) for answer in answers if answer.status == 429
    } == {("urn:mxnet-audio:busy", "1")}
    assert open_files() == files


async def in_this_loop(app, parts, kind="audio/wav"):
    """Send a request in the running loop."""
    functions = []
    answer = raw(app, parts, kind, run=functions.append)
    await functions[0]()
    return answer


def test_forms_with_more_than_one_field_are_refused(serve):
    part = b'--b\r\nContent-Disposition: form-data; name="path"\r\n\r\nx\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = request(serve(), (part for _ in range(100_000)), headers=headers)
    check(answer, 400)
    assert answer.parts < 10
    part = part.replace(b'"path"', b'"file"; filename="a"')
    assert request(serve(), (part for _ in range(100_000)), headers=headers).status == 400


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--b--\r\n",
        b"no form",
        b"--b\r\n\r\n\r\n--b--\r\n",
        b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n",
        b"--b\r\nContent-Disposition: form-data; name=\x00\r\n\r\nx\r\n--b--\r\n",
        form("other", b"x")[0],
        form("file", b"text")[0],
        form("path", b"x" * 5000)[0],
        form("path", b"x", "a.wav")[0],
        form("file", b"x", "a.wav")[0].removesuffix(b"--b--\r\n") + form("channel", b"left")[0],  # not ignored
    ],
    ids=range(11),
)
def test_forms_without_a_sound_are_refused(serve, body):
    answer = request(serve(), [body], headers={"Content-Type": "multipart/form-data; boundary=b"})
    assert answer.status in (400, 422), answer.body
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_form_without_a_boundary_is_refused(serve):
    check(request(serve(), [b"x"], headers={"Content-Type": "multipart/form-data"}), 400)
    check(request(serve(), [b"x"], headers={"Content-Type": f"multipart/form-data; boundary={'b' * 5000}"}), 400)


@pytest.mark.parametrize("line", [b"X-Header: value\r\n", b"x", b"X: " + b"v" * 1000], ids=["many", "name", "value"])
def test_endless_headers_of_a_form_are_cut(serve, line):
    parts = (b"--b\r\n" if number == 0 else line for number in range(100_000))
    answer = request(serve(), parts, headers={"Content-Type": "multipart/form-data; boundary=b"})
    check(answer, 400)
    assert answer.parts < 10_000


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("wren.wav", "wren.wav"),
        ("<img src=x onerror=alert(1)>.wav", "<img src=x onerror=alert(1)>.wav"),  # text, which the page must escape
        ("/srv/sounds/wren.wav", "wren.wav"),
        ("a\x1b[2J\r\n\u202e\x00.wav", "a\ufffd[2J\ufffd\ufffd\ufffd\ufffd.wav"),
        ("Zaunkönig 鷦鷯.wav", "Zaunkönig 鷦鷯.wav"),
        ("\udcff", "\ufffd"),
        ("x" * 100_000, "x" * 255),
        ("", "sound"),
        ("birds/", "sound"),
        (None, "sound"),
    ],
    ids=range(10),
)
def test_names_are_shown_as_text(given, shown):
    assert shown_name(given) == shown


def test_a_name_of_100_kb_is_refused_or_shortened(serve):
    body, headers = form("file", b"sound", "x" * 3000 + ".wav")
    assert json.loads(request(serve(), [body], headers=headers).body)["name"] == "x" * 255
    body, headers = form("file", b"sound", "x" * 100_000)
    check(request(serve(), [body], headers=headers), 400)


def test_a_full_disk_is_a_failure_without_details(serve, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device", tempfile.gettempdir())

    monkeypatch.setattr("mxnet_audio.serve.uploads.TemporaryFile", full)
    answer = raw(serve())
    check(answer, 500, "failure")
    assert tempfile.gettempdir().encode() not in answer.body

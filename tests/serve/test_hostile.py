"""Requests that are wrong or malicious: each is answered with its problem, and without anything about the server."""

import io
import json
import tempfile
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
import soundfile as sf
from starlette.testclient import TestClient

from mxnet_audio.errors import AudioError
from mxnet_audio.serve import ServeSettings, create_app
from tests.cli.test_bad_inputs import NASTY, NOT_UTF8, bad, wav  # noqa: F401 - a fixture
from tests.serve.asgi import form, request

ROUTES = ["/v1/predict", "/v1/embed", "/v1/events", "/v1/search"]
#: Bad inputs of the commands that are files, and those that are not, or cannot be read.
FILES = [
    "truncated.flac",
    "text.mp3",
    "playlist.wav",
    "empty.wav",
    "silent.wav",
    "one hertz.wav",
    "codec.wav",
    "nan.wav",
    NASTY,
    NOT_UTF8,
]
OTHERS = ["folder.wav", "fifo.wav", "socket.wav", "device.wav", "memory.wav", "dangling.wav", "missing.wav"]
NUMBERS = ["", "-1", "0", "nan", "inf", "1e999", "9" * 5000, "x", "1;drop", "٣", "1_0", "0x1", "[1]", "null"]


@pytest.fixture(scope="module")
def server(served_models, bad, tmp_path_factory):  # noqa: F811
    """Client of an app with small limits, whose answers are searched for what must stay on the server."""
    root = Path(bad["text.mp3"]).parent
    settings = ServeSettings(page=False, audio_root=root, max_bytes=1 << 20, max_seconds=200.0, timeout=20.0)
    secrets = ["Traceback", 'File "', "site-packages", str(Path(__file__).parents[2]), str(root), str(Path.home())]
    secrets += [tempfile.gettempdir() + "/", str(tmp_path_factory.getbasetemp()), "/etc/passwd", "proc/self"]

    def search(response):
        response.read()
        text = response.text + str(response.headers)
        assert [secret for secret in secrets if secret in text] == []
        assert len(response.content) < 20_000
        if response.status_code >= 400 and response.request.method != "HEAD":
            assert response.headers["content-type"] == "application/problem+json"
            problem = response.json()
            assert problem["status"] == response.status_code and len(problem["detail"]) < 2000

    with TestClient(create_app(served_models, settings), raise_server_exceptions=False) as client:
        client.event_hooks = {"response": [search]}
        yield client
        service = client.app.state.service
        assert service.waiting == 0
        answer = client.post("/v1/predict", files={"file": ("good.wav", wav(10_000 * np.sin(np.arange(8000))))})
        assert answer.status_code == 200


def upload(server, route, content, name="clip.wav"):
    """Upload a sound."""
    return server.post(route, files={"file": (name, content)})


def in_words_of_library(model, content, route="/v1/predict"):
    """Return the reason why the library refuses a sound, or None."""
    try:
        if route == "/v1/events":
            list(model.iter_timeline(io.BytesIO(content)))
        else:
            model.predict(io.BytesIO(content))
    except AudioError as error:
        return error.reason
    return None


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("kind", FILES, ids=range(len(FILES)))
def test_bad_sounds_are_refused_in_the_words_of_the_library(server, onnx_model, bad, kind, route):  # noqa: F811
    content = Path(bad[kind]).read_bytes()
    reason = in_words_of_library(onnx_model, content, route)
    answer = upload(server, route, content)
    assert (answer.status_code, answer.json()["detail"]) == (422, f"clip.wav: {reason}")
    assert answer.json()["type"] == "urn:mxnet-audio:bad-sound"
    if kind != NOT_UTF8:
        answer = server.post(route, json={"path": kind})
        assert answer.status_code == 422 and answer.json()["detail"].endswith(f"{kind[-4:]}: {reason}")


@pytest.mark.parametrize("kind", OTHERS)
def test_what_is_no_sound_file_is_not_told_apart(server, kind):
    answer = server.post("/v1/predict", json={"path": kind})
    assert (answer.status_code, answer.json()["detail"]) == (404, "no such sound on this server")


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3", "AIFF", "AU", "CAF"])
def test_damaged_files_are_answered_as_by_the_library(server, onnx_model, kind):
    rng, file = np.random.default_rng(0), io.BytesIO()
    sf.write(file, rng.uniform(-0.5, 0.5, (8000, 2)), 8000, format=kind)
    whole = file.getvalue()
    for case in range(8):
        content = bytearray(whole[: rng.integers(1, len(whole))] if case % 2 else whole)
        for position in rng.integers(0, min(len(content), 100 if case < 4 else len(content)), case):
            content[position] = rng.integers(256)
        reason = in_words_of_library(onnx_model, bytes(content))
        answer = upload(server, "/v1/predict", bytes(content))
        if reason is None:
            assert answer.status_code == 200 or answer.json()["type"] == "urn:mxnet-audio:too-long"
        else:
            assert (answer.status_code, answer.json()["detail"]) == (422, f"clip.wav: {reason}")


def test_sounds_that_are_too_long_are_refused(server, wav_bytes):
    for content in (wav_bytes(seconds=201, sr=1000), wav_bytes(seconds=201, sr=8000, frequency=0, format="FLAC")):
        answer = upload(server, "/v1/events", content)
        assert (answer.status_code, answer.json()["type"]) == (422, "urn:mxnet-audio:too-long")


@pytest.mark.parametrize(
    "name",
    [
        "<script>alert(1)</script>.wav",
        "../../secret.wav",
        "C:\\secret.wav",
        "a\u202egnp.wav",
        "\x1b[2J\x07.wav",
        "%00%2e%2e%2f.wav",
        "x" * 3000,
        "-rf",
        "${HOME}`id`.wav",
        "con",
    ],
    ids=range(10),
)
def test_names_are_text(server, name):
    answer = upload(server, "/v1/predict", b"no sound", name)
    detail = answer.json()["detail"]
    assert answer.status_code == 422 and "no decoder reads this" in detail
    assert detail.isprintable() and "secret.wav/" not in detail and not detail.startswith("..")
    body, headers = form("file", b"no sound", name)  # without the escapes of the client
    headers["Content-Type"] += "; charset=utf-8"
    answer = server.post("/v1/predict", content=body, headers=headers)
    assert answer.status_code in (400, 422) and answer.json()["detail"].isprintable()


@pytest.mark.parametrize(
    "name", ["top_k", "channel", "threshold", "min_duration", "max_gap", "window", "hop", "windows"]
)
def test_parameters_are_numbers_within_limits(server, wav_bytes, name):
    route = "/v1/search" if name in ("top_k", "windows") else "/v1/events"
    files = {"file": ("a.wav", wav_bytes(seconds=0.2))}
    for value in (*NUMBERS, "<b>", "../..", "a" * 10_000, "\0", "1e-300", "1e300"):
        answer = server.post(route, params={name: value}, files=files)
        assert answer.status_code in (200, 422), (value, answer.json())


def test_timelines_of_countless_windows_are_given_up(served_models, wav_bytes):
    settings = ServeSettings(page=False, timeout=0.5)
    with TestClient(create_app(served_models, settings), raise_server_exceptions=False) as client:
        files = {"file": ("a.wav", wav_bytes())}
        answer = client.post("/v1/events", params={"hop": 1e-6, "window": 0.5}, files=files)
        assert answer.status_code in (422, 504)
        assert client.app.state.service.waiting == 0
        assert client.get("/v1/models").status_code == 200


@pytest.mark.parametrize(
    "id",
    [
        "../../../etc/passwd",
        "..",
        "%00",
        "~",
        "/etc/passwd",
        "a" * 64,
        "a" * 9000,
        "<b>",
        "'; drop",
        "\u202e",
        "*",
        "{id}",
    ],
    ids=range(12),
)
def test_sounds_of_the_index_have_no_other_names(server, id):
    for text in (quote(id, safe=""), quote(quote(id, safe=""), safe="")):
        for method in ("GET", "HEAD"):
            answer = server.request(method, f"/v1/audio/{text}")
            assert answer.status_code in (404, 422)


@pytest.mark.parametrize(
    "path",
    [
        "/..%2f..%2fetc%2fpasswd",
        "//etc/passwd",
        "/v1/../../etc/passwd",
        "/static/",
        "/%00",
        "/" + "a" * 9000,
    ]
    + ["/docs", "/redoc", "/v1", "/metrics/..", "/.git/config"],
    ids=range(11),
)
def test_unknown_paths_are_not_found(server, path):
    for method in ("GET", "POST", "HACK"):
        assert server.request(method, path, follow_redirects=True).status_code in (404, 405)


def test_no_route_answers_without_the_key(served_models):
    settings = ServeSettings(page=False, api_key="a secret")
    with TestClient(create_app(served_models, settings), raise_server_exceptions=False) as client:
        assert client.get("/openapi.json").status_code == 401
        key = {"X-API-Key": "a secret"}
        for path, operations in client.get("/openapi.json", headers=key).json()["paths"].items():
            for method in operations:
                expected = 200 if path in ("/healthz", "/readyz") else 401
                assert client.request(method, path).status_code == expected, path
        assert "mxnet_audio_requests_total" in client.get("/metrics", headers=key).text


def test_other_methods_are_not_allowed(server):
    for route in [*ROUTES, "/v1/models", "/healthz", "/metrics"]:
        for method in ("PUT", "DELETE", "PATCH", "TRACE", "HACK"):
            assert server.request(method, route).status_code == 405


def test_other_types_of_bodies_are_refused(server, wav_bytes):
    for kind in ("", "text/html", "application/xml", "application/x-www-form-urlencoded", "image/svg+xml", "\xff"):
        headers = {"Content-Type": kind.encode("latin-1")}
        assert server.post("/v1/predict", content=wav_bytes(), headers=headers).status_code == 415


def test_bombs_of_json_are_refused(server):
    for body in (b"[" * 16_000, b'{"a":' * 3000, b"9" * 16_000, b'{"path": 1e9999}', b'{"' + b"k" * 16_000 + b'": 0}'):
        answer = server.post("/v1/embed", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 422
    answer = server.post("/v1/embed", content=b"[" * 900_000, headers={"Content-Type": "application/json"})
    assert answer.status_code == 413


@pytest.mark.parametrize("headers", [{}, {"Content-Length": str(10 << 30)}, {"Content-Length": "1"}], ids=range(3))
def test_10_gib_are_cut(server, headers):
    parts = (bytes(1 << 16) for _ in range(10 << 14))
    headers = {"Content-Type": "audio/wav", **headers}
    answer = request(server.app, parts, path="/v1/predict", headers=headers, run=server.portal.call)
    assert (answer.status, json.loads(answer.body)["type"]) == (413, "urn:mxnet-audio:too-large")
    assert answer.parts <= 18


@pytest.mark.parametrize("route", ROUTES)
def test_requests_that_are_broken_off_leave_nothing(server, wav_bytes, route):
    body, headers = form("file", wav_bytes(), "a.wav")
    for parts in ([], [body[:100]], [body[:1000], body[1000:2000]]):
        answer = request(server.app, parts, path=route, headers=headers, stop="disconnect", run=server.portal.call)
        assert answer.status == 499
    assert server.app.state.service.waiting == 0


def test_a_crowd_of_requests_is_answered(server, wav_bytes):
    from concurrent.futures import ThreadPoolExecutor

    bodies = [wav_bytes(seconds=0.1), b"no sound", wav_bytes(seconds=0.1)[:500], b""]
    with ThreadPoolExecutor(8) as executor:
        answers = list(executor.map(lambda number: upload(server, "/v1/predict", bodies[number % 4]), range(40)))
    assert [answer.status_code for answer in answers] == [200, 422, 422, 422] * 10

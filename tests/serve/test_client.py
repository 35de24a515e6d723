"""Tests of the client: its results are those of the library, and problems of the server become the package's errors."""

import gzip
import io
import json
import pickle
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from mxnet_audio.errors import AudioDecodeError, AudioError, InvalidAudioError, ParameterError, ServerError
from mxnet_audio.events import Event
from mxnet_audio.serve import Client, connection, sending
from tests.serve.listening import listening

KEY = "a-secret-key"
PREDICTION = {"label": "low", "probability": 0.75, "top": [{"label": "low", "probability": 0.75}], "seconds": 1.0}


@pytest.fixture(autouse=True, scope="module")
def without_proxy():
    """Reach servers on this machine directly, whatever the environment says."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_PROXY", "127.0.0.1")
        yield


@pytest.fixture(scope="module")
def server(served_models, corpus):
    """Address of a server with a classifier, an index and a folder of sounds."""
    from mxnet_audio.serve import ServeSettings, create_app

    pytest.importorskip("uvicorn")
    folder = Path(corpus[0][0]).parents[1]
    with listening(create_app(served_models, ServeSettings(page=False, audio_root=folder))) as address:
        yield address


class Script(BaseHTTPRequestHandler):
    """Handler that answers one request after another as the list `answers` of the server says."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        length = int(self.headers.get("Content-Length", 0))
        self.server.requests.append((self.path, dict(self.headers), self.rfile.read(length)))
        answers = self.server.answers
        status, headers, content = answers.pop(0) if len(answers) > 1 else answers[0]
        if status is None:
            self.close_connection = True
            return
        content = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST

    def log_message(self, *args):
        pass


@pytest.fixture
def scripted():
    """Function that makes a server with fixed answers: ``scripted((status, headers, content), …) -> server``.

    ``server.url`` is its address, and ``server.requests`` lists (path, headers, body). The last answer is repeated; the
    status None closes the connection.
    """
    servers = []

    def script(*answers):
        server = ThreadingHTTPServer(("127.0.0.1", 0), Script)
        server.daemon_threads = True
        server.handle_error = lambda *error: None  # the client has closed the connection
        server.answers, server.requests = list(answers), []
        server.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        return server

    yield script
    for server in servers:
        server.shutdown()
        server.server_close()


def problem(status, kind, detail, **headers):
    """Return an answer with problem details."""
    return status, headers, {"type": f"urn:mxnet-audio:{kind}", "title": "", "status": status, "detail": detail}


def test_labels_are_those_of_the_library(server, onnx_model, corpus):
    path, _ = corpus[0]
    expected = onnx_model.predict(path)
    with Client(server) as client, open(path, "rb") as file:  # noqa: PTH123
        content = file.read()
        for sound in (path, content, file, sf.read(path)):
            found = client.predict(sound, top_k=3)
            assert found.label == expected.label and found.path == (path if sound in (path, file) else None)
            np.testing.assert_allclose(dict(found.top(3))["low"], dict(expected.top(3))["low"], atol=1e-6)
        assert len(client.predict(path, top_k=1).labels) == 1
        on_server = client.predict(f"low/{path.rpartition('/')[2]}", on_server=True)
        assert on_server.path.startswith("low/") and on_server.top(3) == client.predict(path).top(3)


def test_the_other_calls_give_what_the_library_gives(server, onnx_model, searched, corpus, tmp_path):
    path, label = corpus[0]
    with Client(server) as client:
        assert client.ready() and client.models()["classifier"]["labels"] == onnx_model.labels
        vector = client.embed(path)
        assert vector.dtype == np.float32
        np.testing.assert_allclose(vector, onnx_model.encode_audio(path), atol=1e-5)
        (event,) = client.events(path, threshold=0.1, label=[label], max_gap=1)
        assert isinstance(event, Event) and event.label == label
        found = client.search(sf.read(path), top_k=2, windows=True)
        assert [each.path.rpartition("/")[2] for each in found] == [
            Path(each.path).name for each in searched.query(sf.read(path), top_k=2)
        ]
        assert (found[0].start, found[0].end) == (0, 1)
        client.save_audio(found[0].id, tmp_path / "found.wav")
        assert (tmp_path / "found.wav").read_bytes() == client.audio(found[0].id) == Path(path).read_bytes()
        with pytest.raises(AudioDecodeError, match=r"^0: "):
            client.audio("0")
        assert client.reload()["reloaded"] is False


def test_a_bad_sound_has_its_local_name_and_the_words_of_the_library(server, tmp_path):
    path = tmp_path / "text.wav"
    path.write_text("no sound")
    client = Client(server)
    with pytest.raises((InvalidAudioError, AudioDecodeError)) as error:
        client.predict(path)
    assert error.value.path == str(path) and error.value.reason.startswith("no decoder reads this as sound")
    with pytest.raises(AudioDecodeError, match=r"^missing/clip\.wav: no such sound"):
        client.predict("missing/clip.wav", on_server=True)
    with pytest.raises(AudioDecodeError, match="no such file"):
        client.predict(tmp_path / "missing.wav")
    with pytest.raises(ParameterError):
        client.predict(corpus_tone(), top_k=-1)
    with pytest.raises(ServerError) as error:
        client.tags(corpus_tone())
    assert error.value.status == 404 and error.value.path == server


def corpus_tone():
    """Return a short tone."""
    return np.sin(np.arange(4000, dtype=np.float32)), 8000


def test_threads_share_a_client(server, corpus):
    client = Client(server)
    pairs = corpus[:6] * 2
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(client.predict, [path for path, _ in pairs]))
    assert [(each.path, each.label) for each in found] == pairs


def test_arrays_are_sent_as_float_wav_with_all_channels(scripted):
    server = scripted((200, {}, PREDICTION))
    y = np.float32([[0.25, -1.5, 0.0], [0.5, 0.5, 0.125]])
    Client(server.url).predict((y, 8000), channel="left")
    (path, headers, body), *_ = server.requests
    sent, rate = sf.read(io.BytesIO(body), dtype="float32")
    np.testing.assert_array_equal(sent.T, y)
    assert rate == 8000 and headers["Content-Type"] == "audio/wav"
    assert path == "/v1/predict?top_k=5&channel=left"


@pytest.mark.parametrize("sound", [(np.float32([np.nan]), 8000), 5, "a\0b.wav", {"array": None}])
def test_what_is_no_sound_is_not_sent(scripted, sound):
    server = scripted((200, {}, PREDICTION))
    with pytest.raises(AudioError) as error:
        Client(server.url).predict(sound)
    assert not isinstance(error.value, ServerError) and not server.requests


def test_files_are_sent_as_they_are(scripted, tmp_path, wav_bytes):
    server = scripted((200, {}, PREDICTION))
    content = wav_bytes(0.1)
    (tmp_path / "clip.ogg").write_bytes(content)
    client = Client(server.url)
    client.predict(tmp_path / "clip.ogg")
    with gzip.open(tmp_path / "clip.gz", "wb") as file:
        file.write(content)
    with gzip.open(tmp_path / "clip.gz") as file:  # the file underneath has another length
        client.predict(file)
    assert [body for _, _, body in server.requests] == [content, content]
    assert server.requests[0][1]["Content-Type"] == "audio/ogg"


def test_a_file_that_shrinks_is_named(scripted, tmp_path, wav_bytes, monkeypatch):
    server = scripted((200, {}, PREDICTION))
    path = tmp_path / "clip.wav"
    path.write_bytes(wav_bytes(0.1))
    lengthen = sending.Body.__init__

    def longer(self, *args):
        lengthen(self, *args)
        self._length += 1

    monkeypatch.setattr(sending.Body, "__init__", longer)
    with pytest.raises(AudioDecodeError, match=r"clip\.wav: became shorter"):
        Client(server.url, timeout=5).predict(path)


def test_a_busy_server_is_asked_again(scripted, monkeypatch):
    waits = []
    monkeypatch.setattr(time, "sleep", waits.append)
    busy = problem(429, "busy", "too many requests", **{"Retry-After": "2"})
    server = scripted(busy, busy, (200, {}, PREDICTION))
    assert Client(server.url).predict(corpus_tone()).top(1) == [("low", 0.75)]
    assert len({body for _, _, body in server.requests}) == 1 and len(server.requests) == 3
    assert len(waits) == 2 and all(2 <= wait <= 3 for wait in waits)


@pytest.mark.parametrize(("after", "timeout"), [("30", 10), ("never", 10), ("9" * 5000, 60)])
def test_a_busy_server_is_not_waited_for_longer_than_the_timeout(scripted, after, timeout):
    server = scripted(problem(429, "busy", "too many requests", **{"Retry-After": after}))
    with pytest.raises(ServerError, match="too many requests") as error:
        Client(server.url, timeout=timeout).predict(corpus_tone())
    assert error.value.status == 429 and len(server.requests) == 1


def test_a_connection_that_the_server_has_closed_is_opened_again(scripted):
    server = scripted((None, {}, b""), (200, {}, PREDICTION))
    assert Client(server.url).predict(corpus_tone()).label == "low"
    assert len(server.requests) == 2
    server = scripted((None, {}, b""))
    with pytest.raises(ServerError, match="cannot be reached"):
        Client(server.url).predict(corpus_tone())
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("status", "kind", "error"),
    [
        (413, "too-large", InvalidAudioError),
        (422, "too-long", InvalidAudioError),
        (422, "bad-parameter", ParameterError),
        (401, "unauthorized", ServerError),
        (500, "internal-error", ServerError),
        (504, "timed-out", ServerError),
    ],
)
def test_problems_become_errors(scripted, status, kind, error):
    server = scripted(problem(status, kind, "sound: its words"))
    with pytest.raises(error) as raised:
        Client(server.url, api_key=KEY).predict(corpus_tone())
    assert type(raised.value) is error and KEY not in f"{raised.value} {raised.value!r}"
    if error is ServerError:
        assert raised.value.status == status and raised.value.path == server.url
        assert pickle.loads(pickle.dumps(raised.value)).status == status


@pytest.mark.parametrize(
    ("status", "headers", "content"),
    [
        (200, {}, b"<html>"),
        (200, {}, b"[" * 100_000),
        (200, {}, []),
        (200, {}, {"label": "low"}),
        (200, {}, PREDICTION | {"top": [{"label": "low"}]}),
        (200, {}, PREDICTION | {"top": 5}),
        (200, {"Content-Length": "500"}, b"{"),
        (502, {}, b"<html>Bad Gateway"),
        (404, {}, {"detail": "Not Found"}),
        (301, {"Location": "https://elsewhere.example/"}, b""),
        (200, {"Content-Encoding": "gzip"}, gzip.compress(b" " * (1 << 20))),
    ],
    ids=[
        "html", "nested", "list", "missing", "score", "type", "cut", "proxy", "other server", "moved", "bomb",
    ],
)  # fmt: skip
def test_other_answers_are_one_clear_error(scripted, monkeypatch, status, headers, content):
    monkeypatch.setattr(connection, "_LARGEST", 1 << 19)
    server = scripted((status, headers | {"Connection": "close"}, content))
    with pytest.raises(ServerError) as error:
        Client(server.url).predict(corpus_tone())
    assert error.value.path == server.url and len(server.requests) == 1


def test_a_server_that_is_away_is_one_clear_error():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        free = listener.getsockname()[1]
    client = Client(f"http://127.0.0.1:{free}/", api_key=KEY)
    with pytest.raises(ServerError, match=rf"^http://127.0.0.1:{free}: cannot be reached \(.*refused\)"):
        client.models()
    assert client.ready() is False and repr(client) == f"Client('http://127.0.0.1:{free}')"
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(ServerError, match=r"no answer within 0\.2 s"),
    ):
        Client(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=0.2).models()


def test_the_key_is_sent_in_the_header_and_no_other_password(scripted, tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login ann password other-secret")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    server = scripted((200, {}, {}))
    Client(server.url, api_key=KEY).models()
    Client(server.url).models()
    first, second = (headers for _, headers, _ in server.requests)
    assert first["Authorization"] == f"Bearer {KEY}" and "Authorization" not in second


@pytest.mark.parametrize(
    "arguments",
    [
        {"base_url": "localhost:8000"},
        {"base_url": "ftp://host"},
        {"base_url": "http://"},
        {"base_url": "http://[::1"},
        {"base_url": "http://host:99999"},
        {"base_url": "http://host/?key=a-secret-key"},
        {"base_url": "http://ann:a-secret-key@host"},
        {"base_url": None},
        {"api_key": "a-secret-key\n"},
        {"api_key": "a-secret-keyé"},
        {"api_key": ""},
        {"api_key": 5},
        {"timeout": 0},
        {"timeout": None},
    ],
    ids=str,
)
def test_bad_arguments(arguments):
    with pytest.raises(ParameterError) as error:
        Client(**{"base_url": "http://host", **arguments})
    assert "?key" in str(arguments) or KEY not in str(error.value)


def test_found_sounds_and_their_files(scripted, tmp_path):
    found = {"id": "a/b", "name": "songs/a.wav", "distance": 0.25, "audio_url": "/v1/audio/a%2Fb"}
    server = scripted((200, {}, {"neighbours": [found], "model": {}}), (200, {}, b"RIFF"))
    client = Client(server.url)
    (neighbour,) = client.search(corpus_tone(), top_k=1)
    assert neighbour == ("songs/a.wav", 0.25) and neighbour.id == "a/b" and neighbour.start is None
    assert pickle.loads(pickle.dumps(neighbour)).id == "a/b"
    assert client.audio(neighbour.id) == b"RIFF"
    client.save_audio(neighbour.id, tmp_path / "a.wav")
    assert (tmp_path / "a.wav").read_bytes() == b"RIFF" and server.requests[-1][0] == "/v1/audio/a%2Fb"
    with pytest.raises(ParameterError):
        client.audio("")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((200, {"Content-Length": "9", "Connection": "close"}, b"RIFF"), ServerError),
        (problem(404, "unknown-sound", "no such sound on this server"), AudioDecodeError),
    ],
    ids=["cut", "unknown"],
)
def test_a_file_is_saved_completely_or_not_at_all(scripted, tmp_path, answer, error):
    with pytest.raises(error):
        Client(scripted(answer).url).save_audio("a", tmp_path / "a.wav")
    assert not [*tmp_path.iterdir()]

"""Tests of the page without a browser: its routes, limits, uploads and answers."""

import json
import re
import stat
from importlib.util import find_spec
from types import SimpleNamespace

import numpy as np
import pytest

from mxnet_audio.events import Event
from mxnet_audio.inference.results import Identification, Prediction
from mxnet_audio.library.search import AudioSearch
from mxnet_audio.search import VectorIndex
from mxnet_audio.serve import ServedModels
from mxnet_audio.serve.catalogue import FolderCatalogue
from mxnet_audio.serve.page_views import IndexMap, labels_text, render, sound_figure
from mxnet_audio.serve.similar_parts import Part

# Gradio is not imported before a test needs it: this takes 4 s.
pytestmark = pytest.mark.skipif(find_spec("gradio") is None, reason="gradio is not installed")

HTML = "<img src=x onerror=alert(1)>"
ESCAPED = "&lt;img src=x onerror=alert(1)&gt;"


class OneSpeaker:
    """Stand-in of a recogniser."""

    speakers, threshold, model_id = ["Ada"], 0.5, "stub"

    def identify_many(self, sources, top_k):
        """Return the same speaker for all."""
        return [Identification(None, "Ada", [("Ada", 0.75), (HTML, 0.25)]) for _ in sources]


@pytest.fixture(scope="module")
def page(served_models):
    """Started client of an app with the page, the index and a speaker; at most 100 kB and 2 s."""
    from starlette.testclient import TestClient

    from mxnet_audio.serve import ServeSettings, create_app

    models = ServedModels(served_models.classifier, search=served_models.search, recognizer=OneSpeaker())
    app = create_app(models, ServeSettings(max_bytes=100_000, max_seconds=2))
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def folder_of(client):
    """Return the folder of the page's uploads."""
    return client.app.routes[-1]._folder.path


def upload(client, content, name="clip.wav"):
    """Upload a file as the page does; return its path."""
    answer = client.post("/gradio_api/upload", files={"files": (name, content)})
    assert answer.status_code == 200
    return answer.json()[0]


def config_of(client):
    """Return the description of the page that its script reads."""
    return json.loads(re.search(r"window.gradio_config = (.*?);</script>", client.get("/").text)[1])


def ask(client, path, action="Analyse", **file):
    """Press a button of the page for the file at a path; return the HTML of the answer, or None if it failed."""
    config = config_of(client)
    button = next(each["id"] for each in config["components"] if each["props"].get("value") == action)
    number = next(each["id"] for each in config["dependencies"] if [button, "click"] in each["targets"])
    data = {"path": path, "meta": {"_type": "gradio.FileData"}, **file}
    body = {"data": [data], "fn_index": number, "session_hash": "s", "trigger_id": button}
    assert client.post("/gradio_api/queue/join", json=body).status_code == 200
    for line in client.get("/gradio_api/queue/data?session_hash=s").text.splitlines():
        message = json.loads(line.removeprefix("data:")) if line.startswith("data:") else {}
        if message.get("msg") == "process_completed":
            return message["output"]["data"][0] if message["success"] else None
    raise AssertionError("no answer")


def test_it_loads_nothing_from_other_hosts(page):
    html = page.get("/").text
    loaded = re.findall(r'(?:src|href)="([^"]*)"', html) + re.findall(r"url\(([^)]*)\)", page.get("/theme.css").text)
    assert loaded and not [each for each in loaded if re.match(r'"?(https?:)?//', each)]
    config = config_of(page)
    assert config["analytics_enabled"] is False and not config["stylesheets"] and not config["footer_links"]


@pytest.mark.parametrize(
    "path",
    ["/config", "/gradio_api/info", "/gradio_api/openapi.json", "/gradio_api/file=/etc/passwd", "/gradio_api/runs"]
    + ["/gradio_api/file=https://example.com/a.wav", "/gradio_api/proxy=https://a.hf.space/", "/login", "/monitoring"]
    + ["/gradio_api/file=%2Fetc%2Fpasswd", "/gradio_api/heartbeat/s", "/gradio_api/call/analyse/1", "/nothing"],
)
def test_other_routes_of_gradio_are_missing(page, path):
    answer = page.get(path)
    assert answer.status_code == 404 and answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "path", ["/gradio_api/run/analyse", "/gradio_api/call/analyse", "/gradio_api/component_server"]
)
def test_its_functions_are_no_api(page, path):
    assert page.post(path, json={"data": [None]}).status_code == 404


def test_other_routes_of_the_server_are_as_without_it(page):
    assert page.get("/v1/predict").status_code == 405
    assert (
        page.get("/", headers={"Origin": "https://other.example"})
        .headers.keys()
        .isdisjoint({"access-control-allow-origin", "access-control-allow-credentials"})
    )


def test_the_page_needs_the_key(serving):
    client = serving(page=True, api_key="secret")
    assert client.get("/").status_code == 401
    assert client.post("/gradio_api/upload", files={"files": b"x"}).status_code == 401
    assert client.get("/", auth=("", "secret")).status_code == 200


def test_uploads_are_private_and_deleted(serving, wav_bytes):
    client = serving(page=True)
    folder = folder_of(client)
    path = upload(client, wav_bytes())
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700 and path.startswith(str(folder))
    assert client.get(f"/gradio_api/file={path}").content == wav_bytes()
    client.app.routes[-1]._folder.delete(age=60)
    assert client.get(f"/gradio_api/file={path}").status_code == 200
    client.app.routes[-1]._folder.delete()
    assert not list(folder.iterdir())
    assert "choose it again" in ask(client, path)
    upload(client, wav_bytes())
    client.__exit__(None, None, None)
    assert not folder.exists() or not list(folder.iterdir())


def test_uploads_are_limited(page, monkeypatch):
    answer = page.post("/gradio_api/upload", files={"files": b"x" * 200_000})
    assert answer.status_code == 413
    answer = page.post("/gradio_api/upload", files=[("files", (str(i), b"x" * 90_000)) for i in range(3)])
    assert answer.status_code == 413
    assert page.post("/gradio_api/queue/join", json={"data": ["x" * 90_000], "session_hash": "s"}).status_code == 413
    folder_of(page).joinpath("large").write_bytes(bytes(17 * 100_000))
    assert page.post("/gradio_api/upload", files={"files": b"x"}).status_code == 429
    page.app.routes[-1]._folder.delete()
    monkeypatch.setattr(page.app.routes[-1], "_arriving", 16)
    assert page.post("/gradio_api/upload", files={"files": b"x"}).status_code == 429


def test_a_sound_is_analysed(page, wav_bytes, client):
    html = ask(page, upload(page, wav_bytes()))
    top = client.post("/v1/predict", files={"file": wav_bytes()}).json()["top"]
    assert re.findall("<h2>(.*?)</h2>", html) == ["Sound", "Labels", "Events", "Nearest sounds", "Map"]
    assert re.findall(r'<th scope="row">(\w+)</th>', html) == [each["label"] for each in top]
    assert f"{top[0]['probability']:.3f}" in html
    found = client.post("/v1/search", files={"file": wav_bytes()}).json()["neighbours"][:5]
    assert re.findall(r'src="([^"#]*v1/audio[^"#]*)', html) == [each["audio_url"].lstrip("/") for each in found]
    assert html.count("<circle") == 24 + 5
    assert "chooses one of its 3 classes" in html and "most similar from" not in html  # all sounds are as short


def test_a_sound_is_embedded_once_for_the_search_and_the_map(page, wav_bytes, monkeypatch):
    service, embedded = page.app.state.service, []
    compute = service.index_vector

    async def count(sound):
        embedded.append(sound)
        return await compute(sound)

    monkeypatch.setattr(service, "index_vector", count)
    assert "<h2>Map</h2>" in ask(page, upload(page, wav_bytes()))
    assert len(embedded) == 1


def test_models_of_several_labels_choose_no_single_class(onnx_model):
    tagger = SimpleNamespace(thresholds=None, description=SimpleNamespace(multi_label=True), labels=["a", "b"])
    for model in (tagger, SimpleNamespace(thresholds=np.ones(2), labels=["a", "b"])):
        assert "chooses one" not in labels_text(model)
    for model in (onnx_model, SimpleNamespace(thresholds=None, labels=["a", "b", "c"])):
        assert "chooses one of its 3 classes" in labels_text(model)


def test_the_title_names_the_models_and_the_index(page, serving, searched, index_dir):
    unnamed = AudioSearch(classifier=searched.classifier)
    assert config_of(page)["title"] == f"mxnet-audio: cifar10, {index_dir.name}"
    assert config_of(serving(ServedModels(search=unnamed), page=True))["title"] == "mxnet-audio"


def test_the_speaker_of_a_recording(page, wav_bytes):
    html = ask(page, upload(page, wav_bytes()), "Identify")
    assert "<h2>Ada</h2>" in html and ESCAPED in html and HTML not in html


@pytest.mark.parametrize(
    "path", ["/etc/hostname", "https://example.com/a.wav", "http://127.0.0.1:1/a.wav", "\0", "x" * 5000]
)
def test_only_uploads_are_read(page, path):
    html = ask(page, path)
    assert html is None or "choose it again" in html
    assert not [file for file in folder_of(page).rglob("*") if file.name in ("hostname", "a.wav")]


@pytest.mark.parametrize("content", [b"text", b"", "long", "silence"])
def test_unusable_sounds_are_explained(page, wav_bytes, content):
    content = {"long": wav_bytes(3, sr=8000), "silence": wav_bytes(1, 0)}.get(content, content)
    html = ask(page, upload(page, content, "a & b.wav"))
    assert 'role="alert"' in html and ("a &amp; b.wav: " in html or "longer than 2 s" in html)
    assert str(folder_of(page)) not in html


def test_parts_without_a_model_are_left_out(serving, served_models):
    text = serving(ServedModels(classifier=served_models.classifier), page=True).get("/").text
    assert "Analyse" in text and "Identify" not in text


def test_lines_break_after_underscores():
    html = render("labels", title="Labels", text="", rows=[("person_sneeze_<b>", 0.0004)])
    assert "person_<wbr>sneeze_<wbr>&lt;b&gt;" in html and "<b>" not in html


@pytest.mark.parametrize(("part", "text"), [((1, 2, False), "from 1.0 s to 2.0 s"), ((0, 2, True), None), (None, None)])
def test_the_part_of_a_neighbour_is_shown_unless_it_is_the_whole(part, text):
    one = {"name": "a.wav", "distance": 0.1, "url": "v1/audio/1", "part": part and Part(*part)}
    html = render("neighbours", found=[one])
    assert (text in html and "#t=1.00" in html) if text else ("most similar from" not in html and "#t=" not in html)


def test_names_are_text():
    prediction = Prediction(None, HTML, np.float32([0.75]), labels=[HTML])
    sound = render("sound", name=HTML, seconds=1, rate=8000, figure="data:")
    labels = render("labels", title="Labels", text="", rows=prediction.top())
    problem = render("problem", text=HTML + "\n\0")
    for html in (sound, labels, problem):
        assert ESCAPED in html and "<img src=x" not in html and "\0" not in html


@pytest.mark.parametrize("samples", [1, 100, 5000, 300_000])
def test_figures_of_any_length(samples):
    y = np.sin(np.arange(samples)).astype(np.float32)
    assert sound_figure(y, 8000).startswith("data:image/webp;base64,")


def map_of(vectors, metric="cosine"):
    """Return the map of an index of vectors, and the entries of the index."""
    index = VectorIndex(metric=metric)
    for number, vector in enumerate(vectors):
        index.add(f"{number}.wav", vector)
    return IndexMap(FolderCatalogue(index, None, b"key")), index.entries


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_the_map_keeps_distances_in_a_plane(metric):
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(40, 2)).astype(np.float32) + [5, 0]
    map, entries = map_of(vectors, metric)
    found = map.points(vectors[3], [entries[3], entries[7]])
    points = np.array([point[:2] for point in found.points])
    assert len(points) == 40 and (points >= 0).all() and (points <= [found.width, found.height]).all()
    assert found.query[:2] == found.chosen[0][:2] == found.points[3][:2]
    assert [point.name for point in found.chosen] == ["3.wav", "7.wav"]
    used = vectors / np.linalg.norm(vectors, axis=1, keepdims=True) if metric == "cosine" else vectors
    ratios = np.linalg.norm(points[0] - points[1:], axis=1) / np.linalg.norm(used[0] - used[1:], axis=1)
    np.testing.assert_allclose(ratios, ratios[0], rtol=0.05)


def test_the_map_of_a_large_index_is_a_sample():
    map, entries = map_of(np.random.default_rng(0).normal(size=(1200, 8)))
    found = map.points(np.ones(8), entries[1:2])
    assert 400 <= len(found.points) <= 500 and len(found.chosen) == 1


@pytest.mark.parametrize("vectors", [[], [[1, 2]], [[1, 2], [2, 1]]], ids=["none", "one", "two"])
def test_small_indexes_have_no_map(vectors):
    map, _ = map_of(vectors)
    assert map.points(np.ones(2), []) is None


def test_the_map_of_an_index_with_relative_paths(tmp_path, monkeypatch):
    map, entries = map_of(np.eye(4))
    monkeypatch.chdir(tmp_path)
    found = map.points(np.ones(4), entries[:2])
    assert len(found.points) == 4 and [point.name for point in found.chosen] == ["0.wav", "1.wav"]


def test_equal_and_narrow_vectors_have_a_map():
    for vectors in (np.ones((4, 3)), np.arange(1, 5)[:, None]):
        map, entries = map_of(vectors, "euclidean")
        points = map.points(vectors[0], entries[:1]).points
        assert len(points) == 4 and np.isfinite([point[:2] for point in points]).all()


def test_only_the_first_of_many_events_are_shown():
    events = [Event(n, n + 1, label, 0.5) for n, label in enumerate([HTML, "a", "A", "a"])]
    html = render("events", events=events, count=250, seconds=4)
    assert "The first 4 of 250" in html and html.count('class="line"') == 3 and html.count("left: ") == 4
    assert HTML not in html and "left: 25.00%; width: 25.00%" in html

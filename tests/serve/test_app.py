"""Tests of the app: its documentation, its parts, and what it imports."""

import json
import subprocess
import sys

import pytest

pytest.importorskip("fastapi")

from mxnet_audio.errors import AudioError
from mxnet_audio.serve import ServeSettings, create_app, schemas
from mxnet_audio.serve.problems import Problem

SOUND_ROUTES = ("predict", "tags", "embed", "events", "search")


@pytest.fixture(scope="module")
def document(client):
    """OpenAPI document of the app."""
    return client.get("/openapi.json").json()


def operations(document):
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_every_route_is_documented(document):
    assert {f"/v1/{name}" for name in (*SOUND_ROUTES, "models", "reload", "audio/{id}")} <= set(document["paths"])
    assert {"/healthz", "/readyz", "/metrics"} <= set(document["paths"])
    for path, method, operation in operations(document):
        assert operation["tags"] and operation["summary"] and operation["description"], (path, method)
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(set(ids)) == len(ids) and set(SOUND_ROUTES) <= set(ids)


def test_every_error_is_documented_as_a_problem(document):
    for path, _, operation in operations(document):
        for status, response in operation["responses"].items():
            if int(status) >= 400:
                assert list(response["content"]) == ["application/problem+json"], (path, status)
                example = response["content"]["application/problem+json"]["example"]
                assert Problem(**example).status == int(status)
    for name in SOUND_ROUTES:
        responses = document["paths"][f"/v1/{name}"]["post"]["responses"]
        assert {"401", "404", "408", "413", "415", "422", "429", "500", "504"} <= set(responses)


@pytest.mark.parametrize("name", [name for name in schemas.__all__ if name.endswith("Answer")])
def test_examples_of_answers_are_answers(document, name):
    answer = getattr(schemas, name)
    (example,) = document["components"]["schemas"][name]["examples"]
    assert answer.model_validate(example).model_dump() == example
    assert set(example) == set(answer.model_fields)


def test_there_are_no_pages_that_load_scripts_from_other_hosts(client):
    for path in ("/docs", "/redoc", "/nothing", "/v1", "/v1/predict/"):
        answer = client.get(path, follow_redirects=False)
        assert answer.status_code == 404 and answer.headers["content-type"] == "application/problem+json", path
    answer = client.get("/v1/predict")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def test_the_app_starts_and_stops_its_service(served_models):
    from starlette.testclient import TestClient

    app = create_app(served_models, ServeSettings(page=False))
    client = TestClient(app)
    assert client.get("/readyz").status_code == 503
    for _ in range(2):
        with client:
            assert app.state.service.is_ready and client.get("/readyz").status_code == 200
        assert not app.state.service.is_ready


def test_packages_that_are_missing_are_named(monkeypatch, served_models):
    import mxnet_audio.serve

    monkeypatch.setitem(sys.modules, "mxnet_audio.serve.page", None)
    with pytest.raises(AudioError, match=r"pip install 'gradio.*\[serve\].*--no-page"):
        create_app(served_models)
    monkeypatch.delitem(sys.modules, "mxnet_audio.serve.app")
    monkeypatch.delattr("mxnet_audio.serve.create_app", raising=False)
    monkeypatch.delattr("mxnet_audio.serve.app", raising=False)
    monkeypatch.setitem(sys.modules, "fastapi", None)
    with pytest.raises(AudioError, match=r"fastapi.*pip install .*\[serve\]"):
        mxnet_audio.serve.create_app  # noqa: B018


WITHOUT_MXNET = """
import json, sys
sys.modules["mxnet"] = None
from starlette.testclient import TestClient
from mxnet_audio.serve import ServeSettings, create_app, load_models
model, index, sound, page = json.loads(sys.argv[1])
app = create_app(load_models(model, index=index), ServeSettings(page=page))
with TestClient(app) as client:
    routes = ["predict", "embed", "events", "search", "search?windows=true"]
    answers = [client.post(f"/v1/{route}", files={"file": open(sound, "rb")}).status_code for route in routes]
    gets = [client.get(path).status_code for path in ("/", "/v1/models", "/openapi.json", "/metrics")]
print(json.dumps([answers, gets]))
"""


@pytest.mark.parametrize("page", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_an_onnx_file_and_its_index_need_no_mxnet(onnx_path, index_dir, corpus, page):
    if page:
        pytest.importorskip("gradio")
    arguments = json.dumps([str(onnx_path), str(index_dir), corpus[0][0], page])
    process = subprocess.run([sys.executable, "-c", WITHOUT_MXNET, arguments], capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    answers, gets = json.loads(process.stdout)
    assert answers == [200] * 5 and gets == [200 if page else 404, 200, 200, 200]

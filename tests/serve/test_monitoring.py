"""Tests of the state of the server and its measures."""

from types import SimpleNamespace

import pytest
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from mxnet_audio.serve.monitoring import install_monitoring
from mxnet_audio.serve.problems import install_problems


@pytest.fixture
def client():
    app = FastAPI()
    app.state.service = SimpleNamespace(is_ready=True, waiting=0, on_batch=None)
    install_problems(app)
    install_monitoring(app)

    @app.get("/v1/sound/{name}")
    async def sound(name: str):
        if name == "bad":
            raise RuntimeError
        return name

    return TestClient(app, raise_server_exceptions=False)


def measures(client):
    """Return the measures by their names and labels."""
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_requests_are_counted_by_route_and_status(client):
    for path in ("/v1/sound/a", "/v1/sound/b", "/v1/sound/bad", "/x1", "/x2", "/v1/sound/a"):
        client.get(path)
    client.request("HACK", "/v1/sound/a")
    found = measures(client)
    counts = {key[1:]: value for key, value in found.items() if key[0] == "mxnet_audio_requests_total"}
    assert counts[("/v1/sound/{name}", "200")] == 3 and counts[("/v1/sound/{name}", "500")] == 1
    assert counts[("other", "404")] == 2 and sum(counts.values()) == 7
    assert found[("mxnet_audio_request_seconds_count", "/v1/sound/{name}")] >= 4
    assert found[("mxnet_audio_request_seconds_sum", "/v1/sound/{name}")] > 0


def test_names_of_requests_do_not_become_measures(client):
    before = len(measures(client))
    for number in range(20):
        client.get(f"/v1/sound/{number}")
    for number in range(20):
        client.request(f"M{number}", f"/secret-{number}")
    text = client.get("/metrics").text
    assert "secret" not in text and len(measures(client)) < before + 80


def test_batches_sounds_and_waiting_requests_are_measured(client):
    service = client.app.state.service
    service.on_sound(SimpleNamespace(seconds=2.5))
    service.on_batch(1)
    service.on_batch(7)
    service.waiting = 5
    found = measures(client)
    assert found[("mxnet_audio_batch_size_count",)] == 2 and found[("mxnet_audio_batch_size_sum",)] == 8
    assert found[("mxnet_audio_waiting_requests",)] == 5 and found[("mxnet_audio_sound_seconds_sum",)] == 2.5


def test_apps_have_measures_of_their_own(client):
    client.get("/v1/sound/a")
    other = FastAPI()
    other.state.service = SimpleNamespace(is_ready=False, waiting=0, on_batch=None)
    install_monitoring(other)
    assert not [key for key in measures(TestClient(other)) if key[0] == "mxnet_audio_requests_total"]


def test_the_state_is_told(client):
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ok"}
    client.app.state.service.is_ready = False
    assert client.get("/healthz").status_code == 200
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:mxnet-audio:not-ready")

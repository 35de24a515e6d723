"""Requests generated from the description of the API: none fails, and all answers are as described."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings

pytest.importorskip("schemathesis")

import schemathesis
from schemathesis import GenerationMode
from schemathesis.python import asgi
from schemathesis.specs.openapi.checks import positive_data_acceptance

from mxnet_audio.serve import ServeSettings, create_app

SOUNDS = ["POST /v1/predict", "POST /v1/tags", "POST /v1/embed", "POST /v1/events", "POST /v1/search"]
WITH_INPUT = [*SOUNDS, "GET /v1/audio/{id}"]
WITHOUT_INPUT = ["GET /v1/models", "POST /v1/reload", "GET /healthz", "GET /readyz", "GET /metrics"]


@pytest.fixture(scope="module")
def app(served_models, corpus):
    return create_app(served_models, ServeSettings(page=False, audio_root=Path(corpus[0][0]).parent, max_bytes=100_000))


@pytest.fixture(scope="module")
def api(app):
    return schemathesis.openapi.from_asgi("/openapi.json", app)


@pytest.fixture(scope="module")
def session(app):
    with asgi.get_client(app) as client:
        yield client


def test_each_route_is_described(api):
    assert sorted(WITH_INPUT + WITHOUT_INPUT) == sorted(result.ok().label for result in api.get_all_operations())
    for path, operations in api.raw_schema["paths"].items():
        for operation in operations.values():
            assert operation["description"] and operation["tags"], path
            for status, answer in operation["responses"].items():
                kinds = list(answer.get("content", ()))
                assert status < "400" or kinds == ["application/problem+json"], (path, status)


@pytest.mark.parametrize(
    ("route", "mode"),
    [(route, GenerationMode.POSITIVE) for route in WITH_INPUT + WITHOUT_INPUT]
    + [(route, GenerationMode.NEGATIVE) for route in WITH_INPUT],
)
def test_answers_are_as_described(api, session, route, mode):
    method, path = route.split()
    operation = api[path][method]

    @settings(
        max_examples=12,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case):
        response = case.call(session=session)
        assert response.status_code < 500, response.text
        # Random bytes are no sound, which no description can express.
        case.validate_response(response, excluded_checks=[positive_data_acceptance])

    check()


@pytest.mark.parametrize("route", SOUNDS)
def test_answers_to_sounds_are_as_described(api, session, corpus, route):
    method, path = route.split()
    case = api[path][method].Case(media_type="application/json", body={"path": Path(corpus[0][0]).name})
    response = case.call(session=session)
    assert response.status_code == (404 if path == "/v1/tags" else 200), response.text  # there is no encoder
    case.validate_response(response, excluded_checks=[positive_data_acceptance])
    if path == "/v1/search":
        neighbour = response.json()["neighbours"][0]
        case = api["/v1/audio/{id}"]["GET"].Case(path_parameters={"id": neighbour["id"]})
        response = case.call(session=session)
        assert response.status_code == 200 and case.formatted_path == neighbour["audio_url"]
        case.validate_response(response)

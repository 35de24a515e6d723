"""Tests of the answers to requests that fail."""

import logging
import re

import pytest
from fastapi import FastAPI
from starlette.responses import StreamingResponse
from starlette.testclient import TestClient

from mxnet_audio import errors
from mxnet_audio.serve import problems
from tests.serve.asgi import request

RAISED = {
    "unauthorized": (problems.Unauthorized("no key"), 401),
    "not-served": (problems.NotServed("no index"), 404),
    "unknown-sound": (problems.UnknownSound("no such sound"), 404),
    "too-slow": (problems.TooSlow("too slow"), 408),
    "too-large": (problems.TooLarge("too large"), 413),
    "unsupported-type": (problems.UnsupportedType("no type"), 415),
    "too-long": (problems.TooLong("too long", "a.wav"), 422),
    "busy": (problems.Busy("busy"), 429),
    "timed-out": (problems.TimedOut("too late"), 504),
    "bad-parameter": (errors.FeatureError("hop must be >= 1"), 422),
    "bad-sound": (errors.TruncatedAudioError("truncated", "birds/wren.wav"), 422),
    "failure": (errors.ModelError("no weights", "/models/secret"), 500),
    "unexpected": (RuntimeError("/models/secret"), 500),
}


@pytest.fixture(scope="module")
def client():
    app = FastAPI()
    problems.install_problems(app)

    @app.get("/raise/{kind}")
    async def fail(kind: str):
        raise RAISED[kind][0]

    @app.get("/number/{number}", responses=problems.problem_responses(422))
    async def number(number: int, share: float = 0.5):
        return number

    @app.get("/broken")
    async def broken():
        def parts():
            yield b"first"
            raise RuntimeError("/models/secret")

        return StreamingResponse(parts())

    @app.get("/inner")
    async def inner():
        raise errors.InvalidAudioError("silent", "/srv/sounds/wren.wav")

    return TestClient(app, raise_server_exceptions=False)


def check(answer, status):
    """Check the form of a problem, and return it."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    problem = answer.json()
    assert sorted(problem) == ["detail", "instance", "status", "title", "type"]
    assert problem["status"] == status and problem["title"]
    assert re.fullmatch(r"urn:mxnet-audio:[a-z-]+", problem["type"])
    assert re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", problem["instance"])
    return problem


@pytest.mark.parametrize("kind", RAISED)
def test_each_error_has_a_status_and_a_type(client, kind):
    error, status = RAISED[kind]
    problem = check(client.get(f"/raise/{kind}"), status)
    assert problem["type"].rpartition(":")[2] == ("failure" if kind == "unexpected" else kind)
    if status == 500:
        assert "secret" not in problem["detail"]
    else:
        assert error.reason in problem["detail"]


def test_the_sound_is_named_but_not_its_folder_on_the_server(client):
    assert check(client.get("/raise/bad-sound"), 422)["detail"] == "birds/wren.wav: truncated"
    assert check(client.get("/inner"), 422)["detail"] == "wren.wav: silent"


def test_headers_tell_what_to_do(client):
    assert client.get("/raise/busy").headers["retry-after"] == "1"
    assert client.get("/raise/unauthorized").headers["www-authenticate"].startswith("Basic")
    assert client.post("/raise/busy").headers["allow"] == "GET"


def test_failures_are_in_the_log_under_the_name_in_the_answer(client, caplog):
    with caplog.at_level(logging.ERROR):
        problem = check(client.get("/raise/unexpected"), 500)
    record = next(record for record in caplog.records if record.name == problems.__name__)
    assert problem["instance"] in record.getMessage() and record.exc_info is not None


def test_errors_of_the_framework_are_problems_too(client):
    check(client.get("/missing"), 404)
    check(client.delete("/inner"), 405)
    problem = check(client.get("/number/x", params={"share": 9 * "nan"}), 422)
    assert "number: " in problem["detail"] and "share: " in problem["detail"]


def test_values_are_not_repeated(client):
    answer = client.get("/number/<script>" + "9" * 5000)
    assert "script" not in check(answer, 422)["detail"] and len(answer.content) < 1000


def test_an_answer_that_has_begun_is_not_ended(client):
    with pytest.raises(RuntimeError):
        TestClient(client.app).get("/broken")


def test_a_client_that_is_not_there_any_more_is_no_failure(client, caplog):
    @client.app.post("/v1/sound")
    async def read(request: problems.Request):
        await request.body()

    assert request(client.app, [b"a"], stop="disconnect").status == 499
    assert caplog.records == []


def test_problems_are_documented(client):
    answers = client.get("/openapi.json").json()["paths"]["/number/{number}"]["get"]["responses"]
    schema = answers["422"]["content"]["application/problem+json"]["schema"]
    assert set(schema["required"]) == {"type", "title", "status", "detail", "instance"}
    assert list(answers["422"]["content"]) == ["application/problem+json"]

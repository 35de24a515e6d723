"""Errors of requests as problem details (RFC 9457), for every route of an app."""

from __future__ import annotations

import logging
import os
import uuid
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, ClassVar

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mxnet_audio.errors import AudioDecodeError, AudioError, InvalidAudioError, ParameterError

__all__ = [
    "Busy",
    "NotServed",
    "Problem",
    "RequestError",
    "TimedOut",
    "TooLarge",
    "TooLong",
    "TooSlow",
    "Unauthorized",
    "UnknownSound",
    "UnsupportedType",
    "install_problems",
    "problem_response",
    "problem_responses",
]

logger = logging.getLogger(__name__)


class RequestError(AudioError):
    """Base of the errors of requests that have a status of their own.

    Attributes
    ----------
    status : int
        Status of the answer.
    kind : str
        Last part of the problem's type.
    headers : mapping of str to str
        Headers of the answer.
    """

    status = 400
    kind = "bad-request"
    headers: ClassVar[Mapping[str, str]] = {}


class Unauthorized(RequestError):
    """Raised if a request has no key, or a wrong one."""

    status, kind = 401, "unauthorized"
    headers: ClassVar[Mapping[str, str]] = {"WWW-Authenticate": 'Basic realm="mxnet-audio", charset="UTF-8"'}


class NotServed(RequestError):
    """Raised if the server has no model, index or folder for a request."""

    status, kind = 404, "not-served"


class UnknownSound(RequestError):
    """Raised if a request names a sound that the server does not have, or must not read."""

    status, kind = 404, "unknown-sound"


class TooSlow(RequestError):
    """Raised if the body of a request does not arrive in time."""

    status, kind = 408, "too-slow"


class TooLarge(RequestError):
    """Raised if the body of a request has too many bytes."""

    status, kind = 413, "too-large"


class UnsupportedType(RequestError):
    """Raised if the body of a request has a type that is not read."""

    status, kind = 415, "unsupported-type"


class TooLong(RequestError):
    """Raised if a sound is longer than the server computes."""

    status, kind = 422, "too-long"


class Busy(RequestError):
    """Raised if too many requests are waiting."""

    status, kind = 429, "busy"
    headers: ClassVar[Mapping[str, str]] = {"Retry-After": "1"}


class TimedOut(RequestError):
    """Raised if an answer is not computed in time."""

    status, kind = 504, "timed-out"


class Problem(BaseModel):
    """Problem details of RFC 9457."""

    type: str = Field(description="kind of problem, for programs", examples=["urn:mxnet-audio:bad-sound"])
    title: str = Field(description="name of the status", examples=["Unprocessable Entity"])
    status: int = Field(description="status of the answer", examples=[422])
    detail: str = Field(description="cause and remedy", examples=["bird.wav: there are no samples"])
    instance: str = Field(
        description="name of this occurrence; the server's log has it too if the server failed",
        examples=["urn:uuid:6f9619ff-8b86-4011-b42d-00c04fc964ff"],
    )


_EXAMPLES = {  # kind and detail of a problem, by its status
    400: ("bad-request", "Missing boundary in multipart."),
    401: ("unauthorized", "there is no API key: send it as 'X-API-Key: …', 'Authorization: Bearer …' or the password"),
    403: ("foreign-page", "this request comes from a web page of another origin, which --origin would allow"),
    404: ("not-served", "no index is served: start the server with --index"),
    408: ("too-slow", "the body did not arrive within 60 s"),
    409: ("index-not-replaced", "the former index stays in service: there is no index in this directory"),
    410: ("missing-sound", "the file of this sound is missing"),
    413: ("too-large", "the body has more than 67108864 bytes"),
    415: ("unsupported-type", "send a sound as multipart/form-data with a field 'file', or as a body of type audio/*"),
    416: ("unsatisfiable-range", "no byte of the range is in the file"),
    422: ("bad-sound", "wren.wav: silent: the peak is below -100 dBFS"),
    429: ("busy", "64 requests are waiting: try again later"),
    500: ("failure", "the server failed; its log has the cause"),
    503: ("not-ready", "the server is starting or stopping"),
    504: ("timed-out", "not computed within 60 s: send a shorter sound, or try again later"),
}
_EXAMPLE_ID = uuid.UUID("6f9619ff-8b86-4011-b42d-00c04fc964ff")


def _problem(status: int, kind: str, detail: str, occurrence: uuid.UUID = _EXAMPLE_ID) -> Problem:
    return Problem(
        type=f"urn:mxnet-audio:{kind}",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        instance=f"urn:uuid:{occurrence}",
    )


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the documentation of problems, for `responses` of a route of FastAPI.

    Parameters
    ----------
    *statuses : int
        Statuses of the route's errors.

    Returns
    -------
    dict of int to dict

    Examples
    --------
    >>> problem_responses(429)[429]["description"]
    'Too Many Requests'
    """
    schema = Problem.model_json_schema()
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {
                "application/problem+json": {
                    "schema": schema,
                    "example": _problem(status, *_EXAMPLES[status]).model_dump(),
                }
            },
        }
        for status in statuses
    }


def problem_response(
    status: int,
    kind: str,
    detail: str,
    headers: Mapping[str, str] | None = None,
    *,
    cause: Exception | None = None,
) -> JSONResponse:
    """Return the answer for a problem.

    Parameters
    ----------
    status : int
        Status of the answer.
    kind : str
        Last part of the problem's type.
    detail : str
        Cause and remedy.
    headers : mapping of str to str, optional
    cause : Exception, optional
        Failure of the server, for its log.

    Returns
    -------
    starlette.responses.JSONResponse

    Examples
    --------
    >>> problem_response(429, "busy", "too many requests wait").media_type
    'application/problem+json'
    """
    problem = _problem(status, kind, detail, uuid.uuid4())
    if cause is not None:
        logger.error("%s: %s", problem.instance, cause, exc_info=cause)
    return JSONResponse(problem.model_dump(), status, headers, media_type="application/problem+json")


def install_problems(app: FastAPI) -> None:
    """Make an app answer every error with problem details.

    Parameters
    ----------
    app : fastapi.FastAPI
    """
    app.add_exception_handler(AudioError, _package_error)
    app.add_exception_handler(RequestValidationError, _bad_parameters)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(ClientDisconnect, _no_reader)
    app.add_middleware(_Unexpected)


class _Unexpected:
    """Layer of an app that answers if the app fails; a handler of FastAPI would do so outside of all other layers."""

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        has_started = False

        async def watched(message: Message) -> None:
            nonlocal has_started
            has_started = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:
            if scope["type"] != "http" or has_started:  # closing the connection shows that the answer is incomplete
                raise
            await _failure(error)(scope, receive, send)


async def _package_error(request: Request, error: Any) -> Response:
    if isinstance(error, RequestError):
        return problem_response(error.status, error.kind, _detail(error), error.headers)
    if isinstance(error, ParameterError):
        return problem_response(422, "bad-parameter", _detail(error))
    if isinstance(error, AudioDecodeError | InvalidAudioError):
        return problem_response(422, "bad-sound", _detail(error))
    return _failure(error)


def _detail(error: AudioError) -> str:
    """Return the message of an error, without folders of the server."""
    if error.path is None:
        return error.reason
    name = os.path.basename(error.path) if os.path.isabs(error.path) else error.path  # noqa: PTH117, PTH119
    return f"{name}: {error.reason}"


def _failure(error: Exception) -> JSONResponse:
    """Return the answer for a failure of the server; the message could name its files."""
    return problem_response(500, "failure", "the server failed; its log has the cause", cause=error)


async def _bad_parameters(request: Request, error: Any) -> Response:
    """Name each parameter and its fault; values are not repeated, since they may be of any size."""
    faults = [f"{'.'.join(map(str, fault['loc'][1:]))}: {fault['msg']}" for fault in error.errors()[:10]]
    return problem_response(422, "bad-parameter", "; ".join(faults))


async def _http_error(request: Request, error: Any) -> Response:
    kinds = {one.status: one.kind for one in (Unauthorized, TooSlow, TooLarge, UnsupportedType, Busy)}
    kind = kinds.get(error.status_code) or HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
    return problem_response(error.status_code, kind, str(error.detail), error.headers)


async def _no_reader(request: Request, error: Any) -> Response:
    return Response(status_code=499)  # nobody reads it: the connection is closed; the status is for the metrics

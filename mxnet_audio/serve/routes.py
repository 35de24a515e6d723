"""Routes of the API that answer with a model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Any, TypeVar

import anyio
from fastapi import APIRouter, Depends, Query, Request
from starlette.requests import ClientDisconnect

import mxnet_audio
from mxnet_audio.checks import nearest, shown
from mxnet_audio.errors import ParameterError
from mxnet_audio.serve.problems import problem_responses
from mxnet_audio.serve.schemas import (
    EmbeddingAnswer,
    EventsAnswer,
    FoundEvent,
    LabelProbability,
    Limits,
    ModelDescription,
    ModelsAnswer,
    PredictionAnswer,
    ServedIndex,
    ServedModel,
    ServedSpeakers,
    TagsAnswer,
    TagScore,
)
from mxnet_audio.serve.service import SoundService, timed_out
from mxnet_audio.serve.sounds import Sound
from mxnet_audio.serve.uploads import UPLOAD_BODY, Upload, receive_upload

__all__ = ["CHECKED", "SOUND_ROUTE", "Answering", "Service", "TopK", "answering", "describe", "router"]

Result = TypeVar("Result")


async def _check_parameters(request: Request) -> None:
    """Raise ParameterError for a parameter that the route does not have, such as a misspelt one."""
    path, method = request.scope["route"].path, request.method.lower()
    operation = request.app.openapi()["paths"][path].get(method, {})
    known = [each["name"] for each in operation.get("parameters", []) if each["in"] == "query"]
    for name in request.query_params:
        if name not in known:
            raise ParameterError(f"this route has no parameter {shown(name)}{nearest(name, known)}")


CHECKED = [Depends(_check_parameters)]  # dependencies of the routes of the API

router = APIRouter(prefix="/v1", dependencies=CHECKED)

#: Arguments of the routes that take a sound, for ``router.post``.
SOUND_ROUTE: dict[str, Any] = {
    "tags": ["sounds"],
    "responses": problem_responses(400, 401, 403, 404, 408, 413, 415, 422, 429, 500, 504),
    "openapi_extra": {"requestBody": UPLOAD_BODY},
}


async def _served(request: Request) -> SoundService:  # FastAPI calls other functions in a thread, which takes longer
    return request.app.state.service


Service = Annotated[SoundService, Depends(_served)]
TopK = Annotated[int, Query(ge=1, le=10000, description="number of results")]


class Answering:
    """Sound of a request, and the limits of its answer.

    Parameters
    ----------
    request : fastapi.Request
    model
        Model that is to answer.
    upload : Upload
    channel : str
        Channel of the sound to use.

    Attributes
    ----------
    service : SoundService
        Service of the app.
    model
    upload : Upload
    """

    def __init__(self, request: Request, model: Any, upload: Upload, channel: str):
        self.service: SoundService = request.app.state.service
        self.model, self.upload, self._request = model, upload, request
        self._channel = int(channel) if channel.isdecimal() else channel

    async def __call__(self, compute: Callable[[Sound], Awaitable[Result]], model: Any = None) -> tuple[Sound, Result]:
        """Decode the sound, and compute a result of it, until the client closes the connection, or it takes too long.

        The features that the network of `model` needs are computed in the same thread call as the decoding.

        Raises
        ------
        ClientDisconnect
            If the client has closed the connection.
        TimedOut
            If it takes longer than `ServeSettings.timeout`.
        """
        timeout = self.service.settings.timeout
        with anyio.move_on_after(timeout) as scope:
            watcher = asyncio.ensure_future(self._cancel_if_disconnected(scope))
            try:
                return await self._answer(compute, model)
            finally:
                is_disconnected = watcher.done()
                watcher.cancel()
        raise ClientDisconnect if is_disconnected else timed_out(timeout)

    async def _answer(self, compute: Callable[[Sound], Awaitable[Result]], model: Any) -> tuple[Sound, Result]:
        sound = await self.service.decode(self.upload, self._channel, model)
        self.upload.file.close()
        return sound, await compute(sound)

    async def _cancel_if_disconnected(self, scope: anyio.CancelScope) -> None:
        while (await self._request.receive())["type"] != "http.disconnect":
            pass
        scope.cancel()


def answering(model: Callable[[SoundService], Any]) -> Any:
    """Return the dependency of FastAPI of the routes that take a sound, and answer with a model: an `Answering`.

    It raises the error of `model`, such as NotServed, before the body of a request is read. It is a single dependency,
    since FastAPI needs a tenth of a millisecond for each.
    """

    async def begin(
        request: Request,
        channel: Annotated[
            str, Query(pattern=r"^(mix|left|right|\d{1,4})$", description="mix of all, or one by name or number from 0")
        ] = "mix",
    ) -> AsyncIterator[Answering]:
        needed = model(request.app.state.service)
        async with receive_upload(request) as upload:
            yield Answering(request, needed, upload, channel)

    return Depends(begin)


@router.post("/predict", summary="Label a sound", **SOUND_ROUTE)
async def predict(answer: Annotated[Answering, answering(SoundService.predictor)], top_k: TopK = 5) -> PredictionAnswer:
    """Label a sound with the trained model (`mxnet-audio serve --model-dir`)."""
    sound, prediction = await answer(answer.service.predict, answer.model)
    top = prediction.top(top_k)
    return PredictionAnswer(
        label=list(prediction.label) if isinstance(prediction.label, tuple) else prediction.label,  # type: ignore[arg-type]
        probability=prediction.top(1)[0][1],
        top=[LabelProbability(label=label, probability=number) for label, number in top],
        seconds=sound.seconds,
        model=describe(answer.model),
    )


@router.post("/tags", summary="Tag a sound", **SOUND_ROUTE)
async def tags(answer: Annotated[Answering, answering(SoundService.tagger)], top_k: TopK = 10) -> TagsAnswer:
    """Tag a sound with the published tags of the encoder (`mxnet-audio serve --encoder`)."""
    sound, prediction = await answer(answer.service.tags, answer.model)
    return TagsAnswer(
        tags=[TagScore(label=label, score=number) for label, number in prediction.top(top_k)],
        seconds=sound.seconds,
        encoder=str(prediction.encoder),
    )


@router.post("/embed", summary="Compute the embedding of a sound", **SOUND_ROUTE)
async def embed(answer: Annotated[Answering, answering(SoundService.embedder)]) -> EmbeddingAnswer:
    """Compute the embedding of a sound with the encoder or, if there is none, the trained model, or the index's."""
    sound, (vector, model_id) = await answer(answer.service.embed, answer.model)
    return EmbeddingAnswer(vector=vector.tolist(), dim=len(vector), model_id=model_id, seconds=sound.seconds)


Seconds = Annotated[float, Query(ge=0, le=86400, allow_inf_nan=False)]


@router.post("/events", summary="Find the events of a sound", **SOUND_ROUTE)
async def events(
    answer: Annotated[Answering, answering(SoundService.labeller)],
    threshold: Annotated[
        float | None,
        Query(gt=0, le=1, description="lowest score of an event; by default that of the model, or 0.5"),
    ] = None,
    label: Annotated[list[str] | None, Query(description="label to look for, several times for several")] = None,
    min_duration: Annotated[Seconds, Query(description="[s]: shorter events are left out")] = 0.0,
    max_gap: Annotated[Seconds, Query(description="[s]: events of a label that are not further apart are one")] = 0.0,
    window: Annotated[Seconds | None, Query(description="length of a window [s]; by default that of the model")] = None,
    hop: Annotated[Seconds | None, Query(description="time from window to window [s]; by default half of it")] = None,
) -> EventsAnswer:
    """Find the events of a sound with the encoder or, if it has no tags, the trained model.

    The sound is labelled window by window. Consecutive windows in which the score of a label reaches the threshold are
    one event of it; its score is the highest among them.
    """
    options: dict[str, Any] = {
        "threshold": threshold,
        "labels": label,
        "min_duration": min_duration,
        "max_gap": max_gap,
    }
    options |= {"window": window, "hop": hop}

    async def find(sound: Sound) -> Any:
        return await answer.service.events(sound, **options)

    sound, found = await answer(find)
    return EventsAnswer(events=[FoundEvent(**event._asdict()) for event in found], seconds=sound.seconds)


@router.get(
    "/models",
    summary="List what is served",
    tags=["server"],
    responses=problem_responses(401, 500, 503),
)
def models(service: Service) -> ModelsAnswer:
    """List the models with their labels, the index and the speakers that are served, and the limits of requests."""
    served, settings = service.models, service.settings
    recognizer = served.recognizer
    return ModelsAnswer(
        version=mxnet_audio.__version__,
        classifier=_model(served.classifier),
        encoder=_model(served.encoder),
        index=None if service.index is None else _index(service),
        speakers=None
        if recognizer is None
        else ServedSpeakers(network=recognizer.network, speakers=len(recognizer.speakers)),
        limits=Limits(
            max_bytes=settings.max_bytes,
            max_seconds=settings.max_seconds,
            timeout=settings.timeout,
            names_sounds=settings.audio_root is not None,
        ),
    )


def _index(service: SoundService) -> ServedIndex:
    """Return the description of the index; a collection's server may be asked."""
    index: Any = service.index
    return ServedIndex(sounds=len(index), metric=index.metric, model_id=service.models.index_model.model_id)


def _model(model: Any) -> ServedModel | None:
    if model is None:
        return None
    return ServedModel(**describe(model).model_dump(), dim=model.embedding_dim, labels=list(model.labels))


def describe(model: Any) -> ModelDescription:
    """Return name and identity of a classifier or an encoder."""
    network = model.record.name if hasattr(model, "record") else model.network
    return ModelDescription(network=network, model_id=model.model_id)

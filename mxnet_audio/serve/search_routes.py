"""Routes of the API that search the index, send its sounds, and load it again."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Depends, FastAPI, Query, Request
from fastapi import Path as PathParameter
from pydantic import BaseModel, Field
from starlette.responses import Response

from mxnet_audio.audio import file_of
from mxnet_audio.errors import ParameterError
from mxnet_audio.search.milvus.rows import FIELDS
from mxnet_audio.serve.catalogue import has_file
from mxnet_audio.serve.file_response import file_response
from mxnet_audio.serve.live_index import LiveIndex, Match
from mxnet_audio.serve.problems import problem_responses
from mxnet_audio.serve.routes import CHECKED, SOUND_ROUTE, Answering, Service, TopK, answering, describe
from mxnet_audio.serve.schemas import ModelDescription
from mxnet_audio.serve.service import SoundService
from mxnet_audio.serve.sound_files import media_type, open_sound
from mxnet_audio.serve.sounds import Sound
from mxnet_audio.serve.uploads import shown_name

__all__ = ["audio_url", "router"]

_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"' + r"|'(?:[^'\\]|\\.)*'", re.DOTALL)
_WORDS = re.compile(r"\w+")
_EXAMPLE_ID = "9f86d081884c7d659a2feaa0c55ad015"


@asynccontextmanager
async def _watching(app: FastAPI) -> AsyncIterator[None]:
    """Serve newer stored indexes while an app runs."""
    index = app.state.service.index
    task = None if index is None else asyncio.create_task(index.watch())
    try:
        yield
    finally:
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


router = APIRouter(prefix="/v1", dependencies=CHECKED, lifespan=_watching)


class FoundNeighbour(BaseModel):
    """Sound of the index that is similar to the query."""

    id: str = Field(description="identity, which does not tell the path", examples=[_EXAMPLE_ID])
    name: str = Field(description="name to show", examples=["birds/wren.wav"])
    distance: float = Field(examples=[0.042])
    audio_url: str | None = Field(
        description="address of the sound; null if it is not a file of the server",
        examples=[f"/v1/audio/{_EXAMPLE_ID}"],
    )
    start: float | None = Field(
        None, description="start of the most similar part [s]; only with `windows`, of the first ten"
    )
    end: float | None = Field(
        None, description="end of the most similar part [s]; only with `windows`, of the first ten"
    )


class SearchAnswer(BaseModel):
    """Sounds of the index that are most similar to a sound."""

    neighbours: list[FoundNeighbour] = Field(description="nearest first")
    model: ModelDescription


class ReloadAnswer(BaseModel):
    """Index that is served now."""

    reloaded: bool = Field(description="true if the index was replaced; false if it was the stored one already")
    sounds: int = Field(description="number of sounds", examples=[2000])


def audio_url(request: Request, match: Match) -> str | None:
    """Return the address of the sound of a match on the same host; None if it is not a file of the server."""
    return f"{request.scope.get('root_path', '')}/v1/audio/{match.id}" if has_file(match.entry) else None


async def _live_index(service: Service) -> LiveIndex:
    service.searcher()
    assert service.index is not None
    return service.index


Index = Annotated[LiveIndex, Depends(_live_index)]


@router.post(
    "/search",
    operation_id="search",
    summary="Find similar sounds",
    response_model_exclude_unset=True,
    **{**SOUND_ROUTE, "responses": problem_responses(400, 401, 403, 404, 408, 413, 415, 422, 429, 500, 503, 504)},
)
async def search(
    request: Request,
    answer: Annotated[Answering, answering(SoundService.searcher)],
    top_k: TopK = 10,
    where: Annotated[
        str | None, Query(max_length=4096, description="condition on the metadata of an index on a Milvus server")
    ] = None,
    windows: Annotated[
        bool,
        Query(
            description="also find the part that is most like the query, of the first ten sounds: `start` and `end`, "
            "which are null for the others, and where a file cannot be read or the time is over"
        ),
    ] = False,
) -> SearchAnswer:
    """Find the sounds of the index that are most similar to a sound.

    A sound of the server that is named by its path is not among them. Sounds whose files are missing are left out.
    """
    own = os.fstat(answer.upload.file.fileno())
    if where is not None:
        _check_where(where)

    async def find(sound: Sound) -> list[Match]:
        return await answer.service.search(sound, top_k, where=where, own=own, parts=windows)

    _, found = await answer(find, answer.model)
    neighbours = []
    for match in found:
        start, end = (None, None) if match.part is None else match.part[:2]
        part: dict[str, Any] = {"start": start, "end": end} if windows else {}
        neighbours.append(
            FoundNeighbour(
                id=match.id, name=match.name, distance=match.distance, audio_url=audio_url(request, match), **part
            )
        )
    return SearchAnswer(neighbours=neighbours, model=describe(answer.model))


def _check_where(where: str) -> None:
    """Raise ParameterError for a condition on more than metadata, by which the paths of files could be found out."""
    if own := sorted(set(_WORDS.findall(_QUOTED.sub("", where))) & set(FIELDS)):
        raise ParameterError(f"where must be a condition on metadata, without {', '.join(own)}")


@router.head("/audio/{id}", include_in_schema=False)
@router.get(
    "/audio/{id}",
    operation_id="audio",
    summary="Get a sound of the index",
    tags=["sounds"],
    response_class=Response,
    responses={
        200: {"description": "The file.", "content": {"audio/*": {"schema": {"type": "string", "format": "binary"}}}},
        206: {
            "description": "A range of the file.",
            "content": {"audio/*": {"schema": {"type": "string", "format": "binary"}}},
        },
        304: {"description": "The file has not changed."},
        **problem_responses(401, 404, 410, 416, 422, 500, 503),
    },
)
async def audio(
    request: Request,
    index: Index,
    id: Annotated[str, PathParameter(max_length=64, description="`id` of a search's answer", examples=[_EXAMPLE_ID])],
) -> Response:
    """Get the file of a sound that a search has found, or a range of it.

    Of a sound that is one channel of a file, this is the file with all its channels.
    """
    return await to_thread.run_sync(_open, index, id, request.headers, request.method == "HEAD")


def _open(index: LiveIndex, id: str, headers: Any, is_head: bool) -> Response:
    """Open the file of a sound, and return the answer, which closes it."""
    entry = index.find(id)
    file = open_sound(entry)
    try:
        name, real = (os.path.basename(file_of(path)) for path in (entry.path, entry.real))  # noqa: PTH119 - not UTF-8
        return file_response(file, shown_name(name), media_type(file, real), headers, is_head)
    except BaseException:
        file.close()
        raise


@router.post(
    "/reload",
    operation_id="reload",
    summary="Load the index again",
    tags=["server"],
    responses=problem_responses(401, 403, 404, 409, 500, 503),
)
async def reload(index: Index) -> ReloadAnswer:
    """Load the index again, if the stored one has changed.

    Requests that have begun are answered from the former index. If the new one cannot be used, the former one stays.
    The server also looks for a newer index by itself every two seconds; files of an index that is still being built
    are served only on this request.
    """
    reloaded = await index.reload_in_thread()
    return ReloadAnswer(reloaded=reloaded, sounds=await to_thread.run_sync(len, index))

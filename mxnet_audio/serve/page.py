"""Web page of a server: sounds are dropped, chosen or recorded, and the answers are shown."""

from __future__ import annotations

import asyncio
import logging
import os
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mxnet_audio.errors import AudioDecodeError, AudioError, InvalidAudioError, ParameterError
from mxnet_audio.serve.catalogue import FolderCatalogue, has_file
from mxnet_audio.serve.page_routes import PageMount, UploadFolder
from mxnet_audio.serve.page_views import IndexMap, labels_text, render, sound_figure
from mxnet_audio.serve.problems import RequestError
from mxnet_audio.serve.routes import describe
from mxnet_audio.serve.uploads import Upload, shown_name

if TYPE_CHECKING:
    import numpy as np
    from fastapi import FastAPI

    from mxnet_audio.search.entries import Entry
    from mxnet_audio.serve.served import ServedModels
    from mxnet_audio.serve.service import SoundService
    from mxnet_audio.serve.sounds import Sound

# Gradio reads these when it is imported. Its own folder, /tmp/gradio, is shared by all users of a machine.
_PRIVATE = tempfile.TemporaryDirectory(prefix="mxnet-audio-")  # mode 0700, a random name
os.environ.update(GRADIO_ANALYTICS_ENABLED="False", GRADIO_TEMP_DIR=_PRIVATE.name)

import gradio as gr  # noqa: E402

__all__ = ["mount"]

log = logging.getLogger(__name__)

TOP_LABELS = 5
TOP_SOUNDS = 5
SHOWN_EVENTS = 200


def mount(app: FastAPI, service: SoundService) -> None:
    """Add the web page to an app, at ``/``; parts whose model is not served are left out.

    The page calls the service in this process. It loads nothing from other hosts. Uploads are in a private folder, and
    are deleted after ten minutes and at the end.

    Parameters
    ----------
    app : fastapi.FastAPI
        App to add the page to.
    service : SoundService
    """
    folder = UploadFolder(_PRIVATE.name)
    gr.mount_gradio_app(
        app,
        _blocks(_Answers(service, folder), service),
        path="/",
        app_kwargs={"lifespan": folder.swept},
        footer_links=[],
        run_history=False,
        show_error=False,
        max_file_size=service.settings.max_bytes,
        ssr_mode=False,
        mcp_server=False,
        enable_monitoring=False,
        pwa=False,
        i18n=gr.I18n(en={"common.complete": "Complete"}),  # told to screen readers; Gradio has no words for it
        theme=gr.themes.Default(primary_hue="indigo", font=["system-ui", "sans-serif"], font_mono=["monospace"]).set(
            body_text_color_subdued="*neutral_600", body_text_color_subdued_dark="*neutral_300"
        ),
        css=render("style"),
        head=render("head"),
    )
    gradio_app: Any = app.routes.pop().app  # type: ignore[attr-defined]  # the mount that Gradio appended
    gradio_app.uploaded_file_dir = str(folder.path)
    app.routes.append(PageMount(gradio_app, folder, service.settings))


def _blocks(answers: _Answers, service: SoundService) -> gr.Blocks:
    """Return the components of the page."""
    settings, models = service.settings, service.models
    limits = f"at most {_duration(settings.max_seconds)} and {settings.max_bytes / (1 << 20):g} MB"
    parts: list[tuple[str, str, str, Callable[[str | None], Awaitable[str]]]] = []
    if any((models.classifier, models.encoder, models.search)):
        parts.append(("Analyse a sound", "Sound", "Analyse", answers.analyse))
    if models.recognizer is not None:
        parts.append(("Who is speaking?", "Recording of one speaker", "Identify", answers.identify))
    title = _title(models)
    with gr.Blocks(title=title, analytics_enabled=False) as blocks:
        gr.HTML(render("header", title=title, limits=limits), apply_default_css=False, js_on_load=None)
        with gr.Tabs() if len(parts) > 1 else nullcontext():
            for title, label, action, answer in parts:
                with gr.Tab(title) if len(parts) > 1 else nullcontext():
                    _part(label, action, answer)
    return blocks.queue(max_size=settings.queue_size, default_concurrency_limit=None)


def _title(models: ServedModels) -> str:
    """Return the title of the page: the package, the models, and the folder of the index."""
    names = [describe(model).network for model in (models.classifier, models.encoder) if model is not None]
    if models.search is not None and (directory := getattr(models.search.index, "directory", None)):
        names.append(shown_name(directory))
    return f"mxnet-audio: {', '.join(names)}" if names else "mxnet-audio"


def _part(label: str, action: str, answer: Callable[[str | None], Awaitable[str]]) -> None:
    """Add a sound, a button, and the answer to them."""
    sound = gr.Audio(sources=["upload", "microphone"], type="filepath", label=label, buttons=[])
    # Gradio would copy any file that a request names, and load URLs. A subclass would make it write a .pyi file here.
    sound.async_move_resource_to_block_cache = _same_path  # type: ignore[assignment]
    button = gr.Button(action, variant="primary")
    result = gr.HTML(apply_default_css=False, js_on_load=None, elem_classes="answer", min_height=80)
    button.click(answer, sound, result, api_visibility="private", scroll_to_output=True, show_progress="full")
    sound.clear(lambda: "", None, result, api_visibility="private", show_progress="hidden")


async def _same_path(path: str | Path | None) -> str | None:
    """Return the path that a request names, as it is; the answers read uploads only."""
    return None if path is None else str(path)


class _Answers:
    """Answers of the page as HTML."""

    def __init__(self, service: SoundService, folder: UploadFolder):
        self._service, self._folder = service, folder
        self._models: Any = service.models
        self._map: IndexMap | None = None

    async def analyse(self, path: str | None) -> str:
        """Return everything that the models tell about an upload."""
        return await self._of_upload(path, self._analysis)

    async def identify(self, path: str | None) -> str:
        """Return the speaker of an upload."""
        return await self._of_upload(path, self._speaker)

    async def _of_upload(self, path: str | None, answer: Callable[[Sound], Awaitable[str]]) -> str:
        if path is None:
            return render("problem", text="Choose or record a sound first.")
        try:
            if not self._folder.holds(path):
                raise ParameterError("the sound is not on the server any more: choose it again")
            with os.fdopen(os.open(path, os.O_RDONLY), "rb") as file:  # without its path, which errors would tell
                sound = await self._service.decode(Upload(shown_name(path), file))
            return await answer(sound)
        except AudioError as error:
            return render("problem", text=_message(error))

    async def _analysis(self, sound: Sound) -> str:
        figure = await asyncio.to_thread(sound_figure, *sound.source)
        parts = [render("sound", name=sound.name, seconds=sound.seconds, rate=sound.rate, figure=figure)]
        service, models = self._service, self._models
        labels = [
            (models.classifier, service.predict, "Labels", labels_text(models.classifier)),
            (models.encoder, service.tags, "Tags", "What may be heard in the sound, with scores between 0 and 1."),
        ]
        for model, compute, title, text in labels:
            if model is not None and model.labels:
                prediction = await compute(sound)
                parts.append(render("labels", title=title, text=text, rows=prediction.top(TOP_LABELS)))
        if any(model is not None and model.labels for model in (models.classifier, models.encoder)):
            events = await service.events(sound)
            parts.append(render("events", events=events[:SHOWN_EVENTS], count=len(events), seconds=sound.seconds))
        if models.search is not None:
            try:
                parts.append(await self._nearest(sound))
            except RequestError as error:  # such as a collection whose server is away
                parts.append(render("problem", text=_message(error)))
        return "".join(parts)

    async def _nearest(self, sound: Sound) -> str:
        vector = await self._service.index_vector(sound)
        found = await self._service.search(sound, TOP_SOUNDS, vector=vector, parts=True)
        rows = [match._asdict() | {"url": f"v1/audio/{match.id}" if has_file(match.entry) else None} for match in found]
        return render("neighbours", found=rows) + await self._index_map(vector, [match.entry for match in found])

    async def _index_map(self, vector: np.ndarray, entries: list[Entry]) -> str:
        """Return the map of the index, with a sound and some of the index in it; nothing for one on a server."""
        index: Any = self._service.index
        catalogue = index.catalogue
        if not isinstance(catalogue, FolderCatalogue):
            return ""
        if self._map is None or self._map.catalogue is not catalogue:  # at first, or the index was replaced
            self._map = IndexMap(catalogue)
        points = await asyncio.to_thread(self._map.points, vector, entries)
        return "" if points is None else render("map", **points._asdict())

    async def _speaker(self, sound: Sound) -> str:
        found = await self._service.identify(sound)
        threshold = self._models.recognizer.threshold
        return render("speaker", name=found.speaker, rows=found.ranking, threshold=threshold)


def _message(error: AudioError) -> str:
    """Return the message of an error; those of models and indexes may name files of the server."""
    if isinstance(error, RequestError | ParameterError | AudioDecodeError | InvalidAudioError):
        return str(error)
    log.error("the page has no answer", exc_info=error)
    return "The server failed; its log tells why."


def _duration(seconds: float) -> str:
    """Return a length in minutes, or seconds for less than two minutes."""
    return f"{seconds / 60:g} minutes" if seconds >= 120 else f"{seconds:g} seconds"

"""App of the server: its routes, its page and its errors."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

import mxnet_audio
from mxnet_audio.errors import AudioError
from mxnet_audio.serve.access import install_access
from mxnet_audio.serve.monitoring import install_monitoring
from mxnet_audio.serve.problems import install_problems
from mxnet_audio.serve.routes import router
from mxnet_audio.serve.search_routes import router as search_router
from mxnet_audio.serve.served import ServedModels
from mxnet_audio.serve.service import SoundService
from mxnet_audio.serve.settings import ServeSettings
from mxnet_audio.serve.uploads import install_uploads

__all__ = ["create_app"]


def create_app(models: ServedModels, settings: ServeSettings | None = None) -> FastAPI:
    """Make the app of a server.

    Parameters
    ----------
    models : ServedModels
        Models, index and speakers, as `load_models` loads them.
    settings : ServeSettings, optional
        Limits and rights.

    Returns
    -------
    fastapi.FastAPI
        App with its `SoundService` in ``app.state.service``, which starts and ends with the app.

    Raises
    ------
    AudioError
        If the page is wanted, but Gradio is not installed.

    Examples
    --------
    >>> from mxnet_audio.serve import ServeSettings, create_app, load_models, run    # doctest: +SKIP
    >>> settings = ServeSettings(page=False)                                         # doctest: +SKIP
    >>> app = create_app(load_models("songs.onnx"), settings)                        # doctest: +SKIP
    >>> run(app, "127.0.0.1", 8000, settings)                                        # doctest: +SKIP
    serving at http://127.0.0.1:8000
    """
    settings = settings or ServeSettings()
    service = SoundService(models, settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await service.start()
        yield
        await service.close()

    # The pages of FastAPI's documentation load scripts from other hosts.
    app = FastAPI(
        title="mxnet-audio",
        summary="Classify, embed and search sound",
        version=mxnet_audio.__version__,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
        lifespan=lifespan,
    )
    app.state.service = service
    app.include_router(router)
    app.include_router(search_router)
    install_problems(app)
    install_uploads(app, settings)
    install_access(app, settings)
    install_monitoring(app)
    if settings.page:
        try:
            from mxnet_audio.serve.page import mount  # imports Gradio, which takes seconds
        except ModuleNotFoundError as error:
            mend = "pip install 'gradio<7' (in the extra [serve]), or leave the page out (--no-page)"
            raise AudioError(f"the page needs {error.name}, which is not installed: {mend}") from error
        mount(app, service)
    return app

"""HTTP API and web page for trained models, pretrained encoders, indexes and enrolled speakers."""

from typing import Any

import lazy_loader

from mxnet_audio.errors import AudioError

# The public names, and the types that editors and mypy see, are listed in __init__.pyi.
_load, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> Any:
    """Load a public name on first use; AudioError if a package of the extra is missing."""
    try:
        return _load(name)
    except ModuleNotFoundError as error:
        packages = "fastapi 'gradio<7' prometheus_client python-multipart 'uvicorn<1'"
        reason = f"the server needs {error.name}, which is not installed: pip install {packages} (the extra [serve])"
        raise AudioError(reason) from error

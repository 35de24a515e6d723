"""Errors for packages that are not installed, with the command that installs them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from mxnet_audio.errors import ModelError

__all__ = ["naming_missing_packages"]


@contextlib.contextmanager
def naming_missing_packages() -> Iterator[None]:
    """Turn the error for a package that is not installed into a `ModelError` with the command that installs it."""
    try:
        yield
    except ModuleNotFoundError as error:
        name = (error.name or "").partition(".")[0]
        package = {"yaml": "pyyaml", "sklearn": "scikit-learn"}.get(name, name)
        raise ModelError(f"this needs {package}, which is not installed: pip install {package}") from error

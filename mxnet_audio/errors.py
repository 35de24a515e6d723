"""One tree of exceptions: everything that can be wrong with a user's input.

Catch :class:`AudioError` to catch them all. Each names the file (``path``) and what is wrong (``reason``).
"""

from __future__ import annotations

import os

__all__ = [
    "AudioDecodeError",
    "AudioError",
    "DatasetError",
    "EngineError",
    "FeatureError",
    "InvalidAudioError",
    "ModelError",
    "SearchError",
    "TruncatedAudioError",
]


class AudioError(Exception):
    """Something is wrong with the input, and this says what.

    Parameters
    ----------
    reason : str
        What is wrong, and where it helps, what to do.
    path : str or os.PathLike, optional
        The file or directory concerned; leads the message.
    """

    def __init__(self, reason: str, path: str | os.PathLike | None = None):
        super().__init__(reason, path)
        self.reason = reason
        self.path = None if path is None else os.fspath(path)

    def __str__(self) -> str:
        return self.reason if self.path is None else f"{self.path}: {self.reason}"


class AudioDecodeError(AudioError):
    """The file cannot be read as sound: missing, no permission, a directory, or not audio."""


class TruncatedAudioError(AudioDecodeError):
    """The file ends before the length that it declares."""


class InvalidAudioError(AudioError):
    """The samples cannot be used: none at all, silence, NaN or infinity."""


class FeatureError(AudioError):
    """A feature configuration does not hold together, or does not fit the sound."""


class DatasetError(AudioError):
    """A corpus, its archive, its list of files or its labels are wrong."""


class ModelError(AudioError):
    """A model directory is missing, damaged, of another network or not trained."""


class EngineError(AudioError, ImportError):
    """MXNet cannot be imported: this is a Python, or a NumPy, that it does not run on."""


class SearchError(AudioError):
    """An index is missing, damaged, or of another model's vectors."""

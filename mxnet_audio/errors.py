"""Exceptions of the package: one tree for everything that can be wrong with a user's input.

Catch :class:`AudioError` to catch them all. Each names the file or directory (``path``) and the cause (``reason``).
"""

from __future__ import annotations

import os

__all__ = [
    "AudioDecodeError",
    "AudioError",
    "ClusterError",
    "DatasetError",
    "EngineError",
    "FeatureError",
    "InvalidAudioError",
    "ModelError",
    "ParameterError",
    "SearchError",
    "ServerError",
    "TruncatedAudioError",
]


class AudioError(Exception):
    """Base of the package's exceptions.

    Parameters
    ----------
    reason : str
        Cause of the error and, where it helps, how to fix it.
    path : str or os.PathLike, optional
        File or directory concerned; the message begins with it.
    """

    def __init__(self, reason: str, path: str | os.PathLike | None = None):
        super().__init__(reason, path)
        self.reason = reason
        self.path = None if path is None else os.fspath(path)

    def __str__(self) -> str:
        return self.reason if self.path is None else f"{self.path}: {self.reason}"


class AudioDecodeError(AudioError):
    """Raised if a file cannot be read as sound: missing, no permission, a directory, or not audio."""


class TruncatedAudioError(AudioDecodeError):
    """Raised if a file ends before the length that its header declares."""


class InvalidAudioError(AudioError):
    """Raised if samples cannot be used: none at all, silence, NaN or infinity."""


class ParameterError(AudioError, ValueError):
    """Raised if an argument is out of range, of the wrong type, or contradicts another."""


class FeatureError(ParameterError):
    """Raised if a feature configuration is inconsistent or does not fit the sound."""


class DatasetError(AudioError):
    """Raised if a corpus, its archive, its list of files or its labels are wrong."""


class ModelError(AudioError):
    """Raised if a model directory is missing, damaged or of another network, or if no model has been trained."""


class EngineError(AudioError, ImportError):
    """Raised if MXNet cannot be imported: it supports neither this Python nor this NumPy version."""


class SearchError(AudioError):
    """Raised if an index is missing, damaged, or made with another model's vectors."""


class ClusterError(AudioError):
    """Raised if a cluster cannot be used: no scheduler, no workers, or workers of another version."""


class ServerError(AudioError):
    """Raised if a server of ``mxnet-audio serve`` cannot be reached, refuses a request, is busy, or fails.

    Parameters
    ----------
    reason, path
        As of `AudioError`; `path` is the address of the server.
    status : int, optional
        Status code of its answer; None if there was none.
    """

    def __init__(self, reason: str, path: str | os.PathLike | None = None, status: int | None = None):
        super().__init__(reason, path)
        self.status = status

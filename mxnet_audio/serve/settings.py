"""Limits and rights of a server."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from mxnet_audio.checks import iterable_argument, real_number, shown, user_path_argument, whole_number
from mxnet_audio.errors import ParameterError

__all__ = ["ServeSettings"]


@dataclass(frozen=True)
class ServeSettings:
    """Limits and rights of a server.

    Parameters
    ----------
    audio_root : str or os.PathLike, optional
        Folder of sound files that requests may name by their path in it; without it, requests contain the sound.
    api_key : str, optional
        Secret that each request must contain; without it, everybody who reaches the server may use it.
    allowed_origins : iterable of str
        Origins of web pages, such as ``https://sounds.example``, whose scripts may call the API (CORS).
    max_bytes : int > 0
        Largest upload.
    max_seconds : float > 0 [s]
        Longest sound.
    max_batch : int > 0
        Number of sounds in one pass of a network.
    batch_wait : float >= 0 [s]
        Longest time that a request waits for others that are being decoded, to pass the network together.
    queue_size : int > 0
        Number of requests whose sounds are being decoded, or wait for the network; more are refused as `Busy`.
    timeout : float > 0 [s]
        Longest time from the last byte of a request to its answer.
    upload_timeout : float > 0 [s]
        Longest time of an upload.
    page : bool
        Whether there is the web page.

    Raises
    ------
    ParameterError
        If a value is out of range or of the wrong type.

    Examples
    --------
    >>> ServeSettings(max_seconds=60, api_key="a secret").max_seconds
    60.0
    >>> ServeSettings(queue_size=0)
    Traceback (most recent call last):
    ...
    mxnet_audio.errors.ParameterError: queue_size must be a whole number >= 1, got 0
    """

    audio_root: Path | None = None
    api_key: str | None = field(default=None, repr=False)
    allowed_origins: tuple[str, ...] = ()
    max_bytes: int = 64 << 20
    max_seconds: float = 600.0
    max_batch: int = 16
    batch_wait: float = 0.004
    queue_size: int = 64
    timeout: float = 60.0
    upload_timeout: float = 60.0
    page: bool = True

    def __post_init__(self) -> None:
        checked = {
            "audio_root": None if self.audio_root is None else _folder(self.audio_root),
            "api_key": _api_key(self.api_key),
            "allowed_origins": _origins(self.allowed_origins),
            **{name: whole_number(name, getattr(self, name)) for name in ("max_bytes", "max_batch", "queue_size")},
            **{name: _seconds(name, getattr(self, name)) for name in ("max_seconds", "timeout", "upload_timeout")},
            "batch_wait": real_number("batch_wait", self.batch_wait, 0, 1),
        }
        if not isinstance(self.page, bool):
            raise ParameterError(f"page must be True or False, got {shown(self.page)}")
        for name, value in checked.items():
            object.__setattr__(self, name, value)


def _seconds(name: str, value: float) -> float:
    return real_number(name, value, above=0, maximum=86400)


def _folder(path: str | os.PathLike) -> Path:
    """Return the real path of a folder, which links in it are compared with."""
    folder = user_path_argument("audio_root", path)
    if not folder.is_dir():
        raise ParameterError(f"audio_root must be a folder, got {shown(str(folder))}")
    return folder.resolve()


def _api_key(key: str | None) -> str | None:
    """Return a key that fits in a header; the message of a wrong one does not contain it."""
    if key is None or (isinstance(key, str) and key.isascii() and key.isprintable() and key == key.strip() != ""):
        return key
    raise ParameterError("api_key must be printable ASCII characters, at least one, without spaces around them")


def _origins(origins: Iterable[str]) -> tuple[str, ...]:
    origins = tuple(iterable_argument("allowed_origins", origins, "origins"))
    for origin in origins:
        scheme, _, host = origin.partition("://") if isinstance(origin, str) else ("", "", "")
        if scheme not in ("http", "https") or not host or not host.isprintable() or set(host) & set("/?#@* "):
            raise ParameterError(
                f"allowed_origins must be origins such as https://sounds.example, without a path, got {shown(origin)}"
            )
    return origins

"""Find sound files in folders."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from pathlib import Path

from mxnet_audio.errors import AudioDecodeError

__all__ = ["AUDIO_SUFFIXES", "find_audio"]

logger = logging.getLogger(__name__)

#: Suffixes (lower case) of the files that a folder is searched for.
AUDIO_SUFFIXES = frozenset(
    (
        ".aac", ".aif", ".aiff", ".au", ".caf", ".flac", ".m4a", ".mp2", ".mp3", ".mp4",
        ".oga", ".ogg", ".opus", ".snd", ".w64", ".wav", ".webm", ".wma",
    )
)  # fmt: skip


def find_audio(path: str | os.PathLike | Iterable[str | os.PathLike]) -> list[str]:
    """List sound files.

    Parameters
    ----------
    path : str, os.PathLike, or an iterable of them
        Files are taken as they are, whatever their suffix; folders are searched to any depth for
        `AUDIO_SUFFIXES`. Hidden files and folders (``.``, and with it macOS's ``._x.wav``) are left out; so
        is a folder that may not be read, with a warning.

    Returns
    -------
    list of str
        Sorted, each path once.

    Raises
    ------
    AudioDecodeError
        A path does not exist.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("b.WAV", "a.ogg", "._a.ogg", "notes.txt"):
    ...         _ = (Path(folder) / name).write_bytes(b"")
    ...     [Path(path).name for path in find_audio(folder)]
    ['a.ogg', 'b.WAV']
    """
    found: set[str] = set()
    for item in [path] if isinstance(path, str | os.PathLike) else path:
        item = Path(item)
        if item.is_dir():
            for folder, folders, files in os.walk(item, onerror=_warn):
                folders[:] = [name for name in folders if not name.startswith(".")]
                found.update(str(Path(folder, name)) for name in files if _is_sound(name))
        elif item.exists():
            found.add(str(item))
        else:
            raise AudioDecodeError("no such file or folder", item)
    return sorted(found)


def _warn(error: OSError) -> None:
    logger.warning("%s is left out: %s", error.filename, error.strerror)


def _is_sound(name: str) -> bool:
    return not name.startswith(".") and Path(name).suffix.lower() in AUDIO_SUFFIXES

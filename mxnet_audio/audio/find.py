"""Search of folders for sound files."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from pathlib import Path

from mxnet_audio.audio.source import missing_reason
from mxnet_audio.errors import AudioDecodeError

__all__ = ["AUDIO_SUFFIXES", "find_audio"]

logger = logging.getLogger(__name__)

#: Suffixes (lower case) of the files that `find_audio` lists.
AUDIO_SUFFIXES = frozenset(
    (
        ".aac", ".aif", ".aiff", ".au", ".caf", ".flac", ".m4a", ".m4r", ".mp2", ".mp3", ".mp4",
        ".oga", ".ogg", ".opus", ".snd", ".w64", ".wav", ".webm", ".wma",
    )
)  # fmt: skip


def find_audio(path: str | os.PathLike | Iterable[str | os.PathLike]) -> list[str]:
    """List the sound files in folders.

    Parameters
    ----------
    path : str, os.PathLike, or an iterable of them
        Files are listed whatever their suffix; folders are searched to any depth for `AUDIO_SUFFIXES`. Hidden files
        and folders are skipped (their names begin with ``.``, like macOS's ``._x.wav``), and so are folders without
        permission, with a warning.

    Returns
    -------
    list of str
        Sorted paths without duplicates.

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
            for folder, folders, files in os.walk(item, onerror=_log_skipped):
                folders[:] = [name for name in folders if not name.startswith(".")]
                found.update(str(Path(folder, name)) for name in files if _has_audio_name(name))
        elif item.exists():
            found.add(str(item))
        else:
            raise AudioDecodeError(missing_reason(item, "file or folder"), item)
    return sorted(found)


def _log_skipped(error: OSError) -> None:
    logger.warning("%s is skipped: %s", error.filename, error.strerror)


def _has_audio_name(name: str) -> bool:
    return not name.startswith(".") and Path(name).suffix.lower() in AUDIO_SUFFIXES

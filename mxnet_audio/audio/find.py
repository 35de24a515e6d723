"""Search of folders for sound files."""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path

from mxnet_audio.audio.formats import AUDIO_SUFFIXES as AUDIO_SUFFIXES
from mxnet_audio.audio.source import missing_reason
from mxnet_audio.errors import AudioDecodeError

__all__ = ["AUDIO_SUFFIXES", "find_audio", "is_sound_name"]

logger = logging.getLogger(__name__)


def find_audio(
    path: str | os.PathLike | Iterable[str | os.PathLike],
    *,
    on_skip: Callable[[AudioDecodeError], None] | None = None,
) -> list[str]:
    """List the sound files in folders.

    Parameters
    ----------
    path : str, os.PathLike, or an iterable of them
        Files are listed whatever their suffix; folders are searched to any depth for `AUDIO_SUFFIXES`. Linked folders
        are searched like others, each real folder once. Hidden files and folders are skipped (their names begin with
        ``.``, like macOS's ``._x.wav``). Pipes, devices, broken links and folders without permission are skipped.
    on_skip : callable, optional
        Function that is called with an error for each of those that are skipped; by default a warning is logged.

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
    folders: list[str] = []
    for item in [path] if isinstance(path, str | os.PathLike) else path:
        name = str(Path(os.fsdecode(item)))
        if os.path.isdir(name):  # noqa: PTH112 - Path's methods raise OSError for names that are too long
            folders.append(name)
        elif os.path.exists(name):  # noqa: PTH110
            found.add(name)
        else:
            raise AudioDecodeError(missing_reason(item, "file or folder"), item)
    found.update(_search(folders, on_skip or _log_skipped))
    return sorted(found)


def is_sound_name(name: str) -> bool:
    """Return True for the name of a file that is listed if a folder is searched for sound.

    Examples
    --------
    >>> [is_sound_name(name) for name in ("b.WAV", "._b.WAV", "notes.txt")]
    [True, False, False]
    """
    return not name.startswith(".") and Path(name).suffix.lower() in AUDIO_SUFFIXES


def _log_skipped(error: AudioDecodeError) -> None:
    logger.warning("%s is skipped: %s", error.path, error.reason)


def _search(roots: Iterable[str], on_skip: Callable[[AudioDecodeError], None]) -> set[str]:
    """List the sound files in folders, and in folders that are linked in them."""
    found: set[str] = set()
    seen: set[tuple[int, int]] = set()
    folders = deque(roots)
    links: deque[str] = deque()  # searched last: a folder with several names is listed under its real one
    while folders or links:
        for entry in _visible_entries((folders or links).popleft(), seen, on_skip):
            try:
                if entry.is_dir():
                    (links if entry.is_symlink() else folders).append(entry.path)
                elif not is_sound_name(entry.name):
                    continue
                elif entry.is_file():
                    found.add(str(Path(entry.path)))
                else:
                    kind = "a link to a file that does not exist" if entry.is_symlink() else "not a regular file"
                    on_skip(AudioDecodeError(f"this is {kind}", entry.path))
            except OSError as error:  # links that lead to each other
                on_skip(AudioDecodeError(error.strerror or str(error), entry.path))
    return found


def _visible_entries(
    folder: str, seen: set[tuple[int, int]], on_skip: Callable[[AudioDecodeError], None]
) -> list[os.DirEntry[str]]:
    """List a folder, by names; nothing if it is one of those seen, which it is added to."""
    try:
        status = os.stat(folder)  # noqa: PTH116
        if (status.st_dev, status.st_ino) in seen:
            return []
        seen.add((status.st_dev, status.st_ino))
        with os.scandir(folder) as entries:
            return sorted((entry for entry in entries if not entry.name.startswith(".")), key=_name)
    except OSError as error:
        on_skip(AudioDecodeError(error.strerror or str(error), folder))
        return []


def _name(entry: os.DirEntry[str]) -> str:
    return entry.name

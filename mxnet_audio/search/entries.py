"""Entries of an index: which file each one is of, under which names it is found, and if the file is missing."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mxnet_audio.audio.channel import file_of
from mxnet_audio.checks import iterable_argument, whole_number
from mxnet_audio.errors import ParameterError, SearchError

__all__ = [
    "Entry", "absolute_path", "check_prunable", "check_stamp", "find_entries", "is_missing", "moved", "parse_entry",
    "real_path",
]  # fmt: skip

_URL = re.compile(r"[A-Za-z][\w+.-]+://")  # one letter would be a drive of Windows


@dataclass(frozen=True)
class Entry:
    """Entry of an index.

    Attributes
    ----------
    id : int
        Number of its vector in the engine.
    path : str
        Path as it was given; of a single channel, with its name, as in ``call.wav [left]``.
    real : str
        Real path, which identifies the entry.
    stamp : tuple of int or None
        Size and time of the file when it was read; None if the vector did not come from a file.
    """

    id: int
    path: str
    real: str
    stamp: tuple[int, ...] | None


def parse_entry(key: Any, path: Any, real: Any, stamp: Any) -> Entry:
    """Return an entry that was read from a file; TypeError if a value is of another type."""
    numbers = [key, *(() if stamp is None else stamp)]
    if not isinstance(path, str) or not isinstance(real, str) or not all(type(number) is int for number in numbers):
        raise TypeError(f"{path!r} is no entry")
    return Entry(key, path, real, None if stamp is None else tuple(stamp))


def check_stamp(stamp: Any) -> tuple[int, ...] | None:
    """Return the stamp of a file, an iterable of whole numbers, as a tuple; None if it is None."""
    if stamp is None:
        return None
    given = iterable_argument("stamp", stamp, "whole numbers")
    return tuple(whole_number("stamp", number, -(1 << 63)) for number in given)


def real_path(path: str | os.PathLike) -> str:
    """Return the absolute path with symbolic links resolved, which identifies a file; ParameterError if it is none.

    The name of a channel keeps its ending: ``call.wav [left]``. A URL such as ``s3://bucket/call.wav`` is not changed.
    """
    try:
        name = os.fsdecode(path)
        if _URL.match(name):
            return name
        file = file_of(name)
        return os.path.realpath(file) + name[len(file) :]
    except (TypeError, ValueError):  # ValueError: a null character
        raise ParameterError(f"path must be a path, got {path!r}") from None


def absolute_path(path: str) -> str:
    """Return the absolute path of a file, in which symbolic links are kept. A URL is not changed."""
    return path if _URL.match(path) else os.path.abspath(path)  # noqa: PTH100 - Path.absolute keeps ".."


def is_missing(entry: Entry) -> bool:
    """Return True if an entry was read from a file that does not exist now; False if that cannot be told."""
    if entry.stamp is None or _URL.match(entry.real):
        return False
    try:
        os.stat(file_of(entry.real))  # noqa: PTH116 - Path.exists hides other errors
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):  # such as a folder that must not be read
        pass
    return False


def check_prunable(missing: Iterable[Entry], entries: Iterable[Entry]) -> None:
    """Raise SearchError if files may be missing only because a disk is not mounted.

    That is so if the folder of a missing file is missing, too, or empty, as a mount point is without its disk; or if
    all files are missing.

    Parameters
    ----------
    missing : iterable of Entry
        Entries whose files are missing.
    entries : iterable of Entry
        All entries.
    """
    files = [file_of(entry.real) for entry in missing]
    advice = (
        "as if a disk were not mounted; nothing was removed. Mount the disk; or if the files were moved, use "
        "relocate(old, new); or if they were deleted, remove(path) "
        "(mxnet-audio index relocate OLD NEW, mxnet-audio index remove PATH)"
    )
    empty = {folder: _outermost_empty(folder) for folder in {Path(file).parent for file in files}}
    lost = Counter(folder for file in files if (folder := empty[Path(file).parent]) is not None)
    if lost:
        folder, count = lost.most_common(1)[0]
        raise SearchError(f"the folder of {count} files of the index is missing or empty, {advice}", folder)
    if files and len(files) == sum(entry.stamp is not None for entry in entries):
        raise SearchError(f"missing, as all {len(files)} files of the index are, {advice}", files[0])


def _outermost_empty(folder: Path) -> Path | None:
    """Return a folder that is missing or empty, or the outermost folder around it that is; None if it holds files."""
    empty = None
    for empty_or_not in (folder, *folder.parents):
        try:
            with os.scandir(empty_or_not) as content:
                if next(content, None) is not None:
                    break
        except (FileNotFoundError, NotADirectoryError):
            pass
        except OSError:  # it must not be read
            break
        empty = empty_or_not
    return empty


def find_entries(paths: Iterable[str | os.PathLike], entries: Iterable[Entry]) -> dict[str, list[tuple[str, str]]]:
    """Find the entries of files and folders.

    Parameters
    ----------
    paths : iterable of path
        Names of entries, files (which stand for their channels, too), or folders.
    entries : iterable of Entry
        Entries to choose from.

    Returns
    -------
    dict of str to list of (str, str)
        Of each path the real paths of its entries and, of each, the part of its name that follows the path.
    """
    found: dict[str, list[tuple[str, str]]] = {}
    wanted: dict[str, list[str]] = {}
    for path in paths:
        real, text = real_path(path), os.fsdecode(path)
        if not text:  # which os.path takes for the current folder
            raise ParameterError("path must be a path, got ''")
        found[text] = []
        for name in dict.fromkeys((real, os.path.normpath(Path(text).absolute()))):
            wanted.setdefault(name, []).append(text)
    for entry in entries:
        matched: set[str] = set()
        for name, rest in _names(entry):
            for path in wanted.get(name, ()):
                if path not in matched:
                    matched.add(path)
                    found[path].append((entry.real, rest))
    return found


def moved(old: str, new: str, rest: str) -> str:
    """Return the new path of an entry, whose name is that of the moved file or folder `old` and the rest."""
    if rest.startswith(os.sep):
        return str(Path(new) / rest.lstrip(os.sep))
    file = Path(new) / Path(old).name if Path(new).is_dir() else new  # the file itself, or one of its channels
    return f"{file}{rest}"


def _names(entry: Entry) -> Iterator[tuple[str, str]]:
    """Yield the names under which an entry is found: its own, its file's and its folders'; with the rest of each.

    An entry that did not come from a file is in no folder.
    """
    given = [os.path.normpath(entry.path)] if Path(entry.path).is_absolute() else []
    for name in dict.fromkeys([entry.real, *given]):
        yield name, ""
        if entry.stamp is None:
            continue
        if (part := file_of(name)) != name:
            yield part, name[len(part) :]
        while part := part.rpartition(os.sep)[0]:
            yield part, name[len(part) :]
        yield os.sep, name

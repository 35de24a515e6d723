"""Files on this machine and in stores that fsspec reaches: list sounds, read, and write completely or not at all.

Files are named by a path, or by a URL such as ``s3://bucket/folder``, ``gs://…`` or ``memory://…``. Paths and
``file://`` URLs need no other package; other URLs need fsspec, and the package of their store, such as s3fs or gcsfs.
Credentials belong in the settings of that package, not in a URL.
"""

from __future__ import annotations

import contextlib
import os
import re
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from mxnet_audio.atomic import replacing
from mxnet_audio.audio import find_audio
from mxnet_audio.audio.find import is_sound_name
from mxnet_audio.checks import iterable_argument
from mxnet_audio.cluster.urls import check_url, display_name, is_url
from mxnet_audio.errors import AudioDecodeError, AudioError

__all__ = ["RemoteFile", "find_sounds", "list_names", "open_file", "remove", "write"]

OnSkip = Callable[[AudioError], None]

# Stores whose files appear when they are complete; in others, a file is written under another name and renamed.
_OBJECT_STORES = {"abfs", "az", "gcs", "gs", "memory", "oss", "s3", "s3a"}
# What the stores call the digest of a file, or the time of its last change.
_STAMPS = ("ETag", "etag", "md5Hash", "checksum", "mtime", "LastModified", "last_modified", "modified", "updated")
_ADDRESS_WITH_QUERY = re.compile(r"(https?://[^\s?'\"]+)\?[^\s'\")]*")
_PACKAGES = {"abfs": "adlfs", "az": "adlfs", "gcs": "gcsfs", "gs": "gcsfs", "s3": "s3fs", "s3a": "s3fs"}


class RemoteFile(NamedTuple):
    """Sound file on this machine or in a store.

    Attributes
    ----------
    url : str
        Absolute path, or URL.
    size : int [bytes]
        Size; 0 if the store does not tell it.
    stamp : str
        Text that changes when the file changes.
    """

    url: str
    size: int
    stamp: str


def find_sounds(urls: Iterable[str | os.PathLike], *, on_skip: OnSkip | None = None) -> Iterator[RemoteFile]:
    """Yield the given files, whatever their suffix, and the sound files in the given folders, each once.

    Folders are searched to any depth, as by `mxnet_audio.audio.find_audio`: hidden files and folders, and files with
    other suffixes, are left out. The files of a store are yielded while its folders are listed, in the order of their
    names.

    Parameters
    ----------
    urls : iterable of str or os.PathLike
        Paths and URLs of files and folders.
    on_skip : callable, optional
        Function that is called with an error for each file or folder that is missing, denied or without sound files; by
        default the error is raised.

    Yields
    ------
    RemoteFile

    Raises
    ------
    AudioError
        Without `on_skip`, if one cannot be used.
    ParameterError
        If `urls` is not iterable, or one of them is wrong, see `check_url`.

    Examples
    --------
    >>> write("memory://songs/b.wav", b"RIFF")
    >>> write("memory://songs/a/c.mp3", b"ID3")
    >>> write("memory://songs/notes.txt", b"")
    >>> [(file.url, file.size) for file in find_sounds(["memory://songs"])]
    [('memory://songs/b.wav', 4), ('memory://songs/a/c.mp3', 3)]
    """
    places = [check_url(url) for url in iterable_argument("urls", urls, "paths or URLs")]
    return _find_sounds(places, on_skip or _raise)


def _find_sounds(places: list[str], on_skip: OnSkip) -> Iterator[RemoteFile]:
    seen: set[str] | None = set() if len(places) > 1 else None  # of one folder, each file is listed once
    for place in places:
        try:
            for file in (_find_in_store if is_url(place) else _find_here)(place, on_skip):
                if seen is None or file.url not in seen:
                    yield file
                if seen is not None:
                    seen.add(file.url)
        except AudioError as error:
            on_skip(error)


def _raise(error: AudioError) -> None:
    raise error


def _find_here(place: str, on_skip: OnSkip) -> Iterator[RemoteFile]:
    files = find_audio(place, on_skip=on_skip)
    if not files:
        raise AudioDecodeError("no sound files in this folder", place)
    for path in files:
        try:
            status = os.stat(path)  # noqa: PTH116 - names that are not UTF-8
        except OSError as error:
            on_skip(AudioDecodeError(error.strerror or str(error), path))
            continue
        yield RemoteFile(path, status.st_size, f"{status.st_size} {status.st_mtime_ns}")


def _find_in_store(url: str, on_skip: OnSkip) -> Iterator[RemoteFile]:
    with _store(url) as (store, root):
        store.invalidate_cache()
        info = store.info(root)
    if info["type"] != "directory":
        yield _remote_file(url, info)
        return
    prefix = url[: -len(root)] if root and url.endswith(root) else url.partition("://")[0] + "://"
    folders, is_empty = deque([root]), True
    while folders:
        folder = folders.popleft()
        try:
            with _store(prefix + folder) as (store, _):
                entries = sorted(store.ls(folder, detail=True), key=_entry_name)
        except AudioError as error:
            on_skip(error)
            is_empty = is_empty and folder != root
            continue
        for info in entries:
            path = _entry_name(info)
            name = path.rpartition("/")[2]
            if info["type"] == "directory":
                if not name.startswith(".") and path != folder.rstrip("/"):
                    folders.append(path)
            elif is_sound_name(name):
                is_empty = False
                yield _remote_file(prefix + path, info)
    if is_empty:
        raise AudioDecodeError("no sound files in this folder", display_name(url))


def _entry_name(info: Mapping[str, Any]) -> str:
    return info["name"].rstrip("/")


def _remote_file(url: str, info: Mapping[str, Any]) -> RemoteFile:
    size = int(info.get("size") or 0)
    stamps = (info[key] for key in (*_STAMPS, "created") if info.get(key) is not None)
    times = (stamp.timestamp() if isinstance(stamp, datetime) else stamp for stamp in stamps)
    return RemoteFile(url, size, f"{size} {next(times, '')}")


@contextlib.contextmanager
def _store(url: str) -> Iterator[tuple[Any, str]]:
    """Yield fsspec's file system of a URL and the path in it, and raise whatever it raises as AudioError."""
    scheme, name = url.partition("://")[0], display_name(url)
    try:
        from fsspec.core import url_to_fs

        yield url_to_fs(url)
    except AudioError:
        raise
    except ImportError as error:
        package = "fsspec" if (error.name or "").startswith("fsspec") else _PACKAGES.get(scheme, f"fsspec[{scheme}]")
        raise AudioError(f"this needs {package}, which is not installed: pip install {package}", name) from error
    except FileNotFoundError as error:
        raise AudioDecodeError("no such file or folder", name) from error
    except Exception as error:  # stores raise anything: OSError, ValueError, errors of their own packages
        text = _ADDRESS_WITH_QUERY.sub(r"\1", " ".join(str(error).split()))[:300]
        what = "access denied" if isinstance(error, PermissionError) else "cannot be read or written"
        raise AudioError(f"{what} ({type(error).__name__}: {text})", name) from error


@contextlib.contextmanager
def _local_errors(path: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise AudioDecodeError("no such file", path) from error
    except OSError as error:
        raise AudioError(error.strerror or str(error), path) from error


@contextlib.contextmanager
def open_file(url: str) -> Iterator[BinaryIO]:
    """Open a file for reading; also what is raised while it is read is raised as AudioError.

    Examples
    --------
    >>> write("memory://results/a.txt", b"complete")
    >>> with open_file("memory://results/a.txt") as file:
    ...     file.read()
    b'complete'
    """
    place = check_url(url)
    if not is_url(place):
        with _local_errors(place), Path(place).open("rb") as file:
            yield file
    else:
        with _store(place) as (store, path), store.open(path, "rb") as file:
            yield file


def write(url: str, content: bytes) -> None:
    """Write a file, completely or not at all; folders are made. Raise AudioError if it cannot be written."""
    place = check_url(url)
    if not is_url(place):
        with _local_errors(place):
            Path(place).parent.mkdir(parents=True, exist_ok=True)
            with replacing(place) as temporary:
                temporary.write_bytes(content)
        return
    with _store(place) as (store, path):
        if place.partition("://")[0] in _OBJECT_STORES:
            store.pipe_file(path, content)
            return
        folder, _, name = path.rpartition("/")
        store.makedirs(folder, exist_ok=True)
        temporary_path = f"{folder}/.{name}.{uuid.uuid4().hex}.tmp"
        try:
            store.pipe_file(temporary_path, content)
            store.mv(temporary_path, path)
        except BaseException:
            with contextlib.suppress(Exception):
                store.rm_file(temporary_path)
            raise


def list_names(folder: str) -> list[str]:
    """List the names of the files in a folder, but for hidden ones; none if there is no such folder."""
    place = check_url(folder)
    try:
        if not is_url(place):
            with _local_errors(place), os.scandir(place) as entries:
                names = [entry.name for entry in entries if entry.is_file()]
        else:
            with _store(place) as (store, path):
                store.invalidate_cache()
                found = store.ls(path, detail=True)
                names = [_entry_name(info).rpartition("/")[2] for info in found if info["type"] != "directory"]
    except AudioDecodeError:
        return []
    return sorted(name for name in names if not name.startswith("."))


def remove(url: str) -> None:
    """Remove a file, if there is one."""
    place = check_url(url)
    with contextlib.suppress(AudioDecodeError):
        if not is_url(place):
            with _local_errors(place):
                os.unlink(place)  # noqa: PTH108
            return
        with _store(place) as (store, path):
            store.rm_file(path)

"""Storage of an index on disk that is complete at any moment, even if the writer is killed.

::

    index.json                          manifest: the current generation and the checksums of its files
    generation-<unique>/                vectors, entries and the engine's structure; written once, never changed
    generation-<unique>/journal.jsonl   files indexed since, one per line
    .index.lock                         held by a process while it writes

A new generation is written beside the old one and gets its name when it is complete. Then the manifest is replaced, and
after that the old generation is deleted. Writers wait for each other; readers need no lock and write nothing.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import shutil
import stat
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mxnet_audio import locks
from mxnet_audio.atomic import read_json, write_json
from mxnet_audio.errors import ParameterError, SearchError

__all__ = [
    "FORMAT",
    "generation_folder",
    "has_index",
    "locked",
    "manifest_stamp",
    "naming_errors",
    "read_manifest",
    "verify",
    "write",
    "write_manifest",
]

FORMAT = 1

_MANIFEST = "index.json"
_LOCK = ".index.lock"
_REQUIRED_FILES = {"vectors.npz", "entries.json"}
_OWN_NAMES = re.compile(r"generation-[0-9a-f]{32}|\.generation-.+\.tmp|\.index\.json\..+\.tmp")
_FIELDS: dict[str, type | tuple[type, ...]] = {
    "generation": str, "engine": str, "choice": str, "metric": str, "dimension": (int, type(None)),
    "model_id": (str, type(None)), "model": (dict, type(None)), "count": int, "files": dict, "notes": dict,
}  # fmt: skip


@contextlib.contextmanager
def locked(directory: str | os.PathLike) -> Iterator[None]:
    """Wait for others who write the index of a directory, and make others wait.

    The directory is created if it is missing. The thread that holds the lock can take it again. The lock of a process
    that was killed is released by the operating system.

    Raises
    ------
    SearchError
        If the directory cannot be written to, or its file system has no locks.
    """
    stack = contextlib.ExitStack()  # errors within the block are not those of the lock
    with naming_errors(directory):
        path = Path(os.path.realpath(directory)) / _LOCK
        stack.enter_context(locks.locked(path, f"writing the index {os.fsdecode(directory)}"))
    with stack:
        yield


def has_index(directory: str | os.PathLike) -> bool:
    """Return True if the directory holds an index; SearchError if that cannot be told."""
    try:
        return (Path(directory) / _MANIFEST).is_file()
    except OSError as error:
        raise SearchError(f"the index cannot be read: {error.strerror}", directory) from error


def generation_folder(directory: str | os.PathLike, generation: str) -> Path:
    """Return the folder of a generation."""
    return Path(directory) / f"generation-{generation}"


def write(directory: str | os.PathLike, write_files: Callable[[Path], None], fields: dict[str, Any]) -> dict[str, Any]:
    """Save a new generation and make it the current one; the caller holds the lock of the directory.

    Parameters
    ----------
    directory : str or os.PathLike
        Created if it is missing. Files in it that do not belong to an index are kept.
    write_files : callable
        ``write_files(folder)`` writes the files of the generation.
    fields : dict
        The other fields of the manifest.

    Returns
    -------
    dict
        The manifest.

    Raises
    ------
    SearchError
        If the index cannot be written; the previous one is unchanged.
    """
    directory = Path(directory)
    generation = uuid.uuid4().hex
    temporary = directory / f".generation-{generation}.tmp"
    try:
        with naming_errors(directory):
            directory.mkdir(parents=True, exist_ok=True)
            temporary.mkdir()
            write_files(temporary)
            files = {}
            for file in sorted(temporary.iterdir()):
                _sync(file)
                files[file.name] = _digest(file)
            _sync(temporary)
            temporary.rename(generation_folder(directory, generation))
        manifest = {"format": FORMAT, "generation": generation, **fields, "files": files}
        write_manifest(directory, manifest)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    _remove_previous(directory, generation)
    return manifest


def write_manifest(directory: str | os.PathLike, manifest: dict[str, Any]) -> None:
    """Replace the manifest atomically; the caller holds the lock of the directory."""
    with naming_errors(directory):
        try:
            write_json(Path(directory) / _MANIFEST, manifest)
        except (TypeError, ValueError) as error:
            raise ParameterError(f"notes must consist of JSON types: {error}") from error
        _sync(Path(directory))


def manifest_stamp(directory: str | os.PathLike) -> tuple[int, ...]:
    """Return numbers that change when the manifest is replaced; SearchError if there is none."""
    try:
        status = (Path(directory) / _MANIFEST).stat()
    except OSError as error:
        raise SearchError(f"the index cannot be read: {error.strerror}", directory) from error
    return status.st_ino, status.st_mtime_ns, status.st_size


@contextlib.contextmanager
def naming_errors(path: str | os.PathLike) -> Iterator[None]:
    """Raise SearchError in place of OSError."""
    try:
        yield
    except (OSError, NotImplementedError) as error:  # filelock raises the second where there are no locks
        reason = error.strerror if isinstance(error, OSError) else None
        raise SearchError(f"the index cannot be saved: {reason or error}", path) from error


def read_manifest(directory: str | os.PathLike) -> dict[str, Any]:
    """Read and check the manifest.

    Raises
    ------
    SearchError
        If it is missing, damaged, or of a newer format than this version supports.
    """
    path = Path(directory) / _MANIFEST
    if not has_index(directory):
        advice = ": a file of Milvus Lite is opened with --uri (uri=)" if path.parent.suffix == ".db" else ""
        raise SearchError(f"there is no index in this directory{advice}", directory)
    try:
        manifest = read_json(path)
    except FileNotFoundError:
        raise SearchError("there is no index in this directory", directory) from None
    except OSError as error:
        raise SearchError(f"the index cannot be read: {error.strerror}", path) from error
    except ValueError as error:
        raise SearchError(f"the index is damaged: {error}", path) from error
    if not isinstance(manifest, dict) or not isinstance(manifest.get("format"), int):
        raise SearchError("the file is not an index of mxnet-audio", path)
    if manifest["format"] > FORMAT:
        raise SearchError(
            f"the index has format {manifest['format']}, this version of mxnet-audio reads up to {FORMAT}: "
            "upgrade mxnet-audio, or index the files again",
            path,
        )
    manifest.setdefault("model", None)  # older indexes do not describe their model
    for name, kind in _FIELDS.items():
        if name not in manifest or not isinstance(manifest[name], kind):
            raise SearchError(f"the index is damaged: {name!r} is missing or has the wrong type", path)
    if not re.fullmatch(r"\w+", manifest["generation"]):  # it becomes the name of a folder
        raise SearchError("the index is damaged: the name of its generation cannot be used", path)
    if missing := _REQUIRED_FILES - manifest["files"].keys():
        raise SearchError(f"the index is damaged: no checksum of {min(missing)}", path)
    return manifest


def verify(directory: str | os.PathLike, manifest: dict[str, Any]) -> Path:
    """Check every file of the generation against its checksum, and return the folder of the generation.

    Raises
    ------
    SearchError
        If a file is missing or differs from its checksum.
    """
    folder = generation_folder(directory, manifest["generation"])
    for name, digest in manifest["files"].items():
        file = folder / Path(name).name
        try:
            intact = _digest(file) == digest
        except OSError as error:
            raise SearchError(f"a file of the index cannot be read: {error.strerror}", file) from error
        if not intact:
            raise SearchError("the index is damaged: the file differs from its checksum", file)
    return folder


def _remove_previous(directory: Path, generation: str) -> None:
    keep = generation_folder(directory, generation).name
    for path in directory.iterdir():
        if _OWN_NAMES.fullmatch(path.name) and path.name != keep:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _digest(path: Path) -> str:
    if not stat.S_ISREG(path.stat().st_mode):  # a pipe would block
        raise OSError(errno.EINVAL, "not a regular file", os.fspath(path))
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _sync(path: Path) -> None:
    """Force a file, or the entries of a directory, to the disk."""
    if path.is_dir() and os.name == "nt":
        return  # Windows cannot open directories and does not need this
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

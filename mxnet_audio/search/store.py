"""Storage of an index on disk that is complete at any moment, even if the writer is killed.

::

    index.json                          manifest: the current generation and the checksums of its files
    generation-<unique>/                vectors, entries and the engine's structure; written once, never changed
    generation-<unique>/journal.jsonl   files indexed since, one per line

A new generation is written beside the old one and gets its name when it is complete. Then the manifest is replaced, and
after that the old generation is deleted. One process may write at a time; any number may read.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import json
import logging
import os
import re
import shutil
import uuid
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mxnet_audio.atomic import write_json
from mxnet_audio.errors import SearchError

__all__ = [
    "FORMAT",
    "Journal",
    "generation_folder",
    "has_index",
    "has_journal",
    "read_manifest",
    "replay",
    "verify",
    "write",
    "write_manifest",
]

FORMAT = 1

_logger = logging.getLogger(__name__)
_MANIFEST = "index.json"
_JOURNAL = "journal.jsonl"
_OWN_NAMES = re.compile(r"generation-[0-9a-f]{32}|\.generation-.+\.tmp|\.index\.json\..+\.tmp")
_FIELDS: dict[str, type | tuple[type, ...]] = {
    "generation": str, "engine": str, "choice": str, "metric": str, "dimension": (int, type(None)),
    "model_id": (str, type(None)), "model": (dict, type(None)), "count": int, "files": dict, "notes": dict,
}  # fmt: skip


def has_index(directory: str | os.PathLike) -> bool:
    """Return True if the directory holds an index."""
    return (Path(directory) / _MANIFEST).is_file()


def generation_folder(directory: str | os.PathLike, generation: str) -> Path:
    """Return the folder of a generation."""
    return Path(directory) / f"generation-{generation}"


def write(directory: str | os.PathLike, write_files: Callable[[Path], None], fields: dict[str, Any]) -> dict[str, Any]:
    """Save a new generation and make it the current one.

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
        with _naming_errors(directory):
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
    """Replace the manifest atomically."""
    with _naming_errors(directory):
        write_json(Path(directory) / _MANIFEST, manifest)
        _sync(Path(directory))


@contextlib.contextmanager
def _naming_errors(path: str | os.PathLike) -> Iterator[None]:
    """Raise SearchError in place of OSError."""
    try:
        yield
    except OSError as error:
        raise SearchError(f"the index cannot be saved: {error.strerror or error}", path) from error


def read_manifest(directory: str | os.PathLike) -> dict[str, Any]:
    """Read and check the manifest.

    Raises
    ------
    SearchError
        If it is missing, damaged, or of a newer format than this version supports.
    """
    path = Path(directory) / _MANIFEST
    if not has_index(directory):
        raise SearchError("there is no index in this directory", directory)
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
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


class Journal:
    """Journal of the files indexed since the last save, one line each.

    Every record is flushed to the operating system at once, so it survives a killed process. After every `sync_every`
    records the file is forced to the disk, so they survive a power failure, too.

    Parameters
    ----------
    folder : Path
        Folder of the generation.
    sync_every : int > 0 [records]

    Raises
    ------
    SearchError
        If the journal cannot be written; raised by the methods, too.
    """

    def __init__(self, folder: Path, sync_every: int):
        self._sync_every = sync_every
        self._count = 0
        self._path = folder / _JOURNAL
        with _naming_errors(self._path):
            self._file = self._path.open("ab")

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        with _naming_errors(self._path), self._file:
            os.fsync(self._file.fileno())

    def append(self, entry: dict[str, Any], vector: np.ndarray) -> None:
        """Append a record; `entry` consists of JSON types."""
        numbers = base64.b64encode(np.asarray(vector, dtype="<f4").tobytes()).decode("ascii")
        body = json.dumps({**entry, "vector": numbers}).encode("ascii")
        with _naming_errors(self._path):
            self._file.write(b"%08x %s\n" % (zlib.crc32(body), body))
            self._file.flush()
            self._count += 1
            if self._count % self._sync_every == 0:
                os.fsync(self._file.fileno())


def has_journal(folder: Path) -> bool:
    """Return True if files were indexed since the generation was written."""
    path = folder / _JOURNAL
    return path.exists() and path.stat().st_size > 0


def replay(folder: Path) -> Iterator[tuple[dict[str, Any], np.ndarray]]:
    """Yield the records of the journal up to the first incomplete one, at which the writer was killed."""
    if not has_journal(folder):
        return
    with (folder / _JOURNAL).open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                if not line.endswith(b"\n") or int(line[:8], 16) != zlib.crc32(line[9:-1]):
                    raise ValueError("it is truncated or changed")
                entry = json.loads(line[9:-1])
                vector = np.frombuffer(base64.b64decode(entry.pop("vector")), dtype="<f4")
            except (ValueError, KeyError, binascii.Error) as error:
                _logger.warning(
                    "%s: record %d is damaged (%s); it and later records are ignored", file.name, number, error
                )
                return
            yield entry, vector


def _remove_previous(directory: Path, generation: str) -> None:
    keep = generation_folder(directory, generation).name
    for path in directory.iterdir():
        if _OWN_NAMES.fullmatch(path.name) and path.name != keep:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _digest(path: Path) -> str:
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

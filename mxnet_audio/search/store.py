"""An index on disk that is whole at every moment, whatever is killed.

::

    index.json                          the manifest: which generation holds, and the checksums of its files
    generation-<unique>/                vectors, entries and the engine's structure, written once, never changed
    generation-<unique>/journal.jsonl   what was indexed since, one line each

A new generation is written beside the old one and takes its name when it is complete; then the manifest is
replaced, and only then the old generation goes. One process may write at a time, any number may read.
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
_OURS = re.compile(r"generation-[0-9a-f]{32}|\.generation-.+\.tmp|\.index\.json\..+\.tmp")
_FIELDS = {
    "generation": str, "engine": str, "choice": str, "metric": str, "dimension": (int, type(None)),
    "model_id": (str, type(None)), "count": int, "files": dict, "notes": dict,
}  # fmt: skip


def has_index(directory: str | os.PathLike) -> bool:
    """Whether an index was saved in this directory."""
    return (Path(directory) / _MANIFEST).is_file()


def generation_folder(directory: str | os.PathLike, generation: str) -> Path:
    """Where the files of a generation are."""
    return Path(directory) / f"generation-{generation}"


def write(directory: str | os.PathLike, fill: Callable[[Path], None], fields: dict) -> dict:
    """Save a new generation, and make it the one that holds.

    Parameters
    ----------
    directory : str or os.PathLike
        Made when it is missing. Files in it that are not ours stay.
    fill : callable
        Writes the generation's files into the folder that it is given.
    fields : dict
        The manifest's other fields.

    Returns
    -------
    dict
        The manifest.

    Raises
    ------
    SearchError
        It cannot be written; the former index is still whole.
    """
    directory = Path(directory)
    generation = uuid.uuid4().hex
    temporary = directory / f".generation-{generation}.tmp"
    try:
        with _saving(directory):
            directory.mkdir(parents=True, exist_ok=True)
            temporary.mkdir()
            fill(temporary)
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
    _remove_former(directory, generation)
    return manifest


def write_manifest(directory: str | os.PathLike, manifest: dict) -> None:
    """Replace the manifest, whole or not at all."""
    with _saving(directory):
        write_json(Path(directory) / _MANIFEST, manifest)
        _sync(Path(directory))


@contextlib.contextmanager
def _saving(path: str | os.PathLike) -> Iterator[None]:
    """Say what keeps the index from being saved."""
    try:
        yield
    except OSError as error:
        raise SearchError(f"the index cannot be saved: {error.strerror or error}", path) from error


def read_manifest(directory: str | os.PathLike) -> dict:
    """Read and check the manifest.

    Raises
    ------
    SearchError
        There is none, it is damaged, or of a newer format than this version of the library knows.
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
        raise SearchError("this is not an index of mxnet-audio", path)
    if manifest["format"] > FORMAT:
        raise SearchError(
            f"the index has format {manifest['format']}, this version of mxnet-audio reads up to {FORMAT}: "
            "upgrade it, or index again",
            path,
        )
    for name, kind in _FIELDS.items():
        if name not in manifest or not isinstance(manifest[name], kind):
            raise SearchError(f"the index is damaged: {name!r} is missing or not what it should be", path)
    return manifest


def verify(directory: str | os.PathLike, manifest: dict) -> Path:
    """Check every file of the generation against its checksum, and return the generation's folder.

    Raises
    ------
    SearchError
        A file is missing or differs.
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
    """What was indexed since the last save, appended line by line.

    Every record is handed to the system at once and so outlives a kill; every `sync_every` records it is
    forced to the disk and outlives a power cut too.

    Parameters
    ----------
    folder : Path
        The generation's folder.
    sync_every : int > 0 [records]

    Raises
    ------
    SearchError
        The disk takes no more; so do the methods.
    """

    def __init__(self, folder: Path, sync_every: int):
        self._sync_every = sync_every
        self._count = 0
        self._path = folder / _JOURNAL
        with _saving(self._path):
            self._file = self._path.open("ab")

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_) -> None:
        with _saving(self._path), self._file:
            os.fsync(self._file.fileno())

    def append(self, entry: dict, vector: np.ndarray) -> None:
        """Add one record; `entry` is anything that JSON can say."""
        numbers = base64.b64encode(np.asarray(vector, dtype="<f4").tobytes()).decode("ascii")
        body = json.dumps({**entry, "vector": numbers}).encode("ascii")
        with _saving(self._path):
            self._file.write(b"%08x %s\n" % (zlib.crc32(body), body))
            self._file.flush()
            self._count += 1
            if self._count % self._sync_every == 0:
                os.fsync(self._file.fileno())


def has_journal(folder: Path) -> bool:
    """Whether something was appended since the generation was written."""
    path = folder / _JOURNAL
    return path.exists() and path.stat().st_size > 0


def replay(folder: Path) -> Iterator[tuple[dict, np.ndarray]]:
    """Yield the journal's records up to the first that is not whole (the writer was killed there)."""
    if not has_journal(folder):
        return
    with (folder / _JOURNAL).open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                if not line.endswith(b"\n") or int(line[:8], 16) != zlib.crc32(line[9:-1]):
                    raise ValueError("it is cut off or changed")
                entry = json.loads(line[9:-1])
                vector = np.frombuffer(base64.b64decode(entry.pop("vector")), dtype="<f4")
            except (ValueError, KeyError, binascii.Error) as error:
                _logger.warning("%s: record %d is not whole (%s); reading ends there", file.name, number, error)
                return
            yield entry, vector


def _remove_former(directory: Path, generation: str) -> None:
    keep = generation_folder(directory, generation).name
    for path in directory.iterdir():
        if _OURS.fullmatch(path.name) and path.name != keep:
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
    """Force a file, or the names in a directory, to the disk."""
    if path.is_dir() and os.name == "nt":
        return  # Windows opens no directories, and needs no such thing
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

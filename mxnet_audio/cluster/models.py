"""Models on workers: found there or sent by the client, loaded once in a process, released when the job ends."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mxnet_audio.cluster.jobs import Job
from mxnet_audio.errors import ModelError

__all__ = ["find_files", "fingerprint", "has_model", "loaded_model", "release"]

# One partition at a time in a process: MXNet's engine has the threads that the process may use, and memory is that of
# one batch. The process keeps the model of the latest job.
_lock = threading.Lock()
_loaded: tuple[Any, Any] | None = None


def find_files(job: Job, download: bool) -> dict[str, Path]:
    """Find the files of a model on this machine, by the names that they have in a folder of their own.

    Parameters
    ----------
    job : Job
    download : bool
        Whether published weights that are missing are downloaded.

    Raises
    ------
    ModelError
        If there is no such model.
    """
    if job.encoder is not None:
        from mxnet_audio import weights

        paths = weights.find(job.encoder, job.source, revision=job.revision, download=download, progress=False)
        return {path.name: path for path in paths}
    assert job.model_dir is not None
    folder = Path(job.model_dir)
    if not folder.is_dir():
        if not folder.is_file():
            raise ModelError("no such file or folder", folder)
        return {folder.name: folder}
    from mxnet_audio import model_store, weights
    from mxnet_audio.library import find_classifier

    found = find_classifier(folder, job.network)
    stored = weights.record(found).network if found in weights.names() else found
    manifest = model_store.read_manifest(folder, stored)
    names = [f"{stored}.json", *(entry["file"] for role, entry in manifest["files"].items() if role != "best")]
    return {name: folder / name for name in names if (folder / name).is_file()}


def fingerprint(files: dict[str, Path]) -> str:
    """Return a digest of the names and the content of files.

    Raises
    ------
    ModelError
        If one cannot be read.
    """
    total = hashlib.sha256()
    for name, path in sorted(files.items()):
        try:
            digest = hashlib.sha256()
            with path.open("rb") as file:
                while block := file.read(1 << 20):
                    digest.update(block)
            total.update(f"{name}\0{digest.hexdigest()}\0".encode())
        except OSError as error:
            raise ModelError(f"cannot be read ({error.strerror or error})", path) from error
    return total.hexdigest()


async def has_model(job: Job, expected: str | None) -> str | None:
    """Return the reason why a worker cannot use the model at its place, or None if it can; run on each worker.

    `expected` is the fingerprint of the client's files; None if it has none.
    """

    def check() -> str | None:
        from mxnet_audio import weights

        if job.encoder is not None and job.source is None and not weights.record(job.encoder).repository:
            # These are compared with their published SHA-256 when they are read, and may be there converted only.
            return None if weights.available(job.encoder) else f"the weights of {job.encoder} are not there"
        try:
            found = fingerprint(find_files(job, download=False))
        except ModelError as error:
            return str(error).partition("\n")[0]
        return None if expected in (None, found) else "another model is there"

    return await asyncio.to_thread(check)


@contextlib.contextmanager
def loaded_model(job: Job, folder: Path | None) -> Iterator[Any]:
    """Yield the model of a job, which is loaded if it is not that of the latest job in this process.

    Other threads of the process wait. `folder` holds the model, if it was sent by the client.
    """
    global _loaded
    with _lock:
        key = _key(job), folder
        if _loaded is None or _loaded[0] != key:
            _loaded = None  # the memory of the former model is free before this one is loaded
            _loaded = key, _load(job, folder)
        model = _loaded[1]
        yield model


async def release(job: Job) -> None:
    """Release the model of a job in this process; run on each worker at the end."""
    global _loaded
    if _loaded is not None and _loaded[0][0] == _key(job):
        _loaded = None


def _key(job: Job) -> tuple:
    return job.encoder, job.embedding, job.source, job.revision, job.model_dir, job.network, job.gpu, job.tags


def _load(job: Job, folder: Path | None) -> Any:
    if job.encoder is not None:
        return _load_encoder(job, folder)
    place = Path(job.model_dir or "")
    if folder is not None:
        place = folder / place.name if (folder / place.name).is_file() else folder  # an .onnx file, or a folder
    if place.is_file():
        from mxnet_audio.inference.onnx_classifier import OnnxAudioClassifier

        threads = os.environ.get("OMP_NUM_THREADS", "")  # ONNX Runtime does not read it itself
        return OnnxAudioClassifier(place, threads=int(threads) if threads.isdigit() and int(threads) else None)
    from mxnet_audio.engine import context
    from mxnet_audio.library import load_classifier

    return load_classifier(place, job.network, source=job.source, model_ctx=context(job.gpu))


def _load_encoder(job: Job, folder: Path | None) -> Any:
    from mxnet_audio.engine import context
    from mxnet_audio.library.tagger import AudioTagger
    from mxnet_audio.pretrained import load_encoder

    source, revision = (job.source, job.revision) if folder is None else (folder, None)
    options = {"source": source, "revision": revision, "model_ctx": context(job.gpu)}
    if job.tags:
        return AudioTagger(job.encoder or "", **options)
    return load_encoder(job.encoder or "", embedding=job.embedding, **options)

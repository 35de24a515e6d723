"""Model of a job on all workers for the length of a run, sent to them where they do not have it."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Iterator
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any

import mxnet_audio
from mxnet_audio.cluster.jobs import Job
from mxnet_audio.cluster.models import find_files, fingerprint, has_model, release
from mxnet_audio.cluster.scheduling import lost_error
from mxnet_audio.errors import ClusterError, ModelError

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["place_model"]

LARGEST = 2 << 30  # [bytes] of a model that is sent


@contextlib.contextmanager
def place_model(job: Job, client: Client) -> Iterator[str | None]:
    """Send a model to the workers if one of them does not have it; release it at the end.

    Parameters
    ----------
    job : Job
    client : distributed.Client

    Yields
    ------
    str or None
        Name of the folder of each worker that the files were sent to; None if all workers have the model at its place.

    Raises
    ------
    ClusterError
        If a worker has another version of this package, or none, or the scheduler is lost.
    ModelError
        If a worker does not have the model, and it is not on this machine either, or too large to be sent.
    """
    try:
        _check_versions(client)
        sent = _send_model(job, client)
    except (OSError, RuntimeError, asyncio.TimeoutError, CancelledError) as error:
        raise lost_error(client) from error
    try:
        yield None if sent is None else sent.folder
    finally:
        with contextlib.suppress(Exception):  # of a cluster that is lost
            if client.status == "running":
                client.run(release, job, on_error="ignore")
                if sent is not None:
                    client.unregister_worker_plugin(sent.name)


def _check_versions(client: Client) -> None:
    """Raise ClusterError if a worker has another version of this package, or none."""
    found: Any = client.get_versions(packages=["mxnet_audio"])
    for worker, versions in found["workers"].items():
        version = versions["packages"].get("mxnet_audio")
        if version != mxnet_audio.__version__:
            has = "has no mxnet-audio that can be imported" if version is None else f"has mxnet-audio {version}"
            raise ClusterError(
                f"the worker {has}, but this is mxnet-audio {mxnet_audio.__version__}: install the same version", worker
            )


def _send_model(job: Job, client: Client) -> Any:
    """Send the model if a worker lacks it, and return the plugin that holds it; None if all workers have it."""
    try:
        digest = fingerprint(find_files(job, download=False))
    except ModelError:
        digest = None
    reasons = client.run(has_model, job, digest, on_error="return")
    lacking = {worker: reason for worker, reason in reasons.items() if reason is not None}
    if not lacking:
        return None
    worker, reason = next(iter(lacking.items()))
    try:
        files = find_files(job, download=True)  # once, for all workers
        fingerprint(files)  # raises ModelError if one cannot be read
    except ModelError as error:
        raise ModelError(
            f"not on the worker {worker} ({reason}), and not here: {error.reason}", job.model_name
        ) from error
    size = sum(path.stat().st_size for path in files.values())
    if size > LARGEST:
        raise ModelError(
            f"not on the worker {worker} ({reason}), and too large to be sent ({size >> 20} MiB): copy it to the same "
            "path there, or to a folder that all machines share",
            job.model_name,
        )
    from mxnet_audio.cluster.sent import SentModel

    # In a folder of this run, since another one may end earlier and remove its own.
    folder = f"mxnet-audio-{uuid.uuid4().hex}"
    plugin = SentModel(folder, {name: path.read_bytes() for name, path in files.items()})
    client.register_plugin(plugin)
    return plugin

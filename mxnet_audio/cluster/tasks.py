"""Tasks, as workers run them: the identity of the model, and the results of a partition."""

from __future__ import annotations

import contextlib
import itertools
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import mxnet_audio
from mxnet_audio.audio.channel import channel_sources
from mxnet_audio.audio.source import source_name
from mxnet_audio.cluster.jobs import IndexJob, Job
from mxnet_audio.cluster.models import loaded_model
from mxnet_audio.cluster.partition import Partition, digest
from mxnet_audio.cluster.parts import part_url, write_part
from mxnet_audio.cluster.remote_sound import sound
from mxnet_audio.cluster.storage import RemoteFile
from mxnet_audio.cluster.urls import is_url
from mxnet_audio.errors import AudioError, ClusterError, ModelError, SearchError
from mxnet_audio.parallel import without_tracebacks
from mxnet_audio.search.entries import real_path

__all__ = ["PartitionResult", "identify", "run_partition"]

UPSERTS = 500  # vectors in one call of the index


@dataclass
class PartitionResult:
    """Result of a partition; the vectors or tags themselves are in the output.

    Attributes
    ----------
    done, unchanged : int
        Numbers of files that were computed, and that the index held already.
    skipped : list of (str, AudioError)
        Sounds that cannot be used, and the reasons.
    undone : set of int
        Numbers, within the partition, of the files without any result.
    """

    done: int = 0
    unchanged: int = 0
    skipped: list[tuple[str, AudioError]] = field(default_factory=list)
    undone: set[int] = field(default_factory=set)


def identify(job: Job, version: str, sent_to: str | None) -> str | AudioError:
    """Return the identity of a job's model, and check that the job, and its index, are for such a model.

    Errors of the package are returned, so that they are not tried again.
    """

    def identity(model: Any) -> str:
        job.check(model)
        if isinstance(job, IndexJob):
            with contextlib.closing(_open_index(job, model)) as index:
                index.check(model.model_id, model.embedding_dim)
        return model.model_id

    return _with_model(job, version, sent_to, identity)


def run_partition(
    job: Job,
    partition: Partition,
    output: str | None,
    description: Mapping[str, Any],
    sent_to: str | None,
    resume: bool,
) -> PartitionResult | AudioError:
    """Compute the results of a partition and write them.

    Errors of single files are part of the result. Others of the package, of the model or the output, are returned.

    Parameters
    ----------
    job : Job
    partition : Partition
    output : str or None
        Folder of the parts; None for a job that writes to an index.
    description : dict
        Job, identity of the model, and version of the package at the client.
    sent_to : str or None
        Name of the folder of the worker that the client has sent the model to; None if workers have it.
    resume : bool
        Whether files that the index holds already are left out.
    """

    def compute(model: Any) -> PartitionResult:
        if model.model_id != description["model_id"]:
            raise ModelError(
                f"the model here is {model.model_id}, but that of the other workers is {description['model_id']}",
                job.model_name,
            )
        files = partition.unpack()
        if isinstance(job, IndexJob):
            return _index(job, model, files, resume)
        assert output is not None
        return _write(job, model, files, part_url(output, partition), description)

    return _with_model(job, str(description["version"]), sent_to, compute)


def _with_model(job: Job, version: str, sent_to: str | None, compute: Callable[[Any], Any]) -> Any:
    """Call a function with the model, and return its result or an error of the package, which names the worker."""
    from distributed import get_worker

    from mxnet_audio.cluster.sent import sent_folder

    worker = get_worker()
    try:
        if version != mxnet_audio.__version__:
            raise ClusterError(f"has mxnet-audio {mxnet_audio.__version__}, but the client has {version}")
        folder = None if sent_to is None else sent_folder(worker, sent_to)
        with loaded_model(job, folder) as model:
            return compute(model)
    except AudioError as error:
        # Some exceptions of the package take other arguments; all can be raised as its base.
        kind = type(error) if type(error).__init__ is AudioError.__init__ else AudioError
        return without_tracebacks(kind(f"{error.reason} (on the worker {worker.address})", error.path))


def _sounds(files: list[RemoteFile], job: Job) -> Iterator[tuple[int, Any]]:
    """Yield the sounds of files with the number of the file, when they are asked for."""
    for number, file in enumerate(files):
        for source in channel_sources([sound(file.url)], job.channel):
            yield number, source


def _results(
    job: Job, model: Any, sounds: Iterator[tuple[int, Any]], result: PartitionResult
) -> Iterator[tuple[int, str, list[dict[str, Any]]]]:
    """Yield number of the file, name and rows of each sound that can be used, and note the others in `result`."""
    waiting: deque[tuple[int, str]] = deque()  # sounds that are read ahead

    def sources() -> Iterator[Any]:
        for number, source in sounds:
            waiting.append((number, source_name(source) or ""))
            yield source

    for rows, error in job.rows(model, sources()):
        number, name = waiting.popleft()
        if error is None:
            yield number, name, rows
        else:
            result.skipped.append((name, without_tracebacks(error)))


def _write(job: Job, model: Any, files: list[RemoteFile], url: str, description: Mapping[str, Any]) -> PartitionResult:
    """Write the part of a partition."""
    result, rows, done = PartitionResult(), [], set()
    for number, _, some in _results(job, model, _sounds(files, job), result):
        rows += some
        done.add(number)
    result.done, result.undone = len(done), set(range(len(files))) - done
    if done:
        write_part(url, job.schema(model), rows, description, [files[number] for number in sorted(done)])
    return result


def _index(job: IndexJob, model: Any, files: list[RemoteFile], resume: bool) -> PartitionResult:
    """Write the vectors of files that are new or have changed to the index; without `resume`, of all."""
    result, done = PartitionResult(), set()
    file_of_name = {source_name(source) or "": number for number, source in _sounds(files, job)}
    stamps = {name: _stamp(files[number], name, job) for name, number in file_of_name.items()}
    with contextlib.closing(_open_index(job, model)) as index:
        known = index.stamps(list(stamps)) if resume else {}
        held = {name for name, stamp in stamps.items() if stamp is not None and known.get(real_path(name)) == stamp}
        sounds = ((number, source) for number, source in _sounds(files, job) if source_name(source) not in held)
        results = _results(job, model, sounds, result)
        while batch := list(itertools.islice(results, UPSERTS)):
            vectors = {name: rows[0]["vector"] for _, name, rows in batch}
            _upsert(index, vectors, stamps, job.partition, result)
            done |= {file_of_name[name] for name in vectors}
    unchanged = {file_of_name[name] for name in held} - done
    result.done, result.unchanged = len(done), len(unchanged)
    result.undone = set(range(len(files))) - done - unchanged
    return result


def _upsert(
    index: Any,
    vectors: dict[str, Any],
    stamps: Mapping[str, tuple[int, ...] | None],
    partition: str | None,
    result: PartitionResult,
) -> None:
    """Write vectors to the index. Those that it refuses, such as zeros, are removed from `vectors` and skipped."""
    while vectors:
        try:
            index.add_many(
                list(vectors), list(vectors.values()), [stamps[name] for name in vectors], partition=partition
            )
            return
        except SearchError as error:
            if error.path not in vectors:  # not of one file
                raise
            del vectors[error.path]
            result.skipped.append((error.path, without_tracebacks(error)))


def _open_index(job: IndexJob, model: Any) -> Any:
    """Return the index, which knows where its model is."""
    from mxnet_audio.library.index_model import describe

    index = job.index(model.model_id)
    description = describe(model)
    if description is not None and description.get("revision") is None:
        # A model that was sent is in a temporary folder here.
        description["source" if job.encoder else "model"] = job.source if job.encoder else job.model_dir
    index.model = description
    return index


def _stamp(file: RemoteFile, name: str, job: Job) -> tuple[int, ...] | None:
    """Return the stamp of a sound: that of `AudioSearch` for a file of this machine."""
    from mxnet_audio.library.index_files import stamp

    if is_url(file.url):
        return file.size, digest(file.stamp) >> 1  # a signed number of 64 bits
    return stamp(name, job.channel)

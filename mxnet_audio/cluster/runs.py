"""Runs of a job over many files: partitions go to workers, and results from there to the output."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

import mxnet_audio
from mxnet_audio.checks import iterable_argument, shown, whole_number
from mxnet_audio.cluster import storage, tasks
from mxnet_audio.cluster.connection import import_distributed
from mxnet_audio.cluster.jobs import IndexJob, Job
from mxnet_audio.cluster.partition import FileList, Partition, partitions, target_bytes
from mxnet_audio.cluster.parts import DoneFiles, import_pyarrow, is_part
from mxnet_audio.cluster.placed import place_model
from mxnet_audio.cluster.scheduling import Failure, find_workers, run_tasks
from mxnet_audio.cluster.storage import RemoteFile
from mxnet_audio.cluster.urls import check_url, is_url, join
from mxnet_audio.errors import AudioError, ClusterError, ParameterError

if TYPE_CHECKING:
    from distributed import Client, Future

__all__ = ["ClusterReport", "run"]

RETRIES = 2  # times that a partition is tried again after an error that is not one of the package


@dataclass
class ClusterReport:
    """Result of `run`.

    Attributes
    ----------
    model_id : str
        Identity of the model; "" if there was no file.
    done, already_done : int
        Numbers of files that were computed in this run, and whose results were there before.
    partitions : int
        Number of partitions that were computed in this run.
    skipped : list of (str, AudioError)
        Sounds that cannot be used, and the reasons. A further run tries them again.
    failed : list of (str, str)
        Partitions that were not computed, with the reason: such as workers that were killed. A further run computes
        them.
    seconds : float
        Time of the run.
    """

    model_id: str = ""
    done: int = 0
    already_done: int = 0
    partitions: int = 0
    skipped: list[tuple[str, AudioError]] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    seconds: float = 0.0


def run(
    job: Job,
    files: Iterable[RemoteFile],
    output: str | None,
    client: Client,
    *,
    partition_bytes: int | None = None,
    resume: bool = True,
    progress: bool = True,
) -> ClusterReport:
    """Compute the results of many files on a cluster.

    The files are divided into partitions by size. Workers write the results of each partition themselves, as a Parquet
    file in `output`, or of an `IndexJob` into its collection: there is nothing half-written, and no result passes
    through this process. A run that was interrupted is continued by calling again: what is missing is computed, and
    files that have changed, or were skipped. The partitions of a worker that is killed are computed by others.

    Parameters
    ----------
    job : Job
        `EmbedJob`, `TagJob`, `EventsJob` or `IndexJob`. If a worker has no such model, it is sent to all of them.
    files : iterable of RemoteFile
        Files, as `mxnet_audio.cluster.find_sounds` yields them. It is read once, before the work begins.
    output : str or None
        Folder or URL of the Parquet files ``part-<id>.parquet``; None for an `IndexJob`.
    client : distributed.Client
        Client of the cluster, see `connect`.
    partition_bytes : int > 0, optional
        Size of the files of a partition; a thousandth of all files by default, from 8 MiB to 128 MiB.
    resume : bool
        False computes all files again; results of former runs are removed from `output` first, whatever job they are
        of.
    progress : bool
        Show a progress bar on standard error.

    Returns
    -------
    ClusterReport

    Raises
    ------
    AudioError
        If `output` cannot be written to, or holds results of another job or model.
    ClusterError
        If the scheduler or all workers are lost, or workers have another version of this package, or none.
    ModelError
        If the model cannot be loaded; the message names the worker.
    ParameterError
        If an argument is wrong.
    SearchError
        If the collection of an `IndexJob` cannot be used.
    """
    if not isinstance(job, Job):
        raise ParameterError(f"job must be an EmbedJob, TagJob, EventsJob or IndexJob, got {shown(job)}")
    if (output is None) != isinstance(job, IndexJob):
        allowed = "a folder" if output is None else "None for an IndexJob"
        raise ParameterError(f"output must be {allowed}, got {shown(output)}")
    if not isinstance(client, import_distributed().Client):
        raise ParameterError(f"client must be a distributed.Client, as connect yields, got {shown(client)}")
    if (
        isinstance(job, IndexJob)
        and not is_url(job.uri)
        and any("inproc" not in worker for worker in find_workers(client))
    ):
        raise ParameterError(f"uri must be the address of a server that all workers reach, got the file {job.uri!r}")
    size = None if partition_bytes is None else whole_number("partition_bytes", partition_bytes)
    if output is not None:
        output = check_url(output)
        import_pyarrow()  # raises AudioError now, not on the workers
    begin, report = time.monotonic(), ClusterReport()
    listed = FileList.of(iterable_argument("files", files, "files"))
    if listed.count:
        job = _named(job)
        with place_model(job, client) as sent_to:
            description = {**job.settings, "version": mxnet_audio.__version__}
            report.model_id = description["model_id"] = _identify(job, client, description["version"], sent_to)
            done = None if output is None else _done_files(output, description, resume)

            def submit(partition: Partition, worker: str) -> Future:
                arguments = (job, partition, output, description, sent_to, resume)
                return _submit(client, worker, tasks.run_partition, *arguments)

            with tqdm(total=listed.count, unit="file", disable=not progress) as bar:
                todo = partitions(listed, size or target_bytes(listed.size), _counting(done, report, bar))
                outcomes = run_tasks(client, todo, submit)
                with contextlib.closing(outcomes):
                    _collect(outcomes, done, report, bar, listed.size)
            if done is not None:
                done.remove_former()
    report.seconds = time.monotonic() - begin
    return report


def _named(job: Job) -> Job:
    """Replace the encoder 'auto' by the one that this machine would use, since all workers need the same."""
    if job.encoder != "auto":
        return job
    from mxnet_audio import weights
    from mxnet_audio.pretrained.encoder import AUTO

    return dataclasses.replace(job, encoder=next((name for name in AUTO if weights.available(name)), AUTO[0]))


def _identify(job: Job, client: Client, version: str, sent_to: str | None) -> str:
    """Load the model on one worker, and return its identity."""

    def submit(_: bool, worker: str) -> Future:
        return _submit(client, worker, tasks.identify, job, version, sent_to)

    ((_, outcome),) = run_tasks(client, iter([True]), submit)
    if isinstance(outcome, Failure):
        raise ClusterError(f"cannot be loaded on a worker: {outcome.reason}", job.model_name)
    return outcome


def _submit(client: Client, worker: str, task: Any, *arguments: Any) -> Future:
    """Submit a task to a worker; if that one is lost, to any."""
    options = {"workers": [worker], "allow_other_workers": True, "retries": RETRIES, "pure": False}
    return client.submit(task, *arguments, **options)


def _done_files(output: str, description: dict[str, Any], resume: bool) -> DoneFiles:
    """Read what an output holds; without `resume`, remove it first."""
    if not resume:
        for name in storage.list_names(output):
            if is_part(name):
                storage.remove(join(output, name))
    return DoneFiles(output, description)


def _counting(done: DoneFiles | None, report: ClusterReport, bar: tqdm) -> Callable[[RemoteFile], bool]:
    """Return the function that tells whether a file is done, and counts those that are."""

    def is_done(file: RemoteFile) -> bool:
        found = done is not None and done.is_done(file)
        report.already_done += found
        bar.update(found)
        return found

    return is_done


def _collect(
    outcomes: Iterable[tuple[Partition, Any]], done: DoneFiles | None, report: ClusterReport, bar: tqdm, size: int
) -> None:
    """Add the outcomes of partitions to a report, and show the progress in files and bytes."""
    finished = 0
    for partition, outcome in outcomes:
        if isinstance(outcome, Failure):
            report.failed.append((partition.id, outcome.reason))
        else:
            report.partitions += 1
            report.done += outcome.done
            report.already_done += outcome.unchanged
            report.skipped += outcome.skipped
            if done is not None:
                files = partition.unpack()
                done.add(file for number, file in enumerate(files) if number not in outcome.undone)
        finished += partition.size
        bar.set_postfix_str(f"{tqdm.format_sizeof(finished, 'B', 1024)} of {tqdm.format_sizeof(size, 'B', 1024)}")
        bar.update(partition.files)

"""Options of the commands that can compute on a Dask cluster, and the run there."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from mxnet_audio.cli.files import BulkJob
from mxnet_audio.cli.model import TAGGER
from mxnet_audio.cli.options import MODELS, StoredModel, parse_path
from mxnet_audio.cli.output import print_message, show_progress
from mxnet_audio.cli.vector_model import EncoderChoice, find_vector_model
from mxnet_audio.cluster.urls import is_url

if TYPE_CHECKING:
    from mxnet_audio.cluster import Job

__all__ = [
    "ClusterChoice",
    "OverwriteParts",
    "PartitionSize",
    "PartsFolder",
    "Places",
    "Scheduler",
    "Workers",
    "check_parts_folder",
    "model_of_job",
    "parse_place",
    "run_on_cluster",
]

_NEEDS_CLUSTER = "needs --scheduler or --workers"


def parse_place(value: str | os.PathLike) -> str:
    """Return a URL as it is, and another path as `parse_path`."""
    return str(value) if is_url(str(value)) else str(parse_path(value))


Places = Annotated[
    list[str],
    typer.Argument(
        parser=parse_place,
        metavar="PATH",
        help="Sound files, or folders that are searched for them; with --scheduler or --workers also URLs of object "
        "stores, such as s3://bucket/songs.",
    ),
]
Scheduler = Annotated[
    str | None,
    typer.Option(
        "--scheduler", metavar="ADDRESS", help="Compute on the workers of this Dask scheduler, such as tcp://host:8786."
    ),
]
Workers = Annotated[
    int | None, typer.Option("--workers", min=1, metavar="N", help="Compute in N processes of this machine, by Dask.")
]
PartitionSize = Annotated[
    int | None,
    typer.Option(
        "--partition-size",
        min=1,
        metavar="MB",
        help="Size of the sound files that a worker takes at a time, in megabytes. [default: chosen by their total]",
    ),
]
OverwriteParts = Annotated[
    bool,
    typer.Option(
        "--overwrite",
        help="With --scheduler or --workers: compute all files again. By default, files whose results are in the "
        "output are left out unless they have changed.",
    ),
]


PartsFolder = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        parser=parse_place,
        metavar="FOLDER",
        help="With --scheduler or --workers: folder or URL that the results are written to, as Parquet files.",
    ),
]
_FILE_SUFFIXES = (".csv", ".json", ".npz", ".parquet", ".txt")


class ClusterChoice(NamedTuple):
    """Options of a command that choose a cluster; None and False for those that are not given."""

    scheduler: str | None = None
    workers: int | None = None
    partition_size: int | None = None
    overwrite: bool = False

    def check(self, **only_here: Any) -> bool:
        """Return True if the command is to compute on a cluster.

        Parameters
        ----------
        **only_here
            Options that are for a cluster only, by their names; None for those that are not given.

        Raises
        ------
        typer.BadParameter
            If two clusters are chosen, or none and an option is given that needs one.
        """
        if self.scheduler is not None and self.workers is not None:
            raise typer.BadParameter("not with --workers", param_hint="--scheduler")
        if self.scheduler is not None or self.workers is not None:
            return True
        given = {"partition-size": self.partition_size, "overwrite": self.overwrite or None, **only_here}
        for name, value in given.items():
            if value is not None:
                raise typer.BadParameter(_NEEDS_CLUSTER, param_hint=f"--{name}")
        return False


def model_of_job(
    encoder: EncoderChoice, model_dir: Path | None, network: StoredModel | None, gpu: int | None, default: str = TAGGER
) -> dict[str, Any]:
    """Return the arguments of a job that name its model.

    Without any choice it is the trained model in ``./models`` or, if there is none, the encoder `default`. As far as
    this is possible without loading the model, what can be wrong is checked now; errors as of `find_vector_model`.
    """
    if not any(encoder) and model_dir is None:
        if network is not None or MODELS.exists():
            model_dir = MODELS
        else:
            print_message(f"no folder {MODELS} here: using the pretrained encoder {default}; --encoder names another")
            encoder = encoder._replace(name=default)
    find_vector_model(encoder, model_dir, network, gpu)
    fields = {**encoder._asdict(), "model_dir": None if model_dir is None else str(model_dir), "gpu": gpu}
    fields["encoder"] = fields.pop("name")
    return {**fields, "network": None if network is None else network.value}


def check_parts_folder(output: str | None) -> str:
    """Return the option ``--output`` of a cluster; BadParameter if it is missing, or named like a file."""
    if output is None:
        raise typer.BadParameter("is needed with --scheduler or --workers: a folder or URL", param_hint="--output")
    if output.lower().endswith(_FILE_SUFFIXES) or (not is_url(output) and Path(output).is_file()):
        reason = f"with --scheduler or --workers, expected a folder for Parquet files, got {output}"
        raise typer.BadParameter(reason, param_hint="--output")
    return output


def run_on_cluster(
    cluster: ClusterChoice,
    job: Job,
    paths: Iterable[str],
    output: str | None,
    as_json: bool,
    document: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Run a job on the chosen cluster, print its summary, and exit with code 1 if a file was skipped.

    Parameters
    ----------
    cluster : ClusterChoice
    job : Job
        What is computed, and by which model.
    paths : iterable of str
        Paths and URLs of files and folders.
    output : str or None
        Path or URL of the folder of results; None of a job that writes to a server.
    as_json : bool
        Print the summary as JSON.
    document : dict
        Further entries of the summary as JSON.
    """
    from mxnet_audio.cluster import connect, run
    from mxnet_audio.cluster.storage import find_sounds
    from mxnet_audio.cluster.urls import check_url, display_name

    command = BulkJob(as_json)
    if output is not None:
        document = {"output": display_name(check_url(output)), **document}
    found = find_sounds(paths, on_skip=lambda error: command.skip(error.path or "", error))
    first = next(found, None)
    if first is None:
        command.finish(document)  # exits: no cluster is needed
        return
    size = None if cluster.partition_size is None else cluster.partition_size * 1_000_000
    options: dict[str, Any] = {"partition_bytes": size, "resume": not cluster.overwrite, "progress": show_progress()}
    with connect(cluster.scheduler, cluster.workers) as client:
        report = run(job, itertools.chain([first], found), output, client, **options)
    for path, error in report.skipped:
        command.skip(path, error)
    for partition, reason in report.failed:
        print_message(f"failed: partition {partition}: {reason}")
    command.done = report.done + report.already_done
    document = {
        "model_id": report.model_id,
        **document,
        "added": report.done,
        "unchanged": report.already_done,
        "partitions": report.partitions,
        "failed": [{"partition": partition, "reason": reason} for partition, reason in report.failed],
    }
    command.finish(document, f"{report.done} added, {report.already_done} unchanged")
    if report.failed:
        raise typer.Exit(1)

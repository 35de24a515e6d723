"""``mxnet-audio encode``: turn sound files into vectors."""

from __future__ import annotations

import csv
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from mxnet_audio.cli.cluster_options import (
    ClusterChoice,
    OverwriteParts,
    PartitionSize,
    Places,
    Scheduler,
    Workers,
    check_parts_folder,
    model_of_job,
    parse_place,
    run_on_cluster,
)
from mxnet_audio.cli.files import BulkJob
from mxnet_audio.cli.options import AsJson, Channel, Gpu, StoredNetwork
from mxnet_audio.cli.vector_model import (
    EmbeddingName,
    EncoderChoice,
    EncoderName,
    Revision,
    Source,
    VectorModel,
    find_vector_model,
)
from mxnet_audio.cluster.urls import is_url
from mxnet_audio.errors import AudioError

if TYPE_CHECKING:
    import numpy as np

    Writer: TypeAlias = Callable[[Path, list[str], list[np.ndarray]], None]

__all__ = ["encode"]

VECTORS = "vectors.npz"


def encode(
    paths: Places,
    encoder: EncoderName = None,
    source: Source = None,
    revision: Revision = None,
    embedding: EmbeddingName = None,
    model_dir: VectorModel = None,
    network: StoredNetwork = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            parser=parse_place,
            metavar="FILE",
            help=f"{VECTORS} (arrays paths, vectors) or vectors.csv; with --scheduler or --workers, a folder or URL of "
            f"Parquet files. [default: {VECTORS}]",
        ),
    ] = None,
    channel: Channel = "mix",
    gpu: Gpu = None,
    scheduler: Scheduler = None,
    workers: Workers = None,
    partition_size: PartitionSize = None,
    overwrite: OverwriteParts = False,
    as_json: AsJson = False,
) -> None:
    """Turn sound files into vectors (embeddings).

    \b
    Examples:
      mxnet-audio encode songs/ --output songs.npz
      mxnet-audio encode a.wav b.wav --encoder musicnn -o vectors.csv
      mxnet-audio encode calls/ --encoder wavlm --source microsoft/wavlm-large --embedding 9:mean
      mxnet-audio encode s3://bucket/songs --encoder yamnet --scheduler tcp://host:8786 -o s3://bucket/vectors
    """
    choice = EncoderChoice(encoder, embedding, source, revision)
    cluster = ClusterChoice(scheduler, workers, partition_size, overwrite)
    if cluster.check(output=output if output is not None and is_url(output) else None):
        folder = check_parts_folder(output)
        model = model_of_job(choice, model_dir, network, gpu, default="auto")
        from mxnet_audio.cluster import EmbedJob

        run_on_cluster(cluster, EmbedJob(**model, channel=channel), paths, folder, as_json)
        return
    path = Path(output or VECTORS)
    write = _writer(path)
    load = find_vector_model(choice, model_dir, network, gpu)
    job = BulkJob(as_json)
    sources = job.find_sources(paths, channel)
    from mxnet_audio.atomic import replacing
    from mxnet_audio.library.index_model import describe

    names: list[str] = []
    vectors: list[np.ndarray] = []
    try:
        with replacing(path) as temporary:  # a folder that cannot be written to is an error now
            (model,) = load().values()
            for encoding, (name, _) in zip(model.encode_many([source for _, source in sources]), sources):
                if encoding.error is not None:
                    job.skip(name, encoding.error)
                    continue
                names.append(name)
                vectors.append(encoding.vector)
            job.done = len(names)
            document = {
                "model_id": model.model_id,
                "model": describe(model),
                "labels": model.labels,
                "output": path if names else None,
                "dim": model.embedding_dim,
                "paths": names,
            }
            if not names:
                job.finish(document)  # exits, and nothing is written
            write(temporary, names, vectors)
    except OSError as error:
        if not names:
            raise
        raise _kept_elsewhere(error, path, write, names, vectors) from error
    job.finish(document, f"wrote {len(names)} vectors of length {model.embedding_dim} to {path}")


def _writer(output: Path) -> Writer:
    """Return the function that writes vectors to a file; raise an error if it is not one that can be written."""
    writers = {".npz": _write_npz, ".csv": _write_csv}
    if output.suffix.lower() not in writers:
        raise typer.BadParameter(f"expected a name ending in .npz or .csv, got {output}", param_hint="--output")
    if output.is_dir():
        raise typer.BadParameter(f"expected a file, got the folder {output}", param_hint="--output")
    if not output.parent.is_dir():
        raise AudioError("no such folder", output.parent)
    return writers[output.suffix.lower()]


def _kept_elsewhere(
    error: OSError, output: Path, write: Writer, names: list[str], vectors: list[np.ndarray]
) -> AudioError:
    """Write vectors that `output` cannot hold, as on a full disk, to the folder of temporary files, if that can."""
    reason = f"cannot be written ({error.strerror or error})"
    try:
        number, path = tempfile.mkstemp(output.suffix, "mxnet-audio-")
        os.close(number)
        write(Path(path), names, vectors)
    except OSError:
        return AudioError(reason, output)
    return AudioError(f"{reason}: the {len(names)} vectors are in {path}", output)


def _write_npz(path: Path, names: list[str], vectors: list[np.ndarray]) -> None:
    import numpy as np

    with path.open("wb") as file:
        np.savez(file, paths=np.array(names), vectors=np.stack(vectors))


def _write_csv(path: Path, names: list[str], vectors: list[np.ndarray]) -> None:
    with path.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        rows = csv.writer(file)
        rows.writerow(["path", *(f"v{index}" for index in range(len(vectors[0])))])
        # str gives the shortest digits that read back as the same float32.
        rows.writerows([name, *map(str, vector)] for name, vector in zip(names, vectors))

"""``mxnet-audio encode``: turn sound files into vectors."""

from __future__ import annotations

import csv
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from mxnet_audio.cli.files import BulkJob
from mxnet_audio.cli.options import AsJson, Channel, Gpu, Paths, StoredNetwork, parse_path
from mxnet_audio.cli.vector_model import (
    EmbeddingName,
    EncoderChoice,
    EncoderName,
    Revision,
    Source,
    VectorModel,
    find_vector_model,
)
from mxnet_audio.errors import AudioError

if TYPE_CHECKING:
    import numpy as np

    Writer: TypeAlias = Callable[[Path, list[str], list[np.ndarray]], None]

__all__ = ["encode"]


def encode(
    paths: Paths,
    encoder: EncoderName = None,
    source: Source = None,
    revision: Revision = None,
    embedding: EmbeddingName = None,
    model_dir: VectorModel = None,
    network: StoredNetwork = None,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            parser=parse_path,
            metavar="FILE",
            help="vectors.npz (arrays paths, vectors) or vectors.csv.",
        ),
    ] = Path("vectors.npz"),
    channel: Channel = "mix",
    gpu: Gpu = None,
    as_json: AsJson = False,
) -> None:
    """Turn sound files into vectors (embeddings).

    \b
    Examples:
      mxnet-audio encode songs/ --output songs.npz
      mxnet-audio encode a.wav b.wav --encoder musicnn -o vectors.csv
      mxnet-audio encode calls/ --encoder wavlm --source microsoft/wavlm-large --embedding 9:mean
    """
    writers = {".npz": _write_npz, ".csv": _write_csv}
    if output.suffix.lower() not in writers:
        raise typer.BadParameter(f"expected a name ending in .npz or .csv, got {output}", param_hint="--output")
    if output.is_dir():
        raise typer.BadParameter(f"expected a file, got the folder {output}", param_hint="--output")
    if not output.parent.is_dir():
        raise AudioError("no such folder", output.parent)
    write = writers[output.suffix.lower()]
    load = find_vector_model(EncoderChoice(encoder, embedding, source, revision), model_dir, network, gpu)
    job = BulkJob(as_json)
    sources = job.find_sources(paths, channel)
    from mxnet_audio.atomic import replacing
    from mxnet_audio.library.index_model import describe

    names: list[str] = []
    vectors: list[np.ndarray] = []
    try:
        with replacing(output) as temporary:  # a folder that cannot be written to is an error now
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
                "output": output if names else None,
                "dim": model.embedding_dim,
                "paths": names,
            }
            if not names:
                job.finish(document)  # exits, and nothing is written
            write(temporary, names, vectors)
    except OSError as error:
        if not names:
            raise
        raise _kept_elsewhere(error, output, write, names, vectors) from error
    job.finish(document, f"wrote {len(names)} vectors of length {model.embedding_dim} to {output}")


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
    with path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        rows = csv.writer(file)
        rows.writerow(["path", *(f"v{index}" for index in range(len(vectors[0])))])
        # str gives the shortest digits that read back as the same float32.
        rows.writerows([name, *map(str, vector)] for name, vector in zip(names, vectors))

"""``mxnet-audio encode``: turn sound files into vectors."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mxnet_audio.cli.files import BulkJob
from mxnet_audio.cli.options import AsJson, Gpu, Paths, StoredNetwork
from mxnet_audio.cli.vector_model import EmbeddingName, EncoderName, VectorModel, find_vector_model
from mxnet_audio.errors import AudioError

if TYPE_CHECKING:
    import numpy as np

__all__ = ["encode"]


def encode(
    paths: Paths,
    encoder: EncoderName = None,
    embedding: EmbeddingName = None,
    model_dir: VectorModel = None,
    network: StoredNetwork = None,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="FILE", dir_okay=False, help="vectors.npz (arrays paths, vectors) or vectors.csv."
        ),
    ] = Path("vectors.npz"),
    gpu: Gpu = None,
    as_json: AsJson = False,
) -> None:
    """Turn sound files into vectors (embeddings).

    \b
    Examples:
      mxnet-audio encode songs/ --output songs.npz
      mxnet-audio encode a.wav b.wav --encoder musicnn -o vectors.csv
    """
    writers = {".npz": _write_npz, ".csv": _write_csv}
    if output.suffix.lower() not in writers:
        raise typer.BadParameter(f"expected a name ending in .npz or .csv, got {output}", param_hint="--output")
    if not output.parent.is_dir():
        raise AudioError("no such folder", output.parent)
    load = find_vector_model(encoder, embedding, model_dir, network, gpu)
    job = BulkJob(as_json)
    files = job.find(paths)
    from mxnet_audio.library.index_model import describe

    (model,) = load().values()
    names: list[str] = []
    vectors: list[Any] = []
    for encoding, path in zip(model.encode_many(files), files):
        if encoding.error is not None:
            job.skip(path, encoding.error)
            continue
        job.done += 1
        names.append(path)
        vectors.append(encoding.vector)
    if names:
        writers[output.suffix.lower()](output, names, vectors)
    document = {
        "model_id": model.model_id,
        "model": describe(model),
        "labels": model.labels,
        "output": output if names else None,
        "dim": model.embedding_dim,
        "paths": names,
    }
    job.finish(document, f"wrote {len(names)} vectors of length {model.embedding_dim} to {output}")


def _write_npz(output: Path, names: list[str], vectors: list[np.ndarray]) -> None:
    import numpy as np

    from mxnet_audio.atomic import replacing

    with replacing(output) as temporary, temporary.open("wb") as file:
        np.savez(file, paths=np.array(names), vectors=np.stack(vectors))


def _write_csv(output: Path, names: list[str], vectors: list[np.ndarray]) -> None:
    from mxnet_audio.atomic import replacing

    with (
        replacing(output) as temporary,
        temporary.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file,
    ):
        rows = csv.writer(file)
        rows.writerow(["path", *(f"v{index}" for index in range(len(vectors[0])))])
        # str gives the shortest digits that read back as the same float32.
        rows.writerows([name, *map(str, vector)] for name, vector in zip(names, vectors))

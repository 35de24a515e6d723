"""``mxnet-audio index add`` on a Dask cluster, whose workers write to a collection on a server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mxnet_audio.cli.cluster_options import ClusterChoice, model_of_job, run_on_cluster
from mxnet_audio.cli.options import StoredModel
from mxnet_audio.cli.stored_index import ServerCollection
from mxnet_audio.cli.vector_model import EncoderChoice, complete_choice, knows_its_model

__all__ = ["add_on_cluster"]


def add_on_cluster(
    cluster: ClusterChoice,
    stored: ServerCollection,
    paths: list[str],
    choice: EncoderChoice,
    model_dir: Path | None,
    network: StoredModel | None,
    gpu: int | None,
    channel: str | int,
    as_json: bool,
) -> None:
    """Let workers add files to a collection, with the chosen model, or that of the collection."""
    if model_dir is None and network is None and knows_its_model(stored):
        known: Any = stored.model()
        if "encoder" in known and not any(choice):
            choice = EncoderChoice(*(known.get(key) for key in ("encoder", "embedding", "source", "revision")))
        elif any(choice):
            choice = complete_choice(choice, stored)
        else:
            model_dir = Path(known["model"])
            network = next((model for model in StoredModel if model.value == known.get("network")), None)
    from mxnet_audio.cluster import IndexJob

    model = model_of_job(choice, model_dir, network, gpu, default="auto")
    job = IndexJob(**model, **stored.options, partition=stored.partition, channel=channel)
    run_on_cluster(cluster, job, paths, None, as_json, stored.fields)

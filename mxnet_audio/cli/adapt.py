"""``mxnet-audio adapt``: adapt a model to another speaker, microphone or room."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mxnet_audio.cli.files import BulkJob
from mxnet_audio.cli.model import check_no_model, find_trained_model
from mxnet_audio.cli.options import MODELS, AsJson, Channel, Gpu, ModelDir, Overwrite, Paths, StoredNetwork, parse_path
from mxnet_audio.cli.output import thresholds_entry
from mxnet_audio.cli.vector_model import ModelSource

__all__ = ["adapt"]


def adapt(
    paths: Paths,
    output: Annotated[
        Path, typer.Option("--output", "-o", parser=parse_path, metavar="DIR", help="Folder for the adapted model.")
    ],
    model_dir: ModelDir = MODELS,
    network: StoredNetwork = None,
    source: ModelSource = None,
    overwrite: Overwrite = False,
    channel: Channel = "mix",
    gpu: Gpu = None,
    as_json: AsJson = False,
) -> None:
    """Adapt a model to another speaker, microphone or room.

    The recordings from there need no labels. Use 50 or more, with all classes about as frequent as they will be later.

    \b
    Examples:
      mxnet-audio adapt new-room/ --output models-new-room
      mxnet-audio predict clip.wav --model-dir models-new-room
    """
    load = find_trained_model(model_dir, network, gpu, source)
    from mxnet_audio import model_store

    model_store.check_writable(output)  # before hours of work
    job = BulkJob(as_json)
    sources = [source for _, source in job.find_sources(paths, channel)]
    classifier = load()
    mends = "replace it with --overwrite, or choose another --output"
    if not overwrite:
        check_no_model(output, classifier.network, mends)
    classifier.adapt(sources)
    job.add_skipped(classifier.skipped)
    job.done = len(sources) - len(classifier.skipped)
    from mxnet_audio.library.training_run import model_lock

    with model_lock(output, classifier.network):
        if not overwrite:  # another process may have saved a model meanwhile
            check_no_model(output, classifier.network, mends)
        classifier.save_model(output)
    document = {
        "model_dir": output,
        "model_id": classifier.model_id,
        "labels": classifier.labels,
        **thresholds_entry(classifier),
        "clips": job.done,
    }
    job.finish(document, f"adapted the model to {job.done} clips and saved it in {output}")

"""``mxnet-audio adapt``: a model for another speaker, microphone or room."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mxnet_audio.cli.options import MODELS, AsJson, Gpu, ModelDir, OneOf, Paths
from mxnet_audio.cli.shell import Bulk, load_model
from mxnet_audio.errors import ModelError

__all__ = ["adapt"]


def adapt(
    paths: Paths,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Where the adapted model is kept.")],
    model_dir: ModelDir = MODELS,
    network: OneOf = None,
    gpu: Gpu = None,
    as_json: AsJson = False,
) -> None:
    """Adapt a model to another speaker, microphone or room, by recordings from there without labels.

    Some 50 of them or more, of all classes about as often as they will come.

    \b
    Examples:
      mxnet-audio adapt new-room/ --output models-new-room
      mxnet-audio predict clip.wav --model-dir models-new-room
    """
    classifier = load_model(model_dir, network, gpu, exported=False)
    from mxnet_audio import model_store

    model_store.check_writable(output)  # not found out once all is done
    if classifier.network in model_store.stored_models(output):
        raise ModelError(f"holds a {classifier.network} model, whose training could not go on: choose another", output)
    bulk = Bulk()
    files = bulk.find(paths)
    classifier.adapt(files)
    bulk.skipped += [{"path": path, "reason": error.reason} for path, error in classifier.skipped]  # said already
    bulk.done = len(files) - len(classifier.skipped)
    classifier.save_model(output)
    document = {"model_dir": output, "model_id": classifier.model_id, "labels": classifier.labels, "clips": bulk.done}
    bulk.finish(document if as_json else None, f"the model, adapted to {bulk.done} clips, is in {output}")

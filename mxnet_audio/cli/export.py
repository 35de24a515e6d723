"""``mxnet-audio export``: a model that outlives MXNet."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mxnet_audio.cli.options import MODELS, AsJson, ModelDir, OneOf
from mxnet_audio.cli.shell import emit, load_model

__all__ = ["export"]


def export(
    output: Annotated[Path, typer.Argument(metavar="MODEL.onnx", help="The file to write.")],
    model_dir: ModelDir = MODELS,
    network: OneOf = None,
    front_end: Annotated[
        bool, typer.Option("--front-end", help="Let it take samples, and compute the features itself.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write a trained model as one ONNX file, which runs without MXNet.

    \b
    Examples:
      mxnet-audio export songs.onnx --front-end
      mxnet-audio predict new.mp3 --model-dir songs.onnx
    """
    classifier = load_model(model_dir, network, None, exported=False)
    from mxnet_audio.library.export import export_onnx

    export_onnx(classifier.model, output, front_end=front_end)
    takes = "samples" if front_end else "features"
    document = {"output": output, "takes": takes, "model_id": classifier.model_id, "labels": classifier.labels}
    emit(document, f"the model is in {output}, and takes {takes}", as_json)

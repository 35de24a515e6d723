"""``mxnet-audio export``: a model that outlives MXNet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mxnet_audio.cli.options import MODELS, AsJson, ModelDir, OneOf
from mxnet_audio.cli.shell import emit, load_model

if TYPE_CHECKING:
    from mxnet_audio.library.trained_model import TrainedModel

__all__ = ["FrontEnd", "Output", "export", "write"]

Output = Annotated[Path, typer.Argument(metavar="MODEL.onnx", help="The file to write.")]
FrontEnd = Annotated[bool, typer.Option("--front-end", help="Let it take samples, and compute the features itself.")]


def export(
    output: Output,
    model_dir: ModelDir = MODELS,
    network: OneOf = None,
    front_end: FrontEnd = False,
    as_json: AsJson = False,
) -> None:
    """Write a trained model as one ONNX file, which runs without MXNet.

    \b
    Examples:
      mxnet-audio export songs.onnx --front-end
      mxnet-audio predict new.mp3 --model-dir songs.onnx
    """
    write(load_model(model_dir, network, None, exported=False).model, output, front_end, as_json)


def write(model: TrainedModel, output: Path, front_end: bool, as_json: bool) -> None:
    """Write a model, and say so."""
    from mxnet_audio.library.export import export_onnx

    export_onnx(model, output, front_end=front_end)
    takes = "samples" if front_end else "features"
    document = {"output": output, "takes": takes, "model_id": model.id, "labels": model.labels}
    emit(document, f"the model is in {output}, and takes {takes}", as_json)

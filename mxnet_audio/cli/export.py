"""``mxnet-audio export``: write a model as an ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mxnet_audio.cli.model import find_trained_model
from mxnet_audio.cli.options import MODELS, AsJson, ModelDir, StoredNetwork, parse_path
from mxnet_audio.cli.output import print_message, print_result, thresholds_entry
from mxnet_audio.cli.vector_model import ModelSource

if TYPE_CHECKING:
    from mxnet_audio.library.trained_model import TrainedModel

__all__ = ["FrontEnd", "OnnxFile", "export", "write_onnx"]

OnnxFile = Annotated[Path, typer.Argument(parser=parse_path, metavar="MODEL.onnx", help="File to write.")]
FrontEnd = Annotated[
    bool, typer.Option("--front-end", help="Include the feature extraction: the input is samples, not features.")
]


def export(
    output: OnnxFile,
    model_dir: ModelDir = MODELS,
    network: StoredNetwork = None,
    source: ModelSource = None,
    front_end: FrontEnd = False,
    as_json: AsJson = False,
) -> None:
    """Write a model as an ONNX file, which runs without MXNet.

    \b
    Examples:
      mxnet-audio export songs.onnx --front-end
      mxnet-audio predict new.mp3 --model-dir songs.onnx
    """
    write_onnx(find_trained_model(model_dir, network, None, source)().model, output, front_end, as_json)


def write_onnx(model: TrainedModel, output: Path, front_end: bool, as_json: bool) -> None:
    """Write a model as an ONNX file and print the result."""
    from mxnet_audio.inference.predictor import input_length
    from mxnet_audio.library.export import export_onnx, exported_id
    from mxnet_audio.models import SequenceNet

    export_onnx(model, output, front_end=front_end)
    if not isinstance(model.net, SequenceNet):
        sr, n_samples = input_length(model.feature_config)
        print_message(
            f"it takes {n_samples / sr:.2f} s: the middle of longer sound; shorter sound is padded with silence"
        )
    takes = "samples" if front_end else "features"
    document = {
        "output": output,
        "takes": takes,
        "model_id": exported_id(model),
        "labels": model.labels,
        **thresholds_entry(model),
    }
    print_result(document, f"wrote the model to {output}; its input is {takes}", as_json)

"""``mxnet-audio speaker export``: write the network as an ONNX file."""

from __future__ import annotations

from mxnet_audio.cli.export import FrontEnd, OnnxFile, write_onnx
from mxnet_audio.cli.options import AsJson
from mxnet_audio.cli.speaker.model import load_recognizer, load_state
from mxnet_audio.cli.speaker.options import VOICES, ModelDir

__all__ = ["export"]


def export(
    output: OnnxFile,
    model_dir: ModelDir = VOICES,
    front_end: FrontEnd = False,
    as_json: AsJson = False,
) -> None:
    """Write a trained network as an ONNX file.

    It runs without MXNet, and computes the embedding of one window.

    \b
    Examples:
      mxnet-audio speaker export voices.onnx --front-end
    """
    load_state(model_dir)
    write_onnx(load_recognizer(model_dir, None).model, output, front_end, as_json)

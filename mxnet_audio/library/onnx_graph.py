"""Networks as graphs of ONNX, written by MXNet's exporter."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

import mxnet_audio
from mxnet_audio.engine import gluon, mx
from mxnet_audio.errors import ModelError
from mxnet_audio.inference.onnx_file import PRODUCER

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = ["OPSET", "GraphInput", "onnx_graph"]

OPSET, IR = 13, 7  # operators that MXNet 1.9.1 writes, and the version of the format released with them
_LARGEST = (2 << 30) - (1 << 24)  # [bytes], of parameters: Protocol Buffers' limit, without some for the graph


class GraphInput(NamedTuple):
    """Input of a graph: the shape of an example, and the shape with names in place of sizes that can differ."""

    shape: tuple[int, ...]
    described: tuple[int | str, ...]


def onnx_graph(
    outputs: Mapping[str, mx.sym.Symbol],
    widths: Mapping[str, int],
    inputs: Mapping[str, GraphInput],
    parameters: Mapping[str, gluon.Parameter],
) -> ModelProto:
    """Write a network as an ONNX model, without metadata.

    Parameters
    ----------
    outputs : mapping of str to Symbol
        Outputs [shape=(batch, width)] by the names that they get.
    widths : mapping of str to int
        Width of each.
    inputs : mapping of str to GraphInput
        Inputs by their names.
    parameters : mapping of str to Parameter
        Parameters of the network by their names in its symbols.

    Returns
    -------
    onnx.ModelProto

    Raises
    ------
    ModelError
        If the extra ``[onnx]`` is not installed, or the parameters are larger than an ONNX file can be.
    """
    try:
        import onnx
        import onnx.mapping  # imported by MXNet's exporter, and removed in onnx 1.18
    except ImportError as error:
        raise ModelError("to write ONNX, pip install 'onnx<1.18'") from error

    symbol = mx.sym.Group([mx.sym.identity(output, name=name) for name, output in outputs.items()])
    mx.nd.waitall()  # MXNet may still be rearranging weights, see `training.get_parameters`
    names = symbol.list_inputs()
    arrays = {name: parameters[name].data(parameters[name].list_ctx()[0]) for name in names if name not in inputs}
    if (size := sum(array.size for array in arrays.values()) * 4) > _LARGEST:
        raise ModelError(f"not exported: its parameters take {size / 1e9:.1f} GB, and an ONNX file holds 2 GB at most")
    # For the exporter, parameters are inputs: it would make a Python list of the numbers of each.
    shapes = [inputs[name] if name in inputs else GraphInput(*[arrays[name].shape] * 2) for name in names]
    with TemporaryDirectory() as folder, _quiet_exporter(OPSET):
        path = Path(folder) / "graph.onnx"
        mx.onnx.export_model(
            symbol,
            {},
            [one.shape for one in shapes],
            np.float32,
            str(path),
            dynamic=True,
            dynamic_input_shapes=[one.described for one in shapes],
        )
        model = onnx.load(path)
    model.ir_version, model.opset_import[0].version = IR, OPSET  # not the newest of this onnx
    model.producer_name, model.producer_version = PRODUCER, mxnet_audio.__version__
    taken = {one.name: one for one in model.graph.input}
    del model.graph.input[:]
    model.graph.input.extend(taken[name] for name in inputs)
    for name, array in arrays.items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(array.asnumpy(), name))
    for output in model.graph.output:
        batch, width = output.type.tensor_type.shape.dim
        batch.dim_param, width.dim_value = "batch", widths[output.name]
    return model


@contextlib.contextmanager
def _quiet_exporter(opset: int) -> Iterator[None]:
    """Keep MXNet's exporter from warnings, output and the root logger; let it check the graph as of the right opset."""
    from onnx.checker import DEFAULT_CONTEXT

    root, silent, opsets = logging.getLogger(), logging.NullHandler(), DEFAULT_CONTEXT.opset_imports
    root.addHandler(silent)
    DEFAULT_CONTEXT.opset_imports = {"": opset}
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore", DeprecationWarning)
            yield
    finally:
        root.removeHandler(silent)
        DEFAULT_CONTEXT.opset_imports = opsets

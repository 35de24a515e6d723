"""Reader of TensorFlow Lite models, whose integers become the float32 numbers that they stand for."""

from __future__ import annotations

import io
import os
import zipfile
from typing import Any

import numpy as np

from mxnet_audio.errors import ModelError
from mxnet_audio.weights.readers.foreign import array, contents, naming_damage

__all__ = ["read", "read_labels"]

# Numbers of tflite.TensorType.
_DTYPES = {
    0: "float32",
    1: "float16",
    2: "int32",
    3: "uint8",
    4: "int64",
    6: "bool",
    7: "int16",
    9: "int8",
    10: "float64",
}
_LARGEST_LIST = 1 << 20  # [bytes]


def read(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Read the constant tensors of a model.

    Parameters
    ----------
    path : str or os.PathLike

    Returns
    -------
    dict of str to np.ndarray
        Tensors by their names, which are the names of all operations that were merged, joined by ``';'``. Quantized
        tensors are float32: (number - zero point) x scale, per tensor or per channel.

    Raises
    ------
    ModelError
        If the file is missing or damaged, or a tensor has an unusual type.
    """
    from tflite.Model import Model  # 0.1 s

    with naming_damage(path, "TensorFlow Lite model"):
        data = contents(path)
        if data[4:8] != b"TFL3":
            raise ValueError("the identifier TFL3 is missing")
        model = Model.GetRootAs(data, 0)
        tensors, count, total = {}, 0, 0
        most = len(data) // 4  # a reference takes four bytes
        for graph in map(model.Subgraphs, range(_within(model.SubgraphsLength(), most))):
            count += graph.TensorsLength()  # graphs may share their lists
            for tensor in map(graph.Tensors, range(_within(count, most) and graph.TensorsLength())):
                buffer = model.Buffers(_within(tensor.Buffer(), model.BuffersLength()))
                size = buffer.DataLength()
                if size == 0:  # computed, not stored
                    continue
                name = tensor.Name().decode()
                total += size
                if total > len(data):
                    raise ValueError(f"{name!r} ends after the end of the file")
                if tensor.Type() not in _DTYPES:
                    raise ModelError(f"{name!r} has the type number {tensor.Type()}, which is not read")
                shape = [tensor.Shape(axis) for axis in range(_within(tensor.ShapeLength(), 9))]
                values = array(memoryview(buffer.DataAsNumpy()), _DTYPES[tensor.Type()], shape)
                if name in tensors:
                    raise ValueError(f"two tensors are named {name!r}")
                tensors[name] = _dequantized(values, tensor.Quantization())
    return tensors


def read_labels(path: str | os.PathLike, name: str) -> list[str]:
    """Read a list of labels, one a line, from the zip archive that is appended to a model.

    Parameters
    ----------
    path : str or os.PathLike
    name : str
        Name of the list in the archive.

    Raises
    ------
    ModelError
        If there is no such list.
    """
    with naming_damage(path, "model with a list of labels"), zipfile.ZipFile(io.BytesIO(contents(path))) as archive:
        item = archive.getinfo(name)
        if item.file_size > _LARGEST_LIST:
            raise ValueError(f"{name} has {item.file_size} bytes")
        return archive.read(item).decode("utf-8").splitlines()


def _within(number: int, limit: int) -> int:
    """Return a number that must be below a limit."""
    if not 0 <= number < limit:
        raise ValueError(f"{number} where less than {limit} are possible")
    return number


def _dequantized(values: np.ndarray, quantization: Any) -> np.ndarray:
    """Return the numbers that quantized integers stand for; numbers without a scale are returned unchanged."""
    if quantization is None or values.dtype.kind not in "iu" or quantization.ScaleLength() == 0:
        return values
    with np.errstate(over="raise", invalid="raise"):  # damaged scales
        scale = np.asarray(quantization.ScaleAsNumpy(), np.float64)
        zero = np.asarray(quantization.ZeroPointAsNumpy() if quantization.ZeroPointLength() else 0, np.float64)
        if not np.isfinite(scale).all():
            raise ValueError("a scale is no number")
        if scale.size > 1:
            axis = _within(quantization.QuantizedDimension(), values.ndim)
            if scale.size != values.shape[axis] or zero.size not in (1, scale.size):
                raise ValueError(f"{scale.size} scales and {zero.size} zero points for {values.shape[axis]} channels")
            sizes = [-1 if other == axis else 1 for other in range(values.ndim)]
            scale, zero = scale.reshape(sizes), zero.reshape(sizes) if zero.size > 1 else zero
        # In double precision, because float32 would round biases of more than 24 bits twice.
        return ((values - zero) * scale).astype(np.float32)

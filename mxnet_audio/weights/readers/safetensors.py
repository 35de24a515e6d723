"""Reader of safetensors files, and of models whose tensors are divided among several of them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from mxnet_audio.atomic import parse_json
from mxnet_audio.weights.readers import sharded
from mxnet_audio.weights.readers.foreign import BFLOAT16, array, contents, naming_damage

__all__ = ["read", "read_with_metadata"]

_DTYPES = {
    "BOOL": "bool",
    "U8": "uint8",
    "I8": "int8",
    "I16": "int16",
    "I32": "int32",
    "I64": "int64",
    "F16": "float16",
    "BF16": BFLOAT16,
    "F32": "float32",
    "F64": "float64",
}


def read(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Read the tensors of a safetensors file, or of all files that an index lists.

    Parameters
    ----------
    path : str or os.PathLike
        ``….safetensors``, or the index of a model in several files, ``….safetensors.index.json``.

    Returns
    -------
    dict of str to np.ndarray

    Raises
    ------
    ModelError
        If a file is missing or damaged, or tensors overlap or are not where the index says.
    """
    if Path(path).suffix == ".json":
        return sharded.read(path, read)
    return read_with_metadata(path)[0]


def read_with_metadata(path: str | os.PathLike) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Read the tensors of one safetensors file, and the text that its header holds beside them."""
    with naming_damage(path, "safetensors file"):
        data = memoryview(contents(path))
        start = 8 + int.from_bytes(data[:8], "little")
        if len(data) < 8 or start > len(data):
            raise ValueError("the header is longer than the file")
        header = parse_json(bytes(data[8:start]))
        metadata = header.pop("__metadata__", {})
        tensors, end = {}, start
        for name, tensor in sorted(header.items(), key=_offsets):
            first, last = (start + offset for offset in _offsets((name, tensor)))
            if first != end or last > len(data):
                raise ValueError(f"{name!r} does not follow the tensor before it, or ends after the end of the file")
            tensors[name] = array(data[first:last], _DTYPES[tensor["dtype"]], tensor["shape"])
            end = last
        if end != len(data):  # also if the header names a tensor twice
            raise ValueError("bytes that belong to no tensor")
    return tensors, metadata


def _offsets(item: tuple[str, dict]) -> tuple[int, int]:
    first, last = item[1]["data_offsets"]
    return first, last

"""Exported .onnx files as bytes: producer, the checksum that shows damage, and parameters. Needs no onnx."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from typing import Any

import numpy as np

from mxnet_audio.errors import ModelError
from mxnet_audio.protobuf import fields

__all__ = ["PRODUCER", "check_graph", "checksum_entry", "is_exported", "is_intact", "parameters"]

PRODUCER = "mxnet-audio"
# Numbers of fields in ModelProto, GraphProto, NodeProto, AttributeProto and TensorProto, and of a type in
# TensorProto.DataType (onnx.proto).
_GRAPH, _FUNCTION = 7, 25
_NODE, _INITIALIZER = 1, 5
_OPERATOR, _ATTRIBUTE = 4, 5
_INNER_GRAPHS = (6, 11)
_SIZE, _TYPE, _FLOATS, _NAME, _BYTES, _OTHER_FILE = 1, 2, 4, 8, 9, 13
_FLOAT32 = 1


def is_exported(data: bytes) -> bool:
    """Return whether the beginning of a file names this package as its producer.

    The producer is field 2 of ModelProto and follows the format version: fields are written in their order.
    """
    name = PRODUCER.encode()
    return data[2:].startswith(bytes([0x12, len(name)]) + name)


def checksum_entry(body: bytes) -> bytes:
    """Encode the SHA-256 of a file's body as one more entry of the model's metadata, to be appended to the file.

    Concatenated Protocol Buffers messages are one message. This one is field 14 of ModelProto with a key and a
    value, each a field with its number and length.
    """
    return b"\x72\x4a\x0a\x06sha256\x12\x40" + hashlib.sha256(body).hexdigest().encode()


def is_intact(data: bytes) -> bool:
    """Return whether a file ends with the checksum of what precedes it."""
    length = len(checksum_entry(b""))
    return data[-length:] == checksum_entry(data[:-length])


def check_graph(data: bytes) -> None:
    """Check that a network ends, and that its parameters are numbers in the file itself.

    Not all NaN show in the outputs: rectifiers remove them. Exported networks have no loops, which could be endless.

    Raises
    ------
    ModelError
        If an operator contains a graph, or a tensor is in another file or holds NaN or infinity, which is named, or if
        the file is damaged.
    """
    try:
        model = memoryview(data)
        if _values(model, _FUNCTION):
            raise ModelError("refused: it defines functions, which exported networks do not have")
        for graph in _values(model, _GRAPH):
            for node in _values(graph, _NODE):
                if any(number in _INNER_GRAPHS for part in _values(node, _ATTRIBUTE) for number, _ in fields(part)):
                    operator = _text(_values(node, _OPERATOR)[0])
                    raise ModelError(f"refused: it has the operator {operator}, which exported networks do not have")
            for tensor in _values(graph, _INITIALIZER):
                _check_tensor(tensor)
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"damaged: {error}") from error


def _check_tensor(tensor: memoryview) -> None:
    if _values(tensor, _OTHER_FILE):
        raise ModelError(f"refused: the tensor {_text(_values(tensor, _NAME)[0])!r} is in another file")
    if _values(tensor, _TYPE)[-1:] != [_FLOAT32]:  # the last one counts
        return
    for numbers in _values(tensor, _FLOATS) + _values(tensor, _BYTES):
        if not np.isfinite(np.frombuffer(numbers, "<f4")).all():
            name = _text(_values(tensor, _NAME)[0])
            raise ModelError(f"unusable: the tensor {name!r} holds NaN or infinity; train the model again")


def parameters(data: bytes, names: Collection[str]) -> dict[str, np.ndarray]:
    """Return parameters of a network.

    Parameters
    ----------
    data : bytes
        Content of the file, checked by `check_graph`.
    names : collection of str

    Returns
    -------
    dict of str to np.ndarray
        float32 arrays by their names.

    Raises
    ------
    ModelError
        If one is missing or damaged.
    """
    found = {}
    try:
        for graph in _values(memoryview(data), _GRAPH):
            for tensor in _values(graph, _INITIALIZER):
                if (name := _text(_values(tensor, _NAME)[0])) in names and _values(tensor, _TYPE) == [_FLOAT32]:
                    numbers = np.frombuffer(b"".join(_values(tensor, _FLOATS) + _values(tensor, _BYTES)), "<f4")
                    found[name] = numbers.reshape(_values(tensor, _SIZE))
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"damaged: {error}") from error
    if missing := sorted(set(names) - set(found)):
        raise ModelError(f"damaged: the tensor {missing[0]!r} is missing")
    return found


def _text(value: memoryview) -> str:
    return str(value, "utf-8", "replace")


def _values(message: memoryview, number: int) -> list[Any]:
    """Return the values of a field, which may be repeated."""
    return [value for found, value in fields(message) if found == number]

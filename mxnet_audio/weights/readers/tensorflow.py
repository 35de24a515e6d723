"""Reader of TensorFlow's checkpoints: an index ``….index``, and the numbers in ``….data-00000-of-00001``.

The index is a table in LevelDB's format: blocks of sorted entries, whose keys share prefixes with the previous key, an
index of these blocks, and a footer that says where that index is (leveldb/doc/table_format.md). Each value is a
small protocol buffer with type, shape, file, offset and size of a tensor (tensorflow/core/protobuf/
tensor_bundle.proto). The checksums in both files are not read: `find` compares the SHA-256 of the whole files.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mxnet_audio.errors import ModelError
from mxnet_audio.protobuf import fields, varint
from mxnet_audio.weights.readers.foreign import BFLOAT16, array, contents, naming_damage

__all__ = ["read"]

_FOOTER = 48  # [bytes]
_MOST_NAMES = 64 << 20  # [bytes], because a few bytes can repeat a long name
_MAGIC = 0xDB4775248B80FB57
# Numbers of tensorflow.DataType.
_DTYPES = {
    1: "float32",
    2: "float64",
    3: "int32",
    4: "uint8",
    5: "int16",
    6: "int8",
    9: "int64",
    10: "bool",
    14: BFLOAT16,
    19: "float16",
}


def read(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Read the tensors of a checkpoint.

    Parameters
    ----------
    path : str or os.PathLike
        The index; the files of data are beside it.

    Returns
    -------
    dict of str to np.ndarray
        Tensors by the names of the variables.

    Raises
    ------
    ModelError
        If a file is missing, damaged or compressed, or a tensor holds no numbers.
    """
    path = Path(path)
    with naming_damage(path, "index of a TensorFlow checkpoint"):
        entries, total = {}, 0
        for key, value in _table(contents(path)):
            entries[key] = value
            total += len(key)
            if total > _MOST_NAMES:
                raise ValueError("the names are larger than the file")
        shards = _fields(entries.pop(b"")).get(1, 1)
        if not 1 <= shards <= 1000:
            raise ValueError(f"{shards} files of data")
        prefix = path.name.removesuffix(".index")
        files = [path.with_name(f"{prefix}.data-{number:05d}-of-{shards:05d}") for number in range(shards)]
        data = [memoryview(contents(file)) for file in files]
        tensors, total = {}, 0
        for key, value in entries.items():
            name, entry = key.decode(), _fields(value)
            if 7 in entry:
                raise ModelError(f"{name!r} is in slices, which are not read")
            if entry[1] not in _DTYPES:
                raise ModelError(f"{name!r} has the type number {entry[1]}, which is not read")
            shard, offset, size = data[entry.get(3, 0)], entry.get(4, 0), entry.get(5, 0)
            total += size
            if offset + size > len(shard) or total > sum(map(len, data)):
                raise ValueError(f"{name!r} ends after the end of the data")
            tensors[name] = array(shard[offset : offset + size], _DTYPES[entry[1]], _shape(entry.get(2, b"")))
    return tensors


def _table(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the keys and values of a table."""
    footer = data[-_FOOTER:]
    if len(footer) < _FOOTER or int.from_bytes(footer[-8:], "little") != _MAGIC:
        raise ValueError("no footer of a table")
    _, position = _handle(footer, 0)  # of blocks of metadata, which nobody writes
    index, _ = _handle(footer, position)
    total = 0
    for _, value in _block(data, index):
        handle, _ = _handle(value, 0)
        total += handle[1]
        if total > len(data):
            raise ValueError("the blocks are larger than the file")
        yield from _block(data, handle)


def _block(data: bytes, handle: tuple[int, int]) -> Iterator[tuple[bytes, bytes]]:
    """Yield the entries of a block at (offset, size)."""
    offset, size = handle
    if offset + size >= len(data):
        raise ValueError("a block ends after the end of the file")
    if compression := data[offset + size]:
        name = {1: "Snappy", 2: "Zstandard"}.get(compression, f"method {compression}")
        raise ModelError(f"compressed with {name}, which is not read")
    block = data[offset : offset + size]
    (restarts,) = struct.unpack("<I", block[-4:])
    end = len(block) - 4 - 4 * restarts
    position, key = 0, b""
    while position < end:
        shared, position = varint(block, position)
        length, position = varint(block, position)
        size, position = varint(block, position)
        if shared > len(key) or position + length + size > end:
            raise ValueError("an entry ends after the end of its block")
        key = key[:shared] + block[position : position + length]
        position += length + size
        yield key, block[position - size : position]


def _handle(data: bytes, position: int) -> tuple[tuple[int, int], int]:
    """Return offset and size of a block, and the position after them."""
    offset, position = varint(data, position)
    size, position = varint(data, position)
    return (offset, size), position


def _fields(message: bytes) -> dict[int, Any]:
    """Return the fields of a protocol buffer by their numbers; of a repeated field, the last one."""
    return dict(fields(message))


def _shape(message: bytes) -> list[int]:
    """Return the sizes in a TensorShapeProto."""
    return [_fields(value).get(1, 0) for number, value in fields(message) if number == 2]

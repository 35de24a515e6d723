"""Reader of PyTorch's files, in the format with a zip archive and in the one before it.

Both hold a pickle, which is a program for a small machine, and the raw numbers beside it. The pickle is not executed:
`_Machine` interprets the few instructions that a dictionary of tensors needs, resolves no name, and refuses the rest.
"""

from __future__ import annotations

import io
import math
import os
import pickletools
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from mxnet_audio.errors import ModelError
from mxnet_audio.weights.readers import sharded
from mxnet_audio.weights.readers.foreign import BFLOAT16, array, contents, naming_damage

__all__ = ["read"]

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_MOST_SHARED = 4  # tensors that share numbers, on average; copies of more would need memory out of proportion
_DTYPES = {
    "torch FloatStorage": "float32",
    "torch DoubleStorage": "float64",
    "torch HalfStorage": "float16",
    "torch BFloat16Storage": BFLOAT16,
    "torch LongStorage": "int64",
    "torch IntStorage": "int32",
    "torch ShortStorage": "int16",
    "torch CharStorage": "int8",
    "torch ByteStorage": "uint8",
    "torch BoolStorage": "bool",
}
_DICT, _TENSOR, _PARAMETER = (
    "collections OrderedDict",
    "torch._utils _rebuild_tensor_v2",
    "torch._utils _rebuild_parameter",
)


def read(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Read the tensors of a file that ``torch.save`` wrote: a state, or a dictionary that contains states.

    Parameters
    ----------
    path : str or os.PathLike
        The file, or the index of a model in several files, ``….bin.index.json``.

    Returns
    -------
    dict of str to np.ndarray
        Tensors by their keys; keys of nested dictionaries are joined by ``'/'``. Everything else in the file is left
        out.

    Raises
    ------
    ModelError
        If the file is missing or damaged, or contains anything but numbers, strings, lists, dictionaries and tensors:
        the message names the function or class that it would call.
    """
    if Path(path).suffix == ".json":
        return sharded.read(path, read)
    with naming_damage(path, "PyTorch file"):
        data = contents(path)
        found, storages = (_read_zip if data[:2] == b"PK" else _read_legacy)(data)
        if not isinstance(found, dict):
            raise ModelError("holds no dictionary of tensors")
        tensors = {name: _view(tensor, storages) for name, tensor in _flat(found).items()}
        if sum(tensor.size for tensor in tensors.values()) > _MOST_SHARED * sum(map(len, storages.values())):
            raise ModelError(f"its numbers are parts of more than {_MOST_SHARED} tensors each")
        return tensors


@dataclass(frozen=True)
class _Global:
    """Name of a function or class, which is never resolved."""

    name: str


@dataclass(frozen=True)
class _Storage:
    """Numbers that tensors share: `size` of them, from `offset` on, in the file's list under `key`."""

    key: str
    dtype: str
    offset: int
    size: int


@dataclass(frozen=True)
class _Tensor:
    """Part of a storage; offset, sizes and strides are in numbers, not bytes."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Machine:
    """Interpreter of a pickle that builds numbers, strings, lists, tuples, dictionaries and descriptions of tensors."""

    def __init__(self) -> None:
        self.dtypes: dict[str, str] = {}  # of the storages
        self._stack: list[Any] = []
        self._below: list[list[Any]] = []  # objects below each mark
        self._memo: dict[int, Any] = {}

    def run(self, file: BinaryIO) -> Any:
        """Return the object that the pickle at the file's position describes."""
        self._stack, self._below, self._memo = [], [], {}
        for operation, argument, _ in pickletools.genops(file):
            if operation.name == "STOP":
                return self._stack.pop()
            if operation.name in _PUSHED:
                self._stack.append(_PUSHED[operation.name](argument))
            elif operation.name in _METHODS:
                _METHODS[operation.name](self, argument)
            elif operation.name not in ("PROTO", "FRAME"):
                raise ModelError(f"contains {operation.name}, which no dictionary of tensors needs: it is not read")
        raise ValueError("no end")

    def _mark(self, _: None) -> None:
        self._below.append(self._stack)
        self._stack = []

    def _above_mark(self) -> list[Any]:
        """Remove the topmost mark, and return the objects above it."""
        items, self._stack = self._stack, self._below.pop()
        return items

    def _store(self, place: int) -> None:
        self._memo[place] = self._stack[-1]

    def _memoize(self, _: None) -> None:
        self._store(len(self._memo))

    def _recall(self, place: int) -> None:
        self._stack.append(self._memo[place])

    def _tuple(self, _: None) -> None:
        items = tuple(self._above_mark())  # first: it changes the stack
        self._stack.append(items)

    def _short_tuple(self, size: int) -> None:
        items = tuple(self._stack[-size:])
        del self._stack[-size:]
        self._stack.append(items)

    def _extend(self, items: list[Any]) -> None:
        self._stack[-1].extend(items)

    def _set(self, items: list[Any]) -> None:
        for key in items[::2]:
            if not isinstance(key, str | int):  # the hash of deeply nested tuples would overflow the C stack
                raise ValueError(f"a key is a {type(key).__name__}")
        self._stack[-1].update(zip(items[::2], items[1::2], strict=True))

    def _set_one(self, _: None) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        self._set([key, value])

    def _global(self, name: str) -> None:
        if name not in _DTYPES and name not in (_DICT, _TENSOR, _PARAMETER):
            raise ModelError(
                f"contains {name.replace(' ', '.')}, which loading it with pickle would import and could execute: "
                "only tensors in dictionaries are read"
            )
        self._stack.append(_Global(name))

    def _stack_global(self, _: None) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        self._global(f"{module} {name}")

    def _call(self, _: None) -> None:
        arguments, function = self._stack.pop(), self._stack.pop()
        if function == _Global(_DICT) and arguments == ():
            self._stack.append({})
        elif function == _Global(_TENSOR):
            storage, offset, shape, strides, *_ = arguments
            if not isinstance(storage, _Storage) or len(shape) != len(strides):
                raise ValueError("a tensor without a storage")
            self._stack.append(_Tensor(storage, offset, tuple(shape), tuple(strides)))
        elif function == _Global(_PARAMETER) and isinstance(arguments[0], _Tensor):
            self._stack.append(arguments[0])
        else:
            raise ValueError("a call of what is no function")

    def _build(self, _: None) -> None:
        """Skip the attributes of a dictionary, such as the versions of the modules whose state it is."""
        self._stack.pop()
        if not isinstance(self._stack[-1], dict):
            raise ValueError("attributes of what is no dictionary")

    def _persistent(self, _: None) -> None:
        kind, storage, key, _location, size, *view = self._stack.pop()
        if kind != "storage" or not isinstance(storage, _Global) or not isinstance(key, str):
            raise ValueError("a reference to what is no storage")
        dtype = self.dtypes.setdefault(key, _DTYPES[storage.name])
        if dtype != _DTYPES[storage.name]:
            raise ValueError(f"two types of the storage {key}")
        _, offset, size = view[0] if view and view[0] is not None else (None, 0, size)
        self._stack.append(_Storage(key, dtype, offset, size))


_PUSHED: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"), lambda number: number),
    **dict.fromkeys(("BINUNICODE", "SHORT_BINUNICODE"), lambda text: text),
    "NONE": lambda _: None,
    "NEWTRUE": lambda _: True,
    "NEWFALSE": lambda _: False,
    "EMPTY_TUPLE": lambda _: (),
    "EMPTY_LIST": lambda _: [],
    "EMPTY_DICT": lambda _: {},
}
_METHODS: dict[str, Callable[[_Machine, Any], None]] = {
    "MARK": _Machine._mark,
    "BINPUT": _Machine._store,
    "LONG_BINPUT": _Machine._store,
    "MEMOIZE": _Machine._memoize,
    "BINGET": _Machine._recall,
    "LONG_BINGET": _Machine._recall,
    "TUPLE": _Machine._tuple,
    "TUPLE1": lambda machine, _: machine._short_tuple(1),
    "TUPLE2": lambda machine, _: machine._short_tuple(2),
    "TUPLE3": lambda machine, _: machine._short_tuple(3),
    "APPEND": lambda machine, _: machine._extend([machine._stack.pop()]),
    "APPENDS": lambda machine, _: machine._extend(machine._above_mark()),
    "SETITEM": _Machine._set_one,
    "SETITEMS": lambda machine, _: machine._set(machine._above_mark()),
    "GLOBAL": _Machine._global,
    "STACK_GLOBAL": _Machine._stack_global,
    "REDUCE": _Machine._call,
    "BUILD": _Machine._build,
    "BINPERSID": _Machine._persistent,
}


def _read_legacy(data: bytes) -> tuple[Any, dict[str, np.ndarray]]:
    """Return the object and the storages of a file with pickles in a row, and the numbers after them."""
    machine, file = _Machine(), io.BytesIO(data)
    if machine.run(file) != _MAGIC or machine.run(file) != _PROTOCOL:
        raise ValueError("the number at its start is another one")
    _check_byte_order(machine.run(file).get("little_endian", True))
    found = machine.run(file)
    storages = {}
    for key in machine.run(file):
        (size,) = struct.unpack("<q", file.read(8))
        width = 2 if machine.dtypes[key] == BFLOAT16 else np.dtype(machine.dtypes[key]).itemsize
        start = file.tell()
        file.seek(start + size * width)
        storages[key] = array(memoryview(data)[start : file.tell()], machine.dtypes[key], [size])
    return found, storages


def _read_zip(data: bytes) -> tuple[Any, dict[str, np.ndarray]]:
    """Return the object and the storages of a file that is a zip archive of uncompressed files."""
    machine = _Machine()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        items = {item.filename.partition("/")[2]: item for item in archive.infolist()}
        if any(item.compress_type != zipfile.ZIP_STORED for item in items.values()):
            raise ModelError("compressed, which torch.save never does: it is not read")
        if sum(item.file_size for item in items.values()) > len(data):
            raise ValueError("its files are larger than the archive")
        if "byteorder" in items:
            _check_byte_order(archive.read(items["byteorder"]) == b"little")
        found = machine.run(io.BytesIO(archive.read(items["data.pkl"])))
        storages = {}
        for key, dtype in machine.dtypes.items():
            numbers = archive.read(items[f"data/{key}"])
            width = 2 if dtype == BFLOAT16 else np.dtype(dtype).itemsize
            storages[key] = array(numbers, dtype, [len(numbers) // width])
    return found, storages


def _check_byte_order(little_endian: bool) -> None:
    if not little_endian:
        raise ModelError("written on a big-endian computer, which is not read")


def _flat(found: dict[Any, Any]) -> dict[str, _Tensor]:
    """Return the tensors in nested dictionaries by their joined keys; each dictionary is visited once."""
    tensors, seen, pending = {}, {id(found)}, [("", found)]
    while pending:
        prefix, items = pending.pop()
        for key, value in items.items():
            if isinstance(value, _Tensor):
                tensors[f"{prefix}{key}"] = value
            elif isinstance(value, dict) and id(value) not in seen:
                seen.add(id(value))
                pending.append((f"{prefix}{key}/", value))
    return tensors


def _view(tensor: _Tensor, storages: dict[str, np.ndarray]) -> np.ndarray:
    """Return a tensor as a view of its storage."""
    storage = tensor.storage
    numbers = storages[storage.key][storage.offset :][: storage.size]
    if numbers.size != storage.size or storage.offset < 0 or min((tensor.offset, *tensor.shape, *tensor.strides)) < 0:
        raise ValueError("a storage is shorter than it says")
    if math.prod(tensor.shape) == 0:
        return np.empty(tensor.shape, numbers.dtype)
    end = 1 + tensor.offset + sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.strides))
    if end > numbers.size or math.prod(tensor.shape) > numbers.size:
        raise ValueError("a tensor is larger than its storage")
    strides = [stride * numbers.itemsize for stride in tensor.strides]
    return np.lib.stride_tricks.as_strided(numbers[tensor.offset :], tensor.shape, strides, writeable=False)

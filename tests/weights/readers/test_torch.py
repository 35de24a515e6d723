"""PyTorch's files: numbers, pickles that run code, and sizes that lie."""

import os
import pickle
import struct
import sys
import zipfile
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from mxnet_audio.errors import ModelError
from mxnet_audio.weights.readers import torch
from tests.weights.torch_files import code, wrapped

DATA = Path(__file__).parent / "data"
RAMP = [0, 0.25, 0.5, 0.75, 1, 1.25]
IMAGE = np.arange(12.0).reshape(3, 4)
STATE = {
    "model/weight": [[1, -2], [0.5, 3], [4, 0.25]],
    "model/bias": [1, 2, 3],
    "transposed": IMAGE.T,
    "column": IMAGE[:, 2],
    "corner": IMAGE[1:, 1:3],
    "parameter": IMAGE[:2],
    "half": RAMP,
    "bfloat16": RAMP,
    "double": RAMP,
    "long": [-2, -1, 0, 1, 2],
    "byte": [0, 1, 2],
    "bool": [True, False],
    "scalar": 3.5,
    "empty": np.zeros((0, 3)),
}


@pytest.mark.parametrize("name", ["small.pt", "small-legacy.pt"])
def test_torch(name):
    tensors = torch.read(DATA / name)
    assert set(tensors) == set(STATE)
    for key, expected in STATE.items():
        assert tensors[key].shape == np.shape(expected)
        np.testing.assert_array_equal(tensors[key], expected)
    assert tensors["half"].dtype == np.float16 and tensors["bfloat16"].dtype == np.float32
    assert tensors["double"].dtype == np.float64 and tensors["long"].dtype == np.int64


class Executed:
    """Object whose pickle calls a function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def hostile_pickles():
    """Yield the name of a function, and pickles that call it."""
    for protocol in (2, 4):
        yield "posix.system", pickle.dumps({"a": Executed(os.system, "touch executed")}, protocol)
        yield "exec", pickle.dumps([Executed(exec, "open('executed', 'w')")], protocol)
    for module, name in (("os", "open"), ("numpy", "zeros"), ("torch._utils", "_rebuild_tensor"), ("torch", "load")):
        yield f"{module}.{name}", f"c{module}\n{name}\n(tR.".encode()
    yield "DICT", pickle.dumps({"a": Executed(os.system, "touch executed")}, 0)
    yield "INST", b"(ios\nsystem\n."
    yield "EXT1", b"\x82\x01."
    yield "NEWOBJ", b"\x80\x02ccollections\nOrderedDict\n)\x81."


@pytest.mark.parametrize("layout", ["legacy", "zip"])
def test_pickle_that_runs_code(tmp_path, monkeypatch, layout):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "torch", None)
    path = tmp_path / "a.pt"
    for name, pickled in hostile_pickles():
        path.write_bytes(wrapped(pickled, layout))
        with pytest.raises(ModelError, match=r"a\.pt: contains") as error:
            torch.read(path)
        assert name in str(error.value)
        assert os.listdir(tmp_path) == ["a.pt"]  # noqa: PTH208


def tensor_code(size=6, offset=0, shape=(2, 3), strides=(3, 1), dtype="FloatStorage", view=()):
    """Return the pickle of a dictionary with one tensor."""
    storage = b"(" + code("storage") + f"ctorch\n{dtype}\n".encode() + code("0") + code("cpu") + code(size)
    storage += b"".join(map(code, view)) + b"tQ"
    arguments = b"(" + storage + code(offset) + code(shape) + code(strides) + b"\x89ccollections\nOrderedDict\n)Rt"
    return b"\x80\x02}" + code("a") + b"ctorch._utils\n_rebuild_tensor_v2\n" + arguments + b"Rs."


NUMBERS = np.arange(6, dtype="<f4").tobytes()


@pytest.mark.parametrize("layout", ["zip", "legacy"])
def test_tensor_that_lies(tmp_path, layout):
    path = tmp_path / "a.pt"
    data = NUMBERS if layout == "zip" else struct.pack("<q", 6) + NUMBERS

    def read(**changes):
        path.write_bytes(wrapped(tensor_code(**changes), layout, [("0", data)]))
        return torch.read(path)["a"]

    np.testing.assert_array_equal(read(), [[0, 1, 2], [3, 4, 5]])
    np.testing.assert_array_equal(read(shape=(2, 2), strides=(1, 2), offset=1), [[1, 3], [2, 4]])
    np.testing.assert_array_equal(read(size=3, shape=(2,), strides=(1,), view=[("0", 2, 3)]), [2, 3])
    lies = [
        {"size": 7},
        {"offset": 1},
        {"offset": -1},
        {"shape": (2, -3)},
        {"shape": (3, 3)},
        {"shape": (1 << 40, 1 << 40), "strides": (0, 0)},  # a small storage, repeated
        {"strides": (-3, 1)},
        {"strides": (3,)},
        {"shape": (0, 1 << 62)},
        {"shape": ("a", 3)},
        {"shape": 6},
        {"dtype": "DoubleStorage"},
        {"size": 1 << 62},
        {"size": -1},
        {"view": [("0", -1, 6)]},
        {"view": [3]},
    ]
    for changes in lies:
        with pytest.raises(ModelError, match=r"a\.pt: "):
            read(**changes)
    with pytest.raises(ModelError, match=r"torch\.ComplexFloatStorage"):
        read(dtype="ComplexFloatStorage")


def test_tensors_that_share_numbers(tmp_path):
    """Tied weights are read; copies of numbers that a thousand tensors share would need memory out of proportion."""
    path = tmp_path / "a.pt"
    tensor = tensor_code()[tensor_code().index(b"ctorch._utils") : -2]
    for count in (2, 5):
        items = b"".join(code(f"tensor {number}") + tensor for number in range(count))
        path.write_bytes(wrapped(b"\x80\x02}(" + items + b"u.", "zip", [("0", NUMBERS)]))
        if count == 2:
            assert len(torch.read(path)) == 2
        else:
            with pytest.raises(ModelError, match=r"a\.pt: its numbers are parts of more than 4 tensors"):
                torch.read(path)


def test_legacy_storage_that_lies(tmp_path):
    for size in (7, 1 << 61, -1):
        data = struct.pack("<q", size) + NUMBERS
        (tmp_path / "a.pt").write_bytes(wrapped(tensor_code(), "legacy", [("0", data)]))
        with pytest.raises(ModelError, match=r"a\.pt: "):
            torch.read(tmp_path / "a.pt")


def test_zip_that_lies(tmp_path):
    path = tmp_path / "a.pt"
    for name, content, cause in (("byteorder", b"big", "big-endian"), ("data/0", b"123", "damaged")):
        path.write_bytes(wrapped(tensor_code(), "zip", [("0", NUMBERS)]))
        with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning) if name == "data/0" else nullcontext():
            archive.writestr(f"archive/{name}", content)
        with pytest.raises(ModelError, match=cause):
            torch.read(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:  # a gigabyte in a megabyte
        archive.writestr("archive/data.pkl", bytes(1000))
    with pytest.raises(ModelError, match="compressed"):
        torch.read(path)


def test_pickles_of_odd_shape(tmp_path):
    path = tmp_path / "a.pt"
    nested = {"a": {}}
    nested["a"]["b"] = nested
    deep = b"\x80\x02" + b"}" + code("a") + b")" + b"\x85" * 100_000 + b"s."
    for pickled in (pickle.dumps(nested, 2), pickle.dumps({"a": [{}] * 3, 1: 2}, 2), deep):
        path.write_bytes(wrapped(pickled))
        assert torch.read(path) == {}
    for pickled in (
        pickle.dumps([1], 2),
        b"\x80\x02}" + b")" + b"\x85" * 100_000 + b"Ns.",  # a key whose hash would overflow the stack
        b"(" * 100_000 + b".",
        b"\x80\x02}r\xff\xff\xff\xff" + b"h\x01.",
        b"]" + b"2" * 10 + b".",
        b"}" + code("a") + b"\x8b\xff\xff\xff\x7f\x01" + b"s.",
        b")" + b"}b.",
        b"}" + b"NQ.",
        b"",
    ):
        path.write_bytes(wrapped(pickled))
        with pytest.raises(ModelError, match=r"a\.pt: "):
            torch.read(path)

"""Readers of foreign files: numbers, and files that are damaged, hostile or lie about their sizes.

The files in ``data/`` were written by the toolkits themselves, see ``make_data.py``.
"""

import io
import json
import os
import pickle
import random
import shutil
import struct
import sys
import zipfile
from contextlib import nullcontext
from pathlib import Path

import flatbuffers
import numpy as np
import pytest
import tflite as tflite_package
from safetensors.numpy import save

from mxnet_audio.errors import ModelError
from mxnet_audio.weights.readers import safetensors, tensorflow, tflite, torch

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
READERS = {
    "small.pt": torch.read,
    "small-legacy.pt": torch.read,
    "small.index": tensorflow.read,
    "small.tflite": tflite.read,
    "small.safetensors": safetensors.read,
    "small.safetensors.index.json": safetensors.read,
}


@pytest.fixture
def folder(tmp_path):
    """Copies of all files, with safetensors in one file and in two."""
    copied = shutil.copytree(DATA, tmp_path / "wéights")
    tensors = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array(RAMP, np.float16), "c": np.array([3])}
    (copied / "small.safetensors").write_bytes(save(tensors, {"note": "ü"}))
    (copied / "part.safetensors").write_bytes(save({"d": np.ones(2)}))
    places = dict.fromkeys("abc", "small.safetensors") | {"d": "part.safetensors"}
    (copied / "small.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))
    return copied


@pytest.mark.parametrize("name", ["small.pt", "small-legacy.pt"])
def test_torch(name):
    tensors = torch.read(DATA / name)
    assert set(tensors) == set(STATE)
    for key, expected in STATE.items():
        assert tensors[key].shape == np.shape(expected)
        np.testing.assert_array_equal(tensors[key], expected)
    assert tensors["half"].dtype == tensors["bfloat16"].dtype == np.float32
    assert tensors["double"].dtype == np.float64 and tensors["long"].dtype == np.int64


def test_tensorflow():
    tensors = tensorflow.read(DATA / "small.index")
    assert len(tensors) == 158
    np.testing.assert_array_equal(tensors["layer/kernel"], np.reshape(RAMP, (2, 3)))
    for key in ("layer_1/half", "layer_1/bfloat16"):
        assert tensors[key].dtype == np.float32
        np.testing.assert_array_equal(tensors[key], RAMP)
    np.testing.assert_array_equal(tensors["layer_1/long"], [-1, 1 << 40])
    assert tensors["beta1_power"] == 0.5 and tensors["layer_1/empty"].shape == (0, 3)
    assert [float(tensors[f"name_of_a_block/part_{i:03d}/kernel"][0]) for i in range(150)] == list(range(150))


def test_tflite():
    tensors = tflite.read(DATA / "small.tflite")
    # The numbers before they were rounded to 255 steps; scales are per output channel.
    kernel = [
        0.12573022,
        0.64042264,
        -0.53566939,
        1.30400002,
        -0.70373523,
        -0.62327445,
        -2.3250308,
        -1.245911,
        -0.54425901,
    ]
    np.testing.assert_allclose(tensors["Conv2D"][0].ravel(), kernel, atol=0.0093)
    assert tensors["Conv2D"].shape == (2, 3, 3, 1) and tensors["Conv2D"][1].min() == pytest.approx(-12.654215, abs=1e-5)
    np.testing.assert_allclose(tensors["Relu6;add;Conv2D;add/y"], [0.5, -1], atol=0.003)
    np.testing.assert_allclose(tensors["MatMul1"][0, :2], [0.41163054, 1.36646342], atol=0.009)


def test_safetensors(folder):
    tensors, metadata = safetensors.read_with_metadata(folder / "small.safetensors")
    np.testing.assert_array_equal(tensors["a"], np.arange(6).reshape(2, 3))
    np.testing.assert_array_equal(tensors["b"], RAMP)
    assert tensors["b"].dtype == np.float32 and metadata == {"note": "ü"}
    several = safetensors.read(folder / "small.safetensors.index.json")
    assert set(several) == set("abcd") and several["d"].dtype == np.float64
    header = json.dumps({"x": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}}).encode()
    (folder / "x.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + b"\x80\x3f\x00\xc0")
    np.testing.assert_array_equal(safetensors.read(folder / "x.safetensors")["x"], [1, -2])


@pytest.mark.parametrize("name", READERS)
def test_truncated(folder, name):
    path = folder / name
    data = path.read_bytes()
    steps = {*range(0, len(data), max(1, len(data) // 150)), *range(40), *range(len(data) - 40, len(data))}
    for size in sorted(steps & set(range(len(data)))):
        path.write_bytes(data[:size])
        try:
            READERS[name](path)
        except ModelError as error:
            assert str(folder) in str(error)
        else:  # the end of a TensorFlow Lite model holds no tensors
            assert name == "small.tflite" and size > len(data) - 400


@pytest.mark.parametrize("name", READERS)
def test_flipped_bytes(folder, name):
    path, rng = folder / name, random.Random(0)
    data = path.read_bytes()
    for _ in range(400):
        changed = bytearray(data)
        for _ in range(rng.choice((1, 1, 3))):
            place = rng.randrange(len(data))
            changed[place] = rng.choice((0, 255, changed[place] ^ (1 << rng.randrange(8))))
        path.write_bytes(changed)
        try:
            tensors = READERS[name](path)
        except ModelError as error:
            assert str(folder) in str(error)
        else:
            assert sum(tensor.size for tensor in tensors.values()) <= 2 * len(data)


@pytest.mark.parametrize("name", READERS)
def test_no_such_file(folder, name):
    (folder / name).unlink()
    for path in (folder / name, folder, folder / "x" / name):
        with pytest.raises(ModelError, match="no such file"):
            READERS[name](path)


@pytest.mark.parametrize("name", READERS)
def test_file_of_another_kind(folder, name):
    for other in READERS:
        if Path(other).suffix != Path(name).suffix:
            path = folder / f"x{''.join(Path(name).suffixes)}"
            shutil.copy(folder / other, path)
            with pytest.raises(ModelError, match=r"x\."):
                READERS[name](path)


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


def wrapped(pickled, layout="zip", storages=()):
    """Return the file that holds a pickle, and storages as pairs of key and bytes."""
    if layout == "legacy":
        start = [0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}]
        end = pickle.dumps([key for key, _ in storages], 2)
        return b"".join([*(pickle.dumps(item, 2) for item in start), pickled, end, *(data for _, data in storages)])
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
        for key, data in storages:
            archive.writestr(f"archive/data/{key}", data)
    return file.getvalue()


def code(value):
    """Return the instructions that push a value."""
    return pickle.dumps(value, 2)[2:-1]


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


def varint(number):
    data = b""
    while number >= 0x80:
        data += bytes([number & 0x7F | 0x80])
        number >>= 7
    return data + bytes([number])


def field(number, value):
    """Return a field of a protocol buffer."""
    return (
        varint(number << 3) + varint(value)
        if isinstance(value, int)
        else varint(number << 3 | 2) + varint(len(value)) + value
    )


def write_table(path, blocks, compression=0):
    """Write a table of blocks of (shared, rest of the key, value)."""
    data, handles = b"", []

    def add(entries):
        nonlocal data
        start = len(data)
        for shared, rest, value in entries:
            data += varint(shared) + varint(len(rest)) + varint(len(value)) + rest + value
        data += struct.pack("<II", 0, 1)
        handle = varint(start) + varint(len(data) - start)
        data += bytes([compression]) + bytes(4)
        return handle

    handles = [add(entries) for entries in blocks]
    index = add([(0, b"%d" % number, handle) for number, handle in enumerate(handles)])
    footer = (varint(0) + varint(0) + index).ljust(40, b"\0")
    path.write_bytes(data + footer + struct.pack("<Q", 0xDB4775248B80FB57))


HEADER = (0, b"", field(1, 1))


def entry(offset=0, size=8, dtype=1, shape=(2,), more=b""):
    sizes = b"".join(field(2, field(1, length)) for length in shape)
    return field(1, dtype) + field(2, sizes) + field(4, offset) + field(5, size) + more


@pytest.fixture
def checkpoint(tmp_path):
    """Function that writes an index beside four numbers: ``checkpoint(blocks) -> path``."""

    def write(*blocks, **options):
        (tmp_path / ".data-00000-of-00001").write_bytes(np.array([3, 4, 5, 6], "<f4").tobytes())
        write_table(tmp_path / ".index", blocks, **options)
        return tmp_path / ".index"

    return write


def test_tensorflow_index_of_several_blocks(checkpoint):
    path = checkpoint(
        [HEADER, (0, b"layer/a", entry()), (6, b"b", entry(8, 4, 1, (1,)))], [(0, b"c", entry(12, 4, 3, ()))]
    )
    tensors = tensorflow.read(path)
    assert {name: tensor.tolist() for name, tensor in tensors.items()} == {
        "layer/a": [3, 4],
        "layer/b": [5],
        "c": int(np.float32(6).view(np.int32)),
    }


def test_tensorflow_index_that_lies(checkpoint):
    for wrong in (
        entry(size=20, shape=(5,)),
        entry(offset=12),
        entry(offset=1 << 62),
        entry(shape=(1 << 62,)),
        entry(shape=(1 << 32, 1 << 32)),
        entry(shape=(3,)),
        entry(more=field(3, 5)),
        entry(dtype=1)[:-1] + b"\xff",
        b"",
    ):
        with pytest.raises(ModelError, match=r"\.index: damaged"):
            tensorflow.read(checkpoint([HEADER, (0, b"a", wrong)]))
    for blocks in (
        [[]],
        [[(3, b"", b"")]],
        [[(0, b"", field(1, 1 << 40))]],
        [[HEADER, (0, b"a", entry()), (0, b"b", entry()), (0, b"c", entry())]],  # more bytes than there are
        [[HEADER, (0, b"a" * 100_000, entry()), *[(100_000, b"", b"")] * 10_000]],  # a gigabyte of names
    ):
        with pytest.raises(ModelError, match=r"\.index: damaged"):
            tensorflow.read(checkpoint(*blocks))


def test_tensorflow_files_that_are_not_read(checkpoint, tmp_path):
    with pytest.raises(ModelError, match="Snappy"):
        tensorflow.read(checkpoint([HEADER], compression=1))
    with pytest.raises(ModelError, match="'words' has the type number 7"):
        tensorflow.read(DATA / "text.index")
    with pytest.raises(ModelError, match="'a' is in slices"):
        tensorflow.read(checkpoint([HEADER, (0, b"a", entry(more=field(7, b"")))]))
    path = checkpoint([HEADER, (0, b"a", entry())])
    (tmp_path / ".data-00000-of-00001").unlink()
    with pytest.raises(ModelError, match=r"\.data-00000-of-00001: no such file"):
        tensorflow.read(path)


def write_model(path, values, scales, zeros, axis=0, type_number=3, shape=None):
    """Write a model with one quantized tensor ``x``."""
    builder = flatbuffers.Builder()
    name, data = builder.CreateString("x"), builder.CreateNumpyVector(np.frombuffer(values.tobytes(), np.uint8))
    sizes = builder.CreateNumpyVector(np.array(values.shape if shape is None else shape, np.int32))
    scale = builder.CreateNumpyVector(np.array(scales, np.float32))
    zero = builder.CreateNumpyVector(np.array(zeros, np.int64))

    def vector(item):
        builder.StartVector(4, 1, 4)
        builder.PrependUOffsetTRelative(item)
        return builder.EndVector()

    tflite_package.QuantizationParametersStart(builder)
    tflite_package.QuantizationParametersAddScale(builder, scale)
    tflite_package.QuantizationParametersAddZeroPoint(builder, zero)
    tflite_package.QuantizationParametersAddQuantizedDimension(builder, axis)
    quantization = tflite_package.QuantizationParametersEnd(builder)
    tflite_package.BufferStart(builder)
    tflite_package.BufferAddData(builder, data)
    buffers = vector(tflite_package.BufferEnd(builder))
    tflite_package.TensorStart(builder)
    tflite_package.TensorAddShape(builder, sizes)
    tflite_package.TensorAddType(builder, type_number)
    tflite_package.TensorAddName(builder, name)
    tflite_package.TensorAddQuantization(builder, quantization)
    tensors = vector(tflite_package.TensorEnd(builder))
    tflite_package.SubGraphStart(builder)
    tflite_package.SubGraphAddTensors(builder, tensors)
    graphs = vector(tflite_package.SubGraphEnd(builder))
    tflite_package.ModelStart(builder)
    tflite_package.ModelAddSubgraphs(builder, graphs)
    tflite_package.ModelAddBuffers(builder, buffers)
    builder.Finish(tflite_package.ModelEnd(builder), b"TFL3")
    path.write_bytes(builder.Output())
    return path


def test_tflite_zero_points(tmp_path):
    values, path = np.array([[0, 128, 255], [1, 2, 3]], np.uint8), tmp_path / "a.tflite"
    whole = tflite.read(write_model(path, values, [0.5], [128]))["x"]
    np.testing.assert_array_equal(whole, [[-64, 0, 63.5], [-63.5, -63, -62.5]])
    rows = tflite.read(write_model(path, values, [1, 2], [128, 1]))["x"]
    np.testing.assert_array_equal(rows, [[-128, 0, 127], [0, 2, 4]])
    columns = tflite.read(write_model(path, values, [1, 2, 4], [0, 1, 2], axis=1))["x"]
    np.testing.assert_array_equal(columns, [[0, 254, 1012], [1, 2, 4]])
    biases = np.array([1, -(1 << 30)], np.int32)
    exact = tflite.read(write_model(path, biases, [0.25, 0.5], [], type_number=2))["x"]
    np.testing.assert_array_equal(exact, [0.25, -(2.0**29)])
    plain = tflite.read(write_model(path, values, [], []))["x"]
    np.testing.assert_array_equal(plain, values)


def test_tflite_model_that_lies(tmp_path):
    values, path = np.zeros((2, 3), np.uint8), tmp_path / "a.tflite"
    for arguments in (
        ([1, 2, 3], [0]),
        ([1, 2], [0, 0, 0]),
        ([np.nan], [0]),
        ([np.inf], [0]),
        ([3e38], [-(1 << 40)]),
        ([1, 2], [0, 0], 7),
        ([], [], 0, 3, (1 << 30, 1 << 30)),
        ([], [], 0, 3, (-1, -6)),
        ([], [], 0, 3, (1,) * 100),
    ):
        with pytest.raises(ModelError, match=r"a\.tflite: damaged"):
            tflite.read(write_model(path, values, *arguments))
    with pytest.raises(ModelError, match="'x' has the type number 5"):
        tflite.read(write_model(path, values, [], [], 0, 5))


def test_labels(tmp_path):
    path = tmp_path / "a.tflite"
    shutil.copy(DATA / "small.tflite", path)
    with pytest.raises(ModelError, match=r"a\.tflite: "):
        tflite.read_labels(path, "labels.txt")
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("labels.txt", "dög\nrain\n")
        archive.writestr("large.txt", bytes(1 << 21))
    assert tflite.read_labels(path, "labels.txt") == ["dög", "rain"]
    for name in ("large.txt", "missing.txt"):
        with pytest.raises(ModelError, match=name.partition(".")[0]):
            tflite.read_labels(path, name)


def test_safetensors_header_that_lies(tmp_path):
    path = tmp_path / "a.safetensors"
    good = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    for wrong in (
        {"shape": [3]},
        {"shape": [-2]},
        {"shape": [1 << 62, 4]},
        {"shape": "2"},
        {"dtype": "F4"},
        {"data_offsets": [0, 1 << 62]},
        {"data_offsets": [-8, 0]},
        {"data_offsets": [8, 0]},
        {"data_offsets": [0.0, 8.0]},
        {"data_offsets": 3},
    ):
        header = json.dumps({"x": good | wrong}).encode()
        path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(8))
        with pytest.raises(ModelError, match=r"a\.safetensors: damaged"):
            safetensors.read(path)
    header = json.dumps({"x": good, "y": good}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(8))
    with pytest.raises(ModelError, match="'y' overlaps"):
        safetensors.read(path)
    path.write_bytes(struct.pack("<Q", 1 << 62) + header)
    with pytest.raises(ModelError, match="header is longer"):
        safetensors.read(path)


def test_safetensors_index_that_lies(folder):
    path = folder / "small.safetensors.index.json"
    for places, cause in (
        ({"a": "../small.safetensors"}, r"'\.\./small\.safetensors'"),
        ({"a": "/etc/passwd"}, "passwd"),
        ({"a": path.name}, "index"),
        ({"a": "missing.safetensors"}, r"missing\.safetensors: no such file"),
        ({"a": "small.safetensors"}, "'b'"),
        ({"a": "part.safetensors", "d": "part.safetensors"}, "'a'"),
        ({"a": ""}, "''"),
        ({"a": 3}, "damaged"),
        ([], "damaged"),
    ):
        path.write_text(json.dumps({"weight_map": places}))
        with pytest.raises(ModelError, match=cause):
            safetensors.read(path)

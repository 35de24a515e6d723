"""Files in the format of safetensors: numbers, headers and indexes that lie."""

import json
import struct

import numpy as np
import pytest

from mxnet_audio.errors import ModelError
from mxnet_audio.weights.readers import safetensors


def test_safetensors(folder):
    tensors, metadata = safetensors.read_with_metadata(folder / "small.safetensors")
    np.testing.assert_array_equal(tensors["a"], np.arange(6).reshape(2, 3))
    np.testing.assert_array_equal(tensors["b"], [0, 0.25, 0.5, 0.75, 1, 1.25])
    assert tensors["b"].dtype == np.float16 and metadata == {"note": "ü"}
    several = safetensors.read(folder / "small.safetensors.index.json")
    assert set(several) == set("abcd") and several["d"].dtype == np.float64
    header = json.dumps({"x": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}}).encode()
    (folder / "x.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + b"\x80\x3f\x00\xc0")
    np.testing.assert_array_equal(safetensors.read(folder / "x.safetensors")["x"], [1, -2])


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
    with pytest.raises(ModelError, match="'y' does not follow"):
        safetensors.read(path)
    part = json.dumps(good).encode()
    for header, size in (
        (json.dumps({"x": good}).encode(), 16),  # bytes behind the last tensor
        (json.dumps({"x": good | {"data_offsets": [8, 16]}}).encode(), 16),  # bytes before the first one
        (b'{"x": %s, "x": %s}' % (part, part.replace(b"[0, 8]", b"[8, 16]")), 16),  # a name twice
        (b"[" * 100_000, 0),
        (b'{"x": ' * 50_000, 0),
    ):
        path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(size))
        with pytest.raises(ModelError, match=r"a\.safetensors: damaged"):
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
        ({"a": "missing.safetensors"}, r"missing\.safetensors: .*No such file"),
        ({"a": "small.safetensors"}, "'b'"),
        ({"a": "part.safetensors", "d": "part.safetensors"}, "'a'"),
        ({"a": ""}, "''"),
        ({"a": 3}, "damaged"),
        ([], "damaged"),
    ):
        path.write_text(json.dumps({"weight_map": places}))
        with pytest.raises(ModelError, match=cause):
            safetensors.read(path)

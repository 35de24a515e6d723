"""TensorFlow's checkpoints: numbers, and an index that lies."""

import struct
from pathlib import Path

import numpy as np
import pytest

from mxnet_audio.errors import ModelError
from mxnet_audio.weights.readers import tensorflow

DATA = Path(__file__).parent / "data"
RAMP = [0, 0.25, 0.5, 0.75, 1, 1.25]


def test_tensorflow():
    tensors = tensorflow.read(DATA / "small.index")
    assert len(tensors) == 158
    np.testing.assert_array_equal(tensors["layer/kernel"], np.reshape(RAMP, (2, 3)))
    for key, dtype in (("layer_1/half", np.float16), ("layer_1/bfloat16", np.float32)):
        assert tensors[key].dtype == dtype
        np.testing.assert_array_equal(tensors[key], RAMP)
    np.testing.assert_array_equal(tensors["layer_1/long"], [-1, 1 << 40])
    assert tensors["beta1_power"] == 0.5 and tensors["layer_1/empty"].shape == (0, 3)
    assert [float(tensors[f"name_of_a_block/part_{i:03d}/kernel"][0]) for i in range(150)] == list(range(150))


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
    with pytest.raises(ModelError, match=r"\.data-00000-of-00001: .*No such file"):
        tensorflow.read(path)

"""Files of every kind that are damaged, missing or of another kind: each error names the file."""

import os
import random
import shutil
from pathlib import Path

import pytest

from mxnet_audio.errors import ModelError
from mxnet_audio.weights.readers import safetensors, tensorflow, tflite, torch

READERS = {
    "small.pt": torch.read,
    "small-legacy.pt": torch.read,
    "small.index": tensorflow.read,
    "small.tflite": tflite.read,
    "small.safetensors": safetensors.read,
    "small.safetensors.index.json": safetensors.read,
}


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
    for _ in range(200):
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
        with pytest.raises(ModelError, match=r"No such file|Is a directory") as raised:
            READERS[name](path)
        assert raised.value.path == str(path)


@pytest.mark.parametrize("name", READERS)
def test_a_pipe(folder, name):
    (folder / name).unlink()
    os.mkfifo(folder / name)
    with pytest.raises(ModelError, match="not a regular file") as raised:
        READERS[name](folder / name)
    assert raised.value.path == str(folder / name)


@pytest.mark.parametrize("name", READERS)
def test_file_of_another_kind(folder, name):
    for other in READERS:
        if Path(other).suffix != Path(name).suffix:
            path = folder / f"x{''.join(Path(name).suffixes)}"
            shutil.copy(folder / other, path)
            with pytest.raises(ModelError, match=r"x\."):
                READERS[name](path)

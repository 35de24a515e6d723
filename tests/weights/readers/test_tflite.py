"""TensorFlow Lite models: quantized numbers, labels, and sizes that lie."""

import shutil
import zipfile
from pathlib import Path

import flatbuffers
import numpy as np
import pytest
import tflite as tflite_package

from mxnet_audio.errors import ModelError
from mxnet_audio.weights.readers import tflite

DATA = Path(__file__).parent / "data"


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

"""Tests of the encoder of parallel convolutions."""

import numpy as np
import pytest

from mxnet_audio.errors import ParameterError
from mxnet_audio.nn.sequence import ParallelCNN
from mxnet_audio.nn.sequence.base import REDUCTIONS
from tests.nn.sequence.encoder_checks import (
    assert_gradients,
    assert_onnx_gives_the_same,
    assert_padding_does_not_count,
    learned,
    outputs,
    random_block,
)

BANDS, STEPS = 3, 9
LENGTHS = np.array([9, 1, 4])
X = np.random.default_rng(0).normal(0, 1, (3, STEPS, BANDS)).astype(np.float32)
TINY = {"num_filters": 2, "fc_layers": [{"output_size": 4}, {"output_size": 3}]}


def test_default_shapes_and_numbers_of_parameters():
    encoder = ParallelCNN(80, 375)
    assert (encoder.output_dim, encoder.output_steps, encoder.min_steps) == (256, 375, 1)
    assert learned(encoder) == {
        "body.stages.0.0.conv.weight": 256 * 80 * 2,
        "body.stages.0.0.conv.bias": 256,
        "body.stages.0.1.conv.weight": 256 * 80 * 3,
        "body.stages.0.1.conv.bias": 256,
        "body.stages.0.2.conv.weight": 256 * 80 * 4,
        "body.stages.0.2.conv.bias": 256,
        "body.stages.0.3.conv.weight": 256 * 80 * 5,
        "body.stages.0.3.conv.bias": 256,
        "fully_connected.denses.0.weight": 512 * 1024,
        "fully_connected.denses.0.bias": 512,
        "fully_connected.denses.1.weight": 256 * 512,
        "fully_connected.denses.1.bias": 256,
    }


def test_the_default_equals_numpy():
    encoder = ParallelCNN(BANDS, STEPS, num_filters=2)
    values = random_block(encoder, 0.1)
    filters = [np.pad(X, ((0, 0), ((size - 1) // 2, size // 2), (0, 0))) for size in (2, 3, 4, 5)]
    maps = []
    for number, (size, x) in enumerate(zip((2, 3, 4, 5), filters)):
        weight = values[f"body.stages.0.{number}.conv.weight"][:, :, 0]
        taps = np.stack([x[:, start : start + size] for start in range(STEPS)], axis=1)
        y = np.einsum("bstc,fct->bsf", taps, weight) + values[f"body.stages.0.{number}.conv.bias"]
        maps.append(np.maximum(y, 0))
    hidden = np.concatenate(maps, axis=2).sum(axis=1)
    for number in (0, 1):
        weight, bias = (values[f"fully_connected.denses.{number}.{name}"] for name in ("weight", "bias"))
        hidden = np.maximum(hidden @ weight.T + bias, 0)
    np.testing.assert_allclose(outputs(encoder, X, [STEPS] * 3)[0], hidden, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_padding_does_not_count(reduction):
    encoder = ParallelCNN(BANDS, STEPS, reduce_output=reduction, **TINY)
    random_block(encoder, 0.3)
    assert_padding_does_not_count(encoder, X, LENGTHS)


def test_pools_of_parallel_layers():
    layers = [{"filter_size": 2, "pool_size": 3}, {"filter_size": 5, "pool_function": "mean"}]
    encoder = ParallelCNN(BANDS, STEPS, conv_layers=layers, pool_size=3, num_filters=2, reduce_output=None)
    random_block(encoder)
    assert (encoder.output_steps, encoder.min_steps) == (3, 3)  # pools are not padded
    assert_padding_does_not_count(encoder, X, LENGTHS, encoder.min_steps)


def test_layers_alike():
    encoder = ParallelCNN(BANDS, STEPS, num_conv_layers=2, num_fc_layers=1, filter_size=4, num_filters=5, output_size=7)
    assert list(learned(encoder).values()) == [5 * 3 * 4, 5, 5 * 3 * 4, 5, 7 * 10, 7]


@pytest.mark.parametrize("reduction", ["sum", "max", "concat"])
def test_gradients(reduction):
    encoder = ParallelCNN(BANDS, STEPS, reduce_output=reduction, activation="tanh", **TINY)
    random_block(encoder, 0.3)
    assert_gradients(encoder, X, LENGTHS)


@pytest.mark.parametrize("reduction", [name for name in REDUCTIONS if name])
def test_onnx(reduction):
    encoder = ParallelCNN(BANDS, STEPS, reduce_output=reduction, norm="layer", **TINY)
    random_block(encoder, 0.3)
    assert_onnx_gives_the_same(encoder, X, LENGTHS)


@pytest.mark.parametrize(
    ("parameters", "match"),
    [
        ({"conv_layers": [{}], "num_conv_layers": 1}, "conv_layers and num_conv_layers"),
        ({"fc_layers": [{}], "num_fc_layers": 1}, "fc_layers and num_fc_layers"),
        ({"fc_layers": [{}], "num_fc_layers": 1, "reduce_output": None}, "fc_layers and num_fc_layers"),
        ({"conv_layers": [{"filter_siz": 3}]}, r"conv_layers\[0\]\.filter_siz: .* filter_size\?"),
        ({"fc_layers": [{}, {"num_filters": 3}]}, r"fc_layers\[1\]\.num_filters: no such key"),
        ({"pool_size": 10}, r"conv_layers\[0\]: a pool of 10 steps is longer than its input of 9 steps"),
        ({"conv_layers": [{"strides": 2}, {}]}, r"conv_layers\[0\] to conv_layers\[1\]"),
        ({"num_filters": 0}, "^num_filters"),
        ({"output_size": 0}, "^output_size"),
        ({"activation": "rleu"}, "^activation"),
    ],
)
def test_bad_parameters(parameters, match):
    with pytest.raises(ParameterError, match=match):
        ParallelCNN(BANDS, STEPS, **parameters)

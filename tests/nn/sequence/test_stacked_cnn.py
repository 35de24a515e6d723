"""Tests of the encoder of convolutions one after the other."""

import numpy as np
import pytest

from mxnet_audio.engine import autograd, gluon, mx, nd
from mxnet_audio.errors import ParameterError
from mxnet_audio.nn.sequence import StackedCNN
from mxnet_audio.nn.sequence.base import REDUCTIONS
from tests.nn.sequence.encoder_checks import (
    assert_gradients,
    assert_onnx_gives_the_same,
    assert_padding_does_not_count,
    learned,
    outputs,
    random_block,
)

BANDS, STEPS = 3, 30
LENGTHS = np.array([30, 1, 17])
X = np.random.default_rng(0).normal(0, 1, (3, STEPS, BANDS)).astype(np.float32)
TINY = {"num_filters": 2, "fc_layers": [{"output_size": 3}]}


def test_default_shapes_and_numbers_of_parameters():
    encoder = StackedCNN(80, 375)
    assert (encoder.output_dim, encoder.output_steps, encoder.min_steps) == (256, 14, 1)  # 375, 125, 42 and 14 steps
    counts = learned(encoder)
    weights = [counts[f"body.stages.{layer}.0.conv.weight"] for layer in range(6)]
    assert weights == [256 * 80 * 7, 256 * 256 * 7, *[256 * 256 * 3] * 4]
    assert counts["fully_connected.denses.0.weight"] == 512 * 256
    assert counts["fully_connected.denses.1.weight"] == 256 * 512
    assert sum(counts.values()) == sum(weights) + 6 * 256 + 512 * 256 + 512 + 256 * 512 + 256
    sequences = StackedCNN(80, 375, num_filters=1, reduce_output=None)
    sequences.initialize()
    found, lengths = outputs(sequences, np.zeros((2, 375, 80)), [375, 9])
    assert found.shape == (2, 14, 1)
    assert lengths.tolist() == [14, 1]


def test_parameters_are_those_of_every_layer():
    parameters = {"filter_size": 4, "strides": 2, "padding": "valid", "dilation_rate": 2, "num_filters": 5}
    pools = {"pool_function": "mean", "pool_size": 3, "pool_strides": 2, "pool_padding": "valid"}
    encoder = StackedCNN(BANDS, 60, num_conv_layers=2, num_fc_layers=0, use_bias=False, **parameters, **pools)
    assert learned(encoder) == {"body.stages.0.0.conv.weight": 60, "body.stages.1.0.conv.weight": 100}
    # 7 taps in 60 steps: 27 of 2, pools: 13; 7 taps in 13 steps: 4, pools: 1.
    assert encoder.output_steps == 1
    random_block(encoder)
    x = np.random.default_rng(0).normal(0, 1, (3, 60, BANDS)).astype(np.float32)
    assert_padding_does_not_count(encoder, x, [60, 51, 53], encoder.min_steps)


@pytest.mark.parametrize(("reduction", "sizes"), [*((one, {"num_conv_layers": 2}) for one in REDUCTIONS), (None, {})])
def test_padding_does_not_count(reduction, sizes):
    encoder = StackedCNN(BANDS, STEPS, reduce_output=reduction, **sizes, **TINY)
    random_block(encoder, 0.3)
    assert_padding_does_not_count(encoder, X, LENGTHS)


def test_gradients_of_the_default():
    encoder = StackedCNN(BANDS, STEPS, **TINY)
    random_block(encoder, 0.3)
    assert_gradients(encoder, X, LENGTHS)


@pytest.mark.parametrize("norm", [None, "batch", "layer"])
def test_onnx_of_the_default(norm):
    encoder = StackedCNN(BANDS, STEPS, norm=norm, **TINY)
    random_block(encoder, 0.3)
    assert_onnx_gives_the_same(encoder, X, LENGTHS)


@pytest.mark.parametrize("norm", [None, "batch", "layer"])
def test_it_learns(norm):
    mx.random.seed(0)
    sizes = {"num_filters": 8, "num_fc_layers": 1, "output_size": 8}
    encoder = StackedCNN(BANDS, STEPS, num_conv_layers=2, norm=norm, **sizes)
    net = gluon.nn.Dense(2, in_units=8)
    net.initialize()
    encoder.initialize()
    encoder.hybridize()
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 16)
    lengths = rng.integers(10, STEPS + 1, 16)
    x = rng.normal(0, 1, (16, STEPS, BANDS)) + labels[:, None, None]
    parameters = {**encoder._collect_params_with_prefix(), **net._collect_params_with_prefix()}
    trainer = gluon.Trainer(parameters, "adam", {"learning_rate": 0.02})
    criterion, losses = gluon.loss.SoftmaxCrossEntropyLoss(), []
    for _ in range(30):
        with autograd.record():
            loss = criterion(net(encoder(nd.array(x), nd.array(lengths))), nd.array(labels)).mean()
        loss.backward()
        trainer.step(1)
        losses.append(loss.asscalar())
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize(
    ("parameters", "match"),
    [
        ({"conv_layers": [{}], "num_conv_layers": 1}, "conv_layers and num_conv_layers"),
        ({"conv_layers": [{"pool_siz": 3}]}, r"conv_layers\[0\]\.pool_siz: .* pool_size\?"),
        ({"num_conv_layers": 2, "filter_size": 16, "padding": "valid"}, r"conv_layers\[1\]: a filter of 16 .* of 15"),
        ({"num_conv_layers": 5, "strides": 3, "pool_size": 2}, r"conv_layers\[2\]: a pool of 2 .* of 1 steps"),
        ({"padding": "full"}, "^padding"),
        ({"strides": 0}, "^strides"),
    ],
)
def test_bad_parameters(parameters, match):
    with pytest.raises(ParameterError, match=match):
        StackedCNN(BANDS, STEPS, **parameters)

"""Tests of convolutions of sequences of different lengths, against float64 in NumPy for each sequence alone."""

import numpy as np
import pytest

from mxnet_audio.engine import autograd, nd
from mxnet_audio.errors import ParameterError
from mxnet_audio.nn.sequence.convolutions import ConvStages
from mxnet_audio.nn.sequence.layers import ConvSettings
from mxnet_audio.nn.sequence.stacked_cnn import StackedCNN
from tests.nn.sequence.encoder_checks import (
    JUNK,
    assert_gradients,
    assert_onnx_gives_the_same,
    assert_padding_does_not_count,
    behind,
    learned,
    outputs,
    random_block,
)

BANDS, STEPS = 3, 22
LENGTHS = np.array([22, 17, 20])
X = np.random.default_rng(0).normal(0, 1, (3, STEPS, BANDS)).astype(np.float32)
VALID = {"padding": "valid", "pool_padding": "valid"}
LAYERS = {
    "one tap": {"filter_size": 1},
    "even filter": {"filter_size": 4},
    "strides": {"filter_size": 3, "strides": 2},
    "strides and an even filter": {"filter_size": 4, "strides": 3},
    "dilation": {"filter_size": 4, "dilation_rate": 3},
    "valid": {"filter_size": 4, **VALID},
    "valid with strides and dilation": {"filter_size": 3, "strides": 2, "dilation_rate": 2, **VALID},
    "pool of 2": {"pool_size": 2},
    "pool of 3": {"pool_size": 3},
    "pool of 3 that overlap": {"pool_size": 3, "pool_strides": 1, "activation": "tanh"},
    "pool of 4 with gaps": {"pool_size": 4, "pool_strides": 5, "activation": "linear"},
    "valid pool": {"filter_size": 2, "pool_size": 3, **VALID},
    "mean of 2": {"pool_size": 2, "pool_function": "mean"},
    "mean of 3": {"pool_size": 3, "pool_function": "average", "activation": None},
    "mean of 5 that overlap": {"pool_size": 5, "pool_strides": 2, "pool_function": "avg"},
    "valid mean": {"pool_size": 3, "pool_function": "mean", **VALID},
    "layer norm": {"norm": "layer", "pool_size": 3},
    "batch norm": {"norm": "batch", "pool_size": 3, "activation": "tanh"},
    "no bias": {"use_bias": False, "pool_size": 3},
}
FUNCTIONS = {"relu": lambda x: np.maximum(x, 0), "tanh": np.tanh, "linear": lambda x: x, None: lambda x: x}


def settings(name):
    """Return two layers."""
    return [ConvSettings(num_filters=filters, **LAYERS[name]) for filters in (4, 2)]


def convolve(values, prefix, layer, x):
    """Compute one layer for one sequence [shape=(steps, channels)], without batch norm's statistics."""
    weight, bias = values[f"{prefix}.conv.weight"][:, :, 0], values.get(f"{prefix}.conv.bias", 0)
    if layer.padding == "same":
        left = (layer.reach - 1) // 2
        x = np.pad(x, ((left, layer.reach - 1 - left), (0, 0)))
    starts = range(0, len(x) - layer.reach + 1, layer.strides)
    taps = np.stack([x[start : start + layer.reach : layer.dilation_rate] for start in starts])
    y = np.einsum("stc,fct->sf", taps, weight) + bias
    if layer.norm == "layer":
        y = (y - y.mean(axis=1, keepdims=True)) / np.sqrt(y.var(axis=1, keepdims=True) + 1e-5)
        y = y * values[f"{prefix}.norm.gamma"] + values[f"{prefix}.norm.beta"]
    elif layer.norm == "batch":
        y = (y - values[f"{prefix}.norm.norm.running_mean"]) / np.sqrt(values[f"{prefix}.norm.norm.running_var"] + 1e-5)
        y = y * values[f"{prefix}.norm.norm.gamma"] + values[f"{prefix}.norm.norm.beta"]
    y = FUNCTIONS[layer.activation](y)
    if layer.pool_size is None:
        return y
    border = (layer.pool_size - 1) // 2 if layer.pool_padding == "same" else 0
    stride = layer.pool_strides or layer.pool_size
    reduce = np.max if layer.pool_function == "max" else np.mean
    starts = range(-border, len(y) + border - layer.pool_size + 1, stride)
    return np.stack([reduce(y[max(start, 0) : start + layer.pool_size], axis=0) for start in starts])


@pytest.mark.parametrize("hybridize", [False, True])
@pytest.mark.parametrize("name", LAYERS)
def test_layers_equal_numpy_for_each_sequence_alone(name, hybridize):
    layers = settings(name)
    block = ConvStages(BANDS, STEPS, [[layer] for layer in layers])
    values = random_block(block)
    block.hybridize(hybridize)
    found, lengths = outputs(block, behind(X, LENGTHS, JUNK), LENGTHS)
    for row, length in enumerate(LENGTHS):
        wanted = X[row, :length].astype(np.float64)
        for number, layer in enumerate(layers):
            wanted = convolve(values, f"stages.{number}.0", layer, wanted)
        assert lengths[row] == len(wanted)
        np.testing.assert_allclose(found[row, : len(wanted)], wanted, rtol=1e-4, atol=1e-5)
    assert found.shape == (3, block.output_steps, block.output_dim)


@pytest.mark.parametrize("name", [name for name in LAYERS if name != "batch norm"])
def test_padding_does_not_count(name):
    layers = [{"num_filters": 4, **LAYERS[name]}, {"num_filters": 2, **LAYERS[name]}]
    encoder = StackedCNN(BANDS, STEPS, conv_layers=layers, reduce_output=None)
    random_block(encoder)
    assert_padding_does_not_count(encoder, X, LENGTHS, encoder.min_steps)


@pytest.mark.parametrize("pool_size", [None, 3])
@pytest.mark.parametrize("training", [False, True])
def test_padding_does_not_count_in_batch_norms(training, pool_size):
    layer = {"num_filters": 4, "norm": "batch", "pool_size": pool_size}
    encoder = StackedCNN(BANDS, STEPS, conv_layers=[layer, layer], num_fc_layers=0)
    random_block(encoder)
    lengths = np.array([9, 8, 1])
    found = []
    for x in (X[:, :9], X, behind(X, lengths, JUNK)):
        for hybridize in (False, True):
            encoder.hybridize(hybridize)
            with autograd.record(train_mode=training):
                found.append(encoder(nd.array(x), nd.array(lengths)).asnumpy())
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], rtol=1e-5, atol=1e-5 * np.abs(found[0]).max())


@pytest.mark.parametrize("pool_function", ["max", "mean"])
def test_sequences_shorter_than_a_window_are_padded_with_zeros(pool_function):
    layer = ConvSettings(num_filters=2, filter_size=5, pool_size=3, pool_function=pool_function, **VALID)
    block = ConvStages(BANDS, STEPS, [[layer]])
    values = random_block(block)
    assert block.min_steps == 7
    found, lengths = outputs(block, behind(X, [1, 6, 0], JUNK), [1, 6, 0])
    np.testing.assert_array_equal(lengths, [1, 1, 1])
    for row, length in enumerate((1, 6, 0)):
        whole = np.pad(X[row, :length], ((0, 7 - length), (0, 0)))
        steps = max(length - 4, 1)  # of the convolution; the pool ends with them
        alone = convolve(values, "stages.0.0", ConvSettings(filter_size=5, padding="valid"), whole)[:steps]
        wanted = alone.max(axis=0) if pool_function == "max" else alone.mean(axis=0)
        np.testing.assert_allclose(found[row, 0], wanted, rtol=1e-4, atol=1e-5)


def test_fewest_steps_of_an_array():
    layers = [ConvSettings(filter_size=4, strides=2, pool_size=3, **VALID), ConvSettings(filter_size=2, **VALID)]
    block = ConvStages(BANDS, STEPS, [[layer] for layer in layers])
    block.initialize()
    assert block.min_steps == 14  # 2 steps before the last filter, 6 before the pool
    assert outputs(block, X[:, :14], [14, 14, 14])[0].shape[1] == 1


@pytest.mark.parametrize("name", ["even filter", "valid mean", "pool of 3 that overlap", "layer norm"])
def test_gradients(name):
    layers = [{"num_filters": 4, "activation": "tanh", **LAYERS[name]}, {"num_filters": 2, **LAYERS[name]}]
    encoder = StackedCNN(BANDS, STEPS, conv_layers=layers, num_fc_layers=1, output_size=2, activation="tanh")
    random_block(encoder)
    assert_gradients(encoder, X, LENGTHS)


@pytest.mark.parametrize("name", LAYERS)
def test_onnx(name):
    layers = [{"num_filters": 4, **LAYERS[name]}]
    encoder = StackedCNN(BANDS, STEPS, conv_layers=layers, num_fc_layers=0, reduce_output="mean")
    random_block(encoder)
    assert_onnx_gives_the_same(encoder, X, LENGTHS)


def test_learned_parameters_of_norms():
    block = ConvStages(BANDS, STEPS, [[ConvSettings(num_filters=4, norm="batch")], [ConvSettings(norm="layer")]])
    assert learned(block) == {
        "stages.0.0.conv.weight": 3 * 3 * 4,
        "stages.0.0.conv.bias": 4,
        "stages.0.0.norm.norm.gamma": 4,
        "stages.0.0.norm.norm.beta": 4,
        "stages.1.0.conv.weight": 4 * 3 * 256,
        "stages.1.0.conv.bias": 256,
        "stages.1.0.norm.gamma": 256,
        "stages.1.0.norm.beta": 256,
    }


def test_dropout_in_training_only():
    block = ConvStages(BANDS, STEPS, [[ConvSettings(dropout=0.9)]])
    block.initialize()
    wanted = outputs(block, X, LENGTHS)[0]
    with autograd.record():
        found = outputs(block, X, LENGTHS)[0]
    kept = found != 0
    assert 0.05 < kept.sum() / (wanted != 0).sum() < 0.2
    np.testing.assert_allclose(found[kept], 10 * wanted[kept], rtol=1e-5)


@pytest.mark.parametrize(
    ("stages", "name", "match"),
    [
        ([[{"filter_size": 30, "padding": "valid"}]], "conv_layers", r"conv_layers\[0\]: a filter of 30 .* 22 steps"),
        ([[{}], [{"pool_size": 25, "pool_padding": "valid"}]], "conv_layers", r"conv_layers\[1\]: a pool of 25"),
        (
            [[{"strides": 9}], [{"filter_size": 4, **VALID}]],
            "conv_layers",
            r"conv_layers\[1\]: .* of 3 steps",
        ),
        ([[{}, {"filter_size": 30, "padding": "valid"}]], "conv_layers", r"conv_layers\[1\]: a filter of 30"),
        (
            [[{}], [{}, {"pool_size": 99, **VALID}]],
            "stacked_layers",
            r"stacked_layers\[1\]\[1\]: a pool of 99",
        ),
        ([[{}, {"strides": 2}]], "conv_layers", r"conv_layers\[0\] to conv_layers\[1\] .* got 22, 11 of 22"),
        ([[{}, {"padding": "valid"}]], "conv_layers", "got 22, 20 of 22"),
        ([[{"pool_size": 2}, {}]], "stacked_layers", r"stacked_layers\[0\]\[0\] to stacked_layers\[0\]\[1\]"),
    ],
)
def test_layers_that_do_not_fit_are_named(stages, name, match):
    with pytest.raises(ParameterError, match=match):
        ConvStages(BANDS, STEPS, [[ConvSettings(**layer) for layer in stage] for stage in stages], name)

"""Tests of the transformer encoder of sequences against float64 in NumPy."""

import math

import numpy as np
import pytest
from scipy.special import softmax

from mxnet_audio.engine import autograd, mx, nd
from mxnet_audio.errors import ParameterError
from mxnet_audio.nn.sequence import TransformerEncoder
from mxnet_audio.nn.sequence.base import REDUCTIONS
from mxnet_audio.nn.sequence.transformer import SinusoidalPositions
from tests.nn.sequence.encoder_checks import (
    assert_gradients,
    assert_onnx_gives_the_same,
    assert_padding_does_not_count,
    learned,
    outputs,
    random_block,
)

BANDS, STEPS, HIDDEN, HEADS, WIDE, LAYERS = 3, 6, 8, 2, 5, 2
LENGTHS = np.array([6, 1, 4])
X = np.random.default_rng(0).normal(0, 1, (3, STEPS, BANDS)).astype(np.float32)
TINY = {
    "hidden_size": HIDDEN,
    "num_heads": HEADS,
    "transformer_output_size": WIDE,
    "num_layers": LAYERS,
    "dropout": 0.0,
}


def positions(steps, units):
    """Return the sinusoids of the paper [shape=(steps, units)]."""
    table = np.zeros((steps, units))
    for step in range(steps):
        for unit in range(units):
            angle = step / 10_000 ** (unit // 2 * 2 / units)
            table[step, unit] = math.cos(angle) if unit % 2 else math.sin(angle)
    return table


def transformer(values, x):
    """Return the outputs of all layers for one sequence."""

    def dense(name, x):
        return x @ values[f"{name}.weight"].T + values[f"{name}.bias"]

    def norm(name, x):
        centered = x - x.mean(axis=-1, keepdims=True)
        scaled = centered / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-6)
        return scaled * values[f"{name}.gamma"] + values[f"{name}.beta"]

    x = dense("body.projection", x) + positions(len(x), HIDDEN)
    for layer in range(LAYERS):
        name, mixed = f"body.layers.{layer}", []
        query, key, value = (dense(f"{name}.attention.{part}", x) for part in ("query", "key", "value"))
        for head in range(HEADS):
            part = slice(head * HIDDEN // HEADS, (head + 1) * HIDDEN // HEADS)
            scores = query[:, part] @ key[:, part].T / math.sqrt(HIDDEN // HEADS)
            mixed.append(softmax(scores, axis=-1) @ value[:, part])
        x = norm(f"{name}.norm1", x + dense(f"{name}.attention.output", np.concatenate(mixed, axis=1)))
        x = norm(f"{name}.norm2", x + dense(f"{name}.ffn2", np.maximum(dense(f"{name}.ffn1", x), 0)))
    return x


@pytest.mark.parametrize("units", [1, 4, 7])
def test_positions(units):
    block = SinusoidalPositions(units)
    block.initialize()
    for hybridize in (False, True):
        block.hybridize(hybridize)
        found = block(nd.ones((2, 400, units))).asnumpy()
        np.testing.assert_allclose(found, 1 + np.stack([positions(400, units)] * 2), atol=1e-4)


@pytest.mark.parametrize("reduce_output", REDUCTIONS, ids=str)
def test_outputs(reduce_output):
    block = TransformerEncoder(BANDS, STEPS, reduce_output=reduce_output, **TINY)
    values = random_block(block)
    reduce = {
        "sum": lambda x: x.sum(axis=0),
        "mean": lambda x: x.mean(axis=0),
        "avg": lambda x: x.mean(axis=0),
        "max": lambda x: x.max(axis=0),
        "last": lambda x: x[-1],
        "concat": lambda x: np.pad(x.ravel(), (0, (STEPS - len(x)) * HIDDEN)),
        None: lambda x: np.pad(x, ((0, STEPS - len(x)), (0, 0))),
    }[reduce_output]
    wanted = [reduce(transformer(values, x[:length])) for x, length in zip(X, LENGTHS)]
    np.testing.assert_allclose(outputs(block, X, LENGTHS)[0], wanted, rtol=1e-4, atol=1e-4)
    assert block.output_dim == (STEPS * HIDDEN if reduce_output == "concat" else HIDDEN)


def test_numbers_of_parameters():
    attention, norms = 4 * (256 * 256 + 256), 2 * 2 * 256
    assert sum(learned(TransformerEncoder(80, 375)).values()) == (
        80 * 256 + 256 + attention + norms + 2 * (256 * 256 + 256)
    )
    block = TransformerEncoder(BANDS, STEPS, num_fc_layers=1, output_size=7, use_bias=False, **TINY)
    layer = 4 * (HIDDEN * HIDDEN + HIDDEN) + 4 * HIDDEN + 2 * HIDDEN * WIDE + HIDDEN + WIDE
    assert sum(learned(block).values()) == BANDS * HIDDEN + HIDDEN + LAYERS * layer + HIDDEN * 7


@pytest.mark.parametrize("reduce_output", REDUCTIONS, ids=str)
def test_padding_does_not_count(reduce_output):
    block = TransformerEncoder(BANDS, STEPS, reduce_output=reduce_output, num_fc_layers=1, **TINY)
    random_block(block)
    assert_padding_does_not_count(block, X, LENGTHS)


@pytest.mark.parametrize("reduce_output", ["last", "mean"])
def test_gradients(reduce_output):
    block = TransformerEncoder(BANDS, STEPS, reduce_output=reduce_output, **TINY | {"num_layers": 1})
    random_block(block)
    assert_gradients(block, X, LENGTHS)


@pytest.mark.parametrize("reduce_output", ["last", "mean", "concat"])
def test_onnx(reduce_output):
    block = TransformerEncoder(BANDS, STEPS, reduce_output=reduce_output, num_fc_layers=1, **TINY | {"dropout": 0.2})
    random_block(block)
    assert_onnx_gives_the_same(block, X, LENGTHS)


def test_dropout_is_of_training():
    block = TransformerEncoder(BANDS, STEPS, **TINY | {"dropout": 0.5})
    random_block(block)
    with autograd.record():
        (trained,) = outputs(block, X, LENGTHS)
    first, second = (outputs(block, X, LENGTHS)[0] for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert np.abs(trained - first).max() > 0.1


def test_values_before_training():
    mx.random.seed(0)
    block = TransformerEncoder(80, STEPS, weights_initializer={"type": "normal", "stddev": 3}, num_fc_layers=1)
    block.initialize()
    for name, one in block._collect_params_with_prefix().items():
        array = one.data().asnumpy()
        if name.endswith("weight"):
            assert 2.9 < array.std() < 3.1
        elif name.endswith(("bias", "beta")):
            assert not array.any()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"hidden_size": 6, "num_heads": 4}, "hidden_size must be a multiple of num_heads, got 6 and 4"),
        ({"num_heads": 0}, "num_heads"),
        ({"num_layers": 0}, "num_layers"),
        ({"transformer_output_size": 0}, "transformer_output_size"),
        ({"dropout": 1}, "^dropout"),
        ({"weights_initializer": "xavier"}, "weights_initializer"),
        ({"fc_activation": "rleu"}, "^fc_activation"),
        ({"reduce_output": "cls"}, "reduce_output"),
    ],
)
def test_bad_parameters(parameters, message):
    with pytest.raises(ParameterError, match=message):
        TransformerEncoder(BANDS, STEPS, **parameters)

"""Tests of the transformer layer against float64 in NumPy."""

import math

import numpy as np
import pytest
from scipy.special import erf, expit, softmax

from mxnet_audio.engine import autograd, gluon, nd
from mxnet_audio.errors import ParameterError
from mxnet_audio.nn import Attention, PositionGate, TransformerLayer, attention_mask
from mxnet_audio.nn.transformer import ACTIVATIONS, Activation

UNITS, HEADS, HIDDEN, STEPS = 6, 2, 10, 5
LENGTHS = np.array([5, 3])
RNG = np.random.default_rng(0)
X = RNG.normal(0, 1, (2, STEPS, UNITS)).astype(np.float32)
BIAS = RNG.normal(0, 1, (1, HEADS, STEPS, STEPS)).astype(np.float32)
PUBLISHED = {
    "gelu": lambda x: x * (1 + erf(x / math.sqrt(2))) / 2,
    "gelu_new": lambda x: x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2,
    "relu": lambda x: np.maximum(x, 0),
    "silu": lambda x: x * expit(x),
}


def random_block(block):
    """Set all parameters of a block to random numbers, and return them by name, as float64."""
    block.initialize()
    parameters = block._collect_params_with_prefix()
    rng = np.random.default_rng(1)
    for parameter in parameters.values():
        parameter.set_data(nd.array(rng.normal(0, 0.5, parameter.shape)))
    return {name: parameter.data().asnumpy().astype(np.float64) for name, parameter in parameters.items()}


def dense(values, name, x):
    return x @ values[f"{name}.weight"].T + values.get(f"{name}.bias", 0)


def norm(values, name, x, epsilon):
    centered = x - x.mean(axis=-1, keepdims=True)
    return (
        values[f"{name}.gamma"] * centered / np.sqrt(x.var(axis=-1, keepdims=True) + epsilon) + values[f"{name}.beta"]
    )


def split(x):
    return x.reshape(len(x), STEPS, HEADS, -1).swapaxes(1, 2)


def gates(values, x, name="gate"):
    sums = dense(values, f"{name}.linear", split(x)).reshape(len(x), HEADS, STEPS, 2, 4).sum(axis=-1)
    first, second = np.moveaxis(expit(sums), -1, 0)
    return (first * (second * values[f"{name}.scale"][..., 0] - 1) + 2)[..., None]


def attention(values, x, lengths=None, bias=0, prefix=""):
    query, key, value = (split(dense(values, prefix + name, x)) for name in ("query", "key", "value"))
    scores = query @ key.swapaxes(2, 3) / math.sqrt(UNITS / HEADS) + bias
    if lengths is not None:
        scores = np.where(np.arange(STEPS) < lengths[:, None, None, None], scores, -np.inf)
    mixed = softmax(scores, axis=-1) @ value
    return dense(values, f"{prefix}output", mixed.swapaxes(1, 2).reshape(x.shape))


@pytest.mark.parametrize("biases", [("query", "key", "value"), ("query", "value"), ()])
@pytest.mark.parametrize("has_mask", [False, True])
@pytest.mark.parametrize("gated", [None, False, True])
def test_attention(biases, has_mask, gated):
    block = Attention(UNITS, HEADS, biases=biases, gated=bool(gated))
    values = random_block(block)
    assert {name for name in ("query", "key", "value") if f"{name}.bias" in values} == set(biases)
    bias = 0 if gated is None else BIAS * gates(values, X) if gated else BIAS
    wanted = attention(values, X, LENGTHS if has_mask else None, bias)
    x = nd.array(X)
    mask = attention_mask(nd, x, nd.array(LENGTHS)) if has_mask else None
    inputs = [x, mask, None if gated is None else nd.array(BIAS)]
    while inputs[-1] is None:
        inputs.pop()
    for _ in ("eager", "hybridized"):
        np.testing.assert_allclose(block(*inputs).asnumpy(), wanted, atol=1e-5)
        block.hybridize()


def test_gate():
    gate = PositionGate(UNITS, HEADS)
    values = {f"gate.{name}": value for name, value in random_block(gate).items()}
    np.testing.assert_allclose(gate(nd.array(X)).asnumpy(), gates(values, X), atol=1e-5)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name):
    x = np.linspace(-6, 6, 50)
    np.testing.assert_allclose(Activation(name)(nd.array(x)).asnumpy(), PUBLISHED[name](x), atol=1e-6)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("norm_first", [False, True])
def test_layer(activation, norm_first):
    block = TransformerLayer(UNITS, HEADS, HIDDEN, activation, norm_first=norm_first, epsilon=0.1)
    values = random_block(block)

    def attended(x):
        return attention(values, x, LENGTHS, prefix="attention.")

    def fed(x):
        return dense(values, "ffn2", PUBLISHED[activation](dense(values, "ffn1", x)))

    if norm_first:
        wanted = X + attended(norm(values, "norm1", X, 0.1))
        wanted = wanted + fed(norm(values, "norm2", wanted, 0.1))
    else:
        wanted = norm(values, "norm1", X + attended(X), 0.1)
        wanted = norm(values, "norm2", wanted + fed(wanted), 0.1)
    x = nd.array(X)
    for _ in ("eager", "hybridized"):
        outputs = block(x, attention_mask(nd, x, nd.array(LENGTHS))).asnumpy()
        np.testing.assert_allclose(outputs, wanted, atol=2e-5)
        block.hybridize()


def test_padding_changes_nothing():
    block = TransformerLayer(UNITS, HEADS, HIDDEN)
    random_block(block)
    x = nd.array(X)
    padded = block(x, attention_mask(nd, x, nd.array(LENGTHS)))[1, :3].asnumpy()
    np.testing.assert_allclose(padded, block(x[1:, :3])[0].asnumpy(), atol=1e-6)


@pytest.mark.parametrize("kind", ["dropout", "attention_dropout", "activation_dropout"])
@pytest.mark.parametrize("norm_first", [False, True])
def test_dropout_in_training_only(kind, norm_first):
    block = TransformerLayer(UNITS, HEADS, HIDDEN, norm_first=norm_first, **{kind: 0.5})
    random_block(block)
    x = nd.array(X)
    with autograd.record():
        trained = block(x).asnumpy()
    with autograd.predict_mode():
        predicted = block(x).asnumpy()
    np.testing.assert_array_equal(block(x).asnumpy(), predicted)
    assert np.abs(trained - predicted).max() > 1e-3


def test_dense_layers_are_named_children():
    block = TransformerLayer(UNITS, HEADS, HIDDEN)
    for parent, names in ((block.attention, ("query", "key", "value", "output")), (block, ("ffn1", "ffn2"))):
        for name in names:
            assert isinstance(parent._children[name], gluon.nn.Dense)


@pytest.mark.parametrize(
    "options", [{"units": 7}, {"heads": 0}, {"heads": 1.5}, {"activation": "swish"}], ids=["7", "0", "1.5", "swish"]
)
def test_wrong_arguments(options):
    with pytest.raises(ParameterError, match=next(iter(options))):
        TransformerLayer(**{"units": UNITS, "heads": HEADS, "hidden_units": HIDDEN} | options)

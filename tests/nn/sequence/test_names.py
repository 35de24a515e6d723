"""Tests of initializers, activations and keys by Ludwig's names."""

import numpy as np
import pytest
from scipy.special import erf, expit, softmax

from mxnet_audio.engine import gluon, mx, nd
from mxnet_audio.errors import ParameterError
from mxnet_audio.nn.sequence.names import (
    ACTIVATIONS,
    INITIALIZERS,
    activate,
    check_dropout,
    check_keys,
    check_name,
    get_initializer,
)

INPUTS, OUTPUTS, TAPS = 40, 60, 5  # of a convolution: 200 inputs and 300 outputs of each tap
DEVIATIONS = {
    "xavier_uniform": (2 / 500) ** 0.5,
    "xavier_normal": (2 / 500) ** 0.5,
    "glorot_uniform": (2 / 500) ** 0.5,
    "glorot_normal": (2 / 500) ** 0.5,
    "kaiming_uniform": (2 / 200) ** 0.5,
    "kaiming_normal": (2 / 200) ** 0.5,
    "he_uniform": (2 / 200) ** 0.5,
    "he_normal": (2 / 200) ** 0.5,
    "lecun_uniform": (1 / 200) ** 0.5,
    "lecun_normal": (1 / 200) ** 0.5,
    "orthogonal": (1 / 200) ** 0.5,
    "zeros": 0,
    "ones": 0,
    "constant": 0,
    "normal": 1,
    "uniform": (1 / 12) ** 0.5,
}


def filled(value, shape=(OUTPUTS, INPUTS, 1, TAPS), argument="weights_initializer"):
    """Return a parameter of a block that an initializer has filled."""
    mx.random.seed(0)
    parameter = gluon.Parameter("bias", shape=shape, init=get_initializer(argument, value))
    parameter.initialize()
    return parameter.data().asnumpy()


@pytest.mark.parametrize("name", INITIALIZERS)
def test_deviation_of_initial_weights(name):
    weights = filled(name)
    np.testing.assert_allclose(weights.std(), DEVIATIONS[name], rtol=0.03)
    np.testing.assert_allclose(weights.mean(), {"ones": 1, "uniform": 0.5}.get(name, 0), atol=0.02)
    if name.endswith("_uniform"):
        assert np.abs(weights).max() <= 3**0.5 * DEVIATIONS[name] + 1e-6


def test_rows_of_orthogonal_weights_are_orthogonal():
    rows = filled({"type": "orthogonal", "gain": 2}).reshape(OUTPUTS, -1)
    np.testing.assert_allclose(rows @ rows.T, 4 * np.eye(OUTPUTS), atol=1e-4)


def test_initializers_with_parameters():
    weights = filled({"type": "normal", "mean": 3, "stddev": 0.5})
    assert weights.mean() == pytest.approx(3, abs=0.02)
    assert weights.std() == pytest.approx(0.5, abs=0.02)
    weights = filled({"type": "uniform", "minval": 2, "maxval": 4})
    assert 2 <= weights.min() < 2.01 < 3.99 < weights.max() <= 4
    assert (filled({"type": "constant", "value": 0.25}) == 0.25).all()


@pytest.mark.parametrize("name", ["zeros", "ones", "constant", "normal", "uniform"])
def test_initializers_of_biases(name):
    np.testing.assert_allclose(filled(name, (1000,), "bias_initializer").std(), DEVIATIONS[name], rtol=0.1)


@pytest.mark.parametrize(
    ("argument", "value", "match"),
    [
        ("weights_initializer", "xavier_unifrom", "did you mean xavier_uniform"),
        ("weights_initializer", None, "xavier_uniform"),
        ("weights_initializer", 3, "one of"),
        ("weights_initializer", {"mean": 0}, "one of"),
        ("weights_initializer", {"type": ["normal"]}, "one of"),
        ("weights_initializer", {"type": "normal", "stdev": 1}, r"weights_initializer.stdev: .* stddev"),
        ("weights_initializer", {"type": "normal", "stddev": -1}, "stddev"),
        ("weights_initializer", {"type": "normal", "mean": "0"}, r"weights_initializer.mean"),
        ("weights_initializer", {"type": "zeros", "value": 1}, "value: no such key"),
        ("bias_initializer", "xavier_uniform", "bias_initializer must be one of zeros"),
    ],
)
def test_unknown_initializers(argument, value, match):
    with pytest.raises(ParameterError, match=match):
        get_initializer(argument, value)


X = np.linspace(-4, 4, 24, dtype=np.float32).reshape(2, 3, 4)
FUNCTIONS = {
    None: lambda x: x,
    "linear": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
    "sigmoid": expit,
    "elu": lambda x: np.where(x > 0, x, np.expm1(x)),
    "selu": lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x)),
    "leakyRelu": lambda x: np.where(x > 0, x, 0.01 * x),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.01 * x),
    "gelu": lambda x: x * (1 + erf(x / 2**0.5)) / 2,
    "silu": lambda x: x * expit(x),
    "softplus": lambda x: np.log1p(np.exp(x)),
    "logSigmoid": lambda x: np.log(expit(x)),
    "softmax": lambda x: softmax(x, axis=1),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name):
    np.testing.assert_allclose(activate(nd, nd.array(X), name).asnumpy(), FUNCTIONS[name](X), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("value", ["rleu", 1, ["relu"], np.zeros(2)])
def test_unknown_names(value):
    with pytest.raises(ParameterError, match=r"^activation must be one of linear, relu"):
        check_name("activation", value, ACTIVATIONS)


def test_keys():
    assert check_keys("layer", {"a": 1}, ["a", "b"]) == {"a": 1}
    with pytest.raises(ParameterError, match=r"layer\.norms: no such key, did you mean norm\?"):
        check_keys("layer", {"norms": 1}, ["norm", "bias"])
    with pytest.raises(ParameterError, match="no such key; there are norm, bias"):
        check_keys("layer", {7: 1}, ["norm", "bias"])
    with pytest.raises(ParameterError, match="must be a mapping"):
        check_keys("layer", [], [])


@pytest.mark.parametrize("share", [1, -0.1, "0.5", float("nan"), None])
def test_dropout_out_of_range(share):
    with pytest.raises(ParameterError, match="fc_dropout"):
        check_dropout("fc_dropout", share)

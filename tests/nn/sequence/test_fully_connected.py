"""Tests of fully connected layers."""

import numpy as np
import pytest

from mxnet_audio.engine import autograd, nd
from mxnet_audio.nn.sequence.fully_connected import FullyConnected
from mxnet_audio.nn.sequence.layers import FullyConnectedSettings
from tests.nn.sequence.encoder_checks import learned, random_block

X = np.random.default_rng(0).normal(0, 1, (4, 3)).astype(np.float32)


def test_without_layers_the_output_is_the_input():
    block = FullyConnected(3, [])
    assert block.output_dim == 3
    np.testing.assert_array_equal(block(nd.array(X)).asnumpy(), X)


@pytest.mark.parametrize("hybridize", [False, True])
@pytest.mark.parametrize("norm", [None, "batch", "layer"])
def test_layers_equal_numpy(norm, hybridize):
    settings = [FullyConnectedSettings(output_size=5, norm=norm), FullyConnectedSettings(output_size=2, use_bias=False)]
    block = FullyConnected(3, settings)
    values = random_block(block)
    block.hybridize(hybridize)
    norms = {"norms.0.gamma": 5, "norms.0.beta": 5} if norm else {}
    assert learned(block) == {"denses.0.weight": 15, "denses.0.bias": 5, "denses.1.weight": 10, **norms}
    hidden = X @ values["denses.0.weight"].T + values["denses.0.bias"]
    if norm is not None:
        axis = 0 if norm == "batch" else 1
        mean, variance = hidden.mean(axis=axis, keepdims=True), hidden.var(axis=axis, keepdims=True)
        hidden = (hidden - mean) / np.sqrt(variance + 1e-5) * values["norms.0.gamma"] + values["norms.0.beta"]
    wanted = np.maximum(np.maximum(hidden, 0) @ values["denses.1.weight"].T, 0)
    with autograd.record():
        found = block(nd.array(X))
    np.testing.assert_allclose(found.asnumpy(), wanted, rtol=1e-4, atol=1e-5)


def test_dropout_and_initializers():
    settings = {"dropout": 0.5, "weights_initializer": "ones", "bias_initializer": "ones", "activation": None}
    block = FullyConnected(3, [FullyConnectedSettings(output_size=400, **settings)])
    block.initialize()
    assert (block(nd.ones((1, 3))).asnumpy() == 4).all()
    with autograd.record():
        found = block(nd.ones((1, 3))).asnumpy()
    assert set(found.ravel()) == {0, 8}
    assert 100 < (found == 0).sum() < 300

"""Tests of reductions over time and sums over layers."""

import numpy as np
import pytest

from mxnet_audio.engine import autograd, nd
from mxnet_audio.errors import ParameterError
from mxnet_audio.nn import LayerSum, Reduce, steps_within
from mxnet_audio.weights.embeddings import REDUCTIONS

LENGTHS = (4, 1, 3)
X = np.random.default_rng(0).normal(-5, 1, (3, 4, 2)).astype(np.float32)
PUBLISHED = {
    "mean": lambda x: x.mean(axis=0),
    "max": lambda x: x.max(axis=0),
    "sum": lambda x: x.sum(axis=0),
    "last": lambda x: x[-1],
    "cls_pooled": lambda x: x[0],
    "concat": lambda x: np.pad(x, ((0, 4 - len(x)), (0, 0))).ravel(),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_reductions_within_the_lengths(reduction):
    block, lengths = Reduce(reduction), nd.array(LENGTHS)
    wanted = np.stack([PUBLISHED[reduction](x[:length]) for x, length in zip(X, LENGTHS)])
    other = X.copy()
    other[1, 1:] = other[2, 3:] = 1e6  # behind the ends
    for x in (X, other):
        for _ in ("eager", "hybridized"):
            np.testing.assert_allclose(block(nd.array(x), lengths).asnumpy(), wanted, rtol=1e-6)
            block.hybridize()
        block.hybridize(False)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_gradients_end_with_the_sequences(reduction):
    x = nd.array(X)
    x.attach_grad()
    with autograd.record():
        loss = Reduce(reduction)(x, nd.array(LENGTHS)).sum()
    loss.backward()
    gradient = x.grad.asnumpy()
    within = steps_within(nd, x, nd.array(LENGTHS)).asnumpy().astype(bool)
    assert not gradient[~within].any()
    np.testing.assert_allclose(gradient.sum(axis=1).sum(), {"sum": 16, "concat": 16}.get(reduction, 6), rtol=1e-6)


def test_unknown_reduction():
    with pytest.raises(ParameterError, match="reduction"):
        Reduce("median")


def test_steps_along_another_axis():
    within = steps_within(nd, nd.zeros((2, 7, 3)), nd.array([2, 9]), axis=2).asnumpy()
    np.testing.assert_array_equal(within, [[1, 1, 0], [1, 1, 1]])


def test_sum_of_layers():
    block = LayerSum(3)
    block.initialize()
    weight = np.array([0.5, -1.0, 2.0], np.float32)
    block.weight.set_data(nd.array(weight))
    shares = np.exp(weight) / np.exp(weight).sum()
    states = [X, 2 * X, X + 1]
    for _ in ("eager", "hybridized"):
        with autograd.record():
            total = block(*map(nd.array, states))
        total.backward()
        np.testing.assert_allclose(total.asnumpy(), np.tensordot(shares, states, 1), rtol=1e-5)
        sums = np.array([state.sum() for state in states])
        np.testing.assert_allclose(block.weight.grad().asnumpy(), shares * (sums - shares @ sums), rtol=1e-3)
        block.hybridize()

"""Tests of batch norms of vectors and of sequences of different lengths."""

import numpy as np
import pytest

from mxnet_audio.engine import autograd, gluon, nd
from mxnet_audio.nn.norms import MaskedBatchNorm, VectorNorm
from mxnet_audio.nn.reduce import steps_within

CHANNELS, STEPS = 3, 7
LENGTHS = (7, 1, 4)
X = np.random.default_rng(0).normal(2, 3, (len(LENGTHS), CHANNELS, 1, STEPS)).astype(np.float32)
WITHIN = steps_within(nd, nd.array(X), nd.array(LENGTHS), axis=3).asnumpy().astype(bool)
SLOPES = np.random.default_rng(1).normal(0, 1, X.shape).astype(np.float32)  # of the loss


def run(block, x, slopes, *masks):
    """Return output, gradient of the input, gradients of scale and shift, and running statistics after one step."""
    block.initialize(force_reinit=True)
    for name, parameter in block._collect_params_with_prefix().items():
        if name.endswith(("gamma", "beta")):
            parameter.set_data(nd.array([0.5, -1, 2]))
    x = nd.array(x)
    x.attach_grad()
    with autograd.record():
        y = block(x, *masks)
        loss = (y * nd.array(slopes)).sum()
    loss.backward()
    found = {name.rpartition(".")[2]: one for name, one in block._collect_params_with_prefix().items()}
    gradients = [found[name].grad().asnumpy() for name in ("gamma", "beta")]
    running = [found[name].data().asnumpy() for name in ("running_mean", "running_var")]
    return [y.asnumpy(), x.grad.asnumpy(), *gradients, *running]


def joined(maps):
    """Join the steps within the lengths of all sequences to one sequence [shape=(1, CHANNELS, 1, steps)]."""
    return maps.swapaxes(0, 1)[:, WITHIN[:, None, :]].reshape(1, CHANNELS, 1, -1)


@pytest.mark.parametrize("hybridize", [False, True])
@pytest.mark.parametrize("junk", [0, 1e4])
def test_a_masked_norm_equals_a_norm_of_the_steps_within_the_lengths(junk, hybridize):
    x = np.where(WITHIN[:, None, None], X, np.float32(junk))
    masked = MaskedBatchNorm(CHANNELS, momentum=0.6)
    masked.hybridize(hybridize)
    mask = nd.array(WITHIN[:, None, None])
    slopes = SLOPES * WITHIN[:, None, None]
    output, gradient, *others = run(masked, x, slopes, mask)
    plain = gluon.nn.BatchNorm(in_channels=CHANNELS, momentum=0.6)
    wanted, slope, *wanted_others = run(plain, joined(x), joined(slopes))
    np.testing.assert_allclose(joined(output), wanted, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(joined(gradient), slope, rtol=1e-4, atol=1e-5)
    assert not gradient[np.broadcast_to(~WITHIN[:, None, None], x.shape)].any()
    for got, want in zip(others, wanted_others, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)
    # The running statistics, in prediction.
    output, wanted = masked(nd.array(x), mask).asnumpy(), plain(nd.array(joined(x))).asnumpy()
    np.testing.assert_allclose(joined(output), wanted, rtol=1e-5, atol=1e-5)


def test_a_masked_norm_of_equal_steps_is_finite():
    block = MaskedBatchNorm(CHANNELS)
    found = run(block, np.full_like(X, 5), SLOPES, nd.array(WITHIN[:, None, None]))
    assert all(np.isfinite(array).all() for array in found)
    np.testing.assert_allclose(joined(found[0])[0, :, 0, 0], [0.5, -1, 2], atol=1e-3)  # the shifts


@pytest.mark.parametrize("level", [0, 1e2, 1e4])
def test_predictions_are_exact_where_means_are_much_larger_than_deviations(level):
    norm = MaskedBatchNorm(CHANNELS)
    norm.initialize()
    x, mask = X + np.float32(level), nd.array(WITHIN[:, None, None])
    norm(nd.array(x), mask)
    values = {"gamma": [0.5, -1, 2], "beta": [1, 0, -3], "running_mean": level + X.mean(axis=(0, 2, 3)) + 1}
    parameters = norm._collect_params_with_prefix()
    for name, value in values.items():
        parameters[f"norm.{name}"].set_data(nd.array(value))
    scale, shift, mean = (np.float64(parameters[f"norm.{name}"].data().asnumpy())[:, None, None] for name in values)
    want = (x - mean) * scale / np.sqrt(1 + 1e-5) + shift
    np.testing.assert_allclose(joined(norm(nd.array(x), mask).asnumpy()), joined(want), rtol=1e-5, atol=1e-5)


def test_a_norm_of_vectors_equals_the_norm_of_numpy():
    x = X[:, :, 0, 0]
    output, *_, mean, variance = run(VectorNorm(momentum=0.5, in_channels=CHANNELS), x, SLOPES[:, :, 0, 0])
    shift = np.array([0.5, -1, 2])
    want = shift * (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 1e-5) + shift
    np.testing.assert_allclose(output, want, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(mean, x.mean(axis=0) / 2, rtol=1e-5)
    np.testing.assert_allclose(variance, (1 + x.var(axis=0)) / 2, rtol=1e-5)

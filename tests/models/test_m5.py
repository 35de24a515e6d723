"""Tests of M5 against its paper, and against a forward pass in NumPy and SciPy."""

import numpy as np
import pytest
from scipy.signal import correlate

from mxnet_audio.engine import gluon, mx, nd
from mxnet_audio.models import get_model
from mxnet_audio.models.m5 import Loudness


def make(samples, classes=10):
    mx.random.seed(0)
    net = get_model("m5", classes=classes, input_shape=(1, 1, samples))
    net.initialize(mx.init.Xavier())
    net(nd.zeros((1, 1, 1, samples)))
    return net


def shapes_after(net, kind, x):
    """List the output shapes of the layers of a kind."""
    shapes = []
    for layer in net.encoder:
        x = layer(x)
        if isinstance(layer, kind):
            shapes.append(x.shape[1:])
    return shapes


def test_shapes_and_sizes_are_those_of_the_paper():
    net = make(32000)
    x = nd.zeros((1, 1, 1, 32000))
    first, *others = (layer for layer in net.encoder if isinstance(layer, gluon.nn.Conv2D))
    assert first.weight.shape == (128, 4, 1, 20)  # 80 samples, as 20 frames of 4
    assert [layer.weight.shape[2:] for layer in others] == [(1, 3)] * 3
    convolved = [(128, 1, 8000), (128, 1, 2000), (256, 1, 500), (512, 1, 125)]
    assert shapes_after(net, gluon.nn.Conv2D, x) == convolved
    pooled = [
        (128, 1, 2000),
        (128, 1, 500),
        (256, 1, 125),
        (512, 1, 31),
    ]  # 32 in the paper
    assert shapes_after(net, gluon.nn.MaxPool2D, x) == pooled
    sizes = {name: p.data().size for name, p in net.collect_params().items() if p.grad_req != "null"}
    kernels = [size for name, size in sizes.items() if "conv" in name]
    assert kernels == [128 * 80, 128 * 128 * 3, 256 * 128 * 3, 512 * 256 * 3]  # without biases
    assert sum(sizes.values()) == sum(kernels) + 2 * (128 + 128 + 256 + 512) + 512 * 10 + 10 == 558_090  # "0.5 M"
    assert net.head[-1].weight.shape == (10, 512)


def forward_pass(net, x):
    """Compute scores and embedding of samples [shape=(samples,)] in float64."""
    parameters = {name.removeprefix(net.prefix): p.data() for name, p in net.collect_params().items()}
    values = {name: value.asnumpy().astype(float) for name, value in parameters.items()}
    x = ((x.astype(float) - values["standardize0_mean"]) / values["standardize0_std"])[np.newaxis]
    x = (x - x.mean()) / np.sqrt(x.var() + 1e-8)
    for layer, stride in enumerate((4, 1, 1, 1)):
        kernel = values[f"conv{layer}_weight"][:, :, 0]
        padding = 1
        if layer == 0:  # (filter, sample of 4, frame)
            kernel, padding = kernel.swapaxes(1, 2).reshape(128, 1, 80), 38
        padded = np.pad(x, [(0, 0), (padding, padding)])
        y = np.stack([correlate(padded, weight, mode="valid")[0, ::stride] for weight in kernel])
        gamma, beta, mean, variance = (
            values[f"batchnorm{layer}_{key}"][:, np.newaxis] for key in ("gamma", "beta", "running_mean", "running_var")
        )
        y = (y - mean) / np.sqrt(variance + 1e-5) * gamma + beta
        y = np.maximum(y, 0)  # before the pool, as in the paper
        pool = min(4, y.shape[1])
        x = y[:, : y.shape[1] // pool * pool].reshape(len(y), -1, pool).max(axis=-1)
    embedding = x.mean(axis=1)
    return values["dense0_weight"] @ embedding + values["dense0_bias"], embedding


@pytest.mark.parametrize("samples", [80, 81, 1000, 2403])
def test_scores_and_embedding_equal_the_forward_pass_in_numpy(samples):
    net = make(samples, classes=3)
    net.standardize.set(0.1, 0.5)
    rng = np.random.default_rng(samples)
    for name, parameter in net.collect_params().items():
        if "batchnorm" in name:  # as after training, with negative factors, too, with which pools do not commute
            low = 0.5 if name.endswith("running_var") else -1
            parameter.set_data(nd.array(rng.uniform(low, 1.5, parameter.shape)))
    x = rng.normal(0.1, 0.5, (2, samples)).astype(np.float32)
    expected = [np.stack(rows) for rows in zip(*(forward_pass(net, row) for row in x))]
    for hybrid in (False, True):
        net.hybridize(hybrid, static_alloc=hybrid)
        for got, want in zip(net(nd.array(x[:, np.newaxis, np.newaxis])), expected):
            np.testing.assert_allclose(got.asnumpy(), want, rtol=1e-4, atol=1e-4)


def test_embedding_does_not_depend_on_loudness_and_offset():
    net = make(4000)
    net.standardize.set(0.02, 0.1)
    x = np.random.default_rng(0).normal(0, 0.1, (1, 1, 1, 4000)).astype(np.float32)
    loud, quiet = (net(nd.array(y))[1].asnumpy() for y in (x, 0.003 * x + 0.01))
    np.testing.assert_allclose(quiet, loud, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("hybrid", [False, True])
def test_loudness_equals_float64_within_1e_6(hybrid):
    x = np.random.default_rng(0).normal(0.01, 0.05, (3, 1, 1, 40000)).astype(np.float32)
    x[2] = 0
    block, wide = Loudness(40000), x.astype(np.float64)
    if hybrid:
        block.hybridize()
    want = (wide - wide.mean(-1, keepdims=True)) / np.sqrt(wide.var(-1, keepdims=True) + 1e-8)
    np.testing.assert_allclose(block(nd.array(x)).asnumpy(), want, rtol=0, atol=1e-6 * want.max())


def test_parameters_can_be_loaded_after_a_hybridized_run(tmp_path):
    trained, other = make(4000), make(4000)
    trained.head[-1].bias.set_data(nd.arange(10))
    for net in (trained, other):
        net.hybridize(static_alloc=True)
        net(nd.zeros((2, 1, 1, 4000)))
    trained.save_parameters(str(tmp_path / "m5"))
    other.load_parameters(str(tmp_path / "m5"))
    x = nd.random.normal(shape=(2, 1, 1, 4000))
    np.testing.assert_array_equal(other(x)[0].asnumpy(), trained(x)[0].asnumpy())

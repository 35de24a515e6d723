"""Comparison of networks with the outputs that `benchmarks/hub_outputs/panns_ecapa.py` has stored."""

import importlib.util
import json
from pathlib import Path

import numpy as np

from mxnet_audio.engine import autograd, mx, nd

TESTS = Path(__file__).parent


def load_reference():
    """Import the program that made the outputs: it makes the same weights and inputs again."""
    path = TESTS.parents[1] / "benchmarks" / "hub_outputs" / "panns_ecapa.py"
    spec = importlib.util.spec_from_file_location("panns_ecapa", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


REFERENCE = load_reference()


def expected(family):
    """Return the stored arrays of a family."""
    with np.load(TESTS / "hub" / f"{family}.npz") as arrays:
        return dict(arrays)


def published_tensors(arrays, net):
    """Return the weights of a published network by their names."""
    return REFERENCE.state(json.loads(str(arrays[f"{net}/state"])), net)


def set_parameters(net, parameters):
    """Initialize a network, and set all its parameters."""
    net.initialize(mx.init.Zero())
    own = net._collect_params_with_prefix()
    assert own.keys() == parameters.keys()
    for name, value in parameters.items():
        assert value.dtype == np.float32 and not value.flags.writeable, name
        own[name].set_data(nd.array(value))


def batch(*spectra):
    """Return spectra [shape=(frames, bands)] padded to one batch, and their lengths."""
    lengths = [len(spectrum) for spectrum in spectra]
    padded = np.full((len(spectra), 1, spectra[0].shape[1], max(lengths)), 7.0, np.float32)  # is ignored
    for image, spectrum in zip(padded, spectra):
        image[0, :, : len(spectrum)] = spectrum.T
    return nd.array(padded), nd.array(lengths)


def assert_close(actual, wanted, tolerance=1e-4):
    """Compare relative to the peak."""
    actual = actual.asnumpy() if isinstance(actual, nd.NDArray) else actual
    assert actual.shape == wanted.shape
    np.testing.assert_allclose(actual, wanted, rtol=0, atol=tolerance * np.abs(wanted).max())


def gradients(net, x, probe, names, output):
    """Return the gradients of the sum of an output times the probe: by the input, and by parameters of these names."""
    x.attach_grad()
    with autograd.record(train_mode=False):
        loss = (net(x)[output] * nd.array(probe)).sum()
    loss.backward(train_mode=False)  # with the running statistics of batch norms
    parameters = net._collect_params_with_prefix()
    return x.grad.asnumpy()[0, 0].T, [parameters[name].grad().asnumpy() for name in names]

"""Shared fixtures of the blocks: sound, a comparison relative to the peak, and a run through ONNX."""

import numpy as np
import onnx
import onnxruntime
import pytest

from mxnet_audio.engine import mx, nd


@pytest.fixture
def sound():
    """Return a maker of decaying noise with a tone: ``sound(samples, batch=2, seed=0)``."""

    def make(samples, batch=2, seed=0):
        rng = np.random.default_rng(seed)
        t = np.arange(samples)
        y = rng.standard_normal((batch, samples)) * np.exp(-3 * t / samples) + np.sin(0.3 * t + 1)
        return (0.3 * y * np.arange(1, batch + 1)[:, None]).astype(np.float32)

    return make


@pytest.fixture
def assert_close():
    """Return a comparison relative to each item's peak, since bins near zero are rounding errors of their neighbors."""

    def compare(got, want, tolerance=1e-4):
        got, want = np.asarray(got), np.asarray(want)
        assert got.shape == want.shape
        for one, other in zip(got, want):
            assert np.abs(one - other).max() <= tolerance * np.abs(other).max()

    return compare


@pytest.fixture
def run():
    """Return a function that computes a block's output, hybridized by default: ``run(block, x, hybridize=True)``."""

    def compute(block, x, hybridize=True):
        block.initialize(force_reinit=True)
        block.hybridize(hybridize)
        return block(nd.array(x)).asnumpy()

    return compute


@pytest.fixture
def run_onnx(tmp_path):
    """Return a function that computes the output of a block that has run in ONNX Runtime, from a checked model."""

    def compute(block, x):
        import mxnet.onnx  # noqa: F401  makes mx.onnx available

        block.export(str(tmp_path / "block"))
        path = mx.onnx.export_model(
            str(tmp_path / "block-symbol.json"),
            str(tmp_path / "block-0000.params"),
            [x.shape],
            np.float32,
            str(tmp_path / "block.onnx"),
            dynamic=True,
            dynamic_input_shapes=[("batch", *x.shape[1:])],
        )
        onnx.checker.check_model(path, full_check=True)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(path, options)
        return session.run(None, {"data": x})[0]

    return compute

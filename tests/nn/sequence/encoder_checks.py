"""Checks of the sequence encoders: random parameters, padding, gradients, and the export to ONNX."""

import numpy as np
import onnx
import onnxruntime

from mxnet_audio.engine import autograd, mx, nd
from mxnet_audio.library.onnx_graph import GraphInput, onnx_graph

JUNK = 1e4  # behind the ends of sequences


def random_block(block, scale=0.5):
    """Set all parameters of a block to random numbers, and return them by name, as float64."""
    block.initialize()
    rng = np.random.default_rng(1)
    parameters = block._collect_params_with_prefix()
    for name in sorted(parameters):
        if parameters[name].grad_req != "null":
            parameters[name].set_data(nd.array(rng.normal(0, scale, parameters[name].shape)))
    return {name: parameter.data().asnumpy().astype(np.float64) for name, parameter in parameters.items()}


def learned(block):
    """Return the number of learned parameters of a block by their names."""
    parameters = block._collect_params_with_prefix()
    return {name: int(np.prod(one.shape)) for name, one in parameters.items() if one.grad_req != "null"}


def behind(x, lengths, value):
    """Return sequences with another value behind their ends."""
    within = np.arange(x.shape[1]) < np.asarray(lengths)[:, None]
    return np.where(within[..., None], x, np.float32(value))


def outputs(block, x, lengths):
    """Return the outputs of a block as arrays of NumPy: one, or sequences and lengths."""
    found = block(nd.array(x), nd.array(lengths))
    return [one.asnumpy() for one in (found if isinstance(found, list | tuple) else [found])]


def assert_padding_does_not_count(block, x, lengths, minimum=1):
    """Compare each sequence of a batch with itself alone, whatever is behind its end, eager, hybridized, in training.

    Parameters
    ----------
    block : SequenceEncoder
        Without dropout.
    x, lengths
        Sequences and their lengths.
    minimum : int
        Fewest steps of an array that the block takes.
    """
    alone = []
    for row, length in enumerate(lengths):
        one = behind(x[row : row + 1, : max(length, minimum)], [length], 0)
        alone.append(outputs(block, one, [length]))
    for hybridize in (False, True):
        block.hybridize(hybridize)
        for value in (0, JUNK):
            for training in (False, True):
                with autograd.record(train_mode=training):
                    found = outputs(block, behind(x, lengths, value), lengths)
                for row, wanted in enumerate(alone):
                    for array, expected in zip(found, wanted, strict=True):
                        if array.ndim == 3:  # sequences: zeros behind the ends
                            steps = expected.shape[1]
                            assert not array[row, steps:].any()
                            array = array[:, :steps]
                        if array.ndim == 2 and expected.shape[1] < array.shape[1]:
                            expected = np.pad(expected, ((0, 0), (0, array.shape[1] - expected.shape[1])))
                        np.testing.assert_allclose(array[row : row + 1], expected, rtol=1e-5, atol=1e-5)
    block.hybridize(False)


def assert_gradients(block, x, lengths, step=1e-6, tolerance=1e-5):
    """Compare gradients with differences of the outputs in float64, and those in float32 with those in float64."""
    gradients = {}
    for dtype in ("float32", "float64"):
        block.cast(dtype)
        inputs, counts = nd.array(behind(x, lengths, JUNK), dtype=dtype), nd.array(lengths, dtype=dtype)
        inputs.attach_grad()

        def loss(inputs=inputs, counts=counts):
            found = block(inputs, counts)
            found = found[0] if isinstance(found, list | tuple) else found
            weights = np.cos(np.arange(found.size)).reshape(found.shape)
            return (found * nd.array(weights, dtype=found.dtype)).sum()

        with autograd.record():
            value = loss()
        value.backward()
        arrays = {
            name: (one.data(), one.grad())
            for name, one in block._collect_params_with_prefix().items()
            if one.grad_req != "null"
        }
        arrays["x"] = (inputs, inputs.grad)
        gradients[dtype] = {name: gradient.asnumpy() for name, (_, gradient) in arrays.items()}
    within = np.broadcast_to(behind(np.ones_like(x), lengths, 0) > 0, x.shape)
    assert not gradients["float64"]["x"][~within].any()
    rng = np.random.default_rng(0)
    for name, (array, _) in arrays.items():
        exact = gradients["float64"][name]
        peak = max(1, np.abs(exact).max())
        np.testing.assert_allclose(gradients["float32"][name], exact, rtol=1e-3, atol=1e-4 * peak, err_msg=name)
        direction = rng.normal(0, 1, array.shape)
        direction *= within if name == "x" else 1
        sides = []
        for distance in (step, -2 * step):
            array += nd.array(distance * direction, dtype="float64")
            sides.append(loss().asscalar())
        array += nd.array(step * direction, dtype="float64")
        difference, wanted = (sides[0] - sides[1]) / (2 * step), (exact * direction).sum()
        np.testing.assert_allclose(difference, wanted, rtol=tolerance, atol=0.1 * tolerance * peak, err_msg=name)
    block.cast("float32")


def assert_onnx_gives_the_same(block, x, lengths):
    """Export an encoder that reduces its sequences, and run it with batches of any size, and fewer steps."""
    symbol = block(mx.sym.var("x"), mx.sym.var("lengths"))
    model = onnx_graph(
        {"output": symbol},
        {"output": block.output_dim},
        {"x": GraphInput(x[:2].shape, ("batch", "steps", x.shape[2])), "lengths": GraphInput((2,), ("batch",))},
        block.collect_params(),
    )
    onnx.checker.check_model(model, full_check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    x, lengths = behind(x, lengths, JUNK), np.float32(lengths)
    for rows, steps in ((slice(None), x.shape[1]), (slice(1, 2), x.shape[1]), (slice(None), int(max(lengths)))):
        (wanted,) = outputs(block, x[rows, :steps], lengths[rows])
        (found,) = session.run(None, {"x": x[rows, :steps], "lengths": lengths[rows]})
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)

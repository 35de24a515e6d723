"""Tests of the base of the sequence encoders: reductions, lengths, and encoders by their names."""

import inspect

import numpy as np
import pytest

from mxnet_audio.engine import gluon, mx, nd
from mxnet_audio.errors import ParameterError
from mxnet_audio.nn.sequence import ENCODERS, Passthrough, SequenceEncoder, StackedCNN, get_sequence_encoder
from mxnet_audio.nn.sequence.base import REDUCTIONS
from tests.nn.sequence.encoder_checks import JUNK, behind, outputs, random_block

BANDS, STEPS = 3, 8
LENGTHS = np.array([8, 1, 5])
X = np.random.default_rng(0).normal(0, 1, (3, STEPS, BANDS)).astype(np.float32)
REDUCED = {
    "sum": lambda x: x.sum(axis=0),
    "mean": lambda x: x.mean(axis=0),
    "avg": lambda x: x.mean(axis=0),
    "max": lambda x: x.max(axis=0),
    "last": lambda x: x[-1],
    "concat": lambda x: np.pad(x, ((0, STEPS - len(x)), (0, 0))).ravel(),
    None: lambda x: np.pad(x, ((0, STEPS - len(x)), (0, 0))),
}


@pytest.mark.parametrize("hybridize", [False, True])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_reductions(reduction, hybridize):
    encoder = Passthrough(BANDS, STEPS, reduce_output=reduction)
    encoder.hybridize(hybridize)
    wanted = np.stack([REDUCED[reduction](x[:length]) for x, length in zip(X, LENGTHS)])
    found = outputs(encoder, behind(X, LENGTHS, JUNK), LENGTHS)
    np.testing.assert_allclose(found[0], wanted, rtol=1e-5, atol=1e-6)
    assert encoder.output_dim == wanted.shape[-1]
    assert encoder.output_steps == STEPS
    if reduction is None:
        np.testing.assert_array_equal(found[1], LENGTHS)


@pytest.mark.parametrize("steps", [1, 5, STEPS, STEPS + 3])
def test_joined_steps_have_one_length_for_arrays_of_any(steps):
    encoder = Passthrough(BANDS, STEPS, reduce_output="concat")
    x = np.pad(X, ((0, 0), (0, 3), (0, 0)))[:, :steps]
    wanted = np.pad(x, ((0, 0), (0, STEPS), (0, 0)))[:, :STEPS].reshape(3, -1)
    np.testing.assert_array_equal(outputs(encoder, x, [steps] * 3)[0], wanted)


def test_without_a_reduction_there_are_no_fully_connected_layers():
    encoder = StackedCNN(BANDS, STEPS, num_conv_layers=1, num_filters=4, reduce_output=None, num_fc_layers=2)
    assert set(encoder._collect_params_with_prefix()) == {"body.stages.0.0.conv.weight", "body.stages.0.0.conv.bias"}
    assert encoder.output_dim == 4


@pytest.mark.parametrize("name", ENCODERS)
def test_encoders_by_their_names(name):
    encoder = get_sequence_encoder(name, BANDS, STEPS, reduce_output="max")
    assert type(encoder) is ENCODERS[name]
    assert isinstance(encoder, SequenceEncoder)
    assert (encoder.bands, encoder.steps, encoder.reduce_output) == (BANDS, STEPS, "max")
    parameters = inspect.signature(ENCODERS[name]).parameters
    assert list(parameters)[:2] == ["bands", "steps"]
    assert all(one.kind is one.KEYWORD_ONLY for one in list(parameters.values())[2:])


@pytest.mark.parametrize("name", ["parallel_cnn", "stacked_cnn", "stacked_parallel_cnn", "passthrough"])
@pytest.mark.parametrize(
    ("key", "value", "match"),
    [
        ("reduce_output", "summ", r"^reduce_output .* sum\?"),
        ("reduce_outputs", "sum", r"\.reduce_outputs: .* reduce_output\?"),
        ("vocab", ["a"], "vocab: no such key"),
        ("prefix", "a_", "prefix: no such key"),
    ],
)
def test_bad_parameters_are_named(name, key, value, match):
    with pytest.raises(ParameterError, match=match):
        get_sequence_encoder(name, BANDS, STEPS, **{key: value})


@pytest.mark.parametrize(("bands", "steps", "match"), [(0, 8, "bands"), (3, 0, "steps"), ("3", 8, "bands")])
def test_bad_sizes(bands, steps, match):
    with pytest.raises(ParameterError, match=match):
        get_sequence_encoder("parallel_cnn", bands, steps)


@pytest.mark.parametrize("value", ["parallel-cnn", "bert", None, 3])
def test_unknown_encoders(value):
    with pytest.raises(ParameterError, match="type must be one of parallel_cnn"):
        get_sequence_encoder(value, BANDS, STEPS)


def test_saved_parameters_and_other_devices(tmp_path):
    encoders = [StackedCNN(BANDS, STEPS, num_conv_layers=2, num_filters=4, norm="batch") for _ in range(2)]
    random_block(encoders[0])
    encoders[0].save_parameters(str(tmp_path / "encoder.params"))
    encoders[1].hybridize()
    encoders[1].load_parameters(str(tmp_path / "encoder.params"), ctx=mx.cpu(1))
    wanted = encoders[0](nd.array(X), nd.array(LENGTHS))
    found = encoders[1](nd.array(X, ctx=mx.cpu(1)), nd.array(LENGTHS, ctx=mx.cpu(1)))
    assert found.context == mx.cpu(1)
    np.testing.assert_array_equal(found.asnumpy(), wanted.asnumpy())


def test_an_encoder_within_a_hybridized_network():
    class Net(gluon.nn.HybridBlock):
        def __init__(self):
            super().__init__()
            with self.name_scope():
                self.encoder = StackedCNN(BANDS, STEPS, num_conv_layers=1, num_filters=4, reduce_output=None)
                self.other = Passthrough(self.encoder.output_dim, self.encoder.output_steps, reduce_output="mean")

        def hybrid_forward(self, F, x, lengths):
            return self.other(*self.encoder(x, lengths))

    net = Net()
    random_block(net)
    wanted = outputs(net, X, LENGTHS)[0]
    net.hybridize()
    np.testing.assert_allclose(outputs(net, X, LENGTHS)[0], wanted, rtol=1e-6)

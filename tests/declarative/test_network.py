"""Networks of runs: shared encoders, side inputs, sequences, layers of the combiner, padding and gradients."""

import numpy as np
import pytest

from mxnet_audio.declarative.batches import Batch
from mxnet_audio.declarative.config import RunConfig
from mxnet_audio.declarative.encodings import AudioEncoding, NumberEncoding
from mxnet_audio.declarative.label_encodings import BinaryEncoding, CategoryEncoding
from mxnet_audio.declarative.network import make_network
from mxnet_audio.declarative.outputs import OUTPUTS
from mxnet_audio.engine import autograd, mx, nd
from mxnet_audio.errors import ParameterError

FEATURES = {"type": "fbank", "num_filter_bands": 8, "audio_file_length_limit_in_s": 0.4}
ENCODINGS = {
    "clip": AudioEncoding(config={**FEATURES, "sr": 8000}),
    "other": AudioEncoding(config={**FEATURES, "sr": 8000}),
    "level": NumberEncoding(),
    "room": CategoryEncoding(labels=["a", "b", "c"]),
    "flag": BinaryEncoding(labels=["no", "yes"]),
    "label": CategoryEncoding(labels=["low", "high"]),
}
SMALL = {"type": "parallel_cnn", "num_filters": 4, "fc_layers": [{"output_size": 8}]}


def network_of(*inputs, encoder=SMALL, output=(), **sections):
    """Return the initialized network of a configuration with one sound, further inputs and one output."""
    clip = {"name": "clip", "type": "audio", "encoder": encoder, "preprocessing": FEATURES}
    outputs = [{"name": "label", "type": "category", **dict(output)}]
    config = RunConfig(input_features=[clip, *inputs], output_features=outputs, **sections)
    mx.random.seed(0)
    network = make_network(config, ENCODINGS, [OUTPUTS["category"](config.output_features[0], ENCODINGS["label"])], {})
    network.initialize(mx.init.Xavier())
    network.hybridize()
    return network


def outputs_of(network, **inputs):
    """Return the scores and the combined vectors of a batch of sequences or other inputs."""
    batch = Batch(inputs, {}, np.arange(2))
    scores, combined = network(*network.arrays_of(batch, mx.cpu(), mx.cpu()))
    return scores.asnumpy(), combined.asnumpy()


@pytest.fixture
def sequences():
    """Two sequences of 19 steps and their lengths."""
    x = np.random.default_rng(0).normal(size=(2, 19, 8)).astype(np.float32)
    x[1, 12:] = 0
    return x, np.array([19, 12], np.float32)


def test_tied_inputs_share_an_encoder(sequences):
    network = network_of({"name": "other", "type": "audio", "tied": "clip"})
    assert {name.split(".")[1] for name in network._collect_params_with_prefix() if name.startswith("encoders")} == {
        "0"
    }
    _, combined = outputs_of(network, clip=sequences, other=sequences)
    np.testing.assert_array_equal(combined[:, :8], combined[:, 8:])
    other = {"name": "other", "type": "audio", "encoder": SMALL, "preprocessing": FEATURES}
    _, combined = outputs_of(network_of(other), clip=sequences, other=sequences)
    assert not np.allclose(combined[:, :8], combined[:, 8:])


def test_side_inputs_are_joined(sequences):
    network = network_of(
        {"name": "level", "type": "number"},
        {"name": "room", "type": "category", "encoder": {"type": "dense", "embedding_size": 5}},
        {"name": "flag", "type": "binary", "encoder": {"type": "dense", "num_layers": 2, "output_size": 3}},
    )
    level, room, flag = np.array([[0.5], [2.0]]), np.eye(3)[[0, 2]], np.array([[0.0], [1.0]])
    scores, combined = outputs_of(network, clip=sequences, level=level, room=room, flag=flag)
    assert scores.shape == (2, 2) and combined.shape == (2, 8 + 1 + 5 + 3)
    np.testing.assert_array_equal(combined[:, 8], level[:, 0])
    weight = next(value for name, value in network._collect_params_with_prefix().items() if "embedding" in name)
    np.testing.assert_array_equal(combined[:, 9:14], weight.data().asnumpy().T[[0, 2]])


def test_one_hot_categories(sequences):
    network = network_of({"name": "room", "type": "category", "encoder": {"type": "onehot"}})
    _, combined = outputs_of(network, clip=sequences, room=np.eye(3)[[0, 2]])
    np.testing.assert_array_equal(combined[:, 8:], np.eye(3)[[0, 2]])


@pytest.mark.parametrize("kind", ["parallel_cnn", "rnn", "transformer"])
def test_padding_does_not_count(sequences, kind):
    x, lengths = sequences
    encoder = {"type": kind} | ({"hidden_size": 8, "num_heads": 2} if kind == "transformer" else {})
    network = network_of(encoder=encoder)
    scores, _ = outputs_of(network, clip=sequences)
    alone, _ = outputs_of(network, clip=(x[1:, :12], lengths[1:]))
    np.testing.assert_allclose(scores[1:], alone, atol=1e-5)


def test_short_sequences_are_padded_to_the_shortest_input():
    layers = [{"num_filters": 4, "filter_size": 9, "padding": "valid"}]
    network = network_of(encoder={"type": "stacked_cnn", "conv_layers": layers})
    x, lengths = np.ones((2, 3, 8), np.float32), np.array([3, 2], np.float32)
    padded = np.pad(x, ((0, 0), (0, 6), (0, 0)))
    short, _ = outputs_of(network, clip=(x, lengths))
    np.testing.assert_array_equal(short, outputs_of(network, clip=(padded, lengths))[0])


def test_sequences_are_combined_step_by_step_and_reduced(sequences):
    x, _ = sequences
    network = network_of(encoder={"type": "passthrough"}, output={"reduce_input": "mean"})
    scores, combined = outputs_of(network, clip=sequences)
    assert combined.shape == (2, 19, 8)
    dense = network.decoders[0].scores
    means = np.stack([x[0].mean(axis=0), x[1, :12].mean(axis=0)])
    expected = means @ dense.weight.data().asnumpy().T + dense.bias.data().asnumpy()
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    layered = network_of(encoder={"type": "passthrough"}, combiner={"num_fc_layers": 1, "output_size": 5})
    assert outputs_of(layered, clip=sequences)[1].shape == (2, 19, 5)


@pytest.mark.parametrize(("combiner", "output"), [({"flatten_inputs": True}, {}), ({}, {"reduce_input": "concat"})])
def test_sequences_of_any_length_become_one_vector(sequences, combiner, output):
    network = network_of(encoder={"type": "passthrough"}, combiner=combiner, output=output)
    x, lengths = sequences
    scores, _ = outputs_of(network, clip=sequences)
    alone, _ = outputs_of(network, clip=(x[1:, :12], lengths[1:]))
    np.testing.assert_allclose(scores[1:], alone, atol=1e-5)


def test_layers_of_the_combiner(sequences):
    plain = network_of(combiner={"fc_layers": [{"output_size": 6}, {"output_size": 6, "activation": "tanh"}]})
    shapes = [value.shape for name, value in plain._collect_params_with_prefix().items() if "combiner" in name]
    assert shapes == [(6, 8), (6,), (6, 6), (6,)]
    residual = network_of(combiner={"num_fc_layers": 2, "output_size": 6, "residual": True})
    for parameter in residual.combiner.layers[1].collect_params().values():
        parameter.set_data(nd.zeros(parameter.shape))
    _, combined = outputs_of(residual, clip=sequences)
    assert combined.any()  # the second layer gives 0, to which its input is added


def test_all_parameters_are_trained(sequences):
    network = network_of(
        {"name": "room", "type": "category"},
        combiner={"num_fc_layers": 1},
        output={"decoder": {"num_fc_layers": 1, "fc_output_size": 4, "fc_norm": "batch"}},
    )
    batch = Batch({"clip": sequences, "room": np.eye(3)[[0, 2]]}, {}, np.arange(2))
    with autograd.record():
        scores, _ = network(*network.arrays_of(batch, mx.cpu(), mx.cpu()))
        loss = scores.square().sum()
    loss.backward()
    parameters = network._collect_params_with_prefix().items()
    assert all(value.data()._fresh_grad for _, value in parameters if value.grad_req != "null")


def test_layers_that_do_not_fit_the_sounds_are_refused():
    layers = [{"filter_size": 30, "padding": "valid"}]
    with pytest.raises(ParameterError, match="clip"):
        network_of(encoder={"type": "stacked_cnn", "conv_layers": layers})


@pytest.mark.parametrize(
    ("encoder", "sections"),
    [
        ({"type": "parallel_cnn", "num_filters": 65536, "num_fc_layers": 1, "output_size": 65536}, {}),
        ({"type": "passthrough"}, {"combiner": {"flatten_inputs": True, "fc_layers": [{"output_size": 65536}] * 2}}),
    ],
    ids=["encoder", "combiner"],
)
def test_networks_that_do_not_fit_in_memory_are_refused(encoder, sections):
    with pytest.raises(ParameterError, match="weights"):
        network_of(encoder=encoder, **sections)

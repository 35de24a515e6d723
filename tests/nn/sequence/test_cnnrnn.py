"""Tests of the encoder of convolutions and recurrent layers."""

import numpy as np
import pytest

from mxnet_audio.engine import autograd, nd
from mxnet_audio.errors import ParameterError
from mxnet_audio.nn.sequence import CNNRNN, RNN
from mxnet_audio.nn.sequence.base import REDUCTIONS
from mxnet_audio.nn.sequence.rnn import GATES
from tests.nn.sequence.encoder_checks import (
    assert_gradients,
    assert_onnx_gives_the_same,
    assert_padding_does_not_count,
    behind,
    learned,
    random_block,
)

BANDS, STEPS = 3, 20
LENGTHS = np.array([20, 7, 13])
X = np.random.default_rng(0).normal(0, 1, (3, STEPS, BANDS)).astype(np.float32)
TINY = {"num_filters": 4, "filter_size": 3, "state_size": 5, "bidirectional": True}


def test_defaults():
    block = CNNRNN(80, 375)
    convolutions = 256 * 80 * 5 + 256 + 256 * 256 * 5 + 256
    assert sum(learned(block).values()) == convolutions + 256 * 256 + 256 * 256 + 2 * 256
    assert (block.output_dim, block.output_steps) == (256, 125)


@pytest.mark.parametrize("cell_type", GATES)
def test_numbers_of_parameters(cell_type):
    block = CNNRNN(BANDS, STEPS, cell_type=cell_type, num_conv_layers=2, num_rec_layers=2, num_fc_layers=1, **TINY)
    convolutions = 4 * BANDS * 3 + 4 + 4 * 4 * 3 + 4
    recurrent = 2 * GATES[cell_type] * (5 * 4 + 5 * 5 + 2 * 5 + 5 * 10 + 5 * 5 + 2 * 5)
    assert sum(learned(block).values()) == convolutions + recurrent + 10 * 256 + 256
    assert block.output_steps == 5  # each layer has pools of 2


def test_it_is_the_recurrence_of_the_convolutions():
    block = CNNRNN(BANDS, STEPS, cell_type="gru", **TINY)
    random_block(block)
    states, lengths = block.body.convolutions(nd.array(X), nd.array(LENGTHS))
    assert states.shape == (3, 7, 4) and lengths.asnumpy().tolist() == [7, 3, 5]
    rnn = RNN(4, 7, cell_type="gru", state_size=5, bidirectional=True)
    rnn.initialize()
    for name, one in rnn._collect_params_with_prefix().items():
        one.set_data(block._collect_params_with_prefix()[name.replace("body.", "body.recurrence.")].data())
    np.testing.assert_array_equal(rnn(states, lengths).asnumpy(), block(nd.array(X), nd.array(LENGTHS)).asnumpy())


@pytest.mark.parametrize(
    ("reduce_output", "norm"), [*((one, None) for one in REDUCTIONS), (None, "layer"), ("last", "layer")], ids=str
)
def test_padding_does_not_count(reduce_output, norm):
    block = CNNRNN(BANDS, STEPS, cell_type="lstm", reduce_output=reduce_output, norm=norm, num_fc_layers=1, **TINY)
    random_block(block)
    assert_padding_does_not_count(block, X, LENGTHS, block.min_steps)


def test_padding_does_not_count_with_a_batch_norm():
    """Other sequences of a batch count in training, but what is behind the ends does not."""
    found = []
    for value in (0, 1e4):
        block = CNNRNN(BANDS, STEPS, norm="batch", num_fc_layers=1, **TINY)
        random_block(block)
        x, lengths = nd.array(behind(X, LENGTHS, value)), nd.array(LENGTHS)
        before = block(x, lengths).asnumpy()
        with autograd.record():
            trained = block(x, lengths)
        trained.backward()
        found.append(np.stack([trained.asnumpy(), block(x, lengths).asnumpy()]))
        assert np.abs(found[-1] - before).max() > 0.01  # by the statistics of this batch
    np.testing.assert_allclose(*found, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("options", [{}, {"norm": "layer", "conv_layers": [{"activation": "tanh"}]}], ids=str)
def test_gradients(options):
    block = CNNRNN(BANDS, STEPS, cell_type="gru", **options, **TINY)
    random_block(block)
    assert_gradients(block, X, LENGTHS)


@pytest.mark.parametrize("cell_type", GATES)
def test_onnx(cell_type):
    block = CNNRNN(BANDS, STEPS, cell_type=cell_type, norm="batch", conv_dropout=0.2, num_fc_layers=1, **TINY)
    random_block(block)
    assert_onnx_gives_the_same(block, X, LENGTHS)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"conv_layers": [{}], "num_conv_layers": 1}, "conv_layers and num_conv_layers"),
        ({"conv_layers": [{"filtersize": 1}]}, r"conv_layers\[0\].*filter_size"),
        ({"conv_activation": "rleu"}, r"^conv_activation.*relu"),
        ({"conv_dropout": 1}, "^conv_dropout"),
        ({"filter_size": 21, "padding": "valid"}, "filter of 21 steps"),
        ({"num_rec_layers": 0}, "^num_rec_layers"),
        ({"dropout": 1}, "^dropout"),
        ({"activation": "sigmoid"}, "^activation of rnn"),
    ],
)
def test_bad_parameters(parameters, message):
    with pytest.raises(ParameterError, match=message):
        CNNRNN(BANDS, STEPS, **parameters)

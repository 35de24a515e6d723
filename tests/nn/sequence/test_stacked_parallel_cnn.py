"""Tests of the encoder of stacks of parallel convolutions."""

import numpy as np
import pytest

from mxnet_audio.errors import ParameterError
from mxnet_audio.nn.sequence import StackedParallelCNN
from mxnet_audio.nn.sequence.base import REDUCTIONS
from tests.nn.sequence.encoder_checks import (
    assert_gradients,
    assert_onnx_gives_the_same,
    assert_padding_does_not_count,
    learned,
    random_block,
)

BANDS, STEPS = 3, 9
LENGTHS = np.array([9, 1, 4])
X = np.random.default_rng(0).normal(0, 1, (3, STEPS, BANDS)).astype(np.float32)
TINY = {"num_filters": 1, "fc_layers": [{"output_size": 3}]}


def test_default_shapes_and_numbers_of_parameters():
    encoder = StackedParallelCNN(80, 375)
    assert (encoder.output_dim, encoder.output_steps) == (256, 375)
    counts = learned(encoder)
    for stack, channels in enumerate((80, 1024, 1024)):
        for layer, size in enumerate((2, 3, 4, 5)):
            assert counts.pop(f"body.stages.{stack}.{layer}.conv.weight") == 256 * channels * size
            assert counts.pop(f"body.stages.{stack}.{layer}.conv.bias") == 256
    assert list(counts.values()) == [512 * 1024, 512, 256 * 512, 256]


def test_lists_of_lists_and_their_number():
    encoder = StackedParallelCNN(BANDS, STEPS, num_stacked_layers=2, num_filters=2, num_fc_layers=0)
    assert sum(learned(encoder).values()) == 2 * 3 * 14 + 8 + 2 * 8 * 14 + 8
    stacks = [[{}], [{"filter_size": 5, "num_filters": 4}, {"filter_size": 1}]]
    encoder = StackedParallelCNN(BANDS, STEPS, stacked_layers=stacks, num_filters=2, reduce_output=None)
    assert list(learned(encoder).values()) == [2 * 3 * 3, 2, 4 * 2 * 5, 4, 2 * 2 * 1, 2]
    assert encoder.output_dim == 6


def test_pools_are_those_of_the_last_stack():
    assert StackedParallelCNN(BANDS, STEPS, pool_size=2, reduce_output=None, **TINY).output_steps == 4
    stacks = [[{"pool_size": 2}], [{}]]
    assert StackedParallelCNN(BANDS, STEPS, stacked_layers=stacks, pool_size=2, **TINY).output_steps == 2


@pytest.mark.parametrize(
    ("reduction", "sizes"), [*((one, {"num_stacked_layers": 1}) for one in REDUCTIONS), (None, {})]
)
def test_padding_does_not_count(reduction, sizes):
    encoder = StackedParallelCNN(BANDS, STEPS, reduce_output=reduction, pool_size=1, norm="layer", **sizes, **TINY)
    random_block(encoder, 0.3)
    assert_padding_does_not_count(encoder, X, LENGTHS)


def test_onnx():
    encoder = StackedParallelCNN(BANDS, STEPS, **TINY)
    random_block(encoder, 0.3)
    assert_onnx_gives_the_same(encoder, X, LENGTHS)


def test_gradients():
    stacks = [[{"filter_size": 2}, {"filter_size": 3}], [{"filter_size": 4}, {"filter_size": 3}]]
    pools = {"pool_size": 2, "pool_function": "mean"}
    encoder = StackedParallelCNN(BANDS, STEPS, stacked_layers=stacks, activation="tanh", **pools, **TINY)
    random_block(encoder, 0.3)
    assert_gradients(encoder, X, LENGTHS)


@pytest.mark.parametrize(
    ("parameters", "match"),
    [
        ({"stacked_layers": [[{}]], "num_stacked_layers": 1}, "stacked_layers and num_stacked_layers"),
        ({"stacked_layers": [{"filter_size": 2}]}, r"stacked_layers\[0\] must be a list"),
        ({"stacked_layers": [[{}], []]}, r"stacked_layers\[1\] must be a list"),
        ({"stacked_layers": [[{}], [{}, {"filters": 2}]]}, r"stacked_layers\[1\]\[1\]\.filters: .* num_filters\?"),
        ({"stacked_layers": [[{}, {"strides": 2}]]}, r"stacked_layers\[0\]\[0\] to stacked_layers\[0\]\[1\]"),
        ({"num_stacked_layers": 0}, "num_stacked_layers"),
        ({"pool_size": 10}, r"stacked_layers\[2\]\[0\]: a pool of 10"),
    ],
)
def test_bad_parameters(parameters, match):
    with pytest.raises(ParameterError, match=match):
        StackedParallelCNN(BANDS, STEPS, **parameters)

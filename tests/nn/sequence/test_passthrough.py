"""Tests of the encoder without layers."""

import numpy as np
import pytest

from mxnet_audio.engine import autograd, nd
from mxnet_audio.errors import ParameterError
from mxnet_audio.nn.sequence import Passthrough
from mxnet_audio.nn.sequence.base import REDUCTIONS
from tests.nn.sequence.encoder_checks import assert_onnx_gives_the_same, assert_padding_does_not_count

BANDS, STEPS = 3, 6
LENGTHS = np.array([6, 1, 4])
X = np.random.default_rng(0).normal(0, 1, (3, STEPS, BANDS)).astype(np.float32)


def test_there_is_nothing_to_learn():
    encoder = Passthrough(BANDS, STEPS)
    assert not encoder._collect_params_with_prefix()
    assert (encoder.output_dim, encoder.output_steps, encoder.min_steps, encoder.reduce_output) == (3, 6, 1, None)
    assert Passthrough(BANDS, STEPS, encoding_size=3, reduce_output="concat").output_dim == 18


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_padding_does_not_count(reduction):
    encoder = Passthrough(BANDS, STEPS, reduce_output=reduction)
    assert_padding_does_not_count(encoder, X, LENGTHS)
    if reduction is not None:
        assert_onnx_gives_the_same(encoder, X, LENGTHS)


def test_gradients_end_with_the_sequences():
    x = nd.array(X)
    x.attach_grad()
    with autograd.record():
        loss = Passthrough(BANDS, STEPS)(x, nd.array(LENGTHS))[0].sum()
    loss.backward()
    np.testing.assert_array_equal(x.grad.asnumpy()[:, :, 0], np.arange(STEPS) < LENGTHS[:, None])


@pytest.mark.parametrize("size", [4, 0, True, "3", np.array([3, 3])], ids=str)
def test_the_encoding_size_is_that_of_the_vectors(size):
    with pytest.raises(ParameterError, match=r"^encoding_size must be"):
        Passthrough(BANDS, STEPS, encoding_size=size)

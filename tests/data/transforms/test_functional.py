"""Crops and normalization as functions."""

import random

import numpy as np
import pytest

from mxnet_audio import data
from mxnet_audio.data import transforms
from mxnet_audio.data.transforms import center_crop, norm_audio, random_crop
from mxnet_audio.engine import nd
from mxnet_audio.errors import InvalidAudioError, ParameterError

KINDS = pytest.mark.parametrize("kind", [np.asarray, nd.array], ids=["numpy", "ndarray"])


def values(x):
    return x.asnumpy() if isinstance(x, nd.NDArray) else x


@KINDS
@pytest.mark.parametrize("crop", [center_crop, random_crop])
def test_crops_are_pieces_of_the_same_kind(kind, crop):
    x = kind(np.stack([np.arange(10.0), -np.arange(10.0)]))
    y = crop(x, 4)
    assert type(y) is type(x) and y.shape == (2, 4)
    y = values(y)
    np.testing.assert_array_equal(y[0], y[0, 0] + np.arange(4))
    np.testing.assert_array_equal(y[1], -y[0])
    np.testing.assert_array_equal(values(crop(x[0], 10)), np.arange(10))


def test_center_crops_are_the_middle():
    for n, start in ((10, 3), (11, 3), (12, 4)):
        assert center_crop(np.arange(n), 4).tolist() == list(range(start, start + 4))


def test_random_crops_start_everywhere_by_pythons_draws():
    assert {random_crop(np.arange(6), 3)[0] for _ in range(200)} == {0, 1, 2, 3}
    random.seed(3)
    starts = [random_crop(np.arange(100), 10)[0] for _ in range(5)]
    random.seed(3)
    assert starts == [random.randint(0, 90) for _ in range(5)]


@KINDS
def test_norm_audio_subtracts_the_mean_and_divides_by_the_deviation(kind):
    x = kind(np.array([1.0, 3.0], np.float32))
    y = norm_audio(x, mean=1, std=2)
    assert type(y) is type(x) and y.dtype == np.float32 and values(y).tolist() == [0, 1]
    expected = (values(x) - 6.151717314181507e-05) / 0.06391325364253263
    np.testing.assert_allclose(values(norm_audio(x)), expected, rtol=1e-6)


@pytest.mark.parametrize("crop", [center_crop, random_crop])
def test_wrong_lengths_are_refused(crop):
    with pytest.raises(InvalidAudioError, match=r"\b3\b.*\b4\b"):
        crop(np.arange(3), 4)
    for length in (0, 2.5, None):
        with pytest.raises(ParameterError, match="crop_length"):
            crop(np.arange(3), length)


def test_functions_are_names_of_both_packages():
    for name in ("center_crop", "norm_audio", "random_crop"):
        assert getattr(data, name) is getattr(transforms, name)

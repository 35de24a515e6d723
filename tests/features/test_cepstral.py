"""MFCC and deltas against librosa, over a sweep of parameters."""

import librosa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mxnet_audio import features
from mxnet_audio.errors import FeatureError
from mxnet_audio.features.cepstral import check_delta

BASE = {"sr": 12000, "n_fft": 512, "hop_length": 256, "n_mels": 40}


def noise(*shape):
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("lifter", [0, 22, 3.5])
@pytest.mark.parametrize("dct_norm", ["ortho", None])
@pytest.mark.parametrize("dct_type", [1, 2, 3, 4])
@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"sr": 22050, "n_fft": 2048, "hop_length": 512, "n_mels": 128},
        {"n_mfcc": 40},
        {"n_mfcc": 1},
        {"n_mfcc": 13, "htk": True, "norm": None, "fmin": 100, "fmax": 5000},
    ],
    ids=str,
)
def test_mfcc_equals_librosas_within_1e_5_of_the_largest(changed, dct_type, dct_norm, lifter):
    kwargs = {"n_mfcc": 20} | BASE | changed
    y = noise(9000) * np.linspace(1e-6, 1, 9000, dtype=np.float32)
    theirs = {("mel_norm" if key == "norm" else key): value for key, value in kwargs.items()}
    want = librosa.feature.mfcc(y=y, dct_type=dct_type, norm=dct_norm, lifter=lifter, **theirs)
    got = features.mfcc(y, dct_type=dct_type, dct_norm=dct_norm, lifter=lifter, **kwargs)
    assert got.dtype == np.float32 and got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-5 * np.abs(want).max())


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("width", [5, 9, 35])
def test_delta_equals_librosas_within_1e_5(width, order):
    x = noise(2, 20, 35)
    want = librosa.feature.delta(x, width=width, order=order)
    got = features.delta(x, width=width, order=order)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-5)


def test_deltas_are_stacked_below_their_coefficients_within_1e_3():
    y = noise(9000)
    kwargs = BASE | {"n_mfcc": 13}
    want = librosa.feature.mfcc(y=y, **kwargs)
    orders = [librosa.feature.delta(want, width=5, order=order) for order in (1, 2)]
    got = features.mfcc(y, deltas=2, delta_width=5, **kwargs)
    np.testing.assert_allclose(got, np.concatenate([want, *orders]), rtol=0, atol=1e-3)


def test_a_batch_equals_its_items_within_1e_4():
    y = noise(2, 3, 6000) * np.array([1, 1e-3, 1e-6], np.float32)[:, None]
    batch = features.mfcc(y, **BASE, deltas=1)
    assert batch.shape == (2, 3, 40, 24)
    for index in np.ndindex(2, 3):
        np.testing.assert_allclose(batch[index], features.mfcc(y[index], **BASE, deltas=1), rtol=0, atol=1e-4)


@given(slope=st.floats(-10, 10), start=st.floats(-10, 10), width=st.sampled_from([3, 5, 9]))
@settings(max_examples=30, deadline=None)
def test_the_delta_of_a_line_is_its_slope_up_to_both_ends_within_1e_4(slope, start, width):
    x = (start + slope * np.arange(12)).astype(np.float32)
    np.testing.assert_allclose(features.delta(x, width=width), slope, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    "wrong, named",
    [
        ({"n_mfcc": 41}, r"n_mfcc .*40.*41"),
        ({"n_mfcc": 0}, "n_mfcc"),
        ({"dct_type": 5}, "dct_type"),
        ({"dct_norm": "l2"}, "dct_norm"),
        ({"dct_type": 1, "n_mels": 1, "n_mfcc": 1}, "dct_type 1"),
        ({"lifter": -1}, "lifter"),
        ({"deltas": 1, "delta_width": 4}, "delta_width .*4"),
        ({"deltas": 5, "delta_width": 5}, "deltas .*5"),
        ({"deltas": 1, "delta_width": 37}, r"delta_width \(37\) .*\(36\)"),
    ],
    ids=str,
)
def test_wrong_parameters_are_named(wrong, named):
    with pytest.raises(FeatureError, match=named):
        features.mfcc(noise(9000), **(BASE | wrong))


def test_an_unknown_number_of_frames_passes():
    check_delta(9, 1, None)
    with pytest.raises(FeatureError, match="frames"):
        features.delta(np.float32(1))

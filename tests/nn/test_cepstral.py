"""Tests of DCT1D against SciPy, and of MFCC against librosa in float64, within 1e-4 of each item's peak."""

import librosa
import numpy as np
import pytest
import scipy.fft

from mxnet_audio.engine import autograd, nd
from mxnet_audio.errors import FeatureError
from mxnet_audio.nn import DCT1D, MFCC


@pytest.mark.parametrize("hybridize", [True, False])
@pytest.mark.parametrize("shape", [(3, 20), (2, 1, 5, 33)])
@pytest.mark.parametrize("norm", [None, "ortho"])
@pytest.mark.parametrize("mode", [1, 2, 3, 4])
def test_dct_equals_scipy_within_1e_5_of_the_peak(mode, norm, shape, hybridize, assert_close, run):
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    got = run(DCT1D(mode, shape[-1], norm), x, hybridize)
    assert_close(got, scipy.fft.dct(x.astype(np.float64), type=mode, norm=norm), 1e-5)


def test_dct_gradient_is_the_transpose_within_1e_5():
    block = DCT1D(N=12)
    block.initialize()
    x = nd.ones((1, 12))
    x.attach_grad()
    with autograd.record():
        out = block(x)
    out.backward(nd.arange(12).reshape((1, 12)))
    want = scipy.fft.dct(np.eye(12), axis=0).T @ np.arange(12)
    np.testing.assert_allclose(x.grad.asnumpy()[0], want, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({"mode": 5, "N": 4}, "mode.*5"),
        ({"norm": "forward", "N": 4}, "norm.*'forward'"),
        ({}, "N"),
        ({"N": 0}, "N .*1.* 0"),
        ({"mode": 1, "N": 1}, "N .*2.* 1"),
    ],
)
def test_dct_names_a_bad_argument(kwargs, match):
    with pytest.raises(FeatureError, match=match):
        DCT1D(**kwargs)


@pytest.mark.parametrize("hybridize", [True, False])
@pytest.mark.parametrize(
    "kwargs",
    [
        {},
        {"n_mfcc": 13, "n_mels": 40, "fmin": 100.0, "fmax": 5000.0},
        {"dct_type": 3, "norm": None, "htk": True},
        {"n_mfcc": 40, "n_mels": 40, "mel_norm": None, "win_length": 400, "window": "hamming", "center": False},
        {"power": 1.0, "pad_mode": "reflect", "hop_length": 100},
    ],
)
def test_mfcc_equals_librosa_within_1e_4_of_the_peak(kwargs, hybridize, sound, assert_close, run):
    kwargs = {"sr": 12000, "n_fft": 512, "hop_length": 256, "n_mels": 64} | kwargs
    y = sound(6000)
    want = [librosa.feature.mfcc(y=item.astype(np.float64), **kwargs).T[None] for item in y]  # the peak of each item
    assert_close(run(MFCC(6000, **kwargs), y, hybridize), want)


def test_mfcc_of_silence_has_a_finite_gradient():
    block = MFCC(1500, n_fft=256, hop_length=96, n_mels=20)
    block.initialize()
    x = nd.zeros((1, 1500))
    x.attach_grad()
    with autograd.record():
        out = block(x)
    out.backward()
    assert np.isfinite(x.grad.asnumpy()).all()


@pytest.mark.parametrize(("n_mfcc", "match"), [(0, "n_mfcc .*1.* 0"), (129, "n_mfcc .*n_mels .*128.* 129")])
def test_mfcc_names_a_bad_argument(n_mfcc, match):
    with pytest.raises(FeatureError, match=match):
        MFCC(12000, n_mfcc=n_mfcc)

"""Tests of SincConv1D against the formula of the paper in float64 NumPy."""

import numpy as np
import pytest
import scipy.signal

from mxnet_audio.engine import autograd, nd
from mxnet_audio.errors import FeatureError
from mxnet_audio.nn import SincConv1D


def paper_filters(low, high, size, sr):
    """Compute 2 f2 sinc(2 pi f2 n) - 2 f1 sinc(2 pi f1 n), windowed; cut-off frequencies in Hz."""
    n = np.arange(size) - size // 2
    f1, f2 = np.asarray(low, np.float64)[:, None] / sr, np.asarray(high, np.float64)[:, None] / sr
    g = 2 * f2 * np.sinc(2 * f2 * n) - 2 * f1 * np.sinc(2 * f1 * n)  # NumPy's sinc includes the pi
    return g * np.hamming(size) / (2 * (f2 - f1))


def paper_outputs(x, filters, stride=1):
    """Correlate every item with every filter."""
    return np.array([[np.correlate(item[0], f, "valid")[::stride] for f in filters] for item in x.astype(np.float64)])


@pytest.mark.parametrize("hybridize", [True, False])
@pytest.mark.parametrize(
    ("channels", "size", "sr", "stride"),
    [(80, 251, 16000, 1), (10, 64, 8000, 3), (3, 3, 44100, 1), (1, 1025, 22050, 50)],
)
def test_output_equals_the_formula_of_the_paper_within_1e_4_of_the_peak(
    channels, size, sr, stride, hybridize, sound, assert_close, run
):
    x = sound(3000)[:, None]
    block = SincConv1D(channels, size, sr, stride=stride)
    got = run(block, x, hybridize)
    assert_close(got, paper_outputs(x, paper_filters(*block.cutoffs(), size | 1, sr), stride))


def test_initial_bands_are_adjacent_and_equally_wide_in_mel():
    block = SincConv1D(40, 251, 16000)
    block.initialize()
    low = block.cutoffs()[0].astype(np.float64) - 50
    high = low + block.band.data().asnumpy()[:, 0] * 16000.0
    np.testing.assert_allclose(low[1:], high[:-1], rtol=1e-4)
    assert low[0] == pytest.approx(30, abs=0.01) and high[-1] == pytest.approx(7900, abs=0.01)
    mel = 2595 * np.log10(1 + np.append(low, high[-1]) / 700)
    np.testing.assert_allclose(np.diff(mel), np.diff(mel).mean(), rtol=1e-4)


def test_filters_pass_their_band_alone():
    block = SincConv1D(8, 501, 16000)
    block.initialize()
    impulse = nd.zeros((1, 1, 1001))
    impulse[0, 0, 500] = 1
    filters = block(impulse).asnumpy()[0]
    for response, low, high in zip(filters, *block.cutoffs()):
        hz, gain = scipy.signal.freqz(response, worN=4096, fs=16000)
        gain = 20 * np.log10(np.abs(gain) * 2 * (high - low) / 16000 + 1e-9)
        inside = (hz > low + 60) & (hz < high - 60)
        assert np.abs(gain[inside]).max(initial=0) < 0.1  # dB
        assert gain[(hz < low - 60) | (hz > high + 60)].max(initial=-90) < -40


def test_cutoffs_stay_in_range_for_any_parameters(run):
    block = SincConv1D(4, 31, 16000)
    block.initialize()
    block.low.set_data(nd.array([[-0.1], [7.0], [0.0], [0.4999]]))
    block.band.set_data(nd.array([[-0.1], [7.0], [0.0], [0.0]]))
    low, high = block.cutoffs()
    np.testing.assert_allclose(low, [1650, 7950, 50, 7950], rtol=1e-5)
    np.testing.assert_allclose(high, [3300, 8000, 100, 8000], rtol=1e-5)
    assert np.isfinite(block(nd.ones((1, 1, 100))).asnumpy()).all()


def test_gradients_equal_finite_differences_in_float64_within_1e_3(sound):
    sr, size = 8000, 63
    y = sound(400)[:, None]
    block = SincConv1D(5, size, sr)
    block.initialize()
    block.hybridize()
    x = nd.array(y)
    x.attach_grad()
    rng = np.random.default_rng(0)
    with autograd.record():
        out = block(x)
        weights = rng.standard_normal(out.shape)
        (out * nd.array(weights)).sum().backward()
    low, band = (p.data().asnumpy()[:, 0].astype(np.float64) for p in (block.low, block.band))

    def loss(x, low, band):
        f1 = 50 + np.abs(low) * sr
        return (weights * paper_outputs(x, paper_filters(f1, f1 + 50 + np.abs(band) * sr, size, sr))).sum()

    point = (y.astype(np.float64), low, band)
    grads = (x.grad, block.low.grad(), block.band.grad())
    for index, grad in enumerate(grads):
        step = 1e-6 * rng.standard_normal(point[index].shape)
        ahead, back = ([p + sign * step if i == index else p for i, p in enumerate(point)] for sign in (1, -1))
        slope = (loss(*ahead) - loss(*back)) / 2
        assert np.vdot(grad.asnumpy().reshape(step.shape), step) == pytest.approx(slope, rel=1e-3)


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({"channels": 0}, "channels"),
        ({"kernel_size": 2}, "kernel_size"),
        ({"stride": 0}, "stride"),
        ({"sample_rate": 200}, "sample_rate.*200"),
        ({"min_band_hz": 0}, "min_band_hz"),
        ({"min_low_hz": -1}, "min_low_hz"),
        ({"dtype": "float16"}, "dtype.*float16"),
    ],
)
def test_a_bad_argument_is_named(kwargs, match):
    with pytest.raises(FeatureError, match=match):
        SincConv1D(**{"channels": 8, "kernel_size": 31, "sample_rate": 16000} | kwargs)

"""Tests of STFTBlock and MelSpectrogram against librosa in float64, within 1e-4 of each item's peak."""

import librosa
import numpy as np
import pytest

from mxnet_audio import features
from mxnet_audio.engine import autograd, nd
from mxnet_audio.errors import FeatureError
from mxnet_audio.nn import MelSpectrogram, STFTBlock


def librosa_stft(y, power=1.0, **kwargs):
    """Compute librosa's magnitudes in float64, in the layout of the block."""
    return (np.abs(librosa.stft(y.astype(np.float64), **kwargs)) ** power).swapaxes(-1, -2)[:, None]


@pytest.mark.parametrize("hybridize", [True, False])
@pytest.mark.parametrize(
    ("samples", "kwargs"),
    [
        (4000, {"n_fft": 512, "hop_length": 256}),
        (4000, {"n_fft": 512, "hop_length": 160, "win_length": 400}),
        (4096, {"n_fft": 512, "hop_length": 512, "window": "hamming"}),
        (4001, {"n_fft": 512, "hop_length": 700}),
        (3001, {"n_fft": 512, "hop_length": 101, "window": "blackman"}),  # gcd 1
        (3000, {"n_fft": 501, "hop_length": 100, "win_length": 333}),  # odd
        (3000, {"n_fft": 1000, "hop_length": 250, "center": False}),
        (1000, {"n_fft": 1000, "hop_length": 250, "center": False}),  # one frame
        (2999, {"n_fft": 256, "hop_length": 96, "win_length": 201, "window": "bartlett", "center": False}),
        (100, {"n_fft": 512, "hop_length": 128}),  # shorter than a frame
        (3000, {"n_fft": 512, "hop_length": 128, "pad_mode": "reflect"}),
        (2500, {"n_fft": 2048, "hop_length": 300, "pad_mode": "reflect", "window": "hamming"}),
        (9000, {"n_fft": 2048}),  # the default hop_length, a quarter of the window
        (9000, {"n_fft": 2048, "win_length": 1200}),
    ],
)
def test_stft_equals_librosa_within_1e_4_of_the_peak(samples, kwargs, hybridize, sound, assert_close, run):
    y = sound(samples)
    assert_close(run(STFTBlock(samples, **kwargs), y, hybridize), librosa_stft(y, **kwargs))


@pytest.mark.parametrize("power", [0.5, 1.0, 1.7, 2.0, 3.0])
def test_stft_of_any_power_equals_librosa_within_1e_4_of_the_peak(power, sound, assert_close, run):
    y = sound(3000)
    block = STFTBlock(3000, n_fft=512, hop_length=128, power=power)
    assert_close(run(block, y), librosa_stft(y, power, n_fft=512, hop_length=128))


def test_stft_drops_the_last_bin_on_request_alone(sound, assert_close, run):
    y = sound(3000)
    whole = run(STFTBlock(3000, 512, 128), y)
    dropped = run(STFTBlock(3000, 512, 128, drop_last_bin=True), y)
    assert whole.shape == (2, 1, 24, 257)
    assert_close(dropped, whole[..., :256], 1e-5)


@pytest.mark.parametrize("pad_mode", ["constant", "reflect"])  # reflection is for center=True alone
def test_stft_pads_with_zeros_on_request(pad_mode, sound, assert_close, run):
    y = sound(3000)
    kwargs = {"n_fft": 512, "hop_length": 160, "center": False}
    want = librosa_stft(np.pad(y, [(0, 0), (56, 56)]), **kwargs)
    assert_close(run(STFTBlock(3000, pad=56, pad_mode=pad_mode, **kwargs), y), want)


def test_stft_equals_features_within_1e_4_of_the_peak(sound, assert_close, run):
    y = sound(5000)
    kwargs = {"n_fft": 400, "hop_length": 160, "win_length": 300, "window": "hamming"}
    assert_close(run(STFTBlock(5000, **kwargs), y)[:, 0].swapaxes(1, 2), np.abs(features.stft(y, **kwargs)))


@pytest.mark.parametrize(
    "kwargs",
    [
        {},
        {"n_mels": 40, "fmin": 100.0, "fmax": 4000.0},
        {"n_mels": 64, "htk": True, "norm": None},
        {"n_mels": 64, "norm": None, "power": 1.0},
        {"n_mels": 32, "win_length": 400, "window": "hamming", "center": False, "power": 1.3},
        {"n_mels": 32, "n_fft": 1024, "hop_length": 333, "pad_mode": "reflect", "htk": True},
    ],
)
def test_mel_equals_librosa_and_features_within_1e_4_of_the_peak(kwargs, sound, assert_close, run):
    kwargs = {"sr": 12000, "n_fft": 512, "hop_length": 256, "n_mels": 96} | kwargs
    y = sound(6000)
    got = run(MelSpectrogram(6000, **kwargs), y)
    want = librosa.feature.melspectrogram(y=y.astype(np.float64), **kwargs)
    assert_close(got, want.swapaxes(-1, -2)[:, None])
    if "pad_mode" not in kwargs:
        assert_close(got[:, 0].swapaxes(1, 2), features.melspectrogram(y, **kwargs))


def test_mel_can_drop_the_last_bin(sound, assert_close, run):
    y = sound(8000)
    got = run(MelSpectrogram(8000, pad_mode="reflect", drop_last_bin=True), y)
    filters = librosa.filters.mel(sr=16000, n_fft=2048)[:, :1024]
    assert_close(got, librosa_stft(y, 2.0, hop_length=512, pad_mode="reflect")[..., :1024] @ filters.T)


@pytest.mark.parametrize("pad_mode", ["constant", "reflect"])
@pytest.mark.parametrize("power", [1.0, 1.5, 2.0])
def test_gradient_equals_finite_differences_in_float64_within_1e_3(power, pad_mode, sound):
    y = sound(1500)
    kwargs = {"n_fft": 256, "hop_length": 96, "pad_mode": pad_mode}
    block = STFTBlock(1500, power=power, **kwargs)
    block.initialize()
    block.hybridize()
    x = nd.array(y)
    x.attach_grad()
    rng = np.random.default_rng(1)
    with autograd.record():
        out = block(x)
        weights = rng.uniform(size=out.shape)
        (out * nd.array(weights)).sum().backward()

    def loss(samples):
        return (weights * librosa_stft(samples, power, **kwargs)).sum()

    for _ in range(3):
        step = rng.standard_normal(y.shape) * 1e-5
        slope = (loss(y + step) - loss(y - step)) / 2
        assert np.vdot(x.grad.asnumpy().astype(np.float64), step) == pytest.approx(slope, rel=1e-3)


@pytest.mark.parametrize("power", [0.5, 1.0, 1.5, 2.0])
def test_silence_is_zero_and_has_a_finite_gradient(power):
    block = MelSpectrogram(1500, n_fft=256, hop_length=96, power=power, n_mels=20)
    block.initialize()
    x = nd.zeros((1, 1500))
    x.attach_grad()
    with autograd.record():
        out = block(x)
    out.backward()
    assert np.abs(out.asnumpy()).max() < 1e-7
    assert np.isfinite(x.grad.asnumpy()).all()


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({"audio_length": 0}, "audio_length .*1.* 0"),
        ({"n_fft": 1}, "n_fft .*2.* 1"),
        ({"hop_length": 0}, "hop_length .*1.* 0"),
        ({"hop_length": 160.5}, r"hop_length .*160\.5"),
        ({"win_length": 0}, "win_length .*1.* 0"),
        ({"win_length": 3}, "hop_length .*1.* 0"),  # a quarter of the window
        ({"win_length": 2049}, "(?=.*win_length)(?=.*2049)(?=.*n_fft).*2048"),
        ({"window": "hat"}, "window.*'hat'"),
        ({"power": 0}, "power"),
        ({"pad_mode": "edge"}, "pad_mode.*'edge'"),
        ({"audio_length": 1024, "pad_mode": "reflect"}, "reflect.*1024"),
        ({"audio_length": 2047, "center": False}, "(?=.*audio_length)(?=.*n_fft)(?=.*2047).*2048"),
        ({"audio_length": 1999, "center": False, "pad": 24}, "(?=.*audio_length)(?=.*n_fft)(?=.*2000).*1999"),
        ({"pad": -1, "center": False}, "pad .*0, got -1"),
        ({"pad": 8}, "pad .*center.*got 8"),
        ({"layout": "librosa"}, "layout.*'librosa'"),
    ],
)
def test_stft_names_a_bad_argument(kwargs, match):
    with pytest.raises(FeatureError, match=match):
        STFTBlock(**{"audio_length": 12000} | kwargs)


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({"n_mels": 0}, "n_mels"),
        ({"n_mels": 40.0}, r"n_mels .*40\.0"),
        ({"sr": 0}, "sr .*0"),
        ({"fmin": -1}, "fmin .*-1"),
        ({"fmax": 9000}, "fmax .*9000"),
        ({"fmin": 3000, "fmax": 2000}, "fmin .*3000"),
        ({"norm": 2}, "norm.*2"),
        ({"window": "hat"}, "window.*'hat'"),
    ],
)
def test_mel_names_a_bad_argument(kwargs, match):
    with pytest.raises(FeatureError, match=match):
        MelSpectrogram(12000, **{"sr": 16000} | kwargs)

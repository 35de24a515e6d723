"""Load, rates, lengths, scales, features, mu-law: each against its definition."""

import librosa
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mxnet_audio import audio, features
from mxnet_audio.data.transforms import (
    MEL,
    MFCC,
    ExtractFeatures,
    Features,
    Load,
    MuLawDecoding,
    MuLawEncoding,
    PadTrim,
    RandomCrop,
    Repeat,
    Resample,
    Scale,
    Stereo2Mono,
)
from mxnet_audio.engine import nd
from mxnet_audio.errors import AudioDecodeError, FeatureError, InvalidAudioError
from mxnet_audio.features import AudioFeatureConfig

SOUNDS = arrays(np.float32, st.integers(1, 200), elements=st.floats(-1, 1, width=32))


def test_load_and_features_take_a_path_or_an_array(tmp_path, write_tone):
    path = write_tone(tmp_path / "a.wav", seconds=0.5, sr=16000, channels=2)
    y, sr = audio.load(path, sr=8000)
    np.testing.assert_array_equal(Load(8000)(path), y)
    assert Load(None)(str(path)).shape == (8000,) and Load(None, mono=False)(path).shape == (2, 8000)
    config = AudioFeatureConfig(n_frames=20)
    np.testing.assert_array_equal(Features(config)(path), features.load_features(path, config))
    np.testing.assert_array_equal(Load(None)((y, sr)), y)
    for step in (Load(), Features(config)):
        assert step.takes_source
        with pytest.raises(AudioDecodeError, match=r"gone\.wav"):
            step(tmp_path / "gone.wav")


def test_resample_is_that_of_the_audio_room():
    x = np.random.default_rng(0).standard_normal((2, 3, 800)).astype(np.float32)
    found = Resample(8000, 12000)(x)
    assert found.shape == (2, 3, 1200)
    np.testing.assert_array_equal(found[1, 2], audio.resample(x[1, 2], 8000, 12000))
    with pytest.raises(InvalidAudioError, match="too short"):
        Resample(48000, 10)(np.ones(3))


def test_stereo_to_mono_is_the_mean_of_the_channels():
    x = np.random.default_rng(0).standard_normal((4, 3, 50)).astype(np.float32)
    np.testing.assert_allclose(Stereo2Mono()(x), x.astype(float).mean(axis=1), atol=1e-6)
    assert Stereo2Mono()(x[0]).shape == (50,)
    np.testing.assert_array_equal(Stereo2Mono()(x[0, 0]), x[0, 0])


@given(SOUNDS, st.floats(1e-3, 2.0**31))
def test_scale_by_the_inverse_is_identity_within_two_roundings(x, factor):
    x = np.where(np.abs(x) < 1e-20, np.float32(0), x)  # smaller ones divided are below what float32 holds in full
    np.testing.assert_allclose(Scale(1 / factor)(Scale(factor)(x)), x, rtol=4e-7)


def test_scale_takes_integers():
    x = np.array([[-(2**31), 2**30]], np.int32)
    found = Scale()(x)
    assert found.dtype == np.float32 and found.tolist() == [[-1.0, 0.5]]
    assert Scale(2)(nd.array([2, 3], dtype="int32")).asnumpy().tolist() == [1.0, 1.5]
    with pytest.raises(InvalidAudioError, match="no samples"):
        Scale()(np.zeros(0, np.int16))


@given(SOUNDS, st.integers(1, 300), st.floats(-2, 2, width=32))
def test_padtrim_makes_one_length_and_keeps_the_beginning(x, size, fill):
    y = PadTrim(size, fill)(np.stack([x, -x]))
    kept = min(size, len(x))
    assert y.shape == (2, size)
    np.testing.assert_array_equal(y[:, :kept], np.stack([x, -x])[:, :kept])
    assert (y[:, kept:] == fill).all()


def test_padtrim_lets_go_of_the_rest():
    """A view of the beginning would keep an hour in memory for its first second."""
    x = np.ones(1000, np.float32)
    y = PadTrim(10)(x)
    assert y.base is None and not np.shares_memory(x, y)


@given(SOUNDS, st.integers(1, 300))
def test_repeat_fills_a_window_that_a_crop_after_it_finds_full(x, size):
    repeat = Repeat(size)
    y = repeat(np.stack([x, -x]))
    np.testing.assert_array_equal(y, audio.repeat_to(np.stack([x, -x]), size))
    assert y.dtype == np.float32 and RandomCrop(size, seed=0, pad=False)(y).shape == (2, size)


def test_repeat_may_be_cached_and_says_how_long():
    assert repr(Repeat(48000)) == Repeat(48000).key == "Repeat(n=48000)"
    assert Repeat(5)(nd.array([1, 2], dtype="int32")).asnumpy().tolist() == [1, 2, 1, 2, 1]
    with pytest.raises(FeatureError, match="n must be"):
        Repeat(0)
    with pytest.raises(InvalidAudioError, match="no samples"):
        Repeat(3)(np.zeros(0))


PARAMETERS = [
    {},
    {"sr": 16000, "n_fft": 512, "hop_length": 160, "win_length": 400, "n_mels": 40, "fmin": 50.0, "fmax": 7000.0},
    {"htk": True, "norm": None, "power": 1.0, "center": False, "window": "hamming"},
]


@pytest.mark.parametrize("parameters", PARAMETERS)
def test_mel_is_librosas_within_1e_4_of_the_peak(parameters):
    x = np.random.default_rng(0).standard_normal((2, 22050)).astype(np.float32)
    expected = librosa.feature.melspectrogram(y=x, **{"pad_mode": "constant", **parameters})
    found = MEL(**parameters)(x)
    assert found.shape == expected.shape and found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-4 * expected.max())


@pytest.mark.parametrize("parameters", [*PARAMETERS, {"n_mels": 20}])
def test_mfcc_is_librosas_within_1e_3_of_the_largest(parameters):
    """Its decibels are float32: 1e-3 of some 100 dB."""
    x = np.random.default_rng(0).standard_normal(22050).astype(np.float32)
    mel = librosa.feature.melspectrogram(y=x, **{"pad_mode": "constant", **parameters})
    expected = librosa.feature.mfcc(S=librosa.power_to_db(mel), n_mfcc=13, lifter=22, dct_type=3)
    found = MFCC(n_mfcc=13, lifter=22, dct_type=3, **parameters)(x)
    assert found.shape == expected.shape and found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-3 * np.abs(expected).max())


def test_fixed_number_of_frames_and_deltas():
    x = np.ones((2, 3, 4000), np.float32)
    assert MEL(8000, n_frames=30).apply(x).shape == (2, 3, 128, 30)
    assert MFCC(8000, n_mfcc=5, deltas=2, n_frames=30)(x).shape == (2, 3, 15, 30)


@given(SOUNDS, st.sampled_from([2, 3, 16, 255, 256, 65536]))
def test_mu_law_is_the_formula_but_for_values_at_the_edge_of_a_step(x, levels):
    mu = levels - 1
    exact = np.sign(x) * np.log1p(mu * np.abs(x.astype(float))) / np.log1p(mu)
    place = (exact + 1) / 2 * mu + 0.5
    found = MuLawEncoding(levels)(x)
    assert found.dtype == np.int32 and found.min() >= 0 and found.max() <= mu
    # float32 knows `place` to within a few of its last digits
    slack = 1e-6 * levels
    assert (np.floor(place - slack) <= found).all() and (found <= np.floor(place + slack)).all()


@given(SOUNDS, st.sampled_from([2, 3, 16, 255, 256, 65536]))
def test_mu_law_there_and_back_is_within_half_a_step(x, levels):
    """A step is 2 / mu of the companded range; slack of 1e-6 for float32."""
    mu = levels - 1
    back = MuLawDecoding(levels)(MuLawEncoding(levels)(x))
    assert back.dtype == np.float32 and np.abs(back).max() <= 1

    def companded(values):
        return np.sign(values) * np.log1p(mu * np.abs(values.astype(float))) / np.log1p(mu)

    assert np.abs(companded(back) - companded(x)).max() <= 1 / mu + 1e-6


@pytest.mark.parametrize("levels", [2, 3, 16, 256, 1024])
def test_mu_law_of_decoded_numbers_is_the_numbers(levels):
    numbers = np.arange(levels)
    np.testing.assert_array_equal(MuLawEncoding(levels)(MuLawDecoding(levels)(numbers)), numbers)


def test_mu_law_clips_and_refuses():
    assert MuLawEncoding()(np.array([-7.0, 7.0])).tolist() == [0, 255]
    for wrong in ([256], [-1], [0.5, 300.0]):
        with pytest.raises(InvalidAudioError, match="from 0 to 255"):
            MuLawDecoding()(np.array(wrong))
    with pytest.raises(InvalidAudioError, match="NaN"):
        MuLawDecoding()(np.array([np.nan]))


@pytest.mark.parametrize("config", [AudioFeatureConfig(n_frames=47), AudioFeatureConfig(type="raw", sr=8000)])
def test_features_from_samples_are_those_of_the_sound(config):
    y = np.random.default_rng(0).normal(0, 0.1, 15000).astype(np.float32)
    found = ExtractFeatures(config)(y)
    np.testing.assert_array_equal(found, Features(config)((y, config.sr)))
    np.testing.assert_array_equal(ExtractFeatures(config)(np.stack([y, -y]))[0], found)
    assert ExtractFeatures(config).key != Features(config).key

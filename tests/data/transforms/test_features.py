"""Features of sources and of samples, each against its definition."""

import librosa
import numpy as np
import pytest

from mxnet_audio import features
from mxnet_audio.data.transforms import MEL, MFCC, ExtractFeatures, Features, ToImage
from mxnet_audio.errors import AudioDecodeError
from mxnet_audio.features import AudioFeatureConfig


def test_features_take_a_path_or_an_array(tmp_path, write_tone):
    path = write_tone(tmp_path / "a.wav", seconds=0.5, sr=16000, channels=2)
    config = AudioFeatureConfig(n_frames=20)
    np.testing.assert_array_equal(Features(config)(path), features.load_features(path, config))
    assert Features(config).takes_source
    with pytest.raises(AudioDecodeError, match=r"missing\.wav"):
        Features(config)(tmp_path / "missing.wav")


PARAMETERS = [
    {},
    {"sr": 16000, "n_fft": 512, "hop_length": 160, "win_length": 400, "n_mels": 40, "fmin": 50.0, "fmax": 7000.0},
    {"htk": True, "norm": None, "power": 1.0, "center": False, "window": "hamming"},
]


@pytest.mark.parametrize("parameters", PARAMETERS)
def test_mel_equals_librosas_within_1e_4_of_the_peak(parameters):
    x = np.random.default_rng(0).standard_normal((2, 11025)).astype(np.float32)
    expected = librosa.feature.melspectrogram(y=x, **{"pad_mode": "constant", **parameters})
    found = MEL(**parameters)(x)
    assert found.shape == expected.shape and found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-4 * expected.max())


@pytest.mark.parametrize("parameters", [*PARAMETERS, {"n_mels": 20}])
def test_mfcc_equals_librosas_within_1e_3_of_the_largest(parameters):
    """Decibels are float32: 1e-3 of about 100 dB."""
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


@pytest.mark.parametrize("config", [AudioFeatureConfig(n_frames=47), AudioFeatureConfig(type="raw", sr=8000)])
def test_features_of_samples_equal_those_of_the_sound(config):
    y = np.random.default_rng(0).normal(0, 0.1, 15000).astype(np.float32)
    found = ExtractFeatures(config)(y)
    np.testing.assert_array_equal(found, Features(config)((y, config.sr)))
    np.testing.assert_array_equal(ExtractFeatures(config)(np.stack([y, -y]))[0], found)
    assert ExtractFeatures(config).key != Features(config).key


def test_to_image_adds_a_channel_and_puts_time_last():
    x = np.arange(6).reshape(2, 3)
    np.testing.assert_array_equal(ToImage()(x), x[np.newaxis])
    np.testing.assert_array_equal(ToImage(time_axis=-2)(x), x.T[np.newaxis])

"""Chromagrams against librosa's, over a sweep of parameters."""

import warnings

import librosa
import numpy as np
import pytest

from mxnet_audio import features
from mxnet_audio.errors import FeatureError

BASE = {"sr": 12000, "n_fft": 512, "hop_length": 256}
SWEEP = [
    {},
    {"sr": 22050, "n_fft": 2048, "hop_length": 512},
    {"n_fft": 511},
    {"n_fft": 400, "hop_length": 160},
    {"n_fft": 601, "hop_length": 37},
    {"n_fft": 1000, "hop_length": 1200},
    {"win_length": 300},
    {"win_length": 301, "n_fft": 640},
    {"n_fft": 511, "win_length": 200},
    {"window": "hamming"},
    {"window": "blackman", "win_length": 400},
    {"window": "boxcar"},
    {"center": False},
    {"center": False, "n_fft": 601, "hop_length": 100},
]


def _noise(n):
    return np.random.default_rng(0).standard_normal(n).astype(np.float32)


@pytest.mark.parametrize("tuning", [None, 0.0, -0.3])
@pytest.mark.parametrize("n_chroma", [12, 24, 36])
@pytest.mark.parametrize("changed", SWEEP, ids=str)
def test_chroma_equals_librosas_within_1e_4(changed, n_chroma, tuning):
    """librosa's tuning is estimated from our power, since the peak of its histogram depends on rounding."""
    kwargs = BASE | changed | {"n_chroma": n_chroma, "tuning": tuning}
    t = np.arange(30_000) / 12000
    chord = sum(np.sin(2 * np.pi * f * t) for f in (225.0, 283.5, 337.0))  # about 40 cents flat
    y = (chord * np.exp(-t) + 1e-3 * _noise(len(t))).astype(np.float32)
    got = features.chroma(y, **kwargs)
    if tuning is None:
        ours = features.stft(y, **{key: kwargs[key] for key in kwargs if key not in ("sr", "n_chroma", "tuning")})
        power = np.square(ours.real) + np.square(ours.imag)
        kwargs["tuning"] = librosa.estimate_tuning(S=power, sr=kwargs["sr"], bins_per_octave=n_chroma)
    want = librosa.feature.chroma_stft(y=y, **kwargs)
    assert got.dtype == np.float32 and got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("y", [np.zeros(9000), np.full(9000, 0.5), np.ones(1)], ids=["silence", "constant", "sample"])
def test_sound_without_pitch_has_tuning_0_and_no_warning(y):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        got = features.chroma(y, 12000)
    np.testing.assert_array_equal(got, features.chroma(y, 12000, tuning=0.0))


def test_each_item_of_a_batch_has_its_own_tuning_and_silence_gives_0():
    t = np.arange(24_000) / 12000
    y = np.stack([np.sin(2 * np.pi * f * t) for f in (440, 451)] + [np.zeros(len(t))]).astype(np.float32)
    batch = features.chroma(y[None], 12000)
    assert batch.shape == (1, 3, 12, 47)
    for item, alone in zip(batch[0], y):
        np.testing.assert_array_equal(item, features.chroma(alone, 12000))
    assert not batch[0, 2].any()
    np.testing.assert_allclose(features.chroma(1e-6 * y, 12000), batch[0], atol=1e-4)
    np.testing.assert_allclose(batch[0, :2].max(axis=1), 1)
    with pytest.raises(FeatureError, match="n_chroma"):
        features.chroma(y, 12000, n_chroma=0)

"""Spectra against librosa's, over a sweep of parameters."""

import librosa
import numpy as np
import pytest

from mxnet_audio import features
from mxnet_audio.errors import FeatureError

# librosa warns about sounds shorter than a frame, which the sweep contains on purpose.
pytestmark = pytest.mark.filterwarnings("ignore:n_fft=.* is too large for input signal:UserWarning")

BASE = {"sr": 12000, "n_fft": 512, "hop_length": 256, "n_mels": 40}
SWEEP = [
    {},
    {"sr": 22050, "n_fft": 2048, "hop_length": 512, "n_mels": 128},
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
    {"htk": True},
    {"norm": None},
    {"htk": True, "norm": None, "fmin": 50, "fmax": 4000},
    {"fmin": 300.0},
    {"fmax": 3000.0},
    {"power": 1.0},
    {"power": 1.5},
    {"n_mels": 1},
]


def _noise(*shape):
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("n", [1, 100, 5000, 200_001])
@pytest.mark.parametrize("changed", SWEEP, ids=str)
def test_melspectrogram_equals_librosas_within_1e_4_and_log_mel_within_1e_3_db(changed, n):
    kwargs = BASE | changed
    sr = kwargs.pop("sr")
    y = _noise(n)
    if not kwargs.get("center", True) and n < kwargs["n_fft"]:
        with pytest.raises(FeatureError, match="n_fft"):
            features.melspectrogram(y, sr, **kwargs)
        return
    want = librosa.feature.melspectrogram(y=y, sr=sr, pad_mode="constant", **kwargs)
    got = features.melspectrogram(y, sr, **kwargs)
    assert got.dtype == np.float32 and got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-7 * want.max())
    for top_db, ref in ((80.0, 2.0), (10.0, 2.0), (None, 2.0), (40.0, "max"), (None, "max")):
        decibels = librosa.power_to_db(want, top_db=top_db, ref=np.max if ref == "max" else ref, amin=1e-8)
        ours = features.log_mel(y, sr, top_db=top_db, ref=ref, amin=1e-8, **kwargs)
        np.testing.assert_allclose(ours, decibels, rtol=0, atol=1e-3)


MEL_KEYS = {"htk", "norm", "fmin", "fmax", "power"}


@pytest.mark.parametrize("changed", [c for c in SWEEP if not set(c) & MEL_KEYS], ids=str)
def test_stft_equals_librosas_within_1e_4(changed):
    kwargs = {k: v for k, v in (BASE | changed).items() if k not in ("sr", "n_mels")}
    y = _noise(2, 9001)
    want = librosa.stft(y, pad_mode="constant", **kwargs)
    got = features.stft(y, **kwargs)
    assert got.dtype == np.complex64 and got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5 * np.abs(want).max())


def test_a_batch_with_top_db_equals_its_items_exactly_and_librosas_within_1e_3_db():
    y = _noise(2, 3, 6000) * np.array([1, 1e-3, 1e-6], np.float32)[:, None]
    batch = features.log_mel(y, 12000, n_fft=512, hop_length=256, n_mels=40, top_db=20)
    assert batch.shape == (2, 3, 40, 24)
    for index in np.ndindex(2, 3):
        one = features.log_mel(y[index], 12000, n_fft=512, hop_length=256, n_mels=40, top_db=20)
        np.testing.assert_array_equal(batch[index], one)
        mel = librosa.feature.melspectrogram(y=y[index], sr=12000, n_fft=512, hop_length=256, n_mels=40)
        want = librosa.power_to_db(mel, top_db=20)
        np.testing.assert_allclose(one, want, rtol=0, atol=1e-3)


def test_the_input_stays_unchanged_and_may_be_float64():
    y = _noise(5000)
    before = y.copy()
    first = features.melspectrogram(y, 12000)
    np.testing.assert_array_equal(y, before)
    np.testing.assert_allclose(features.melspectrogram(y.astype(float)[::1], 12000), first)
    power = first.copy()
    features.power_to_db(power)
    np.testing.assert_array_equal(power, first)


_WRONG = [
    ({"n_fft": 1}, "n_fft .*2, got 1"),
    ({"n_fft": 512.0}, "n_fft .*got 512.0"),
    ({"hop_length": 0}, "hop_length .*got 0"),
    ({"hop_length": 160.5}, "hop_length .*got 160.5"),
    ({"win_length": 0}, "win_length .*got 0"),
    ({"win_length": -3}, "win_length .*got -3"),
    ({"win_length": 513, "n_fft": 512}, r"win_length \(513\) .*n_fft \(512\)"),
    ({"window": "nonsense"}, "window .*'nonsense'"),
]
_WRONG_RATES = [({"sr": sr}, "sr ") for sr in (0, -1, np.nan, np.inf, "8000", None)]
_WRONG_BANDS = [
    ({"n_mels": 0}, "n_mels .*got 0"),
    ({"n_mels": 40.5}, "n_mels .*got 40.5"),
    ({"norm": "l2"}, "norm .*'l2'"),
    ({"power": 0}, "power .*got 0"),
    ({"power": np.nan}, "power .*got nan"),
    ({"fmin": 300, "fmax": 200}, r"fmin \(300 Hz\) .*fmax \(200 Hz\)"),
    ({"fmin": 7000}, r"fmin \(7000 Hz\) .*fmax \(6000 Hz\)"),
    ({"fmin": -1}, r"fmin \(-1 Hz\)"),
    ({"fmin": np.nan}, "fmin"),
    ({"fmin": None}, "fmin .*None"),
    ({"fmax": "4000"}, "fmax .*'4000'"),
    ({"fmax": 6001}, r"fmax \(6001 Hz\) .*\(6000 Hz\)"),
]


@pytest.mark.parametrize("wrong, named", _WRONG + _WRONG_RATES + _WRONG_BANDS, ids=str)
def test_wrong_parameters_are_named(wrong, named):
    y = _noise(5000)
    for function in (features.melspectrogram, features.log_mel, features.mfcc):
        with pytest.raises(FeatureError, match=named):
            function(y, **{"sr": 12000} | wrong)
    if (wrong, named) not in _WRONG_BANDS:
        with pytest.raises(FeatureError, match=named):
            features.chroma(y, **{"sr": 12000} | wrong)
    if (wrong, named) in _WRONG:
        with pytest.raises(FeatureError, match=named):
            features.stft(y, **wrong)


def test_empty_input_and_wrong_decibels_are_refused():
    with pytest.raises(FeatureError, match="no samples"):
        features.stft(np.zeros(0))
    for wrong in (
        {"ref": 0},
        {"ref": "min"},
        {"amin": 0},
        {"amin": 1e-38},
        {"top_db": -1},
        {"ref": None},
        {"top_db": "80"},
    ):
        with pytest.raises(FeatureError, match=next(iter(wrong))):
            features.power_to_db(np.ones((2, 2)), **wrong)
    assert np.isfinite(features.power_to_db(np.zeros((2, 2)), amin=float(np.finfo(np.float32).tiny))).all()

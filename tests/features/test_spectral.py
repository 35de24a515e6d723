"""Against librosa, over a sweep of parameters."""

import warnings

import librosa
import numpy as np
import pytest

from mxnet_audio import features
from mxnet_audio.errors import FeatureError

# librosa's word for a sound shorter than a frame, which the sweep means to have.
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
def test_melspectrogram_is_librosas_within_1e_4_and_log_mel_within_1e_3_db(changed, n):
    kwargs = BASE | changed
    sr = kwargs.pop("sr")
    y = _noise(n)
    if not kwargs.get("center", True) and n < kwargs["n_fft"]:
        with pytest.raises(FeatureError, match="fewer than n_fft"):
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


_OF_MEL = {"htk", "norm", "fmin", "fmax", "power"}


@pytest.mark.parametrize("changed", [c for c in SWEEP if not set(c) & _OF_MEL], ids=str)
def test_stft_is_librosas_within_1e_4(changed):
    kwargs = {k: v for k, v in (BASE | changed).items() if k not in ("sr", "n_mels")}
    y = _noise(2, 9001)
    want = librosa.stft(y, pad_mode="constant", **kwargs)
    got = features.stft(y, **kwargs)
    assert got.dtype == np.complex64 and got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5 * np.abs(want).max())


@pytest.mark.parametrize("tuning", [None, 0.0, -0.3])
@pytest.mark.parametrize("n_chroma", [12, 24, 36])
@pytest.mark.parametrize("changed", [c for c in SWEEP if not set(c) & _OF_MEL], ids=str)
def test_chroma_is_librosas_within_1e_4(changed, n_chroma, tuning):
    """And its estimate of the tuning exactly, of the same power: a peak of a histogram hangs on its rounding."""
    kwargs = {k: v for k, v in (BASE | changed).items() if k != "n_mels"} | {"n_chroma": n_chroma, "tuning": tuning}
    t = np.arange(30_000) / 12000
    chord = sum(np.sin(2 * np.pi * f * t) for f in (225.0, 283.5, 337.0))  # some 40 cents flat
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
def test_sound_without_a_pitch_has_tuning_0_and_no_warning(y):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        got = features.chroma(y, 12000)
    np.testing.assert_array_equal(got, features.chroma(y, 12000, tuning=0.0))


def test_each_item_of_a_batch_has_its_own_tuning_and_silence_is_0():
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


def test_a_batch_equals_its_items_exactly_and_librosas_within_1e_3_db_even_with_top_db():
    y = _noise(2, 3, 6000) * np.array([1, 1e-3, 1e-6], np.float32)[:, None]
    batch = features.log_mel(y, 12000, n_fft=512, hop_length=256, n_mels=40, top_db=20)
    assert batch.shape == (2, 3, 40, 24)
    for index in np.ndindex(2, 3):
        one = features.log_mel(y[index], 12000, n_fft=512, hop_length=256, n_mels=40, top_db=20)
        np.testing.assert_array_equal(batch[index], one)
        mel = librosa.feature.melspectrogram(y=y[index], sr=12000, n_fft=512, hop_length=256, n_mels=40)
        want = librosa.power_to_db(mel, top_db=20)
        np.testing.assert_allclose(one, want, rtol=0, atol=1e-3)


def test_the_input_is_left_alone_and_other_types_are_taken():
    y = _noise(5000)
    kept = y.copy()
    first = features.melspectrogram(y, 12000)
    np.testing.assert_array_equal(y, kept)
    np.testing.assert_allclose(features.melspectrogram(y.astype(float)[::1], 12000), first)
    power = first.copy()
    features.power_to_db(power)
    np.testing.assert_array_equal(power, first)


_WRONG = [
    ({"n_fft": 1}, "n_fft must be 2"),
    ({"n_fft": 512.0}, "n_fft must be 2 or more and whole, got 512.0"),
    ({"hop_length": 0}, "hop_length must be 1"),
    ({"hop_length": 160.5}, "hop_length must be 1 or more and whole, got 160.5"),
    ({"win_length": 0}, "win_length must be 1 or more and whole, got 0"),
    ({"win_length": -3}, "win_length must be 1"),
    ({"win_length": 513, "n_fft": 512}, r"win_length \(513\) is above n_fft \(512\)"),
    ({"window": "nonsense"}, "window: 'nonsense'"),
]
_WRONG_RATES = [({"sr": sr}, "sr must be above 0 Hz") for sr in (0, -1, np.nan, np.inf)]
_WRONG_BANDS = [
    ({"n_mels": 0}, "n_mels must be 1"),
    ({"n_mels": 40.5}, "n_mels must be 1 or more and whole, got 40.5"),
    ({"norm": "l2"}, "norm: 'l2' is neither 'slaney' nor None"),
    ({"power": 0}, "power must be above 0, got 0"),
    ({"power": np.nan}, "power must be above 0"),
    ({"fmin": 300, "fmax": 200}, r"fmin \(300 Hz\) is not below fmax \(200 Hz\)"),
    ({"fmin": 7000}, r"fmin \(7000 Hz\) is not below fmax \(6000 Hz\)"),
    ({"fmin": -1}, r"fmin \(-1 Hz\) is below 0"),
    ({"fmin": np.nan}, "fmin"),
    ({"fmax": 6001}, r"fmax \(6001 Hz\) is above sr / 2 \(6000 Hz\)"),
]


@pytest.mark.parametrize("wrong, named", _WRONG + _WRONG_RATES + _WRONG_BANDS, ids=str)
def test_what_is_wrong_is_named(wrong, named):
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


def test_no_samples_and_wrong_decibels():
    with pytest.raises(FeatureError, match="no samples"):
        features.stft(np.zeros(0))
    for wrong in ({"ref": 0}, {"ref": "min"}, {"amin": 0}, {"amin": 1e-38}, {"top_db": -1}):
        with pytest.raises(FeatureError, match=next(iter(wrong))):
            features.power_to_db(np.ones((2, 2)), **wrong)
    assert np.isfinite(features.power_to_db(np.zeros((2, 2)), amin=float(np.finfo(np.float32).tiny))).all()


def test_filters_are_shared_and_so_read_only():
    filters = features.mel_filters(12000, 512, 40)
    assert features.mel_filters(12000, 512, 40) is filters
    with pytest.raises(ValueError):
        filters[0, 0] = 1

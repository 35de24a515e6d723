"""Features of HTK and Ludwig against their formulas, computed frame by frame and bin by bin in float64."""

import functools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from mxnet_audio.errors import FeatureError
from mxnet_audio.features import htk

SWEEP = [
    {},
    {"sr": 8000},
    {"sr": 11025},  # a window of 441 samples: an odd transform
    {"sr": 22050, "num_fft_points": 1024},
    {"num_fft_points": 777},
    {"sr": 8000, "num_fft_points": 441},  # the top edge, converted to mel and back, is a little below a whole number
    {"num_fft_points": 640},
    {"window_type": "bartlett"},
    {"window_type": "blackman"},
    {"window_type": "hann", "num_fft_points": 1024},
    {"window_length_in_s": 0.025, "window_shift_in_s": 0.01},
    {"window_length_in_s": 0.0101, "window_shift_in_s": 0.0101},
    {"window_length_in_s": 0.01, "window_shift_in_s": 0.025},  # samples between frames are skipped
]
LENGTHS = [1, 2, 100, 640, 641, 3000, 5120]


def noise(*shape):
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def golden_frames(y, sr, length, shift, zero_mean):
    """Return pre-emphasised frames [list of float64 arrays] by their definition."""
    w, s = int(sr * length), int(sr * shift)
    x = signal.lfilter([1.0, -0.97], [1.0], np.asarray(y, dtype=np.float64))
    frames = []
    for t in range(max(1, math.ceil((len(x) - w) / s + 1))):
        piece = x[t * s : t * s + w]
        if zero_mean and len(piece):
            piece = piece - sum(piece) / len(piece)
        frames.append(np.array(list(piece) + [0.0] * (w - len(piece))))
    return frames


def golden_spectra(y, sr, length=0.04, shift=0.02, window="hamming", n_fft=None, zero_mean=False, by_index=False):
    """Return half of the transform of each frame [shape=(T, bins)], complex128, by its definition as a sum."""
    frames = golden_frames(y, sr, length, shift, zero_mean)
    w = len(frames[0])
    n_fft = n_fft or w
    weights = getattr(signal.windows, window)(w, sym=True) * (np.arange(w) if by_index else 1)
    return np.array([(frame * weights) @ kernel(w, n_fft) for frame in frames])


@functools.lru_cache(maxsize=1)
def kernel(w, n_fft):
    """Return half of the factors of the transform."""
    return np.exp(-2j * np.pi * np.outer(np.arange(w), np.arange(n_fft // 2 + 1)) / n_fft)


def golden_fbank(spectra, sr, n_bands, **kwargs):
    n_fft = kwargs.get("n_fft") or int(sr * kwargs.get("length", 0.04))
    top = 2595 * np.log10(1 + (sr / 2) / 700)
    edges = []
    for i in range(n_bands + 2):
        f = 700 * (10 ** (top * i / (n_bands + 1) / 2595) - 1)
        edges.append(math.floor((n_fft + 1) * f / sr))
    edges[-1] = (n_fft + 1) // 2  # in whole numbers
    out, power = np.zeros((len(spectra), n_bands)), np.abs(spectra) ** 2
    for band in range(n_bands):
        low, middle, high = edges[band : band + 3]
        for k in range(low, high):
            weight = (k - low) / (middle - low) if k < middle else (high - k) / (high - middle)
            out[:, band] += weight * power[:, k]
    return np.log(out + 1e-10)


def arguments(changed):
    """Return the rate, our arguments, and those of the golden functions."""
    names = {"window_length_in_s": "length", "window_shift_in_s": "shift", "window_type": "window"}
    names["num_fft_points"] = "n_fft"
    kwargs = dict(changed)
    sr = kwargs.pop("sr", 16000)
    return sr, kwargs, {names[key]: value for key, value in kwargs.items()}


@pytest.mark.parametrize("changed", SWEEP, ids=str)
def test_magnitude_and_phase_within_1e_6_of_the_largest(changed):
    sr, kwargs, golden = arguments(changed)
    for n in LENGTHS:
        y = noise(n)
        want = golden_spectra(y, sr, **golden)
        got = htk.stft_magnitude(y, sr, **kwargs)
        assert got.dtype == np.float32 and got.shape == want.shape
        np.testing.assert_allclose(got, np.abs(want), rtol=1e-6, atol=1e-6 * np.abs(want).max())
        pair = htk.stft_phase(y, sr, **kwargs)
        phase, magnitude = np.split(pair, 2, axis=-1)
        assert pair.dtype == np.float32 and np.abs(phase).max() <= np.float32(np.pi)
        np.testing.assert_array_equal(magnitude, got)
        # Phases wrap at pi, and the phase of 0 is arbitrary: compare the spectra that they give.
        np.testing.assert_allclose(magnitude * np.exp(1j * phase), want, atol=1e-6 * np.abs(want).max())


@pytest.mark.parametrize("changed", SWEEP, ids=str)
def test_group_delay_within_1e_5(changed):
    sr, kwargs, golden = arguments(changed)
    for n in LENGTHS:
        y = noise(n)
        x, z = golden_spectra(y, sr, **golden), golden_spectra(y, sr, by_index=True, **golden)
        want = (x.real * z.real + x.imag * z.imag) / (np.abs(x) ** 2 + 1e-10)
        got = htk.group_delay(y, sr, **kwargs)
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("changed", SWEEP, ids=str)
def test_fbank_within_1e_5(changed):
    sr, kwargs, golden = arguments(changed)
    for n in LENGTHS:
        y = noise(n) + np.float32(3)  # a mean to remove
        spectra = golden_spectra(y, sr, zero_mean=True, **golden)
        for n_bands in (80, 23, 1):
            want = golden_fbank(spectra, sr, n_bands, **golden)
            got = htk.fbank(y, sr, num_filter_bands=n_bands, **kwargs)
            assert got.dtype == np.float32 and got.shape == want.shape
            np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("function", [htk.stft_magnitude, htk.stft_phase, htk.fbank, htk.group_delay])
def test_a_batch_equals_its_items_over_several_blocks_exactly(function):
    y = noise(2, 2, 50_000)
    batch = function(y, 16000)
    assert batch.shape[:3] == (2, 2, htk.frame_count(50_000, 640, 320))
    for index in np.ndindex(2, 2):
        np.testing.assert_array_equal(batch[index], function(y[index], 16000))
    assert function(y[:0], 16000).shape == (0, *batch.shape[1:])


@pytest.mark.parametrize("function", [htk.stft_magnitude, htk.stft_phase, htk.fbank, htk.group_delay])
def test_silence_is_finite_and_the_input_stays_unchanged(function):
    y = np.zeros(9000, np.float32)
    assert np.isfinite(function(y, 16000)).all() and not y.any()
    before = noise(9000)
    y = before.copy()
    function(y, 16000)
    np.testing.assert_array_equal(y, before)


def test_preemphasis_is_a_filter_in_float64():
    y = noise(3, 1000)
    got = htk.preemphasis(y)
    assert got.dtype == np.float64
    np.testing.assert_allclose(got, signal.lfilter([1, -0.97], [1], y.astype(float)), rtol=0, atol=1e-15)


@given(st.integers(1, 500), st.integers(1, 60), st.integers(1, 60))
@settings(max_examples=200, deadline=None)
def test_frames_hold_every_sample_in_order_and_no_frame_is_superfluous(n, window, shift):
    y = np.arange(1, n + 1)
    frames = htk.frame(y, window, shift)
    assert frames.shape == (htk.frame_count(n, window, shift), window)
    count = len(frames)
    # The formula of the definition, with at least one frame.
    assert count == max(1, math.ceil((n - window) / shift + 1))
    for t, frame in enumerate(frames):
        piece = y[t * shift : t * shift + window]
        assert list(frame) == [*piece, *[0] * (window - len(piece))]
    if shift <= window:
        assert set(y) <= set(frames.ravel())
        assert count == 1 or (count - 2) * shift + window < n  # without the last frame, samples would be missing


@pytest.mark.parametrize(
    "wrong, named",
    [
        ({"window_type": "boxcar"}, "window_type .*'boxcar'"),
        ({"num_fft_points": 639}, r"num_fft_points \(639\) .*window_length_in_s \(0.04 s: 640 samples"),
        ({"window_length_in_s": 5e-5}, r"window_length_in_s \(5e-05 s\) .*16000 Hz"),
        ({"window_shift_in_s": 5e-5}, r"window_shift_in_s \(5e-05 s\)"),
        ({"window_length_in_s": math.nan}, "window_length_in_s .*nan"),
        ({"window_shift_in_s": "0.02"}, "window_shift_in_s .*'0.02'"),
        ({"num_fft_points": 640.0}, "num_fft_points .*640.0"),
        ({"num_filter_bands": 0}, "num_filter_bands .*got 0"),
    ],
    ids=str,
)
def test_wrong_parameters_are_named(wrong, named):
    with pytest.raises(FeatureError, match=named):
        htk.fbank(noise(5000), 16000, **wrong)


@pytest.mark.parametrize("y", [np.zeros(0), np.zeros((2, 0)), np.float32(1)], ids=str)
def test_empty_input_is_refused(y):
    for function in (htk.fbank, htk.stft_phase, lambda y, sr: htk.frame(y, 4, 2)):
        with pytest.raises(FeatureError, match="no samples"):
            function(y, 16000)
    with pytest.raises(FeatureError, match="window and shift"):
        htk.frame(np.ones(5), 0, 1)

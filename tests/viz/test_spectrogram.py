"""Spectrograms: seconds, hertz, frames and bins are where the axes show them."""

import numpy as np
import pytest
from matplotlib.image import imread

from mxnet_audio.errors import ParameterError
from mxnet_audio.features import AudioFeatureConfig, extract, power_to_db
from mxnet_audio.viz import plot_spectrogram, view_spec

CONFIG = AudioFeatureConfig(sr=12000, n_fft=512, hop_length=256, n_mels=96)


def test_spectrogram_axes_are_seconds_and_hertz(tmp_path):
    path = tmp_path / "spectrogram.png"
    features = np.full((96, 470), -80.0, np.float32)
    features[40] = 0
    axes, bar = plot_spectrogram(features, CONFIG, path).axes
    left, right, bottom, top = axes.images[0].get_extent()
    assert right - left == pytest.approx(470 * 256 / 12000)
    assert (left, bottom, top) == (pytest.approx(-128 / 12000), -0.5, 95.5)
    ticks = {text.get_text(): y for y, text in zip(axes.get_yticks(), axes.get_yticklabels())}
    # On Slaney's scale 1 kHz is 15 mel, and 6 kHz is 15 + 27 log6.4(6).
    assert ticks["1,000"] == pytest.approx(15 / (15 + 27 * np.log(6) / np.log(6.4)) * 97 - 1, abs=0.05)
    assert "8,000" not in ticks  # beyond half the sampling rate
    assert (axes.get_xlabel(), bar.get_ylabel()) == ("time (s)", "level (dB)")
    assert imread(path).std() > 0.01


def test_spectrogram_takes_one_channel():
    assert plot_spectrogram(np.zeros((1, 96, 5)), CONFIG).axes[0].images[0].get_array().shape == (96, 5)
    for shape in [(2, 96, 5), (64, 5), (96,)]:
        with pytest.raises(ParameterError, match=r"\[96, any\]"):
            plot_spectrogram(np.zeros(shape), CONFIG)


def test_yamnets_bands_are_drawn_in_hertz_and_its_frames_over_their_windows():
    axes = plot_spectrogram(np.zeros((64, 96)), AudioFeatureConfig(type="yamnet")).axes[0]
    assert axes.images[0].get_extent()[:2] == pytest.approx([0.0125 - 0.005, 0.0125 + 0.955])
    ticks = {text.get_text(): y for y, text in zip(axes.get_yticks(), axes.get_yticklabels())}
    mel = np.log1p(np.array([125, 1000, 7500]) / 700)
    assert ticks["1,000"] == pytest.approx((mel[1] - mel[0]) / (mel[2] - mel[0]) * 65 - 1, abs=0.05)


@pytest.mark.parametrize("kind", ["mel", "mfcc", "chroma", "musicnn", "panns", "fbank", "stft_phase", "group_delay"])
def test_spectrogram_of_any_feature_has_its_bands_upwards_and_seconds_to_the_right(kind):
    limits = {"sr": 8000, "audio_file_length_limit_in_s": 1.0} if kind in ("fbank", "stft_phase", "group_delay") else {}
    config = AudioFeatureConfig(type=kind, **limits)
    x = extract(np.sin(np.arange(8000.0)), 8000, config)
    axes = plot_spectrogram(x, config).axes[0]
    bands, frames = x.shape if config.time_axis == -1 else x.shape[::-1]
    assert axes.images[0].get_array().shape == (bands, frames)
    assert axes.get_xlim()[1] == pytest.approx(1.0, abs=0.05)
    with pytest.raises(ParameterError, match="features"):
        plot_spectrogram(x[:-1, :-1], config)


def test_decibels_are_drawn_over_frames_and_bins(tmp_path):
    path = tmp_path / "spec.png"
    spec = np.linspace(-80, 0, 20 * 7).reshape(20, 7)
    axes, bar = view_spec(spec, path).axes
    np.testing.assert_array_equal(axes.images[0].get_array(), spec)
    assert list(axes.images[0].get_extent()) == [-0.5, 6.5, -0.5, 19.5]  # the lowest bin at the bottom
    assert axes.get_ylim()[0] < axes.get_ylim()[1]
    assert axes.images[0].get_clim() == (-80, 0)
    assert (axes.get_xlabel(), axes.get_ylabel(), bar.get_ylabel()) == ("frame", "bin", "level (dB)")
    assert imread(path).std() > 0.01


@pytest.mark.parametrize("spec", [np.zeros(5), np.zeros((1, 5, 5)), np.zeros((0, 5)), np.zeros((5, 5), complex)])
def test_bad_spectrograms_are_refused(spec):
    with pytest.raises(ParameterError, match=r"\[bins, frames\]"):
        view_spec(spec)


def test_power_is_drawn_in_decibels():
    power = np.random.default_rng(0).uniform(1e-12, 10, (20, 7))
    drawn = view_spec(power).axes[0].images[0].get_array()
    np.testing.assert_allclose(drawn, power_to_db(power))
    np.testing.assert_array_equal(view_spec(power, power=False).axes[0].images[0].get_array(), power)
    np.testing.assert_array_equal(view_spec(-power).axes[0].images[0].get_array(), -power)
    np.testing.assert_array_equal(view_spec(np.zeros((3, 4))).axes[0].images[0].get_array(), np.zeros((3, 4)))
    with_negative = view_spec(power - 1, power=True).axes[0].images[0].get_array()
    np.testing.assert_allclose(with_negative, power_to_db(power - 1))


def test_a_sample_rate_gives_hertz_and_a_hop_seconds(tmp_path):
    decibels = np.linspace(-80, 0, 9 * 7).reshape(9, 7)
    axes = view_spec(decibels, sample_rate=16000).axes[0]
    assert list(axes.images[0].get_extent()) == [-0.5, 6.5, -500, 8500]  # bins are 1 kHz apart
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("frame", "frequency (Hz)")
    axes = view_spec(decibels, np.int64(16000), tmp_path / "spec.png", hop_length=160).axes[0]
    np.testing.assert_allclose(axes.images[0].get_extent(), [-0.005, 0.065, -500, 8500])
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("time (s)", "frequency (Hz)")
    assert imread(tmp_path / "spec.png").std() > 0.01


@pytest.mark.parametrize(
    "arguments",
    [{"sample_rate": 0}, {"sample_rate": "x.png", "hop_length": 160}, {"sample_rate": [1], "hop_length": 0}],
)
def test_bad_rates_and_hops_are_refused(arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ParameterError, match="sample_rate"):
        view_spec(np.zeros((3, 4)), **arguments)
    assert list(tmp_path.iterdir()) == []

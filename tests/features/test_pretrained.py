"""Inputs of pretrained encoders: YAMNet's against its definition, musicnn's against librosa's mel spectrogram."""

import librosa
import numpy as np
import pytest

from mxnet_audio import features
from mxnet_audio.errors import FeatureError
from mxnet_audio.features import AudioFeatureConfig, FeatureCache, extract, load_features
from mxnet_audio.features.pretrained import yamnet_filters

# librosa warns about sounds shorter than a frame.
pytestmark = pytest.mark.filterwarnings("ignore:n_fft=.* is too large for input signal:UserWarning")


def noise(*shape, seed=0):
    return 0.1 * np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def mel(hertz):
    return 1127 * np.log(1 + np.asarray(hertz) / 700)


def slow_yamnet_mel(y):
    """Compute YAMNet's input in float64 from its definition, with one sum for each frequency."""
    edges, points = np.linspace(mel(125), mel(7500), 66), mel(np.arange(257) * 16000 / 512)
    time, frequency = np.arange(400), np.arange(257)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * time / 400)
    transform = window * np.exp(-2j * np.pi * np.outer(frequency, time) / 512)
    weights = np.zeros((64, 257))
    for band in range(64):
        low, center, high = edges[band : band + 3]
        for k in range(1, 257):
            weights[band, k] = max(0, min((points[k] - low) / (center - low), (high - points[k]) / (high - center)))
    frames = [y[start : start + 400].astype(np.float64) for start in range(0, len(y) - 399, 160)]
    return np.log(weights @ np.abs(transform @ np.stack(frames, axis=1)) + 0.001)


@pytest.mark.parametrize("n", [400, 559, 560, 15_600, 50_001])
def test_yamnet_mel_equals_its_definition_within_1e_5(n):
    y = noise(n)
    got = features.yamnet_mel(y, 16000)
    assert got.shape == (64, 1 + (n - 400) // 160) and got.dtype == np.float32
    np.testing.assert_allclose(got, slow_yamnet_mel(y), rtol=0, atol=1e-5)


@pytest.mark.parametrize("n", [1, 255, 256, 48_000])
@pytest.mark.parametrize("center", [True, False])
def test_musicnn_mel_equals_librosas_within_1e_5(n, center):
    y = noise(n)
    if not center and n < 512:
        with pytest.raises(FeatureError, match=r"n_fft \(512\)"):
            features.musicnn_mel(y, 16000, center=False)
        return
    kwargs = {"n_fft": 512, "hop_length": 256, "n_mels": 96, "center": center, "pad_mode": "constant"}
    want = np.log10(1 + 10_000 * librosa.feature.melspectrogram(y=y, sr=16000, **kwargs))
    got = features.musicnn_mel(y, 16000, center=center)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-5)


FUNCTIONS = {"yamnet": features.yamnet_mel, "musicnn": features.musicnn_mel}
PATCHES = {"yamnet": (64, 96, 15_600), "musicnn": (96, 187, 186 * 256)}
each = pytest.mark.parametrize("kind", sorted(FUNCTIONS))


@each
def test_loud_tones_and_silence(kind):
    """Rounding errors of a loud tone are in all bands: 1e-2 of the values where the tone is not."""
    tone = np.sin(2 * np.pi * 440 / 16000 * np.arange(15_600)).astype(np.float32)
    got = FUNCTIONS[kind](tone, 16000)
    if kind == "yamnet":
        np.testing.assert_allclose(got, slow_yamnet_mel(tone), rtol=0, atol=1e-2)
    assert got.argmax(axis=0).std() == 0
    silence = FUNCTIONS[kind](np.zeros(15_600, np.float32), 16000)
    np.testing.assert_allclose(silence, np.log(0.001) if kind == "yamnet" else 0, rtol=1e-6)


@each
def test_a_batch_equals_its_items_and_the_input_is_unchanged(kind):
    y = noise(2, 3, 9000)
    before = y.copy()
    batch = FUNCTIONS[kind](y, 16000)
    np.testing.assert_array_equal(y, before)
    for index in np.ndindex(2, 3):
        np.testing.assert_allclose(batch[index], FUNCTIONS[kind](y[index], 16000), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(FUNCTIONS[kind](y.astype(np.float64), 16000.0), batch, rtol=1e-6)


@each
@pytest.mark.parametrize("sr", [8000, 0, np.nan, "16000", None])
def test_another_rate_is_refused(kind, sr):
    with pytest.raises(FeatureError, match=r"sr .*16000 .*got .*resample"):
        FUNCTIONS[kind](noise(9000), sr)


@pytest.mark.parametrize(("n", "named"), [(399, r"399 .*\(400\)"), (0, "no samples")])
def test_sound_without_a_frame_is_refused(n, named):
    with pytest.raises(FeatureError, match=named):
        features.yamnet_mel(np.zeros(n), 16000)
    with pytest.raises(FeatureError, match=named):
        extract(np.zeros(n), 16000, AudioFeatureConfig(type="yamnet"))


def test_yamnet_filters_ignore_0_hz_and_are_shared():
    filters = yamnet_filters()
    assert filters is yamnet_filters() and not filters.flags.writeable
    assert not filters[:, 0].any() and filters.max() <= 1 and filters.max(axis=1).min() > 0


@each
def test_the_configuration_has_fixed_values_and_a_patch(kind):
    bands, frames, samples = PATCHES[kind]
    config = AudioFeatureConfig(type=kind, n_frames=frames, mode="eager")
    assert config.identity() == {"type": kind, "n_frames": frames}
    assert (config.sr, config.n_fft, config.n_mels, config.time_axis, config.reach) == (16000, 512, bands, -1, None)
    assert (config.hop_length, config.win_length, config.center) == {
        "yamnet": (160, 400, False),
        "musicnn": (256, None, True),
    }[kind]
    assert (config.shape, config.n_samples) == ((bands, frames), samples)
    assert config.frames_in(samples / 16000) == frames and config.frames_in((samples - 1) / 16000) == frames - 1
    assert AudioFeatureConfig(type=kind).shape == (bands, None)
    assert AudioFeatureConfig.model_validate(config.identity()) == AudioFeatureConfig(type=kind, n_frames=frames)
    assert AudioFeatureConfig.from_yaml(f"type: {kind}") == AudioFeatureConfig(type=kind)


@each
@pytest.mark.parametrize("n", [1, 399, 20_000, 90_000])
def test_every_length_gives_the_requested_frames(kind, n):
    for n_frames in (1, 40):
        got = extract(noise(2, n), 16000, AudioFeatureConfig(type=kind, n_frames=n_frames))
        assert got.shape == (2, PATCHES[kind][0], n_frames) and np.isfinite(got).all()


@each
def test_sound_is_resampled_cut_in_the_middle_and_cached(kind, tmp_path):
    config = AudioFeatureConfig(type=kind, n_frames=40)
    y = noise(config.n_samples + 2000)
    np.testing.assert_array_equal(load_features((y, 16000), config), FUNCTIONS[kind](y[1000:-1000], 16000))
    assert load_features((noise(8000), 8000), AudioFeatureConfig(type=kind)).shape[1] == config.frames_in(1)
    cache = FeatureCache(config.key(), tmp_path)
    want = cache.fetch((y, 16000), lambda: load_features((y, 16000), config))
    cache.flush()
    again = FeatureCache(config.key(), tmp_path)
    np.testing.assert_array_equal(again.get(again.name((y, 16000))), want)

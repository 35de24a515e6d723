"""From samples and files to features."""

import librosa
import numpy as np
import pytest
import soundfile as sf

from mxnet_audio import audio
from mxnet_audio.errors import AudioDecodeError, FeatureError, InvalidAudioError
from mxnet_audio.features import AudioFeatureConfig, FeatureCache, extract, load_features


@pytest.mark.parametrize("n_frames", [1, 2, 47])
@pytest.mark.parametrize("n", [1, 300, 5000, 90_000])
@pytest.mark.parametrize(
    "changed",
    [{}, {"center": False}, {"n_fft": 511}, {"hop_length": 1}, {"n_fft": 511, "center": False}],
    ids=str,
)
def test_every_length_gives_the_frames_asked_for(n_frames, n, changed):
    config = AudioFeatureConfig(n_frames=n_frames, n_mels=20, **changed)
    y = np.random.default_rng(0).standard_normal((2, n)).astype(np.float32)
    got = extract(y, config.sr, config)
    assert got.shape == (2, 20, n_frames) and got.dtype == np.float32 and np.isfinite(got).all()


def test_a_file_as_librosa_would(tmp_path):
    y = 0.1 * np.random.default_rng(0).standard_normal((3 * 44100, 2))
    sf.write(tmp_path / "a.wav", y, 44100)
    config = AudioFeatureConfig(n_frames=100)
    samples, sr = librosa.load(tmp_path / "a.wav", sr=12000)
    start = (len(samples) - config.n_samples) // 2
    samples = samples[start : start + config.n_samples]
    want = librosa.power_to_db(librosa.feature.melspectrogram(y=samples, sr=sr, n_fft=512, hop_length=256, n_mels=96))
    got = load_features(tmp_path / "a.wav", config)
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-2)
    whole, rate = audio.load(tmp_path / "a.wav")
    np.testing.assert_allclose(extract(whole, rate, config), got, atol=1e-3)


def test_errors_name_the_file(tmp_path, write_tone):
    cache = FeatureCache(tmp_path / "cache")
    sf.write(tmp_path / "silent.wav", np.zeros(9000), 12000)
    with pytest.raises(InvalidAudioError, match=r"silent\.wav: silent"):
        load_features(tmp_path / "silent.wav", AudioFeatureConfig(), cache)
    with pytest.raises(AudioDecodeError, match=r"gone\.wav: no such file"):
        load_features(tmp_path / "gone.wav", AudioFeatureConfig(), cache)
    short = write_tone(tmp_path / "short.wav", seconds=0.01, sr=12000)
    with pytest.raises(FeatureError, match=r"short\.wav: 120 samples are fewer than n_fft"):
        load_features(short, AudioFeatureConfig(center=False), cache)
    assert load_features(short, AudioFeatureConfig(n_frames=5), cache).shape == (96, 5)
    with pytest.raises(FeatureError, match="no samples"):
        extract(np.zeros(0), 12000, AudioFeatureConfig())
    assert len(list(cache.directory.rglob("*.features"))) == 1


def test_sound_that_is_no_file_is_refused_as_clearly(tmp_path):
    cache = FeatureCache(tmp_path)
    with pytest.raises(InvalidAudioError, match="silent"):
        load_features((np.zeros(9000, np.float32), 12000), AudioFeatureConfig(), cache)
    with pytest.raises(AudioDecodeError, match=r"expected a path, .* got ndarray"):
        load_features(np.zeros(9000, np.float32), AudioFeatureConfig(), cache)

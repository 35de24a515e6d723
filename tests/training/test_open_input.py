"""Inputs as long as their sound, up to a window."""

import numpy as np
import pytest
import soundfile as sf

from mxnet_audio import AudioFeatureConfig
from mxnet_audio.errors import AudioDecodeError, AudioError, InvalidAudioError
from mxnet_audio.training import OpenInput

RAW = AudioFeatureConfig(type="raw", sr=16000, norm="per_file", audio_file_length_limit_in_s=0.5)
MEL = AudioFeatureConfig(sr=16000, n_mels=32, n_fft=400, hop_length=160, n_frames=50)


@pytest.mark.parametrize(
    ("config", "bands", "longest", "short"), [(RAW, 1, 8000, 4000), (MEL, 32, 50, 26)], ids=["raw", "mel"]
)
def test_inputs_are_as_long_as_their_sound(config, bands, longest, short):
    step = OpenInput(config)
    noise = np.random.default_rng(0).normal(0, 0.1, 20000).astype(np.float32)
    assert step.longest == longest and step.load.n_samples == config.n_samples
    for samples, length in ((4000, short), (20000, longest)):
        x = step(step.load((noise[:samples], 16000)))
        assert x.shape == (1, bands, length) and x.dtype == np.float32
    assert step(noise).shape == x.shape


def test_samples_that_became_too_short_are_padded():
    noise = np.random.default_rng(0).normal(0, 0.1, 300)
    x = OpenInput(RAW, 400)(noise)
    assert x.shape == (1, 1, 400) and x[..., :300].any() and len(np.unique(x[..., 300:])) == 1
    assert OpenInput(MEL, 10)(noise).shape == (1, 32, 10)


def test_silence_before_a_sound_is_skipped():
    sound = np.zeros(30000, np.float32)
    sound[17000:20000] = 0.5
    samples = OpenInput(RAW).load((sound, 16000))
    np.testing.assert_allclose(samples, sound[16000:24000], atol=1e-6)


def test_results_can_be_cached():
    steps = [OpenInput(config) for config in (RAW, RAW, MEL)]
    keys = [step.key for step in steps]
    assert None not in keys and keys[0] == keys[1] != keys[2]
    assert OpenInput(RAW).load.key == steps[0].load.key != steps[2].load.key


def test_unusable_sounds_are_named(tmp_path):
    step = OpenInput(RAW, 400)
    sf.write(tmp_path / "short.wav", np.full(300, 0.1), 16000)
    sf.write(tmp_path / "silent.wav", np.zeros(30000), 16000)
    (tmp_path / "text.wav").write_text("no sound")
    for name, error in (("short", InvalidAudioError), ("silent", InvalidAudioError), ("text", AudioDecodeError)):
        with pytest.raises(error, match=name):
            step.load(tmp_path / f"{name}.wav")
    with pytest.raises(AudioError, match=r"0\.0250 s"):
        step.load((np.full(300, 0.1, np.float32), 16000))

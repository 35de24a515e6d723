"""Inputs as long as their sound, up to a window."""

from functools import partial

import numpy as np
import pytest
import soundfile as sf

from mxnet_audio import AudioFeatureConfig
from mxnet_audio.data import AudioLoader
from mxnet_audio.engine import mx
from mxnet_audio.errors import AudioDecodeError, AudioError, InvalidAudioError
from mxnet_audio.inference.window_encoder import input_of
from mxnet_audio.models.ecapa_voxceleb import EcapaVoxcelebNet
from mxnet_audio.training import OpenInput, Progress, Recipe, Settings, initialize, prepare, run_epochs

RAW = AudioFeatureConfig(type="raw", sr=16000, norm="per_file", audio_file_length_limit_in_s=0.5)
MEL = AudioFeatureConfig(sr=16000, n_mels=32, n_fft=400, hop_length=160, n_frames=50)


@pytest.mark.parametrize(
    ("config", "bands", "longest", "short"), [(RAW, 1, 8000, 4000), (MEL, 32, 50, 26)], ids=["raw", "mel"]
)
def test_inputs_are_as_long_as_their_sound(config, bands, longest, short):
    step = OpenInput(config)
    noise = np.random.default_rng(0).normal(0, 0.1, 20000).astype(np.float32)
    assert step.longest == longest and step.load_window.n_samples == config.n_samples
    for samples, length in ((4000, short), (20000, longest)):
        x = step(step.load_window((noise[:samples], 16000)))
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
    samples = OpenInput(RAW).load_window((sound, 16000))
    np.testing.assert_allclose(samples, sound[16000:24000], atol=1e-6)


def test_results_can_be_cached():
    steps = [OpenInput(config) for config in (RAW, RAW, MEL)]
    keys = [step.key for step in steps]
    assert None not in keys and keys[0] == keys[1] != keys[2]
    assert OpenInput(RAW).load_window.key == steps[0].load_window.key != steps[2].load_window.key


def test_unusable_sounds_are_named(tmp_path):
    step = OpenInput(RAW, 400)
    sf.write(tmp_path / "short.wav", np.full(300, 0.1), 16000)
    sf.write(tmp_path / "silent.wav", np.zeros(30000), 16000)
    (tmp_path / "text.wav").write_text("no sound")
    for name, error in (("short", InvalidAudioError), ("silent", InvalidAudioError), ("text", AudioDecodeError)):
        with pytest.raises(error, match=name):
            step.load_window(tmp_path / f"{name}.wav")
    with pytest.raises(AudioError, match=r"0\.0250 s"):
        step.load_window((np.full(300, 0.1, np.float32), 16000))


def test_networks_that_take_no_padding_get_repeated_inputs():
    config = AudioFeatureConfig(type="speechbrain", n_frames=60)
    open_input = OpenInput(config, 5, pads=False)
    pairs = [(tone(0.1 + 0.02 * i, 300 + 100 * i), "ab"[i % 2]) for i in range(6)]
    numbers = Settings(batch_size=3, epochs=2, random_state=0, learning_rate=0.001, checkpoint_interval=1)
    steps, recipe = [open_input.load_window, open_input], Recipe(mixup=0.2)
    load = partial(AudioLoader, batch_size=3, seed=0)
    options = {"nb_classes": None, "test_size": 0, "show": False, "open_input": open_input}
    clips = prepare(pairs, load, steps, config, numbers, recipe, **options)
    for x, lengths, _ in clips.train_plain:
        for row, length in zip(x.asnumpy()[:, 0], lengths.asnumpy()):
            np.testing.assert_array_equal(row[:, length:], row[:, : x.shape[3] - length])
    net = EcapaVoxcelebNet(2, (1, 80, 60), channels=64)
    initialize(net, 0, mx.cpu())
    progress = Progress()
    run_epochs(net, clips, progress, numbers, recipe, ctx=mx.cpu(), checkpoint=repr, show=False)
    assert progress.epochs == 2


def tone(seconds, pitch):
    t = np.arange(round(16000 * seconds)) / 16000
    return (0.4 * np.sin(2 * np.pi * pitch * t)).astype(np.float32), 16000


@pytest.mark.parametrize("kind", ["ast", "whisper"])
def test_cropped_sounds_are_padded_as_in_prediction(kind):
    config = AudioFeatureConfig(type=kind, n_frames=60)
    *steps, last = Recipe(random_crop=True).waveform_steps(config, 0)
    x = tone(0.2, 500)
    for step in (*steps, last):
        x = step(x)
    np.testing.assert_array_equal(x, input_of(tone(0.2, 500)[0], config))

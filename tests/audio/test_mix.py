"""Mix of channels, and what replaces it where they cancel each other."""

import logging

import numpy as np
import pytest
import soundfile

from mxnet_audio import audio
from mxnet_audio.errors import InvalidAudioError

SR = 16000


@pytest.fixture
def speech():
    """Noise with the spectrum and the pauses of a voice, 12 s."""
    rng = np.random.default_rng(0)
    y = np.convolve(rng.normal(0, 0.1, 12 * SR), np.ones(16) / 16, "same")
    return (y * np.repeat(rng.uniform(0, 1, 60), SR // 5)).astype(np.float32)


def mixed(y, caplog, **options):
    """Return the mono samples of channels, and the warnings; `load` and `blocks` agree."""
    caplog.clear()
    loaded = audio.load((y, SR), **options)[0]
    messages = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    if not options:
        np.testing.assert_array_equal(np.concatenate(list(audio.blocks((y, SR), allow_silence=False))), loaded)
    return loaded, messages


@pytest.mark.parametrize("correlation", [-1, -0.99, -0.95, -0.9])
def test_an_inverted_channel_is_not_mixed(speech, caplog, correlation):
    other = np.random.default_rng(1).permutation(speech.reshape(-1, SR)).ravel()
    y = np.stack([speech, correlation * speech + np.sqrt(1 - correlation**2) * other])
    loaded, messages = mixed(y, caplog)
    np.testing.assert_array_equal(loaded, speech)
    assert len(messages) == 1 and "channel 0" in messages[0]
    np.testing.assert_array_equal(audio.load((y, SR), mono=False)[0], y.astype(np.float32))


def test_a_warning_names_the_file_once(speech, caplog, tmp_path):
    path = tmp_path / "inverted.flac"
    soundfile.write(path, np.stack([speech, -speech], axis=1), SR)
    for offset in (0, 3, 6):
        assert np.abs(audio.load(path, offset=offset, duration=2)[0]).max() > 0.01
    for block in audio.blocks(path, 8000, allow_silence=False):
        assert block.any()
    (message,) = (record.getMessage() for record in caplog.records)
    assert message.startswith(str(path)) and "channel 0" in message


def test_hum_on_both_channels_does_not_hide_it(speech, caplog):
    hum = 0.05 * np.sin(2 * np.pi * 50 * np.arange(len(speech)) / SR)
    loaded, messages = mixed(np.stack([hum + speech, hum - speech]), caplog)
    assert messages and np.corrcoef(loaded - hum, speech)[0, 1] > 0.99


@pytest.mark.parametrize("before", ["silence", "dither"])
def test_sound_that_begins_late(speech, caplog, before):
    quiet = np.random.default_rng(1).integers(-1, 2, (2, 20 * SR)) / 32768 * (before == "dither")
    loaded, messages = mixed(np.concatenate([quiet, [speech, -speech]], axis=1), caplog)
    assert len(messages) == 1
    assert np.square(loaded[20 * SR :]).sum() > 0.95 * np.square(speech).sum()


def test_a_channel_that_is_inverted_after_a_minute(speech, caplog):
    before, after = np.tile([speech, speech], 5), np.tile([speech, -speech], 2)
    loaded, messages = mixed(np.concatenate([before, after], axis=1), caplog)
    assert len(messages) == 1
    np.testing.assert_array_equal(loaded[: 5 * len(speech)], np.tile(speech, 5))
    np.testing.assert_array_equal(loaded[-len(speech) // 2 :], speech[len(speech) // 2 :])  # after 14 s


def test_more_channels(speech, caplog):
    zeros, shifted = np.zeros_like(speech), np.roll(speech, SR // 2)
    for channels, want in (
        ([zeros, zeros, speech, -speech], speech),
        ([speech, -speech, speech, -speech], speech),
    ):
        loaded, messages = mixed(np.stack(channels), caplog)
        assert len(messages) == 1
        np.testing.assert_array_equal(loaded, want)
    for channels in (
        [zeros, zeros, speech, zeros, zeros, zeros],  # 5.1 with a voice in the centre
        [shifted, -shifted, speech, zeros, shifted, -shifted],  # surround as of a matrix, and a voice
        [*([zeros] * 63), speech],
    ):
        loaded, messages = mixed(np.stack(channels), caplog)
        assert not messages
        np.testing.assert_allclose(loaded, np.mean(channels, axis=0), atol=1e-6)


def test_ordinary_stereo_is_averaged(speech, caplog):
    zeros, shifted = np.zeros_like(speech), np.roll(speech, SR // 2)
    for left, right in (
        (speech, speech),
        (speech, zeros),
        (speech, shifted),
        (speech, np.roll(speech, 8)),  # two microphones
        (speech, -0.4 * speech),  # quieter, but not cancelled
        (speech + 0.3 * shifted, speech - 0.3 * shifted),
        (zeros, zeros),
    ):
        y = np.stack([left, right]).astype(np.float32)
        caplog.clear()
        np.testing.assert_allclose(audio.load((y, SR))[0], y.mean(axis=0), atol=1e-7)
        assert not caplog.records


def test_recordings_are_averaged_and_their_inversions_are_not(music, caplog):
    """Stereo music in parts of 0.25 s and more, also with the side signal raised by 9 dB."""
    stereo = [path for path in music.glob("*.ogg") if audio.info(path).channels == 2]
    assert len(stereo) >= 4
    for path in stereo:
        y, sr = audio.load(path, mono=False, duration=30)
        middle, side = (y[0] + y[1]) / 2, (y[0] - y[1]) / 2
        for wide in (y, np.stack([middle + 2.8 * side, middle - 2.8 * side])):
            for offset, duration in ((0, None), *((0.25 * step, 0.25) for step in range(20)), (3, 1)):
                audio.load((wide, sr), offset=offset, duration=duration)
        assert not caplog.records, path
        inverted = np.stack([y[0], -0.95 * y[0] - 0.05 * y[1]])
        np.testing.assert_array_equal(audio.load((inverted, sr))[0], inverted[0])
        assert len(caplog.records) == 1, path
        caplog.clear()


def test_silence_in_all_channels_is_silence(caplog):
    with pytest.raises(InvalidAudioError, match="silent"):
        list(audio.blocks((np.full((2, SR), 1e-6), SR), allow_silence=False))
    assert not caplog.records

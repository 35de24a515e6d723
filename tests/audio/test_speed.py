"""Sound played at another speed."""

import numpy as np
import pytest

from mxnet_audio import audio
from mxnet_audio.audio.source import source_identity
from mxnet_audio.errors import AudioDecodeError, InvalidAudioError, ParameterError


@pytest.mark.parametrize("speed", [0.8, 1.25])
def test_faster_sound_is_shorter_and_higher(speed, tmp_path, write_tone):
    """A tone of 400 Hz, within a bin of 1 Hz: of a file, of its channels, and of its part."""
    path = write_tone(tmp_path / "a.wav", 400, 2.0, sr=8000, channels=2)
    y, sr = audio.load(audio.Played(path, speed), sr=16000)
    assert sr == 16000 and len(y) == round(32000 / speed)
    assert np.abs(np.fft.rfft(y[:16000])).argmax() == 400 * speed
    both, rate = audio.load(audio.Played(path, speed), mono=False, offset=0.5)
    assert both.shape == (2, round((2 - 0.5 * speed) * 8000)) and rate == 8000 * speed
    assert audio.info(audio.Played(path, speed)).duration == pytest.approx(2 / speed)


def test_played_sound_has_a_name_and_its_own_identity(tmp_path, write_tone):
    path = write_tone(tmp_path / "a.wav")
    identities = [source_identity(source) for source in (path, *(audio.Played(path, speed) for speed in (0.9, 1.1)))]
    assert len(set(identities)) == 3
    assert source_identity(audio.Played(str(path), 0.9)) == identities[1]
    with pytest.raises(AudioDecodeError, match=r"^missing\.wav: "):
        audio.load(audio.Played("missing.wav", 0.9))


@pytest.mark.parametrize("speed", [0, -1, float("nan"), float("inf"), "fast"])
def test_wrong_speeds_are_refused(speed):
    with pytest.raises(ParameterError, match="speed"):
        audio.Played("a.wav", speed)


@pytest.mark.parametrize("speed", [1e300, 1e4, 1e-5])
def test_speeds_at_which_the_rate_is_none_of_sound(speed):
    source = audio.Played((np.ones(8000), 8000), speed)
    for function in (audio.load, audio.info, lambda source: list(audio.blocks(source, 16000))):
        with pytest.raises(InvalidAudioError, match=r"8000 Hz played at .* is not from 1 to 10000000 Hz"):
            function(source)

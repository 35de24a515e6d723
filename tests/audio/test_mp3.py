"""MP3: no gaps, no estimated lengths, no false errors, exact seeks."""

import io

import numpy as np
import pytest
import soundfile as sf

from mxnet_audio import audio
from mxnet_audio.audio.mp3 import mpeg_parts
from mxnet_audio.audio.mp3_frames import LENGTHS
from mxnet_audio.errors import TruncatedAudioError


def _mp3(channels=1, sr=44100, seconds=8, **kwargs):
    """Return bytes and samples of loud noise, silence and a tone, so that a variable bit rate varies."""
    n = sr * seconds // 4
    rng = np.random.default_rng(0)
    y = np.concatenate([0.2 * rng.standard_normal(n), np.zeros(2 * n), 0.3 * np.sin(np.arange(n) * 0.05)])
    file = io.BytesIO()
    sf.write(file, np.stack([y] * channels, axis=1), sr, format="MP3", **kwargs)
    return file.getvalue(), y


def _without_header(data):
    return data[LENGTHS[data[1] << 8 | data[2]] :]


@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
@pytest.mark.parametrize("sr, channels", [(44100, 1), (44100, 2), (22050, 1), (16000, 2)])
def test_a_file_without_xing_header_loads_completely(mode, sr, channels):
    data, y = _mp3(channels, sr, bitrate_mode=mode)
    bare = _without_header(data)
    assert mpeg_parts(io.BytesIO(data)) is None and len(mpeg_parts(io.BytesIO(bare))) == 1
    got, _ = audio.load(io.BytesIO(bare))
    assert 0 <= len(got) - len(y) < 4000
    whole, _ = audio.load(io.BytesIO(data))
    # The same sound except for the encoder's delay, which only the full header declares.
    delay = len(got) - len(y)
    best = max(np.corrcoef(got[k : k + sr], whole[:sr])[0, 1] for k in range(max(0, delay - 1200), delay + 1))
    assert best > 0.99


def test_a_truncated_file_without_xing_header_loads():
    data, _ = _mp3(bitrate_mode="VARIABLE")
    tag = b"ID3\x04\0\0\0\0\x10\0" + bytes(2048)
    bare = tag + _without_header(data) + b"TAG" + bytes(125)
    full, _ = audio.load(io.BytesIO(bare))
    half, _ = audio.load(io.BytesIO(bare[: len(bare) // 4]))  # no length is declared
    assert 0 < len(half) < len(full)


def test_a_tagged_file_loads_and_is_refused_when_truncated():
    data, y = _mp3()
    tagged = b"ID3\x04\0\0\0\0\x10\0" + bytes(2048) + data + b"TAG" + bytes(125)
    assert len(audio.load(io.BytesIO(tagged))[0]) == len(y)
    with pytest.raises(TruncatedAudioError, match=r"8\.000 s"):
        audio.load(io.BytesIO(tagged[: int(0.98 * len(tagged))]))


@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
@pytest.mark.parametrize("strip", [False, True])
def test_seeks_are_exact(mode, strip):
    data, _ = _mp3(2, bitrate_mode=mode)
    file = io.BytesIO(_without_header(data) if strip else data)
    whole, sr = audio.load(file)
    for offset in (0.01, 0.9, 3.3, 6.2, 7.4):
        part, _ = audio.load(file, offset=offset, duration=0.4)
        start = round(offset * sr)
        np.testing.assert_allclose(part, whole[start : start + len(part)], atol=1e-6)


def test_junk_has_no_frames_to_count():
    assert mpeg_parts(io.BytesIO(b"letters" * 1000)) == []
    assert mpeg_parts(io.BytesIO(bytes(range(256)) * 50)) == []

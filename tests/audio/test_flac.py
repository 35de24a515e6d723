"""FLAC files that were joined, or declare another number of samples than they have."""

import io

import numpy as np
import pytest
import soundfile as sf

from mxnet_audio import audio
from mxnet_audio.audio import flac
from mxnet_audio.audio.flac import flac_parts
from mxnet_audio.errors import AudioDecodeError, TruncatedAudioError

RATE = 22050
ID3 = b"ID3\x04\0\0\0\0\x10\0" + bytes(2048)


def _flac(seconds=2, level=0.1, sr=RATE, channels=1, subtype="PCM_16"):
    file = io.BytesIO()
    y = level * np.random.default_rng(0).standard_normal((round(sr * seconds), channels))
    sf.write(file, y, sr, format="FLAC", subtype=subtype)
    return file.getvalue()


def _declaring(data, total):
    changed, at = bytearray(data), data.index(b"fLaC")
    changed[at + 21] = changed[at + 21] & 0xF0 | total >> 32
    changed[at + 22 : at + 26] = (total & 0xFFFFFFFF).to_bytes(4, "big")
    return bytes(changed)


def _load(data):
    return audio.load(io.BytesIO(data))[0]


SOUNDS = {
    "longer first": (_flac(3), _flac(2)),
    "longer last": (_flac(1), _flac(3)),
    "of one length": (_flac(2), _flac(2)),
    "many of one length": (_flac(1),) * 5,
    "a power of two of one length": (_flac(1),) * 8,
    "silence last": (_flac(5), _flac(5, level=0)),
    "silence first": (_flac(5, level=0), _flac(5)),
    "of other bits": (_flac(2), _flac(2, subtype="PCM_24")),
    "with tags": (ID3 + _flac(2), ID3 + _flac(3)),
}


@pytest.mark.parametrize("small", [0, 1 << 20])
@pytest.mark.parametrize("case", SOUNDS)
def test_joined_files_are_read_after_one_another(tmp_path, case, small, monkeypatch):
    monkeypatch.setattr(flac, "_SMALL", small)
    path = tmp_path / "joined.flac"
    path.write_bytes(b"".join(SOUNDS[case]))
    want = np.concatenate([_load(data) for data in SOUNDS[case]])
    np.testing.assert_array_equal(audio.load(path)[0], want)
    assert audio.info(path).frames == len(want)
    for offset in (0.5, 0.95, 1.9, 3.3):
        start = round(offset * RATE)
        np.testing.assert_array_equal(audio.load(path, offset=offset, duration=0.1)[0], want[start : start + 2205])


@pytest.mark.parametrize("total", ["unknown", "too few"])
def test_all_samples_are_read_whatever_is_declared(total, caplog):
    data = _flac(3, channels=2)
    want = _load(data)
    changed = _declaring(data, 0 if total == "unknown" else 30000)
    np.testing.assert_array_equal(_load(changed), want)
    np.testing.assert_array_equal(audio.load(io.BytesIO(changed), offset=2.5)[0], want[round(2.5 * RATE) :])
    assert audio.info(io.BytesIO(changed)).frames == len(want)
    assert ("declares 30000 samples" in caplog.text) == (total == "too few")


def test_declaring_more_than_there_is():
    with pytest.raises(TruncatedAudioError):
        _load(_declaring(_flac(2), 3 * RATE))
    with pytest.raises(AudioDecodeError):
        _load(_declaring(_flac(2), 2**36 - 1))


@pytest.mark.parametrize("subtype", ["PCM_S8", "PCM_16", "PCM_24"])
@pytest.mark.parametrize("sr", [8000, 11025, 44100, 96000, 12345])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_right_headers_are_recognised(subtype, sr, channels, monkeypatch):
    monkeypatch.setattr(flac, "_SMALL", 0)
    for seconds in (0.01, 1.3):
        data = _flac(seconds, sr=sr, channels=channels, subtype=subtype)
        assert flac_parts(io.BytesIO(data), 0) == []
        (part,) = flac_parts(io.BytesIO(_declaring(data, 1)), 0)
        assert audio.info(part.open(io.BytesIO(data))).frames == round(seconds * sr)


def test_tags_behind():
    data = _flac(2)
    np.testing.assert_array_equal(_load(data + b"TAG" + bytes(125)), _load(data))

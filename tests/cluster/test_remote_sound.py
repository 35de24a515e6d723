"""Sounds of a store."""

import numpy as np
import pytest
import soundfile as sf
from fsspec.implementations.memory import MemoryFileSystem

from mxnet_audio import audio
from mxnet_audio.cluster import storage
from mxnet_audio.cluster.remote_sound import sound
from mxnet_audio.errors import AudioDecodeError, AudioError


@pytest.fixture
def clip(tmp_path):
    """WAV file, and its content."""
    MemoryFileSystem.store.clear()
    path = tmp_path / "é.wav"
    sf.write(path, 0.5 * np.sin(np.arange(4000) / 5), 8000)
    return path, path.read_bytes()


def test_sounds_are_copied_once_and_removed(clip, tmp_path, monkeypatch):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    storage.write("memory://in/é.wav", clip[1])
    y, sr = audio.load(str(clip[0]))
    source = sound("memory://in/é.wav")
    assert audio.source.source_name(source) == "memory://in/é.wav"
    assert not list((tmp_path / "temporary").iterdir())  # nothing is read before the sound is opened
    for _ in range(2):
        np.testing.assert_array_equal(audio.load(source, sr=sr)[0], y)
    assert [path.suffix for path in (tmp_path / "temporary").iterdir()] == [".wav"]
    (channel,) = audio.channel_sources([source], "left")
    np.testing.assert_array_equal(audio.load(channel, sr=sr)[0], y)
    first = source.identity()
    storage.write("memory://in/é.wav", clip[1])
    assert source.identity() != first
    del source, channel
    assert not list((tmp_path / "temporary").iterdir())
    monkeypatch.setattr("mxnet_audio.cluster.remote_sound.LARGEST", 10)
    with pytest.raises(AudioError, match="larger"):
        audio.load(sound("memory://in/é.wav"))
    assert not list((tmp_path / "temporary").iterdir())


def test_errors_of_sounds_name_the_url():
    storage.write("memory://in/bad.wav", b"this is not sound")
    with pytest.raises(AudioDecodeError) as caught:
        audio.load(sound("memory://in/bad.wav"))
    assert caught.value.path == "memory://in/bad.wav"
    assert "mxnet-audio-" not in str(caught.value)


def test_a_temporary_folder_that_is_full_or_missing(clip, tmp_path, monkeypatch):
    storage.write("memory://in/a.wav", clip[1])
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    with pytest.raises(AudioError, match="temporary folder") as caught:
        audio.load(sound("memory://in/a.wav"))
    assert caught.value.path == "memory://in/a.wav"

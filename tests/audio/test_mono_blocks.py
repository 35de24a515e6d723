"""Streams of mono blocks equal the sound loaded at once."""

import tracemalloc

import numpy as np
import pytest
import soundfile

from mxnet_audio import audio
from mxnet_audio.errors import AudioDecodeError, InvalidAudioError, ParameterError, TruncatedAudioError


@pytest.fixture
def samples():
    return np.random.default_rng(0).normal(0, 0.1, (50000, 2)).astype(np.float32)


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
@pytest.mark.parametrize("sr", [None, 16000, 44100])
@pytest.mark.parametrize("seconds", [0.01, 0.5, 10.0])
def test_blocks_equal_load(tmp_path, samples, suffix, sr, seconds):
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, samples, 22050)
    parts = list(audio.blocks(path, sr, seconds=seconds))
    assert all(part.dtype == np.float32 and part.ndim == 1 and len(part) for part in parts)
    np.testing.assert_array_equal(np.concatenate(parts), audio.load(path, sr)[0])


@pytest.mark.parametrize("dtype", ["float32", "int16", "uint8"])
def test_blocks_of_arrays(samples, dtype):
    y = samples.T if dtype == "float32" else (samples.T * 100 + 128).astype(dtype)
    parts = list(audio.blocks((y, 8000), 16000, seconds=0.7))
    np.testing.assert_array_equal(np.concatenate(parts), audio.load((y, 8000), 16000)[0])


def test_truncated_file_is_refused_at_its_end(tmp_path, samples):
    path = tmp_path / "a.flac"
    soundfile.write(path, samples, 22050)
    path.write_bytes(path.read_bytes()[:-40000])
    with pytest.raises((TruncatedAudioError, AudioDecodeError), match=r"a\.flac"):
        list(audio.blocks(path))


def test_bad_sound_is_named(tmp_path):
    silent = tmp_path / "silent.wav"
    soundfile.write(silent, np.zeros(8000), 8000)
    assert len(np.concatenate(list(audio.blocks(silent)))) == 8000
    for source, error, name in (
        (silent, InvalidAudioError, "silent.wav"),
        (tmp_path / "missing.wav", AudioDecodeError, "missing.wav"),
        ((np.array([0.0, np.nan]), 8000), InvalidAudioError, "NaN"),
        ((np.array([0.0, 1e13]), 8000), InvalidAudioError, r"1e\+13"),
        ((np.zeros(0), 8000), InvalidAudioError, "samples"),
    ):
        with pytest.raises(error, match=name):
            list(audio.blocks(source, allow_silence=False))
    with pytest.raises(InvalidAudioError, match="100 Hz"):
        list(audio.blocks((np.ones(3), 48000), 100))
    for arguments in ({"sr": 0}, {"sr": 2**31}, {"seconds": 0}, {"seconds": 1e308}):
        with pytest.raises(ParameterError):
            list(audio.blocks((np.ones(3), 48000), **arguments))


def test_memory_does_not_grow_with_the_length(tmp_path):
    path = tmp_path / "long.wav"
    with soundfile.SoundFile(path, "w", 16000, 1) as file:
        for _ in range(60):
            file.write(np.full(160000, 0.1, np.float32))
    tracemalloc.start()
    count = sum(len(block) for block in audio.blocks(path, 8000, seconds=1))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 4_800_000 and peak < 4 << 20  # the whole sound takes 19 MB at 8 kHz

"""Tests of the decoding of requests' sounds."""

import io
import struct
import tracemalloc

import numpy as np
import pytest
import soundfile as sf

from mxnet_audio import audio
from mxnet_audio.errors import AudioDecodeError, InvalidAudioError, ParameterError, TruncatedAudioError
from mxnet_audio.serve.problems import TooLong
from mxnet_audio.serve.sounds import decode

SR = 8000


def encoded(y, sr=SR, kind="WAV", subtype=None):
    """Return samples as the bytes of a file."""
    file = io.BytesIO()
    sf.write(file, y, sr, format=kind, subtype=subtype)
    return file.getvalue()


@pytest.fixture(scope="module")
def stereo():
    return np.random.default_rng(0).uniform(-0.5, 0.5, (SR, 2)).astype(np.float32)


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3"])
@pytest.mark.parametrize("channel", ["mix", "right", 0])
def test_samples_equal_those_of_the_library(stereo, kind, channel):
    content = encoded(stereo, kind=kind)
    sound = decode(io.BytesIO(content), "a.x", 2.0, channel)
    expected, rate = audio.load(audio.Channel(content, channel))
    np.testing.assert_array_equal(sound.samples, expected)
    assert (sound.rate, sound.source[1], sound.seconds) == (rate, SR, len(expected) / SR)
    assert sound.samples.dtype == np.float32


def test_names_and_types_of_errors_are_those_of_the_library(stereo):
    whole = encoded(stereo)
    nan = np.where(np.arange(2 * SR).reshape(SR, 2) == 5, np.nan, stereo)
    for content, channel, error in (
        (b"", "mix", AudioDecodeError),
        (whole[:5000], "mix", TruncatedAudioError),
        (encoded(nan, subtype="FLOAT"), "mix", InvalidAudioError),
        (encoded(stereo[:0]), "mix", InvalidAudioError),
        (whole, 2, InvalidAudioError),
        (whole, "each", ParameterError),
    ):
        with pytest.raises(error) as expected:
            audio.load(io.BytesIO(content), channel=channel)
        with pytest.raises(error) as raised:
            decode(io.BytesIO(content), "a.wav", 2.0, channel)
        assert (raised.value.reason, raised.value.path) == (expected.value.reason, "a.wav")


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3"])
def test_sounds_that_are_too_long_are_refused(stereo, kind):
    content = encoded(stereo, kind=kind)
    assert decode(io.BytesIO(content), "a.x", 1.1).rate == SR
    with pytest.raises(TooLong, match=r"a\.x"):
        decode(io.BytesIO(content), "a.x", 0.9)


def test_length_is_counted_whatever_the_header_declares(stereo):
    whole = encoded(stereo)
    undeclared = whole[:40] + bytes(4) + whole[44:]  # as of a recording that is not finished
    assert decode(io.BytesIO(undeclared), "a.wav", 1.0).seconds == 1.0
    with pytest.raises(TooLong):
        decode(io.BytesIO(undeclared), "a.wav", 0.99)
    flac = bytearray(encoded(stereo, kind="FLAC"))
    start = flac.index(b"fLaC") + 8 + 13  # the low 4 bits of byte 13 and the next 4 bytes: the number of frames
    flac[start] &= 0xF0
    flac[start + 1 : start + 5] = bytes(4)
    with pytest.raises(TooLong):
        decode(io.BytesIO(bytes(flac)), "a.flac", 0.5)


def test_little_memory_is_used_before_a_long_sound_is_refused():
    silence = io.BytesIO()
    with sf.SoundFile(silence, "w", SR, 1, format="FLAC") as file:
        for _ in range(60):
            file.write(np.zeros(SR * 60, np.int16))
    silence.seek(0)
    assert silence.getbuffer().nbytes < 1 << 20
    tracemalloc.start()
    try:
        with pytest.raises(TooLong):
            decode(silence, "hour.flac", 60.0)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_high_rates_do_not_allow_more_samples():
    head = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, 4_000_000, 8_000_000, 2, 16)
    samples = np.ones(100_000, "<i2").tobytes()
    chunks = b"WAVE" + head + b"data" + struct.pack("<I", len(samples)) + samples
    content = b"RIFF" + struct.pack("<I", len(chunks)) + chunks
    with pytest.raises(TooLong, match="48000 Hz"):
        decode(io.BytesIO(content), "radio.wav", 2.0)
    assert decode(io.BytesIO(content), "radio.wav", 2.1).seconds == 0.025

"""Tests of the types of sound files, and of the channels of entries."""

import io

import numpy as np
import pytest
import soundfile as sf

pytest.importorskip("fastapi")

from mxnet_audio.audio.formats import _CONTAINERS, _FRAMES, AUDIO_SUFFIXES
from mxnet_audio.search.entries import Entry
from mxnet_audio.serve.problems import UnknownSound
from mxnet_audio.serve.sound_files import _SUFFIX_TYPES, _TYPES, channel_of, media_type


def sound_bytes(**kwargs):
    file = io.BytesIO()
    sf.write(file, np.zeros(800), 8000, **kwargs)
    return file


@pytest.mark.parametrize(
    ("name", "format", "kind"),
    [
        ("a.wav", "WAV", "audio/wav"),
        ("a.flac", "FLAC", "audio/flac"),
        ("a.mp3", "MP3", "audio/mpeg"),
        ("a.ogg", "OGG", "audio/ogg"),
        ("a.aiff", "AIFF", "audio/aiff"),
        ("no suffix", "FLAC", "audio/flac"),
        ("a.mp3", "WAV", "audio/wav"),
        ("a.mat", "MAT5", "application/octet-stream"),
        ("no suffix", "MP3", "application/octet-stream"),
    ],
)
def test_types_of_files(name, format, kind):
    assert media_type(sound_bytes(format=format), name) == kind


def test_every_format_has_a_type():
    families = {row.ffmpeg.split(",")[0] for row in (*_CONTAINERS, _FRAMES)}
    assert families == _TYPES.keys()
    assert _SUFFIX_TYPES.keys() <= families
    assert {suffix for suffixes in _SUFFIX_TYPES.values() for suffix in suffixes} <= AUDIO_SUFFIXES


@pytest.mark.parametrize(
    "content", [b"", b"text", b"<html>", b"\xff\xfb" + bytes(100)], ids=["", "text", "html", "word"]
)
def test_other_files_are_refused(content):
    with pytest.raises(UnknownSound):
        media_type(io.BytesIO(content), "a")


def test_channels_of_entries():
    def of(name, *stamp):
        return channel_of(Entry(0, name, name, stamp or None))

    assert of("/a.wav", 1, 2) == of("/a.wav") == "mix"
    assert [of(f"/a.wav [{word}]", 1, 2) for word in ("left", "right", "1", "12")] == [0, 1, 0, 11]
    assert of("/a.wav", 1, 2, 3) == 3

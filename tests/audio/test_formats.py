"""Table of formats: every suffix is one that a decoder reads, and only known first bytes reach FFmpeg."""

import io
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile as sf

from mxnet_audio import audio
from mxnet_audio.audio.formats import AUDIO_SUFFIXES, ffmpeg_formats
from mxnet_audio.errors import AudioDecodeError

SR = 8000
SOUNDFILE = {  # suffixes by format and subtype of libsndfile
    ("WAV", "PCM_16"): ".wav .wave .bwf",
    ("WAVEX", "PCM_16"): ".amb",
    ("RF64", "PCM_16"): ".rf64",
    ("W64", "PCM_16"): ".w64",
    ("AIFF", "PCM_16"): ".aif .aiff",
    ("AIFF", "FLOAT"): ".aifc",
    ("AU", "PCM_16"): ".au .snd",
    ("CAF", "PCM_16"): ".caf",
    ("VOC", "PCM_16"): ".voc",
    ("NIST", "PCM_16"): ".sph .nist",
    ("SVX", "PCM_16"): ".svx .8svx",
    ("FLAC", "PCM_16"): ".flac",
    ("OGG", "VORBIS"): ".ogg .oga",
    ("OGG", "OPUS"): ".opus",
    ("MP3", "MPEG_LAYER_III"): ".mp3",
}
PYAV = {  # suffixes by container, codec and rate
    ("mp4", "aac", 44100): ".mp4 .m4a .m4b .m4r .m4v",
    ("mov", "aac", 44100): ".mov .qt",
    ("3gp", "aac", 44100): ".3gp .3gpp .3g2 .3ga",
    ("matroska", "aac", 44100): ".mka .mkv",
    ("webm", "libopus", 48000): ".webm .weba",
    ("asf", "wmav2", 44100): ".wma .wmv .asf",
    ("avi", "ac3", 48000): ".avi",
    ("flv", "mp3", 44100): ".flv",
    ("adts", "aac", 44100): ".aac",
    ("ac3", "ac3", 48000): ".ac3",
    ("eac3", "eac3", 48000): ".eac3 .ec3",
    ("mp2", "mp2", 44100): ".mp2 .mpa",
    ("mp3", "mp3", 44100): ".mpga",
    ("tta", "tta", 44100): ".tta",
    ("wv", "wavpack", 44100): ".wv",
    ("amr", "libopencore_amrnb", 8000): ".amr",
    ("rm", "real_144", 8000): ".rm .ra",
    ("mpeg", "mp2", 48000): ".mpg .mpeg .vob",
    ("mpegts", "aac", 48000): ".m2ts",
    ("ogg", "flac", 44100): ".ogv",
}
# Without an encoder anywhere; by the name of the decoder of FFmpeg.
DECODED_ONLY = {
    "amrwb": ".awb",
    "ape": ".ape",
    "dca": ".dts",
    "dsd_lsbf_planar": ".dsf",
    "dsd_msbf": ".dff",
    "mp1float": ".mp1",
    "mpc7": ".mpc",
    "pcm_s16le": ".bw64",
    "speex": ".spx",
    "tak": ".tak",
}


def _rows(table):
    return [(*key, suffix) for key, suffixes in table.items() for suffix in suffixes.split()]


def _tone(sr, seconds=1.0):
    return (0.4 * np.sin(2 * np.pi * 440 * np.arange(int(seconds * sr)) / sr)).astype(np.float32)


def test_every_suffix_is_checked():
    assert {row[-1] for row in _rows(SOUNDFILE) + _rows(PYAV)} | set(DECODED_ONLY.values()) == AUDIO_SUFFIXES


@pytest.mark.parametrize("container, subtype, suffix", _rows(SOUNDFILE))
def test_suffixes_that_libsndfile_reads(tmp_path, container, subtype, suffix):
    path = tmp_path / f"a{suffix}"
    sf.write(path, _tone(SR), SR, format=container, subtype=subtype)
    assert audio.find_audio(tmp_path) == [str(path)]
    y, sr = audio.load(path)
    assert len(y) / sr == pytest.approx(1.0, abs=0.1) and np.abs(y).max() > 0.2
    with path.open("rb") as file:
        assert ffmpeg_formats(file) is not None and file.tell() == 0


@pytest.mark.parametrize("container, codec, rate, suffix", _rows(PYAV))
def test_suffixes_that_pyav_reads(tmp_path, encode, container, codec, rate, suffix):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(encode(_tone(rate), rate, container, codec))
    assert audio.find_audio(tmp_path) == [str(path)]
    y, sr = audio.load(path)
    assert len(y) / sr == pytest.approx(1.0, abs=0.2) and np.abs(y).max() > 0.2
    part, _ = audio.load(path, offset=0.5, duration=0.3)
    start, count = round(0.5 * sr), round(0.3 * sr)
    shifts = range(-sr // 1000, sr // 1000 + 1) if container in ("matroska", "webm") else [0]  # they count in ms
    assert min(np.abs(part - y[start + shift :][:count]).max() for shift in shifts) < 3e-3


@pytest.mark.parametrize("decoder", DECODED_ONLY)
def test_suffixes_without_an_encoder_have_a_decoder(decoder):
    av = pytest.importorskip("av", reason="PyAV (extra [av]) is not installed")
    assert av.Codec(decoder, "r").type == "audio"


def test_tags_and_zeros_before_the_first_bytes():
    tag = b"ID3\x04\0\0" + bytes([0, 0, 1, 0]) + bytes(128)
    assert ffmpeg_formats(io.BytesIO(tag + b"fLaC")) == "flac"
    assert "mp3" in ffmpeg_formats(io.BytesIO(tag + bytes(5000) + b"\xff\xfb\x90\x64"))
    assert ffmpeg_formats(io.BytesIO(tag + b"#EXTM3U\n")) is None


LISTS = {
    "a.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{}\n#EXT-X-ENDLIST\n",
    "b.gsm": "This is a letter to somebody.\n" * 200,
    "c.g722": "This is a letter to somebody.\n" * 200,
    "d.asx": '<asx version="3.0"><entry><ref href="{}"/></entry></asx>\n',
    "e.ffconcat": "ffconcat version 1.0\nfile '{}'\n",
    "f.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
    "g.mpd": '<?xml version="1.0"?><MPD profiles="urn:mpeg:dash:profile:isoff-live:2011"><BaseURL>{}</BaseURL></MPD>',
    "h.wav": "#EXTM3U\n#EXTINF:2,\n{}\n#EXT-X-ENDLIST\n",
    "i.mp3": "ID3\4\0\0\0\0\0\0#EXTM3U\n#EXTINF:2,\n{}\n#EXT-X-ENDLIST\n",
}


@pytest.mark.parametrize("name", LISTS)
def test_text_is_no_sound_and_never_reaches_ffmpeg(tmp_path, write_tone, monkeypatch, name):
    called = tmp_path / "called"
    fake = tmp_path / "bin" / "ffmpeg"
    fake.parent.mkdir()
    fake.write_text(f"#!/bin/sh\necho > {called}\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(fake.parent))
    monkeypatch.setitem(sys.modules, "av", SimpleNamespace(open=pytest.fail, error=None))
    write_tone(tmp_path / "other.mp3")
    path = tmp_path / name
    path.write_text(LISTS[name].format("other.mp3"))
    with pytest.raises(AudioDecodeError, match="first bytes"):
        audio.load(path)
    assert not called.exists()


@pytest.mark.parametrize("decoder", ["PyAV", "ffmpeg"])
def test_a_list_with_the_first_bytes_of_sound_opens_no_other_file(tmp_path, write_tone, only_decoder, decoder):
    only_decoder(decoder)
    write_tone(tmp_path / "other.mp3")
    for first, text in (("RIFF1234WAVE", LISTS["g.mpd"]), ("\xff\xf1\xff\xfb\n", LISTS["f.sdp"])):
        path = tmp_path / "a.wav"
        path.write_bytes((first + text.format("other.mp3")).encode("latin-1"))
        with pytest.raises(AudioDecodeError):
            audio.load(path)

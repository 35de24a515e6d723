"""Decoders of FFmpeg's formats, PyAV and the command ffmpeg: delayed tracks, changes within a track, odd codecs."""

import struct

import numpy as np
import pytest
import soundfile as sf

from mxnet_audio import audio
from mxnet_audio.audio.decode import open_stream
from mxnet_audio.errors import AudioDecodeError, AudioError, TruncatedAudioError

SR = 48000
DECODERS = ("PyAV", "ffmpeg")


def _tone(seconds, sr=SR):
    return 0.4 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * sr)) / sr)


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("form", ["mp4 aac", "matroska libopus", "mpegts aac", "asf wmav2"])
def test_sample_0_is_the_start_of_the_container(tmp_path, encode, only_decoder, decoder, form):
    path = tmp_path / "a.bin"
    path.write_bytes(encode(_tone(2), SR, *form.split(), delay=1.5, video=True))
    only_decoder(decoder)
    y, sr = audio.load(path)
    assert audio.info(path).decoder == {"PyAV": "av", "ffmpeg": "ffmpeg"}[decoder]
    assert np.argmax(np.abs(y) > 0.05) / sr == pytest.approx(1.5, abs=0.06)
    assert not y[: round(1.4 * sr)].any()
    assert len(y) / sr == pytest.approx(3.5, abs=0.12)
    for offset, duration in ((0.3, 0.5), (1.2, 0.8), (2.0, 0.5), (2.0, None)):
        part, _ = audio.load(path, offset=offset, duration=duration)
        start = round(offset * sr)
        stop = len(y) if duration is None else start + round(duration * sr)
        np.testing.assert_allclose(part, y[start:stop], atol=2e-3)


@pytest.mark.parametrize("decoder", DECODERS)
def test_a_delayed_track_alone(tmp_path, encode, only_decoder, decoder):
    for container in ("mp4", "matroska"):
        path = tmp_path / f"a.{container}"
        path.write_bytes(encode(_tone(1), SR, container, "aac", delay=1.0))
    only_decoder(decoder)
    for container in ("mp4", "matroska"):
        y, sr = audio.load(tmp_path / f"a.{container}")
        assert np.argmax(np.abs(y) > 0.05) / sr == pytest.approx(1.0, abs=0.06)
        assert audio.info(tmp_path / f"a.{container}").duration == pytest.approx(2.0, abs=0.1)


def test_a_delay_is_bounded(tmp_path, encode, caplog):
    path = tmp_path / "a.mka"
    path.write_bytes(encode(_tone(1), SR, "matroska", "aac", delay=20_000.0))
    y, sr = audio.load(path)
    assert len(y) / sr == pytest.approx(1.0, abs=0.1)
    assert "20000 s" in caplog.text


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("container, codec", [("adts", "aac"), ("ac3", "ac3")])
def test_rate_and_channels_may_change_within_a_track(tmp_path, encode, only_decoder, decoder, container, codec):
    path = tmp_path / "a.bin"
    first = encode(np.stack([_tone(1)] * 2), SR, container, codec)
    path.write_bytes(first + encode(_tone(1, 44100), 44100, container, codec))
    only_decoder(decoder)
    y, sr = audio.load(path)
    assert sr in (SR, 44100) and len(y) / sr == pytest.approx(2.0, abs=0.15)
    for begin in (0.3, 1.3):
        spectrum = np.abs(np.fft.rfft(y[round(begin * sr) :][: sr // 2]))
        assert np.argmax(spectrum) == pytest.approx(220, abs=2)


def _wav_with_tag(tag):
    y = (_tone(1) * 32767).astype("<i2").tobytes()
    form = struct.pack("<HHIIHH", tag, 1, SR, 2 * SR, 2, 16)
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(y)) + y
    return b"RIFF" + struct.pack("<I", len(body)) + body


@pytest.mark.parametrize("decoder", DECODERS)
def test_an_unknown_codec_is_named(tmp_path, only_decoder, decoder):
    path = tmp_path / "a.wav"
    path.write_bytes(_wav_with_tag(0x1234))
    only_decoder(decoder)
    with pytest.raises(AudioDecodeError, match=r"a\.wav: no decoder reads this"):
        audio.load(path)


@pytest.mark.parametrize("decoder", DECODERS)
def test_a_folder_that_is_named_like_an_address(tmp_path, encode, only_decoder, decoder, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "http:").mkdir()
    (tmp_path / "http:" / "a.mka").write_bytes(encode(_tone(1), SR, "matroska", "aac"))
    only_decoder(decoder)
    assert audio.load("http:/a.mka")[0].size > SR / 2


def test_ffmpeg_reads_what_pyav_reads(tmp_path, encode, only_decoder):
    path = tmp_path / "-i é.mka"
    path.write_bytes(encode(np.stack([_tone(1), 0 * _tone(1)]), SR, "matroska", "aac"))
    only_decoder("PyAV")
    want, _ = audio.load(path, mono=False)
    only_decoder("ffmpeg")
    got, _ = audio.load(path, mono=False)
    np.testing.assert_allclose(got, want, atol=1e-4)
    with path.open("rb") as file, pytest.raises(AudioDecodeError, match="ffmpeg: needs a path"):
        audio.load(file)


@pytest.mark.parametrize("decoder", DECODERS)
def test_streams_tell_whether_they_seek(encode, only_decoder, tmp_path, decoder):
    (tmp_path / "a.mka").write_bytes(encode(_tone(0.5), SR, "matroska", "aac"))
    (tmp_path / "a.wma").write_bytes(encode(_tone(0.5), SR, "asf", "wmav2"))
    only_decoder(decoder)
    for name, seeks in (("a.mka", decoder == "PyAV"), ("a.wma", False)):
        with open_stream(tmp_path / name) as stream:
            assert stream.seeks is seeks


@pytest.mark.parametrize("decoder", DECODERS)
def test_truncated_files_are_refused(tmp_path, encode, only_decoder, decoder):
    path = tmp_path / "a.mka"
    data = encode(_tone(3), SR, "matroska", "aac")
    path.write_bytes(data[: len(data) // 2])
    only_decoder(decoder)
    with pytest.raises(TruncatedAudioError):
        audio.load(path)


def test_an_ffmpeg_that_is_broken_is_named(tmp_path, encode, only_decoder, monkeypatch):
    path = tmp_path / "a.mka"
    path.write_bytes(encode(_tone(1), SR, "matroska", "aac"))
    only_decoder("none")
    with pytest.raises(AudioDecodeError, match=r"pip install av.*ffmpeg: not installed"):
        audio.load(path)
    fake = tmp_path / "ffmpeg"
    monkeypatch.setenv("PATH", str(tmp_path))
    for script in ("echo 'no such codec' >&2; exit 1", "kill -9 $$", "printf .snd"):
        fake.write_text(f"#!/bin/sh\n{script}\n")
        fake.chmod(0o755)
        with pytest.raises(AudioDecodeError, match="ffmpeg: "):
            audio.load(path)


def test_an_ffmpeg_that_hangs_is_ended(tmp_path, encode, only_decoder, monkeypatch):
    from mxnet_audio.audio import decode_ffmpeg

    path = tmp_path / "a.mka"
    path.write_bytes(encode(_tone(1), SR, "matroska", "aac"))
    only_decoder("none")
    (tmp_path / "ffmpeg").write_text("#!/bin/sh\nexec /bin/sleep 60\n")
    (tmp_path / "ffmpeg").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(decode_ffmpeg, "_MAX_WAIT", 0.1)
    with pytest.raises(AudioDecodeError, match="ffmpeg: "):
        audio.load(path)


def test_a_length_that_a_file_cannot_hold_is_refused(tmp_path):
    path = tmp_path / "a.flac"
    sf.write(path, np.zeros(8000), 8000)
    data = bytearray(path.read_bytes())
    data[21:26] = bytes([data[21] | 0x0F, 0xFF, 0xFF, 0xFF, 0xFF])  # 36 bits: the number of samples
    path.write_bytes(data)
    with pytest.raises(AudioError, match=r"a\.flac"):
        audio.load(path)


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("container, codec", [("matroska", "aac"), ("webm", "libopus"), ("flv", "mp3"), ("tta", "tta")])
def test_joined_files_of_which_ffmpeg_reads_the_first_alone_are_refused(
    tmp_path, encode, only_decoder, decoder, container, codec
):
    rate = 44100 if container == "flv" else SR
    data = encode(_tone(0.3, rate), rate, container, codec)
    files = {"once": data, "joined": data * 3}
    if container == "webm":  # as browsers record it: without sizes
        files["live"] = encode(_tone(0.3), SR, container, codec, options={"live": "1"})
        files["joined live"] = files["live"] * 2
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    only_decoder(decoder)
    for name in files:
        if name.startswith("joined"):
            with pytest.raises(AudioDecodeError, match=f"{name}: several .* files are joined"):
                audio.load(tmp_path / name)
        else:
            assert len(audio.load(tmp_path / name)[0]) >= 0.3 * rate

"""Decoders: every format, and one clear error for every kind of bad file."""

import builtins
import io
import os
import struct
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile as sf

from mxnet_audio import audio
from mxnet_audio.audio import decode_soundfile
from mxnet_audio.errors import AudioDecodeError, InvalidAudioError, TruncatedAudioError

FORMATS = {
    "wav": ("WAV", "PCM_16", 44100),
    "float.wav": ("WAV", "FLOAT", 44100),
    "rf64": ("RF64", "PCM_24", 44100),
    "w64": ("W64", "PCM_16", 44100),
    "au": ("AU", "PCM_16", 22050),
    "aiff": ("AIFF", "PCM_16", 44100),
    "caf": ("CAF", "PCM_16", 44100),
    "flac": ("FLAC", "PCM_16", 44100),
    "ogg": ("OGG", "VORBIS", 44100),
    "opus": ("OGG", "OPUS", 48000),
    "mp3": ("MP3", "MPEG_LAYER_III", 44100),
}


@pytest.fixture(params=FORMATS)
def sound(request, tmp_path):
    """Path, samples and rate of three seconds of a rising tone in each format."""
    kind, subtype, sr = FORMATS[request.param]
    t = np.arange(3 * sr) / sr
    y = 0.4 * np.sin(2 * np.pi * (300 + 200 * t) * t)
    path = tmp_path / f"sound.{request.param}"
    sf.write(path, y, sr, format=kind, subtype=subtype)
    return path, y, sr


def test_every_format_loads_completely(sound):
    path, y, sr = sound
    got, rate = audio.load(path)
    assert rate == sr and got.dtype == np.float32 and got.shape == y.shape
    assert np.corrcoef(got, y)[0, 1] > 0.9
    want, _ = sf.read(path, dtype="float32")
    np.testing.assert_array_equal(got, want)  # no gaps between blocks


@pytest.mark.parametrize("kind", ["closed", "for writing", "of text"])
def test_a_file_object_that_cannot_be_read(tmp_path, kind):
    path = tmp_path / "a.wav"
    with path.open("wb") as file:
        if kind == "of text":
            file = SimpleNamespace(read=lambda *_: "RIFF", name=str(path))
        elif kind == "closed":
            file.close()
        for load in (audio.load, audio.info, audio.blocks):
            with pytest.raises(AudioDecodeError, match=r"a\.wav: the file object cannot be read"):
                next(iter(load(file)))


def test_every_format_loads_from_a_file_object(sound):
    path, _, sr = sound
    file = io.BytesIO(path.read_bytes())
    file.seek(7)  # any position
    got, rate = audio.load(file)
    assert rate == sr and not file.closed
    np.testing.assert_array_equal(got, audio.load(path)[0])


def test_every_format_is_refused_when_truncated(sound):
    path, _, _ = sound
    data = path.read_bytes()
    for part in (0.3, 0.6, 0.97):
        path.write_bytes(data[: int(part * len(data))])
        with pytest.raises(TruncatedAudioError) as caught:
            audio.load(path)
        assert caught.value.path == str(path)


def test_a_part_equals_the_part_of_the_complete_sound(sound):
    path, _, sr = sound
    whole, _ = audio.load(path)
    for offset in (0.0, 0.4, 1.1, 2.7):
        part, _ = audio.load(path, offset=offset, duration=0.2)
        start = round(offset * sr)
        np.testing.assert_allclose(part, whole[start : start + round(0.2 * sr)], atol=1e-6)


def test_info_reads_the_header(sound):
    path, y, sr = sound
    info = audio.info(path)
    assert (info.path, info.sr, info.channels, info.frames) == (str(path), sr, 1, len(y))
    assert info.duration == 3.0 and info.decoder == "soundfile"


@pytest.mark.parametrize("corpus", ["esc10", "fsdd", "music"])
def test_no_false_alarm_on_real_recordings(corpus, request):
    folder = request.getfixturevalue(corpus)
    paths = audio.find_audio(folder)
    assert len(paths) > 5
    for path in paths[:: 1 if corpus == "music" else 5]:
        assert audio.load(path, duration=0.05)[0].size  # checks the header only
    for path in paths[:: 1 if corpus == "music" else 40]:
        y, sr = audio.load(path)
        assert len(y) / sr == pytest.approx(audio.info(path).duration)


class _Counting(io.BytesIO):
    def read(self, size=-1):
        data = super().read(size)
        self.total = getattr(self, "total", 0) + len(data)
        return data

    def readinto(self, buffer):
        count = super().readinto(buffer)
        self.total = getattr(self, "total", 0) + count
        return count


@pytest.mark.parametrize("kind", ["WAV", "FLAC"])
def test_only_the_requested_part_is_read(kind):
    sr = 22050
    file = _Counting()
    sf.write(file, 0.1 * np.random.default_rng(0).standard_normal(60 * sr), sr, format=kind)
    size = file.seek(0, os.SEEK_END)
    file.total = 0
    y, _ = audio.load(file, offset=30, duration=1)
    assert len(y) == sr
    assert file.total < size / 4


@pytest.mark.parametrize("kind, preroll", [("WAV", 0), ("FLAC", 0), ("OGG", 0), ("MP3", 40_000)])
def test_only_the_requested_part_is_decoded(kind, preroll, monkeypatch):
    sr, decoded = 22050, []
    file = io.BytesIO()
    sf.write(file, 0.1 * np.random.default_rng(0).standard_normal(60 * sr), sr, format=kind)

    def read(self, *args, **kwargs):
        block = sf.SoundFile.read(self, *args, **kwargs)
        decoded.append(len(block))
        return block

    monkeypatch.setattr(decode_soundfile._SoundFile, "read", read)
    assert len(audio.load(file, offset=30, duration=1)[0]) == sr
    assert sum(decoded) <= sr + preroll


def test_parts_near_the_end_of_an_ogg(tmp_path):
    sr = 44100
    y = 0.5 * np.sin(np.cumsum(0.01 * np.random.default_rng(0).standard_normal(12 * sr)))
    sf.write(tmp_path / "a.ogg", y, sr)
    whole, _ = audio.load(tmp_path / "a.ogg")
    for offset in np.arange(0.3, 11.9, 0.4):
        part, _ = audio.load(tmp_path / "a.ogg", offset=offset, duration=0.1)
        start = round(offset * sr)
        np.testing.assert_array_equal(part, whole[start : start + len(part)])


@pytest.mark.parametrize("suffix", ["wav", "mp3", "flac", "ogg", "au", "m4a", "gsm", "g722", "raw", "dat"])
@pytest.mark.parametrize("junk", [b"This is a letter.\n" * 400, bytes(8000), bytes(range(256)) * 40])
def test_junk_is_refused_whatever_its_suffix(tmp_path, suffix, junk):
    path = tmp_path / f"junk.{suffix}"
    path.write_bytes(junk)
    with pytest.raises(AudioDecodeError, match="no decoder"):
        audio.load(path)


def test_an_empty_file_is_refused(tmp_path):
    (tmp_path / "empty.wav").write_bytes(b"")
    with pytest.raises(AudioDecodeError, match="empty"):
        audio.load(tmp_path / "empty.wav")


def test_a_file_without_permission(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    (tmp_path / "secret.wav").touch()
    monkeypatch.setattr(builtins, "open", refuse)
    with pytest.raises(AudioDecodeError, match="no permission"):
        audio.load(tmp_path / "secret.wav")


def test_a_header_without_samples(tmp_path, write_tone):
    data = write_tone(tmp_path / "a.wav").read_bytes()
    (tmp_path / "declares.wav").write_bytes(data[:44])
    with pytest.raises(TruncatedAudioError, match="has 0"):
        audio.load(tmp_path / "declares.wav")
    (tmp_path / "none.wav").write_bytes(data[:40] + bytes(4))
    with pytest.raises(InvalidAudioError, match="no samples"):
        audio.load(tmp_path / "none.wav")


@pytest.mark.parametrize("rate", [0, -8000, 50_000_000, 3_000_000_000])
def test_a_rate_that_no_sound_has_is_refused(tmp_path, rate):
    path = tmp_path / "a.caf"
    sf.write(path, np.zeros(800), 8000, format="CAF", subtype="PCM_16")
    data = bytearray(path.read_bytes())
    data[20:28] = struct.pack(">d", rate)
    path.write_bytes(data)
    for load in (audio.load, audio.info):
        with pytest.raises(AudioDecodeError, match=r"a\.caf"):
            load(path)


def test_a_damaged_flac_is_not_passed_to_the_next_decoder(tmp_path):
    path = tmp_path / "a.flac"
    sf.write(path, 0.1 * np.random.default_rng(0).standard_normal(300_000), 44100)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 2000] = bytes(2000)
    path.write_bytes(data)
    with pytest.raises(AudioDecodeError, match=r"damaged|truncated"):
        audio.load(path)


def _write_m4a(target, y, sr, options=None, codec="aac", container="mp4"):
    av = pytest.importorskip("av", reason="PyAV (extra [av]) is not installed")
    with av.open(target, "w", format=container, options=options or {}) as file:
        layout = "mono" if y.ndim == 1 else "stereo"
        stream = file.add_stream(codec, rate=sr, layout=layout)
        frame = av.AudioFrame.from_ndarray(np.atleast_2d(y).astype(np.float32), format="fltp", layout=layout)
        frame.sample_rate, frame.pts = sr, 0
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            file.mux(packet)


@pytest.fixture
def melody():
    t = np.arange(3 * 44100) / 44100
    return (0.4 * np.sin(2 * np.pi * (300 + 100 * t) * t)).astype(np.float32)


@pytest.mark.parametrize("options", [{}, {"movflags": "faststart"}])
def test_m4a(tmp_path, melody, options):
    path = str(tmp_path / "a.m4a")
    _write_m4a(path, np.stack([melody, melody]), 44100, options)
    y, sr = audio.load(path)
    assert sr == 44100 and abs(len(y) - len(melody)) <= 2048
    assert np.corrcoef(y[2048:100_000], melody[2048:100_000])[0, 1] > 0.99
    assert audio.load(path, mono=False)[0].shape == (2, len(y))
    part, _ = audio.load(path, offset=1.5, duration=0.5)
    np.testing.assert_allclose(part, y[66150 : 66150 + 22050], atol=1e-4)
    assert audio.info(path).decoder == "av"
    with open(path, "rb") as file:  # noqa: PTH123
        np.testing.assert_array_equal(audio.load(file)[0], y)
        data = file.seek(0) or file.read()
    for part in (0.4, 0.9, 0.999):
        with pytest.raises(TruncatedAudioError):
            audio.load(io.BytesIO(data[: int(part * len(data))]))


def test_a_truncated_matroska_decodes_to_less_than_it_declares(tmp_path, melody):
    path = tmp_path / "a.mka"
    _write_m4a(str(path), melody, 44100, container="matroska")
    assert len(audio.load(path)[0]) > 44100 * 2.9
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(TruncatedAudioError, match="declares 3"):
        audio.load(path)


def test_video_without_sound_is_refused(tmp_path):
    av = pytest.importorskip("av", reason="PyAV (extra [av]) is not installed")
    path = str(tmp_path / "silent.mp4")
    with av.open(path, "w") as file:
        stream = file.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 32
        frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            file.mux(packet)
    with pytest.raises(AudioDecodeError, match=r"PyAV: .*sound track"):
        audio.load(path)


def test_without_pyav_the_error_names_the_command_that_installs_it(tmp_path, melody, monkeypatch):
    path = str(tmp_path / "a.m4a")
    _write_m4a(path, melody, 44100)
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(AudioDecodeError, match="pip install av"):
        audio.load(path)


def test_audioread_is_the_last_decoder(tmp_path, monkeypatch):
    import audioread

    class Fake:
        channels, samplerate, duration = 2, 8000, 0.5

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def __iter__(self):
            stereo = np.repeat(np.arange(4000, dtype="<i2")[:, None], 2, axis=1)
            return (stereo[i : i + 1000].tobytes() for i in range(0, self.end, 1000))

    monkeypatch.setattr(audioread, "audio_open", lambda path, backends: Fake())
    monkeypatch.setenv("PATH", "")
    path = tmp_path / "a.xyz"
    path.write_bytes(b"tBaK, some codec of the system" * 10)
    Fake.end = 4000
    y, sr = audio.load(path, offset=0.15, duration=0.3)
    assert sr == 8000 and audio.info(path).decoder == "audioread"
    np.testing.assert_allclose(y, np.arange(1200, 3600) / 32768)
    Fake.end = 2000
    with pytest.raises(TruncatedAudioError):
        audio.load(path)


def test_blocks_of_audioread_that_end_within_a_frame(tmp_path, monkeypatch):
    """Such blocks are joined; a sound without channels is refused."""
    import audioread

    class Fake:
        channels, samplerate, duration = 6, 8000, None

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def __iter__(self):
            data = np.repeat(np.arange(4000, dtype="<i2")[:, None], 6, axis=1).tobytes()
            return (data[i : i + 1001] for i in range(0, len(data), 1001))

    monkeypatch.setattr(audioread, "audio_open", lambda path, backends: Fake())
    monkeypatch.setenv("PATH", "")
    path = tmp_path / "a.xyz"
    path.write_bytes(b"tBaK, some codec of the system" * 10)
    np.testing.assert_allclose(audio.load(path)[0], np.arange(4000) / 32768, atol=1e-7)
    Fake.channels = 0
    with pytest.raises(AudioDecodeError, match=r"audioread: .*channels"):
        audio.load(path)


def test_a_bad_file_causes_no_warnings(tmp_path):
    (tmp_path / "bad.wav").write_bytes(b"a letter")
    code = (
        "import sys; from mxnet_audio import audio, errors\n"
        "try: audio.load(sys.argv[1])\n"
        "except errors.AudioDecodeError: print('refused')"
    )
    command = [sys.executable, "-W", "always", "-c", code, tmp_path / "bad.wav"]
    out = subprocess.run(command, capture_output=True, text=True)
    assert (out.stdout, "audioread" in out.stderr) == ("refused\n", False), out.stderr


def test_features_of_an_array_import_no_decoder_and_no_large_library():
    code = (
        "import sys, numpy, mxnet_audio.audio as audio, mxnet_audio.features as features;"
        "features.extract(numpy.ones(12000), 12000, features.AudioFeatureConfig(type='mfcc'));"
        "names = ('librosa', 'numba', 'sklearn', 'av', 'audioread', 'soundfile', 'mxnet', 'scipy.signal');"
        "print([name for name in names if name in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"

"""MP3 and MP2 files that were joined, cut or extended, and foreign bytes in them: everything is read, in order."""

import io
import logging
import struct
import tracemalloc

import numpy as np
import pytest
import soundfile as sf

from mxnet_audio import audio
from mxnet_audio.audio.mp3 import mpeg_parts
from mxnet_audio.audio.mp3_frames import LENGTHS
from mxnet_audio.errors import AudioDecodeError, TruncatedAudioError

ID3V2 = b"ID3\x04\0\0\0\0\x10\0" + b"\xff\xfb\x90\x64" * 512
ID3V1 = b"TAG" + bytes(125)
APE = b"APETAGEX" + struct.pack("<IIII", 2000, 64, 1, 0xA0000000) + bytes(8) + bytes(32) + b"APETAGEX" + bytes(24)


def _mp3(seconds=2, sr=44100, channels=1, seed=0):
    file = io.BytesIO()
    t = np.arange(round(seconds * sr)) / sr
    y = 0.3 * np.sin(2 * np.pi * (300 + 50 * seed) * t) + 0.05 * np.random.default_rng(seed).standard_normal(len(t))
    sf.write(file, np.stack([y] * channels, axis=1), sr, format="MP3", bitrate_mode="VARIABLE")
    return file.getvalue()


def _bare(data):
    """Return an MP3 without its Xing header."""
    return data[LENGTHS[data[1] << 8 | data[2]] :]


def _declaring(data, change):
    """Return an MP3 whose Xing header declares more frames, or fewer, and another size."""
    changed, at = bytearray(data), max(data.find(b"Xing"), data.find(b"Info"))
    changed[at + 8 : at + 12] = struct.pack(">I", struct.unpack(">I", data[at + 8 : at + 12])[0] + change)
    changed[at + 12 : at + 16] = struct.pack(">I", len(data) + 100 * change)
    return bytes(changed)


def _load(data):
    return audio.load(io.BytesIO(data))[0]


A, B, C = _mp3(2), _mp3(3, seed=1), _mp3(1, seed=2)
OTHERS = {
    "at another rate": (_mp3(2, sr=22050, seed=3), 22050),
    "at a higher rate": (_mp3(2, sr=48000, seed=3), 48000),
    "in stereo": (_mp3(2, channels=2, seed=3), 44100),
}


@pytest.mark.parametrize(
    "glue", [b"", ID3V2, ID3V1, ID3V1 + ID3V2, APE + ID3V1, bytes(4000), b"\xff" * 5000, b"letters" * 999]
)
def test_joined_files_equal_their_parts(tmp_path, glue):
    path = tmp_path / "joined.mp3"
    path.write_bytes(ID3V2 + A + glue + B + glue + C + glue)
    want = np.concatenate([_load(A), _load(B), _load(C)])
    np.testing.assert_array_equal(audio.load(path)[0], want)
    np.testing.assert_array_equal(np.concatenate(list(audio.blocks(path, seconds=0.9))), want)
    info = audio.info(path)
    assert (info.frames, info.duration, info.decoder) == (len(want), 6.0, "soundfile")
    for offset in (0.3, 1.9, 2.0, 3.1, 4.95, 5.7):
        start = round(offset * 44100)
        part, _ = audio.load(path, offset=offset, duration=0.3)
        np.testing.assert_allclose(part, want[start : start + len(part)], atol=1e-6)
        assert len(part) == 13230


def test_parts_without_headers():
    """A part without a header follows one with a header; the latter's padding is cut off, as if it were alone."""
    np.testing.assert_array_equal(_load(A + _bare(B)), np.concatenate([_load(A), _load(_bare(B))]))
    both = _load(_bare(A) + _bare(B))  # one stream of frames
    assert abs(len(both) - len(_load(_bare(A))) - len(_load(_bare(B)))) < 1152


@pytest.mark.parametrize("kind", OTHERS)
def test_parts_of_another_kind_become_as_the_first(kind):
    other, sr = OTHERS[kind]
    y, rate = audio.load(io.BytesIO(A + other + B), mono=False)
    alone, _ = audio.load(io.BytesIO(other), sr=44100)
    assert rate == 44100 and y.shape == (len(_load(A)) + 2 * 44100 + len(_load(B)),)
    np.testing.assert_array_equal(y[: 2 * 44100], _load(A))
    np.testing.assert_allclose(y[2 * 44100 : 4 * 44100], alone, atol=1e-5)
    np.testing.assert_array_equal(y[4 * 44100 :], _load(B))
    for offset in (1.9, 2.4, 3.9, 4.2):
        start = round(offset * 44100)
        part, _ = audio.load(io.BytesIO(A + other + B), offset=offset, duration=0.3)
        np.testing.assert_allclose(part, y[start : start + len(part)], atol=1e-6)
    first, rate = audio.load(io.BytesIO(other + A), mono=False)
    assert rate == sr and first.shape[-1] == 4 * sr and (first.ndim == 2) == (kind == "in stereo")


def test_a_header_that_declares_fewer_frames_than_follow(caplog):
    """Sound was appended to the file, or the header is stale: the frames go on without a border."""
    stale = _declaring(A, -20)
    y = _load(stale)
    assert 0 <= len(y) - len(_load(A)) < 2304  # the padding at the end is unknown
    np.testing.assert_array_equal(y[: 2 * 44100], _load(A))
    assert "its header declares" in caplog.text


def test_a_header_that_declares_more_frames_than_there_are(caplog):
    """A cut file is told; one that ends with its tag was not cut short, but edited."""
    with pytest.raises(TruncatedAudioError, match="declares"):
        _load(_declaring(A, 20))
    with pytest.raises(TruncatedAudioError, match="declares"):
        _load(A[: len(A) // 2])
    np.testing.assert_array_equal(_load(_declaring(A, 20) + ID3V1)[: 2 * 44100], _load(A))
    assert "all of them are read" in caplog.text


def test_a_truncated_part_in_the_middle_is_told():
    with pytest.raises(TruncatedAudioError, match=r"part 1 of 2 declares 2\.000 s"):
        _load(A[: len(A) // 2] + B)


@pytest.mark.parametrize("named", [True, False])
def test_recordings_that_begin_within_a_frame(tmp_path, named):
    data = _bare(A)
    cut = LENGTHS[data[1] << 8 | data[2]] - 100
    path = tmp_path / ("radio.mp3" if named else "radio")
    path.write_bytes(data[cut:])
    y, _ = audio.load(path)
    whole = _load(data)
    assert len(y) == len(whole) - 1152 == audio.info(path).frames
    np.testing.assert_allclose(y[4000:], whole[1152 + 4000 :], atol=1e-4)


@pytest.mark.parametrize("junk", ["ones", "random", "pairs"])
@pytest.mark.parametrize("before", [True, False])
def test_much_junk_takes_linear_time_and_constant_memory(tmp_path, junk, before):
    if junk == "ones":
        data = b"\xff" * (4 << 20)
    elif junk == "random":
        data = np.random.default_rng(0).bytes(4 << 20)
    else:  # a pair of frames, again and again, is none
        frame = _bare(A)[: LENGTHS[_bare(A)[1] << 8 | _bare(A)[2]]]
        data = (b"\xff" * 7 + frame + frame) * ((4 << 20) // (2 * len(frame) + 7)) + b"\xff" * 7
    path = tmp_path / "junk.mp3"
    path.write_bytes(data + A if before else A + data)
    tracemalloc.start()
    parts = mpeg_parts(io.BytesIO(path.read_bytes()), None)
    tracemalloc.reset_peak()
    with path.open("rb") as file:
        assert mpeg_parts(file) == parts
    assert tracemalloc.get_traced_memory()[1] < 24 << 20
    tracemalloc.stop()
    np.testing.assert_array_equal(audio.load(path)[0], _load(A))


def test_memory_does_not_grow_with_the_length_of_a_file_without_header(tmp_path):
    path = tmp_path / "long.mp3"
    path.write_bytes(_bare(A) * 60)
    tracemalloc.start()
    count = sum(len(block) for block in audio.blocks(path, 8000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count / 8000 == pytest.approx(60 * 2, rel=0.05) and peak < 4 << 20  # the samples take 21 MB


def test_a_tag_that_declares_more_bytes_than_the_file_has():
    tag = b"ID3\x04\0\0\x7f\x7f\x7f\x7f"
    np.testing.assert_array_equal(_load(tag + A), _load(A))
    np.testing.assert_array_equal(_load(A + tag + B), np.concatenate([_load(A), _load(B)]))


def test_mp2_of_several_bit_rates_is_read_completely():
    def frame(bit_rate, mode=0xC0):
        header = bytes([0xFF, 0xFD, bit_rate << 4, mode])
        return header.ljust(LENGTHS[header[1] << 8 | header[2]], b"\0")

    data = frame(14) * 10 + frame(1) * 30  # the first frame suggests ten times the bit rate
    assert len(_load(data)) == audio.info(io.BytesIO(data)).frames == 40 * 1152
    part, _ = audio.load(io.BytesIO(data), offset=1.0)
    assert len(part) == 40 * 1152 - 44100


def test_unknown_bytes_behind_the_frames_are_told(caplog):
    for data in (A + ID3V1, A + b"lyrics" * 99, A + B):
        _load(data)
    assert not caplog.text
    np.testing.assert_array_equal(_load(A + b"letter" * 9999), _load(A))
    assert "59994 bytes" in caplog.text


def test_nothing_is_printed(tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(logging.getLogger("mxnet_audio"), "handlers", [])  # those of commands that other tests have run
    for number, data in enumerate((bytes(9999), b"\xff" * 9999, A + B, A + b"x" * 99999, A + ID3V1)):
        path = tmp_path / f"{number}.mp3"
        path.write_bytes(data)
        try:
            audio.load(path)
        except AudioDecodeError:
            assert number < 2
    assert capfd.readouterr().err == ""

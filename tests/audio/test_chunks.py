"""WAV, AIFF, CAF, Wave64, RF64 and AU whose sizes are wrong or missing, or that were joined."""

import io
import struct

import numpy as np
import pytest
import soundfile as sf

from mxnet_audio import audio
from mxnet_audio.audio.container import check_complete
from mxnet_audio.errors import InvalidAudioError, TruncatedAudioError

RATE = 8000
UNKNOWN = {"zero": 0, "all ones": -1}
# Formats, and (bytes before the field of the size of the samples, its structure) counted from the identifier.
FORMATS = {
    "WAV": (b"data", 4, "<I"),
    "RF64": (b"ds64", 16, "<Q"),
    "AIFF": (b"SSND", 4, ">I"),
    "CAF": (b"data", 4, ">Q"),
    "W64": (b"data", 16, "<Q"),
    "AU": (b".snd", 8, ">I"),
}


def _sound(kind="WAV", seconds=2, sr=RATE, channels=1, subtype=None, silence=0):
    """Return an encoded file, and its samples; some at the start are 0."""
    file = io.BytesIO()
    y = 0.1 * np.random.default_rng(0).standard_normal((round(sr * seconds), channels))
    y[:silence] = 0
    sf.write(file, y, sr, format=kind, subtype=subtype)
    return file.getvalue(), sf.read(io.BytesIO(file.getvalue()), dtype="float32")[0]


def _declaring(data, kind, size):
    """Return the file with another size of the samples in its header: a number, or a change of the right one."""
    identifier, offset, code = FORMATS[kind]
    changed, at = bytearray(data), data.index(identifier) + offset
    changed[at : at + struct.calcsize(code)] = struct.pack(code, size & (1 << 8 * struct.calcsize(code)) - 1)
    return bytes(changed)


def _declared(data, kind):
    identifier, offset, code = FORMATS[kind]
    return struct.unpack_from(code, data, data.index(identifier) + offset)[0]


@pytest.mark.parametrize("size", UNKNOWN)
@pytest.mark.parametrize("kind", FORMATS)
def test_samples_of_a_file_that_was_never_finished_are_read(tmp_path, kind, size, caplog):
    data, y = _sound(kind)
    path = tmp_path / "recording.xyz"
    path.write_bytes(_declaring(data, kind, UNKNOWN[size]))
    np.testing.assert_array_equal(audio.load(path)[0], y)
    assert f"{path}: its" in caplog.text and "as if it was never finished" in caplog.text
    assert audio.info(path).frames == len(y) and audio.info(path).decoder == "soundfile"
    np.testing.assert_array_equal(audio.load(path, offset=1.5)[0], y[int(1.5 * RATE) :])


@pytest.mark.parametrize("size", UNKNOWN)
@pytest.mark.parametrize("kind", FORMATS)
def test_a_recording_that_was_never_finished_may_begin_with_silence(kind, size):
    data, y = _sound(kind, silence=RATE)
    np.testing.assert_array_equal(audio.load(io.BytesIO(_declaring(data, kind, UNKNOWN[size])))[0], y)


@pytest.mark.parametrize("size", [0, 8, 36, 0x7FFFF000, 0xFFFFFFFF])
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT", "MS_ADPCM"])
def test_wav_never_finished_whatever_the_size_of_the_whole(size, subtype):
    data, y = _sound(subtype=subtype, channels=2)
    changed = bytearray(_declaring(data, "WAV", 0))
    changed[4:8] = struct.pack("<I", size)
    got, _ = audio.load(io.BytesIO(changed), mono=False)
    np.testing.assert_array_equal(got.T, y)


@pytest.mark.parametrize("change", [8, 36, 44])
@pytest.mark.parametrize("kind", FORMATS)
def test_a_size_that_is_off_by_the_header_is_mended(kind, change, caplog):
    data, y = _sound(kind)
    file = io.BytesIO(_declaring(data, kind, _declared(data, kind) + change))
    file.name = f"{kind} {change}.wav"
    np.testing.assert_array_equal(audio.load(file)[0], y)
    assert f"{kind} {change}.wav: its" in caplog.text and "are read" in caplog.text


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_cut_short_is_told(kind):
    data, _ = _sound(kind)
    for part in (0.4, 0.98):
        with pytest.raises(TruncatedAudioError, match="bytes of samples"):
            check_complete(io.BytesIO(data[: int(part * len(data))]), "cut.wav")


def test_a_right_header_causes_no_warning(caplog):
    for kind in FORMATS:
        data, y = _sound(kind)
        assert len(audio.load(io.BytesIO(data))[0]) == len(y)
    data, y = _sound()
    for tail in (b"LIST" + struct.pack("<I", 4) + b"abcd", b"TAG" + bytes(125), bytes(2048), b"\n"):
        np.testing.assert_array_equal(audio.load(io.BytesIO(data + tail))[0], y)
    assert not caplog.text


def test_an_empty_wav_is_not_an_unfinished_one(caplog):
    data, _ = _sound(seconds=0)
    for tail in (b"", b"LIST" + struct.pack("<I", 4) + b"abcd"):
        with pytest.raises(InvalidAudioError, match="no samples"):
            audio.load(io.BytesIO(data + tail))
    assert not caplog.text


def test_unknown_bytes_after_the_samples_are_told(caplog):
    data, y = _sound()
    file = io.BytesIO(data + b"\x01\x02 a letter" * 99)
    file.name = "letter.wav"
    np.testing.assert_array_equal(audio.load(file)[0], y)
    assert "letter.wav: 1089 bytes" in caplog.text


@pytest.mark.parametrize("kind", FORMATS)
def test_joined_files_are_read_after_one_another(tmp_path, kind):
    first, y = _sound(kind, seconds=1.00025)  # an odd number of samples
    second, z = _sound(kind, seconds=2)
    path = tmp_path / "joined.xyz"
    path.write_bytes(first + second + first)
    want = np.concatenate([y, z, y])
    np.testing.assert_array_equal(audio.load(path)[0], want)
    np.testing.assert_array_equal(np.concatenate(list(audio.blocks(path, seconds=0.7))), want)
    assert audio.info(path).frames == len(want)
    for offset in (0.5, 0.9, 1.0, 1.6, 2.99, 3.2):
        start = round(offset * RATE)
        np.testing.assert_array_equal(audio.load(path, offset=offset, duration=0.4)[0], want[start : start + 3200])


def test_joined_parts_with_chunks_padding_and_other_formats():
    odd, y = _sound(seconds=1.000125, subtype="PCM_U8")
    chunk = b"LIST" + struct.pack("<I", 4) + b"abcd"
    other, z = _sound("AIFF", subtype="PCM_24")
    for data in (odd + other, odd[:-1] + other, odd + chunk + other):
        np.testing.assert_array_equal(audio.load(io.BytesIO(data))[0], np.concatenate([y, z]))


def test_a_part_behind_unknown_bytes_is_found():
    data, y = _sound()
    np.testing.assert_array_equal(audio.load(io.BytesIO(data + b"\x07 unknown" + data))[0], np.concatenate([y, y]))


def test_joined_streams_that_were_never_finished():
    data, y = _sound()
    stream = _declaring(data, "WAV", -1)
    np.testing.assert_array_equal(audio.load(io.BytesIO(stream * 3))[0], np.concatenate([y] * 3))


def test_a_part_of_joined_files_that_was_cut_short_is_told():
    data, _ = _sound()
    with pytest.raises(TruncatedAudioError, match=r"joined\.wav: part 2 of 2"):
        file = io.BytesIO(data + data[:-9000])
        file.name = "joined.wav"
        audio.info(file)


def test_a_size_above_4_gib_that_overflows_its_field(tmp_path, caplog):
    data, _ = _sound(sr=44100, channels=2)
    path = tmp_path / "large.wav"
    beyond = (1 << 32) + len(data) - 44
    with path.open("wb") as file:
        file.write(data)
        file.seek(44 + beyond - 4)
        file.write(b"\x00\x40\x00\x40")  # the last frame: 0.5
    frames = beyond // 4
    assert audio.info(path).frames == frames
    y, sr = audio.load(path, offset=(frames - 10) / 44100)
    assert sr == 44100 and y.tolist() == [0.0] * 9 + [0.5]
    assert "large.wav" in caplog.text

"""Every form that a sound may come in gives the samples of the file itself."""

import io
import os
from pathlib import Path

import datasets
import numpy as np
import pytest

from mxnet_audio import audio
from mxnet_audio.engine import nd
from mxnet_audio.errors import AudioDecodeError, InvalidAudioError


class Decoder:
    """What datasets 4 and later give: an object that decodes when it is asked for an item."""

    def __init__(self, y, sr):
        self.items = {"array": y, "sampling_rate": sr}

    def __getitem__(self, key):
        if key not in self.items:
            raise TypeError("object is not subscriptable")
        return self.items[key]


class BrokenDecoder:
    def __getitem__(self, key):
        raise RuntimeError("no stream found")


@pytest.fixture
def wav(tmp_path, write_tone):
    return write_tone(tmp_path / "a.wav", sr=8000, seconds=0.25, channels=2, subtype="PCM_16")


def column(path, **audio_options):
    return datasets.Dataset.from_dict({"audio": [str(path)]}).cast_column("audio", datasets.Audio(**audio_options))[
        "audio"
    ]


@pytest.mark.parametrize(
    "form",
    [
        str,
        Path.read_bytes,
        lambda path: bytearray(path.read_bytes()),
        lambda path: memoryview(path.read_bytes()),
        lambda path: io.BytesIO(path.read_bytes()),
        lambda path: {"bytes": None, "path": str(path)},
        lambda path: {"bytes": path.read_bytes(), "path": "elsewhere/a.wav"},
        lambda path: {"array": audio.load(path, mono=False)[0], "sampling_rate": 8000, "path": None},
        lambda path: {"array": audio.load(path, mono=False)[0].tolist(), "sampling_rate": 8000},
        lambda path: Decoder(audio.load(path)[0], 8000),
        lambda path: (nd.array(audio.load(path, mono=False)[0]), 8000),
        lambda path: {"array": nd.array(audio.load(path)[0]), "sampling_rate": np.int64(8000)},
        lambda path: column(path, decode=False)[0],
    ],
)
def test_all_forms_give_the_same_samples(wav, form):
    source = form(wav)
    y, sr = audio.load(source, sr=16000, offset=0.1)
    want, _ = audio.load(wav, sr=16000, offset=0.1)
    assert sr == 16000 and y.dtype == np.float32
    np.testing.assert_array_equal(y, want)
    info = audio.info(source)
    assert (info.sr, info.frames, info.duration) == (8000, 2000, 0.25)


@pytest.mark.parametrize("speed", [0.8, 1.25])
def test_what_is_played_faster_is_shorter_and_higher(speed, tmp_path, write_tone):
    """A tone of 400 Hz, within a bin of 1 Hz; of a file, of both its channels, of its part, at any rate."""
    path = write_tone(tmp_path / "a.wav", 400, 2.0, sr=8000, channels=2)
    y, sr = audio.load(audio.Played(path, speed), sr=16000)
    assert sr == 16000 and len(y) == round(32000 / speed)
    assert np.abs(np.fft.rfft(y[:16000])).argmax() == 400 * speed
    both, rate = audio.load(audio.Played(path, speed), mono=False, offset=0.5)
    assert both.shape == (2, round((2 - 0.5 * speed) * 8000)) and rate == 8000 * speed
    assert audio.info(audio.Played(path, speed)).duration == pytest.approx(2 / speed)


def test_what_is_played_has_a_name_and_an_identity_of_its_own(tmp_path, write_tone):
    path = write_tone(tmp_path / "a.wav")
    identities = [
        audio.source_identity(source) for source in (path, *(audio.Played(path, speed) for speed in (0.9, 1.1)))
    ]
    assert len(set(identities)) == 3
    assert audio.source_identity(audio.Played(str(path), 0.9)) == identities[1]
    with pytest.raises(AudioDecodeError, match=r"^gone\.wav: "):
        audio.load(audio.Played("gone.wav", 0.9))


@pytest.mark.parametrize("speed", [0, -1, float("nan"), float("inf"), "fast"])
def test_what_is_no_speed_is_refused(speed):
    with pytest.raises(InvalidAudioError, match="a speed is a number above 0"):
        audio.Played("a.wav", speed)


def test_info_of_arrays():
    info = audio.info((np.zeros((2, 500)), 1000))
    assert (info.path, info.channels, info.frames, info.duration, info.decoder) == (None, 2, 500, 0.5, "numpy")
    assert audio.info({"array": np.zeros(500), "sampling_rate": 1000, "path": "a.wav"}).path == "a.wav"


@pytest.mark.parametrize(
    "source, error, message",
    [
        (np.zeros(8), AudioDecodeError, r"expected a path, .* got ndarray"),
        (nd.zeros(8), AudioDecodeError, r"expected a path, .* got NDArray"),
        ([0.0], AudioDecodeError, "got list"),
        (None, AudioDecodeError, "got NoneType"),
        (7, AudioDecodeError, "got int"),
        ({}, AudioDecodeError, "holds no array, no bytes and no path"),
        ({"bytes": None, "path": None}, AudioDecodeError, "holds no array"),
        ({"array": np.zeros(8)}, InvalidAudioError, "rate None"),
        ({"array": [[0.0], [0.0, 1.0]], "sampling_rate": 8000}, InvalidAudioError, r"shape \(n,\)"),
        (([object()], 8000), InvalidAudioError, "got object"),
        (b"", AudioDecodeError, "empty"),
        (b"not sound at all", AudioDecodeError, "no decoder"),
        (BrokenDecoder(), AudioDecodeError, "cannot be decoded: no stream found"),
    ],
)
@pytest.mark.parametrize("ask", [audio.load, audio.info])
def test_what_is_none_says_so(ask, source, error, message):
    with pytest.raises(error, match=message):
        ask(source)


def test_errors_carry_the_name_of_an_entry(tmp_path):
    for entry in (
        {"bytes": b"junk", "path": "sub/b.ogg"},
        {"array": np.array([np.nan]), "sampling_rate": 8000, "path": "sub/b.ogg"},
        {"array": np.zeros((3, 3, 3)), "sampling_rate": 8000, "path": "sub/b.ogg"},
        {"array": np.zeros(9), "sampling_rate": -1, "path": Path("sub/b.ogg")},
    ):
        with pytest.raises((AudioDecodeError, InvalidAudioError), match=r"^sub/b\.ogg: "):
            audio.load(entry)
    with pytest.raises(AudioDecodeError, match=r"gone\.wav: no such file"):
        audio.load({"bytes": None, "path": str(tmp_path / "gone.wav")})


def test_names(tmp_path):
    assert audio.source_name(tmp_path / "a.wav") == str(tmp_path / "a.wav")
    assert audio.source_name("a.wav") == "a.wav"
    for nameless in (b"RIFF", (np.zeros(3), 8000), {"array": [0.0]}, {"path": None}, io.BytesIO(), None):
        assert audio.source_name(nameless) is None
    with (tmp_path / "a.wav").open("wb") as file:
        assert audio.source_name(file) == str(tmp_path / "a.wav")
    with os.fdopen(os.dup(1), "wb") as file:
        assert audio.source_name(file) is None  # its name is a number


def test_naming_leaves_named_and_foreign_errors():
    with pytest.raises(InvalidAudioError, match=r"^a\.wav: silent$"), audio.naming_errors("item 3"):
        raise InvalidAudioError("silent", "a.wav")
    with pytest.raises(InvalidAudioError, match=r"^silent$"), audio.naming_errors(None):
        raise InvalidAudioError("silent")
    with pytest.raises(ZeroDivisionError), audio.naming_errors("item 3"):
        raise ZeroDivisionError


def test_identity_of_a_file_changes_with_it(wav, tmp_path):
    first = audio.source_identity(wav)
    assert first == audio.source_identity(str(wav)) == audio.source_identity({"bytes": None, "path": str(wav)})
    (tmp_path / "link.wav").symlink_to(wav)
    assert audio.source_identity(tmp_path / "link.wav") == first
    os.utime(wav, ns=(1, 1))
    second = audio.source_identity(wav)
    with wav.open("ab") as file:
        file.write(b"\0\0")
    os.utime(wav, ns=(1, 1))
    assert len({first, second, audio.source_identity(wav)}) == 3


def test_identity_of_a_file_that_is_not_there(tmp_path):
    for path in (tmp_path / "gone.wav", "a\0.wav", {"path": str(tmp_path / "gone.wav")}):
        with pytest.raises(OSError):
            audio.source_identity(path)
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(OSError):
        audio.source_identity(tmp_path / "loop")
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.wav")
    Path(odd).touch()
    assert b"\xff.wav" in os.fsencode(audio.source_identity(odd))


def test_identity_of_content():
    y = np.arange(6, dtype=np.float32)
    same = [(y, 8000), (y.copy(), 8000.0), (np.repeat(y, 2)[::2], 8000), {"array": y, "sampling_rate": 8000}]
    assert len({audio.source_identity(source) for source in same}) == 1
    others = [(y, 8001), (y.reshape(2, 3), 8000), (y.astype(np.float64), 8000), (y + 1, 8000), (y.view(np.int32), 8000)]
    assert len({audio.source_identity(source) for source in [same[0], *others]}) == 6
    stream = io.BytesIO(b"RIFF....")
    stream.seek(3)
    assert audio.source_identity(stream) == audio.source_identity(b"RIFF....") != audio.source_identity(b"RIFF...,")
    assert stream.tell() == 3


def test_identity_of_a_stream_that_cannot_be_read_twice():
    read, write = os.pipe()
    os.close(write)
    with os.fdopen(read, "rb") as stream, pytest.raises(OSError):
        audio.source_identity(stream)


def test_an_object_may_answer_for_itself():
    class Part:
        def identity(self):
            return "part 3"

    assert audio.source_identity(Part()) == "part 3"

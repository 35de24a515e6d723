"""Sources of sound: every form gives the same samples; their names and identities."""

import io
import os
import tempfile
import zipfile
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pytest

from mxnet_audio import audio
from mxnet_audio.audio.source import is_rate, naming_errors, source_identity, source_name
from mxnet_audio.engine import nd
from mxnet_audio.errors import AudioDecodeError, InvalidAudioError, ParameterError


class Decoder:
    """Entry of datasets 4 and later: an object that decodes on access to an item."""

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
    import datasets  # takes a second, which other processes of the tests need not spend

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


def test_info_of_arrays():
    info = audio.info((np.zeros((2, 500)), 1000))
    assert (info.path, info.channels, info.frames, info.duration, info.decoder) == (None, 2, 500, 0.5, "numpy")
    assert audio.info({"array": np.zeros(500), "sampling_rate": 1000, "path": "a.wav"}).path == "a.wav"


@pytest.mark.parametrize(
    "source, error, message",
    [
        (np.zeros(8), ParameterError, "path.* got ndarray"),
        (nd.zeros(8), ParameterError, "path.* got NDArray"),
        ([0.0], ParameterError, "got list"),
        (None, ParameterError, "got NoneType"),
        (7, ParameterError, "got int"),
        ({}, AudioDecodeError, "no array, no bytes and no path"),
        ({"bytes": None, "path": None}, AudioDecodeError, "no array"),
        ({"array": np.zeros(8)}, InvalidAudioError, "rate None"),
        ({"array": [[0.0], [0.0, 1.0]], "sampling_rate": 8000}, InvalidAudioError, r"shape \(n,\)"),
        (([object()], 8000), InvalidAudioError, "got object"),
        (b"", AudioDecodeError, "empty"),
        (b"not sound at all", AudioDecodeError, "no decoder"),
        (BrokenDecoder(), AudioDecodeError, "no stream found"),
    ],
)
@pytest.mark.parametrize("function", [audio.load, audio.info])
def test_objects_that_are_no_sound_are_refused(function, source, error, message):
    with pytest.raises(error, match=message):
        function(source)


def test_errors_name_the_path_of_an_entry(tmp_path):
    for entry in (
        {"bytes": b"junk", "path": "sub/b.ogg"},
        {"array": np.array([np.nan]), "sampling_rate": 8000, "path": "sub/b.ogg"},
        {"array": np.zeros((3, 3, 3)), "sampling_rate": 8000, "path": "sub/b.ogg"},
        {"array": np.zeros(9), "sampling_rate": -1, "path": Path("sub/b.ogg")},
    ):
        with pytest.raises((AudioDecodeError, InvalidAudioError), match=r"^sub/b\.ogg: "):
            audio.load(entry)
    with pytest.raises(AudioDecodeError, match=r"missing\.wav: "):
        audio.load({"bytes": None, "path": str(tmp_path / "missing.wav")})


def test_names_of_sources(tmp_path):
    assert source_name(tmp_path / "a.wav") == str(tmp_path / "a.wav")
    assert source_name("a.wav") == "a.wav"
    for nameless in (b"RIFF", (np.zeros(3), 8000), {"array": [0.0]}, {"path": None}, io.BytesIO(), None):
        assert source_name(nameless) is None
    with (tmp_path / "a.wav").open("wb") as file:
        assert source_name(file) == str(tmp_path / "a.wav")
    with os.fdopen(os.dup(1), "wb") as file:
        assert source_name(file) is None  # its name is a number


def test_naming_errors_keeps_named_and_foreign_errors():
    with pytest.raises(InvalidAudioError, match=r"^a\.wav: silent$"), naming_errors("item 3"):
        raise InvalidAudioError("silent", "a.wav")
    with pytest.raises(InvalidAudioError, match=r"^silent$"), naming_errors(None):
        raise InvalidAudioError("silent")
    with pytest.raises(ZeroDivisionError), naming_errors("item 3"):
        raise ZeroDivisionError


def test_identity_of_a_file_changes_with_it(wav, tmp_path):
    first = source_identity(wav)
    assert first == source_identity(str(wav)) == source_identity({"bytes": None, "path": str(wav)})
    (tmp_path / "link.wav").symlink_to(wav)
    assert source_identity(tmp_path / "link.wav") == first
    os.utime(wav, ns=(1, 1))
    second = source_identity(wav)
    with wav.open("ab") as file:
        file.write(b"\0\0")
    os.utime(wav, ns=(1, 1))
    assert len({first, second, source_identity(wav)}) == 3


def test_identity_of_a_missing_file(tmp_path):
    for path in (tmp_path / "missing.wav", "a\0.wav", {"path": str(tmp_path / "missing.wav")}):
        with pytest.raises(OSError):
            source_identity(path)
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(OSError):
        source_identity(tmp_path / "loop")
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.wav")
    Path(odd).touch()
    assert b"\xff.wav" in os.fsencode(source_identity(odd))


def test_identity_of_content():
    y = np.arange(6, dtype=np.float32)
    same = [(y, 8000), (y.copy(), 8000.0), (np.repeat(y, 2)[::2], 8000), {"array": y, "sampling_rate": 8000}]
    assert len({source_identity(source) for source in same}) == 1
    others = [(y, 8001), (y.reshape(2, 3), 8000), (y.astype(np.float64), 8000), (y + 1, 8000), (y.view(np.int32), 8000)]
    assert len({source_identity(source) for source in [same[0], *others]}) == 6
    stream = io.BytesIO(b"RIFF....")
    stream.seek(3)
    assert source_identity(stream) == source_identity(b"RIFF....") != source_identity(b"RIFF...,")
    assert stream.tell() == 3


def test_identity_of_a_stream_that_cannot_be_read_twice():
    read, write = os.pipe()
    os.close(write)
    with os.fdopen(read, "rb") as stream, pytest.raises(OSError):
        source_identity(stream)


@pytest.mark.parametrize("error", [KeyError("key"), zipfile.BadZipFile("damaged"), AttributeError("tell")], ids=repr)
def test_a_file_object_that_cannot_be_read_has_no_identity(error, monkeypatch):
    file = io.BytesIO(b"RIFF")
    failing = SimpleNamespace(read=Mock(side_effect=error), seek=file.seek, tell=file.tell)
    with pytest.raises(OSError, match="read twice"):
        source_identity(failing)


def test_an_object_may_provide_its_identity():
    class Part:
        def identity(self):
            return "part 3"

    assert source_identity(Part()) == "part 3"


@pytest.mark.parametrize(("sr", "expected"), [(8000, True), (8000.0, True), (np.int64(1), True), (0, False)])
def test_rates(sr, expected):
    assert is_rate(sr) is expected


@pytest.mark.parametrize("sr", [-1, 0.5, float("nan"), float("inf"), 10_000_001, 10**400, "8000", None])
def test_numbers_that_are_no_rate(sr):
    assert not is_rate(sr)


def test_a_file_in_text_mode(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a")
    with path.open() as file, tempfile.NamedTemporaryFile("w+") as temporary:
        for source in (file, temporary, io.StringIO("a")):
            with pytest.raises(ParameterError, match="binary mode"):
                audio.load(source)

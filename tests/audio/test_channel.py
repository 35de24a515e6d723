"""Channels of sounds as sources, their names, and their mix."""

import io
import os
import threading
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from mxnet_audio import audio
from mxnet_audio.audio.source import source_identity, source_name
from mxnet_audio.errors import AudioDecodeError, InvalidAudioError, ParameterError


@pytest.fixture
def call(tmp_path):
    """A stereo file, and its samples [shape=(2, n)]."""
    y = np.random.default_rng(0).normal(0, 0.1, (2, 20000)).astype(np.float32)
    soundfile.write(tmp_path / "call.wav", y.T, 8000, subtype="FLOAT")
    return str(tmp_path / "call.wav"), y


@pytest.mark.parametrize("channel, row", [("left", 0), ("right", 1), (0, 0), (np.int64(1), 1), ("mix", None)])
@pytest.mark.parametrize("form", ["path", "array", "bytes", "entry", "file"])
def test_one_channel_of_every_form(call, channel, row, form):
    path, y = call
    with Path(path).open("rb") as file:
        source = {
            "path": path,
            "array": (y, 8000),
            "bytes": (data := file.read()),
            "entry": {"bytes": data, "path": "call.wav"},
            "file": file,
        }[form]
        want = y.mean(axis=0) if row is None else y[row]
        np.testing.assert_allclose(audio.load(source, channel=channel)[0], want, atol=1e-7)
        one = audio.Channel(source, channel)
        np.testing.assert_allclose(audio.load(one, mono=False)[0], want, atol=1e-7)
        np.testing.assert_allclose(audio.load(one, None, False, 0.5, 0.25)[0], want[4000:6000], atol=1e-7)
        np.testing.assert_allclose(np.concatenate(list(audio.blocks(one))), want, atol=1e-7)
        resampled = np.concatenate(list(audio.blocks(source, 16000, channel=channel)))
        np.testing.assert_array_equal(resampled, audio.load(one, 16000)[0])
        assert audio.info(one).channels == 1 and audio.info(one).frames == 20000


def test_a_channel_of_played_sound_and_the_other_way_round(call):
    path, y = call
    for source in (audio.Channel(audio.Played(path, 2), 1), audio.Played(audio.Channel(path, 1), 2)):
        loaded, rate = audio.load(source, offset=0.5)
        assert rate == 16000 and source.name == path
        np.testing.assert_array_equal(loaded, y[1, 8000:])
        assert audio.info(source).duration == 1.25


@pytest.mark.parametrize("channel", ["each", "centre", "", -1, 0.5, True, None, [], "0"])
def test_words_and_numbers_that_are_no_channel(call, channel):
    for function in (audio.load, audio.Channel, lambda *args, **options: list(audio.blocks(*args, **options))):
        with pytest.raises(ParameterError, match=r"^channel must be 'mix', 'left', 'right' or a whole number >= 0"):
            function(call[0], channel=channel)
    if channel != "each":
        with pytest.raises(ParameterError, match="'each'"):
            audio.channel_sources([], channel)


def test_a_channel_that_the_sound_does_not_have(call):
    for source in (audio.Channel(call[0], 2), audio.Channel(audio.Channel(call[0], "left"), "right")):
        with pytest.raises(InvalidAudioError, match=r"call\.wav: there is no channel (2|'right'): the sound has "):
            audio.load(source)
        with pytest.raises(InvalidAudioError, match="no channel"):
            list(audio.blocks(source))
    with pytest.raises(InvalidAudioError, match="no channel 1"):
        audio.load((np.ones(8), 8000), channel=1)
    assert len(audio.load((np.ones(8), 8000), channel="left")[0]) == 8
    with pytest.raises(AudioDecodeError, match=r"^missing\.wav: "):
        audio.load(audio.Channel("missing.wav", 0))


def test_identities_differ_by_channel(call):
    sources = [call[0], *(audio.Channel(call[0], channel) for channel in ("mix", "left", "right", 2))]
    assert len({source_identity(source) for source in sources}) == 5
    assert source_identity(audio.Channel(call[0], 1)) == source_identity(sources[3])


def test_each_channel_is_a_sound_of_its_own(call, tmp_path):
    path, y = call
    soundfile.write(tmp_path / "mono.wav", y[0], 8000)
    soundfile.write(tmp_path / "three.wav", np.repeat(y[:1].T, 3, axis=1), 8000)
    paths = [path, str(tmp_path / "mono.wav"), str(tmp_path / "three.wav"), "missing.wav", (y, 8000)]
    sources = list(audio.channel_sources(iter(paths), "each"))
    endings = [" [left]", " [right]"]
    assert [source_name(source) for source in sources] == [
        *(path + ending for ending in endings),
        paths[1],
        *(f"{paths[2]} [{number}]" for number in (1, 2, 3)),
        "missing.wav",
        *("item 4" + ending for ending in endings),
    ]
    np.testing.assert_array_equal(audio.load(sources[1])[0], y[1])
    assert {audio.file_of(source_name(source)) for source in sources} == {*paths[:4], "item 4"}


def test_channels_of_one_open_file_do_not_share_its_position(call):
    path, y = call
    with Path(path).open("rb") as file:
        file.read(100)
        left, right = audio.channel_sources([file], "each")
        assert left.name == f"{path} [left]"
    with Path(path).open("rb") as file:
        names = [source.name for source in audio.channel_sources([file], "right")]
    assert names == [path]
    first, second = audio.blocks(left), audio.blocks(right)
    np.testing.assert_array_equal([next(first), next(second)], y)
    assert len(list(audio.channel_sources([io.StringIO("text"), io.BytesIO(b"junk"), 5], "each"))) == 3


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_each_channel_of_a_named_pipe(call, tmp_path):
    """The pipe can be read once."""
    path, y = call
    pipe = tmp_path / "pipe.wav"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(Path(path).read_bytes(),))
    writer.start()
    sounds = list(audio.channel_sources([pipe], "each"))
    writer.join()
    assert [sound.name for sound in sounds] == [f"{pipe} [left]", f"{pipe} [right]"]
    np.testing.assert_array_equal([audio.load(sound)[0] for sound in sounds], y)


def test_a_damaged_archive_is_an_error_of_its_sound(call):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(call[0], "call.wav")
    damaged = bytearray(packed.getvalue())
    damaged[5000] ^= 1
    with zipfile.ZipFile(io.BytesIO(damaged)) as archive, archive.open("call.wav") as file:
        (sound,) = audio.channel_sources([file], "each")
        with pytest.raises(AudioDecodeError, match=r"call\.wav: .*CRC"):
            audio.load(sound)


def test_other_choices_of_channel_sources():
    assert list(audio.channel_sources(["a.wav", "b.wav"])) == ["a.wav", "b.wav"]
    assert list(audio.channel_sources(["a.wav"], "left")) == [audio.Channel("a.wav", "left")]
    for sources in ("a.wav", 5):
        with pytest.raises(ParameterError, match="sources"):
            audio.channel_sources(sources, "each")


def test_a_file_with_the_name_of_a_channel(tmp_path):
    (tmp_path / "take [2]").touch()
    assert audio.file_of(str(tmp_path / "take [2]")) == str(tmp_path / "take [2]")
    assert audio.file_of("take [12]") == "take" and audio.file_of("take [x].wav") == "take [x].wav"


@pytest.mark.parametrize("channel", ["right", "mix"])
def test_memory_does_not_grow_with_the_length(tmp_path, channel):
    path = tmp_path / "long.wav"
    block = np.random.default_rng(0).normal(0, 0.1, (160000, 2)).astype(np.float32)
    with soundfile.SoundFile(path, "w", 16000, 2) as file:
        for _ in range(60):
            file.write(block)
    tracemalloc.start()
    count = sum(len(block) for block in audio.blocks(audio.Channel(audio.Played(path, 0.5), channel), 4000, seconds=1))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 4_800_000 and peak < 8 << 20  # the whole file takes 77 MB

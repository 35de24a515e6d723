"""Spans of long sound: the same samples as those of the whole sound, without reading it."""

import io
import os
import threading

import numpy as np
import pytest
import soundfile as sf

from mxnet_audio import audio
from mxnet_audio.audio import spans
from mxnet_audio.audio.opened import rereadable
from mxnet_audio.audio.spans import SpanReader, load_used, span_starts
from mxnet_audio.errors import AudioError, InvalidAudioError, TruncatedAudioError

SECONDS = 20


def noise(rate, channels=1):
    return np.random.default_rng(0).normal(0, 0.1, (SECONDS * rate, channels)).astype(np.float32)


@pytest.mark.parametrize("sr", [8000, 12000, 16000])
@pytest.mark.parametrize(
    ("name", "rate"), [("a.wav", 44100), ("a.flac", 48000), ("a.ogg", 22050), ("a.mp3", 16000), ("a.flac", 11025)]
)
def test_spans_are_those_of_the_whole_sound(name, rate, sr, tmp_path):
    path = tmp_path / name
    sf.write(path, noise(rate, 2), rate)
    whole = audio.load(path, sr=sr)[0]
    reader = SpanReader(path, sr)
    assert abs(reader.length - len(whole)) <= 1
    starts = span_starts(reader.length, sr, 5)
    for start, found in zip(starts, reader.read(starts, sr), strict=True):
        np.testing.assert_allclose(found, whole[start : start + sr], atol=1e-5)


@pytest.mark.parametrize("rate", [8000, 11025])
def test_arrays_channels_and_other_speeds(rate):
    y = noise(rate, 2).T
    for source in ((y, rate), audio.Channel((y, rate), "right"), audio.Played((y, rate), 1.25)):
        whole, reader = audio.load(source, sr=8000)[0], SpanReader(source, 8000)
        for start, found in zip((0, 4000, 100000), reader.read([0, 4000, 100000], 4000), strict=True):
            np.testing.assert_allclose(found, whole[start : start + 4000], atol=1e-5)


def test_sound_without_a_declared_length_is_read_as_a_stream(tmp_path):
    path = tmp_path / "a.au"
    sf.write(path, noise(8000), 8000)
    data = bytearray(path.read_bytes())
    data[8:12] = b"\xff\xff\xff\xff"  # as a streaming writer leaves it
    path.write_bytes(data)
    whole = audio.load(path, sr=12000)[0]
    reader = SpanReader(path, 12000)
    starts = span_starts(reader.length, 5000, 4)
    assert reader.length == len(whole) and starts[-1] == len(whole) - 5000
    for start, found in zip(starts, reader.read(starts, 5000), strict=True):
        np.testing.assert_allclose(found, whole[start : start + 5000], atol=1e-5)


def test_only_the_spans_are_decoded(tmp_path, monkeypatch):
    path, decoded = tmp_path / "a.flac", []
    sf.write(path, noise(44100), 44100)
    load = spans.load

    def count(*arguments, **options):
        y, rate = load(*arguments, **options)
        decoded.append(len(y) / rate)
        return y, rate

    monkeypatch.setattr(spans, "load", count)
    monkeypatch.setattr(spans, "blocks", None)
    reader = SpanReader(path, 12000)
    assert len(list(reader.read(span_starts(reader.length, 6000, 3), 6000))) == len(decoded) == 3
    assert max(decoded) < 0.6


def test_a_truncated_file_is_noticed_at_its_end(tmp_path):
    path = tmp_path / "a.flac"
    sf.write(path, noise(8000), 8000)
    path.write_bytes(path.read_bytes()[:-20000])
    with pytest.raises(TruncatedAudioError, match=r"a\.flac"):
        list(SpanReader(path, 8000).read([0, SECONDS * 8000 - 4000], 4000))


def test_what_cannot_be_read_again_is_kept(tmp_path):
    file = io.BytesIO()
    sf.write(file, noise(8000), 8000, format="WAV")

    class Stream(io.RawIOBase):
        name = "stream.wav"

        def __init__(self):
            self.data = io.BytesIO(file.getvalue())

        def read(self, size=-1):
            return self.data.read(size)

    pipe = tmp_path / "pipe.wav"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=[file.getvalue()])
    writer.start()
    for source, name in ((Stream(), "stream.wav"), (pipe, str(pipe)), (audio.Channel(Stream(), 0), "stream.wav")):
        kept = rereadable(source)
        assert len(audio.load(kept)[0]) == len(audio.load(kept)[0]) == SECONDS * 8000
        assert audio.source.source_name(kept) == name
    writer.join()
    assert rereadable(file) is file and rereadable("missing.wav") == "missing.wav"
    file.close()
    with pytest.raises(AudioError):
        rereadable(file)


def test_only_the_middle_of_a_long_file_is_loaded(tmp_path, monkeypatch):
    path, rate = tmp_path / "a.wav", 8000
    sf.write(path, noise(rate), rate)
    whole = audio.load(path, sr=12000)[0]
    start = (len(whole) - 6000) // 2
    decoded = []
    monkeypatch.setattr(spans, "load", lambda *a, **o: decoded.append(1) or audio.load(*a, **o))
    y, sr = load_used(path, 12000, middle=6000)
    assert sr == 12000 and len(decoded) == 1
    np.testing.assert_allclose(y, whole[start : start + 6000], atol=1e-5)
    np.testing.assert_array_equal(load_used(path, 12000, middle=len(whole) // 2 + 1)[0], whole)
    assert len(load_used(path, None, reach=0.5)[0]) == rate // 2


def test_sound_is_refused_as_silent_only_if_all_of_it_is():
    y = np.zeros(20000, np.float32)
    for options in ({"middle": 100}, {"reach": 0.1}, {}):
        with pytest.raises(InvalidAudioError, match="silent"):
            load_used((y, 8000), 8000, **options)
    y[-1] = 0.1
    for options in ({"middle": 100}, {"reach": 0.1}):
        assert not load_used((y, 8000), 8000, **options)[0].any()

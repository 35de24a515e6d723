"""Streams after one another, and files that consist of pieces of another."""

import io

import numpy as np
import pytest

from mxnet_audio.audio.joined import join
from mxnet_audio.audio.pieces import Part
from mxnet_audio.audio.stream import Stream
from mxnet_audio.errors import AudioDecodeError, TruncatedAudioError


def _stream(y, sr=8000, declared=None, slack=0):
    y = np.asarray(y, np.float32)
    y = y if y.ndim == 2 else y[:, None]

    def blocks(start, count):
        stop = len(y) if count is None else min(len(y), start + count)
        for at in range(start, stop, 700):
            yield y[at : min(stop, at + 700)]

    return Stream("joined.xyz", sr, y.shape[1], declared or len(y), slack, "XYZ", "test", blocks)


def _read(stream, start=0, count=None):
    return np.concatenate([*stream.blocks(start, count), np.zeros((0, stream.channels), np.float32)])


def test_parts_of_the_whole():
    y = np.random.default_rng(0).standard_normal((5000, 2)).astype(np.float32)
    whole = join([_stream(y[:1000]), _stream(y[1000:1001]), _stream(y[1001:])])
    assert (whole.frames, whole.slack, whole.path) == (5000, 0, "joined.xyz")
    for start, count in ((0, None), (0, 1000), (999, 3), (1000, 1), (1001, 20), (400, 4000), (4990, 99), (5000, 1)):
        want = y[start:] if count is None else y[start : start + count]
        np.testing.assert_array_equal(_read(whole, start, count), want)


@pytest.mark.parametrize("sr", [4000, 7999, 11025, 48000])
def test_a_part_at_another_rate_has_its_length_and_exact_offsets(sr):
    y = np.sin(np.arange(3001) * 0.05)
    whole = join([_stream(np.zeros(500)), _stream(y, sr), _stream(np.ones(500))])
    all_of_it = _read(whole)
    middle = round(3001 * 8000 / sr)
    assert whole.frames == len(all_of_it) == 1000 + middle
    np.testing.assert_array_equal(all_of_it[500 + middle :], 1)
    for start in (400, 500, 501, 1200, 490 + middle):
        np.testing.assert_array_equal(_read(whole, start, 300), all_of_it[start : start + 300])


def test_channels_become_those_of_the_first():
    stereo = np.stack([np.ones(10), np.zeros(10)], axis=1)
    np.testing.assert_array_equal(_read(join([_stream(np.ones(5)), _stream(stereo)]))[5:], np.full((10, 1), 0.5))
    np.testing.assert_array_equal(_read(join([_stream(stereo), _stream(np.ones(5))]))[10:], np.ones((5, 2)))


def test_a_part_that_ends_early_is_told():
    whole = join([_stream(np.ones(5)), _stream(np.ones(50), declared=60), _stream(np.ones(5))])
    assert len(_read(whole, 0, 50)) == 50
    with pytest.raises(TruncatedAudioError, match=r"joined\.xyz: truncated: part 2 of 3"):
        _read(whole)
    assert join([_stream(np.ones(5)), _stream(np.ones(5), slack=None)]).slack is None


def test_absurd_rates_are_refused():
    with pytest.raises(AudioDecodeError, match=r"part 2 of 2 has 1 Hz"):
        join([_stream(np.ones(5)), _stream(np.ones(5), sr=1)])


def test_a_file_of_pieces():
    source = bytes(range(200))
    part = Part((b"head", range(10, 20), range(20, 20), b"-", range(150, 200)))
    want = b"head" + source[10:20] + b"-" + source[150:]
    file = part.open(io.BytesIO(source))
    assert file.read() == want and file.read(1) == b""
    assert file.seek(0, io.SEEK_END) == len(want)
    for start in range(len(want)):
        file.seek(start)
        assert file.read(7) == want[start : start + 7]

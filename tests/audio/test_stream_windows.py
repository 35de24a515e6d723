"""Windows of a stream: the same as those of the whole sound, in the memory of one window."""

import numpy as np
import pytest

from mxnet_audio.audio.stream_windows import Tail, is_silent, stream_windows
from mxnet_audio.errors import InvalidAudioError, ParameterError


def cut(n, sizes):
    """Return the numbers 0 to n - 1, in blocks whose sizes are taken in turn."""
    numbers, start = np.arange(n), 0
    while start < n:
        for size in sizes:
            yield numbers[start : start + size]
            start += size


@pytest.mark.parametrize("n", [1, 6, 7, 8, 19, 20, 21, 22, 23, 100])
@pytest.mark.parametrize(
    ("size", "hop", "around"), [(7, 3, 0), (7, 7, 0), (1, 1, 0), (3, 2, 8), (4, 4, 9), (7, 3, 200)]
)
@pytest.mark.parametrize("sizes", [(1,), (5, 2), (1000,)], ids=["ones", "small", "whole"])
def test_windows_are_those_of_the_whole_sound(n, size, hop, around, sizes):
    windows = list(stream_windows(cut(n, sizes), size, hop, around))
    starts = [*range(0, max(0, n - size) + 1, hop)]
    if starts[-1] + size < n:
        starts.append(n - size)
    assert [(w.start, w.end) for w in windows] == [(start, min(start + size, n)) for start in starts]
    for window in windows:
        length = min(max(around, size), n)
        assert len(window.samples) == length
        np.testing.assert_array_equal(window.samples, np.arange(window.first, window.first + length))
        np.testing.assert_array_equal(window.own_samples, np.arange(window.start, window.end))
        before, after = window.start - window.first, window.first + length - window.end
        at_an_end = window.first == 0 or window.first + length == n
        assert at_an_end or abs(before - after) <= 1


def test_a_rest_of_a_resampler_gives_no_window():
    ends = [[w.end for w in stream_windows([np.zeros(n)], 500, 500)] for n in (1000, 1001, 1005, 1006)]
    assert ends == [[500, 1000], [500, 1000], [500, 1000], [500, 1000, 1006]]


def test_no_more_is_read_than_a_window_needs():
    read = []
    blocks = (read.append(number) or np.zeros(10) for number in range(1000))
    windows = stream_windows(blocks, 20, 10, around=40)
    for count in range(50):
        assert next(windows).start == 10 * count and len(read) <= 4 + count


def test_bad_arguments():
    with pytest.raises(InvalidAudioError):
        list(stream_windows([], 5, 5))
    for wrong in ((0, 1), (5, 6), (5, 0), (5, 5, -1)):
        with pytest.raises(ParameterError):
            stream_windows([np.zeros(9)], *wrong)


def test_silence_is_what_is_refused_as_silent():
    assert is_silent(np.full(9, 9e-6)) and not is_silent(np.array([0, -1.1e-5]))


def test_no_samples_are_silent_and_the_end_of_a_stream_that_ends_early():
    sound = Tail([np.ones(3, np.float32)])
    assert not sound.read_to(9) and not sound.part(5, 9).size and is_silent(sound.part(5, 9))

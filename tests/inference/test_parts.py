"""Parts of long sound: they cover it, only they are read, silence is left out, and outputs are averaged."""

import numpy as np
import pytest
import soundfile as sf

from mxnet_audio import audio
from mxnet_audio.audio.stream_windows import StreamedWindow
from mxnet_audio.errors import InvalidAudioError, ParameterError
from mxnet_audio.inference.parts import mean_outputs, read_views, view_count, window_length, window_parts

SR, N = 8000, 4000


def noise(n):
    return np.random.default_rng(0).normal(0, 0.1, n).astype(np.float32)


@pytest.mark.parametrize("length", [4401, 8000, 9999, 20000, 40400])
def test_parts_cover_the_sound_evenly(length):
    y = noise(length)
    views = read_views((y, SR), SR, N, None)
    assert len(views.samples) == view_count(length, N) == np.ceil(length / N - 0.1) and views.seconds is None
    np.testing.assert_array_equal(views.samples, audio.views(y, N, len(views.samples)))
    np.testing.assert_array_equal(views.samples[0], y[:N])
    np.testing.assert_array_equal(views.samples[-1], y[-N:])


@pytest.mark.parametrize("length", [1, 3999, 4000, 4400])
def test_sound_up_to_a_tenth_longer_is_a_single_part(length):
    assert read_views((noise(length), SR), SR, N, None) == (None, None, None)


@pytest.mark.parametrize(("count", "seconds_used"), [(None, 5.0), (3, 1.5), (1, 0.5), (60, None)])
def test_a_part_that_is_not_used_is_noted(count, seconds_used):
    views = read_views((noise(SR * 30), SR), SR, N, count)
    assert views.seconds == (None if seconds_used is None else 30) and views.seconds_used == seconds_used


def test_an_explicit_number_of_parts_keeps_its_meaning():
    short, long = noise(3000), noise(9000)
    np.testing.assert_array_equal(read_views((short, SR), SR, N, 3).samples, audio.views(short, N, 3))
    np.testing.assert_array_equal(read_views((long, SR), SR, N, 5).samples, audio.views(long, N, 5))


def test_silent_parts_are_left_out():
    y = np.concatenate([np.zeros(8000, np.float32), noise(4000), np.zeros(4000, np.float32)])
    np.testing.assert_array_equal(read_views((y, SR), SR, N, None).samples, [y[8000:12000]])
    y[:] = 0
    y[-1] = 0.5
    assert len(read_views((y, SR), SR, N, None).samples) == 1
    y = np.zeros(SR * 60, np.float32)
    y[SR * 31] = 0.5  # between two parts
    with pytest.raises(InvalidAudioError, match=r"silent.* 10 parts"):
        read_views((y, SR), SR, N, None)


def test_only_the_parts_of_a_file_are_read(tmp_path, monkeypatch):
    path = tmp_path / "a.flac"
    sf.write(path, noise(SR * 60), SR)
    whole = audio.views(audio.load(path, sr=SR)[0], N, 10)
    monkeypatch.setattr(audio, "load", None)
    np.testing.assert_array_equal(read_views(path, SR, N, None).samples, whole)


def test_parts_of_windows():
    y = noise(9000)
    np.testing.assert_array_equal(window_parts(StreamedWindow(0, 9000, y, 0), N), audio.views(y, N, 3))
    (around,) = window_parts(StreamedWindow(1000, 2000, y[:N], 0), N)
    np.testing.assert_array_equal(around, y[:N])
    (longer,) = window_parts(StreamedWindow(0, 4400, y[:4400], 0), N)
    assert len(longer) == 4400
    y[1000:2000] = 0  # the window is silent, and the sound around it is not
    assert window_parts(StreamedWindow(1000, 2000, y[:N], 0), N) == []
    y[:4000] = 0
    assert len(window_parts(StreamedWindow(0, 8000, y[:8000], 0), N)) == 1


@pytest.mark.parametrize(
    "wrong", [{"window": 0}, {"window": 1e9}, {"window": 1, "hop": 1.1}, {"hop": 1e-5}, {"hop": "1"}]
)
def test_windows_out_of_range(wrong):
    with pytest.raises(ParameterError, match="hop" if "hop" in wrong else "window"):
        window_length(SR, N, **{"window": None, "hop": None} | wrong)


def test_the_shortest_window():
    assert window_length(SR, N, 1 / SR, None) == (1, 1)


def test_outputs_are_averaged_over_the_parts_of_each_sound():
    first, second = np.float32([[0, 1], [1, 0], [0.5, 0.5]]), np.float32([[1, 0], [0, 1]])
    probabilities, vectors = mean_outputs([(first, 2 * first), (second, 2 * second)], [2, 1, 2])
    np.testing.assert_array_equal(probabilities, [[0.5, 0.5], [0.5, 0.5], [0.5, 0.5]])
    np.testing.assert_array_equal(vectors, 2 * probabilities)
    assert probabilities.dtype == vectors.dtype == np.float32

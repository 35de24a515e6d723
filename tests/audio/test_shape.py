"""Resampling, fitting and windows."""

import numpy as np
import pytest
import soxr
from hypothesis import given
from hypothesis import strategies as st

from mxnet_audio import audio
from mxnet_audio.errors import InvalidAudioError, ParameterError


def test_resample_is_soxr_in_one_shot():
    y = np.random.default_rng(0).standard_normal((2, 44100)).astype(np.float32)
    got = audio.resample(y, 44100, 12000)
    assert got.dtype == np.float32 and got.shape == (2, 12000)
    for row, channel in zip(got, y):
        np.testing.assert_array_equal(row, soxr.resample(channel, 44100, 12000, quality="HQ"))
    assert audio.resample(y, 8000, 8000) is y
    assert audio.resample(y[np.newaxis], 44100, 12000).shape == (1, 2, 12000)
    for empty, shape in ((y[:0], (0, 12000)), (y[None, :0], (1, 0, 12000)), (y[:, :0], (2, 0))):
        assert audio.resample(empty, 44100, 12000).shape == shape


@pytest.mark.parametrize(
    "rates",
    [
        (0, 1),
        (1, 0),
        (-8000, 8000),
        (float("nan"), 8000),
        (8000, float("inf")),
        ("8000", 8000),
        (2**31, 1),
        (8000, 1e-5),
    ],
)
def test_resample_refuses_rates(rates):
    with pytest.raises(ParameterError, match=r"(orig|target)_sr"):
        audio.resample(np.zeros(8, np.float32), *rates)


def test_fit_length_takes_the_middle_and_pads_the_end():
    y = np.arange(10)
    np.testing.assert_array_equal(audio.fit_length(y, 4), [3, 4, 5, 6])
    np.testing.assert_array_equal(audio.fit_length(y, 5), [2, 3, 4, 5, 6])
    np.testing.assert_array_equal(audio.fit_length(y[:2], 4), [0, 1, 0, 0])
    assert audio.fit_length(np.ones((2, 3, 10)), 12).shape == (2, 3, 12)
    for n in (0, 2.5, None):
        with pytest.raises(ParameterError, match=f"n .*got {n}"):
            audio.fit_length(y, n)


@given(st.integers(1, 300), st.integers(1, 300))
def test_fit_length_has_the_length_and_is_idempotent(length, n):
    once = audio.fit_length(np.arange(1, length + 1), n)
    assert len(once) == n
    np.testing.assert_array_equal(audio.fit_length(once, n), once)
    assert np.count_nonzero(once) == min(length, n)


@given(st.integers(1, 300), st.integers(1, 300))
def test_repeat_to_repeats_and_is_idempotent(length, n):
    y = np.arange(length)
    once = audio.repeat_to(np.stack([y, -y]), n)
    assert once.shape == (2, max(length, n))
    np.testing.assert_array_equal(once[0], np.arange(max(length, n)) % length)
    np.testing.assert_array_equal(once[1], -once[0])
    assert audio.repeat_to(once, n) is once and audio.repeat_to(y, length) is y


def test_repeat_to_refuses_empty_sounds_and_lengths_below_1():
    for y in (np.zeros(0), np.zeros((2, 0)), np.float32(1)):
        with pytest.raises(InvalidAudioError, match="no samples"):
            audio.repeat_to(y, 3)
    with pytest.raises(ParameterError, match="got 0"):
        audio.repeat_to(np.ones(3), 0)


@given(st.integers(1, 500), st.integers(1, 60), st.data())
def test_windows_cover_every_sample_and_none_is_superfluous(n, size, data):
    hop = data.draw(st.integers(1, size))
    y = np.arange(1.0, n + 1)
    cut = audio.windows(y, 1, size, hop)
    assert cut.samples.shape == (len(cut.times), size)
    starts = cut.times[:, 0].astype(int)
    np.testing.assert_array_equal(starts, np.arange(len(starts)) * hop)
    np.testing.assert_array_equal(cut.times[:, 1] - cut.times[:, 0], size)
    assert set(cut.samples[cut.samples > 0]) == set(y)
    if len(starts) > 1:  # without the last window, samples would be missing
        assert starts[-2] + size < n
    for start, window in zip(starts, cut.samples):
        np.testing.assert_array_equal(window, audio.fit_length(y[start : start + size], size))


def test_windows_are_copies_with_times_in_seconds():
    y = np.zeros(16000, np.float32)
    cut = audio.windows(y, 8000, 1.0, 0.5)
    assert cut.samples.shape == (3, 8000) and cut.samples.dtype == np.float32
    np.testing.assert_allclose(cut.times, [[0, 1], [0.5, 1.5], [1, 2]])
    cut.samples[0] = 1
    assert not cut.samples[1].any() and not y.any()


@pytest.mark.parametrize(
    "window, hop",
    [(0, 1), (1, 0), (1, 2), (-1, -1), (np.inf, 1), (np.inf, np.inf), (1, np.nan), ("1", 1), (1e308, 1), (1e10, 1e10)],
)
def test_windows_refuse_lengths(window, hop):
    with pytest.raises(ParameterError, match=r"window|hop"):
        audio.windows(np.zeros(10), 1, window, hop)


@pytest.mark.parametrize("shape", [(2, 10), (0,)])
def test_windows_refuse_arrays_without_one_channel_of_samples(shape):
    with pytest.raises(InvalidAudioError, match="shape"):
        audio.windows(np.zeros(shape), 1, 1, 1)


@pytest.mark.parametrize(("length", "n", "count"), [(10, 4, 3), (100, 7, 5), (5, 4, 4), (9, 4, 1)])
def test_views_of_a_longer_sound_are_windows_from_start_to_end(length, n, count):
    y = np.arange(length)
    found = audio.views(y, n, count)
    assert found.shape == (count, n)
    assert all((np.diff(row) == 1).all() for row in found)
    if count > 1:
        assert found[0, 0] == 0 and found[-1, -1] == length - 1
        assert np.ptp(np.diff(found[:, 0])) <= 1
    else:
        np.testing.assert_array_equal(found[0], audio.fit_length(y, n))


@pytest.mark.parametrize(("length", "n", "count"), [(4, 4, 1), (4, 4, 3), (2, 8, 4)])
def test_views_of_a_shorter_sound_are_rotations(length, n, count):
    y = np.arange(1, length + 1)
    found = audio.views(y, n, count)
    np.testing.assert_array_equal(found[0], audio.fit_length(y, n))
    for index, row in enumerate(found):
        np.testing.assert_array_equal(np.roll(row, -(index * n // count)), found[0])


@pytest.mark.parametrize(("n", "count"), [(0, 2), (4, 0)])
def test_views_refuse_numbers_below_1(n, count):
    with pytest.raises(ParameterError, match="got 0"):
        audio.views(np.arange(3), n, count)

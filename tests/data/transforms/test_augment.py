"""Properties of random transforms that hold for all draws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import kstest

from mxnet_audio import audio
from mxnet_audio.data.transforms import (
    AddNoise,
    FrequencyMasking,
    Gain,
    RandomCrop,
    SpeedPerturbation,
    TimeMasking,
    TimeShift,
)

SOUNDS = arrays(np.float32, st.integers(1, 100), elements=st.floats(-1, 1, width=32))
SEEDS = st.integers(0, 2**70)


@given(st.integers(1, 60), st.integers(1, 60), SEEDS)
def test_crops_are_pieces_of_longer_sounds_and_pad_shorter_ones(n, size, seed):
    x = np.arange(1.0, n + 1)
    y = RandomCrop(size, seed)(np.stack([x, -x]))
    assert y.shape == (2, size) and y.base is None
    np.testing.assert_array_equal(y[0], -y[1])
    if n < size:
        np.testing.assert_array_equal(np.trim_zeros(y[0]), x)
        np.testing.assert_array_equal(RandomCrop(size, seed, pad=False)(x), x)
    else:
        np.testing.assert_array_equal(y[0], np.arange(y[0, 0], y[0, 0] + size))
        assert 1 <= y[0, 0] <= n - size + 1


def test_crops_start_everywhere():
    crop, x = RandomCrop(3, seed=0), np.arange(6.0)
    assert {crop(x, (i,))[0] for i in range(100)} == {0, 1, 2, 3}
    assert {crop(np.ones(1), (i,)).tobytes() for i in range(100)} == {row.tobytes() for row in np.eye(3, dtype="f")}


@given(SOUNDS, st.floats(0, 1), SEEDS)
def test_rolled_sound_keeps_its_samples(x, max_shift, seed):
    y = TimeShift(max_shift, seed=seed)(x)
    np.testing.assert_array_equal(np.sort(y), np.sort(x))
    assert any((np.roll(x, shift) == y).all() for shift in range(-int(max_shift * len(x)), int(max_shift * len(x)) + 1))


@given(st.integers(1, 60), st.floats(0, 1), SEEDS)
def test_shifted_sound_is_filled_with_as_many_zeros_as_it_moved(n, max_shift, seed):
    x = np.arange(1.0, n + 1)
    y = TimeShift(max_shift, rollover=False, seed=seed)(np.stack([x, x]))
    shift = int(np.argmax(y[0] != 0) - (y[0, np.argmax(y[0] != 0)] - 1)) if y[0].any() else n
    expected = np.zeros(n)
    expected[max(shift, 0) : n + min(shift, 0)] = x[max(-shift, 0) : n - max(shift, 0)]
    np.testing.assert_array_equal(y, [expected, expected])
    assert abs(shift) <= max_shift * n


def test_shifts_go_in_both_directions_up_to_the_limit():
    shift, x = TimeShift(0.3, seed=0), np.eye(10)[5]
    assert {int(shift(x, (i,)).argmax()) for i in range(200)} == set(range(2, 9))


@given(st.integers(1, 300), st.floats(0.1, 10), SEEDS)
def test_perturbed_sound_is_a_piece_of_the_resampled_sound_or_padded(n, speed, seed):
    x = np.random.default_rng(0).normal(size=(2, n)).astype(np.float32)
    y = SpeedPerturbation(speed, speed, seed)(x)
    assert y.shape == x.shape and y.dtype == np.float32
    resampled = audio.resample(x, speed, 1)
    np.testing.assert_array_equal(SpeedPerturbation(speed, speed, seed, keep_length=False)(x), resampled)
    if (excess := resampled.shape[-1] - n) > 0:
        assert any((resampled[:, start : start + n] == y).all() for start in range(excess + 1))
    else:
        np.testing.assert_array_equal(y, np.pad(resampled, [(0, 0), (0, -excess)]))


def test_speeds_scale_frequencies_and_are_uniform_in_octaves():
    """Frequencies from zero crossings: one of the 1,250 or more crossings is 0.1 %."""
    x, perturb = np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000), SpeedPerturbation(0.8, 1.25, seed=0)
    speeds = []
    for i in range(300):
        y = np.trim_zeros(perturb(x, (i,)))[100:-100]
        speeds.append(np.count_nonzero(np.diff(np.signbit(y))) / len(y) / 2 * 16)
    assert min(speeds) == pytest.approx(0.8, rel=0.02) and max(speeds) == pytest.approx(1.25, rel=0.02)
    assert kstest(np.log2(speeds), "uniform", (np.log2(0.8), np.log2(1.25 / 0.8))).pvalue > 0.01


@given(st.floats(-60, 60), st.floats(0, 30), SEEDS)
def test_gain_is_within_its_limits(low, width, seed):
    x = np.array([[0.5, -0.25], [0.125, 0]], np.float32)
    y = Gain(low, low + width, seed)(x)
    ratio = y[x != 0] / x[x != 0]
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-6)
    assert low - 1e-4 <= 20 * np.log10(ratio[0]) <= low + width + 1e-4


def test_gains_are_uniform_in_decibels():
    gain = Gain(-10, 10, seed=0)
    drawn = [20 * np.log10(gain(np.ones(1), (i,)).item()) for i in range(500)]
    assert kstest(drawn, "uniform", (-10, 20)).pvalue > 0.01


@given(st.floats(-20, 60), st.floats(1e-4, 1e4), SEEDS)
def test_noise_has_the_given_ratio_within_half_a_decibel(snr, level, seed):
    """The power of 20,000 samples of noise varies by 1 %, which is 0.04 dB; float32 hides noise below -100 dB."""
    x = (level * np.sin(np.arange(20000.0))).astype(np.float32).reshape(2, 10000)
    noise = AddNoise(snr, snr, seed)(x).astype(float) - x
    assert 10 * np.log10(np.mean(x.astype(float) ** 2) / np.mean(noise**2)) == pytest.approx(snr, abs=0.5)
    assert abs(np.corrcoef(noise)[0, 1]) < 0.1  # different noise in each channel


def test_noise_is_white_and_silence_stays_silent():
    noise = AddNoise(0, 0, seed=0)(np.ones(2**14)) - 1
    power = np.abs(np.fft.rfft(noise)) ** 2
    quarters = [part.mean() for part in np.array_split(power, 4)]
    np.testing.assert_allclose(quarters, np.mean(quarters), rtol=0.1)
    assert not AddNoise(0, 0)(np.zeros(100)).any()


MASKED = [(TimeMasking, -1), (FrequencyMasking, -2)]


@pytest.mark.parametrize(("make", "axis"), MASKED)
@given(st.integers(1, 12), st.integers(1, 3), st.integers(1, 10), SEEDS)
def test_masks_change_whole_stripes_and_at_most_max_width_each(make, axis, width, masks, size, seed):
    shape = [2, 7, 7]
    shape[axis] = size
    x = np.random.default_rng(0).uniform(1, 2, shape).astype(np.float32)
    y = make(width, masks, value=0, seed=seed)(x)
    hidden = (np.moveaxis(y, axis, -1) == 0).reshape(-1, size)
    assert (hidden == hidden[0]).all()
    assert hidden[0].sum() <= masks * width
    runs = np.diff(np.r_[0, hidden[0].astype(int), 0]).clip(0).sum()
    assert runs <= masks
    np.testing.assert_array_equal(y[y != 0], x[y != 0])


@pytest.mark.parametrize(("make", "axis"), MASKED)
def test_masks_have_all_widths_and_positions(make, axis):
    mask, x = make(3, value=0, seed=0), np.ones((5, 5), np.float32)
    masks = {tuple(np.moveaxis(mask(x, (i,)), axis, -1)[0]) for i in range(400)}
    assert len(masks) == 1 + 5 + 4 + 3  # widths 0 to 3 at each position


def test_masked_cells_have_the_mean_of_their_spectrogram():
    x = np.random.default_rng(0).uniform(1, 2, (2, 3, 4, 5)).astype(np.float32)
    y = TimeMasking(5, masks=3, seed=1)(x)
    means = x.mean(axis=(-2, -1), keepdims=True)
    assert (y != x).any()
    np.testing.assert_allclose(y[y != x], np.broadcast_to(means, x.shape)[y != x], rtol=1e-6)
    assert set(TimeMasking(5, masks=3, value=-7, seed=1)(x)[y != x]) == {-7}


@pytest.mark.parametrize("make", [TimeMasking, FrequencyMasking])
def test_a_float_width_is_a_share_of_the_axis(make):
    x = np.ones((40, 40), np.float32)
    for seed in range(5):
        share, count = make(0.25, value=0, seed=seed), make(10, value=0, seed=seed)
        np.testing.assert_array_equal(share(x, (0,)), count(x, (0,)))
    widths = [
        int((make(1.0, value=0, seed=seed)(x) == 0).any(axis=0 if make is TimeMasking else 1).sum())
        for seed in range(60)
    ]
    assert max(widths) > 30  # a float of 1.0 is all bands or frames, an integer 1 would be one


def test_reseeded_is_a_copy_with_another_seed():
    x, first = np.arange(10.0), RandomCrop(3, seed=1)
    before = first(x, (0,))
    other = first.reseeded(2)
    np.testing.assert_array_equal(other(x, (5,)), RandomCrop(3, seed=2)(x, (5,)))
    np.testing.assert_array_equal(first(x, (0,)), before)

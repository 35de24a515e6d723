"""Load, rates, channels, lengths, ranges and mu-law, each against its definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mxnet_audio import audio
from mxnet_audio.data.transforms import (
    Load,
    MuLawDecoding,
    MuLawEncoding,
    PadTrim,
    RandomCrop,
    Repeat,
    Resample,
    Scale,
    Stereo2Mono,
)
from mxnet_audio.engine import nd
from mxnet_audio.errors import AudioDecodeError, InvalidAudioError, ParameterError

SOUNDS = arrays(np.float32, st.integers(1, 200), elements=st.floats(-1, 1, width=32))


def test_load_takes_a_path_or_an_array(tmp_path, write_tone):
    path = write_tone(tmp_path / "a.wav", seconds=0.5, sr=16000, channels=2)
    y, sr = audio.load(path, sr=8000)
    np.testing.assert_array_equal(Load(8000)(path), y)
    assert Load(None)(str(path)).shape == (8000,) and Load(None, mono=False)(path).shape == (2, 8000)
    np.testing.assert_array_equal(Load(None)((y, sr)), y)
    assert Load().takes_source
    with pytest.raises(AudioDecodeError, match=r"missing\.wav"):
        Load()(tmp_path / "missing.wav")


def test_load_takes_one_channel(tmp_path):
    y = np.random.default_rng(0).normal(0, 0.1, (2, 800)).astype(np.float32)
    np.testing.assert_array_equal(Load(None, channel="right")((y, 8000)), y[1])
    np.testing.assert_array_equal(Load(None)(audio.Channel((y, 8000), 1)), y[1])
    np.testing.assert_array_equal(Load(None)((np.stack([y[0], -y[0]]), 8000)), y[0])
    assert len({Load(8000, channel=channel).key for channel in ("mix", "left", "right", 2)}) == 4
    with pytest.raises(InvalidAudioError, match="no channel 2"):
        Load(channel=2)((y, 8000))
    with pytest.raises(ParameterError, match="channel"):
        Load(channel="each")


def test_resample_equals_audio_resample():
    x = np.random.default_rng(0).standard_normal((2, 3, 800)).astype(np.float32)
    found = Resample(8000, 12000)(x)
    assert found.shape == (2, 3, 1200)
    np.testing.assert_array_equal(found[1, 2], audio.resample(x[1, 2], 8000, 12000))
    with pytest.raises(InvalidAudioError, match="too short"):
        Resample(48000, 10)(np.ones(3))


def test_stereo_to_mono_is_the_mean_of_the_channels():
    x = np.random.default_rng(0).standard_normal((4, 3, 50)).astype(np.float32)
    np.testing.assert_allclose(Stereo2Mono()(x), x.astype(float).mean(axis=1), atol=1e-6)
    assert Stereo2Mono()(x[0]).shape == (50,)
    np.testing.assert_array_equal(Stereo2Mono()(x[0, 0]), x[0, 0])


@given(SOUNDS, st.floats(1e-3, 2.0**31))
def test_scaling_back_is_the_identity_within_two_roundings(x, factor):
    x = np.where(np.abs(x) < 1e-20, np.float32(0), x)  # quotients of smaller ones lose digits in float32
    np.testing.assert_allclose(Scale(1 / factor)(Scale(factor)(x)), x, rtol=4e-7)


def test_scale_takes_integers():
    x = np.array([[-(2**31), 2**30]], np.int32)
    found = Scale()(x)
    assert found.dtype == np.float32 and found.tolist() == [[-1.0, 0.5]]
    assert Scale(2)(nd.array([2, 3], dtype="int32")).asnumpy().tolist() == [1.0, 1.5]
    with pytest.raises(InvalidAudioError, match="no samples"):
        Scale()(np.zeros(0, np.int16))


@given(SOUNDS, st.integers(1, 300), st.floats(-2, 2, width=32))
def test_padtrim_keeps_the_beginning_and_pads_the_end(x, size, fill):
    y = PadTrim(size, fill)(np.stack([x, -x]))
    length = min(size, len(x))
    assert y.shape == (2, size)
    np.testing.assert_array_equal(y[:, :length], np.stack([x, -x])[:, :length])
    assert (y[:, length:] == fill).all()


def test_padtrim_copies():
    """A view of its first second would keep an hour of sound in memory."""
    x = np.ones(1000, np.float32)
    y = PadTrim(10)(x)
    assert y.base is None and not np.shares_memory(x, y)


@given(SOUNDS, st.integers(1, 300))
def test_repeat_fills_the_window_of_a_crop(x, size):
    repeat = Repeat(size)
    y = repeat(np.stack([x, -x]))
    np.testing.assert_array_equal(y, audio.repeat_to(np.stack([x, -x]), size))
    assert y.dtype == np.float32 and RandomCrop(size, seed=0, pad=False)(y).shape == (2, size)


def test_repeat_has_a_key_and_keeps_integers():
    assert repr(Repeat(48000)) == Repeat(48000).key == "Repeat(n=48000)"
    assert Repeat(5)(nd.array([1, 2], dtype="int32")).asnumpy().tolist() == [1, 2, 1, 2, 1]
    with pytest.raises(ParameterError, match=r"^n "):
        Repeat(0)
    with pytest.raises(InvalidAudioError, match="no samples"):
        Repeat(3)(np.zeros(0))


@given(SOUNDS, st.sampled_from([2, 3, 16, 255, 256, 65536]))
def test_mu_law_equals_its_formula_except_at_the_edges_of_steps(x, levels):
    mu = levels - 1
    exact = np.sign(x) * np.log1p(mu * np.abs(x.astype(float))) / np.log1p(mu)
    level = (exact + 1) / 2 * mu + 0.5
    found = MuLawEncoding(levels)(x)
    assert found.dtype == np.int32 and found.min() >= 0 and found.max() <= mu
    # float32 determines `level` up to a few of its last digits
    slack = 1e-6 * levels
    assert (np.floor(level - slack) <= found).all() and (found <= np.floor(level + slack)).all()


@given(SOUNDS, st.sampled_from([2, 3, 16, 255, 256, 65536]))
def test_decoded_samples_are_within_half_a_step_of_the_encoded_ones(x, levels):
    """A step is 2 / mu of the companded range; slack of 1e-6 for float32."""
    mu = levels - 1
    decoded = MuLawDecoding(levels)(MuLawEncoding(levels)(x))
    assert decoded.dtype == np.float32 and np.abs(decoded).max() <= 1

    def companded(values):
        return np.sign(values) * np.log1p(mu * np.abs(values.astype(float))) / np.log1p(mu)

    assert np.abs(companded(decoded) - companded(x)).max() <= 1 / mu + 1e-6


@pytest.mark.parametrize("levels", [2, 3, 16, 256, 1024])
def test_encoding_of_decoded_numbers_gives_the_numbers(levels):
    numbers = np.arange(levels)
    np.testing.assert_array_equal(MuLawEncoding(levels)(MuLawDecoding(levels)(numbers)), numbers)


def test_mu_law_clips_samples_and_refuses_wrong_numbers():
    assert MuLawEncoding()(np.array([-7.0, 7.0])).tolist() == [0, 255]
    for wrong in ([256], [-1], [0.5, 300.0]):
        with pytest.raises(InvalidAudioError, match="255"):
            MuLawDecoding()(np.array(wrong))
    with pytest.raises(InvalidAudioError, match="NaN"):
        MuLawDecoding()(np.array([np.nan]))

"""Frames and patches of sounds that come in blocks, against those of the whole sound."""

import itertools
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mxnet_audio import features
from mxnet_audio.errors import FeatureError, InvalidAudioError, ParameterError
from mxnet_audio.features import AudioFeatureConfig, extract, frame_blocks

CONFIGS = {
    "yamnet": {"type": "yamnet"},
    "musicnn": {"type": "musicnn"},
    "resemblyzer": {"type": "mel", "sr": 16000, "n_fft": 400, "hop_length": 160, "n_mels": 40},
    "not centered": {"type": "log_mel", "top_db": None, "center": False, "win_length": 300, "n_mels": 40},
    "odd": {"type": "mel", "n_fft": 511, "hop_length": 100, "n_mels": 20, "power": 1.0},
    "gaps": {"type": "mel", "n_fft": 400, "hop_length": 700, "n_mels": 20},
    "gaps, not centered": {"type": "mel", "n_fft": 400, "hop_length": 700, "n_mels": 20, "center": False},
}


def noise(*shape, seed=0):
    return 0.1 * np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def split(y, sizes):
    """Yield the samples in blocks of these sizes, again and again; the last block has what is left."""
    start = 0
    for size in itertools.cycle(sizes):
        yield y[start : start + size]
        start += size
        if start >= len(y):
            return


def whole(y, config):
    return extract(y, config.sr, config.model_copy(update={"n_frames": None}))


@pytest.mark.parametrize("sizes", [[10**9], [16_000], [1, 0, 700, 0], [50_000, 3], [41_200]], ids=str)
@pytest.mark.parametrize("name", CONFIGS)
def test_frames_of_blocks_equal_those_of_the_whole_sound_within_1e_6(name, sizes):
    config = AudioFeatureConfig(**CONFIGS[name])
    step = config.hop_length * 256
    for n in (512, 5000, step, step + config.frame_length, step + 1, 2 * step - 1, 2 * step + 12_345):
        y = noise(n)
        found = list(frame_blocks(split(y, sizes), config))
        assert all(0 < frames.shape[1] <= 256 and frames.dtype == np.float32 for frames in found)
        np.testing.assert_allclose(np.concatenate(found, axis=1), whole(y, config), rtol=1e-6, atol=1e-7)


@given(
    n=st.integers(400, 100_000), sizes=st.lists(st.integers(1, 60_000), min_size=1), name=st.sampled_from([*CONFIGS])
)
@settings(max_examples=40)
def test_any_length_in_any_blocks(n, sizes, name):
    config = AudioFeatureConfig(**CONFIGS[name])
    if not config.center:
        n += config.frame_length
    y = noise(n)
    got = np.concatenate(list(frame_blocks(split(y, [*sizes, 10_000]), config)), axis=1)
    np.testing.assert_allclose(got, whole(y, config), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("n", [1, 399, 5000, 15_599])
@pytest.mark.parametrize("name", CONFIGS)
def test_a_short_sound_is_padded_to_the_requested_frames(name, n):
    config = AudioFeatureConfig(n_frames=187, **CONFIGS[name])
    y = noise(n)
    got = np.concatenate(list(frame_blocks([y], config)), axis=1)
    assert got.shape[1] == 187
    np.testing.assert_allclose(got, extract(y, config.sr, config), rtol=1e-6, atol=1e-7)


def test_a_longer_sound_is_neither_padded_nor_cut():
    config = AudioFeatureConfig(type="yamnet", n_frames=96)
    y = noise(20_000)
    np.testing.assert_allclose(np.concatenate(list(frame_blocks([y], config)), axis=1), whole(y, config), rtol=1e-6)


def test_blocks_may_be_float64_and_change_after_they_are_taken():
    config = AudioFeatureConfig(type="musicnn")
    y = noise(100_000)
    block = np.empty(10_000)

    def blocks():
        for start in range(0, len(y), len(block)):
            block[:] = y[start : start + len(block)]
            yield block

    found = [frames.copy() for frames in frame_blocks(blocks(), config)]
    np.testing.assert_allclose(np.concatenate(found, axis=1), whole(y, config), rtol=1e-6, atol=1e-7)


def test_memory_does_not_grow_with_the_sound():
    config, block = AudioFeatureConfig(type="yamnet", n_frames=96), noise(16_000)

    def peak(seconds):
        tracemalloc.start()
        frames = frame_blocks(itertools.repeat(block, seconds), config)
        count = sum(len(starts) for _, starts in features.patches(frames, 96, 48))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert count == len(range(0, config.frames_in(seconds) - 95, 48)) + ((config.frames_in(seconds) - 96) % 48 > 0)
        return most

    peak(30)  # tables of the transform
    assert peak(600) < 1.1 * peak(60)


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        ({"type": "mfcc"}, "config.type .*'yamnet', 'musicnn', 'mel', 'log_mel', got 'mfcc'"),
        ({"type": "fbank", "sr": 16000}, "config.type .*got 'fbank'"),
        ({"type": "log_mel"}, "config .*peak.*top_db=80"),
        ({"type": "log_mel", "top_db": None, "ref": "max"}, "config .*peak.*ref='max'"),
    ],
    ids=str,
)
def test_features_that_need_the_whole_sound_are_refused(keys, named):
    with pytest.raises(ParameterError, match=named):
        frame_blocks([], AudioFeatureConfig(**keys))


@pytest.mark.parametrize("blocks", [3, None, "sound.wav", b"x"], ids=repr)
def test_what_is_no_iterable_is_refused_at_once(blocks):
    with pytest.raises(ParameterError, match="blocks"):
        frame_blocks(blocks, AudioFeatureConfig(type="yamnet"))
    with pytest.raises(ParameterError, match="frame_blocks"):
        features.patches(blocks, 96, 48)
    with pytest.raises(ParameterError, match=r"config .*dict"):
        frame_blocks([], {"type": "yamnet"})


@pytest.mark.parametrize(
    ("block", "error", "named"),
    [
        ([0.0, 1.0], ParameterError, "got list"),
        (np.zeros((2, 800), np.float32), ParameterError, r"got float32 \(2, 800\)"),
        (np.zeros(800, np.int16), ParameterError, r"got int16 \(800,\)"),
        (np.full(800, np.nan, np.float32), InvalidAudioError, "NaN"),
        (np.array([np.inf]), InvalidAudioError, "infinite"),
    ],
    ids=["list", "stereo", "integers", "nan", "infinite"],
)
def test_unusable_blocks_are_refused(block, error, named):
    with pytest.raises(error, match=named):
        list(frame_blocks([noise(100), block], AudioFeatureConfig(type="yamnet")))


@pytest.mark.parametrize("blocks", [[], [np.zeros(0, np.float32)] * 3], ids=["no blocks", "empty blocks"])
@pytest.mark.parametrize("n_frames", [None, 40])
def test_no_samples_are_refused(blocks, n_frames):
    with pytest.raises(FeatureError, match="no samples"):
        list(frame_blocks(blocks, AudioFeatureConfig(type="musicnn", n_frames=n_frames)))


def test_sound_shorter_than_a_frame_is_refused():
    with pytest.raises(FeatureError, match=r"399 .*\(400\)"):
        list(frame_blocks([noise(200), noise(199)], AudioFeatureConfig(type="yamnet")))
    with pytest.raises(FeatureError, match=r"511 .*\(512\)"):
        list(frame_blocks([noise(511)], AudioFeatureConfig(type="mel", center=False)))


def all_starts(count, n_frames, hop):
    starts = list(range(0, count - n_frames + 1, hop))
    return starts if starts[-1] + n_frames == count else [*starts, count - n_frames]


def test_a_batch_may_be_larger_than_any_list():
    ((batch, starts),) = features.patches([np.ones((2, 9))], 4, 5, batch_size=10**30)
    assert batch.shape == (2, 2, 4) and starts.tolist() == [0, 5]


@pytest.mark.parametrize("size", [1, 7, 100, 1000])
@pytest.mark.parametrize(("n_frames", "hop"), [(20, 10), (20, 7), (1, 1), (20, 20), (20, 33), (45, 1)])
def test_patches_follow_the_hop_and_the_last_ends_with_the_sound(n_frames, hop, size):
    for count in (n_frames, n_frames + 1, n_frames + hop, 73, 200):
        frames = np.arange(3 * count, dtype=np.float32).reshape(3, count)
        blocks = (frames[:, start : start + size] for start in range(0, count, size))
        found = list(features.patches(blocks, n_frames, hop, batch_size=4))
        starts = np.concatenate([starts for _, starts in found])
        assert starts.tolist() == all_starts(count, n_frames, hop)
        assert all(len(batch) == 4 for batch, _ in found[:-1])
        for patch, start in zip(np.concatenate([batch for batch, _ in found]), starts):
            np.testing.assert_array_equal(patch, frames[:, start : start + n_frames])


def test_unusable_frames_and_numbers_are_refused():
    for keys in ({"n_frames": 0, "hop": 1}, {"n_frames": 4, "hop": 0}, {"n_frames": 4, "hop": 2, "batch_size": 0}):
        with pytest.raises(ParameterError, match="got 0"):
            features.patches([], **keys)
    for blocks in ([np.ones(4)], [[1]], [np.ones((2, 9)), np.ones((3, 9))]):
        with pytest.raises(ParameterError, match="frame_blocks must be"):
            list(features.patches(blocks, 4, 2))
    for blocks in ([], [np.ones((2, 3))]):
        with pytest.raises(FeatureError, match=r"fewer than a patch \(4\)"):
            list(features.patches(blocks, 4, 2))

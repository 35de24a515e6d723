"""Inputs of encoders from the hub, against the packages that publish them.

`benchmarks/hub_outputs/features.py` made the stored outputs, and makes the same sounds again.
"""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from mxnet_audio import features
from mxnet_audio.errors import FeatureError
from mxnet_audio.features import AudioFeatureConfig, extract, load_features

PROGRAM = Path(__file__).resolve().parents[2] / "benchmarks" / "hub_outputs" / "features.py"
STORED = np.load(Path(__file__).with_name("hub_features.npz"))
CONFIGS = {
    "whisper": AudioFeatureConfig(type="whisper"),
    "whisper_128": AudioFeatureConfig(type="whisper", n_mels=128),
    "whisper_1s": AudioFeatureConfig(type="whisper", n_frames=100),
    "ast": AudioFeatureConfig(type="ast"),
    "ast_small": AudioFeatureConfig(type="ast", n_mels=40, n_frames=60, mean=-2.5, std=3.5),
    "ast_plain": AudioFeatureConfig(type="ast", mean=0, std=0.5),
    "panns": AudioFeatureConfig(type="panns"),
    "speechbrain": AudioFeatureConfig(type="speechbrain"),
    "wav2vec2": AudioFeatureConfig(type="raw", sr=16000, norm="unit_variance"),
}
FUNCTIONS = {
    "whisper": features.whisper_mel,
    "ast": features.ast_fbank,
    "panns": features.panns_mel,
    "speechbrain": features.speechbrain_fbank,
}
SHORTEST = {"whisper": 201, "ast": 400, "panns": 513, "speechbrain": 1}  # [samples] that a function takes
each = pytest.mark.parametrize("kind", sorted(FUNCTIONS))


def load_program():
    spec = importlib.util.spec_from_file_location("hub_features", PROGRAM)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SOUNDS = {case: load_program().sounds(case) for case in CONFIGS}


def noise(*shape, seed=0):
    return 0.1 * np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize(("case", "name"), [(case, name) for case in CONFIGS for name in SOUNDS[case]])
def test_features_equal_the_published_within_1e_4(case, name):
    """Where the package's own rounding errors are larger (beside a tone, 100 dB below it), within twice these."""
    config, y = CONFIGS[case], SOUNDS[case][name]
    got = extract(y, config.sr, config)
    if case == "wav2vec2":
        got, tolerance = got[: len(y)].T, 1e-5
    else:
        tolerance = max(1e-4, 2 * STORED.get(f"{case}/{name}/rounding", 0))
    frames = STORED[f"{case}/{name}/frames"]
    assert got.dtype == np.float32
    assert got.shape == tuple(STORED[f"{case}/{name}/shape"])
    np.testing.assert_allclose(got[:, frames], STORED[f"{case}/{name}/values"], rtol=0, atol=tolerance)


def test_ludwigs_norm_is_not_the_one_of_wav2vec2():
    """It divides by n - 1, and adds nothing to the variance of quiet sound."""
    quiet = SOUNDS["wav2vec2"]["quiet"]
    per_file, published = (
        extract(quiet, 16000, AudioFeatureConfig(type="raw", sr=16000, norm=norm))[: len(quiet)]
        for norm in ("per_file", "unit_variance")
    )
    np.testing.assert_allclose(per_file.std(), 1, atol=1e-3)
    assert published.std() < 0.1


def test_unit_variance_counts_the_samples_within_the_limit():
    config = AudioFeatureConfig(type="raw", sr=16000, norm="unit_variance", audio_file_length_limit_in_s=0.5)
    y = noise(9000) * np.linspace(0.5, 2, 9000, dtype=np.float32)
    want = (y[:8000] - y[:8000].mean()) / np.sqrt(y[:8000].var() + 1e-7)
    np.testing.assert_allclose(extract(y, 16000, config)[:, 0], want, atol=1e-5)
    np.testing.assert_array_equal(load_features((y, 16000), config), extract(y, 16000, config))
    padded = extract(y[:100], 16000, config)
    np.testing.assert_allclose(padded[:100].mean(), 0, atol=1e-6)
    assert not padded[100:].any()


@each
def test_a_batch_equals_its_items_and_the_input_is_unchanged(kind):
    y = noise(2, 3, 9000) * np.float32([[[1]], [[0.01]]])
    before, sr = y.copy(), CONFIGS[kind].sr
    batch = FUNCTIONS[kind](y, sr)
    np.testing.assert_array_equal(y, before)
    for index in np.ndindex(2, 3):
        np.testing.assert_allclose(batch[index], FUNCTIONS[kind](y[index], sr), rtol=0, atol=1e-5)
    np.testing.assert_allclose(FUNCTIONS[kind](y.astype(np.float64), float(sr)), batch, rtol=0, atol=1e-6)


@each
@pytest.mark.parametrize("sr", [8000, 0, np.nan, "16000", None])
def test_another_rate_is_refused(kind, sr):
    with pytest.raises(FeatureError, match=rf"sr .*{CONFIGS[kind].sr} .*got .*resample"):
        FUNCTIONS[kind](noise(9000), sr)


@each
def test_shorter_sound_is_refused_with_the_length_it_needs(kind):
    shortest, config = SHORTEST[kind], AudioFeatureConfig(type=kind, n_frames=None)
    assert FUNCTIONS[kind](noise(shortest), config.sr).shape[1] >= 1
    assert extract(noise(shortest), config.sr, config).shape[1] == config.frames_in(shortest / config.sr)
    for n in {0, shortest - 1}:
        named = rf"{n} .*{shortest}" if n else "no samples"
        with pytest.raises(FeatureError, match=named):
            FUNCTIONS[kind](noise(n), config.sr)
        with pytest.raises(FeatureError, match=named):
            extract(noise(n), config.sr, config)


@each
@pytest.mark.parametrize("n", [1, 399, 20_000, 90_000])
def test_every_length_gives_the_requested_frames(kind, n):
    for n_frames in (1, 2, 40):
        config = AudioFeatureConfig(type=kind, n_frames=n_frames)
        if kind == "ast" and n < 400:  # pads frames, and needs one
            with pytest.raises(FeatureError, match="400"):
                extract(noise(n), config.sr, config)
            continue
        got = extract(noise(2, n), config.sr, config)
        assert got.shape == (2, *config.shape) == (2, config.n_mels, n_frames) and np.isfinite(got).all()


@each
@pytest.mark.parametrize("n_frames", [10**12, 10**17, 10**30])
def test_more_frames_than_memory_holds_are_refused(kind, n_frames):
    config = AudioFeatureConfig(type=kind, n_frames=n_frames)
    with pytest.raises(FeatureError, match=f"{n_frames}"):
        extract(noise(9000), config.sr, config)


@each
def test_lengths_agree_with_each_other(kind):
    for n_frames in (3, 100, 1001):
        config = AudioFeatureConfig(type=kind, n_frames=n_frames)
        samples, every = config.n_samples, AudioFeatureConfig(type=kind, n_frames=None)
        assert config.frames_in(samples / config.sr) == n_frames
        assert config.frames_in((samples - 1) / config.sr) == n_frames - 1
        assert extract(noise(samples), config.sr, every).shape == config.shape
        assert extract(noise(samples - 1), config.sr, every).shape[1] == n_frames - 1
        np.testing.assert_array_equal(
            extract(noise(samples), config.sr, every), extract(noise(samples), config.sr, config)
        )


@each
def test_the_start_of_a_longer_sound_is_kept_and_no_more_is_loaded(kind):
    config = AudioFeatureConfig(type=kind, n_frames=40)
    assert (config.kept_part, config.time_axis) == ("start", -1)
    n, y = config.n_samples, noise(100_000)
    want = extract(y[:n], config.sr, config)
    np.testing.assert_array_equal(extract(y, config.sr, config), want)
    np.testing.assert_array_equal(load_features((y, config.sr), config), want)
    assert n / config.sr < config.reach < n / config.sr + 1
    every = AudioFeatureConfig(type=kind, n_frames=None)
    assert every.reach is None and load_features((y, config.sr), every).shape[1] == every.frames_in(len(y) / config.sr)


@each
def test_the_configuration_has_fixed_values_and_few_keys(kind):
    keys = {"whisper": {"n_mels"}, "ast": {"n_mels", "mean", "std"}}.get(kind, set())
    config = AudioFeatureConfig(type=kind)
    assert set(config.identity()) == {"type", "n_frames"} | keys
    assert config.shape == {"whisper": (80, 3000), "ast": (128, 1024)}.get(kind, (config.n_mels, None))
    assert AudioFeatureConfig.model_validate(config.identity()) == config
    assert AudioFeatureConfig.from_yaml(f"{{type: {kind}, n_frames: null}}").n_frames is None


@pytest.mark.parametrize("argument", [{"mean": np.nan}, {"std": 0}, {"n_mels": 0}, {"max_length": 0}], ids=str)
def test_arguments_of_ast_are_named(argument):
    with pytest.raises(FeatureError, match=next(iter(argument))):
        features.ast_fbank(noise(9000), **argument)


def test_frames_of_ast_are_padded_with_zeros_before_they_are_normalized():
    padded, plain = features.ast_fbank(noise(9000)), features.ast_fbank(noise(9000), max_length=None)
    np.testing.assert_array_equal(padded[:, : plain.shape[1]], plain)
    np.testing.assert_allclose(padded[:, plain.shape[1] :], 4.2677393 / (2 * 4.5689974), rtol=1e-6)

"""Inputs of classifiers: all features, all kinds of source, all caches, with the same result."""

import io

import numpy as np
import pytest
import soundfile as sf

from mxnet_audio import AudioFeatureConfig, Cifar10AudioClassifier
from mxnet_audio.errors import DatasetError, FeatureError, ParameterError
from mxnet_audio.library.inputs import choose_features, features_for_shape, input_shape_of

CONFIGS = {
    "mfcc": AudioFeatureConfig(type="mfcc", n_mfcc=20, n_frames=24),
    "mel": AudioFeatureConfig(type="mel", n_mels=16, n_frames=24),
    "chroma": AudioFeatureConfig(type="chroma", n_chroma=24, n_fft=512, n_frames=24),
    "fbank": AudioFeatureConfig(type="fbank", sr=12000, audio_file_length_limit_in_s=0.8, num_filter_bands=24),
    "stft": AudioFeatureConfig(type="stft", sr=12000, audio_file_length_limit_in_s=0.8, norm="per_file"),
    "group_delay": AudioFeatureConfig(type="group_delay", sr=12000, audio_file_length_limit_in_s=0.8),
}


def small(options, **changes):
    others = {name: value for name, value in options.items() if name != "input_shape"}
    return others | {"epochs": 1, "feature_config": AudioFeatureConfig(n_mels=16, n_frames=24)} | changes


@pytest.mark.parametrize("name", CONFIGS)
def test_all_features_train_save_and_predict(name, corpus, options, tmp_path):
    classifier = Cifar10AudioClassifier()
    classifier.fit(corpus[:9], tmp_path / "model", **small(options, feature_config=CONFIGS[name]))
    again = Cifar10AudioClassifier()
    again.load_model(tmp_path / "model")
    assert again.feature_config == CONFIGS[name]
    path = corpus[0][0]
    np.testing.assert_array_equal(again.encode_audio(path), classifier.encode_audio(path))
    assert again.predict_timeline(path)[0].label in again.labels


def test_the_cache_mode_changes_nothing(corpus, options, tmp_path):
    vectors = []
    for mode in ("eager", "lazy", "lazy_cached"):
        config = AudioFeatureConfig(
            type="log_mel", n_mels=16, n_frames=24, mode=mode, lazy_cache_dir=str(tmp_path / "c")
        )
        classifier = Cifar10AudioClassifier()
        classifier.fit(corpus[:9], tmp_path / mode, **small(options, feature_config=config, cache=True))
        vectors.append(classifier.encode_audio(corpus[0][0]))
        assert bool(list((tmp_path / "c").rglob("*.features"))) == (mode == "lazy_cached")
    np.testing.assert_array_equal(vectors[0], vectors[1])
    np.testing.assert_array_equal(vectors[0], vectors[2])


def decoded(path):
    y, sr = sf.read(path, dtype="float32")
    return y.T, sr


FORMS = {
    "array": decoded,
    "bytes": lambda path: open(path, "rb").read(),  # noqa: PTH123, SIM115
    "entry": lambda path: {"array": decoded(path)[0], "sampling_rate": decoded(path)[1], "path": None},
    "undecoded": lambda path: {"bytes": open(path, "rb").read(), "path": "inside.wav"},  # noqa: PTH123, SIM115
}


@pytest.fixture(scope="module")
def by_path(corpus, options, tmp_path_factory):
    """Classifier that is trained on paths; tests must not change it."""
    classifier = Cifar10AudioClassifier()
    classifier.fit(corpus, tmp_path_factory.mktemp("path"), **small(options))
    return classifier


@pytest.mark.parametrize("form", FORMS)
def test_all_kinds_of_source_give_the_same_model(form, by_path, corpus, options, tmp_path):
    other = Cifar10AudioClassifier()
    pairs = [(FORMS[form](path), label) for path, label in corpus]
    other.fit(pairs, tmp_path / "other", **small(options))
    np.testing.assert_array_equal(other.encode_audio(corpus[0][0]), by_path.encode_audio(corpus[0][0]))
    np.testing.assert_array_equal(other.encode_audio(pairs[0][0]), by_path.encode_audio(corpus[0][0]))
    assert other.evaluate(pairs).accuracy == by_path.evaluate(corpus).accuracy
    other.fit(pairs, tmp_path / "other", **small(options, epochs=2), resume=True)


def test_bad_or_repeated_sound_in_memory_is_named(corpus, options, tmp_path):
    classifier = Cifar10AudioClassifier()
    pairs = [*corpus, ((np.full(9000, np.nan, np.float32), 8000), corpus[0][1]), (b"no sound", corpus[0][1])]
    classifier.fit(pairs, tmp_path, **small(options))
    names = [name for name, _ in classifier.skipped]
    assert names == [f"item {len(corpus)}", f"item {len(corpus) + 1}"]
    with pytest.raises(DatasetError, match=r"rows 24 and 25"):
        classifier.fit([*corpus, (b"same", "low"), (b"same", "low")], tmp_path, **small(options))
    with pytest.raises(DatasetError, match="pair"):
        classifier.fit([*corpus, (3, "low")], tmp_path, **small(options))
    assert isinstance(classifier.predict_class(io.BytesIO(open(corpus[0][0], "rb").read())), str)  # noqa: PTH123, SIM115
    for missing in (None, "", float("nan")):
        with pytest.raises(DatasetError, match="row 24"):
            classifier.fit([*corpus, (missing, "low")], tmp_path, **small(options))
    missing = {"path": "missing.wav", "bytes": None}
    classifier.fit([*corpus, (missing, "low")], tmp_path, **small(options))
    assert [name for name, _ in classifier.skipped] == ["missing.wav"]
    with pytest.raises(DatasetError, match="validation"):
        same = ({"path": corpus[0][0], "bytes": None}, "low")
        classifier.fit(corpus, tmp_path, **small(options, validation_pairs=[same]))


@pytest.mark.parametrize("mode", ["eager", "lazy"])
def test_bad_files_are_left_out_in_all_cache_modes(mode, corpus, options, tmp_path):
    config = AudioFeatureConfig(type="log_mel", n_mels=16, n_frames=24, mode=mode)
    classifier = Cifar10AudioClassifier()
    classifier.fit([("missing.wav", "low"), *corpus], tmp_path, **small(options, feature_config=config, cache=True))
    assert [name for name, _ in classifier.skipped] == ["missing.wav"]


@pytest.mark.parametrize(("cache", "mode"), [(False, "lazy_cached"), ("folder", "lazy"), ("folder", "eager")])
def test_cache_and_mode_must_agree(cache, mode, corpus, options, tmp_path):
    config = AudioFeatureConfig(type="log_mel", n_mels=16, n_frames=24, mode=mode)
    with pytest.raises(ParameterError, match=mode):
        Cifar10AudioClassifier().fit(corpus, tmp_path, **small(options, feature_config=config, cache=cache))


def test_features_that_a_network_cannot_take_are_refused(corpus, options, tmp_path):
    classifier = Cifar10AudioClassifier()
    with pytest.raises(FeatureError, match="from_yaml"):
        classifier.fit(corpus, tmp_path, **small(options, feature_config={"type": "fbank"}))
    with pytest.raises(ParameterError, match=r"mfcc features: .*16 bands.*\(1, 13, 40\)"):
        few = AudioFeatureConfig(type="mfcc", n_mfcc=13, n_frames=40)
        classifier.fit(corpus, tmp_path, **small(options, feature_config=few))
    with pytest.raises(ParameterError, match="16"):
        raw = AudioFeatureConfig(type="raw", sr=8000)
        classifier.fit(corpus, tmp_path, **small(options, feature_config=raw))


@pytest.mark.parametrize(
    "config", [{"type": "mfcc", "n_mfcc": 16}, {"type": "fbank", "audio_file_length_limit_in_s": 1}]
)
def test_a_missing_length_or_rate_is_that_of_the_clips(config, corpus, options, tmp_path):
    classifier = Cifar10AudioClassifier()
    classifier.fit(corpus, tmp_path, **small(options, feature_config=AudioFeatureConfig(**config)))
    assert classifier.feature_config.sr == 12000 and None not in classifier.feature_config.shape
    assert classifier.input_shape == ((1, 16, 47) if config["type"] == "mfcc" else (1, 80, 49))


@pytest.mark.parametrize(("seconds", "frames"), [(0.1, 16), (5.0, 235), (30.0, 1366), (3600.0, 1366)])
def test_the_default_length_is_that_of_a_typical_clip(seconds, frames):
    sounds = [(np.zeros(int(seconds * 100)), 100)] * 3
    config = choose_features("cifar10", sounds)
    assert input_shape_of("cifar10", config) == (1, 96, frames)
    assert choose_features("cifar10", sounds, (1, 32, 40)) == features_for_shape("cifar10", (1, 32, 40))
    assert choose_features("cifar10", sounds, (1, 32, 40), CONFIGS["mfcc"]) == CONFIGS["mfcc"]
    assert input_shape_of("m5", choose_features("m5", sounds)) == (1, 1, 32000)


def test_a_network_needs_inputs_of_one_size():
    for config in (AudioFeatureConfig(), AudioFeatureConfig(type="fbank")):
        with pytest.raises(FeatureError, match="n_frames"):
            input_shape_of("cifar10", config)

"""What a classifier can be fed with: any feature, any source, kept in any way; the same answer for all of them."""

import io

import numpy as np
import pytest
import soundfile as sf

from mxnet_audio import AudioFeatureConfig, Cifar10AudioClassifier
from mxnet_audio.errors import DatasetError, FeatureError, ModelError

CONFIGS = {
    "mfcc": AudioFeatureConfig(type="mfcc", n_mfcc=20, n_frames=40),
    "mel": AudioFeatureConfig(type="mel", n_mels=32, n_frames=40),
    "chroma": AudioFeatureConfig(type="chroma", n_chroma=24, n_fft=1024, n_frames=40),
    "fbank": AudioFeatureConfig(type="fbank", sr=12000, audio_file_length_limit_in_s=0.8, num_filter_bands=24),
    "stft": AudioFeatureConfig(type="stft", sr=12000, audio_file_length_limit_in_s=0.8, norm="per_file"),
    "group_delay": AudioFeatureConfig(type="group_delay", sr=12000, audio_file_length_limit_in_s=0.8),
}


def small(options, **changes):
    kept = {name: value for name, value in options.items() if name != "input_shape"}
    return kept | {"epochs": 1, "feature_config": AudioFeatureConfig(n_mels=32, n_frames=40)} | changes


@pytest.mark.parametrize("name", CONFIGS)
def test_any_feature_trains_saves_and_labels(name, corpus, options, tmp_path):
    classifier = Cifar10AudioClassifier()
    classifier.fit(corpus, tmp_path / "model", **small(options, feature_config=CONFIGS[name]))
    again = Cifar10AudioClassifier()
    again.load_model(tmp_path / "model")
    assert again.feature_config == CONFIGS[name]
    path = corpus[0][0]
    np.testing.assert_array_equal(again.encode_audio(path), classifier.encode_audio(path))
    assert again.predict_timeline(path)[0].label in again.labels


def test_how_features_are_kept_changes_nothing(corpus, options, tmp_path):
    vectors = []
    for mode in ("eager", "lazy", "lazy_cached"):
        config = AudioFeatureConfig(
            type="log_mel", n_mels=32, n_frames=40, mode=mode, lazy_cache_dir=str(tmp_path / "c")
        )
        classifier = Cifar10AudioClassifier()
        classifier.fit(corpus, tmp_path / mode, **small(options, feature_config=config, cache=True))
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


@pytest.mark.parametrize("form", FORMS)
def test_any_source_gives_the_model_that_files_give(form, corpus, options, tmp_path):
    by_path, other = Cifar10AudioClassifier(), Cifar10AudioClassifier()
    by_path.fit(corpus, tmp_path / "path", **small(options))
    pairs = [(FORMS[form](path), label) for path, label in corpus]
    other.fit(pairs, tmp_path / "other", **small(options))
    np.testing.assert_array_equal(other.encode_audio(corpus[0][0]), by_path.encode_audio(corpus[0][0]))
    np.testing.assert_array_equal(other.encode_audio(pairs[0][0]), by_path.encode_audio(corpus[0][0]))
    assert other.evaluate(pairs).accuracy == by_path.evaluate(corpus).accuracy
    other.fit(pairs, tmp_path / "other", **small(options, epochs=2), resume=True)


def test_sound_in_memory_that_is_bad_or_given_twice_is_named(corpus, options, tmp_path):
    classifier = Cifar10AudioClassifier()
    pairs = [*corpus, ((np.full(9000, np.nan, np.float32), 8000), corpus[0][1]), (b"no sound", corpus[0][1])]
    classifier.fit(pairs, tmp_path, **small(options))
    names = [name for name, _ in classifier.skipped]
    assert names == [f"item {len(corpus)}", f"item {len(corpus) + 1}"]
    with pytest.raises(DatasetError, match="more than once"):
        classifier.fit([*corpus, (b"same", "low"), (b"same", "low")], tmp_path, **small(options))
    with pytest.raises(DatasetError, match="pair"):
        classifier.fit([*corpus, (3, "low")], tmp_path, **small(options))
    assert isinstance(classifier.predict_class(io.BytesIO(open(corpus[0][0], "rb").read())), str)  # noqa: PTH123, SIM115
    for nothing in (None, "", float("nan")):
        with pytest.raises(DatasetError, match="row 24: the sound is missing"):
            classifier.fit([*corpus, (nothing, "low")], tmp_path, **small(options))
    gone = {"path": "gone.wav", "bytes": None}
    classifier.fit([*corpus, (gone, "low")], tmp_path, **small(options))
    assert [name for name, _ in classifier.skipped] == ["gone.wav"]
    with pytest.raises(DatasetError, match="the training and the validation"):
        same = ({"path": corpus[0][0], "bytes": None}, "low")
        classifier.fit(corpus, tmp_path, **small(options, validation_pairs=[same]))


@pytest.mark.parametrize("mode", ["eager", "lazy"])
def test_bad_files_are_left_out_however_features_are_kept(mode, corpus, options, tmp_path):
    config = AudioFeatureConfig(type="log_mel", n_mels=32, n_frames=40, mode=mode)
    classifier = Cifar10AudioClassifier()
    classifier.fit([("gone.wav", "low"), *corpus], tmp_path, **small(options, feature_config=config, cache=True))
    assert [name for name, _ in classifier.skipped] == ["gone.wav"]


@pytest.mark.parametrize(("cache", "mode"), [(False, "lazy_cached"), ("folder", "lazy"), ("folder", "eager")])
def test_two_ways_to_keep_features_contradict(cache, mode, corpus, options, tmp_path):
    config = AudioFeatureConfig(type="log_mel", n_mels=32, n_frames=40, mode=mode)
    with pytest.raises(DatasetError, match=mode):
        Cifar10AudioClassifier().fit(corpus, tmp_path, **small(options, feature_config=config, cache=cache))


def test_features_that_no_network_takes_are_refused(corpus, options, tmp_path):
    classifier = Cifar10AudioClassifier()
    with pytest.raises(FeatureError, match="one size"):
        classifier.fit(corpus, tmp_path, **small(options, feature_config=AudioFeatureConfig(type="fbank")))
    with pytest.raises(FeatureError, match="one size"):
        classifier.fit(corpus, tmp_path, **small(options, feature_config=AudioFeatureConfig(type="mfcc")))
    with pytest.raises(FeatureError, match="from_yaml gives one, not dict"):
        classifier.fit(corpus, tmp_path, **small(options, feature_config={"type": "fbank"}))
    with pytest.raises(ModelError, match=r"mfcc features: input_shape \(1, 13, 40\) .* 16 bands and 16 frames"):
        few = AudioFeatureConfig(type="mfcc", n_mfcc=13, n_frames=40)
        classifier.fit(corpus, tmp_path, **small(options, feature_config=few))
    with pytest.raises(ModelError, match="16"):
        raw = AudioFeatureConfig(type="raw", sr=8000)
        classifier.fit(corpus, tmp_path, **small(options, feature_config=raw))

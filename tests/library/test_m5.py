"""M5 behind the methods that all classifiers share; its input is the middle of a sound, at 8 kHz."""

import inspect

import numpy as np
import pytest
import soundfile as sf

from mxnet_audio import AudioFeatureConfig, M5AudioClassifier, M5AudioRecommender, M5AudioSearch, model_store
from mxnet_audio.errors import AudioDecodeError, FeatureError, ParameterError
from mxnet_audio.library import load_classifier
from mxnet_audio.library.cifar10 import Cifar10AudioClassifier
from mxnet_audio.library.inputs import choose_features, features_for_shape, input_shape_of


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Pairs of 24 clips of 0.25 s at 12 kHz, of three classes that differ below 4 kHz."""
    folder = tmp_path_factory.mktemp("clips")
    rng = np.random.default_rng(0)
    t = np.arange(3000) / 12000
    pairs = []
    for i in range(24):
        kind = ("low", "high", "noise")[i % 3]
        frequency = rng.uniform(200, 500) if kind == "low" else rng.uniform(1500, 3000)
        tone = 0.0 if kind == "noise" else 0.3 * np.sin(2 * np.pi * frequency * t + i)
        sf.write(folder / f"{i}.wav", tone + rng.normal(0, 0.1 if kind == "noise" else 0.01, t.size), 12000)
        pairs.append((str(folder / f"{i}.wav"), kind))
    return pairs


@pytest.fixture(scope="module")
def quick(options):
    return options | {"input_shape": (1, 1, 2000), "recipe": "plain", "learning_rate": 0.002, "epochs": 3}


@pytest.fixture(scope="module")
def trained(corpus, quick, tmp_path_factory):
    """A trained classifier, and the directory of its model."""
    folder = tmp_path_factory.mktemp("m5")
    classifier = M5AudioClassifier()
    classifier.fit(corpus, folder, **quick | {"batch_size": 9, "epochs": 8, "learning_rate": 0.004})
    return classifier, folder


def test_fit_learns_and_load_model_gives_the_same_results(trained, corpus):
    fitted, folder = trained
    assert fitted.history["loss_train"][-1] < fitted.history["loss_train"][0] / 2
    assert fitted.evaluate(corpus).accuracy > 0.8
    loaded = load_classifier(folder)
    assert isinstance(loaded, M5AudioClassifier)
    assert (loaded.history, loaded.labels, loaded.model_id) == (fitted.history, fitted.labels, fitted.model_id)
    path = corpus[0][0]
    assert loaded.embedding_dim == 512
    np.testing.assert_array_equal(loaded.encode_audio(path), fitted.encode_audio(path))


def test_its_defaults_are_those_of_the_paper():
    of_fit = inspect.signature(M5AudioClassifier.fit).parameters
    assert of_fit["learning_rate"].default == 0.01
    others = inspect.signature(Cifar10AudioClassifier.fit).parameters
    positional = [name for name, one in others.items() if one.kind is not one.KEYWORD_ONLY]
    assert list(of_fit)[:-1] == positional
    for name in set(positional) - {"learning_rate"}:
        assert of_fit[name].default == others[name].default
    config = choose_features("m5", [])
    assert config == features_for_shape("m5", (1, 1, 32000))
    assert (config.type, config.sr, config.n_samples, config.crop) == ("raw", 8000, 32000, "middle")


@pytest.mark.parametrize("samples", [80, 1001, 31999, 40000])
def test_an_input_has_the_requested_number_of_samples(samples):
    assert input_shape_of("m5", features_for_shape("m5", (1, 1, samples))) == (1, 1, samples)


def test_a_resumed_run_equals_an_uninterrupted_run(corpus, quick, tmp_path):
    whole = M5AudioClassifier().fit(corpus, tmp_path / "whole", **quick)
    M5AudioClassifier().fit(corpus, tmp_path / "parts", **quick | {"epochs": 2})
    assert M5AudioClassifier().fit(corpus, tmp_path / "parts", **quick, resume=True) == whole
    parameters = [
        model_store.read_tensors(tmp_path / name, model_store.read_manifest(tmp_path / name, "m5"), "last")
        for name in ("whole", "parts")
    ]
    assert model_store.fingerprint(parameters[0]) == model_store.fingerprint(parameters[1])


def test_its_own_recipe_trains(corpus, quick, tmp_path):
    history = M5AudioClassifier().fit(corpus, tmp_path, **quick | {"recipe": None, "epochs": 1})
    assert np.isfinite(history["loss_train"]).all()


def test_many_files_with_bad_ones_among_them(trained, corpus, tmp_path):
    classifier, _ = trained
    bad = tmp_path / "text.wav"
    bad.write_text("not sound")
    paths = [path for path, _ in corpus[:5]]
    predictions = list(classifier.predict_many([*paths[:2], bad, *paths[2:]], batch_size=3))
    assert isinstance(predictions[2].error, AudioDecodeError) and "text.wav" in str(predictions[2].error)
    for prediction, path in zip(predictions[:2] + predictions[3:], paths):
        expected = classifier.predict(path).probabilities
        np.testing.assert_allclose(prediction.probabilities, expected, rtol=1e-3, atol=1e-5)


def test_all_of_a_longer_sound_is_used_and_its_middle_by_a_single_view(trained, corpus, tmp_path, monkeypatch):
    classifier, _ = trained
    low, high = (sf.read(next(path for path, label in corpus if label == kind))[0] for kind in ("low", "high"))
    y = np.concatenate([low, low, high, low, low]).astype(np.float32)
    sf.write(tmp_path / "long.wav", y, 12000)
    assert classifier.predict_class(tmp_path / "long.wav") == "low"
    with monkeypatch.context() as single:
        single.setattr(classifier.model, "views", 1)
        assert classifier.predict_class(tmp_path / "long.wav") == classifier.predict_class((high, 12000)) == "high"
    timeline = classifier.predict_timeline(tmp_path / "long.wav", hop=0.25)
    assert [entry.label for entry in timeline] == ["low", "low", "high", "low", "low"]
    assert timeline[-1].end == pytest.approx(1.25)


def test_frequencies_above_4_kHz_are_not_aliased(trained):
    classifier, _ = trained
    t = np.arange(44100) / 44100
    low, high = (np.sin(2 * np.pi * hz * t).astype(np.float32) for hz in (400, 8400))  # decimated, 8400 Hz is 400 Hz
    vector = classifier.encode_audio((low, 44100))
    np.testing.assert_allclose(classifier.encode_audio((low + high, 44100)), vector, atol=0.02 * np.abs(vector).max())


def test_search_and_recommend(trained, corpus, tmp_path):
    _, folder = trained
    paths, kinds = [path for path, _ in corpus], dict(corpus)
    search = M5AudioSearch()
    search.load_model(model_dir_path=folder)
    assert search.index_many(paths, save_dir=tmp_path / "index").added == len(paths)
    nearest = [neighbour.path for neighbour in search.query(paths[0], top_k=3)]
    assert paths[0] not in nearest and {kinds[path] for path in nearest} == {kinds[paths[0]]}
    recommender = M5AudioRecommender()
    recommender.load_model(model_dir_path=folder)
    recommender.load(tmp_path / "index")
    recommender.track(paths[1])
    assert kinds[recommender.recommend(1)[0].path] == kinds[paths[1]]


LOG_MEL = AudioFeatureConfig(n_mels=96, n_frames=100)
RAW = AudioFeatureConfig(type="raw", sr=8000, audio_file_length_limit_in_s=1.0)


@pytest.mark.parametrize(
    ("kind", "wrong", "error", "match"),
    [
        (M5AudioClassifier, {"feature_config": AudioFeatureConfig()}, ParameterError, r"log_mel features: .*m5"),
        (
            M5AudioClassifier,
            {"feature_config": LOG_MEL},
            ParameterError,
            r"log_mel .*m5 .*\(1, 96, 100\)",
        ),
        (M5AudioClassifier, {"input_shape": (1, 96, 1366)}, ParameterError, r"m5 .*\(1, 1, samples\).*\(1, 96, 1366\)"),
        (M5AudioClassifier, {"input_shape": (1, 1, 79)}, ParameterError, "80 samples"),
        (M5AudioClassifier, {"input_shape": (2, 1, 8000)}, FeatureError, "one channel"),
        (Cifar10AudioClassifier, {"feature_config": RAW}, ParameterError, r"raw features: .*cifar10 .*\(1, 1, 8000\)"),
        (Cifar10AudioClassifier, {"input_shape": (1, 1, 32000)}, ParameterError, "cifar10 .*16 bands"),
    ],
)
def test_the_input_of_another_network_is_refused_before_any_file_is_read(kind, wrong, error, match, tmp_path, quick):
    with pytest.raises(error, match=match):
        kind().fit([("no file", "a"), ("none", "b")], tmp_path, **quick | wrong)

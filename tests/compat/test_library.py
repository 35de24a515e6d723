"""Calls that users of the first mxnet-audio know: classifiers, search, recommenders, mel-spectrograms."""

import inspect
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from mxnet_audio import audio, features
from mxnet_audio.engine import mx
from mxnet_audio.errors import ModelError
from mxnet_audio.library import BUNDLED_MODELS
from mxnet_audio.library.cifar10 import Cifar10AudioClassifier, Cifar10AudioRecommender, Cifar10AudioSearch
from mxnet_audio.library.resnet_v2 import ResNetV2AudioClassifier, ResNetV2AudioRecommender, ResNetV2AudioSearch
from mxnet_audio.library.utility.audio_utils import compute_melgram


@pytest.fixture(scope="module")
def model_dir():
    """Directory of trained models."""
    if not BUNDLED_MODELS.is_dir():
        pytest.skip("the models come with a clone only")
    return str(BUNDLED_MODELS)


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    """Paths of six songs."""
    folder, rng = tmp_path_factory.mktemp("songs"), np.random.default_rng(0)
    paths = [str(folder / f"song {i}.wav") for i in range(6)]
    for i, path in enumerate(paths):
        t = np.arange(12000) / 12000
        sf.write(path, 0.3 * np.sin(2 * np.pi * 200 * (i + 1) * t) + rng.normal(0, 0.01, t.size), 12000)
    return paths


@pytest.mark.parametrize("kind", [Cifar10AudioClassifier, ResNetV2AudioClassifier])
def test_arguments_of_fit(kind):
    names = ["audio_path_label_pairs", "model_dir_path", "batch_size", "epochs", "test_size", "random_state"]
    names += ["input_shape", "nb_classes", "learning_rate", "checkpoint_interval"]
    parameters = list(inspect.signature(kind.fit).parameters.values())[1:]
    assert [parameter.name for parameter in parameters[:10]] == names
    assert all(parameter.kind is parameter.KEYWORD_ONLY for parameter in parameters[10:])
    assert [parameter.default for parameter in parameters[2:10]] == [64, 20, 0.2, 42, None, None, 0.001, 10]


def test_members_of_a_classifier(model_dir):
    classifier = Cifar10AudioClassifier(mx.cpu(), mx.cpu())
    assert (classifier.model_name, classifier.model_ctx, classifier.data_ctx) == ("cifar10", mx.cpu(), mx.cpu())
    with pytest.raises(ModelError):
        _ = classifier.config
    classifier.load_model(model_dir_path=model_dir)
    assert classifier.nb_classes == 10 and classifier.input_shape[:2] == (1, 96)
    assert classifier.config == {"input_shape": classifier.input_shape, "nb_classes": 10}


@pytest.mark.parametrize(
    "kind", [Cifar10AudioSearch, Cifar10AudioRecommender, ResNetV2AudioSearch, ResNetV2AudioRecommender]
)
def test_contexts_by_position(kind, model_dir):
    search = kind(mx.cpu(1), mx.cpu())
    search.load_model(model_dir_path=model_dir)
    assert (search.classifier.model_ctx, search.classifier.data_ctx) == (mx.cpu(1), mx.cpu())


def test_the_default_device_is_the_cpu():
    classifier = Cifar10AudioClassifier()
    assert classifier.model_ctx == classifier.data_ctx == mx.cpu()


def test_query_distance_and_reset(model_dir, songs):
    search = Cifar10AudioSearch()
    search.load_model(model_dir_path=model_dir)
    for path in songs:
        search.index_audio(path)
    found = search.query(songs[0], top_k=3)
    assert len(found) == 3 and songs[0] not in dict(found)
    assert [distance for _, distance in found] == sorted(distance for _, distance in found)
    vectors = [search.index.vector(path) for path in songs[:2]]
    assert search.distance(*vectors) == dict(search.query(songs[0]))[songs[1]]
    search.reset()
    assert len(search) == 0


def test_recommendations_are_best_first_and_usable_as_paths(model_dir, songs):
    recommender = Cifar10AudioRecommender()
    recommender.load_model(model_dir_path=model_dir)
    for path in songs:
        recommender.index_audio(path)
    recommender.track(songs[0])
    found = recommender.recommend(limits=4)
    assert [item.score for item in found] == sorted((item.score for item in found), reverse=True)
    assert [os.fspath(item) for item in found] == [item.path for item in found] == [path for path, _ in found]
    assert audio.load(found[0])[1] == 12000
    assert recommender.history == songs[:1] and recommender.recommend(4) == found


def test_compute_melgram_has_the_shape_of_the_original(songs):
    melgram = compute_melgram(songs[0])
    assert melgram.shape == (1, 96, 1366) and melgram.dtype == np.float32
    config = features.AudioFeatureConfig(n_frames=1366)
    np.testing.assert_array_equal(melgram[0], features.load_features(songs[0], config))
    y, sr = sf.read(songs[0], dtype="float32")
    power = features.melspectrogram(audio.fit_length(y, config.n_samples), sr, n_fft=512, hop_length=256, n_mels=96)
    original = 20 * np.log10(np.maximum(power**2, 1e-20))
    above = original > original.max() - 80  # the floor of the original
    np.testing.assert_allclose(4 * melgram[0][above], original[above], atol=1e-3)
    assert not list(Path(songs[0]).parent.glob("*.npy"))

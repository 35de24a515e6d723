"""Copies and pickles of classifiers, searches and recommenders: equal results, in this process and in others."""

import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest

from mxnet_audio.engine import mx
from mxnet_audio.errors import ModelError
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.library.cifar10 import Cifar10AudioClassifier, Cifar10AudioRecommender, Cifar10AudioSearch
from mxnet_audio.library.m5 import M5AudioClassifier
from mxnet_audio.library.resnet_v2 import ResNetV2AudioClassifier
from mxnet_audio.library.search import AudioSearch
from mxnet_audio.library.trained_model import TrainedModel

COPIES = {"pickle": lambda value: pickle.loads(pickle.dumps(value)), "copy": copy.copy, "deepcopy": copy.deepcopy}


@pytest.mark.parametrize("how", COPIES)
def test_a_trained_classifier(how, own_classifier, corpus):
    paths = [*(path for path, _ in corpus[:4]), "missing.wav"]
    own_classifier.adapt([*(path for path, _ in corpus[:8]), "missing.wav"])
    twin = COPIES[how](own_classifier)
    assert (twin.model_id, twin.labels, twin.history) == (
        own_classifier.model_id,
        own_classifier.labels,
        own_classifier.history,
    )
    assert [str(error) for _, error in twin.skipped] == [str(error) for _, error in own_classifier.skipped]
    for found, expected in zip(twin.encode_many(paths), own_classifier.encode_many(paths)):
        np.testing.assert_array_equal(found.vector, expected.vector)
    for found, expected in zip(twin.predict_many(paths), own_classifier.predict_many(paths)):
        np.testing.assert_array_equal(found.probabilities, expected.probabilities)
    assert how == "copy" or twin.model is not own_classifier.model


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize("kind", [Cifar10AudioClassifier, M5AudioClassifier, ResNetV2AudioClassifier])
def test_an_untrained_classifier(how, kind, model_dir):
    twin = COPIES[how](kind(mx.cpu(1), mx.cpu()))
    assert (type(twin), twin.model_ctx, twin.data_ctx) == (kind, mx.cpu(1), mx.cpu())
    with pytest.raises(ModelError):
        twin.predict_class("a.wav")
    if kind is Cifar10AudioClassifier:
        twin.load_model(model_dir)
        assert twin.labels == ["high", "low", "noise"]


def test_a_model_stays_on_its_device_and_trains_on(model_dir, corpus, options, tmp_path):
    classifier = Cifar10AudioClassifier(mx.cpu(1))
    classifier.load_model(model_dir)
    twin = copy.deepcopy(classifier)
    assert {p.list_ctx()[0] for p in twin.model.net.collect_params().values()} == {mx.cpu(1)}
    before = classifier.encode_audio(corpus[0][0])
    twin.fit(corpus, tmp_path, **options | {"epochs": 1})
    np.testing.assert_array_equal(classifier.encode_audio(corpus[0][0]), before)


@pytest.mark.usefixtures("narrow_resnet18")
def test_a_model_with_a_cosine_head():
    config = AudioFeatureConfig(n_mels=32, n_frames=40)
    contexts = {"model_ctx": mx.cpu(), "data_ctx": mx.cpu()}
    model = TrainedModel("resnet18", ["ann", "bob"], config, head="cosine", random_state=0, **contexts)
    model.net.standardize.set(-30.0, 20.0)
    twin, x = pickle.loads(pickle.dumps(model)), np.ones((2, 1, 32, 40), np.float32)
    assert twin.net.head_name == "cosine" and twin.id == model.id
    for found, expected in zip(twin.forward(x), model.forward(x)):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("how", ["pickle", "deepcopy"])
def test_search_and_recommender(how, classifier, model_dir, corpus):
    paths = [path for path, _ in corpus[:6]]
    for kind in (Cifar10AudioSearch, Cifar10AudioRecommender):
        empty = COPIES[how](kind(mx.cpu(), mx.cpu()))
        empty.load_model(model_dir)
        empty.index_many(paths)
        twin = COPIES[how](empty)
        assert twin.query(paths[0]) == empty.query(paths[0])
        twin.remove(paths[1])
        assert len(twin) == len(empty) - 1
    empty.track(paths[0])
    assert COPIES[how](empty).recommend() == empty.recommend()
    shared = COPIES[how](AudioSearch(classifier=classifier))
    shared.index_many(paths)
    assert shared.query(paths[0]) == empty.query(paths[0])


READ = """
import pickle, sys
classifier, search = pickle.load(sys.stdin.buffer)
print(classifier.encode_audio(sys.argv[1]).tolist(), search.query(sys.argv[1], 1)[0].path, sep="\\n")
"""


def test_another_process(classifier, corpus):
    paths = [path for path, _ in corpus[:6]]
    search = AudioSearch(classifier=classifier)
    search.index_many(paths)
    data = pickle.dumps((classifier, search))
    done = subprocess.run([sys.executable, "-c", READ, paths[0]], input=data, stdout=subprocess.PIPE, check=True)
    vector, path = done.stdout.decode().splitlines()
    assert vector == str(classifier.encode_audio(paths[0]).tolist()) and path == search.query(paths[0], 1)[0].path

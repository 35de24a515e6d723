"""Classifiers that are trained and loaded once for all tests of the library."""

import copy

import pytest


@pytest.fixture(scope="session")
def options(model_options):
    """Arguments of a `fit` that is quicker than that of `model_dir`: shorter sound, and two steps an epoch."""
    return model_options | {"epochs": 4, "batch_size": 10, "input_shape": (1, 16, 24)}


@pytest.fixture(scope="session")
def classifier(model_dir):
    """The trained classifier; tests must not change it."""
    from mxnet_audio.library.cifar10 import Cifar10AudioClassifier

    loaded = Cifar10AudioClassifier()
    loaded.load_model(model_dir)
    return loaded


@pytest.fixture
def own_classifier(classifier):
    """A copy of the trained classifier, which a test may change."""
    return copy.deepcopy(classifier)


@pytest.fixture(scope="session")
def vector_cache(tmp_path_factory):
    """Folder in which the embeddings of the corpus are cached."""
    return tmp_path_factory.mktemp("vectors")


@pytest.fixture(scope="session")
def pretrained_dir(corpus, published, make_once, vector_cache):
    """Directory of a classifier on YAMNet that is trained on `corpus`; tests must not change it."""
    from mxnet_audio import PretrainedAudioClassifier

    published("yamnet")

    def fill(folder):
        PretrainedAudioClassifier("yamnet").fit(corpus, folder, test_size=0.25, cache=vector_cache, progress=False)

    return make_once("pretrained-model", fill)


@pytest.fixture(scope="session")
def pretrained(pretrained_dir):
    """The classifier on YAMNet; tests must not change it."""
    from mxnet_audio import load_classifier

    return load_classifier(pretrained_dir)


@pytest.fixture
def own_pretrained(pretrained_dir):
    """The classifier on YAMNet, loaded for a test that changes it."""
    from mxnet_audio import load_classifier

    return load_classifier(pretrained_dir)

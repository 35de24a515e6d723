"""Classifier on a frozen encoder, trained once for all tests of the library."""

import pytest


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


@pytest.fixture
def pretrained(pretrained_dir):
    """The classifier on YAMNet, loaded for each test."""
    from mxnet_audio import load_classifier

    return load_classifier(pretrained_dir)

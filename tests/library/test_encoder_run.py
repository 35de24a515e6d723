"""Training runs on an encoder: groups in the inner folds, parameters and what was measured with them."""

import numpy as np
import pytest
import soundfile as sf

from mxnet_audio import PretrainedAudioClassifier, load_classifier
from mxnet_audio.errors import DatasetError, ModelError
from mxnet_audio.library import encoder_head
from mxnet_audio.library.encoder_head import group_numbers


@pytest.fixture
def folds(monkeypatch):
    """List of the arguments `targets` and `groups` of each call of `inner_folds`."""
    calls, inner_folds = [], encoder_head.inner_folds

    def record(targets, groups, random_state):
        calls.append((targets, groups))
        return inner_folds(targets, groups, random_state)

    monkeypatch.setattr(encoder_head, "inner_folds", record)
    return calls


def halves(pairs):
    """Clips of half a second, which are a patch each, and their labels: they are quick to train on."""
    return [((sf.read(path, stop=6000)[0], 12000), label) for path, label in pairs]


@pytest.mark.parametrize("trainable", [False, True])
def test_groups_reach_the_inner_folds(corpus, folds, vector_cache, published, tmp_path, trainable):
    corpus = halves(corpus[:9])
    clips = corpus[:6]
    classifier = PretrainedAudioClassifier(published("yamnet"), trainable=trainable)
    names = [f"{label} {i // 3}" for i, (_, label) in enumerate(clips)]
    options = {"epochs": 1, "batch_size": 4, "cache": vector_cache, "progress": False}
    classifier.fit(clips, tmp_path, validation_pairs=corpus[6:9], groups=names, **options)
    ((targets, groups),) = folds
    np.testing.assert_array_equal(groups, group_numbers(names))
    np.testing.assert_array_equal(targets, [classifier.labels.index(label) for _, label in clips])


def test_what_was_measured_with_the_last_parameters_does_not_come_with_the_best(corpus, published, tmp_path):
    clips = halves(corpus[:6])
    classifier = PretrainedAudioClassifier(published("yamnet"), trainable=True, embedding="mean", head="mlp")
    classifier.fit(clips, tmp_path, epochs=1, test_size=0.5, cache=False, progress=False)
    loaded = load_classifier(tmp_path)
    assert (loaded.embedding, loaded.head, loaded.trainable) == ("mean", "mlp", True)
    assert loaded.known_sounds.means.shape == (3, 1024)
    loaded.load_model(tmp_path, parameters="best")
    with pytest.raises(ModelError, match="hold clips out"):
        loaded.predict(clips[0][0], unknown=True)


def test_a_loss_that_is_no_number(corpus, vector_cache, published, tmp_path):
    classifier = PretrainedAudioClassifier(published("yamnet"), head="mlp")
    with pytest.raises(ModelError, match="loss is NaN or infinite"):
        classifier.fit(corpus, tmp_path, learning_rate=1e30, cache=vector_cache, progress=False)
    assert not list(tmp_path.glob("*.safetensors"))


def test_clips_are_learned_once(own_pretrained, corpus, vector_cache):
    options = {"cache": vector_cache, "progress": False}
    count = len(own_pretrained.model.extras["vectors"]["targets"])
    own_pretrained.add_classes([*corpus, corpus[0]], **options)
    assert len(own_pretrained.model.extras["vectors"]["targets"]) == len(corpus)
    assert len(own_pretrained.skipped) == count + 1
    with pytest.raises(DatasetError, match="learned it already"):
        own_pretrained.add_classes(corpus, **options)

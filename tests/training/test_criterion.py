"""Tests of the cross-entropy of mixed, smoothed and weighted labels, and of the losses for speakers."""

import numpy as np
import pytest
from scipy.special import log_softmax
from sklearn.utils.class_weight import compute_class_weight

from mxnet_audio.engine import mx, nd
from mxnet_audio.nn import get_loss
from mxnet_audio.training.criterion import Criterion, SpeakerCriterion, class_weights

RNG = np.random.default_rng(0)
SCORES = RNG.normal(0, 3, (6, 4)).astype(np.float32)
LABELS = RNG.integers(0, 4, 6)
MIXED = RNG.dirichlet(np.ones(4), 6).astype(np.float32)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weights", [None, [0.5, 1.0, 2.0, 0.0]])
@pytest.mark.parametrize("labels", [LABELS, MIXED], ids=["classes", "distributions"])
def test_criterion_equals_the_formula_within_2e5(labels, weights, smoothing):
    target = np.eye(4)[labels] if labels.ndim == 1 else labels
    expected = -((target * (1 - smoothing) + smoothing / 4) * log_softmax(SCORES.astype(np.float64), axis=1)).sum(1)
    if weights is not None:
        expected *= target @ weights
    found = Criterion(4, smoothing, weights)(nd.array(SCORES), nd.array(labels, dtype=labels.dtype))
    np.testing.assert_allclose(found.asnumpy(), expected, rtol=2e-5, atol=1e-6)


def test_class_weights_equal_scikit_learn():
    targets = [0] * 95 + [1] * 4 + [3]
    expected = compute_class_weight("balanced", classes=np.array([0, 1, 3]), y=targets)
    np.testing.assert_allclose(class_weights(targets, 4)[[0, 1, 3]], expected)
    assert class_weights(targets, 4)[2] == 0


EMBEDDING = RNG.normal(size=(6, 8)).astype(np.float32)


def make(name, weights=None, tensors=None, **options):
    return SpeakerCriterion(name, 4, 30.0, options, weights, mx.cpu(), tensors or {})


def test_a_loss_for_speakers_takes_cosines_and_class_weights():
    cosines = np.tanh(SCORES)
    labels = nd.array(LABELS)
    expected = get_loss("arc", classes=4, m=0.2, s=30)(nd.array(cosines), labels).asnumpy()
    weights = [0.5, 1.0, 2.0, 0.0]
    found = make("arc", weights, m=0.2, s=30)(nd.array(30 * cosines), labels, nd.array(EMBEDDING)).asnumpy()
    np.testing.assert_allclose(found, expected * np.take(weights, LABELS), rtol=1e-4, atol=1e-5)


def test_the_cross_entropy_of_the_scores_is_added_to_a_loss_of_embeddings():
    labels, scores, embedding = nd.array(LABELS), nd.array(SCORES), nd.array(EMBEDDING)
    ge2e = get_loss("ge2e", classes=4)
    ge2e.initialize()
    expected = ge2e(embedding, labels) + Criterion(4)(scores, labels)
    np.testing.assert_allclose(make("ge2e")(scores, labels, embedding).asnumpy(), expected.asnumpy(), rtol=1e-5)


def test_parameters_of_a_loss_are_restored():
    assert make("arc").tensors() == {}
    before = make("ring")
    before.parameters[0].set_data(nd.array([5.0]).reshape(before.parameters[0].shape))
    restored = make("ring", tensors=before.tensors())
    arguments = nd.array(SCORES), nd.array(LABELS), nd.array(EMBEDDING)
    np.testing.assert_array_equal(restored(*arguments).asnumpy(), before(*arguments).asnumpy())
    assert not np.allclose(make("ring")(*arguments).asnumpy(), before(*arguments).asnumpy())

"""Cross-entropy of mixed, smoothed and weighted labels."""

import numpy as np
import pytest
from scipy.special import log_softmax
from sklearn.utils.class_weight import compute_class_weight

from mxnet_audio.engine import nd
from mxnet_audio.training.criterion import Criterion, class_weights

RNG = np.random.default_rng(0)
SCORES = RNG.normal(0, 3, (6, 4)).astype(np.float32)
LABELS = RNG.integers(0, 4, 6)
MIXED = RNG.dirichlet(np.ones(4), 6).astype(np.float32)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weights", [None, [0.5, 1.0, 2.0, 0.0]])
@pytest.mark.parametrize("labels", [LABELS, MIXED], ids=["classes", "distributions"])
def test_criterion_is_the_formula_within_2e5(labels, weights, smoothing):
    wanted = np.eye(4)[labels] if labels.ndim == 1 else labels
    expected = -((wanted * (1 - smoothing) + smoothing / 4) * log_softmax(SCORES.astype(np.float64), axis=1)).sum(1)
    if weights is not None:
        expected *= wanted @ weights
    found = Criterion(4, smoothing, weights)(nd.array(SCORES), nd.array(labels, dtype=labels.dtype))
    np.testing.assert_allclose(found.asnumpy(), expected, rtol=2e-5, atol=1e-6)


def test_class_weights_are_those_of_scikit_learn():
    targets = [0] * 95 + [1] * 4 + [3]
    expected = compute_class_weight("balanced", classes=np.array([0, 1, 3]), y=targets)
    np.testing.assert_allclose(class_weights(targets, 4)[[0, 1, 3]], expected)
    assert class_weights(targets, 4)[2] == 0

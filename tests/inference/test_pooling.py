"""Pools of vectors and scores over the parts of a sound."""

import numpy as np
import pytest

from mxnet_audio.inference.pooling import MIN_PART_WEIGHT, Pool, PooledSound

X = np.random.default_rng(0).normal(5, 1, (20, 3)).astype(np.float32)
MEAN = X.mean(axis=0)
POOLED = {
    "mean": MEAN,
    "mean_std": np.r_[MEAN, X.std(axis=0)],
    "unit_mean": MEAN / np.linalg.norm(MEAN),
    "sum": X.sum(axis=0),
    "max": X.max(axis=0),
    "last": X[-1],
}


@pytest.mark.parametrize("kind", POOLED)
def test_a_pool_in_parts_is_that_of_all(kind):
    pool = Pool(kind)
    for part in np.split(X, [3, 4, 11]):
        pool.add(part)
    np.testing.assert_allclose(pool.result(), POOLED[kind], rtol=1e-5)
    assert pool.result().dtype == np.float32


def test_weights():
    weights = np.array([1, 0.5])
    for kind, expected in (("mean", [5 / 3, 2]), ("sum", [2.5, 3]), ("max", [3, 2]), ("last", [3, 2])):
        pool = Pool(kind)
        pool.add(np.array([[1.0, 2.0], [3.0, 2.0]]), weights)
        np.testing.assert_allclose(pool.result(), expected)


def test_maximum_of_negative_numbers():
    pool = Pool("max")
    pool.add(np.array([[-3.0, -1.0]]))
    pool.add(np.array([[-2.0, -4.0]]))
    np.testing.assert_array_equal(pool.result(), [-2, -1])


def test_digital_silence_and_the_tag_silence_in_the_scores_of_a_sound():
    vectors, scores = np.zeros((3, 2)), np.array([[0.9, 0.1], [0.3, 0.8], [0.5, 0.0]])
    plain, tagged = (PooledSound("a.wav", Pool(), silence, waiting=3, is_read=True) for silence in (None, 1))
    for sound in (plain, tagged):
        sound.add(vectors, scores, np.array([True, True, False]), np.array([1, 1, 0.5]))
        assert sound.is_complete
    np.testing.assert_allclose(plain.output().scores, [0.6, 0.45], atol=1e-6)
    assert tagged.output().scores[0] == pytest.approx(np.average([0.9, 0.3], weights=[0.9, 0.2]), abs=MIN_PART_WEIGHT)
    assert tagged.output().scores[1] == 0

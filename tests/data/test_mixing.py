"""Mixup and Splice: shares of samples and labels, pieces of one class, reproducible draws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxnet_audio.data.batchify import Pad
from mxnet_audio.data.mixing import Mixup, Splice
from mxnet_audio.errors import DatasetError, ParameterError

ROWS = np.random.default_rng(0).standard_normal((6, 2, 30)).astype(np.float32)


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (lambda: Mixup(1, 2)([(np.ones(3), 2), (np.ones(3), 0)]), r"0 to 1.*\[2\]"),
        (lambda: Mixup(1, 2)([(np.ones(3), -1)]), r"0 to 1.*\[-1\]"),
        (lambda: Mixup(1, 2)([(np.ones(3), 0.5)]), r"\[0.5\]"),
        (lambda: Mixup(1, 2)([np.ones(3)]), "labels"),
        (lambda: Mixup(1, 2)([(np.ones(3), 0), (np.ones(2), 0)]), "2 shapes"),
        (lambda: Splice(1)([np.ones(3)]), "label"),
        (lambda: Splice(1)([(np.ones(3), [0, 1])]), "label"),
        (lambda: Splice(1)([(np.ones(3), 0), (np.ones(2), 0)]), "2 shapes"),
    ],
)
def test_samples_that_make_no_batch_are_refused(call, reason):
    with pytest.raises(DatasetError, match=reason):
        call()


@pytest.mark.parametrize(
    ("make", "argument"),
    [
        (lambda: Mixup(0, 2), "alpha"),
        (lambda: Mixup(-1, 2), "alpha"),
        (lambda: Mixup(1, 0), "classes"),
        (lambda: Mixup(1, 2, seed=-1), "seed"),
        (lambda: Splice(0), "share"),
        (lambda: Splice(1.1), "share"),
        (lambda: Splice(0.5, seed=-1), "seed"),
    ],
)
def test_wrong_arguments_are_named(make, argument):
    with pytest.raises(ParameterError, match=argument):
        make()


@given(st.lists(st.integers(0, 3), min_size=1, max_size=9), st.floats(0.05, 5), st.integers(0, 99))
def test_samples_and_labels_are_mixed_with_the_same_shares(labels, alpha, seed):
    """Within 1e-5 (float32). Sample i is the i-th unit vector, so that a mixture shows its shares."""
    n = len(labels)
    x, y = Mixup(alpha, 4, seed)([(row, label) for row, label in zip(np.eye(n), labels)])
    x, y = x.asnumpy(), y.asnumpy()
    assert x.dtype == y.dtype == np.float32 and y.shape == (n, 4)
    np.testing.assert_allclose(y, x @ np.eye(4)[labels], atol=1e-5)
    np.testing.assert_allclose(y.sum(axis=1), 1, atol=1e-5)
    assert (x >= 0).all() and ((x > 0).sum(axis=1) <= 2).all()


@pytest.mark.parametrize(
    "make", [lambda seed: Mixup(0.4, 3, seed), lambda seed: Splice(0.2, seed)], ids=["mixup", "splice"]
)
def test_seed_and_entropy_determine_the_draw(make):
    samples = [(row, i % 3) for i, row in enumerate(ROWS)]

    def data(seed, *entropy):
        return make(seed)(samples, *entropy)[0].asnumpy().tobytes()

    assert data(1, (2, 3)) == data(1, (2, 3))
    assert len({data(1, (2, 3)), data(1, (2, 4)), data(1, (3, 3)), data(2, (2, 3))}) == 4
    counted = make(1)
    assert counted.random and counted(samples)[0].asnumpy().tobytes() != counted(samples)[0].asnumpy().tobytes()


def test_mixtures_are_as_long_as_their_longer_sample():
    samples = [(np.full((1, 1, length), length, np.float32), index % 2) for index, length in enumerate((3, 5, 6, 2))]
    x, lengths, y = Mixup(1.0, classes=2, seed=2, pad=Pad(buckets=[4, 8]))(samples, (0, 0))
    assert x.shape == (4, 1, 1, 8) and y.shape == (4, 2) and lengths.dtype == np.int32
    order = [np.flatnonzero(row) for row in x.asnumpy().reshape(4, 8)]
    assert [positions[-1] + 1 for positions in order] == lengths.asnumpy().tolist()
    plain, _ = Mixup(1.0, classes=2, seed=2)(
        [(np.pad(s, [(0, 0), (0, 0), (0, 8 - s.size)]), c) for s, c in samples], (0, 0)
    )
    np.testing.assert_array_equal(x.asnumpy(), plain.asnumpy())


def test_a_small_alpha_mixes_little_and_each_sample_has_its_own_share():
    samples = [(row, 0) for row in np.eye(200)]
    shares = {alpha: Mixup(alpha, 1, seed=0)(samples)[0].asnumpy().max(axis=1) for alpha in (0.05, 5.0)}
    assert shares[0.05].mean() > 0.9 and 0.5 <= shares[5.0].mean() < 0.75
    assert len(np.unique(shares[5.0])) > 150


@given(st.lists(st.integers(0, 3), min_size=1, max_size=9), st.floats(0.01, 1), st.integers(1, 60), st.integers(0, 99))
def test_spliced_samples_are_pieces_of_their_class(labels, share, length, seed):
    """Each value shows its sample and position; both channels have the same pieces."""
    rows = [1000 * row + np.arange(length) + np.array([[0], [0.5]]) for row in range(len(labels))]
    x, y = Splice(share, seed)(list(zip(rows, labels)))
    x = x.asnumpy()
    assert x.shape == (len(labels), 2, length) and y.asnumpy().tolist() == labels
    np.testing.assert_array_equal(x[:, 1], x[:, 0] + 0.5)
    origins = (x[:, 0] // 1000).astype(int)
    np.testing.assert_array_equal(np.asarray(labels)[origins], np.tile(labels, (length, 1)).T)
    cuts = (np.diff(x[:, 0]) != 1).sum(axis=1)
    assert (cuts <= length / max(round(0.5 * share * length), 1)).all()


def test_pieces_have_the_given_mean_length_and_come_from_all_samples_of_the_class():
    rows = [1000 * row + np.arange(400) for row in range(8)]
    x = Splice(0.1, seed=0)([(row, 0) for row in rows])[0].asnumpy()
    pieces = (np.diff(x) != 1).sum(axis=1) + 1
    assert abs(pieces.mean() - 10) < 1
    assert all(len(set(row // 1000)) > 3 for row in x)

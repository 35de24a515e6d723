"""Batches: stacked, padded, mixed; in Gluon's own loader too."""

import gc
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxnet_audio.data.batchify import Mixup, Pad, Splice, Stack
from mxnet_audio.engine import autograd, gluon, mx, nd
from mxnet_audio.errors import DatasetError, FeatureError

ROWS = np.random.default_rng(0).standard_normal((5, 2, 30)).astype(np.float32)


@pytest.mark.parametrize("kind", [np.asarray, nd.array, np.float64, list], ids=["numpy", "ndarray", "float64", "list"])
def test_a_stack_is_that_of_numpy(kind):
    x, y = Stack()([(kind(row), i) for i, row in enumerate(ROWS)])
    assert isinstance(x, nd.NDArray) and x.dtype == np.float32 and x.context == mx.cpu()
    np.testing.assert_array_equal(x.asnumpy(), ROWS)
    assert y.asnumpy().tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    "labels",
    [
        [0, 1],
        np.array([0, 1], np.int32),
        [0.5, 1.0],
        [np.ones(3), np.zeros(3)],
        [nd.ones(3), nd.zeros(3)],
        [True, False],
    ],
    ids=["int", "int32", "float", "array", "ndarray", "bool"],
)
def test_labels_are_as_gluons_own_function_makes_them(labels):
    samples = [(ROWS[0], labels[0]), (ROWS[1], labels[1])]
    expected = gluon.data.dataloader.default_batchify_fn(samples)[1]
    for found in (Stack()(samples)[1], Pad()(samples)[2]):
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found.asnumpy(), expected.asnumpy())


@pytest.mark.parametrize("kind", [np.int16, np.uint16, np.uint32, np.uint64])
def test_labels_of_a_type_that_mxnet_lacks_become_int64(kind):
    y = Stack()([(ROWS[0], kind(7)), (ROWS[1], kind(300 % 256))])[1]
    assert y.dtype == np.int64 and y.asnumpy().tolist() == [7, 44]


def test_samples_without_labels():
    np.testing.assert_array_equal(Stack()(list(ROWS)).asnumpy(), ROWS)
    x, lengths = Pad()([np.ones(3), np.ones(2)])
    assert x.shape == (2, 3) and lengths.asnumpy().tolist() == [3, 2]


def test_a_batch_is_its_own_memory():
    """It lives on without its samples, and can be worked with in place."""
    rows = [np.full(1000, i, np.float32) for i in range(50)]
    batches = [Stack()([(row + k, 0) for row in rows])[0] for k in range(20)]
    del rows
    gc.collect()
    for k, batch in enumerate(batches):
        batch += 1
        np.testing.assert_array_equal(batch.asnumpy()[:, 7], np.arange(50) + k + 1)


def test_batches_that_are_alive_at_the_end_do_not_stop_it():
    program = (
        "import numpy as np, threading, time; from mxnet_audio.data.batchify import Stack\n"
        "rows = [np.ones(1000, np.float32)] * 64\n"
        "def work():\n    while True: Stack()(rows) + 1\n"
        "threading.Thread(target=work, daemon=True).start()\n"
        "kept = [Stack()(rows) for _ in range(50)]; time.sleep(0.1)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")


@given(st.lists(st.integers(1, 40), min_size=1, max_size=8), st.sampled_from([-1, 0, 1]), st.booleans())
def test_padded_samples_can_be_cut_out_again(lengths, axis, bucketed):
    buckets = [40, 10, 20] if bucketed else None
    shapes = [[2, 3] for _ in lengths]
    for shape, length in zip(shapes, lengths):
        shape[axis] = length
    rows = [np.random.default_rng(i).uniform(1, 2, shape).astype(np.float32) for i, shape in enumerate(shapes)]
    x, found, y = Pad(axis, value=-3, buckets=buckets)([(row, i) for i, row in enumerate(rows)])
    assert found.asnumpy().tolist() == lengths and found.dtype == np.int32
    assert y.asnumpy().tolist() == list(range(len(rows)))
    longest = max(lengths)
    size = min(bucket for bucket in buckets if bucket >= longest) if bucketed else longest
    batch = np.moveaxis(x.asnumpy(), axis if axis < 0 else axis + 1, -1)
    assert batch.shape[-1] == size
    for out, row, length in zip(batch, rows, lengths):
        np.testing.assert_array_equal(out[..., :length], np.moveaxis(row, axis, -1))
        assert (out[..., length:] == -3).all()


def test_buckets_bound_the_number_of_shapes():
    rng, pad = np.random.default_rng(0), Pad(buckets=[64, 128, 256])
    batches = [[(np.zeros(rng.integers(1, 257)), 0) for _ in range(4)] for _ in range(100)]
    assert {pad(batch)[0].shape for batch in batches} <= {(4, 64), (4, 128), (4, 256)}


def test_lengths_are_what_masking_takes():
    x, lengths, _ = Pad()([(np.ones(3), 0), (np.ones(2), 1)])
    masked = nd.SequenceMask(nd.ones_like(x), lengths, use_sequence_length=True, axis=1)
    np.testing.assert_array_equal(masked.asnumpy(), x.asnumpy())


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (lambda: Stack()([]), "no samples"),
        (lambda: Pad()([]), "no samples"),
        (lambda: Stack()([(np.ones(3), 0), (np.ones(2), 0)]), r"\(2,\), \(3,\)"),
        (lambda: Stack()([(np.ones((2, 3)), 0), (np.ones(3), 0)]), "2 shapes"),
        (lambda: Stack()([(np.ones(0), 0)]), "no data"),
        (lambda: Stack()([(np.ones(3), "dog")]), "'dog'"),
        (lambda: Stack()([(np.ones(3), [1]), (np.ones(3), [1, 2])]), "labels of several shapes"),
        (lambda: Pad(buckets=[4, 8])([(np.ones(9), 0), (np.ones(2), 0)]), "length 9 .* largest is 8"),
        (
            lambda: Pad()([(np.ones((2, 3)), 0), (np.ones((3, 3)), 0)]),
            r"another axis than -1: shapes \[\(2, 3\), \(3, 3\)\]",
        ),
        (lambda: Pad()([(np.ones((2, 3)), 0), (np.ones(3), 0)]), "another axis"),
        (lambda: Pad(axis=1)([(np.ones(3), 0)]), "no axis 1"),
        (lambda: Mixup(1, 2)([(np.ones(3), 2), (np.ones(3), 0)]), r"from 0 to 1, got \[2\]"),
        (lambda: Mixup(1, 2)([(np.ones(3), -1)]), r"from 0 to 1, got \[-1\]"),
        (lambda: Mixup(1, 2)([(np.ones(3), 0.5)]), r"got \[0.5\]"),
        (lambda: Mixup(1, 2)([np.ones(3)]), "labels must be whole numbers"),
        (lambda: Mixup(1, 2)([(np.ones(3), 0), (np.ones(2), 0)]), "2 shapes"),
        (lambda: Splice(1)([np.ones(3)]), "a number each"),
        (lambda: Splice(1)([(np.ones(3), [0, 1])]), "a number each"),
        (lambda: Splice(1)([(np.ones(3), 0), (np.ones(2), 0)]), "2 shapes"),
    ],
)
def test_what_makes_no_batch_is_named(call, reason):
    with pytest.raises(DatasetError, match=reason):
        call()


@pytest.mark.parametrize(
    ("make", "argument"),
    [
        (lambda: Pad(axis=0.5), "axis"),
        (lambda: Pad(value=float("nan")), "value"),
        (lambda: Pad(buckets=[]), "buckets"),
        (lambda: Pad(buckets=[4, 0]), "buckets"),
        (lambda: Mixup(0, 2), "alpha"),
        (lambda: Mixup(-1, 2), "alpha"),
        (lambda: Mixup(1, 0), "classes"),
        (lambda: Mixup(1, 2, seed=-1), "seed"),
        (lambda: Splice(0), "share"),
        (lambda: Splice(1.1), "share"),
        (lambda: Splice(0.5, seed=-1), "seed"),
    ],
)
def test_a_wrong_argument_is_named(make, argument):
    with pytest.raises(FeatureError, match=argument):
        make()


@given(st.lists(st.integers(0, 3), min_size=1, max_size=9), st.floats(0.05, 5), st.integers(0, 99))
def test_mixtures_of_samples_and_of_labels_have_the_same_shares(labels, alpha, seed):
    """Within 1e-5: float32. Sample i is the i-th unit vector, so a mixture shows its shares."""
    n = len(labels)
    x, y = Mixup(alpha, 4, seed)([(row, label) for row, label in zip(np.eye(n), labels)])
    x, y = x.asnumpy(), y.asnumpy()
    assert x.dtype == y.dtype == np.float32 and y.shape == (n, 4)
    np.testing.assert_allclose(y, x @ np.eye(4)[labels], atol=1e-5)
    np.testing.assert_allclose(y.sum(axis=1), 1, atol=1e-5)
    assert (x >= 0).all() and ((x > 0).sum(axis=1) <= 2).all()


def test_mixup_is_decided_by_seed_and_entropy():
    samples = [(row, i % 3) for i, row in enumerate(ROWS)]

    def mixed(seed, *entropy):
        return Mixup(0.4, 3, seed)(samples, *entropy)[0].asnumpy().tobytes()

    assert mixed(1, (2, 3)) == mixed(1, (2, 3))
    assert len({mixed(1, (2, 3)), mixed(1, (2, 4)), mixed(1, (3, 3)), mixed(2, (2, 3))}) == 4
    mix = Mixup(0.4, 3, seed=1)
    assert mix.random and mix(samples)[0].asnumpy().tobytes() != mix(samples)[0].asnumpy().tobytes()


def test_a_small_alpha_mixes_little_and_each_sample_by_its_own_share():
    samples = [(row, 0) for row in np.eye(200)]
    shares = {alpha: Mixup(alpha, 1, seed=0)(samples)[0].asnumpy().max(axis=1) for alpha in (0.05, 5.0)}
    assert shares[0.05].mean() > 0.9 and 0.5 <= shares[5.0].mean() < 0.75
    assert len(np.unique(shares[5.0])) > 150


@given(st.lists(st.integers(0, 3), min_size=1, max_size=9), st.floats(0.01, 1), st.integers(1, 60), st.integers(0, 99))
def test_spliced_samples_are_pieces_of_their_class(labels, share, length, seed):
    """Each value tells whose it was and where; both channels take the same pieces."""
    rows = [1000 * row + np.arange(length) + np.array([[0], [0.5]]) for row in range(len(labels))]
    x, y = Splice(share, seed)(list(zip(rows, labels)))
    x = x.asnumpy()
    assert x.shape == (len(labels), 2, length) and y.asnumpy().tolist() == labels
    np.testing.assert_array_equal(x[:, 1], x[:, 0] + 0.5)
    owners = (x[:, 0] // 1000).astype(int)
    np.testing.assert_array_equal(np.asarray(labels)[owners], np.tile(labels, (length, 1)).T)
    cuts = (np.diff(x[:, 0]) != 1).sum(axis=1)
    assert (cuts <= length / max(round(0.5 * share * length), 1)).all()


def test_pieces_are_as_long_as_asked_for_and_from_all_of_the_class():
    rows = [1000 * row + np.arange(400) for row in range(8)]
    x = Splice(0.1, seed=0)([(row, 0) for row in rows])[0].asnumpy()
    pieces = (np.diff(x) != 1).sum(axis=1) + 1
    assert abs(pieces.mean() - 10) < 1
    assert all(len(set(row // 1000)) > 3 for row in x)


def test_splices_are_decided_by_seed_and_entropy():
    samples = [(row, i % 2) for i, row in enumerate(np.random.default_rng(0).normal(size=(6, 40)))]

    def spliced(seed, *entropy):
        return Splice(0.2, seed)(samples, *entropy)[0].asnumpy().tobytes()

    assert spliced(1, (2, 3)) == spliced(1, (2, 3))
    assert len({spliced(1, (2, 3)), spliced(1, (2, 4)), spliced(1, (3, 3)), spliced(2, (2, 3))}) == 4
    splice = Splice(0.2, seed=1)
    assert splice.random and splice(samples)[0].asnumpy().tobytes() != splice(samples)[0].asnumpy().tobytes()


@pytest.mark.parametrize("workers", [{"num_workers": 0}, {"num_workers": 2, "thread_pool": True}], ids=str)
@pytest.mark.parametrize(
    "batchify", [Stack(), Pad(buckets=[32]), Mixup(0.2, 5, seed=0), Splice(0.2, seed=0)], ids=lambda b: type(b).__name__
)
def test_in_gluons_loader_a_network_learns_from_the_batches(batchify, workers):
    """Labels of each kind suit Gluon's loss for them."""
    dataset = gluon.data.SimpleDataset([(row, i) for i, row in enumerate(ROWS)])
    net = gluon.nn.Dense(5)
    net.initialize()
    loss = gluon.loss.SoftmaxCrossEntropyLoss(sparse_label=not isinstance(batchify, Mixup))
    for x, *_, y in gluon.data.DataLoader(dataset, batch_size=2, batchify_fn=batchify, **workers):
        with autograd.record():
            value = loss(net(x), y)
        value.backward()
        assert value.shape == (len(x),) and np.isfinite(value.asnumpy()).all()

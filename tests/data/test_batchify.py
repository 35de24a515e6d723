"""Batches, stacked and padded, in Gluon's own loader too."""

import gc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxnet_audio.data.batchify import Pad, Stack
from mxnet_audio.data.mixing import Mixup, Splice
from mxnet_audio.engine import autograd, gluon, mx, nd
from mxnet_audio.errors import DatasetError, ParameterError

ROWS = np.random.default_rng(0).standard_normal((5, 2, 30)).astype(np.float32)


@pytest.mark.parametrize("kind", [np.asarray, nd.array, np.float64, list], ids=["numpy", "ndarray", "float64", "list"])
def test_stack_equals_numpys(kind):
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
def test_labels_equal_those_of_gluons_default_function(labels):
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


def test_a_batch_owns_its_memory():
    """It outlives its samples, and can be changed in place."""
    rows = [np.full(1000, i, np.float32) for i in range(50)]
    batches = [Stack()([(row + k, 0) for row in rows])[0] for k in range(20)]
    del rows
    gc.collect()
    for k, batch in enumerate(batches):
        batch += 1
        np.testing.assert_array_equal(batch.asnumpy()[:, 7], np.arange(50) + k + 1)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=8), st.sampled_from([-1, 0, 1]), st.booleans())
def test_padded_samples_hold_the_samples_and_padding(lengths, axis, bucketed):
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


def test_lengths_fit_sequence_mask():
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
        (lambda: Stack()([(np.ones(3), [1]), (np.ones(3), [1, 2])]), "labels"),
        (lambda: Pad(buckets=[4, 8])([(np.ones(9), 0), (np.ones(2), 0)]), r"\b9\b.*\b8\b"),
        (lambda: Pad()([(np.ones((2, 3)), 0), (np.ones((3, 3)), 0)]), r"axis.*-1.*\[\(2, 3\), \(3, 3\)\]"),
        (lambda: Pad()([(np.ones((2, 3)), 0), (np.ones(3), 0)]), "axis"),
        (lambda: Pad(axis=1)([(np.ones(3), 0)]), "axis 1"),
    ],
)
def test_samples_that_make_no_batch_are_refused(call, reason):
    with pytest.raises(DatasetError, match=reason):
        call()


@pytest.mark.parametrize(
    ("make", "argument"),
    [
        (lambda: Pad(axis=0.5), "axis"),
        (lambda: Pad(value=float("nan")), "value"),
        (lambda: Pad(buckets=[]), "buckets"),
        (lambda: Pad(buckets=[4, 0]), "buckets"),
    ],
)
def test_wrong_arguments_are_named(make, argument):
    with pytest.raises(ParameterError, match=argument):
        make()


@pytest.mark.parametrize("workers", [{"num_workers": 0}, {"num_workers": 2, "thread_pool": True}], ids=str)
@pytest.mark.parametrize(
    "batchify", [Stack(), Pad(buckets=[32]), Mixup(0.2, 5, seed=0), Splice(0.2, seed=0)], ids=lambda b: type(b).__name__
)
def test_a_network_trains_on_batches_of_gluons_loader(batchify, workers):
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


def test_reprs_are_one_line():
    batchifies = [Stack(), Pad(buckets=[8, 4]), Mixup(0.2, classes=5, seed=0), Splice(0.25, seed=0)]
    assert list(map(repr, batchifies)) == [
        "Stack()",
        "Pad(axis=-1, value=0.0, buckets=[4, 8])",
        "Mixup(alpha=0.2, classes=5)",
        "Splice(share=0.25)",
    ]


def test_padding_by_the_sample_itself():
    x, lengths = Pad(value=None, buckets=[8])([np.arange(3.0), np.arange(5.0)])
    assert x.asnumpy().tolist() == [[0, 1, 2, 0, 1, 2, 0, 1], [0, 1, 2, 3, 4, 0, 1, 2]]
    assert lengths.asnumpy().tolist() == [3, 5]

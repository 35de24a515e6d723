"""Tests of PowerToDB and ZScoreNormBlock against librosa, `mxnet_audio.features` and NumPy."""

import librosa
import numpy as np
import pytest

from mxnet_audio import features
from mxnet_audio.engine import autograd, nd
from mxnet_audio.errors import FeatureError
from mxnet_audio.nn import PowerToDB, ZScoreNormBlock


@pytest.fixture
def power():
    """Return powers over 12 decades, with zeros and a different peak for each item."""
    rng = np.random.default_rng(0)
    x = 10 ** rng.uniform(-12, 0, size=(3, 2, 20, 30)) * 10.0 ** np.arange(3)[:, None, None, None]
    x[:, :, 3] = 0
    return x.astype(np.float32)


@pytest.mark.parametrize("hybridize", [True, False])
@pytest.mark.parametrize(
    "kwargs",
    [
        {},
        {"top_db": None},
        {"top_db": 30.0},
        {"ref": 5.0, "amin": 1e-5},
        {"ref": 1e-3, "amin": 1e-2},
        {"ref": "max"},
        {"ref": "max", "top_db": None, "amin": 1e-5},
    ],
)
def test_decibels_equal_librosa_and_features_within_1e_4_db(power, kwargs, hybridize, run):
    got = run(PowerToDB(**kwargs), power, hybridize)
    np.testing.assert_allclose(got, features.power_to_db(power, **kwargs), atol=1e-4)
    librosa_kwargs = kwargs | ({"ref": np.max} if kwargs.get("ref") == "max" else {})
    for item in np.ndindex(power.shape[:2]):
        want = librosa.power_to_db(power[item].astype(np.float64), **librosa_kwargs)
        np.testing.assert_allclose(got[item], want, atol=1e-4)


def test_decibels_of_three_axes_equal_those_of_four(power, run):
    np.testing.assert_array_equal(run(PowerToDB(), power[:, 0]), run(PowerToDB(), power[:, :1])[:, 0])


def test_decibels_gradient_equals_finite_differences_in_float64_within_1e_3():
    rng = np.random.default_rng(0)
    values = 10 ** rng.uniform(-6, 0, size=(2, 1, 5, 6))
    weights = rng.standard_normal(values.shape)
    x = nd.array(values)
    x.attach_grad()
    with autograd.record():
        (PowerToDB(top_db=40.0)(x) * nd.array(weights)).sum().backward()

    def loss(values):
        return sum((w * librosa.power_to_db(v, top_db=40.0)).sum() for w, v in zip(weights[:, 0], values[:, 0]))

    for _ in range(3):
        step = 1e-6 * rng.standard_normal(values.shape) * values
        slope = (loss(values + step) - loss(values - step)) / 2
        assert np.vdot(x.grad.asnumpy(), step) == pytest.approx(slope, rel=1e-3)


@pytest.mark.parametrize("kwargs", [{"ref": 0}, {"ref": "min"}, {"amin": 0}, {"amin": 1e-38}, {"top_db": -1}])
def test_decibels_name_a_bad_argument(kwargs):
    with pytest.raises(FeatureError, match=next(iter(kwargs))):
        PowerToDB(**kwargs)


@pytest.mark.parametrize("hybridize", [True, False])
@pytest.mark.parametrize("shape", [(2, 3, 20, 30), (4, 20, 30)])
def test_z_scores_equal_numpy_within_1e_5(shape, hybridize, run):
    x = np.random.default_rng(0).normal(-40, 12, size=shape).astype(np.float32)
    got = run(ZScoreNormBlock(), x, hybridize)
    wide = x.astype(np.float64)
    want = (wide - wide.mean((-2, -1), keepdims=True)) / (wide.std((-2, -1), keepdims=True) + 1e-7)
    np.testing.assert_allclose(got, want, atol=1e-5)


def test_z_scores_of_a_constant_are_zero_with_a_finite_gradient():
    x = nd.zeros((1, 1, 4, 5))
    x.attach_grad()
    with autograd.record():
        out = ZScoreNormBlock()(x)
    out.backward()
    assert not out.asnumpy().any()
    assert np.isfinite(x.grad.asnumpy()).all()


def test_z_scores_gradient_equals_finite_differences_in_float64_within_1e_3():
    rng = np.random.default_rng(0)
    values = rng.standard_normal((2, 1, 5, 6))
    weights = rng.standard_normal(values.shape)
    x = nd.array(values)
    x.attach_grad()
    with autograd.record():
        (ZScoreNormBlock()(x) * nd.array(weights)).sum().backward()

    def loss(v):
        return (weights * (v - v.mean((2, 3), keepdims=True)) / (v.std((2, 3), keepdims=True) + 1e-7)).sum()

    step = 1e-6 * rng.standard_normal(values.shape)
    assert np.vdot(x.grad.asnumpy(), step) == pytest.approx((loss(values + step) - loss(values - step)) / 2, rel=1e-3)


def test_z_scores_check_the_shape_of_the_input():
    block = ZScoreNormBlock(1, (4, 5))
    assert block(nd.ones((7, 1, 4, 5))).shape == (7, 1, 4, 5)
    with pytest.raises(FeatureError, match=r"\(1, 4, 5\), got \(7, 1, 5, 4\)"):
        block(nd.ones((7, 1, 5, 4)))
    with pytest.raises(FeatureError, match="in_shapes"):
        ZScoreNormBlock(1, (4, 5, 6))

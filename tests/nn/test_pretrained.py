"""Blocks of pretrained encoders' inputs: equal to the features without MXNet, in a graph and in ONNX Runtime."""

import numpy as np
import pytest

from mxnet_audio import features
from mxnet_audio.engine import autograd, nd
from mxnet_audio.errors import FeatureError
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.nn import MusicnnMel, YamnetMel

BLOCKS = {"yamnet": (YamnetMel, features.yamnet_mel), "musicnn": (MusicnnMel, features.musicnn_mel)}
each = pytest.mark.parametrize("kind", sorted(BLOCKS))


@each
@pytest.mark.parametrize("n_frames", [1, 2, 96, 187, 500])
@pytest.mark.parametrize("more", [0, 100])
def test_blocks_equal_the_features_within_1e_4(kind, n_frames, more, sound, run):
    make, function = BLOCKS[kind]
    y = sound(AudioFeatureConfig(type=kind, n_frames=n_frames).n_samples + more)
    got = run(make(y.shape[1]), y)
    np.testing.assert_allclose(got[:, 0].swapaxes(1, 2), function(y, 16000), rtol=1e-4, atol=1e-4)


@each
@pytest.mark.parametrize("level", [1e-6, 1e-3, 1.0])
def test_quiet_and_loud_sound_with_pauses_within_1e_4(kind, level, sound, run):
    make, function = BLOCKS[kind]
    y = level * sound(16_000)
    y[:, 4000:8000] = 0
    got = run(make(16_000), y)[:, 0].swapaxes(1, 2)
    np.testing.assert_allclose(got, function(y, 16000), rtol=1e-4, atol=1e-4)


@pytest.mark.filterwarnings("ignore:.*mapping:DeprecationWarning:mxnet")  # in MXNet's exporter
@each
def test_onnx_equals_the_features_within_1e_3(kind, sound, run, run_onnx):
    make, function = BLOCKS[kind]
    y = sound(AudioFeatureConfig(type=kind, n_frames=250).n_samples)
    block = make(y.shape[1])
    run(block, y)
    got = run_onnx(block, y)[:, 0].swapaxes(1, 2)
    np.testing.assert_allclose(got, function(y, 16000), rtol=0, atol=1e-3)


@each
@pytest.mark.parametrize("part", [0, 2000])
def test_silence_has_a_finite_gradient(kind, part, sound):
    y = sound(4000)
    y[:, part:] = 0
    x = nd.array(y)
    x.attach_grad()
    block = BLOCKS[kind][0](4000)
    block.initialize()
    block.hybridize()
    with autograd.record():
        out = block(x)
    out.backward()
    assert np.isfinite(out.asnumpy()).all() and np.isfinite(x.grad.asnumpy()).all()
    np.testing.assert_allclose(out.asnumpy()[:, :, -1], np.log(0.001) if kind == "yamnet" else 0, rtol=1e-5, atol=1e-5)
    assert (np.abs(x.grad.asnumpy()[:, :1500]).max() > 1e-3) == bool(part)


@each
def test_gradient_equals_finite_differences_within_1e_2(kind, sound):
    y = sound(2000, batch=1)
    rng = np.random.default_rng(0)
    block = BLOCKS[kind][0](2000)
    block.initialize()
    block.cast("float64")
    x = nd.array(y, dtype="float64")
    x.attach_grad()
    with autograd.record():
        out = block(x)
        weights = nd.array(rng.uniform(size=out.shape), dtype="float64")
        (out * weights).sum().backward()
    step = 1e-6 * rng.standard_normal(y.shape)
    ahead, behind = ((block(nd.array(y + s, dtype="float64")) * weights).sum().asscalar() for s in (step, -step))
    assert np.vdot(x.grad.asnumpy(), step) == pytest.approx((ahead - behind) / 2, rel=1e-2)


@pytest.mark.parametrize(("make", "length"), [(YamnetMel, 399), (MusicnnMel, 0), (YamnetMel, 400.5)])
def test_a_wrong_length_is_named(make, length):
    with pytest.raises(FeatureError, match=f"audio_length .*got {length}"):
        make(length)

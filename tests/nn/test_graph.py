"""Tests of every block in a graph: as exported symbol and ONNX, on another device, in a network, for a wrong length."""

import numpy as np
import pytest

from mxnet_audio import features
from mxnet_audio.engine import autograd, gluon, mx, nd
from mxnet_audio.errors import FeatureError
from mxnet_audio.nn import (
    DCT1D,
    MFCC,
    MelSpectrogram,
    MusicnnMel,
    PowerToDB,
    SincConv1D,
    STFTBlock,
    YamnetMel,
    ZScoreNormBlock,
)

LENGTH = 4100
SPECTRAL = {"n_fft": 512, "hop_length": 160}


def log_mel(length=LENGTH, **kwargs):
    """Make a front end: normalized log-mel spectrogram."""
    net = gluon.nn.HybridSequential()
    mel = MelSpectrogram(length, sr=12000, n_mels=40, **SPECTRAL | kwargs)
    net.add(mel, PowerToDB(), ZScoreNormBlock())
    return net


pytestmark = pytest.mark.filterwarnings("ignore:.*mapping:DeprecationWarning:mxnet")  # in MXNet's exporter

CASES = {
    "stft": (lambda: STFTBlock(LENGTH, **SPECTRAL), None),
    "stft with reflection, power 2": (lambda: STFTBlock(LENGTH, pad_mode="reflect", power=2.0, **SPECTRAL), None),
    "stft not centered, power 0.7": (lambda: STFTBlock(LENGTH, center=False, power=0.7, **SPECTRAL), None),
    "stft with hop 512, without the last bin": (lambda: STFTBlock(LENGTH, 512, 512, drop_last_bin=True), None),
    "mel": (lambda: MelSpectrogram(LENGTH, n_mels=40, **SPECTRAL), None),
    "mel as GluonAR": (lambda: MelSpectrogram(LENGTH, n_mels=40, layout="gluonar", **SPECTRAL), None),
    "mfcc": (lambda: MFCC(LENGTH, n_mels=40, **SPECTRAL), None),
    "mfcc as GluonAR": (lambda: MFCC(LENGTH, n_mels=40, layout="gluonar", **SPECTRAL), None),
    "yamnet": (lambda: YamnetMel(LENGTH), None),
    "musicnn": (lambda: MusicnnMel(LENGTH), None),
    "dct": (lambda: DCT1D(N=30), (2, 1, 20, 30)),
    "decibels": (PowerToDB, (2, 1, 20, 30)),
    "decibels, no floor": (lambda: PowerToDB(top_db=None), (2, 1, 20, 30)),
    "decibels below the peak": (lambda: PowerToDB("max"), (2, 1, 20, 30)),
    "z-scores": (ZScoreNormBlock, (2, 3, 20, 30)),
    "sinc": (lambda: SincConv1D(8, 101, 16000, stride=5), (2, 1, LENGTH)),
    "log-mel": (log_mel, None),
}


@pytest.fixture(params=CASES)
def case(request, sound):
    """Return a block and an input for it."""
    make, shape = CASES[request.param]
    x = sound(LENGTH) if shape is None else np.abs(sound(int(np.prod(shape)), 1)).reshape(shape)
    return make(), x


def test_hybridized_equals_not_hybridized_within_1e_6_of_the_peak(case, assert_close, run):
    block, x = case
    assert_close(run(block, x), run(block, x, hybridize=False), 1e-6)


def test_exported_symbol_gives_the_same(case, run, tmp_path):
    block, x = case
    want = run(block, x)
    block.export(str(tmp_path / "block"))
    params = str(tmp_path / "block-0000.params") if block.collect_params() else None
    again = gluon.SymbolBlock.imports(str(tmp_path / "block-symbol.json"), ["data"], params)
    np.testing.assert_array_equal(again(nd.array(x)).asnumpy(), want)


def test_onnx_gives_the_same_within_1e_4_of_the_peak_for_any_batch_size(case, assert_close, run, run_onnx):
    block, x = case
    want = run(block, x)
    assert_close(run_onnx(block, x), want)
    more = np.concatenate([x, x])
    assert_close(run_onnx(block, more), np.concatenate([want, want]))


@pytest.mark.parametrize("hybridize", [True, False])
def test_another_device_gives_the_same(case, hybridize, run):
    block, x = case
    want = run(block, x)
    block.collect_params().reset_ctx(mx.cpu(1))
    block.hybridize(hybridize)
    got = block(nd.array(x, ctx=mx.cpu(1)))
    assert got.context == mx.cpu(1)
    np.testing.assert_allclose(got.asnumpy(), want, rtol=1e-5, atol=1e-5)


def test_saved_parameters_include_the_constants(case, run, tmp_path):
    block, x = case
    want = run(block, x)
    block.save_parameters(str(tmp_path / "block.params"))
    block.load_parameters(str(tmp_path / "block.params"))
    np.testing.assert_array_equal(block(nd.array(x)).asnumpy(), want)


@pytest.mark.parametrize("hybridize", [True, False])
@pytest.mark.parametrize("shape", [(2, LENGTH - 1), (2, LENGTH + 160), (2, 1, LENGTH), (LENGTH,)])
@pytest.mark.parametrize("make", [STFTBlock, MelSpectrogram, MFCC, YamnetMel, MusicnnMel])
def test_sound_of_another_length_is_refused(make, shape, hybridize):
    block = make(LENGTH, **({} if make in (YamnetMel, MusicnnMel) else SPECTRAL))
    block.initialize()
    block.hybridize(hybridize)
    with pytest.raises(FeatureError, match=rf"\(batch, {LENGTH}\), got"):
        block(nd.ones(shape))


@pytest.mark.parametrize("length", [1, LENGTH // 2, LENGTH - 1, LENGTH + 1, LENGTH + 160])
@pytest.mark.parametrize("name", ["log-mel", "yamnet", "musicnn"])
def test_within_a_hybridized_network_mxnet_names_the_length(name, length):
    net = gluon.nn.HybridSequential()
    net.add(CASES[name][0](), gluon.nn.Flatten())
    net.initialize()
    net.hybridize()
    with pytest.raises(mx.MXNetError, match=f"takes_{LENGTH}_samples"):
        net(nd.ones((2, length)))


@pytest.mark.parametrize("hybridize", [True, False])
def test_front_end_in_float64_equals_float32_within_1e_4_of_the_peak(hybridize, sound, assert_close, run):
    y = sound(LENGTH)
    want = run(log_mel(), y)
    net = log_mel()
    net.initialize()
    net.cast("float64")
    net.hybridize(hybridize)
    got = net(nd.array(y, dtype="float64"))
    assert got.dtype == np.float64
    assert_close(got.asnumpy(), want)


@pytest.mark.parametrize("dtype", ["float16", np.float16])
def test_a_front_end_refuses_float16(dtype):
    with pytest.raises(FeatureError, match=r"melspectrogram.*float16"):
        log_mel().cast(dtype)


def test_front_end_equals_the_features_without_mxnet_within_1e_4_of_the_peak(sound, assert_close, run):
    y = sound(LENGTH)
    net = log_mel()[:2]
    want = features.log_mel(y, 12000, n_mels=40, **SPECTRAL)
    assert_close(run(net, y)[:, 0].swapaxes(1, 2), want)


@pytest.mark.parametrize("front", ["log_mel", "sinc"])
def test_a_network_with_a_front_end_learns_and_keeps_its_constants_and_onnx_agrees(front, assert_close, run_onnx):
    mx.random.seed(0)
    net = gluon.nn.HybridSequential()
    if front == "log_mel":
        net.add(log_mel(), gluon.nn.Conv2D(4, 3, activation="relu"), gluon.nn.MaxPool2D())
    else:
        bands = SincConv1D(8, 101, 12000, stride=10)
        net.add(gluon.nn.HybridLambda(lambda F, x: F.expand_dims(x, axis=1)), bands)
        net.add(gluon.nn.HybridLambda(lambda F, x: F.expand_dims(F.log(F.square(x) + 1e-3), axis=2)))
        net.add(gluon.nn.GlobalAvgPool2D())
    net.add(gluon.nn.Dense(2))
    net.initialize()
    net.hybridize()
    rng = np.random.default_rng(0)
    label = nd.array([0, 1] * 8)
    hz = np.where(label.asnumpy(), 1000, 3000)[:, None] * rng.uniform(0.9, 1.1, (16, 1))
    tones = np.sin(2 * np.pi * hz * np.arange(LENGTH) / 12000) + 0.1 * rng.standard_normal((16, LENGTH))
    x = nd.array(tones)
    net(x)
    before = {name: p.data().asnumpy().copy() for name, p in net.collect_params().items()}

    trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.01})
    criterion = gluon.loss.SoftmaxCrossEntropyLoss()
    losses = []
    for _ in range(30):
        with autograd.record():
            loss = criterion(net(x), label).mean()
        loss.backward()
        trainer.step(1)
        losses.append(loss.asscalar())

    assert losses[-1] < 0.5 * losses[0]
    for name, parameter in net.collect_params().items():
        learned = parameter.grad_req != "null"
        assert (np.abs(parameter.data().asnumpy() - before[name]).max() > 0) == learned, name
    assert_close(run_onnx(net, tones.astype(np.float32)), net(x).asnumpy(), 1e-3)

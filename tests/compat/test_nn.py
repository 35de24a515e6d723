"""Calls that users of GluonAR and of the M5 tutorial know, for blocks, losses and networks.

The tolerances against librosa are those of GluonAR's own tests, except where a comment gives another.
"""

import librosa
import numpy as np
import pytest
import scipy.fft

from mxnet_audio import models, nn
from mxnet_audio.engine import autograd, gluon, nd
from mxnet_audio.errors import ParameterError

SAMPLES = 48000
STFT = {"n_fft": 2048, "hop_length": 160, "win_length": 400, "window": "hann", "center": True}
MEL = {"sr": 16000, "n_fft": 2048, "hop_length": 512, "power": 2.0, "n_mels": 128, "fmin": 0.0, "fmax": None}


@pytest.fixture
def uniform():
    """Return samples [shape=(1, 48000)] that are uniform from -1 to 1."""
    return np.random.default_rng(0).uniform(-1, 1, (1, SAMPLES)).astype(np.float32)


def compute(block, x, hybridize):
    block.initialize()
    block.hybridize(hybridize)
    return block(nd.array(x)).asnumpy()


@pytest.mark.parametrize("hybridize", [False, True])
def test_stft_in_the_gluonar_layout_equals_librosa_without_its_last_bin(uniform, hybridize):
    got = compute(nn.STFTBlock(SAMPLES, **STFT, layout="gluonar"), uniform, hybridize)
    assert got.shape == (1, 1, 1 + SAMPLES // 160, 1024)
    want = np.abs(librosa.stft(uniform[0], **STFT, pad_mode="reflect"))[:1024]
    np.testing.assert_allclose(got[0, 0].T, want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("hybridize", [False, True])
def test_mel_spectrogram_in_the_gluonar_layout_equals_librosa(uniform, hybridize):
    got = compute(nn.MelSpectrogram(SAMPLES, **MEL, htk=False, norm=1, layout="gluonar"), uniform, hybridize)
    assert got.shape == (1, 1, 128, 94)
    want = librosa.feature.melspectrogram(y=uniform[0], **MEL, norm="slaney", pad_mode="reflect")
    np.testing.assert_allclose(got[0, 0], want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("hybridize", [False, True])
@pytest.mark.parametrize("dct_type", [2, None])
def test_mfcc_in_the_gluonar_layout_equals_librosa(uniform, dct_type, hybridize):
    block = nn.MFCC(SAMPLES, n_mfcc=20, dct_type=dct_type, norm="ortho", **MEL, layout="gluonar")
    got = compute(block, uniform, hybridize)
    assert got.shape == (1, 1, 20, 94)
    want = librosa.feature.mfcc(y=uniform[0], n_mfcc=20, dct_type=2, norm="ortho", **MEL, pad_mode="reflect")
    # GluonAR's tolerance of 1e-5 is a rounding error of float32 here: up to 2.6e-5 on one or two of 1,880 values.
    np.testing.assert_allclose(got[0, 0], want, rtol=1e-4, atol=1e-4)


def test_arguments_override_the_gluonar_layout(uniform):
    bins = nn.STFTBlock(SAMPLES, layout="gluonar", drop_last_bin=False).bins
    assert bins == 1025
    blocks = [nn.MFCC(SAMPLES, layout=layout, pad_mode="constant", drop_last_bin=True) for layout in (None, "gluonar")]
    default, gluonar = (compute(block, uniform, True) for block in blocks)
    np.testing.assert_array_equal(gluonar.swapaxes(2, 3), default)


def test_the_default_layout_is_unchanged():
    assert nn.STFTBlock(SAMPLES).bins == 1025
    x = nd.zeros((2, SAMPLES))
    for block, size in ((nn.MelSpectrogram(SAMPLES), 128), (nn.MFCC(SAMPLES), 20)):
        block.initialize()
        assert block(x).shape == (2, 1, 94, size)


@pytest.mark.parametrize("window", ["hann", ("kaiser", 4.0), 4.0])
def test_windows_by_name_tuple_or_number(window):
    nn.STFTBlock(SAMPLES, window=window)


def test_dct_of_type_1_can_be_orthonormal():
    x = np.random.default_rng(0).uniform(-1, 1, (3, 16)).astype(np.float32)
    got = compute(nn.DCT1D(1, 16, "ortho"), x, False)
    np.testing.assert_allclose(got, scipy.fft.dct(x, type=1, norm="ortho"), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sinc_convolution_takes_a_dtype_by_position(dtype):
    block = nn.SincConv1D(8, 31, 16000, dtype)
    block.initialize()
    assert block(nd.ones((1, 1, 100), dtype=dtype)).dtype == np.dtype(dtype)
    assert all(parameter.dtype in (dtype, np.dtype(dtype)) for parameter in block.collect_params().values())


@pytest.mark.parametrize(
    ("alias", "name"),
    [("arcface", "arc"), ("ArcLoss", "arc"), ("ringloss", "ring"), ("cosloss", "am_softmax"), ("softmax", "softmax")],
)
def test_losses_by_gluonar_names(alias, name):
    assert repr(nn.get_loss(alias, classes=5)) == repr(nn.get_loss(name, classes=5))


@pytest.mark.parametrize(
    "options",
    [{}, {"m": 0.3, "s": 30}, {"easy_margin": False}, {"m": 0.3, "s": 30, "easy_margin": False, "weight": 0.5}],
)
def test_arc_loss_equals_the_gluonar_formula(options):
    """GluonAR computes ``cos(arccos(cosine) + m)`` and Gluon's softmax cross-entropy."""
    rng = np.random.default_rng(0)
    cosine, label = rng.uniform(-0.95, 0.95, (16, 6)), rng.integers(0, 6, 16)
    sample_weight = rng.uniform(0.5, 1.5, (16, 1))
    m, s, easy, weight = (options.get(k, d) for k, d in zip(("m", "s", "easy_margin", "weight"), (0.5, 64, True, None)))
    rows = np.arange(16)
    target = cosine[rows, label]
    keep, threshold = (target, 0) if easy else (target - m * np.sin(np.pi - m), np.cos(np.pi - m))
    moved = cosine.copy()
    moved[rows, label] = np.where(target > threshold, np.cos(np.arccos(target) + m), keep)
    inputs = nd.array(s * moved), nd.array(label), nd.array(sample_weight)
    want = gluon.loss.SoftmaxCrossEntropyLoss(weight=weight)(*inputs)
    got = nn.ArcLoss(6, dtype="float32", **options)(nd.array(cosine), *inputs[1:])
    np.testing.assert_allclose(got.asnumpy(), want.asnumpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("hybridize", [False, True])
@pytest.mark.parametrize("make", [lambda: nn.RingLoss(0.1), lambda: nn.get_loss("ringloss", lamda=0.1)])
def test_ring_loss_takes_the_gluonar_order(make, hybridize):
    rng = np.random.default_rng(0)
    scores, embedding = (nd.array(rng.normal(size=(8, n))) for n in (5, 7))
    label = nd.array(rng.integers(0, 5, 8))
    theirs, ours = make(), nn.RingLoss(5, lamda=0.1)
    for loss in (theirs, ours):
        loss.initialize()
        loss.hybridize(hybridize)
    want = ours(scores, embedding, label).asnumpy()
    np.testing.assert_array_equal(theirs(scores, label, embedding).asnumpy(), want)
    np.testing.assert_array_equal(theirs(scores, embedding, label).asnumpy(), want)
    with autograd.record():
        theirs(scores, label, embedding).backward()
    assert np.isfinite(theirs.radius.grad().asnumpy()).all()


def test_losses_of_gluonar_that_are_missing_are_named():
    with pytest.raises(ParameterError, match="centerloss"):
        nn.get_loss("centerloss", classes=5)


def test_get_model_by_position():
    net = models.get_model("resnet18", 5, (1, 224, 224))
    assert (net.classes, net.input_shape) == (5, (1, 224, 224))


def test_pretrained_is_a_directory():
    assert models.get_model("resnet18", classes=5, input_shape=(1, 224, 224), pretrained=False).classes == 5
    with pytest.raises(ParameterError, match="pretrained"):
        models.get_model("resnet18", classes=5, input_shape=(1, 224, 224), pretrained=True)


def test_m5_has_the_widths_of_the_tutorial_and_returns_scores():
    net = models.get_model("m5", 10, (1, 1, 32000))
    net.initialize()
    scores, embedding = net(nd.random.normal(shape=(2, 1, 1, 32000)))
    assert [c._channels for c in net.encoder if isinstance(c, gluon.nn.Conv2D)] == [128, 128, 256, 512]
    assert scores.shape == (2, 10) and embedding.shape == (2, 512)
    log_probabilities = nd.log_softmax(scores)  # the tutorial's output
    np.testing.assert_allclose(nd.exp(log_probabilities).sum(axis=1).asnumpy(), 1, rtol=1e-5)

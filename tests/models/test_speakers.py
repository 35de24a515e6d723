"""Tests of the speaker networks: layers and sizes, heads, silence, single inputs, and ONNX."""

import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
import pytest

from mxnet_audio import features
from mxnet_audio.engine import autograd, gluon, mx, nd
from mxnet_audio.errors import ParameterError
from mxnet_audio.models import CosineDense, default_features, get_model
from mxnet_audio.models.blocks import GlobalMean, VectorNorm
from mxnet_audio.models.ecapa_tdnn import AttentiveStatistics, EcapaTdnnNet, Res2
from mxnet_audio.models.sincnet import Statistics
from mxnet_audio.nn import PowerToDB, STFTBlock

SHAPES = {"ecapa_tdnn": (1, 40, 48), "resnet18": (1, 40, 48), "sincnet": (1, 1, 1600)}
WIDTHS = {"ecapa_tdnn": 192, "resnet18": 128, "sincnet": 256}
SPEAKERS = sorted(SHAPES)
narrow = pytest.mark.usefixtures("few_filters")
HEADS = [*((name, "cosine") for name in SPEAKERS), ("sincnet", "dense")]  # the heads are the same for all


def make(name, shape=None, classes=4, **kwargs):
    """Make a network with norms as after training."""
    shape = shape or SHAPES[name]
    mx.random.seed(0)
    net = get_model(name, classes=classes, input_shape=shape, **kwargs)
    net.initialize(mx.init.Xavier())
    net(nd.zeros((1, *shape)))
    rng = np.random.default_rng(0)
    for key, parameter in net.collect_params().items():
        if parameter.grad_req == "null" and "running" not in key:
            continue
        if key.endswith(("gamma", "running_var")):
            parameter.set_data(nd.array(rng.uniform(0.5, 1.5, parameter.shape)))
        elif key.endswith(("beta", "running_mean")):
            parameter.set_data(nd.array(rng.normal(0, 0.3, parameter.shape)))
    return net


def noise(shape, batch=3, seed=0):
    return np.random.default_rng(seed).normal(0, 1, (batch, *shape)).astype(np.float32)


@narrow
@pytest.mark.parametrize("name", SPEAKERS)
def test_shapes_and_heads(name):
    net = make(name)
    scores, embedding = net(nd.array(noise(SHAPES[name])))
    assert scores.shape == (3, 4) and embedding.shape == (3, WIDTHS[name])
    assert (net.head_name, net.scale, net.heads) == ("cosine", 4.0, ("cosine", "dense"))
    e, w = embedding.asnumpy().astype(float), net.head.weight.data().asnumpy().astype(float)
    cosine = e @ w.T / np.linalg.norm(e, axis=1, keepdims=True) / np.linalg.norm(w, axis=1)
    np.testing.assert_allclose(scores.asnumpy() / net.scale, cosine, atol=1e-6)
    dense = make(name, head="dense")
    assert (dense.head_name, dense.scale) == ("dense", 1.0) and isinstance(dense.head, gluon.nn.Dense)
    with pytest.raises(ParameterError, match=r"head.*'round'"):
        type(net)(4, SHAPES[name], head="round")


@narrow
@pytest.mark.parametrize("name", SPEAKERS)
def test_a_hybridized_network_gives_the_same(name):
    net, x = make(name), nd.array(noise(SHAPES[name]))
    plain = [y.asnumpy() for y in net(x)]
    with autograd.record():
        trained = [y.asnumpy() for y in net(x)]
    net.hybridize(static_alloc=True)
    for want, got in zip(plain, net(x)):
        np.testing.assert_allclose(got.asnumpy(), want, rtol=1e-4, atol=1e-5 * np.abs(want).max())
    with autograd.record():
        again = net(x)
    for want, got in zip(trained, again):
        np.testing.assert_allclose(got.asnumpy(), want, rtol=1e-3, atol=1e-4 * np.abs(want).max())


@narrow
@pytest.mark.parametrize(("name", "head"), HEADS)
def test_a_single_input_gives_the_same_as_in_a_batch(name, head):
    net, x = make(name, head=head), noise(SHAPES[name])
    net.hybridize(static_alloc=True)
    together = [y.asnumpy() for y in net(nd.array(x))]
    for row in range(len(x)):
        for want, got in zip(together, net(nd.array(x[row : row + 1]))):
            np.testing.assert_allclose(got.asnumpy()[0], want[row], rtol=1e-4, atol=1e-5 * np.abs(want).max())


@narrow
@pytest.mark.parametrize("name", SPEAKERS)
def test_silence_has_a_finite_embedding_and_gradient(name):
    net = make(name)
    net.hybridize(static_alloc=True)
    silence = nd.zeros((2, *SHAPES[name]))
    for y in net(silence):
        assert np.isfinite(y.asnumpy()).all()
    with autograd.record():
        scores, embedding = net(silence)
        total = scores[:, 0].sum() + embedding.sum()
    total.backward()
    for key, parameter in net.collect_params().items():
        if parameter.grad_req != "null":
            assert np.isfinite(parameter.grad().asnumpy()).all(), key
    assert np.isfinite(net(silence)[1].asnumpy()).all()  # with the statistics of silence


@narrow
@pytest.mark.parametrize(("name", "head"), HEADS)
def test_a_loaded_network_gives_the_same(name, head, tmp_path):
    net, x = make(name, head=head), nd.array(noise(SHAPES[name]))
    net.hybridize(static_alloc=True)
    want = [y.asnumpy() for y in net(x)]
    net.save_parameters(str(tmp_path / "net"))
    other = get_model(name, classes=4, input_shape=SHAPES[name], head=head)
    other.load_parameters(str(tmp_path / "net"))
    other.hybridize(static_alloc=True)
    for expected, got in zip(want, other(x)):
        np.testing.assert_array_equal(got.asnumpy(), expected)


@narrow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # in MXNet's exporter
@pytest.mark.parametrize(("name", "head"), HEADS)
def test_onnx_runtime_gives_the_same_within_1e_4_of_the_peak(name, head, tmp_path):
    import mxnet.onnx  # noqa: F401  makes mx.onnx available

    net, shape = make(name, head=head), SHAPES[name]
    mx.nd.waitall()
    path = str(tmp_path / "net.onnx")
    mx.onnx.export_model(
        mx.sym.Group([mx.sym.identity(y, name=f"output{i}") for i, y in enumerate(net(mx.sym.var("features")))]),
        {key: parameter.data() for key, parameter in net.collect_params().items()},
        [(1, *shape)],
        np.float32,
        path,
        dynamic=True,
        dynamic_input_shapes=[("batch", *shape)],
    )
    onnx.checker.check_model(path, full_check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options)
    for x in (noise(shape), noise(shape, batch=1), np.zeros((2, *shape), np.float32)):
        got = session.run([f"output{i}" for i in range(2)], {"features": x})
        for one, other in zip(got, net(nd.array(x))):
            other = other.asnumpy()
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-4 * np.abs(other).max())


@pytest.mark.parametrize("hybrid", [False, True])
def test_cosines_equal_float64_and_have_a_finite_gradient_at_zero(hybrid):
    block, x = CosineDense(5, 8, scale=30), noise((8,))
    block.initialize(mx.init.Normal(1))
    if hybrid:
        block.hybridize()
    x[1] = 0
    array = nd.array(x)
    array.attach_grad()
    with autograd.record():
        scores = block(array)
    scores.backward()
    w = block.weight.data().asnumpy().astype(float)
    norm = np.maximum(np.linalg.norm(x.astype(float), axis=1, keepdims=True), 1e-6)
    want = 30 * (x / norm) @ (w / np.linalg.norm(w, axis=1, keepdims=True)).T
    np.testing.assert_allclose(scores.asnumpy(), want, atol=1e-5)
    assert not scores.asnumpy()[1].any()
    assert np.isfinite(array.grad.asnumpy()).all() and np.isfinite(block.weight.grad().asnumpy()).all()


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (1, 43), (12, 29)], ids=str)
def test_global_mean_and_its_gradient_equal_gluon(size):
    x, results = noise((16, *size)), []
    for block in (GlobalMean(), gluon.nn.GlobalAvgPool2D()):
        array = nd.array(x)
        array.attach_grad()
        with autograd.record():
            y = nd.square(block(array))
        y.backward()
        results.append((y.asnumpy(), array.grad.asnumpy()))
    for got, want in zip(*results):
        np.testing.assert_allclose(got, want, atol=1e-6)


def learned_size(net):
    return sum(p.data().size for p in net.collect_params().values() if p.grad_req != "null")


def test_ecapa_tdnn_has_the_layers_and_size_of_the_paper():
    net = make("ecapa_tdnn", (1, 80, 200), classes=2)
    kernels = {(c._kwargs["kernel"], c._kwargs["dilate"]) for c in blocks_of(net, gluon.nn.Conv2D)}
    assert kernels == {((1, 5), (1, 1)), ((1, 3), (1, 2)), ((1, 3), (1, 3)), ((1, 3), (1, 4)), ((1, 1), (1, 1))}
    assert [len(block.layers) for block in blocks_of(net, Res2)] == [7, 7, 7]
    assert learned_size(net) == 6_191_296 - 8 * 192  # "6.2 M" for 512 channels


def test_resnet18_is_that_of_the_model_zoo_without_its_first_norm():
    net = make("resnet18", classes=2)
    zoo = gluon.model_zoo.vision.resnet18_v2().features
    zoo.initialize()
    zoo(nd.zeros((1, 1, 40, 48)))
    assert learned_size(net) == learned_size(zoo) + 512 * 128 + 2 * 128
    x = nd.array(noise(SHAPES["resnet18"]))
    before = {key: p.data().asnumpy() for key, p in net.collect_params(".*running.*").items()}
    with autograd.record():
        net(x)[0].backward()
    for key, parameter in net.collect_params(".*running.*").items():
        assert np.abs(parameter.data().asnumpy() - before[key]).max() > 0, key


def test_sincnet_learns_cut_off_frequencies():
    net = make("sincnet", classes=2)
    assert len(blocks_of(net, gluon.nn.Conv2D)) == 2
    names = [key for key, p in net._collect_params_with_prefix().items() if "sinc." in key and p.grad_req != "null"]
    assert sorted(name.rpartition(".")[2] for name in names) == ["band", "low"]


def blocks_of(net, kind):
    blocks = []
    net.apply(lambda block: blocks.append(block) if isinstance(block, kind) else None)
    return blocks


@narrow
@pytest.mark.parametrize("name", SPEAKERS)
def test_parameters_do_not_depend_on_the_length(name):
    shapes = [(1, 1, 400), (1, 1, 48000)] if name == "sincnet" else [(1, 40, 16), (1, 40, 333)]
    sizes = [{key: p.shape for key, p in make(name, s)._collect_params_with_prefix().items()} for s in shapes]
    assert sizes[0] == sizes[1]


@pytest.mark.parametrize("hybrid", [False, True])
@pytest.mark.parametrize("steps", [1, 17, 200])
def test_statistics_with_and_without_attention_equal_numpy(steps, hybrid):
    x = noise((24, 1, steps)) + 3
    plain, attentive = Statistics(), AttentiveStatistics(24)
    for block in (plain, attentive):
        block.initialize(mx.init.Normal(0.5))
        block.hybridize(hybrid)
    wide = x.astype(float)[:, :, 0]

    def joined(mean, variance):
        return np.concatenate([mean, np.sqrt(np.maximum(variance, 1e-6))], axis=1)

    want = joined(wide.mean(-1), wide.var(-1))
    np.testing.assert_allclose(plain(nd.array(x)).asnumpy(), want, rtol=1e-5, atol=1e-5)
    got = attentive(nd.array(x)).asnumpy()
    frame, context, attend = (
        block.weight.data().asnumpy()[:, :, 0, 0].astype(float)
        for block in (attentive.frame, attentive.context, attentive.attend)
    )
    hidden = np.einsum("oc,bct->bot", frame, wide) + (want @ context.T)[..., None]  # the initial bias is 0
    attention = np.exp(np.einsum("oc,bct->bot", attend, np.tanh(hidden)))
    attention /= attention.sum(-1, keepdims=True)
    mean = (attention * wide).sum(-1)
    want = joined(mean, (attention * (wide - mean[..., None]) ** 2).sum(-1))
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)


@narrow
def test_ecapa_tdnn_does_not_depend_on_an_offset_of_the_bands():
    net, x = make("ecapa_tdnn"), noise(SHAPES["ecapa_tdnn"])
    offset = np.random.default_rng(1).normal(0, 3, (1, 1, 40, 1)).astype(np.float32)
    want, got = (net(nd.array(y))[1].asnumpy() for y in (x, x + offset))
    np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-4 * np.abs(want).max())


def test_default_features_are_those_of_speech():
    for name in ("ecapa_tdnn", "resnet18"):
        config = default_features(name)
        assert (config.sr, config.n_mels, config.win_length, config.hop_length) == (16000, 80, 400, 160)
        assert config.identity() == EcapaTdnnNet.features.identity()
    assert default_features("sincnet").type == "raw" and default_features("sincnet").sr == 16000


@narrow
def test_a_front_end_in_the_graph_gives_the_embedding_of_features_without_mxnet():
    samples, n_fft, hop = 8000, 512, 160
    rng = np.random.default_rng(0)
    y = (0.1 * rng.standard_normal((2, samples)) + 0.3 * np.sin(0.2 * np.arange(samples))).astype(np.float32)
    power = np.stack([np.abs(features.stft(one, n_fft=n_fft, hop_length=hop)) ** 2 for one in y])[:, None]
    net = make("resnet18", power.shape[1:])
    whole = gluon.nn.HybridSequential()
    whole.add(STFTBlock(samples, n_fft, hop), PowerToDB())
    whole.add(gluon.nn.HybridLambda(lambda F, x: F.transpose(x, axes=(0, 1, 3, 2))))
    whole.initialize()
    whole.add(net)
    whole.hybridize()
    want = net(nd.array(features.power_to_db(power)))[1].asnumpy()
    np.testing.assert_allclose(whole(nd.array(y))[1].asnumpy(), want, rtol=0, atol=1e-3)


@narrow
@pytest.mark.parametrize("name", SPEAKERS)
def test_norms_of_vectors_are_vector_norms(name):
    net, seen = make(name), []

    def look(norm, inputs):
        seen.append(norm)
        assert inputs[0].ndim == (2 if isinstance(norm, VectorNorm) else 4), norm

    net.apply(lambda block: block.register_forward_pre_hook(look) if isinstance(block, gluon.nn.BatchNorm) else None)
    net(nd.array(noise(SHAPES[name])))
    assert any(isinstance(norm, VectorNorm) for norm in seen)


def test_a_norm_of_vectors_equals_numpy_and_survives_a_norm_of_maps():
    """MXNet 1.9.1 confused their oneDNN primitives, and crashed; so this runs in a process of its own."""
    program = """
import numpy as np
from mxnet_audio.engine import nd
from mxnet_audio.models.blocks import VectorNorm

maps = nd.Convolution(nd.ones((3, 16, 3, 3)), nd.ones((64, 16, 3, 3)), kernel=(3, 3), num_filter=64, no_bias=True)
nd.BatchNorm(maps, *(nd.ones(64) for _ in range(4)), eps=1e-5, momentum=0.7, fix_gamma=False).wait_to_read()
norm, x = VectorNorm(), np.random.default_rng(0).normal(size=(3, 64)).astype(np.float32)
norm.initialize()
print(np.abs(norm(nd.array(x)).asnumpy() - x).max() < 1e-4)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "True", done.stderr

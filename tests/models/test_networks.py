"""Tests of the networks: shapes, layers, and the order of pool and activation."""

import numpy as np
import pytest

from mxnet_audio.engine import autograd, gluon, mx, nd
from mxnet_audio.errors import ParameterError
from mxnet_audio.models import NETWORKS, EncoderNet, SequenceNet, get_model, model_names
from mxnet_audio.weights import read_architecture
from tests.models.hub_folders import published_config

pytestmark = pytest.mark.usefixtures("few_filters")

LOG_MEL = {"cifar10": 512, "ecapa_tdnn": 192, "resnet18": 128, "resnet_v2": 128}  # length of the embedding
SMALL = dict.fromkeys(LOG_MEL, (1, 32, 40)) | {"m5": (1, 1, 2000), "sincnet": (1, 1, 2000)}
SMALL |= {name: net.patch_shape() for name, net in NETWORKS.items() if issubclass(net, EncoderNet)}
TESTED = [name for name in model_names() if not issubclass(NETWORKS[name], SequenceNet)]  # which have their own tests


def layers(net, kind):
    blocks = []
    net.apply(lambda block: blocks.append(block) if isinstance(block, kind) else None)
    return blocks


def make(name, shape=(1, 96, 1366), classes=10, **kwargs):
    mx.random.seed(0)
    net = get_model(name, classes=classes, input_shape=shape, **kwargs)
    net.initialize(mx.init.Xavier())
    return net


def test_layers_of_cifar10_at_the_default_input():
    net = make("cifar10")
    assert [(c._channels, c._kwargs["kernel"]) for c in layers(net, gluon.nn.Conv2D)] == [
        (filters, (3, 3)) for filters in (32, 32, 64, 128, 256)
    ]
    pools = [pool._kwargs["kernel"] for pool in layers(net, gluon.nn.MaxPool2D)]
    assert pools == [(2, 4), (2, 4), (2, 4), (3, 5), (4, 4)]
    assert [drop._rate for drop in layers(net, gluon.nn.Dropout)] == [0.25, 0.5]
    assert [dense._units for dense in layers(net, gluon.nn.Dense)] == [512, 10]
    assert len(layers(net, gluon.nn.BatchNorm)) == 5
    kinds = [type(layer).__name__ for layer in net.encoder]
    assert kinds.index("Dropout") > max(index for index, kind in enumerate(kinds) if kind == "BatchNorm")


def test_layers_of_resnet_v2_at_the_default_input():
    net = make("resnet_v2")
    kernels = [(c._channels, c._kwargs["kernel"]) for c in layers(net, gluon.nn.Conv2D)]
    expected = [(filters, (3, 3)) for filters, blocks in ((32, 1), (64, 2), (128, 2)) for _ in range(2 * blocks)]
    assert kernels[0] == (32, (5, 7))
    assert [k for k in kernels if k[1] == (3, 3)] == expected
    assert [k for k in kernels if k[1] == (1, 1)] == [
        (64, (1, 1)),
        (128, (1, 1)),
    ]  # where the filters change


@pytest.mark.parametrize("name", LOG_MEL)
@pytest.mark.parametrize("shape", [(1, 16, 16), (1, 96, 1366), (1, 17, 640), (1, 128, 33), (1, 40, 1500)])
def test_any_input_of_16_or_more_bands_and_frames_gives_scores_and_embedding(name, shape):
    net = make(name, shape, classes=3)
    for hybrid in (False, True):
        net.hybridize(hybrid)
        scores, embedding = net(nd.random.normal(shape=(1, *shape)))
        assert scores.shape == (1, 3)
        assert embedding.shape == (1, LOG_MEL[name])
        assert np.isfinite(scores.asnumpy()).all() and np.isfinite(embedding.asnumpy()).all()


@pytest.mark.parametrize("name", TESTED)
def test_scores_are_the_dense_layer_of_the_embedding(name):
    net = make(name, SMALL[name], head="dense")
    scores, embedding = net(nd.random.normal(shape=(3, *SMALL[name])))
    dense = layers(net.head, gluon.nn.Dense)[-1]
    expected = embedding.asnumpy() @ dense.weight.data().asnumpy().T + dense.bias.data().asnumpy()
    np.testing.assert_allclose(scores.asnumpy(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", [*TESTED, "ast", "wav2vec2", "whisper"])
def test_every_learned_parameter_gets_a_gradient(name):
    if issubclass(NETWORKS[name], SequenceNet):
        architecture = read_architecture(published_config(name))
        shape = (1, 1, 2000) if name == "wav2vec2" else NETWORKS[name].longest_input(architecture)
        net = make(name, shape, architecture=architecture)
    else:
        shape, net = SMALL[name], make(name, SMALL[name])
    batch_size = 2 if isinstance(net, EncoderNet) else 4  # the norm of two vectors has no gradient
    with autograd.record():
        scores, _ = net(nd.random.normal(shape=(batch_size, *shape)))
        loss = (scores * nd.random.normal(shape=scores.shape)).sum()
    loss.backward()
    for key, parameter in net.collect_params().items():
        if parameter.grad_req != "null":
            assert np.abs(parameter.grad().asnumpy()).max() > 0, key


@pytest.mark.parametrize("activation", ["softrelu", "relu"])
def test_pooling_before_a_monotonic_activation_is_the_same_function(activation):
    x = nd.random.normal(shape=(2, 3, 8, 12))
    before = nd.Activation(nd.Pooling(x, kernel=(2, 4), stride=(2, 4), pool_type="max"), act_type=activation)
    after = nd.Pooling(nd.Activation(x, act_type=activation), kernel=(2, 4), stride=(2, 4), pool_type="max")
    np.testing.assert_allclose(before.asnumpy(), after.asnumpy(), rtol=1e-6)


@pytest.mark.parametrize("name", [name for name in model_names() if NETWORKS[name].standardizes])
def test_inputs_are_standardized_by_mean_and_deviation_of_the_corpus(name):
    net = make(name, SMALL[name])
    x = nd.random.normal(shape=(2, *SMALL[name]))
    expected = net(x)[0].asnumpy()
    net.standardize.set(-40.0, 20.0)
    np.testing.assert_allclose(net(x * 20 - 40)[0].asnumpy(), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (
            {"name": "alexnet", "classes": 10, "input_shape": (1, 96, 96)},
            "(?=.*ast, cifar10, ecapa_tdnn, .*ge2e_lstm, m5, .*sincnet, wav2vec2, whisper, yamnet).*alexnet",
        ),
        ({"name": "cifar10", "classes": 1, "input_shape": (1, 96, 96)}, "classes .*2.* 1"),
        ({"name": "cifar10", "input_shape": (1, 96, 96)}, "classes .*2.* None"),
        ({"name": "yamnet"}, "classes .*2.* None"),
        ({"name": "yamnet", "classes": 2, "input_shape": (1, 64, 95)}, r"yamnet.*\(1, 64, frames\).*\(1, 64, 95\)"),
        ({"name": "musicnn", "classes": 2, "input_shape": (1, 64, 200)}, r"musicnn.*\(1, 96, frames\)"),
        ({"name": "yamnet", "classes": 2, "embedding": "median"}, "embedding.*'mean', 'mean_std'.*'median'"),
        ({"name": "yamnet", "classes": 2, "embedding": 1}, "embedding.*'mean', 'mean_std'.* 1"),
        ({"name": "yamnet", "classes": 10, "head": "tags"}, "classes.*521.*10"),
        ({"name": "ge2e_lstm", "classes": 10, "head": "tags"}, "head.*ge2e_lstm.*cosine, dense.*'tags'"),
        ({"name": [], "classes": 2}, r"network must be .*cifar10.* \[\]"),
        ({"name": "yamnet", "classes": 2, "input_shape": 96}, r"yamnet.*\(1, 64, frames\).* 96$"),
        ({"name": "yamnet", "classes": 2, "input_shape": (1, 64, 96.5)}, r"yamnet.*\(1, 64, 96.5\)"),
        ({"name": "m5", "classes": 2, "input_shape": (1, 1, 80), "embedding": "mean"}, "embedding.*m5.*None.*'mean'"),
        ({"name": "cifar10", "classes": 10, "input_shape": (1, 15, 96)}, r"16 .*\(1, 15, 96\)"),
        ({"name": "resnet_v2", "classes": 10, "input_shape": (3, 96, 96)}, r"\(3, 96, 96\)"),
        ({"name": "cifar10", "classes": 10, "input_shape": (1, 1, 32000)}, r"cifar10.*n_mels.*\(1, 1, 32000\)"),
        ({"name": "m5", "classes": 10, "input_shape": (1, 96, 1366)}, r"m5.*\(1, 1, samples\).*\(1, 96, 1366\)"),
        ({"name": "m5", "classes": 10, "input_shape": (1, 1, 79)}, r"80 .*\(1, 1, 79\)"),
        ({"name": "m5", "classes": 10, "input_shape": (1, 32000)}, r"\(1, 32000\)"),
        ({"name": "sincnet", "classes": 10, "input_shape": (1, 1, 399)}, r"400 .*\(1, 1, 399\)"),
        ({"name": "ecapa_tdnn", "classes": 10, "input_shape": (1, 1, 32000)}, "ecapa_tdnn.*n_mels, frames"),
        ({"name": "resnet18", "classes": 10}, r"input_shape.*resnet18.*\(1, n_mels, frames\)"),
        ({"name": "m5", "classes": 10, "input_shape": (1, 1, 80), "head": "cosine"}, "head.*m5.*dense.*'cosine'"),
        ({"name": "sincnet", "classes": 10, "input_shape": (1, 1, 400), "head": "arc"}, "head.*cosine, dense.*'arc'"),
    ],
)
def test_a_bad_argument_is_named(arguments, match):
    with pytest.raises(ParameterError, match=match):
        get_model(**arguments)

"""The networks' shapes, traits and the identity that makes them quick."""

import numpy as np
import pytest

from mxnet_audio.engine import autograd, gluon, mx, nd
from mxnet_audio.errors import ModelError
from mxnet_audio.models import get_model, model_names

LOG_MEL = {"cifar10": 512, "ecapa_tdnn": 192, "resnet18": 128, "resnet_v2": 128}  # length of the embedding
SMALL = dict.fromkeys(LOG_MEL, (1, 32, 40)) | {"m5": (1, 1, 2000), "sincnet": (1, 1, 2000)}


def layers(net, kind):
    found = []
    net.apply(lambda block: found.append(block) if isinstance(block, kind) else None)
    return found


def made(name, shape=(1, 96, 1366), classes=10, **kwargs):
    mx.random.seed(0)
    net = get_model(name, classes=classes, input_shape=shape, **kwargs)
    net.initialize(mx.init.Xavier())
    return net


def test_cifar10_follows_the_plan_at_the_default_input():
    net = made("cifar10")
    assert [(c._channels, c._kwargs["kernel"]) for c in layers(net, gluon.nn.Conv2D)] == [
        (filters, (3, 3)) for filters in (32, 32, 64, 128, 256)
    ]
    pools = [pool._kwargs["kernel"] for pool in layers(net, gluon.nn.MaxPool2D)]
    assert pools == [(2, 4), (2, 4), (2, 4), (3, 5), (4, 4)]
    assert [drop._rate for drop in layers(net, gluon.nn.Dropout)] == [0.25, 0.5]
    assert [dense._units for dense in layers(net, gluon.nn.Dense)] == [512, 10]
    assert len(layers(net, gluon.nn.BatchNorm)) == 5
    kinds = [type(layer).__name__ for layer in net.encoder]
    assert kinds.index("Dropout") > max(place for place, kind in enumerate(kinds) if kind == "BatchNorm")


def test_resnet_v2_has_a_stem_and_three_stages_of_blocks_of_two_convolutions():
    net = made("resnet_v2")
    kernels = [(c._channels, c._kwargs["kernel"]) for c in layers(net, gluon.nn.Conv2D)]
    expected = [(filters, (3, 3)) for filters, blocks in ((32, 1), (64, 2), (128, 2)) for _ in range(2 * blocks)]
    assert kernels[0] == (32, (5, 7))
    assert [k for k in kernels if k[1] == (3, 3)] == expected
    assert [k for k in kernels if k[1] == (1, 1)] == [(64, (1, 1)), (128, (1, 1))]  # where filters change


@pytest.mark.parametrize("name", LOG_MEL)
@pytest.mark.parametrize("shape", [(1, 16, 16), (1, 96, 1366), (1, 17, 640), (1, 128, 33), (1, 40, 5000)])
@pytest.mark.parametrize("hybrid", [False, True])
def test_any_input_from_16_up_gives_scores_and_embedding(name, shape, hybrid):
    net = made(name, shape, classes=3)
    if hybrid:
        net.hybridize()
    scores, embedding = net(nd.random.normal(shape=(2, *shape)))
    assert scores.shape == (2, 3)
    assert embedding.shape == (2, LOG_MEL[name])
    assert np.isfinite(scores.asnumpy()).all() and np.isfinite(embedding.asnumpy()).all()


@pytest.mark.parametrize("name", model_names())
def test_scores_are_the_head_of_the_embedding(name):
    net = made(name, SMALL[name], head="dense")
    scores, embedding = net(nd.random.normal(shape=(3, *SMALL[name])))
    dense = layers(net.head, gluon.nn.Dense)[-1]
    expected = embedding.asnumpy() @ dense.weight.data().asnumpy().T + dense.bias.data().asnumpy()
    np.testing.assert_allclose(scores.asnumpy(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", model_names())
def test_every_learned_parameter_gets_a_gradient(name):
    net = made(name, SMALL[name])
    with autograd.record():
        scores, _ = net(nd.random.normal(shape=(4, *SMALL[name])))
        loss = (scores * nd.random.normal(shape=scores.shape)).sum()
    loss.backward()
    for key, parameter in net.collect_params().items():
        if parameter.grad_req != "null":
            assert np.abs(parameter.grad().asnumpy()).max() > 0, key


@pytest.mark.parametrize("activation", ["softrelu", "relu"])
def test_pooling_before_what_never_falls_is_the_same_function(activation):
    x = nd.random.normal(shape=(2, 3, 8, 12))
    before = nd.Activation(nd.Pooling(x, kernel=(2, 4), stride=(2, 4), pool_type="max"), act_type=activation)
    after = nd.Pooling(nd.Activation(x, act_type=activation), kernel=(2, 4), stride=(2, 4), pool_type="max")
    np.testing.assert_allclose(before.asnumpy(), after.asnumpy(), rtol=1e-6)


@pytest.mark.parametrize("name", model_names())
def test_the_corpus_mean_and_deviation_are_taken_out(name):
    net = made(name, SMALL[name])
    x = nd.random.normal(shape=(2, *SMALL[name]))
    expected = net(x)[0].asnumpy()
    net.standardize.set(-40.0, 20.0)
    np.testing.assert_allclose(net(x * 20 - 40)[0].asnumpy(), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (
            {"name": "alexnet", "classes": 10, "input_shape": (1, 96, 96)},
            "alexnet.*cifar10, ecapa_tdnn, m5, resnet18, resnet_v2, sincnet",
        ),
        ({"name": "cifar10", "classes": 1, "input_shape": (1, 96, 96)}, "two classes"),
        ({"name": "cifar10", "classes": 10, "input_shape": (1, 15, 96)}, "16 bands"),
        ({"name": "resnet_v2", "classes": 10, "input_shape": (3, 96, 96)}, r"\(3, 96, 96\)"),
        ({"name": "cifar10", "classes": 10, "input_shape": (1, 1, 32000)}, r"\(1, 1, 32000\).*n_mels.*cifar10 takes"),
        ({"name": "m5", "classes": 10, "input_shape": (1, 96, 1366)}, r"\(1, 96, 1366\).*\(1, 1, samples\).*m5 takes"),
        ({"name": "m5", "classes": 10, "input_shape": (1, 1, 79)}, r"\(1, 1, 79\).*80 samples or more"),
        ({"name": "m5", "classes": 10, "input_shape": (1, 32000)}, r"\(1, 32000\)"),
        ({"name": "sincnet", "classes": 10, "input_shape": (1, 1, 399)}, r"\(1, 1, 399\).*400 samples or more"),
        ({"name": "ecapa_tdnn", "classes": 10, "input_shape": (1, 1, 32000)}, r"n_mels, frames.*ecapa_tdnn takes"),
        ({"name": "resnet18", "classes": 10}, r"give input_shape.*resnet18: \(1, n_mels, frames\)"),
        ({"name": "m5", "classes": 10, "input_shape": (1, 1, 80), "head": "cosine"}, "m5 has no head 'cosine'.*dense"),
        ({"name": "sincnet", "classes": 10, "input_shape": (1, 1, 400), "head": "arc"}, "no head 'arc'.*cosine, dense"),
    ],
)
def test_what_makes_no_network_is_refused(arguments, match):
    with pytest.raises(ModelError, match=match):
        get_model(**arguments)

"""Tests of the transfer of parameters: all of them, all but the head, or an error that names the difference."""

import json

import numpy as np
import pytest

from mxnet_audio import model_store
from mxnet_audio.engine import mx, nd
from mxnet_audio.errors import ModelError
from mxnet_audio.models import get_model, read_pretrained, transfer

SHAPE = (1, 20, 32)
SAMPLES = (1, 1, 1600)  # for sincnet


def parameters(net):
    nd.waitall()
    return {name: p.data().asnumpy() for name, p in net._collect_params_with_prefix().items()}


def store(directory, name="resnet_v2", classes=3, shape=SHAPE, head=None, **others):
    """Store a network as a classifier does."""
    net = get_model(name, classes=classes, input_shape=shape, head=head)
    net.initialize(mx.init.Xavier())
    net(nd.zeros((1, *shape)))
    net.standardize.set(-30.0, 15.0)
    description = {"name": name, "classes": classes, "input_shape": list(shape)} | others
    model_store.save_state(directory, name, {"network": description}, {"last": parameters(net)})
    return net


@pytest.mark.parametrize("head", ["cosine", "dense"])
def test_all_parameters_are_transferred_if_head_and_classes_are_the_same(head, tmp_path):
    trained = store(tmp_path, "sincnet", shape=SAMPLES, head=head)
    net = get_model("sincnet", classes=3, head=head, pretrained=tmp_path)
    assert net.input_shape == SAMPLES
    x = nd.random.normal(shape=(2, *SAMPLES))
    for want, got in zip(trained(x), net(x)):
        np.testing.assert_array_equal(got.asnumpy(), want.asnumpy())


@pytest.mark.parametrize("others", [{"classes": 5}, {"classes": 3, "head": "dense"}])
def test_another_head_is_initialized_and_the_rest_is_transferred(others, tmp_path):
    trained = store(tmp_path, "sincnet", shape=SAMPLES, head="cosine")
    net = get_model("sincnet", pretrained=tmp_path, **others)
    x = nd.random.normal(shape=(2, *SAMPLES))
    np.testing.assert_array_equal(net(x)[1].asnumpy(), trained(x)[1].asnumpy())
    assert net(x)[0].shape == (2, others["classes"])


def test_another_input_shape_is_accepted_where_parameters_do_not_depend_on_it(tmp_path):
    store(tmp_path, "sincnet", shape=SAMPLES)
    net = get_model("sincnet", classes=3, input_shape=(1, 1, 2400), pretrained=tmp_path)
    assert net(nd.zeros((1, 1, 1, 2400)))[0].shape == (1, 3)
    store(tmp_path, "cifar10", shape=(1, 96, 64))
    with pytest.raises(ModelError, match=r"encoder\.\d+\.weight.*\(1, 96, 64\)"):
        get_model("cifar10", classes=3, input_shape=(1, 200, 64), pretrained=tmp_path)


def test_parameters_can_be_transferred_again_after_another_initialization(tmp_path):
    trained = store(tmp_path)
    net = get_model("resnet_v2", classes=3, pretrained=str(tmp_path))
    net.initialize(mx.init.Xavier(), force_reinit=True)
    assert transfer(net, read_pretrained("resnet_v2", tmp_path))
    want, got = parameters(trained), parameters(net)
    assert want.keys() == got.keys() and all((want[name] == got[name]).all() for name in want)
    other = get_model("resnet_v2", classes=4, pretrained=tmp_path)
    assert not transfer(other, read_pretrained("resnet_v2", tmp_path))


def test_what_cannot_be_transferred_is_named(tmp_path):
    trained = store(tmp_path)
    with pytest.raises(ModelError, match=r"cifar10.*resnet_v2"):
        get_model("cifar10", classes=3, pretrained=tmp_path)
    tensors = parameters(trained)
    tensors["encoder.9.extra"] = tensors.pop("encoder.0.weight")
    description = {"network": {"name": "resnet_v2", "input_shape": list(SHAPE)}}
    model_store.save_state(tmp_path, "resnet_v2", description, {"last": tensors})
    with pytest.raises(ModelError, match=r"encoder\.0\.weight"):
        get_model("resnet_v2", classes=3, pretrained=tmp_path)
    for network, match in (({"name": "m5", "input_shape": [1, 1, 80]}, "m5.*resnet_v2"), ({}, "'name'")):
        manifest = json.loads((tmp_path / "resnet_v2.json").read_text()) | {"network": network}
        (tmp_path / "resnet_v2.json").write_text(json.dumps(manifest))
        with pytest.raises(ModelError, match=match):
            get_model("resnet_v2", classes=3, pretrained=tmp_path)


def test_a_mismatch_leaves_the_network_unchanged(tmp_path):
    store(tmp_path, "cifar10", shape=(1, 96, 64))
    net = get_model("cifar10", classes=3, input_shape=(1, 200, 64))
    net.initialize()
    net(nd.zeros((1, 1, 200, 64)))
    before = parameters(net)
    with pytest.raises(ModelError, match="encoder"):
        transfer(net, read_pretrained("cifar10", tmp_path))
    after = parameters(net)
    assert all((before[name] == after[name]).all() for name in before)

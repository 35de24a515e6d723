"""Adapters of low rank: no effect at first, few trained parameters, and merged weights."""

import numpy as np
import pytest

from mxnet_audio.engine import autograd, gluon, mx, nd
from mxnet_audio.errors import ParameterError
from mxnet_audio.models import get_model
from mxnet_audio.nn.freezing import batch_norms, freeze, frozen
from mxnet_audio.nn.lora import LoraDense, add_lora, merge_lora
from mxnet_audio.nn.transformer import TransformerLayer


class Tower(gluon.nn.HybridBlock):
    """Two transformer layers and a head."""

    def __init__(self):
        super().__init__()
        with self.name_scope():
            self.body = gluon.nn.HybridSequential()
            for _ in range(2):
                self.body.add(TransformerLayer(units=8, heads=2, hidden_units=12))
            self.head = gluon.nn.Dense(3, in_units=8, flatten=False)

    def hybrid_forward(self, F, x):
        return self.head(self.body(x))


@pytest.fixture
def net():
    mx.random.seed(0)
    net = Tower()
    net.initialize(mx.init.Xavier())
    return net


@pytest.fixture
def x():
    return nd.array(np.random.default_rng(0).normal(size=(2, 5, 8)))


def values(net):
    return {name: p.data().asnumpy() for name, p in net._collect_params_with_prefix().items()}


def train(net, x, steps=3):
    parameters = [p for p in net.collect_params().values() if p.grad_req != "null"]
    trainer = gluon.Trainer(parameters, "adam", {"learning_rate": 0.05}, kvstore=None)
    for _ in range(steps):
        with autograd.record():
            loss = (net(x) - 1).square().mean()
        loss.backward()
        trainer.step(1)


@pytest.mark.parametrize("hybridized", [False, True])
def test_adapters_have_no_effect_at_first_learn_and_merge(net, x, hybridized):
    if hybridized:
        net.hybridize(static_alloc=True)
    expected, before = net(x).asnumpy(), values(net)
    assert add_lora(net, rank=2, dropout=0.1) == [f"body.{n}.attention.{p}" for n in (0, 1) for p in ("query", "value")]
    np.testing.assert_array_equal(net(x).asnumpy(), expected)
    assert [name for name in values(net) if name in before] == list(before)

    train(net, x)
    after = values(net)
    changed = {name for name, value in after.items() if not np.array_equal(value, before.get(name, np.nan))}
    assert changed == {name for name in after if name.startswith("head.") or ".lora_" in name}
    assert all(np.abs(after[name]).max() > 0 for name in changed)

    adapted = net(x).asnumpy()
    assert np.abs(adapted - expected).max() > 1e-2
    merge_lora(net)
    np.testing.assert_allclose(net(x).asnumpy(), adapted, atol=1e-5)
    assert list(values(net)) == list(before)
    assert type(net.body[0].attention.query) is gluon.nn.Dense


def test_adapters_reload_by_name(net, x):
    add_lora(net, targets=["attention.key", "ffn1"], rank=3)
    assert net.body[1].ffn1.lora_a.shape == (3, 8) and net.body[1].ffn1.lora_b.shape == (12, 3)
    train(net, x)
    other = Tower()
    other.initialize(mx.init.Xavier())
    add_lora(other, targets=["attention.key", "ffn1"], rank=3)
    for name, parameter in other._collect_params_with_prefix().items():
        parameter.set_data(nd.array(values(net)[name]))
    np.testing.assert_array_equal(other(x).asnumpy(), net(x).asnumpy())


def test_adapters_of_networks_without_parameters_yet(net, x):
    deferred = gluon.nn.HybridSequential()
    deferred.add(gluon.nn.Dense(4, activation="relu", use_bias=False), gluon.nn.Dense(2))
    assert add_lora(deferred, rank=2, targets=["0"]) == ["0"]
    deferred.initialize()
    assert deferred(x).shape == (2, 2) and deferred[0].lora_a.shape == (2, 40)
    assert deferred(x).asnumpy().any()


def test_dropout_acts_in_training_only(x):
    base = gluon.nn.Dense(4, in_units=8, flatten=False)
    layer = LoraDense(base, rank=2, dropout=0.5)
    layer.initialize(mx.init.One())
    layer.lora_b.set_data(nd.ones(layer.lora_b.shape))
    np.testing.assert_array_equal(layer(x).asnumpy(), layer(x).asnumpy())
    with autograd.train_mode():
        assert (layer(x).asnumpy() != layer(x).asnumpy()).any()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"rank": 0}, "rank"),
        ({"rank": 9}, "rank must be at most 8"),
        ({"rank": 1.5}, "rank"),
        ({"alpha": 0}, "alpha"),
        ({"alpha": float("nan")}, "alpha"),
        ({"dropout": 1}, "dropout"),
        ({"dropout": -0.1}, "dropout"),
        ({"targets": ["quer"]}, "query, key, value, output, ffn1, ffn2"),
        ({"targets": ["head"]}, "query, key"),
        ({"targets": "query"}, "targets"),
        ({"targets": []}, "targets"),
        ({"targets": None}, "targets"),
    ],
)
def test_bad_arguments_are_refused_and_change_nothing(net, options, named):
    with pytest.raises(ParameterError, match=named):
        add_lora(net, **options)
    assert not any("lora" in name or p.grad_req == "null" for name, p in net._collect_params_with_prefix().items())


def test_adapters_are_added_once_and_merged_once(net):
    add_lora(net)
    with pytest.raises(ParameterError, match="merge"):
        add_lora(net)
    merge_lora(net)
    with pytest.raises(ParameterError, match="none to merge"):
        merge_lora(net)
    with pytest.raises(ParameterError, match="none"):
        add_lora(gluon.nn.HybridSequential())


@pytest.fixture
def convolutions():
    net = get_model("cifar10", classes=2, input_shape=(1, 16, 16))
    net.initialize(mx.init.Xavier())
    net(nd.zeros((1, 1, 16, 16)))
    net.hybridize()
    return net


def test_frozen_norms_keep_their_statistics(convolutions):
    net, x = convolutions, nd.random.normal(3, 2, (4, 1, 16, 16))
    names = [name for name in values(net) if name.startswith("encoder.")]
    statistics = [name for name in names if "running" in name]
    before = values(net)

    def changed():
        with autograd.record():
            scores, _ = net(x)
        scores.backward()
        after = values(net)
        return [name for name in statistics if not np.array_equal(after[name], before[name])]

    with frozen(net, names):
        assert changed() == []
        norm, maps = batch_norms(net)[0], nd.random.normal(3, 2, (4, 32, 16, 16))
        with autograd.train_mode():
            trained = norm(maps).asnumpy()
        np.testing.assert_array_equal(trained, norm(maps).asnumpy())
        assert batch_norms(net, trained=True) == []
    assert changed() == statistics
    assert all(
        p.grad_req == "write" for name, p in net._collect_params_with_prefix().items() if name.endswith("weight")
    )


def test_no_gradients_of_frozen_parameters_are_kept(convolutions):
    first = next(name for name in values(convolutions) if name.endswith("weight"))
    freeze(convolutions, [first])
    with pytest.raises(RuntimeError, match="grad"):
        convolutions._collect_params_with_prefix()[first].grad()

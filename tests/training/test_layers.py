"""Layers that are frozen by number or by name."""

import pytest

from mxnet_audio.errors import ParameterError
from mxnet_audio.models import get_model
from mxnet_audio.nn.lora import add_lora
from mxnet_audio.training import frozen_names
from mxnet_audio.training.layer_rates import set_layer_rates


def test_layers_are_frozen_by_number_with_all_before_them(tiny_net):
    net = tiny_net("weighted:mean")
    names = list(net._collect_params_with_prefix())
    for count in range(4):
        frozen = frozen_names(net, count)
        first_trained = next(name for name in names if name not in frozen)
        assert first_trained.startswith(f"body.layers.{count}." if count < 3 else "layer_sum.")
        assert frozen == names[: len(frozen)]
    assert any(name.startswith("body.extractor.") for name in frozen_names(net, 0))


def test_layers_are_frozen_by_name(tiny_net):
    net = tiny_net()
    assert frozen_names(net, ()) == []
    assert {name.split(".")[2] for name in frozen_names(net, ["body.layers.1", "body.layers.2"])} == {"1", "2"}
    (one,) = frozen_names(net, ["body.projection.weight"])
    assert one == "body.projection.weight"
    assert frozen_names(net) == frozen_names(net, ["body.extractor"]) != []


def test_frozen_networks_train_their_new_parts(tiny_net):
    net = tiny_net("weighted:mean")
    names = set(net._collect_params_with_prefix())
    assert {name.split(".")[0] for name in names - set(frozen_names(net, trainable=False))} == {"head", "layer_sum"}
    add_lora(net, rank=2)
    added = set(net._collect_params_with_prefix()) - names
    assert len(added) == 12 and not added & set(frozen_names(net, trainable=False))


@pytest.mark.parametrize("freeze", [4, -1, 1.5, True, "body.layers", ["layers.0"], ["head"], [3], ["body.layer"]])
def test_bad_choices_are_refused(tiny_net, freeze):
    with pytest.raises(ParameterError, match="freeze"):
        frozen_names(tiny_net(), freeze)


def test_contradictions_are_refused(tiny_net):
    with pytest.raises(ParameterError, match="None"):
        frozen_names(tiny_net(), 1, trainable=False)
    with pytest.raises(ParameterError, match="no numbers"):
        frozen_names(get_model("ge2e_lstm", 2), 1)


def test_new_parts_have_the_full_rate(tiny_net):
    net = tiny_net("weighted:mean")
    add_lora(net, rank=2)
    set_layer_rates(net, 0.1, 0.5)
    rates = {name: parameter.lr_mult for name, parameter in net._collect_params_with_prefix().items()}
    assert {rate for name, rate in rates.items() if "lora" in name or name.startswith(("head", "layer_sum"))} == {1.0}
    assert rates["body.layers.2.ffn1.weight"] == 0.1 and rates["body.layers.1.attention.query.weight"] == 0.05
    assert rates["body.projection.weight"] < 0.02

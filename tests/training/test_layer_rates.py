"""Learning rates by layer of networks with and without numbered parts."""

import pytest

from mxnet_audio.models import get_model
from mxnet_audio.training.layer_rates import set_layer_rates


@pytest.mark.parametrize("name", ["cifar10", "yamnet", "musicnn", "ge2e_lstm"])
def test_rates_rise_toward_the_head(name):
    net = get_model(name, classes=3, input_shape=(1, 32, 32) if name == "cifar10" else None)
    set_layer_rates(net, 0.5, 0.9)
    rates = {parameter: value.lr_mult for parameter, value in net._collect_params_with_prefix().items()}
    body = [rate for parameter, rate in rates.items() if not parameter.startswith("head.")]
    assert {rate for parameter, rate in rates.items() if parameter.startswith("head.")} == {1.0}
    assert body == sorted(body) and body[-1] == 0.5 and body[0] < 0.5
    set_layer_rates(net, 1.0, 1.0)
    assert {parameter.lr_mult for parameter in net.collect_params().values()} == {1.0}

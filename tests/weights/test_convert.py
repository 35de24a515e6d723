"""Layouts of parameters, and tensors that are missing, left over or of another shape."""

import numpy as np
import pytest

from mxnet_audio import weights
from mxnet_audio.errors import ModelError
from mxnet_audio.weights.convert import convert
from mxnet_audio.weights.layouts.patches import _LAYOUTS

# Parameters of each network (running means and variances included), as published.
NUMBERS = {
    "yamnet": 3_729_481,
    "musicnn": 792_079,
    "musicnn_vgg": 607_030,
    "musicnn_vgg_mtt": 607_030,
    "ge2e_lstm": 1_423_616,
}


@pytest.fixture
def fake():
    """Function that makes the published tensors of a network, filled with random numbers."""

    def make(network):
        rng = np.random.default_rng(0)
        sources = _LAYOUTS[network].sources.values()
        return {source.name: rng.normal(size=source.shape).astype(np.float32) for source in sources}

    return make


@pytest.mark.parametrize("network", NUMBERS)
def test_every_number_is_used_once(fake, network):
    tensors = fake(network)
    parameters, ignored = convert(network, tensors)
    assert sum(value.size for value in parameters.values()) == NUMBERS[network] and ignored == []
    assert all(value.dtype == np.float32 and value.flags.c_contiguous for value in parameters.values())
    published = np.sort(np.concatenate([value.ravel() for value in tensors.values()]))
    np.testing.assert_array_equal(np.sort(np.concatenate([value.ravel() for value in parameters.values()])), published)


def test_layout_of_yamnet(fake):
    tensors = fake("yamnet")
    first, layer = "tower0/network/layer", "tower0/network/layer4/sepconv"
    depthwise = f"{layer}/BatchNorm/FusedBatchNormV3;{layer}/depthwise"
    tensors[f"{depthwise};tower0/network/layer24/sepconv/depthwise"] = tensors.pop(depthwise)  # merged with another
    parameters, _ = convert("yamnet", tensors | {"stft/hann_window": np.ones(400, np.float32)})
    # Ours is (out, in, bands, time); theirs (out, time, bands, in) and (1, time, bands, channels).
    assert parameters["body.stem.weight"][5, 0, 2, 1] == tensors[f"{first}1/conv/Conv2D"][5, 1, 2, 0]
    theirs = tensors[f"{depthwise};tower0/network/layer24/sepconv/depthwise"]
    assert parameters["body.blocks.1.depthwise.weight"].shape == (64, 1, 3, 3)
    assert parameters["body.blocks.1.depthwise.weight"][7, 0, 2, 1] == theirs[0, 1, 2, 7]
    assert parameters["body.blocks.12.pointwise.weight"][9, 4, 0, 0] == tensors[f"{first}27/conv/Conv2D"][9, 0, 0, 4]
    np.testing.assert_array_equal(parameters["head.weight"], tensors[f"{first}29/fc/MatMul"])


def test_layout_of_musicnn(fake):
    tensors = fake("musicnn")
    unused = {"beta1_power": np.ones(()), "conv2d/kernel/Adam_1": np.ones(3)}
    parameters, ignored = convert("musicnn", tensors | unused)
    assert ignored == sorted(unused)
    assert parameters["body.timbral.1.conv.weight"].shape == (204, 1, 67, 7)
    assert parameters["body.timbral.1.conv.weight"][3, 0, 60, 2] == tensors["conv2d_1/kernel"][2, 60, 0, 3]
    assert parameters["body.temporal.0.conv.weight"].shape == (51, 1, 1, 128)
    assert parameters["body.temporal.0.conv.weight"][3, 0, 0, 100] == tensors["conv2d_2/kernel"][100, 0, 0, 3]
    assert parameters["body.middle.0.conv.weight"].shape == (64, 561, 1, 7)
    assert parameters["body.middle.0.conv.weight"][3, 500, 0, 2] == tensors["conv2d_5/kernel"][2, 500, 0, 3]
    np.testing.assert_array_equal(
        parameters["body.middle.2.norm.running_var"], tensors["batch_normalization_8/moving_variance"]
    )
    np.testing.assert_array_equal(parameters["head.weight"], tensors["dense_1/kernel"].T)


def test_layout_of_musicnn_vgg(fake):
    tensors = fake("musicnn_vgg")
    parameters, _ = convert("musicnn_vgg", tensors)
    assert parameters["body.layers.2.conv.weight"][3, 7, 2, 1] == tensors["3CNN/kernel"][1, 2, 7, 3]
    image = np.random.default_rng(1).normal(size=(2, 1, 128))  # (time, bands, channels)
    ours = parameters["head.weight"] @ image.transpose(2, 1, 0).ravel()
    np.testing.assert_allclose(ours, image.ravel() @ tensors["dense/kernel"], rtol=1e-5)


def test_layout_of_ge2e_lstm(fake):
    tensors = fake("ge2e_lstm")
    unused = {"model_state/similarity_bias": np.ones(1), "optimizer_state/state/1/exp_avg": np.ones(2)}
    parameters, ignored = convert("ge2e_lstm", tensors | unused)
    assert ignored == sorted(unused)
    np.testing.assert_array_equal(parameters["body.lstm.l0_i2h_weight"], tensors["model_state/lstm.weight_ih_l0"])
    np.testing.assert_array_equal(parameters["body.lstm.l2_h2h_bias"], tensors["model_state/lstm.bias_hh_l2"])
    np.testing.assert_array_equal(parameters["body.linear.weight"], tensors["model_state/linear.weight"])


@pytest.mark.parametrize("network", NUMBERS)
def test_first_wrong_tensor_is_named(fake, network):
    tensors = fake(network)
    first, last = next(iter(tensors)), list(tensors)[-1]
    with pytest.raises(ModelError, match=network) as missing:
        convert(network, {})
    assert repr(first) in str(missing.value) and "missing" in str(missing.value)
    with pytest.raises(ModelError, match=network) as misshapen:
        convert(network, tensors | {last: tensors[last][..., :-1]})
    assert repr(last) in str(misshapen.value) and str(tensors[last].shape) in str(misshapen.value)
    name = {"yamnet": "tower0/network/layer30/x"}.get(network, "new_layer/kernel")
    with pytest.raises(ModelError, match=name):
        convert(network, tensors | {name: np.ones(1)})


def test_weights_of_another_network(fake):
    with pytest.raises(ModelError, match="'1CNN/kernel' is missing"):
        convert("musicnn_vgg", fake("musicnn"))
    with pytest.raises(ModelError, match="tower0/network/layer1/conv/Conv2D"):
        convert("yamnet", fake("ge2e_lstm"))


def test_every_network_of_the_registry_has_a_layout():
    for name in weights.names():
        described = weights.load(name, tensors=False)
        with pytest.raises(ModelError, match=r"the tensor '.*' is missing"):
            convert(described.record.network, {}, described.architecture)

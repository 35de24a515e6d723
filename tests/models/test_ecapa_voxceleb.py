"""Tests of ECAPA-TDNN as SpeechBrain published it, against the outputs of SpeechBrain."""

import numpy as np
import pytest

from mxnet_audio.engine import nd
from mxnet_audio.errors import ModelError, ParameterError
from mxnet_audio.models import EcapaVoxcelebNet
from mxnet_audio.weights.layouts.ecapa import convert
from tests.models.hub_reference import (
    REFERENCE,
    assert_close,
    batch,
    expected,
    gradients,
    published_tensors,
    set_parameters,
)

ARRAYS = expected("ecapa")
CHANNELS = {"full": 1024, "small": 64}


def published_net(name):
    parameters, _ = convert(published_tensors(ARRAYS, name), channels=CHANNELS[name])
    net = EcapaVoxcelebNet(0, (1, 80, 1001), channels=CHANNELS[name])
    set_parameters(net, parameters)
    return net


@pytest.fixture(scope="module")
def small():
    return published_net("small")


@pytest.mark.parametrize("name", ["small", pytest.param("full", marks=pytest.mark.slow)])
def test_voice_equals_the_published_one(name):
    net = published_net(name)
    x, _ = batch(REFERENCE.spectrum(name, 0))
    for hybridizes in (False, True):
        net.hybridize(hybridizes, static_alloc=hybridizes)
        scores, voice = net(x)
        assert_close(voice[0], ARRAYS[f"{name}/voice"])
        assert_close(scores[0], ARRAYS[f"{name}/voice"])


def test_blocks_equal_the_published_ones(small):
    x, _ = batch(REFERENCE.spectrum("small", 0))
    bands, frames = small.body.encoder[0], small.body.encoder[1]
    x = frames.first(bands(x))
    outputs = [x]
    for block in frames.blocks:
        outputs.append(block(outputs[-1]))
    outputs.append(frames(bands(batch(REFERENCE.spectrum("small", 0))[0])))
    for number, output in enumerate(outputs):
        assert_close(output[0, :, 0], ARRAYS[f"small/block_{number}"])


def test_gradients_equal_the_published_ones(small):
    x, _ = batch(REFERENCE.spectrum("small", 0))
    names = {
        "blocks.0.conv.conv.bias": "body.encoder.1.first.0.bias",
        "blocks.2.res2net_block.blocks.3.conv.conv.weight": "body.encoder.1.blocks.1.body.1.layers.3.0.weight",
        "asp_bn.norm.weight": "body.encoder.3.gamma",
    }
    by_input, by_parameters = gradients(small, x, REFERENCE.seeded("small/probe", (192,)), names.values(), output=1)
    assert_close(by_input, ARRAYS["small/gradient.input"])
    for published, gradient in zip(names, by_parameters):
        wanted = ARRAYS[f"small/gradient.{published}"]
        assert_close(gradient, wanted.reshape(gradient.shape))


def test_louder_sound_has_the_same_voice(small):
    x, _ = batch(REFERENCE.spectrum("small", 0))  # decibels: the mean is subtracted
    assert_close(small(x + 20)[1], small(x)[1].asnumpy())


def test_inputs_of_one_length(small):
    x = nd.array(np.random.default_rng(0).standard_normal((3, 1, 80, 20)))
    together = small(x)[1].asnumpy()
    for number in range(3):
        assert_close(small(x[number : number + 1])[1][0], together[number])


def test_description():
    assert EcapaVoxcelebNet.features.type == "speechbrain"
    assert not EcapaVoxcelebNet.pads
    assert EcapaVoxcelebNet.longest_input(None) == (1, 80, EcapaVoxcelebNet.features.frames_in(10)) == (1, 80, 1001)
    assert EcapaVoxcelebNet.fits((1, 80, 5)) and not EcapaVoxcelebNet.fits((1, 80, 4))
    with pytest.raises(ParameterError, match="frames"):
        published_net("small")(nd.zeros((1, 1, 80, 4)))


@pytest.mark.parametrize("channels", [0, 7, 96, 64.5])
def test_wrong_channels(channels):
    with pytest.raises(ParameterError, match="channels"):
        EcapaVoxcelebNet(0, (1, 80, 100), channels=channels)


def test_wrong_tensors_are_named():
    tensors = published_tensors(ARRAYS, "small")
    _, ignored = convert(tensors, channels=64)
    assert "asp.conv.conv.bias" in ignored and "mfa.norm.norm.num_batches_tracked" in ignored
    with pytest.raises(ModelError, match=r"blocks.0.conv.conv.weight.*\(1024, 80, 5\)"):
        convert(tensors)
    with pytest.raises(ModelError, match=r"fc\.conv\.bias.*missing"):
        convert({name: value for name, value in tensors.items() if name != "fc.conv.bias"}, channels=64)
    with pytest.raises(ModelError, match=r"classifier\.weight"):
        convert(tensors | {"classifier.weight": np.zeros(3)}, channels=64)

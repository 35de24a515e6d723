"""Tests of PANNs against the outputs of the published networks."""

import numpy as np
import pytest

from mxnet_audio.engine import nd
from mxnet_audio.errors import ModelError, ParameterError
from mxnet_audio.models import NETWORKS
from mxnet_audio.weights.layouts.panns import convert
from mxnet_audio.weights.tags import AUDIOSET
from tests.models.hub_reference import (
    REFERENCE,
    assert_close,
    batch,
    expected,
    gradients,
    published_tensors,
    set_parameters,
)

ALL = ("cnn6", "cnn10", "mobilenetv1", pytest.param("cnn14", marks=pytest.mark.slow))
FIRST_KERNEL = {"mobilenetv1": ("features.0.0.weight", "body.blocks.0.convolution.weight")}
ARRAYS = expected("panns")


def published_net(name, **kwargs):
    tensors = published_tensors(ARRAYS, name)
    parameters, _ = convert(tensors, None, f"panns_{name}")
    net = NETWORKS[f"panns_{name}"](527, (1, 64, 1001), head="tags", **kwargs)
    set_parameters(net, parameters)
    return net


@pytest.fixture(scope="module", params=ALL)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def net(name):
    return published_net(name)


@pytest.fixture(scope="module")
def cnn6():
    return published_net("cnn6")


@pytest.fixture(scope="module")
def cnn6_tensors():
    """Published weights of the smallest network; tests must not change them."""
    return published_tensors(ARRAYS, "cnn6")


def test_outputs_equal_the_published_ones(net, name):
    x, lengths = batch(*(REFERENCE.spectrum(name, number) for number in (0, 1)))
    for hybridizes in (False, True):
        net.hybridize(hybridizes, static_alloc=hybridizes)
        logits, embedding = net(x, lengths)
        assert_close(logits, ARRAYS[f"{name}/logits"])
        assert_close(embedding, ARRAYS[f"{name}/embedding"])
    for number in (0, 1):  # alone, without lengths
        logits, embedding = net(x[number : number + 1, :, :, : int(lengths[number].asscalar())])
        assert_close(logits[0], ARRAYS[f"{name}/logits"][number])


def test_blocks_equal_the_published_ones(net, name):
    body = net.body
    x, _ = batch(REFERENCE.spectrum(name, 0))
    x = body.input_norm(x.swapaxes(1, 2)).swapaxes(1, 2)
    within = nd.ones((1, 1, 1, 67))
    for number, block in enumerate(body.blocks):
        x, within = block(x, within)
        assert_close(x.mean(axis=(2, 3))[0], ARRAYS[f"{name}/block_{number}"][0])
    assert x.shape[3] == within.shape[3] == 67 >> net.pools


def test_gradients_equal_the_published_ones(net, name):
    theirs, ours = FIRST_KERNEL.get(name, ("conv_block1.conv1.weight", "body.blocks.0.convolutions.0.weight"))
    names = {"bn0.weight": "body.input_norm.gamma", theirs: ours, "fc1.bias": "body.dense.bias"}
    x, _ = batch(REFERENCE.spectrum(name, 0))
    probe = REFERENCE.seeded(f"{name}/probe", (1, 527))
    by_input, by_parameters = gradients(net, x, probe, names.values(), output=0)
    assert_close(by_input, ARRAYS[f"{name}/gradient.input"])
    for published, gradient in zip(names, by_parameters):
        wanted = ARRAYS[f"{name}/gradient.{published}"]
        assert_close(gradient, wanted.swapaxes(2, 3) if wanted.ndim == 4 else wanted)


def test_frames_behind_the_end_have_no_effect(cnn6):
    x, lengths = batch(*(np.random.default_rng(n).standard_normal((n, 64)).astype(np.float32) for n in (16, 49, 64)))
    together = cnn6(x, lengths)[0].asnumpy()
    for number, length in enumerate((16, 49, 64)):
        assert_close(cnn6(x[number : number + 1, :, :, :length])[0][0], together[number])


def test_one_vector_for_a_sound(cnn6):
    x, lengths = batch(REFERENCE.spectrum("cnn6", 0))
    steps, sequence = cnn6.sequences(x, lengths)
    assert steps.asnumpy() == [1] and sequence.shape == (1, 1, 512)
    assert cnn6.embedding == "embedding" and cnn6.step is None


@pytest.mark.parametrize("network_name", ["panns_cnn14", "panns_cnn10", "panns_cnn6", "panns_mobilenetv1"])
def test_description_of_network(network_name):
    network = NETWORKS[network_name]
    assert network.features.type == "panns"
    assert network.longest_input(None) == (1, 64, network.features.frames_in(10)) == (1, 64, 1001)
    assert network.min_input == 2**network.pools
    assert network.fits((1, 64, network.min_input)) and not network.fits((1, 64, network.min_input - 1))
    assert not network.fits((1, 63, 100))


def test_another_embedding_is_refused():
    with pytest.raises(ParameterError, match="embedding"):
        NETWORKS["panns_cnn6"](0, (1, 64, 100), embedding="mean")


def test_heads():
    dense = {"head.weight", "head.bias"}
    mlp = {f"head.{layer}.{kind}" for layer in (0, 1) for kind in ("weight", "bias")}
    for head, names in (("dense", dense), ("mlp", mlp)):
        net = NETWORKS["panns_cnn6"](3, (1, 64, 100), head=head)
        assert {name for name in net._collect_params_with_prefix() if name.startswith("head")} == names
    assert NETWORKS["panns_cnn6"](0, (1, 64, 100)).head is None


def test_ignored_tensors_are_listed(cnn6_tensors):
    front_end = dict.fromkeys(("spectrogram_extractor.stft.conv_real.weight", "logmel_extractor.melW"), np.zeros(3))
    checkpoint = {f"model/{name}": tensor for name, tensor in (cnn6_tensors | front_end).items()}
    checkpoint["sampler/indexes"] = np.zeros(2)
    parameters, ignored = convert(checkpoint, None, "panns_cnn6")
    assert set(front_end) | {"sampler/indexes", "bn0.num_batches_tracked"} <= set(ignored)
    assert parameters.keys() == convert(cnn6_tensors, None, "panns_cnn6")[0].keys()


def test_wrong_tensors_are_named(cnn6_tensors):
    with pytest.raises(ModelError, match=r"features\.0\.0\.weight.*missing"):
        convert(cnn6_tensors, None, "panns_mobilenetv1")
    with pytest.raises(ModelError, match=r"fc1.weight.*\(512, 512\)"):
        convert(cnn6_tensors | {"fc1.weight": np.zeros((2048, 2048))}, None, "panns_cnn6")
    with pytest.raises(ModelError, match=r"extra\.weight"):
        convert(cnn6_tensors | {"extra.weight": np.zeros(3)}, None, "panns_cnn6")


def test_labels():
    assert len(AUDIOSET) == len(set(AUDIOSET)) == 527
    assert (AUDIOSET[0], AUDIOSET[74], AUDIOSET[526]) == ("Speech", "Dog", "Field recording")

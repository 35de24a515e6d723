"""Tests of the audio spectrogram transformer against the outputs of transformers."""

import numpy as np
import pytest

from mxnet_audio import weights
from mxnet_audio.engine import nd
from mxnet_audio.errors import ModelError, ParameterError
from mxnet_audio.models import AstNet, get_model
from mxnet_audio.weights.architecture import AstArchitecture, WhisperArchitecture, read_architecture
from mxnet_audio.weights.layouts.ast import convert
from tests.models.hub_folders import (
    HUB,
    assert_close,
    check_gradients,
    check_hidden_states,
    check_logits,
    classifier,
    converted,
    expected,
    inputs,
    network,
    published_config,
    published_tensors,
)

FOLDERS = ("ast", "ast_classifier")
BANDS, FRAMES = 2, 5  # patches along both axes: ((32 - 16) // 10 + 1, (64 - 16) // 10 + 1)


@pytest.mark.parametrize("folder", FOLDERS)
def test_hidden_states_equal_the_published_ones(folder):
    check_hidden_states(folder)


@pytest.mark.parametrize("folder", FOLDERS)
def test_gradients_equal_the_published_ones(folder):
    check_gradients(folder)


def test_logits_equal_the_published_ones():
    check_logits("ast_classifier")


def test_scores_of_a_sound_equal_those_of_the_pipeline():
    arrays = expected("ast_classifier")
    logits, _ = classifier("ast_classifier")(nd.array(arrays["sound_features"][None, None]))
    assert_close(nd.sigmoid(logits)[0], arrays["sound_scores"])


def test_embeddings():
    x, arrays = inputs("ast"), expected("ast")
    last = arrays["hidden_2"]
    assert last.shape[1] == 2 + BANDS * FRAMES
    assert_close(network("ast")(x)[1], arrays["pooled"])
    assert_close(network("ast", embedding="1:cls_pooled")(x)[1], arrays["hidden_1"][:, :2].mean(axis=1))
    for reduction in ("mean", "max", "sum"):
        assert_close(network("ast", embedding=reduction)(x)[1], getattr(last[:, 2:], reduction)(axis=1))
    assert_close(network("ast", embedding="last")(x)[1], last[:, -1])
    net = network("ast", classes=3, embedding="concat")
    assert_close(net(x)[1], last[:, 2:].reshape(2, -1))
    assert net.fixed_steps == BANDS * FRAMES
    assert_close(network("ast").sequences(x)[1], last)


def test_embedding_of_an_inner_layer():
    net = network("ast", embedding="1:mean")
    assert_close(net(inputs("ast"))[1], expected("ast")["hidden_1"][:, 2:].mean(axis=1))
    assert not any(name.startswith(("body.layers.1", "body.norm")) for name in net._collect_params_with_prefix())


def test_networks_from_loaded_weights():
    loaded = weights.load("ast", HUB / "ast_classifier")
    assert_close(get_model("ast", pretrained=loaded)(inputs("ast_classifier"))[0], expected("ast_classifier")["logits"])
    for embedding in ("1:mean", "weighted:cls_pooled"):
        net = get_model("ast", 5, pretrained=loaded, embedding=embedding)
        assert (net.classes, net.head_name, net.embedding) == (5, "dense", embedding)


def test_window():
    assert AstNet.longest_input(None) == (1, 128, 1024) == (1, *AstNet.features.shape)
    net = network("ast")
    assert net.input_shape == (1, 32, 64)
    assert (net.window, net.dim, net.layers) == (0.64, 16, 2)


def test_inputs_of_another_shape_are_refused():
    net = network("ast")
    for shape in ((1, 1, 32, 63), (1, 1, 128, 64), (32, 64)):
        with pytest.raises(ParameterError, match="32, 64"):
            net(nd.zeros(shape))
    with pytest.raises(ParameterError, match="input_shape"):
        get_model("ast", 2, (1, 32, 64))
    with pytest.raises(ParameterError, match="AstArchitecture"):
        get_model("ast", 2, architecture=WhisperArchitecture())
    with pytest.raises(ParameterError, match="patch_size"):
        get_model("ast", 2, architecture=AstArchitecture(num_mel_bins=8))


def test_spellings():
    parameters, _ = converted("ast")
    prefixed = {f"audio_spectrogram_transformer.{name}": value for name, value in published_tensors("ast").items()}
    again, ignored = converted("ast", prefixed)
    assert not ignored
    assert again.keys() == parameters.keys()
    assert all((again[name] == parameters[name]).all() for name in parameters)


def test_wrong_tensors_are_named():
    tensors, config = published_tensors("ast"), published_config("ast")
    architecture = read_architecture(config)
    name = "encoder.layer.1.output.dense.bias"
    with pytest.raises(ModelError, match=rf"{name}.*missing"):
        convert({key: value for key, value in tensors.items() if key != name}, architecture)
    with pytest.raises(ModelError, match=rf"{name}.*\(16,\)"):
        convert(tensors | {name: np.zeros(8)}, architecture)
    with pytest.raises(ModelError, match=r"encoder.layer.2"):
        convert(tensors | {"encoder.layer.2.output.dense.bias": np.zeros(16)}, architecture)
    with pytest.raises(ModelError, match="classifier"):
        convert(tensors | {"classifier.dense.weight": np.zeros(())}, architecture)
    for key, value in (("max_length", 128), ("patch_size", 64), ("time_stride", 1)):
        with pytest.raises(ModelError, match=r"position_embeddings|projection|patch_size"):
            convert(tensors, read_architecture(config | {key: value}))
    with pytest.raises(ModelError, match="missing"):
        convert({}, architecture)

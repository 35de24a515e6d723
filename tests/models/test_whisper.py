"""Tests of Whisper's encoder against the outputs of transformers."""

import numpy as np
import pytest

from mxnet_audio import weights
from mxnet_audio.data.transforms import FrequencyMasking
from mxnet_audio.engine import autograd, gluon, nd
from mxnet_audio.errors import ModelError, ParameterError
from mxnet_audio.models import WhisperNet, get_model
from mxnet_audio.models.whisper import frames_of_sound
from mxnet_audio.weights.architecture import AstArchitecture, WhisperArchitecture, read_architecture
from mxnet_audio.weights.layouts.whisper import convert
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

FOLDERS = ("whisper", "whisper_128", "whisper_classifier")


@pytest.mark.parametrize("folder", FOLDERS)
def test_hidden_states_equal_the_published_ones(folder):
    check_hidden_states(folder)


@pytest.mark.parametrize("folder", FOLDERS)
def test_gradients_equal_the_published_ones(folder):
    check_gradients(folder)


def test_logits_equal_the_published_ones():
    check_logits("whisper_classifier")


def test_scores_of_a_sound_equal_those_of_the_pipeline():
    arrays = expected("whisper_classifier")
    logits, _ = classifier("whisper_classifier")(nd.array(arrays["sound_features"][None, None]), nd.array([60]))
    assert_close(nd.softmax(logits)[0], arrays["sound_scores"])


def test_learned_sum_of_the_layers():
    net, arrays = network("whisper_classifier", embedding="weighted:mean"), expected("whisper_classifier")
    states = np.stack([arrays[f"hidden_{layer}"] for layer in range(3)])
    shares = np.exp(published_tensors("whisper_classifier")["layer_weights"])
    wanted = np.tensordot(shares / shares.sum(), states, 1).mean(axis=1)
    assert_close(net(inputs("whisper_classifier"))[1], wanted)


def test_sum_of_the_layers_that_is_not_published_has_equal_shares():
    net, arrays = network("whisper", embedding="weighted:mean"), expected("whisper")
    wanted = np.mean([arrays[f"hidden_{layer}"].mean(axis=1) for layer in range(3)], axis=0)
    assert_close(net(inputs("whisper"))[1], wanted)


def test_networks_from_loaded_weights():
    loaded = weights.load("whisper", HUB / "whisper_classifier")
    assert_close(
        get_model("whisper", pretrained=loaded)(inputs("whisper_classifier"))[0],
        expected("whisper_classifier")["logits"],
    )
    net = get_model("whisper", 4, pretrained=loaded, embedding="1:max")
    assert (net.classes, net.head_name) == (4, "dense")
    assert_close(net(inputs("whisper_classifier"))[1], expected("whisper_classifier")["hidden_1"].max(axis=1))
    loaded = weights.load("whisper", HUB / "whisper")
    assert get_model("whisper", 4, pretrained=loaded, embedding="weighted:mean").layer == "weighted"


def test_embeddings_are_reduced_over_the_steps_of_the_sound():
    x, last = inputs("whisper"), expected("whisper")["hidden_2"]
    lengths, steps = nd.array([100, 7]), (50, 4)
    for reduction in ("mean", "max", "sum"):
        wanted = [getattr(sequence[:n], reduction)(axis=0) for sequence, n in zip(last, steps)]
        assert_close(network("whisper", embedding=reduction)(x, lengths)[1], np.stack(wanted))
    assert_close(network("whisper", embedding="last")(x, lengths)[1], np.stack([last[0, 49], last[1, 3]]))
    assert_close(network("whisper", embedding="cls_pooled")(x, lengths)[1], last[:, 0])
    joined = network("whisper", classes=2, embedding="concat")(x, lengths)[1].asnumpy().reshape(last.shape)
    assert_close(joined[0], last[0])
    assert_close(joined[1, :4], last[1, :4])
    assert not joined[1, 4:].any()
    np.testing.assert_array_equal(network("whisper").sequences(x, lengths)[0].asnumpy(), steps)


def test_silence_at_the_end_does_not_count_without_lengths():
    net, features = network("whisper"), expected("whisper_classifier")["sound_features"]
    x = nd.array(features[None, None])
    steps, sequence = net.sequences(x)
    assert 30 <= steps.asscalar() <= 31  # 60 frames of sound
    assert_close(net(x)[1][0], sequence.asnumpy()[0, : int(steps.asscalar())].mean(axis=0))


def test_masks_in_the_silence_at_the_end_do_not_count():
    features = expected("whisper_classifier")["sound_features"]
    wanted = frames_of_sound(nd.array(features[None, None])).asscalar()
    for seed in range(8):
        masked = FrequencyMasking(0.1, seed=seed)(features)
        masked[:, 70:90] = masked.mean()
        mixed = 0.7 * masked + 0.3 * FrequencyMasking(0.1, seed=seed + 8)(features)
        x = nd.array(np.stack([masked, mixed])[:, None])
        assert frames_of_sound(x).asnumpy().tolist() == [wanted, wanted]
    silent = nd.zeros((2, 1, 80, 100))
    assert frames_of_sound(silent).asnumpy().tolist() == [100, 100]


def test_embedding_of_an_inner_layer():
    net = network("whisper", embedding="1:mean")
    assert_close(net(inputs("whisper"))[1], expected("whisper")["hidden_1"].mean(axis=1))
    assert not any(name.startswith(("body.layers.1", "body.norm")) for name in net._collect_params_with_prefix())


def test_position_embeddings_are_constant():
    net, x = network("whisper", classes=2), inputs("whisper")
    before = {name: parameter.data().asnumpy() for name, parameter in net._collect_params_with_prefix().items()}
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 1})
    with autograd.record():
        loss = net(x)[0].sum()
    loss.backward()
    trainer.step(1)
    changed = {
        name for name, p in net._collect_params_with_prefix().items() if (p.data().asnumpy() != before[name]).any()
    }
    assert changed == before.keys() - {"body.positions"}


def test_new_position_embeddings_are_sinusoids():
    settings = WhisperArchitecture(d_model=6, encoder_attention_heads=2, max_source_positions=4, encoder_layers=1)
    net = WhisperNet(0, (1, 80, 8), architecture=settings)
    net.initialize()
    angles = np.arange(4)[:, None] * [1, 0.01, 0.0001]
    wanted = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
    np.testing.assert_allclose(net.body.positions.data().asnumpy(), wanted, atol=1e-6)


def test_window():
    assert WhisperNet.longest_input(None) == (1, 80, 3000) == (1, *WhisperNet.features.shape)
    net = network("whisper_128")
    assert net.input_shape == (1, 128, 100)
    assert (net.window, net.fixed_steps, net.dim, net.layers) == (1.0, 50, 16, 2)


def test_inputs_of_another_length_are_refused():
    net = network("whisper")
    for shape in ((1, 1, 80, 99), (1, 1, 128, 100), (1, 80, 100)):
        with pytest.raises(ParameterError, match="80, 100"):
            net(nd.zeros(shape))
    with pytest.raises(ParameterError, match="input_shape"):
        get_model("whisper", 2, (1, 80, 100))
    with pytest.raises(ParameterError, match="WhisperArchitecture"):
        get_model("whisper", 2, architecture=AstArchitecture())


def test_decoder_is_ignored():
    for folder, prefix in (("whisper", "decoder."), ("whisper_128", "model.decoder.")):
        tensors = published_tensors(folder)
        _, ignored = converted(folder)
        assert ignored == sorted(name for name in tensors if name.startswith(prefix))
        assert converted(folder, tensors | {"proj_out.weight": np.zeros((4, 16))})[1] == [*ignored, "proj_out.weight"]


def test_spellings():
    parameters, _ = converted("whisper")
    tensors = published_tensors("whisper")
    alone = {name.removeprefix("encoder."): value for name, value in tensors.items() if name.startswith("encoder.")}
    for prefix in ("", "encoder.", "model.encoder."):
        again, ignored = converted("whisper", {prefix + name: value for name, value in alone.items()})
        assert not ignored
        assert again.keys() == parameters.keys()
        assert all((again[name] == parameters[name]).all() for name in parameters)


def test_wrong_tensors_are_named():
    tensors, architecture = published_tensors("whisper"), read_architecture(published_config("whisper"))
    name = "encoder.layers.1.fc2.bias"
    with pytest.raises(ModelError, match=rf"{name}.*missing"):
        convert({key: value for key, value in tensors.items() if key != name}, architecture)
    with pytest.raises(ModelError, match=rf"{name}.*\(16,\)"):
        convert(tensors | {name: np.zeros(8)}, architecture)
    for extra in ("encoder.layers.2.fc2.bias", "encoder.layers.0.self_attn.k_proj.bias"):
        with pytest.raises(ModelError, match=extra):
            convert(tensors | {extra: np.zeros(16)}, architecture)
    for value in (np.zeros(()), np.zeros((3, 5)), np.zeros(3)):
        with pytest.raises(ModelError, match=r"projector|classifier"):
            convert(tensors | {"classifier.weight": value}, architecture)
    tensors, config = published_tensors("whisper_classifier"), published_config("whisper_classifier")
    del tensors["layer_weights"]
    with pytest.raises(ModelError, match=r"layer_weights.*missing"):
        convert(tensors, read_architecture(config))
    with pytest.raises(ModelError, match=r"conv1.*missing"):
        convert({}, WhisperArchitecture())

"""Tests of wav2vec 2.0, HuBERT and WavLM against the outputs of transformers."""

import numpy as np
import pytest

from mxnet_audio.engine import autograd, nd
from mxnet_audio.errors import ModelError, ParameterError
from mxnet_audio.models import Wav2Vec2Encoder, Wav2Vec2Net, get_model
from mxnet_audio.models.wav2vec2_conv import GroupNormConv, PositionalConv
from mxnet_audio.weights.architecture import Wav2Vec2Architecture, WhisperArchitecture, read_architecture
from mxnet_audio.weights.layouts.wav2vec2 import buckets, convert
from tests.models.hub_folders import (
    assert_close,
    classifier,
    converted,
    expected,
    network,
    published_config,
    published_tensors,
)

FOLDERS = ("wav2vec2", "wav2vec2_large", "wav2vec2_classifier", "hubert", "wavlm", "wavlm_large")
STEPS = (24, 16)
WEIGHT = "encoder.pos_conv_embed.conv.parametrizations.weight.original"


def inputs(folder):
    """Return the samples, and their numbers."""
    arrays = expected(folder)
    return nd.array(arrays["inputs"][:, None, None]), nd.array(arrays["lengths"])


def cut(state):
    """Return sequences with zeros behind their ends, as in the folders."""
    state = state.asnumpy()
    state[1, STEPS[1] :] = 0
    return state


@pytest.mark.parametrize("folder", FOLDERS)
def test_hidden_states_equal_the_published_ones_of_each_input_alone(folder):
    net, arrays, (x, lengths) = network(folder), expected(folder), inputs(folder)
    for _ in ("eager", "hybridized"):
        steps, states = net.hidden_states(x, lengths)
        np.testing.assert_array_equal(steps.asnumpy(), STEPS)
        assert len(states) == 3
        for layer, state in enumerate(states):
            assert_close(cut(state), arrays[f"hidden_{layer}"])
        steps, states = net.hidden_states(x[1:, :, :, :330])
        assert steps.asscalar() == STEPS[1]
        for layer, state in enumerate(states):
            assert_close(state[0], arrays[f"hidden_{layer}"][1, : STEPS[1]])
        net.hybridize()


@pytest.mark.parametrize("folder", ("wav2vec2_large", "wavlm_large"))
def test_hidden_states_equal_the_published_ones_of_a_padded_batch(folder):
    arrays, (x, lengths) = expected(folder), inputs(folder)
    for layer, state in enumerate(network(folder).hidden_states(x, lengths)[1]):
        assert_close(cut(state), np.stack([arrays[f"padded_hidden_{layer}"][0], cut_one(arrays, layer)]))


def cut_one(arrays, layer):
    state = arrays[f"padded_hidden_{layer}"][1].copy()
    state[STEPS[1] :] = 0
    return state


@pytest.mark.parametrize("folder", FOLDERS)
def test_sound_behind_the_end_does_not_count(folder):
    net, (x, lengths) = network(folder), inputs(folder)
    before = net(x, lengths.astype("int32"))[1].asnumpy()
    x[1, :, :, 330:] = 9
    assert_close(net(x, lengths)[1], before, 1e-5)


@pytest.mark.parametrize("folder", FOLDERS)
def test_gradients_equal_the_published_ones(folder):
    arrays, (x, lengths) = expected(folder), inputs(folder)
    has_logits = "logits" in arrays
    net = classifier(folder) if has_logits else network(folder)
    x.attach_grad()
    for _ in ("eager", "hybridized"):
        with autograd.record(train_mode=False):
            outputs = net(x, lengths)[0] if has_logits else net.sequences(x, lengths)[1]
            loss = (outputs * nd.array(arrays["probe"])).sum()
        loss.backward()
        assert_close(x.grad[:, 0, 0], arrays["gradient.inputs"])
        published = {name.removeprefix("gradient."): array for name, array in arrays.items() if "gradient." in name}
        del published["inputs"]
        ours = {name: value.grad().asnumpy() for name, value in net._collect_params_with_prefix().items()}
        for name, gradient in folded(folder, published, ours).items():
            assert_close(gradient, published[name])
        constants = {name: value for name, value in published_tensors(folder).items() if "running_" in name}
        renamed, _ = converted(folder, published | constants)
        for name, gradient in ours.items():
            if name.endswith("key.bias"):  # has no effect: rounding errors only
                assert_close(gradient, 0 * gradient, 1e-2)
            else:
                assert_close(gradient, renamed[name])
        net.hybridize()


def folded(folder, published, ours):
    """Take gradients that the conversion folds, and return them by their published names."""
    tensors, gradients = published_tensors(folder), {}
    prefix = next(name.partition("encoder.layer_norm")[0] for name in published if "encoder.layer_norm" in name)
    weight = ours.pop("body.positions.conv.weight")[:, :, 0]
    length, direction = prefix + WEIGHT + "0", prefix + WEIGHT + "1"
    if length in tensors:
        norm = np.sqrt(np.square(tensors[direction]).sum(axis=(0, 1), keepdims=True))
        unit = tensors[direction] / norm
        gradients[length] = (weight * unit).sum(axis=(0, 1), keepdims=True)
        gradients[direction] = tensors[length] / norm * (weight - unit * gradients[length])
    else:
        gradients["encoder.pos_conv_embed.conv.weight"] = weight
        scale, shift = (ours.pop(f"body.positions.{name}").ravel() for name in ("scale", "shift"))
        norm = "encoder.pos_conv_embed.batch_norm."
        deviation = np.sqrt(tensors[norm + "running_var"] + 1e-5)
        gradients[norm + "weight"] = (scale - shift * tensors[norm + "running_mean"]) / deviation
        gradients[norm + "bias"] = shift
    if "body.distances.weight" in ours:
        config, distances = published_config(folder), ours.pop("body.distances.weight")
        sums = np.zeros((config["num_buckets"], len(distances)))
        np.add.at(sums, buckets(config["num_buckets"], config["max_bucket_distance"]), distances.T)
        gradients["encoder.layers.0.attention.rel_attn_embed.weight"] = sums
    return gradients


def test_logits_equal_the_published_ones():
    arrays, (x, lengths) = expected("wav2vec2_classifier"), inputs("wav2vec2_classifier")
    for embedding in (None, "0:mean"):  # the published classifier does not depend on the embedding
        net = classifier("wav2vec2_classifier", embedding=embedding)
        assert_close(net(x, lengths)[0], arrays["logits"])
    net.hybridize()
    assert_close(net(x, lengths)[0], arrays["logits"])


def test_scores_of_a_sound_equal_those_of_the_pipeline():
    arrays = expected("wav2vec2_classifier")
    logits, _ = classifier("wav2vec2_classifier")(nd.array(arrays["sound_features"][None, None, None]))
    assert_close(nd.softmax(logits)[0], arrays["sound_scores"])


def test_learned_sum_of_the_layers():
    folder = "wav2vec2_classifier"
    net, arrays = network(folder, embedding="weighted:sum"), expected(folder)
    shares = np.exp(published_tensors(folder)["layer_weights"])
    states = np.stack([arrays[f"hidden_{layer}"] for layer in range(3)])
    wanted = np.tensordot(shares / shares.sum(), states, 1).sum(axis=1)
    assert_close(net(*inputs(folder))[1], wanted)
    assert not converted("wav2vec2")[0]["layer_sum.weight"].any()  # equal shares


@pytest.mark.parametrize("folder", ("wav2vec2", "wav2vec2_large", "wavlm"))
def test_embedding_of_an_inner_layer(folder):
    for layer in (0, 1):
        net = network(folder, embedding=f"{layer}:sum")
        assert_close(net(*inputs(folder))[1], expected(folder)[f"hidden_{layer}"].sum(axis=1))
        names = net._collect_params_with_prefix()
        assert not any(name.startswith(f"body.layers.{layer}.") for name in names)
        assert ("body.norm.gamma" in names) == (folder != "wav2vec2_large")


def test_gradients_of_positions_in_few_groups():
    # Failed within oneDNN if the network was hybridized.
    settings = {"hidden_size": 16, "num_attention_heads": 2, "num_conv_pos_embeddings": 5, "conv_pos_batch_norm": True}
    block = PositionalConv(Wav2Vec2Architecture(**settings, num_conv_pos_embedding_groups=1))
    block.initialize()
    x, gradients = nd.random.normal(shape=(2, 9, 16)), []
    for _ in ("eager", "hybridized"):
        with autograd.record():
            block(x, nd.ones((2, 9, 1))).sum().backward()
        gradients.append(block.conv.weight.grad().asnumpy())
        block.hybridize()
    assert_close(gradients[1], gradients[0], 1e-5)


def test_dropout_in_training_only():
    net, (x, lengths) = network("wav2vec2"), inputs("wav2vec2")
    with autograd.record():
        trained = net(x, lengths)[1]
    with autograd.record(train_mode=False):
        wanted = net(x, lengths)[1]
    assert_close(net(x, lengths)[1], wanted.asnumpy(), 0)
    assert np.abs(trained.asnumpy() - wanted.asnumpy()).max() > 0.01


@pytest.mark.parametrize("kernel, stride", [(10, 5), (3, 1), (2, 4)])
def test_group_norm_of_long_sound(kernel, stride):
    seconds = np.arange(160_000) / 16_000
    rng = np.random.default_rng(0)
    sounds = np.stack([3 + np.sin(600 * seconds), rng.normal(0, 0.001, len(seconds)), np.zeros(len(seconds))])
    # Some channels are averages, which pass the sine, others differences, which leave a ten thousandth of it.
    weight = rng.normal(0, 1, (6, kernel))
    weight[3:] -= weight[3:].mean(axis=1, keepdims=True)
    gamma, beta = rng.normal(1, 0.2, 6), rng.normal(0, 1, 6)
    counts = np.array([(len(seconds) - kernel) // stride + 1, 20_000, 1])
    block = GroupNormConv(6, kernel, stride)
    block.initialize()
    for parameter, value in zip((block.weight, block.gamma, block.beta), (weight, gamma, beta)):
        parameter.set_data(nd.array(value))
    actual = block(nd.array(sounds[:, None, None]), nd.array(counts)).asnumpy()[:, :, 0]
    for number, (sound, count) in enumerate(zip(sounds.astype(np.float32), counts)):
        frames = np.lib.stride_tricks.sliding_window_view(sound.astype(np.float64), kernel)[::stride][:count]
        outputs = frames @ np.float32(weight).T
        outputs = (outputs - outputs.mean(axis=0)) / np.sqrt(outputs.var(axis=0) + 1e-5) * gamma + beta
        np.testing.assert_allclose(actual[number, :, :count], outputs.T, atol=1e-4)
        assert not actual[number, :, count:].any()


@pytest.mark.parametrize("folder", ("wav2vec2", "wavlm"))
def test_both_spellings_of_weight_norm(folder):
    names = {WEIGHT + "0": "encoder.pos_conv_embed.conv.weight_g", WEIGHT + "1": "encoder.pos_conv_embed.conv.weight_v"}
    parameters, ignored = converted(folder)
    tensors = published_tensors(folder).items()
    for new, old in names.items():
        tensors = {name.replace(new, old): value for name, value in dict(tensors).items()}
    again, ignored_again = converted(folder, tensors)
    assert ignored_again == ignored
    assert again.keys() == parameters.keys()
    assert all((again[name] == parameters[name]).all() for name in parameters)


def test_buckets_of_distances():
    # transformers' WavLMAttention._relative_positions_bucket
    numbers = buckets(320, 800)
    assert len(numbers) == 1601
    distances = np.array([-800, -500, -81, -80, -79, -1, 0, 1, 79, 80, 81, 100, 250, 799, 800])
    wanted = [159, 143, 80, 80, 79, 1, 0, 161, 239, 240, 240, 247, 279, 319, 319]
    np.testing.assert_array_equal(numbers[800 + distances], wanted)


def test_longer_distances_are_in_the_last_bucket():
    net, arrays = network("wavlm"), expected("wavlm")
    assert len(arrays["hidden_0"][0]) > published_config("wavlm")["max_bucket_distance"] + 1
    assert net.body.distances(nd.zeros((1, 24))).shape == (1, 2, 24, 24)


def test_training_tensors_are_ignored():
    for folder in ("wav2vec2", "hubert", "wavlm"):
        tensors = published_tensors(folder)
        parts = ("quantizer", "project_", "masked_spec_embed", "num_batches_tracked", "conv_layers.0.conv.bias")
        wanted = sorted(name for name in tensors if any(part in name for part in parts))
        assert wanted
        assert converted(folder)[1] == wanted
        assert converted(folder, tensors | {"lm_head.bias": np.zeros(9)})[1] == sorted([*wanted, "lm_head.bias"])
    assert converted("wav2vec2_large")[1] == ["masked_spec_embed"]


@pytest.mark.parametrize("folder", ("wav2vec2_large", "wav2vec2_classifier"))
@pytest.mark.parametrize("head", ("XVector", "AudioFrameClassification"))
def test_heads_for_other_tasks_are_ignored(folder, head):
    parts = ["classifier"]
    if head == "XVector":
        parts += ["projector", "tdnn.0.kernel", "tdnn.1.kernel", "feature_extractor", "objective"]
    others = {f"{part}.{kind}": np.zeros((3, 5)) for part in parts for kind in ("weight", "bias")}
    kept = {
        name: tensor
        for name, tensor in published_tensors(folder).items()
        if not name.startswith(("projector.", "classifier."))
    }
    parameters, ignored = converted(folder, kept | others)
    assert set(others) <= set(ignored)
    assert not any(name.startswith("head.") for name in parameters)
    body = converted(folder)[0]
    assert all((parameters[name] == body[name]).all() for name in parameters)  # also the learned sum of the layers


def test_wrong_tensors_are_named():
    tensors, architecture = published_tensors("wav2vec2_large"), read_architecture(published_config("wav2vec2_large"))
    for name in ("feature_extractor.conv_layers.0.conv.bias", WEIGHT + "0", "encoder.layers.1.attention.q_proj.bias"):
        with pytest.raises(ModelError, match=rf"{name}.*missing"):
            convert({key: value for key, value in tensors.items() if key != name}, architecture)
        with pytest.raises(ModelError, match=rf"{name}.*must have shape"):
            convert(tensors | {name: np.zeros((2, 3))}, architecture)
    for extra in ("encoder.layers.2.layer_norm.bias", "encoder.layers.0.adapter_layer.norm.bias", "tdnn.0.kernel.bias"):
        with pytest.raises(ModelError, match=extra):
            convert(tensors | {extra: np.zeros(16)}, architecture)
    folder = "wav2vec2_classifier"
    tensors, architecture = published_tensors(folder), read_architecture(published_config(folder))
    for value in (np.zeros(()), np.zeros((3, 5)), np.zeros(3)):
        with pytest.raises(ModelError, match=r"classifier.weight.*must have shape"):
            convert(tensors | {"classifier.weight": value}, architecture)
    for missing in ("projector.bias", "layer_weights"):
        with pytest.raises(ModelError, match=rf"{missing}.*missing"):
            convert({name: value for name, value in tensors.items() if name != missing}, architecture)


@pytest.mark.parametrize(
    "setting",
    (
        {"num_attention_heads": 5},
        {"num_conv_pos_embedding_groups": 5},
        {"conv_kernel": (10, 3)},
        {"conv_dim": ()},
        {"num_buckets": 3},
        {"max_bucket_distance": 80},
        {"max_bucket_distance": 1 << 30},
    ),
    ids=str,
)
def test_impossible_settings_are_named(setting):
    with pytest.raises(ModelError, match=next(iter(setting)).replace("conv_dim", "conv_")):
        read_architecture({"model_type": "wavlm", **setting})


def test_shapes():
    assert Wav2Vec2Encoder is Wav2Vec2Net
    assert Wav2Vec2Net.longest_input(None) == (1, 1, 320_000)
    settings = Wav2Vec2Architecture(num_hidden_layers=1)
    net = get_model("wav2vec2", 2, architecture=settings)
    assert (net.input_shape, net.min_input, net.window) == ((1, 1, 320_000), 400, 20.0)
    assert (net.step, net.dim, net.layers) == ((0.02, 0.025), 768, 1)
    net = network("wavlm")
    assert (net.min_input, net.step) == (30, (20 / 16_000, 30 / 16_000))
    steps, sequences = net.sequences(nd.zeros((1, 1, 1, 30)))
    assert (steps.asscalar(), sequences.shape) == (1, (1, 1, 16))


def test_inputs_that_are_too_short_are_refused():
    net = network("wavlm")
    for shape in ((1, 1, 1, 29), (1, 1, 2, 500), (1, 1, 500)):
        with pytest.raises(ParameterError, match="30"):
            net(nd.zeros(shape))
    for lengths in ([29, 500], [500, 501], [500, np.nan]):
        with pytest.raises(ParameterError, match="lengths"):
            net(nd.zeros((2, 1, 1, 500)), nd.array(lengths))
    with pytest.raises(ParameterError, match="input_shape"):
        Wav2Vec2Net(2, (1, 1, 399))
    with pytest.raises(ParameterError, match="input_shape"):
        get_model("wav2vec2", 2, (1, 2, 500))
    with pytest.raises(ParameterError, match="Wav2Vec2Architecture"):
        get_model("wav2vec2", 2, architecture=WhisperArchitecture())

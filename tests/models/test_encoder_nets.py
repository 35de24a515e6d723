"""Tests of the networks of published weights: patches, pooling, heads, training, and the transfer of weights."""

import warnings

import numpy as np
import pytest
from scipy.signal import correlate

from mxnet_audio import weights
from mxnet_audio.engine import autograd, gluon, mx, nd
from mxnet_audio.errors import ModelError, ParameterError
from mxnet_audio.models import NETWORKS, YamnetNet, get_model
from mxnet_audio.models.encoder_net import patch_starts
from mxnet_audio.models.ge2e_lstm import LastState
from mxnet_audio.models.same_conv import SameConv2D

pytestmark = pytest.mark.usefixtures("few_filters")  # `test_published` has all of them

# musicnn_vgg_mtt differs from musicnn_vgg by its pools only, see test_published
ENCODERS = {name: NETWORKS[name] for name in ("ge2e_lstm", "musicnn", "musicnn_vgg", "yamnet")}
EMBEDDINGS = [(name, embedding) for name, net in ENCODERS.items() for embedding in net.embeddings]
RECORDS = {weights.record(name).network: name for name in reversed(weights.names())}


def make(name, classes=3, frames=None, **options):
    """Make an initialized network; biases and norms are as after training."""
    mx.random.seed(0)
    network = ENCODERS[name]
    shape = (*network.patch_shape()[:2], frames or network.patch_shape()[2])
    net = network(classes, shape, **options)
    net.initialize(mx.init.Xavier())
    randomize(net)
    return net


def randomize(net, seed=0):
    rng = np.random.default_rng(seed)
    for name, parameter in net._collect_params_with_prefix().items():
        if name.endswith(("bias", "beta", "running_mean")):
            parameter.set_data(nd.array(rng.normal(0, 0.1, parameter.shape)))
        elif name.endswith(("gamma", "running_var")):
            parameter.set_data(nd.array(rng.uniform(0.5, 1.5, parameter.shape)))


def several_patches(name, patches=3):
    """Return a number of frames that is two or more patches, of which the last one does not begin at a hop."""
    network = ENCODERS[name]
    return network.patch_shape()[2] + (patches - 2) * network.patch_hop + 5


def inputs(net, items=2, seed=1):
    return nd.array(np.random.default_rng(seed).uniform(0, 1, (items, *net.input_shape)))


def outputs(net, x):
    return [y.asnumpy() for y in net(x)]


def arrays(net):
    nd.waitall()
    return {name: parameter.data().asnumpy() for name, parameter in net._collect_params_with_prefix().items()}


def loaded(net, record):
    """Return the parameters of a network as published weights."""
    return weights.Loaded(weights.record(record), arrays(net), [])


@pytest.mark.parametrize(
    ("frames", "starts"),
    [(96, [0]), (97, [0, 1]), (144, [0, 48]), (191, [0, 48, 95]), (192, [0, 48, 96]), (200, [0, 48, 96, 104])],
)
def test_patches_begin_at_hops_and_the_last_one_ends_with_the_sound(frames, starts):
    assert patch_starts(frames, 96, 48) == starts
    assert YamnetNet(2, (1, 64, frames))._slices == [(start, start + 96) for start in starts]


def test_an_input_is_one_patch_or_more():
    with pytest.raises(ParameterError, match=r"input_shape must be \(1, 64, frames\).*\(1, 64, 95\)"):
        YamnetNet(2, (1, 64, 95))


def test_patches_that_do_not_overlap_leave_no_gap():
    assert patch_starts(400, 187, 187) == [0, 187, 213]


@pytest.mark.parametrize(("name", "embedding"), EMBEDDINGS)
def test_embeddings_and_tags_are_pooled_over_the_patches(name, embedding):
    frames, head = several_patches(name), "tags" if ENCODERS[name].tags else "dense"
    net = make(name, ENCODERS[name].tags or 3, frames, embedding=embedding, head=head)
    x = inputs(net, items=1 if name == "musicnn" else 2)
    size = net.patch_shape()[2]
    layers = [net.body(x[:, :, :, start : start + size]) for start in patch_starts(frames, size, net.patch_hop)]
    net.hybridize(static_alloc=True)  # which changes nothing, as the next test shows
    scores, vectors = outputs(net, x)
    layer = np.stack([outputs[net.layer].asnumpy() for outputs in layers])
    assert len(layer) == 3 and np.ptp(layer, axis=0).max() > 0.001
    mean = layer.mean(axis=0)
    expected = {
        "mean": mean,
        "mean_std": np.concatenate([mean, layer.std(axis=0)], axis=1),
        "unit_mean": mean / np.linalg.norm(mean, axis=1, keepdims=True),
    }[net.pool]
    np.testing.assert_allclose(vectors, expected, rtol=1e-4, atol=1e-5)
    last = np.mean([outputs[net.tag_layer].asnumpy() for outputs in layers], axis=0) if head == "tags" else vectors
    dense = net.head.weight.data().asnumpy(), net.head.bias.data().asnumpy()
    np.testing.assert_allclose(scores, last @ dense[0].T + dense[1], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ENCODERS)
def test_eager_and_hybridized_passes_and_all_batch_sizes_agree(name):
    net = make(name, frames=several_patches(name, 2))
    x = inputs(net)
    eager = outputs(net, x)
    net.hybridize(static_alloc=True)
    for got, want in zip(outputs(net, x), eager):
        np.testing.assert_array_equal(got, want)
    for item in range(2):
        for got, want in zip(outputs(net, x[item : item + 1]), eager):
            np.testing.assert_allclose(got[0], want[item], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("name", "embedding"), EMBEDDINGS)
def test_outputs_of_patches_are_those_of_the_network_without_pooling(name, embedding):
    tags = ENCODERS[name].tags
    net = make(name, tags or 3, embedding=embedding, head="tags" if tags else "dense")
    x = inputs(net)
    with autograd.predict_mode():
        layers = net.body(x)
        scores, vectors = net.patch_outputs(x)
        np.testing.assert_allclose(vectors.asnumpy(), layers[net.layer].asnumpy(), rtol=1e-5, atol=1e-5)
        if not tags:
            assert scores is None
        else:
            want = net.head(layers[net.tag_layer]).asnumpy()
            np.testing.assert_allclose(scores.asnumpy(), want, rtol=1e-5, atol=1e-5)
        assert make(name, embedding=embedding, head="dense").patch_outputs(x[:1])[0] is None


@pytest.mark.parametrize("name", ENCODERS)
def test_outputs_of_patches_follow_changes_of_the_parameters(name):
    """Fused convolutions of a static shape would keep copies."""
    net = make(name)
    x = inputs(net)
    net.hybridize(static_alloc=True)
    before = net.patch_outputs(x)[1].asnumpy()
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1}, kvstore=None)
    with autograd.record():
        loss = net(x)[1].square().sum()
    loss.backward()
    trainer.step(1, ignore_stale_grad=True)  # the head has no part in this loss
    randomize(net, seed=2)
    net.hybridize(False)
    with autograd.predict_mode():
        after = net.patch_outputs(x)[1].asnumpy()
        np.testing.assert_allclose(after, net.body(x)[net.layer].asnumpy(), rtol=1e-4, atol=1e-5)
    assert np.abs(after - before).max() > 1e-3


def test_outputs_of_patches_add_no_parameters_and_no_warnings():
    net = make("yamnet")
    names = list(net._collect_params_with_prefix())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        net.patch_outputs(inputs(net))
        net.hybridize(static_alloc=True)
        net(inputs(net))
    assert list(net._collect_params_with_prefix()) == names and len(names) == 2 * (1 + 2 * 13 + 1)


def test_deviation_of_one_patch_is_0_and_has_a_finite_gradient():
    one, three = make("yamnet", embedding="mean_std"), make("yamnet", frames=192, embedding="mean_std")
    (width,) = one.layer_dims
    assert not outputs(one, inputs(one))[1][:, width:].any()
    for net in (one, three):
        x = nd.zeros((2, *net.input_shape))  # all patches are alike
        x.attach_grad()
        with autograd.record():
            vectors = net(x)[1]
        vectors.backward()
        assert np.isfinite(x.grad.asnumpy()).all() and np.abs(vectors.asnumpy()[:, width:]).max() < 1e-6


def test_a_vector_of_zeros_cannot_be_made_unit_and_remains():
    net = make("ge2e_lstm", 0)
    net.body.linear.bias.set_data(nd.full((256,), -9))
    x = inputs(net)
    x.attach_grad()
    with autograd.record():
        _, vectors = net(x)
    vectors.backward()
    assert not vectors.asnumpy().any() and np.isfinite(x.grad.asnumpy()).all()


@pytest.mark.parametrize(("name", "embedding"), EMBEDDINGS)
def test_all_parameters_are_trained_with_several_patches(name, embedding):
    tags = ENCODERS[name].tags
    net = make(name, tags or 3, several_patches(name, 2), embedding=embedding, head="tags" if tags else "cosine")
    before = arrays(net)
    net.hybridize(static_alloc=True)
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1}, kvstore=None)
    x, label = inputs(net, items=2), nd.array([0, 2])
    with autograd.record():
        scores, vectors = net(x)
        loss = gluon.loss.SoftmaxCrossEntropyLoss()(scores, label) + vectors.mean(axis=1)
    loss.backward()
    trainer.step(2)
    same = [name for name, value in arrays(net).items() if np.array_equal(value, before[name])]
    assert not same


def test_without_classes_scores_are_the_embedding():
    net = make("ge2e_lstm", 0)
    assert net.head is None and not any(name.startswith("head") for name in net._collect_params_with_prefix())
    scores, vectors = outputs(net, inputs(net))
    np.testing.assert_array_equal(scores, vectors)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("name", ENCODERS)
def test_inputs_of_another_shape_are_refused(name):
    net = make(name, frames=several_patches(name))
    for x in (inputs(net)[:, :, :, :-1], inputs(net)[:, :, 1:], nd.zeros((2, 3))):
        with pytest.raises(ParameterError, match="shape"):
            net(x)
        with pytest.raises(ParameterError, match="shape"):
            net.patch_outputs(x)


@pytest.mark.parametrize(
    ("kernel", "stride", "size"),
    [((3, 3), 2, (6, 8)), ((1, 4), 1, (3, 9)), ((1, 128), 1, (2, 20)), ((3, 3), 1, (5, 4))],
)
def test_convolution_with_padding_as_in_tensorflow(kernel, stride, size):
    block = SameConv2D(2, kernel, stride, in_channels=3)
    block.initialize(mx.init.Normal(1))
    x = np.random.default_rng(0).normal(size=(1, 3, *size)).astype(np.float32)
    missing = [max(k - stride, 0) for k in kernel]  # zeros that are added, for sizes that the stride divides
    padded = np.pad(x[0], [(0, 0), *((m // 2, m - m // 2) for m in missing)])
    filters = block.weight.data().asnumpy()
    want = np.stack([correlate(padded, w, mode="valid")[0, ::stride, ::stride] for w in filters])
    got = block(nd.array(x)).asnumpy()[0]
    assert got.shape == (2, size[0] // stride, size[1] // stride)
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)


def test_lstm_layers_are_those_of_gluon():
    mx.random.seed(0)
    block, lstm = LastState(), gluon.rnn.LSTM(256, num_layers=3, input_size=40)
    for net in (block, lstm):
        net.initialize(mx.init.Xavier())
    for name, parameter in block._collect_params_with_prefix().items():
        if name.endswith("bias"):
            parameter.set_data(nd.random.normal(0, 0.3, shape=parameter.shape))
        getattr(lstm, name).set_data(parameter.data())
    x = nd.random.normal(shape=(160, 3, 40))
    np.testing.assert_allclose(block(x).asnumpy(), lstm(x)[-1].asnumpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ENCODERS)
def test_weights_with_their_tags_are_transferred_whole(name):
    tags = ENCODERS[name].tags
    source = make(name, tags, head="tags" if tags else None, embedding=list(ENCODERS[name].embeddings)[-1])
    net = get_model(name, pretrained=loaded(source, RECORDS[name]))
    assert (net.classes, net.head_name) == ((tags, "tags") if tags else (0, "cosine"))
    assert net.input_shape == net.patch_shape() and net.embedding == next(iter(net.embeddings))
    x = inputs(net)
    np.testing.assert_array_equal(outputs(net, x)[0], outputs(source, x)[0])


@pytest.mark.parametrize("options", [{"classes": 5}, {"classes": 521, "head": "dense"}, {"classes": 521}])
def test_for_other_classes_the_head_is_new(options):
    source = make("yamnet", 521, head="tags")
    net = get_model("yamnet", input_shape=(1, 64, 200), pretrained=loaded(source, "yamnet"), **options)
    got, want = arrays(net), arrays(source)
    assert all(np.array_equal(got[name], want[name]) for name in want if name.startswith("body"))
    is_published = options == {"classes": 521}
    assert net.head_name == ("tags" if is_published else "dense") and net.classes == options["classes"]
    assert np.array_equal(got["head.weight"], want["head.weight"]) == is_published


def test_layers_behind_the_embedding_are_left_out():
    source = make("musicnn", 50, head="tags", embedding="penultimate")
    net = get_model("musicnn", classes=3, pretrained=loaded(source, "musicnn_mtt"))
    assert net.embedding == "max_pool" and not [name for name in arrays(net) if "dense" in name]
    tagger = get_model("musicnn", pretrained=loaded(source, "musicnn_mtt"))
    x = inputs(net)
    np.testing.assert_array_equal(outputs(net, x)[1], outputs(tagger, x)[1])


def test_true_loads_the_published_weights_of_the_network(monkeypatch):
    source, names = make("musicnn", 50, head="tags"), []
    monkeypatch.setattr(weights, "load", lambda name: names.append(name) or loaded(source, name))
    net = get_model("musicnn", pretrained=True)
    assert names == ["musicnn"]
    np.testing.assert_array_equal(outputs(net, inputs(net))[0], outputs(source, inputs(net))[0])


def test_wrong_weights_are_named():
    yamnet = loaded(make("yamnet", 521, head="tags"), "yamnet")
    with pytest.raises(ModelError, match=r"yamnet.*musicnn"):
        get_model("musicnn", pretrained=yamnet)
    del yamnet.tensors["body.stem.bias"]
    with pytest.raises(ModelError, match=r"body\.stem\.bias"):
        get_model("yamnet", pretrained=yamnet)
    with pytest.raises(ParameterError, match=r"pretrained.* 3"):
        get_model("yamnet", pretrained=3)
    with pytest.raises(ParameterError, match=r"pretrained.*cifar10.*True.*ge2e_lstm, musicnn, .*yamnet"):
        get_model("cifar10", 2, (1, 16, 16), pretrained=True)

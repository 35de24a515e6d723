"""Tests of trained models of encoders: their embedding is stored, copied, and part of their identity."""

import json
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from mxnet_audio import model_store
from mxnet_audio.engine import mx
from mxnet_audio.errors import ModelError
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.library.trained_model import TrainedModel
from mxnet_audio.models import get_model

CPU = {"model_ctx": mx.cpu(), "data_ctx": mx.cpu()}


def make(network="yamnet", embedding="mean_std", labels=("a", "b"), **options):
    config = (
        AudioFeatureConfig(n_mels=16, n_frames=16)
        if network == "cifar10"
        else AudioFeatureConfig(type="yamnet", n_frames=150)
    )
    model = TrainedModel(network, list(labels), config, embedding=embedding, random_state=0, **CPU, **options)
    model.notes = {"training": {}, "skipped": []}
    return model


def outputs(model):
    return model.forward(np.random.default_rng(0).normal(size=(2, *model.net.input_shape)).astype(np.float32))


def test_the_embedding_is_stored_and_copied(tmp_path):
    model = make()
    model.save(tmp_path)
    loaded = TrainedModel.load(tmp_path, "yamnet", "last", **CPU)
    for other in (loaded, pickle.loads(pickle.dumps(model))):
        assert other.net.embedding == "mean_std" and other.id == model.id
        for got, want in zip(outputs(other), outputs(model)):
            np.testing.assert_array_equal(got, want)
    net = get_model("yamnet", classes=3, pretrained=tmp_path)
    assert net.embedding == "mean_std" and net.input_shape == (1, 64, 150)


def test_vectors_of_another_embedding_have_another_identity():
    labels = range(521)
    models = [make(embedding=name, labels=labels, head="tags") for name in ("mean", "mean_std")]
    assert models[0].id != models[1].id  # their parameters are the same


def test_models_with_one_embedding_are_stored_as_before(tmp_path):
    model = make("cifar10", None)
    model.save(tmp_path)
    path = tmp_path / "cifar10.json"
    assert "embedding" not in json.loads(path.read_text())["network"]
    assert TrainedModel.load(tmp_path, "cifar10", "last", **CPU).id == model.id


def test_loading_draws_no_random_numbers_and_leaves_gradients(tmp_path):
    model = make("cifar10", None)
    model.save(tmp_path)
    mx.random.seed(0)
    expected = mx.nd.random.uniform(shape=(4,)).asnumpy()
    mx.random.seed(0)
    loaded = TrainedModel.load(tmp_path, "cifar10", "last", **CPU)
    np.testing.assert_array_equal(mx.nd.random.uniform(shape=(4,)).asnumpy(), expected)
    parameters = model.net._collect_params_with_prefix()
    for name, parameter in loaded.net._collect_params_with_prefix().items():
        assert parameter.grad_req == parameters[name].grad_req
        assert parameter.grad_req == "null" or parameter.grad().shape == parameter.shape


def test_parameters_are_made_on_the_device_of_the_model(tmp_path):
    make("cifar10", None).save(tmp_path)
    other = mx.cpu(1)
    loaded = TrainedModel.load(tmp_path, "cifar10", "last", model_ctx=other, data_ctx=mx.cpu())
    assert {tuple(parameter.list_ctx()) for parameter in loaded.net.collect_params().values()} == {(other,)}


def test_threads_may_call_a_new_model_at_once():
    model, threads = make("cifar10", None), 6
    model.net.hybridize()  # again, so that the next call makes the graph
    together = threading.Barrier(threads)

    def call(_):
        together.wait(30)
        return outputs(model)

    with ThreadPoolExecutor(threads) as executor:
        found = list(executor.map(call, range(threads)))
    for got in found:
        for each, want in zip(got, outputs(model)):
            np.testing.assert_array_equal(each, want)


@pytest.mark.parametrize("embedding", ["max_pool", 1, ["mean"]])
def test_an_unknown_embedding_is_a_damaged_model(embedding, tmp_path):
    make().save(tmp_path)
    path = tmp_path / "yamnet.json"
    manifest = json.loads(path.read_text())
    manifest["network"]["embedding"] = embedding
    path.write_text(json.dumps(manifest))
    with pytest.raises(ModelError, match=r"yamnet|embedding"):
        TrainedModel.load(tmp_path, "yamnet", "last", **CPU)


BAD_ENTRIES = {
    "labels, text": ("labels", "ab"),
    "labels, true": ("labels", ["a", True]),
    "labels, twice": ("labels", ["a", "a"]),
    "labels, lists": ("labels", [["a"], ["b"]]),
    "labels, numbers": ("labels", [0.5, 1.5]),
    "labels, more": ("labels", ["a", "b", "c"]),
    "views, none": ("views", 0),
    "views, text": ("views", "3"),
    "views, many": ("views", 10**9),
    "features of another size": ("features", {"n_mels": 16, "n_frames": 17}),
    "features, huge": ("features", {"n_mels": 16, "n_frames": 10**12}),
    "network, list": ("network", []),
    "network, huge": ("network", {"name": "cifar10", "input_shape": [1, 16, 10**12]}),
    "history, deep": ("history", [[[]]]),
}


@pytest.mark.parametrize("kind", BAD_ENTRIES)
def test_a_description_of_other_types_is_a_damaged_model(kind, tmp_path):
    make("cifar10", None).save(tmp_path)
    name, value = BAD_ENTRIES[kind]
    path = tmp_path / "cifar10.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), name: value}))
    with pytest.raises(ModelError) as raised:
        TrainedModel.load(tmp_path, "cifar10", "last", **CPU)
    assert raised.value.path == str(tmp_path)


def test_parameters_of_another_type_are_refused(tmp_path):
    model = make("cifar10", None)
    model.save(tmp_path)
    manifest = model_store.read_manifest(tmp_path, "cifar10")
    tensors = model_store.read_tensors(tmp_path, manifest, "last")
    changed = {name: tensor.view(np.int32) for name, tensor in tensors.items()}
    model_store.save_state(tmp_path, "cifar10", manifest, {"last": changed})
    with pytest.raises(ModelError, match="int32"):
        TrainedModel.load(tmp_path, "cifar10", "last", **CPU)
    with pytest.raises(ModelError, match="int32"):
        get_model("cifar10", classes=2, input_shape=(1, 16, 16), pretrained=tmp_path)


def test_a_model_that_is_replaced_while_it_is_read_is_read_again(tmp_path, monkeypatch):
    first, second = make("cifar10", None), make("cifar10", None, labels=("c", "d", "e"))
    first.save(tmp_path)
    read, replaced = model_store.read_manifest, []

    def read_and_replace(directory, name):
        manifest = read(directory, name)
        if not replaced:
            replaced.append(second.save(directory))
        return manifest

    monkeypatch.setattr(model_store, "read_manifest", read_and_replace)
    assert TrainedModel.load(tmp_path, "cifar10", "last", **CPU).id == second.id
    replaced.clear()
    second = first
    assert get_model("cifar10", classes=2, input_shape=(1, 16, 16), pretrained=tmp_path)
    for path in tmp_path.glob("*.safetensors"):
        path.unlink()
    with pytest.raises(ModelError, match="cannot be read"):  # and nothing replaces it
        TrainedModel.load(tmp_path, "cifar10", "last", **CPU)

"""Published weights below a model: saved once or not at all, completed when the model is loaded."""

import json
import pickle

import numpy as np
import pytest

from mxnet_audio import model_store, training, weights
from mxnet_audio.errors import ModelError
from mxnet_audio.library.base_weights import BaseWeights
from mxnet_audio.library.trained_model import TrainedModel
from mxnet_audio.models import get_model
from tests.library.test_trained_model import CPU, make, outputs

STEM = "body.stem.weight"


@pytest.fixture
def model():
    """Model whose body is that of published weights."""
    model = make()
    model.base = BaseWeights(body(model))
    model.notes["encoder"] = {"name": "yamnet", "model_id": "x"}
    return model


def body(model):
    return {name: tensor for name, tensor in training.get_parameters(model.net).items() if not name.startswith("head.")}


def files(directory):
    manifest = model_store.read_manifest(directory, "yamnet")
    return {role: model_store.read_tensors(directory, manifest, role) for role in manifest["files"]}


def change(model, name, factor=2):
    parameter = model.net._collect_params_with_prefix()[name]
    parameter.set_data(factor * parameter.data())
    model.__dict__.pop("id", None)


def load(directory, **options):
    return TrainedModel.load(directory, "yamnet", "last", **options, **CPU)


def test_what_training_left_unchanged_is_written_once(model, tmp_path):
    model.save(tmp_path)
    saved = files(tmp_path)
    assert set(saved) == {"base", "last"} and set(saved["last"]) == {"head.weight", "head.bias"}
    (file,) = tmp_path.glob("*-base-*")
    before = file.stat()
    change(model, "head.bias")
    change(model, STEM)
    model.save(tmp_path)
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert set(files(tmp_path)["last"]) == {"head.weight", "head.bias", STEM}
    loaded = load(tmp_path)
    assert loaded.id == model.id
    np.testing.assert_array_equal(outputs(loaded)[0], outputs(model)[0])
    loaded.save(tmp_path / "copy")
    assert load(tmp_path / "copy").id == model.id and set(files(tmp_path / "copy")["last"]) == set(saved["last"]) | {
        STEM
    }
    net = get_model("yamnet", pretrained=tmp_path, classes=2)
    np.testing.assert_array_equal(net.body.stem.weight.data().asnumpy(), model.net.body.stem.weight.data().asnumpy())


def test_a_missing_file_is_written_again(model, tmp_path):
    model.save(tmp_path)
    next(tmp_path.glob("*-base-*")).unlink()
    model.save(tmp_path)
    assert load(tmp_path).id == model.id


def test_a_parameter_that_is_as_published_again_is_saved(model, tmp_path):
    change(model, STEM)
    model.save(tmp_path)
    assert STEM not in files(tmp_path)["base"]
    change(model, STEM, 0.5)
    model.save(tmp_path)
    assert load(tmp_path).id == model.id


def test_checkpoints_hold_what_was_trained(model, tmp_path):
    before = training.get_parameters(model.net)
    change(model, STEM)
    now = training.get_parameters(model.net)
    sums = {name: 3 * tensor.astype(np.float64) for name, tensor in now.items()} | {"count": np.full(1, 3.0)}
    history = {measure: [1.0] for measure in training.new_history()}
    model.save(tmp_path, training.Progress(history, best=before, average=sums, optimizer={"num_update": np.ones(1)}))
    saved = files(tmp_path)
    head = {"head.weight", "head.bias"}
    assert set(saved["last"]) == head | {STEM} and set(saved["best"]) == head
    resumed = make()
    training.set_parameters(
        resumed.net, {**training.get_parameters(resumed.net), **{k: before[k] for k in body(model)}}
    )
    resumed.base = BaseWeights(body(resumed))
    progress = resumed.resume(tmp_path, {})
    assert resumed.id == model.id
    for found, expected in ((progress.best, before), (progress.average, sums)):
        assert found.keys() == expected.keys()
        assert all(np.array_equal(found[name], expected[name]) for name in expected)
    assert TrainedModel.load(tmp_path, "yamnet", "best", **CPU).id != model.id


@pytest.fixture
def published_as(monkeypatch, model):
    """Function that sets what `weights.load` returns or raises; it returns the list of its arguments."""

    def publish(error=None, **others):
        calls = []

        def load(name, source=None, *, revision=None):
            calls.append((name, source, revision))
            if error is not None:
                raise error
            return weights.Loaded(weights.record(name), {**tensors, **others}, [])

        tensors = {**body(model), "head.weight": np.zeros((521, 1024), np.float32)}
        monkeypatch.setattr(weights, "load", load)
        return calls

    return publish


def not_saved(model):
    """Refer to the weights of a model instead of saving them."""
    published = {**body(model), "head.weight": np.zeros((521, 1024), np.float32)}
    model.base = BaseWeights(body(model), is_saved=False)
    identity = weights.Loaded(weights.record("yamnet"), published, []).identity
    model.notes["encoder"]["weights"] = {"source": "name/of-model", "revision": "r1", "identity": identity}


def test_weights_that_are_not_saved_are_loaded_again(model, published_as, tmp_path):
    not_saved(model)
    calls = published_as()
    change(model, STEM)
    model.save(tmp_path)
    assert set(files(tmp_path)) == {"last"} and sum(file.stat().st_size for file in tmp_path.iterdir()) < 50_000
    for loaded in (load(tmp_path), pickle.loads(pickle.dumps(load(tmp_path)))):
        assert loaded.id == model.id
    load(tmp_path, source="elsewhere").save(tmp_path / "copy")
    assert set(files(tmp_path / "copy")) == {"last"}
    assert get_model("yamnet", pretrained=tmp_path, classes=2).body.stem.weight.shape == (32, 1, 3, 3)
    assert set(calls) == {("yamnet", "name/of-model", "r1"), ("yamnet", "elsewhere", None)}


def test_other_weights_are_refused(model, published_as, tmp_path):
    not_saved(model)
    model.save(tmp_path)
    published_as(**{STEM: 2 * body(model)[STEM]})
    with pytest.raises(ModelError, match=r"name/of-model are others.*`source`"):
        load(tmp_path)
    published_as(error=ModelError("no such name", "elsewhere"))
    with pytest.raises(ModelError, match=r"cannot be loaded.*`source`.*no such name") as raised:
        load(tmp_path, source="elsewhere")
    assert raised.value.path == str(tmp_path)
    path = tmp_path / "yamnet.json"
    manifest = json.loads(path.read_text())
    for damage in ({"weights": 3}, {"weights": {}}, {"name": 3}):
        path.write_text(json.dumps({**manifest, "encoder": {**manifest["encoder"], **damage}}))
        with pytest.raises(ModelError):
            load(tmp_path)

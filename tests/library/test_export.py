"""The .onnx file says what MXNet says, for every network, both inputs and any batch; it is whole, or not written."""

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from mxnet_audio import features
from mxnet_audio.engine import mx
from mxnet_audio.errors import ModelError
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.inference import onnx_metadata
from mxnet_audio.inference.onnx_classifier import OnnxAudioClassifier
from mxnet_audio.library import classifiers, export
from mxnet_audio.library.export import TOLERANCE, export_onnx
from mxnet_audio.library.trained_model import TrainedModel, network_input

SHAPES = {"cifar10": (1, 32, 40), "resnet_v2": (1, 32, 40), "m5": (1, 1, 8000)}
CPU = {"model_ctx": mx.cpu(), "data_ctx": mx.cpu()}


@pytest.fixture(scope="module", params=sorted(classifiers()))
def trained(request, corpus, tmp_path_factory):
    """A classifier of each kind, trained on a few clips."""
    classifier = classifiers()[request.param]()
    classifier.fit(
        corpus,
        tmp_path_factory.mktemp("model"),
        batch_size=6,
        epochs=3,
        input_shape=SHAPES[request.param],
        nb_classes=3,
        cache=False,
        progress=False,
    )
    return classifier


def untrained(labels=("a", "b"), network="cifar10", **config):
    """A network with random parameters."""
    config = AudioFeatureConfig(**(config or {"n_mels": 32, "n_frames": 40}))
    model = TrainedModel(network, list(labels), config, random_state=0, **CPU)
    model.net.standardize.set(-30.0, 20.0)
    return model


def compare(model, path, pairs):
    """Check the file's outputs for real sound, alone and in a batch."""
    runs = OnnxAudioClassifier(path)
    x = np.stack(
        [network_input(model.feature_config)[1](features.load_features(p, model.feature_config)) for p in pairs]
    )
    scores, vectors = model.forward(x)
    for batch in (1, 5):
        read = np.stack([runs._reader()(source) for source in pairs[:batch]])
        got_scores, got_vectors = runs._forward(read)
        assert got_scores.dtype == got_vectors.dtype == np.float32
        np.testing.assert_allclose(got_scores, scores[:batch], rtol=0, atol=TOLERANCE)
        np.testing.assert_allclose(got_vectors, vectors[:batch], rtol=0, atol=TOLERANCE * np.abs(vectors).max())


@pytest.mark.parametrize("front_end", [False, True])
def test_every_network_says_the_same_alone_and_in_a_batch(trained, corpus, front_end, tmp_path):
    path = tmp_path / "modèle.onnx"
    export_onnx(trained.model, path, front_end=front_end)
    compare(trained.model, path, [path for path, _ in corpus[:5]])
    assert [file.name for file in tmp_path.iterdir()] == ["modèle.onnx"]
    runs = OnnxAudioClassifier(path)
    want = list(trained.predict_many(path for path, _ in corpus))
    got = list(runs.predict_many(path for path, _ in corpus))
    assert [answer.label for answer in got] == [answer.label for answer in want]
    vectors = [np.stack([e.vector for e in c.encode_many([p for p, _ in corpus])]) for c in (trained, runs)]
    np.testing.assert_allclose(vectors[1], vectors[0], rtol=0, atol=TOLERANCE * np.abs(vectors[0]).max())


FRONT_ENDS = {
    "mel": {"type": "mel", "n_mels": 20, "power": 1.0, "fmin": 50, "htk": True, "norm": None},
    "no floor": {"top_db": None, "ref": 0.5, "amin": 1e-6, "center": False, "win_length": 400, "window": "hamming"},
    "odd lengths": {"n_fft": 511, "hop_length": 100, "fmax": 5000},
    "peak": {"ref": "max", "top_db": 40},
    "mfcc": {"type": "mfcc", "top_db": 50, "dct_type": 3, "dct_norm": None},
    "raw": {"type": "raw", "sr": 8000, "audio_file_length_limit_in_s": 0.5},
}


@pytest.mark.parametrize("name", FRONT_ENDS)
def test_the_front_end_computes_what_the_configuration_says(name, corpus, tmp_path):
    config = FRONT_ENDS[name]
    raw = config.get("type") == "raw"
    model = untrained("abc", "m5" if raw else "cifar10", **(config if raw else {"n_frames": 40, **config}))
    if raw or name == "mel":
        model.net.standardize.set(0.0, 1.0)
    export_onnx(model, tmp_path / "a.onnx", front_end=True)
    quiet = np.r_[np.zeros(3000), 0.001 * np.sin(np.arange(4000)), np.zeros(20000)]
    compare(model, tmp_path / "a.onnx", [*(path for path, _ in corpus[:4]), (quiet, 22050)])


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"type": "fbank", "sr": 16000}, "fbank features have no front end"),
        ({"type": "chroma", "n_frames": 40, "n_chroma": 16}, "chroma features have no front end"),
        ({"type": "mfcc", "n_frames": 40, "deltas": 1}, "deltas or lifter"),
        ({"type": "mfcc", "n_frames": 40, "lifter": 22.0}, "deltas or lifter"),
    ],
)
def test_features_without_a_block_are_refused_as_front_end_only(config, said, tmp_path):
    model = untrained(**config)
    with pytest.raises(ModelError, match=said):
        export_onnx(model, tmp_path / "a.onnx", front_end=True)
    assert not list(tmp_path.iterdir())
    export_onnx(model, tmp_path / "a.onnx")


def test_padded_or_normed_samples_have_no_front_end(tmp_path):
    for key in ({"padding_value": 1.0}, {"norm": "per_file"}):
        model = untrained("ab", "m5", type="raw", sr=8000, audio_file_length_limit_in_s=0.5, **key)
        with pytest.raises(ModelError, match="norm or padding_value"):
            export_onnx(model, tmp_path / "a.onnx", front_end=True)


@pytest.mark.parametrize("labels", [(7, 9), ("7", "♪")])
def test_what_the_file_says_of_itself(labels, tmp_path):
    model = untrained(labels)
    export_onnx(model, tmp_path / "a.onnx", front_end=True)
    proto = onnx.load(tmp_path / "a.onnx")
    onnx.checker.check_model(proto, full_check=True)
    said = {entry.key: entry.value for entry in proto.metadata_props}
    assert json.loads(said["labels"]) == list(labels)
    assert json.loads(said["features"]) == model.feature_config.identity()
    assert (json.loads(said["sr"]), json.loads(said["n_samples"])) == (12000, model.feature_config.n_samples)
    assert json.loads(said["model_id"]) == model.id
    assert (proto.producer_name, proto.opset_import[0].version) == ("mxnet-audio", 13)
    shapes = {
        value.name: [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in (*proto.graph.input, *proto.graph.output)
    }
    n = model.feature_config.n_samples
    assert shapes == {"samples": ["batch", n], "probabilities": ["batch", 2], "embedding": ["batch", 512]}
    data = (tmp_path / "a.onnx").read_bytes()
    assert proto.SerializeToString() == data and onnx_metadata.sealed(data)


def test_exporting_changes_nothing_of_the_model_and_of_logging(tmp_path):
    import logging

    model, before = untrained(), list(logging.getLogger().handlers)
    x = np.random.default_rng(0).normal(-30, 20, (3, 1, 32, 40)).astype(np.float32)
    want, identity = model.forward(x), model.id
    export_onnx(model, tmp_path / "a.onnx", front_end=True)
    for one, other in zip(model.forward(x), want):
        np.testing.assert_array_equal(one, other)
    assert untrained().id == identity
    assert logging.getLogger().handlers == before


def test_a_file_that_says_something_else_does_not_take_its_place(tmp_path, monkeypatch):
    path = tmp_path / "a.onnx"
    path.write_text("the old one")
    monkeypatch.setattr(OnnxAudioClassifier, "_forward", lambda *_: (np.full((2, 2), 0.5), np.ones((2, 512))))
    with pytest.raises(ModelError, match="differ from MXNet's by"):
        export_onnx(untrained(), path)
    assert [file.read_text() for file in tmp_path.iterdir()] == ["the old one"]


@pytest.mark.parametrize("missing", ["onnx", "onnx.mapping"])
def test_without_the_extra_it_says_which(missing, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ModelError, match=r"pip install 'mxnet-audio\[onnx\]'"):
        export_onnx(untrained(), tmp_path / "a.onnx")
    assert not list(tmp_path.iterdir())


def test_without_onnx_runtime_it_is_written_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(export.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(export, "_compare", None)
    export_onnx(untrained(), tmp_path / "a.onnx")
    assert onnx_metadata.sealed((tmp_path / "a.onnx").read_bytes())


def test_a_place_that_cannot_be_written_to_is_named(tmp_path):
    for place in (tmp_path / "nö" / "a.onnx", tmp_path):
        with pytest.raises(ModelError, match=str(place)):
            export_onnx(untrained(), place)
    assert not list(tmp_path.iterdir())


def test_a_place_that_is_no_file_is_refused_before_anything_is_computed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(export, "_write", None)
    for place in (".", Path(), tmp_path):
        with pytest.raises(ModelError, match="this is a directory, not the name of a file"):
            export_onnx(untrained(), place)
    with pytest.raises(ModelError, match="has no name"):
        export_onnx(untrained(), "")
    assert not list(tmp_path.iterdir())

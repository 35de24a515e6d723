"""Exported files give the results of MXNet for every network, input and batch; they are complete, or not written."""

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from mxnet_audio import features
from mxnet_audio.engine import mx
from mxnet_audio.errors import ModelError, ParameterError
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.inference import onnx_file
from mxnet_audio.inference.onnx_classifier import OnnxAudioClassifier
from mxnet_audio.inference.onnx_session import OnnxSession
from mxnet_audio.library import classifiers, export
from mxnet_audio.library.export import TOLERANCE, export_onnx
from mxnet_audio.library.trained_model import TrainedModel

SHAPES = {"cifar10": (1, 32, 40), "resnet_v2": (1, 32, 40), "m5": (1, 1, 4000)}
CPU = {"model_ctx": mx.cpu(), "data_ctx": mx.cpu()}


@pytest.fixture(scope="module", params=sorted(SHAPES))
def trained(request, corpus, tmp_path_factory):
    """A classifier with each network, trained on a few clips."""
    classifier = classifiers()[request.param]()
    classifier.fit(
        corpus[:12],
        tmp_path_factory.mktemp("model"),
        batch_size=6,
        epochs=1,
        input_shape=SHAPES[request.param],
        nb_classes=3,
        cache=False,
        progress=False,
    )
    return classifier


def untrained(labels=("a", "b"), network="cifar10", **config):
    """Make a model with random parameters."""
    config = AudioFeatureConfig(**(config or {"n_mels": 32, "n_frames": 40}))
    model = TrainedModel(network, list(labels), config, random_state=0, **CPU)
    model.net.standardize.set(-30.0, 20.0)
    return model


def compare(model, path, sounds):
    """Compare the outputs of the file with the model's, for one sound and for a batch."""
    exported = OnnxAudioClassifier(path)
    config = model.feature_config
    x = np.stack([features.as_image(features.load_features(y, config), config.time_axis) for y in sounds])
    scores, vectors = model.forward(x)
    for batch in (1, 5):
        inputs = np.stack([exported._input(sound) for sound in sounds[:batch]])
        onnx_scores, onnx_vectors = exported._forward(inputs)
        assert onnx_scores.dtype == onnx_vectors.dtype == np.float32
        np.testing.assert_allclose(onnx_scores, scores[:batch], rtol=0, atol=TOLERANCE)
        np.testing.assert_allclose(onnx_vectors, vectors[:batch], rtol=0, atol=TOLERANCE * np.abs(vectors).max())


@pytest.mark.parametrize("front_end", [False, True])
def test_every_network_gives_the_same_results_alone_and_in_a_batch(trained, corpus, front_end, tmp_path):
    path, corpus = tmp_path / "modèle.onnx", corpus[:8]
    export_onnx(trained.model, path, front_end=front_end)
    compare(trained.model, path, [path for path, _ in corpus[:5]])
    assert [file.name for file in tmp_path.iterdir()] == ["modèle.onnx"]
    exported = OnnxAudioClassifier(path)
    expected = list(trained.predict_many(path for path, _ in corpus))
    found = list(exported.predict_many(path for path, _ in corpus))
    assert [prediction.label for prediction in found] == [prediction.label for prediction in expected]
    vectors = [np.stack([e.vector for e in c.encode_many([p for p, _ in corpus])]) for c in (trained, exported)]
    np.testing.assert_allclose(vectors[1], vectors[0], rtol=0, atol=TOLERANCE * np.abs(vectors[0]).max())


FRONT_ENDS = {
    "mel": {"type": "mel", "n_mels": 20, "power": 1.0, "fmin": 50, "htk": True, "norm": None},
    "no floor": {"top_db": None, "ref": 0.5, "amin": 1e-6, "center": False, "win_length": 400, "window": "hamming"},
    "odd lengths": {"n_fft": 511, "hop_length": 100, "fmax": 5000},
    "peak": {"ref": "max", "top_db": 40},
    "mfcc": {"type": "mfcc", "top_db": 50, "dct_type": 3, "dct_norm": None},
    "yamnet": {"type": "yamnet"},
    "musicnn": {"type": "musicnn"},
    "resemblyzer": {"type": "mel", "sr": 16000, "n_fft": 400, "hop_length": 160, "n_mels": 40},
    "raw": {"type": "raw", "sr": 8000, "audio_file_length_limit_in_s": 0.5},
}


@pytest.mark.parametrize("name", FRONT_ENDS)
def test_the_front_end_computes_the_configured_features(name, corpus, tmp_path):
    config = FRONT_ENDS[name]
    raw = config.get("type") == "raw"
    model = untrained("abc", "m5" if raw else "cifar10", **(config if raw else {"n_frames": 40, **config}))
    if raw or name in ("mel", "yamnet", "musicnn", "resemblyzer"):
        model.net.standardize.set(0.0, 1.0)
    export_onnx(model, tmp_path / "a.onnx", front_end=True)
    quiet = np.r_[np.zeros(3000), 0.001 * np.sin(np.arange(4000)), np.zeros(20000)]
    compare(model, tmp_path / "a.onnx", [*(path for path, _ in corpus[:4]), (quiet, 22050)])


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"type": "fbank", "sr": 16000}, "front_end.*fbank"),
        ({"type": "chroma", "n_frames": 40, "n_chroma": 16}, "front_end.*chroma"),
        ({"type": "mfcc", "n_frames": 40, "deltas": 1}, "front_end.*deltas or lifter"),
        ({"type": "mfcc", "n_frames": 40, "lifter": 22.0}, "front_end.*deltas or lifter"),
    ],
)
def test_features_without_a_block_are_refused_as_front_end_only(config, reason, tmp_path):
    model = untrained(**config)
    with pytest.raises(ParameterError, match=reason):
        export_onnx(model, tmp_path / "a.onnx", front_end=True)
    assert not list(tmp_path.iterdir())
    export_onnx(model, tmp_path / "a.onnx")


def test_padded_or_normalized_samples_have_no_front_end(tmp_path):
    for key in ({"padding_value": 1.0}, {"norm": "per_file"}):
        model = untrained("ab", "m5", type="raw", sr=8000, audio_file_length_limit_in_s=0.5, **key)
        with pytest.raises(ParameterError, match="norm or padding_value"):
            export_onnx(model, tmp_path / "a.onnx", front_end=True)


@pytest.mark.parametrize("labels", [(7, 9), ("7", "♪")])
def test_the_metadata_describe_the_model(labels, tmp_path):
    model = untrained(labels)
    export_onnx(model, tmp_path / "a.onnx", front_end=True)
    proto = onnx.load(tmp_path / "a.onnx")
    onnx.checker.check_model(proto, full_check=True)
    metadata = {entry.key: entry.value for entry in proto.metadata_props}
    assert json.loads(metadata["labels"]) == list(labels)
    assert json.loads(metadata["features"]) == model.feature_config.identity()
    assert (json.loads(metadata["sr"]), json.loads(metadata["n_samples"])) == (12000, model.feature_config.n_samples)
    assert json.loads(metadata["model_id"]) == model.id
    assert (proto.producer_name, proto.opset_import[0].version) == ("mxnet-audio", 13)
    shapes = {
        value.name: [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in (*proto.graph.input, *proto.graph.output)
    }
    n = model.feature_config.n_samples
    assert shapes == {"samples": ["batch", n], "probabilities": ["batch", 2], "embedding": ["batch", 512]}
    data = (tmp_path / "a.onnx").read_bytes()
    assert proto.SerializeToString() == data and onnx_file.is_intact(data)


def test_exporting_changes_neither_the_model_nor_logging(tmp_path):
    import logging

    model, before = untrained(), list(logging.getLogger().handlers)
    x = np.random.default_rng(0).normal(-30, 20, (3, 1, 32, 40)).astype(np.float32)
    expected, model_id = model.forward(x), model.id
    export_onnx(model, tmp_path / "a.onnx", front_end=True)
    for one, other in zip(model.forward(x), expected):
        np.testing.assert_array_equal(one, other)
    assert untrained().id == model_id
    assert logging.getLogger().handlers == before


def test_a_file_with_other_results_is_not_put_in_place(tmp_path, monkeypatch):
    path = tmp_path / "a.onnx"
    path.write_text("former")
    monkeypatch.setattr(OnnxSession, "run", lambda *_: (np.full((2, 2), 0.5), np.ones((2, 512))))
    with pytest.raises(ModelError, match=r"ONNX Runtime.*MXNet"):
        export_onnx(untrained(), path)
    assert [file.read_text() for file in tmp_path.iterdir()] == ["former"]


@pytest.mark.parametrize("missing", ["onnx", "onnx.mapping"])
def test_the_missing_extra_is_named(missing, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ModelError, match=r"pip install 'onnx<1\.18'"):
        export_onnx(untrained(), tmp_path / "a.onnx")
    assert not list(tmp_path.iterdir())


def test_the_file_is_written_without_onnx_runtime(tmp_path, monkeypatch):
    monkeypatch.setattr(export.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(export, "_compare", None)
    export_onnx(untrained(), tmp_path / "a.onnx")
    assert onnx_file.is_intact((tmp_path / "a.onnx").read_bytes())


def test_a_path_that_cannot_be_written_to_is_named(tmp_path):
    for path, error in ((tmp_path / "nö" / "a.onnx", ModelError), (tmp_path, ParameterError)):
        with pytest.raises(error, match=str(path)):
            export_onnx(untrained(), path)
    assert not list(tmp_path.iterdir())


def test_a_path_that_is_not_a_file_is_refused_before_anything_is_computed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(export, "_write", None)
    for path in (".", Path(), tmp_path):
        with pytest.raises(ParameterError, match=r"path.*directory"):
            export_onnx(untrained(), path)
    with pytest.raises(ParameterError, match="path"):
        export_onnx(untrained(), "")
    assert not list(tmp_path.iterdir())

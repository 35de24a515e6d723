"""Tests of loading what a server answers with."""

import asyncio
import json
import shutil
from functools import partial

import numpy as np
import pytest

pytest.importorskip("fastapi")

from mxnet_audio.errors import ModelError, ParameterError, SearchError
from mxnet_audio.inference import OnnxAudioClassifier
from mxnet_audio.library import BUNDLED_MODELS
from mxnet_audio.serve import ServedModels, SoundService, load_models, served
from mxnet_audio.serve.sounds import Sound
from tests.models.hub_folders import HUB
from tests.voices import FakeEncoder, speak


def test_folder_of_a_trained_model(model_dir, trained_model):
    models = load_models(model_dir)
    assert models.classifier.model_id == trained_model.model_id
    assert (models.encoder, models.search, models.recognizer, models.index_model) == (None, None, None, None)


def test_folder_of_several_models():
    with pytest.raises(ModelError, match="several models"):
        load_models(BUNDLED_MODELS)
    assert load_models(BUNDLED_MODELS, "m5").classifier.network == "m5"
    with pytest.raises(ModelError, match=str(BUNDLED_MODELS)):
        load_models(BUNDLED_MODELS, "yamnet")


def test_onnx_file(onnx_path):
    models = load_models(str(onnx_path), "cifar10")
    assert isinstance(models.classifier, OnnxAudioClassifier)
    with pytest.raises(ModelError, match="a cifar10 model, not m5"):
        load_models(onnx_path, "m5")
    with pytest.raises(ModelError, match="--gpu"):
        load_models(onnx_path, gpu=0)


@pytest.mark.parametrize("name", ["missing", "missing.onnx", "empty", "text.onnx", "text", "damaged", "cut.onnx"])
def test_models_that_cannot_be_loaded_are_named(name, model_dir, onnx_path, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.onnx").write_text("no model")
    (tmp_path / "text").write_text("no model")
    (tmp_path / "cut.onnx").write_bytes(onnx_path.read_bytes()[:5000])
    shutil.copytree(model_dir, tmp_path / "damaged")
    for file in (tmp_path / "damaged").glob("*.safetensors"):
        file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(ModelError, match=str(tmp_path / name)):
        load_models(tmp_path / name)


def test_index_shares_the_model_that_made_it(onnx_path, index_dir):
    models = load_models(onnx_path, index=index_dir)
    assert models.index_model is models.classifier
    assert len(models.search) == 24


def test_index_with_a_model_of_its_own(model_dir, index_dir, onnx_model):
    models = load_models(index=index_dir)
    assert models.index_model.model_id == onnx_model.model_id and models.classifier is None
    other = load_models(BUNDLED_MODELS / "m5.onnx", index=index_dir)
    assert other.index_model is not other.classifier
    assert other.index_model.model_path == models.index_model.model_path


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"model": None}, SearchError, "does not know its model"),
        ({"model": {"model": "/no/such/model.onnx", "network": "cifar10"}}, SearchError, "missing"),
        ({"model": {"model": 3}}, SearchError, "damaged"),
        ({"metric": "furlongs"}, SearchError, "metric"),
        (None, SearchError, "no index in this directory"),
    ],
    ids=str,
)
def test_indexes_that_cannot_be_loaded(change, error, match, index_dir, tmp_path):
    folder = tmp_path / "index"
    if change is not None:
        shutil.copytree(index_dir, folder)
        manifest = json.loads((folder / "index.json").read_text())
        (folder / "index.json").write_text(json.dumps(manifest | change))
    with pytest.raises(error, match=match):
        load_models(index=folder)


def test_pretrained_encoder_and_an_index_that_it_made(monkeypatch, tmp_path, corpus):
    from mxnet_audio.library.search import AudioSearch
    from mxnet_audio.pretrained import load_encoder

    load = partial(load_encoder, source=HUB / "wav2vec2_classifier")
    AudioSearch(encoder=load("wav2vec2")).index_many([path for path, _ in corpus[:3]], save_dir=tmp_path)
    monkeypatch.setattr("mxnet_audio.pretrained.load_encoder", load)
    models = load_models(encoder="wav2vec2", index=tmp_path)
    assert models.encoder.labels and models.index_model is models.encoder
    with pytest.raises(ParameterError, match="yamnet"):
        load_models(encoder="yamnte")


def test_speakers(monkeypatch, tmp_path):
    from mxnet_audio.speakers import SpeakerRecognizer

    monkeypatch.setattr("mxnet_audio.speakers.published_encoder.load_encoder", FakeEncoder)
    recognizer = SpeakerRecognizer("resemblyzer")
    recognizer.save(tmp_path)
    with pytest.raises(ModelError, match="enroll"):
        load_models(speakers=tmp_path)
    rng = np.random.default_rng(0)
    for name in ("ann", "bob", "dan"):
        recognizer.enroll(name, [(speak(rng, name), 8000) for _ in range(3)])
    recognizer.save(tmp_path)
    models = load_models(speakers=tmp_path)
    sounds = [Sound("a.wav", speak(rng, name).astype(np.float32), 8000) for name in ("ann", "bob")]

    async def main():
        service = SoundService(models)
        await service.start()
        found = await asyncio.gather(*(service.identify(sound, 2) for sound in sounds))
        await service.close()
        return found

    for sound, found in zip(sounds, asyncio.run(main())):
        expected = recognizer.identify(sound.source, 2)
        assert (found.speaker, [name for name, _ in found.ranking]) == (
            expected.speaker,
            [name for name, _ in expected.ranking],
        )
        np.testing.assert_allclose([s for _, s in found.ranking], [s for _, s in expected.ranking], atol=1e-6)
    with pytest.raises(ModelError, match=str(tmp_path / "none")):
        load_models(speakers=tmp_path / "none")


def test_exported_networks_share_the_cpus_among_their_passes(onnx_path, index_dir, monkeypatch):
    monkeypatch.setattr(served, "usable_cpus", lambda: 6)
    models = load_models(onnx_path)
    assert models.classifier._state["threads"] * served.passes(models.classifier) == 6
    indexed = load_models(index=index_dir).index_model
    assert indexed.model_id == models.classifier.model_id and indexed._state["threads"] * served.passes(indexed) == 6


def test_something_must_be_served():
    for call in (ServedModels, load_models):
        with pytest.raises(ParameterError, match="nothing to serve"):
            call()
    with pytest.raises(ParameterError, match="network must be left out"):
        load_models(network="m5")

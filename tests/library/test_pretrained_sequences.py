"""Classifiers on networks that take sound of any length: frozen, fine-tuned, with weights elsewhere."""

import copy
import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from mxnet_audio import PretrainedAudioClassifier, load_classifier, load_encoder
from mxnet_audio.errors import InvalidAudioError, ModelError, ParameterError
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.model_store import read_manifest
from mxnet_audio.training import get_parameters

HUB = Path(__file__).parents[1] / "models" / "hub"
FOLDERS = {"wav2vec2": "wav2vec2", "hubert": "hubert", "wavlm": "wavlm", "whisper": "whisper", "ast": "ast"}


@pytest.fixture(scope="module")
def words(make_once):
    """Pairs of 16 clips of two classes, of different lengths."""

    def fill(folder):
        rng = np.random.default_rng(0)
        for i in range(16):
            t = np.arange(int(rng.uniform(3000, 6000))) / 16000
            y = 0.5 * np.sin(2 * np.pi * (300, 2500)[i % 2] * t * rng.uniform(0.8, 1.2)) + rng.normal(0, 0.01, t.size)
            sf.write(folder / f"{i}.wav", y, 16000)

    folder = make_once("words", fill)
    return [(str(folder / f"{i}.wav"), ("low", "high")[i % 2]) for i in range(16)]


@pytest.fixture(scope="module")
def trained(words, make_once):
    """Folder of a classifier on a frozen wav2vec 2.0; tests must not change it."""

    def fill(folder):
        classifier = PretrainedAudioClassifier("wav2vec2", source=HUB / "wav2vec2")
        classifier.fit(words, folder, test_size=0.25, cache=False, progress=False)

    return make_once("wav2vec2-model", fill)


@pytest.fixture
def classifier(trained):
    """The classifier on a frozen wav2vec 2.0, loaded for each test."""
    return load_classifier(trained)


def roles(directory, network="wav2vec2"):
    manifest = read_manifest(directory, network)
    return {role: (Path(directory) / entry["file"]).stat().st_size for role, entry in manifest["files"].items()}


def test_a_frozen_encoder(classifier, trained, words):
    encoder = load_encoder("wav2vec2", source=HUB / "wav2vec2")
    manifest = read_manifest(trained, "wav2vec2")
    assert manifest["network"]["architecture"]["hidden_size"] == 16 and manifest["encoder"]["name"] == "wav2vec2"
    assert manifest["network"]["input_shape"] == [1, 1, 320000] and set(roles(trained)) == {
        "base",
        "last",
        "vectors",
        "known",
    }
    assert classifier.embedding_dim == 16 and classifier.embedding == "mean" and not classifier.trainable
    np.testing.assert_allclose(classifier.encode_audio(words[0][0]), encoder.encode_audio(words[0][0]), atol=1e-4)
    assert classifier.evaluate(words).accuracy == 1
    assert isinstance(classifier.predict(words[0][0], unknown=True).known, bool)
    for twin in (pickle.loads(pickle.dumps(classifier)), copy.deepcopy(classifier)):
        assert twin.model_id == classifier.model_id
        assert [p.label for p in twin.predict_many([words[0][0]])] == [words[0][1]]


def test_timelines(classifier, words):
    low, high = (np.tile(sf.read(words[i][0])[0], 8)[:24000] for i in (0, 1))
    y = np.concatenate([low, high, np.zeros(32000), low]).astype(np.float32)
    timeline = classifier.predict_timeline((y, 16000), unknown=True)
    assert [(part.start, part.end) for part in timeline] == [(i / 2, i / 2 + 1) for i in range(12)]
    assert [timeline[i].label for i in (0, 4, 6, 8, 10)] == ["low", "high", None, None, "low"]
    assert all((part.known is None) == (part.label is None) for part in timeline)
    for wrong in ({"window": 1e-6}, {"window": 1, "hop": 1.5}, {"hop": 1e-6}):
        with pytest.raises(ParameterError, match=r"window|hop"):
            classifier.predict_timeline((y, 16000), **wrong)


def test_windows_that_are_longer_than_those_of_the_encoder(words, tmp_path):
    classifier = PretrainedAudioClassifier("ast", source=HUB / "ast")  # takes 0.64 s
    classifier.fit(words, tmp_path, test_size=0, cache=False, progress=False)
    y = np.tile(sf.read(words[0][0])[0], 12)[:48000]
    timeline = classifier.predict_timeline((y, 16000), window=2)
    assert [(part.start, part.end) for part in timeline] == [(0, 2), (1, 3)]
    (whole,) = classifier.predict_timeline((y, 16000), window=30)
    assert (whole.start, whole.end) == (0, 3)


def test_sound_that_is_too_short(classifier, words, tmp_path):
    short = (np.array([0.1, -0.1, 0.1]), 16000)
    with pytest.raises(InvalidAudioError, match="too short"):
        classifier.predict(short)
    model = PretrainedAudioClassifier("wav2vec2", source=HUB / "wav2vec2")
    model.fit([*words[:8], (short, "low")], tmp_path, test_size=0, cache=False, progress=False)
    assert len(model.skipped) == 1


def test_more_classes_and_another_room(classifier, words, tmp_path):
    rng = np.random.default_rng(1)
    noise = [((rng.normal(0, 0.1, 5000), 16000), "noise") for _ in range(4)]
    classifier.add_classes(noise, cache=False, progress=False)
    assert classifier.labels == ["high", "low", "noise"] and classifier.evaluate([*words, *noise]).accuracy > 0.9
    before = classifier.model_id
    classifier.adapt([path for path, _ in words])
    assert classifier.model_id != before
    classifier.save_model(tmp_path)
    assert load_classifier(tmp_path).model_id == classifier.model_id


@pytest.mark.parametrize("encoder", ["hubert", "whisper", "ast"])
def test_other_networks(encoder, words, tmp_path, caplog):
    classifier = PretrainedAudioClassifier(encoder, pretrained_model_name_or_path=HUB / encoder)
    classifier.fit(words[:8], tmp_path, test_size=0, cache=False, progress=False)
    assert not caplog.records
    loaded = load_classifier(tmp_path, encoder, source=HUB / "wavlm")  # not needed: the model holds its weights
    assert "source is not used" in caplog.text
    assert loaded.model_id == classifier.model_id and loaded.encoder == encoder
    found, expected = (c.encode_audio(words[9][0]) for c in (loaded, load_encoder(encoder, source=HUB / encoder)))
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_weights_that_are_not_saved_with_the_model(words, tmp_path):
    source = shutil.copytree(HUB / "wav2vec2", tmp_path / "encoder")
    options = {"saved_weights_in_checkpoint": False, "embedding": "1:max"}
    classifier = PretrainedAudioClassifier("wav2vec2", source=source, **options)
    classifier.fit(words, tmp_path / "m", cache=False, progress=False)
    assert set(roles(tmp_path / "m")) == {"last", "vectors", "known"}
    loaded = load_classifier(tmp_path / "m")
    assert loaded.model_id == classifier.model_id and not loaded.saved_weights_in_checkpoint
    loaded.save_model(tmp_path / "copy")
    elsewhere = source.rename(tmp_path / "elsewhere")
    with pytest.raises(ModelError, match=r"`source`"):
        load_classifier(tmp_path / "copy")
    assert load_classifier(tmp_path / "copy", source=elsewhere).model_id == classifier.model_id
    with pytest.raises(ModelError, match="are others"):
        load_classifier(tmp_path / "copy", source=HUB / "wav2vec2_classifier")


def test_sources_of_models_without_an_encoder(model_dir):
    with pytest.raises(ParameterError, match="source"):
        load_classifier(model_dir, source=HUB)


@pytest.fixture(scope="module")
def tuning():
    """Arguments of a quick fine-tuning."""
    return {
        "batch_size": 4,
        "epochs": 2,
        "checkpoint_interval": 1,
        "test_size": 0.25,
        "cache": False,
        "progress": False,
    }


def test_fine_tuning_keeps_frozen_layers(words, tuning, tmp_path):
    classifier = PretrainedAudioClassifier("wav2vec2", source=HUB / "wav2vec2", trainable=True, freeze=1)
    history = classifier.fit(words, tmp_path, **tuning)
    assert [len(values) for values in history.values()] == [2] * 4
    before = load_encoder("wav2vec2", source=HUB / "wav2vec2").loaded.tensors
    after = get_parameters(classifier.model.net)
    same = {name for name in before.keys() & after.keys() if np.array_equal(before[name], after[name])}
    assert any(name.startswith("body.layers.0.") for name in same)
    assert not any(name.startswith("body.layers.1.") for name in same if "key.bias" not in name)
    loaded = load_classifier(tmp_path)
    assert (loaded.trainable, loaded.freeze, loaded.adapter) == (True, 1, None)
    assert loaded.model_id == classifier.model_id and loaded.evaluate(words).accuracy > 0.8
    assert loaded.predict_timeline(words[0][0])[0].label == words[0][1]
    more = PretrainedAudioClassifier("wav2vec2", source=HUB / "wav2vec2", trainable=True, freeze=1)
    longer = more.fit(words, tmp_path, **tuning | {"epochs": 3}, resume=True)
    assert {name: values[:2] for name, values in longer.items()} == history
    other = PretrainedAudioClassifier("wav2vec2", source=HUB / "wav2vec2_large")
    with pytest.raises(ModelError, match="trainable, encoder changed"):  # a head does not replace the trained network
        other.fit(words, tmp_path, **tuning, resume=True)


def test_adapters_are_all_that_is_saved(words, tuning, tmp_path):
    options = {"source": HUB / "wav2vec2", "adapter": {"rank": 2}, "saved_weights_in_checkpoint": False}
    classifier = PretrainedAudioClassifier("wav2vec2", **options)
    classifier.fit(words, tmp_path, **tuning)
    assert set(roles(tmp_path)) == {"last", "best", "optimizer", "average", "known"}
    loaded = load_classifier(tmp_path)
    assert loaded.adapter["rank"] == 2 and not loaded.trainable
    for twin in (loaded, pickle.loads(pickle.dumps(classifier))):
        assert twin.model_id == classifier.model_id
        np.testing.assert_allclose(
            twin.encode_audio(words[0][0]), classifier.encode_audio(words[0][0]), rtol=1e-5, atol=1e-6
        )
    resumed = PretrainedAudioClassifier("wav2vec2", **options).fit(words, tmp_path, **tuning, resume=True)
    assert resumed == classifier.history
    before = classifier.encode_audio(words[0][0])
    loaded.merge_adapter()
    loaded.save_model(tmp_path / "merged")
    merged = load_classifier(tmp_path / "merged")
    assert merged.adapter is None and merged.model_id != classifier.model_id
    np.testing.assert_allclose(merged.encode_audio(words[0][0]), before, atol=1e-5)
    with pytest.raises(ModelError, match="no adapters"):
        merged.merge_adapter()


def test_a_learned_sum_of_layers(words, tuning, tmp_path):
    classifier = PretrainedAudioClassifier("ast", source=HUB / "ast", embedding="weighted:mean")
    classifier.fit(words, tmp_path, **tuning)
    assert classifier.recipe == "fine_tune" and np.ptp(classifier.model.net.layer_sum.weight.data().asnumpy()) > 0
    assert roles(tmp_path, "ast")["last"] < 1000
    assert load_classifier(tmp_path).model_id == classifier.model_id


DAMAGES = {
    "architecture, list": ("architecture", []),
    "architecture, empty": ("architecture", {}),
    "architecture, another": ("architecture", {"model_type": "whisper"}),
    "architecture, wide": ("architecture", {"model_type": "wav2vec2", "hidden_size": 1 << 20}),
    "architecture, deep": ("architecture", {"model_type": "wav2vec2", "num_hidden_layers": 1 << 20}),
    "architecture, deep as allowed": ("architecture", {"model_type": "wav2vec2", "num_hidden_layers": 1000}),
    "embedding": ("embedding", "9:mean"),
    "embedding, number": ("embedding", 3),
    "adapter, number": ("adapter", 3),
    "adapter, rank": ("adapter", {"rank": 1 << 40}),
    "adapter, targets": ("adapter", {"targets": "all"}),
    "input_shape": ("input_shape", [1, 1, 10**12]),
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_damaged_descriptions(kind, trained, tmp_path):
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "wav2vec2.json"
    manifest = json.loads(path.read_text())
    name, value = DAMAGES[kind]
    if isinstance(value, dict) and len(value) > 1:
        value = {**manifest["network"][name], **value}
    manifest["network"][name] = value
    path.write_text(json.dumps(manifest))
    with pytest.raises(ModelError) as raised:
        load_classifier(tmp_path)
    assert raised.value.path == str(tmp_path)


def test_bad_arguments(words, tmp_path):
    for options, reason in (
        ({"embedding": "7:mean"}, "layer"),
        ({"embedding": "mean:7"}, "embedding"),
        ({"freeze": 1}, "freeze"),
        ({"trainable": True, "freeze": 99}, "freeze"),
        ({"adapter": "lore"}, "adapter"),
        ({"adapter": "lora", "trainable": True}, "adapter or trainable"),
        ({"adapter": "lora", "trainable": True, "freeze": 1}, "adapter or trainable"),
        ({"adapter": "lora", "freeze": 1}, "adapter or freeze"),
        ({"adapter": {"rank": 0}}, "rank"),
        ({"saved_weights_in_checkpoint": None}, "saved_weights_in_checkpoint"),
        ({"pretrained_model_name_or_path": "other"}, "source"),
        ({"revision": "main"}, "revision"),
    ):
        with pytest.raises(ParameterError, match=reason):
            PretrainedAudioClassifier("wav2vec2", source=HUB / "wav2vec2", **options).fit(
                words, tmp_path, cache=False, progress=False
            )
    classifier = PretrainedAudioClassifier("wav2vec2", source=HUB / "wav2vec2", trainable=True)
    for options, reason in (
        ({"input_shape": (1, 1, 10**6)}, "window"),
        ({"input_shape": (1, 80, 3000)}, "samples"),
        ({"feature_config": AudioFeatureConfig(n_frames=100)}, "length"),
        ({"feature_config": AudioFeatureConfig(type="raw", sr=8000)}, "length"),
    ):
        with pytest.raises(ParameterError, match=reason):
            classifier.fit(words, tmp_path, cache=False, progress=False, **options)
    fixed = PretrainedAudioClassifier("ast", source=HUB / "ast", trainable=True)
    with pytest.raises(ParameterError, match="window"):
        fixed.fit(words, tmp_path, input_shape=(1, 32, 40), cache=False, progress=False)
    assert not list(tmp_path.glob("*.json"))

"""Fine-tuning of encoders with published weights: of layers, of heads alone, and of adapters."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from mxnet_audio import AudioFeatureConfig
from mxnet_audio.errors import ParameterError
from mxnet_audio.library.fine_tuning import Lora
from mxnet_audio.library.pretrained import PretrainedAudioClassifier
from mxnet_audio.training import Recipe, get_parameters

HUB = Path(__file__).resolve().parents[1] / "models" / "hub"
DROPOUTS = ("hidden_dropout", "attention_dropout", "activation_dropout")
BEFORE = ("extractor", "feature_norm", "projection", "positions", "norm", "layers.0")  # the last layer
PLAIN = Recipe(average=0.5, weight_decay=0.01)


@pytest.fixture(scope="session")
def wav2vec2(make_once) -> Path:
    """Folder of a tiny wav2vec 2.0 model of random weights, without dropout."""

    def fill(folder):
        shutil.copytree(HUB / "wav2vec2", folder, dirs_exist_ok=True)
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | dict.fromkeys(DROPOUTS, 0.0)))

    return make_once("wav2vec2-without-dropout", fill)


@pytest.fixture(scope="module")
def tones():
    """Pairs of tone and class, of 0.05 to 0.1 s."""
    rng = np.random.default_rng(0)
    pairs = []
    for index in range(8):
        t = np.arange(rng.integers(800, 1600)) / 16000
        pitch = rng.uniform(200, 300) if index % 2 else rng.uniform(1500, 2500)
        samples = 0.4 * np.sin(2 * np.pi * pitch * t) + rng.normal(0, 0.05, len(t))
        pairs.append(((samples.astype(np.float32), 16000), ("high", "low")[index % 2]))
    return pairs


@pytest.fixture
def fit(wav2vec2, tmp_path):
    """Function that trains a classifier, and returns it: ``fit(pairs, folder=None, epochs=2, **options)``."""

    def fit(pairs, folder=None, epochs=2, fit_options=None, **options):
        classifier = PretrainedAudioClassifier("wav2vec2", source=wav2vec2, **options)
        defaults = {"batch_size": 4, "learning_rate": 0.003, "test_size": 0.25, "checkpoint_interval": 1}
        defaults |= {"recipe": PLAIN, "cache": False, "progress": False, "epochs": epochs}
        classifier.fit(pairs, folder or tmp_path / "model", **defaults | (fit_options or {}))
        return classifier

    return fit


@pytest.fixture(scope="module")
def published(wav2vec2):
    """Parameters of the network with the published weights, all layers of it."""
    from mxnet_audio.pretrained import load_encoder

    return get_parameters(load_encoder("wav2vec2", source=wav2vec2, embedding="weighted:mean").net)


CHOICES = {
    "all but the convolutions": ({"trainable": True}, ("body.extractor.",)),
    "all": ({"trainable": True, "freeze": (), "head": "mlp"}, ()),
    "a layer": ({"trainable": True, "freeze": 1}, tuple(f"body.{part}." for part in BEFORE)),
    "sum of layers": ({"embedding": "weighted:mean"}, ("body.",)),
    "adapters": ({"adapter": {"rank": 2, "targets": ["query", "ffn2"]}}, ("body.",)),
}


@pytest.mark.parametrize("choice", CHOICES)
def test_only_what_was_named_is_trained(fit, tones, published, choice):
    options, frozen = CHOICES[choice]
    parameters = get_parameters(fit(tones, **options).model.net)
    shared = [name for name in parameters if name in published and not name.startswith(("head.", "layer_sum."))]
    same = {name for name in shared if np.array_equal(parameters[name], published[name])}
    # Biases of keys have no effect on the softmax of attention.
    assert {name for name in same if not name.endswith("key.bias")} == {
        name for name in shared if name.startswith(frozen) and not name.endswith("key.bias")
    }
    if "layer_sum.weight" in parameters:
        assert np.ptp(parameters["layer_sum.weight"]) > 0
    new = {name.rpartition(".")[0] for name in parameters if "lora" in name}
    assert new == {
        f"body.layers.{n}.{part}" for n in (0, 1) for part in ("attention.query", "ffn2") if "adapter" in options
    }
    assert all(np.abs(value).max() > 0 for name, value in parameters.items() if name.endswith("lora_b"))


def test_adapters_are_small_and_reload_to_equal_outputs(fit, tones, wav2vec2, tmp_path):
    options = {"adapter": "lora", "saved_weights_in_checkpoint": False}
    trained = fit(tones, **options)
    sounds = [sound for sound, _ in tones[:3]]
    expected = [trained.encode_audio(sound) for sound in sounds]
    loaded = PretrainedAudioClassifier("wav2vec2")
    loaded.load_model(tmp_path / "model")
    for sound, vector in zip(sounds, expected):
        np.testing.assert_array_equal(loaded.encode_audio(sound), vector)
        np.testing.assert_array_equal(loaded.predict(sound).probabilities, trained.predict(sound).probabilities)
    (last,) = (tmp_path / "model").glob("wav2vec2-last-*")
    assert last.stat().st_size < (wav2vec2 / "model.safetensors").stat().st_size / 4


def test_interrupted_runs_are_resumed(fit, tones, tmp_path):
    options = {"adapter": {"rank": 2, "dropout": 0.2}, "head": "mlp", "epochs": 3}
    expected = fit(tones, tmp_path / "whole", **options)

    def interrupt(history):
        if len(history["loss_train"]) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(tones, tmp_path / "parts", fit_options={"callbacks": [interrupt]}, **options)
    resumed = fit(tones, tmp_path / "parts", fit_options={"resume": True}, **options)
    assert resumed.history == expected.history
    found = get_parameters(resumed.model.net)
    for name, value in get_parameters(expected.model.net).items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)
    with pytest.raises(Exception, match="adapter"):
        fit(tones, tmp_path / "parts", fit_options={"resume": True}, adapter={"rank": 3, "dropout": 0.2}, epochs=3)


@pytest.mark.parametrize(
    ("adapter", "named"),
    [
        ("lorra", "lora"),
        ({"ranks": 2}, "rank, alpha, dropout, targets"),
        ({"type": "adalora"}, "lora"),
        (3, "adapter"),
        ({"rank": 0}, "rank"),
        ({"rank": 17}, "rank must be at most 16"),
        ({"dropout": 1}, "dropout"),
        ({"targets": ["q_proj"]}, "query, key, value"),
    ],
    ids=str,
)
def test_impossible_adapters_are_refused_before_training(fit, adapter, named):
    with pytest.raises(ParameterError, match=named):
        fit([(b"no sound", "a"), (b"none either", "b")], adapter=adapter)


@pytest.mark.parametrize("freeze", [3, -1, ["body.extractors"], "body.layers.0"], ids=str)
def test_impossible_layers_are_refused_before_training(fit, freeze):
    with pytest.raises(ParameterError, match="freeze"):
        fit([(b"no sound", "a"), (b"none either", "b")], trainable=True, freeze=freeze)


def test_adapters_have_settings_like_those_of_ludwig():
    assert Lora.of({"type": "lora", "rank": 4, "targets": ["key"]}) == Lora(4, targets=["key"])
    assert Lora.of(Lora(rank=2)).options() == {"rank": 2, "alpha": 16.0, "dropout": 0.0, "targets": ["query", "value"]}


@pytest.mark.slow
@pytest.mark.parametrize(
    "options", [{"adapter": "lora"}, {"embedding": "weighted:mean"}, {"trainable": True, "freeze": 1}], ids=str
)
def test_spoken_digits_are_learned(fit, fsdd, options):
    """Three digits of four speakers, by networks of random weights: chance is 0.33."""
    speakers = ("george", "jackson", "lucas", "nicolas")

    def takes(numbers):
        names = [
            (f"{digit}_{speaker}_{take}.wav", str(digit))
            for digit in (0, 1, 6)
            for speaker in speakers
            for take in numbers
        ]
        return [(str(fsdd / name), digit) for name, digit in names]

    features = AudioFeatureConfig(type="raw", sr=16000, norm="unit_variance", audio_file_length_limit_in_s=0.15)
    fit_options = {"validation_pairs": takes([0, 1]), "feature_config": features, "recipe": Recipe(), "batch_size": 16}
    history = fit(takes(range(5, 9)), epochs=6, fit_options=fit_options, **options).history
    assert history["loss_train"][-1] < history["loss_train"][0]
    assert history["acc_test"][-1] > 0.5

"""Wrong input of classifiers: one clear error each, and nothing is damaged."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import soundfile as sf

from mxnet_audio import model_store
from mxnet_audio.errors import (
    AudioDecodeError,
    AudioError,
    DatasetError,
    FeatureError,
    InvalidAudioError,
    ModelError,
    ParameterError,
)
from mxnet_audio.library import load_classifier
from mxnet_audio.library.cifar10 import Cifar10AudioClassifier
from mxnet_audio.library.resnet_v2 import ResNetV2AudioClassifier
from mxnet_audio.training import Recipe


def parameters(directory, role="last", name="cifar10"):
    return model_store.read_tensors(directory, model_store.read_manifest(directory, name), role)


def test_without_a_model():
    for call in ("predict_class", "encode_audio", "predict_timeline"):
        with pytest.raises(ModelError, match="fit or load_model"):
            getattr(Cifar10AudioClassifier(), call)("x.wav")
    with pytest.raises(ModelError, match="fit or load_model"):
        list(Cifar10AudioClassifier().predict_many(["x.wav"]))


def test_a_model_of_another_network(model_dir):
    with pytest.raises(ModelError, match=r"resnet_v2.*cifar10"):
        ResNetV2AudioClassifier().load_model(model_dir)


def test_a_renamed_model_of_another_network(model_dir, tmp_path):
    folder = shutil.copytree(model_dir, tmp_path / "m")
    (folder / "cifar10.json").rename(folder / "resnet_v2.json")
    with pytest.raises(ModelError, match=r"cifar10.*resnet_v2"):
        ResNetV2AudioClassifier().load_model(folder)


def test_damaged_parameters(model_dir, tmp_path):
    folder = shutil.copytree(model_dir, tmp_path / "m")
    (file,) = folder.glob("cifar10-last-*")
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(ModelError, match="SHA-256"):
        Cifar10AudioClassifier().load_model(folder)


@pytest.mark.parametrize(
    "change",
    [
        {"labels": None},
        {"features": {"type": "magic"}},
        {"history": {}},
        {"network": "cifar10"},
        {"labels": ["one", "two"]},
        {"labels": []},
        {"files": {}},
    ],
)
def test_a_damaged_description(model_dir, tmp_path, change):
    folder = shutil.copytree(model_dir, tmp_path / "m")
    manifest = json.loads((folder / "cifar10.json").read_text()) | change
    (folder / "cifar10.json").write_text(json.dumps(manifest))
    with pytest.raises(ModelError):
        Cifar10AudioClassifier().load_model(folder)


def test_a_failed_load_leaves_the_current_model(model_dir, own_classifier, corpus, tmp_path):
    before = own_classifier.predict(corpus[0][0]).probabilities
    with pytest.raises(ModelError):
        own_classifier.load_model(tmp_path)
    np.testing.assert_array_equal(own_classifier.predict(corpus[0][0]).probabilities, before)


def write(path, y, sr=12000, **kwargs):
    sf.write(path, y, sr, **kwargs)
    return path


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda p: p.touch(), AudioDecodeError, "empty"),
        (lambda p: p.write_text("hello " * 100), AudioDecodeError, "decoder"),
        (lambda p: write(p, np.zeros(0)), AudioError, "no samples"),
        (lambda p: write(p, np.full(9000, np.nan), subtype="FLOAT"), InvalidAudioError, "NaN"),
        (lambda p: write(p, np.zeros(9000)), InvalidAudioError, "silent"),
        (lambda p: p.mkdir(), AudioDecodeError, "directory"),
        (lambda p: None, AudioDecodeError, "no such file"),
    ],
    ids=["empty", "text", "header only", "NaN", "silence", "directory", "missing"],
)
def test_a_bad_file_is_one_clear_error_that_names_it(classifier, corpus, tmp_path, make, error, match):
    path = tmp_path / "bad ü.wav"
    make(path)
    for call in (classifier.predict_class, classifier.encode_audio):
        with pytest.raises(error, match=match) as raised:
            call(path)
        assert str(path) in str(raised.value)
    # In bulk the others are still predicted.
    good, bad = classifier.predict_many([corpus[0][0], path])
    assert good.error is None and isinstance(bad.error, error)


def test_unusual_but_valid_files(classifier, tmp_path):
    rng = np.random.default_rng(0)
    short = write(tmp_path / "10 ms.wav", rng.normal(0, 0.1, 120))
    wide = write(tmp_path / "8 channels.wav", rng.normal(0, 0.1, (96000, 8)), 96000, subtype="PCM_24")
    for path in (short, wide):
        assert classifier.predict_class(path) in classifier.labels


def test_fit_leaves_out_bad_files_and_lists_them(corpus, options, tmp_path, caplog):
    bad = tmp_path / "bad.wav"
    bad.write_text("not sound")
    classifier = Cifar10AudioClassifier()
    classifier.fit([*corpus, (bad, "low")], tmp_path / "m", **options | {"epochs": 1})
    assert [path for path, _ in classifier.skipped] == [str(bad)]
    assert str(bad) in caplog.text
    assert model_store.read_manifest(tmp_path / "m", "cifar10")["skipped"][0][0] == bad.name


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"nb_classes": 2}, DatasetError, r"nb_classes\b.*2\b.*3"),
        ({"batch_size": 0}, ParameterError, "batch_size"),
        ({"epochs": 0}, ParameterError, "epochs"),
        ({"checkpoint_interval": 0}, ParameterError, "checkpoint_interval"),
        ({"input_shape": (1, 8, 8)}, ParameterError, r"input_shape .*\(1, 8, 8\)"),
        ({"input_shape": (96, 1366)}, FeatureError, "input_shape"),
        ({"input_shape": 96}, FeatureError, "input_shape.*96"),
        ({"feature_config": "log_mel"}, FeatureError, "feature_config.*str"),
        ({"test_size": 1.0}, ParameterError, "test_size"),
        ({"learning_rate": -0.1}, ParameterError, "learning_rate"),
        ({"random_state": -1}, ParameterError, "random_state"),
        ({"early_stopping": 0}, ParameterError, "patience"),
        ({"recipe": "fancy"}, ParameterError, "'fancy'"),
        ({"callbacks": [5]}, ParameterError, "callbacks"),
        ({"callbacks": 3}, ParameterError, "callbacks"),
        ({"groups": 3}, ParameterError, "groups"),
        ({"cache": 3}, ParameterError, "cache"),
        ({"report": 3}, ParameterError, "report"),
        ({"batch_size": True}, ParameterError, "batch_size"),
        ({"nb_classes": "3"}, ParameterError, "nb_classes"),
        ({"test_size": -1}, ParameterError, "test_size.*>= 0 and < 1"),
        ({"validation_pairs": "songs"}, ParameterError, "validation_pairs"),
        ({"recipe": Recipe(loss="arc")}, ParameterError, "'arc'.*cifar10"),
    ],
)
def test_bad_arguments(corpus, options, tmp_path, change, error, match):
    with pytest.raises(error, match=match):
        Cifar10AudioClassifier().fit(corpus, tmp_path, **options | change)


@pytest.mark.parametrize(
    ("choose", "match"),
    [
        (lambda pairs: [], "no clips"),
        (lambda pairs: [p for p in pairs if p[1] == "low"], "one class only"),
        (lambda pairs: pairs[:2], "one readable clip"),
        (lambda pairs: [path for path, _ in pairs], "pair"),
        (lambda pairs: [(path, 3 + i % 2) for i, (path, _) in enumerate(pairs)], r"outside range\(3\)"),
        (lambda pairs: [(path + "x", label) for path, label in pairs], "none of the 24 files"),
    ],
    ids=["none", "one class", "two pairs", "no labels", "outside", "all missing"],
)
def test_corpora_that_cannot_be_trained_on(corpus, options, tmp_path, choose, match):
    nb_classes = 3 if match.startswith(("outside", "none of")) else None
    with pytest.raises(DatasetError, match=match):
        Cifar10AudioClassifier().fit(choose(corpus), tmp_path, **options | {"nb_classes": nb_classes})


def test_a_loss_that_is_not_finite_stops_training_and_the_checkpoint_stays(corpus, options, tmp_path):
    Cifar10AudioClassifier().fit(corpus, tmp_path, **options)
    before = model_store.read_manifest(tmp_path, "cifar10")
    with pytest.raises(ModelError, match=r"epoch 1, batch \d \(.*clip .*[57] more\)"):
        Cifar10AudioClassifier().fit(corpus, tmp_path, **options, learning_rate=1e38, recipe="plain")
    assert model_store.read_manifest(tmp_path, "cifar10") == before


def test_a_path_that_cannot_hold_a_model_is_named_before_anything_is_read(corpus, options, tmp_path, monkeypatch):
    monkeypatch.setattr("mxnet_audio.training.prepare", lambda *_, **__: pytest.fail("read"))
    (tmp_path / "file").touch()
    with pytest.raises(ModelError, match=str(tmp_path / "file")):
        Cifar10AudioClassifier().fit(corpus, tmp_path / "file", **options)


ALONE = """
import json, sys
from mxnet_audio.library.cifar10 import Cifar10AudioClassifier
corpus, options, directory = json.load(open(sys.argv[1]))
del options["cache"]
classifier = Cifar10AudioClassifier()
classifier.fit(corpus, directory, **options)
classifier.evaluate(corpus)
list(classifier.encode_many(path for path, _ in corpus))
"""


def test_without_progress_nothing_is_printed_and_nothing_is_written_beside_the_sound(corpus, options, tmp_path):
    sound, task = tmp_path / "sound", tmp_path / "task.json"
    sound.mkdir()
    pairs = [(shutil.copy(path, sound / f"{i}.wav"), label) for i, (path, label) in enumerate(corpus[:12])]
    small = options | {"cache": None, "epochs": 1}
    task.write_text(json.dumps([[(str(path), label) for path, label in pairs], small, str(tmp_path / "model")]))
    done = subprocess.run(
        [sys.executable, "-c", ALONE, str(task)],
        cwd=sound,
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("", "")
    assert sorted(path.name for path in sound.iterdir()) == sorted(f"{i}.wav" for i in range(len(pairs)))
    assert len(list((tmp_path / "cache").rglob("*.features"))) == 1  # all clips in one file


@pytest.mark.parametrize("path", [None, 3, ""])
def test_a_model_directory_that_is_no_path(corpus, classifier, options, path):
    calls = [
        lambda: Cifar10AudioClassifier().fit(corpus, path, **options),
        lambda: Cifar10AudioClassifier().load_model(path),
        lambda: classifier.save_model(path),
        lambda: load_classifier(path),
    ]
    for call in calls:
        with pytest.raises(ParameterError, match="model_dir_path"):
            call()
    with pytest.raises(ParameterError, match="path"):
        classifier.export_onnx(path)


def test_arguments_of_the_wrong_type(classifier, tmp_path):
    for paths in (None, 5):
        for call in (classifier.predict_many, classifier.encode_many):
            with pytest.raises(ParameterError, match="paths"):
                list(call(paths))
        with pytest.raises(ParameterError, match="paths"):
            classifier.adapt(paths)
        with pytest.raises(ParameterError, match="audio_path_label_pairs"):
            classifier.evaluate(paths)
    for name in ("model_ctx", "data_ctx"):
        with pytest.raises(ParameterError, match=f"{name}.*'cpu'"):
            Cifar10AudioClassifier(**{name: "cpu"})
    with pytest.raises(ParameterError, match=r"audio_path_label_pairs.*datasets\.folder\('songs'\)"):
        Cifar10AudioClassifier().fit("songs", tmp_path)

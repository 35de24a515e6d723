"""Several labels a clip in every classifier: training, thresholds, predictions, evaluation, files and copies."""

import copy
import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from mxnet_audio import (
    Cifar10AudioClassifier,
    M5AudioClassifier,
    PretrainedAudioClassifier,
    ResNetV2AudioClassifier,
    model_store,
)
from mxnet_audio.errors import DatasetError, ModelError, ParameterError
from mxnet_audio.inference.onnx_classifier import OnnxAudioClassifier
from mxnet_audio.inference.results import Prediction
from mxnet_audio.library.export import export_onnx
from mxnet_audio.metrics.multilabel import MultiLabelReport, average_precision, label_matrix
from mxnet_audio.training import Recipe

HUB = Path(__file__).resolve().parents[1] / "models" / "hub"
LABELS = ["high", "low", "noise"]
SR = 12000
RECIPE = Recipe(mixup=0.3, label_smoothing=0.1, balance="weights", average=0.5)


def sound_of(labels, rng, seconds=0.5, sr=SR):
    """Samples in which each of the labels sounds, above a faint hiss."""
    t = np.arange(round(seconds * sr)) / sr
    y = rng.normal(0, 0.003, len(t))
    if "low" in labels:
        y += 0.3 * np.sin(2 * np.pi * rng.uniform(200, 400) * t)
    if "high" in labels:
        y += 0.3 * np.sin(2 * np.pi * rng.uniform(2500, 4000) * t)
    if "noise" in labels:
        y += rng.normal(0, 0.1, len(t))
    return y.astype(np.float32), sr


def clips_of_sets(count=32, **options):
    """Pairs of a sound and the set of what sounds, which may be empty."""
    rng = np.random.default_rng(0)
    sets = [{label for bit, label in enumerate(LABELS) if number % 8 >> bit & 1} for number in range(count)]
    return [(sound_of(labels, rng, **options), labels) for labels in sets]


@pytest.fixture(scope="module")
def pairs():
    return clips_of_sets()


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """Arguments of a quick `fit`."""
    options = {"batch_size": 8, "epochs": 4, "input_shape": (1, 32, 24), "checkpoint_interval": 1, "recipe": "plain"}
    return options | {"test_size": 0.25, "cache": False, "progress": False, "learning_rate": 0.003}


@pytest.fixture(scope="module")
def folder(pairs, quick, tmp_path_factory):
    """Model directory of cifar10; tests must not change it."""
    folder = tmp_path_factory.mktemp("sets")
    Cifar10AudioClassifier().fit(pairs, folder, **quick)
    return folder


@pytest.fixture(scope="module")
def classifier(folder):
    """The classifier of the folder; tests must not change it."""
    classifier = Cifar10AudioClassifier()
    classifier.load_model(folder)
    return classifier


def test_predictions_are_sets_of_the_classes_that_reach_their_thresholds(classifier, pairs):
    sounds = [sound for sound, _ in pairs]
    predictions = list(classifier.predict_many(sounds))
    assert classifier.thresholds.shape == (3,) and ((classifier.thresholds > 0) & (classifier.thresholds < 1)).all()
    assert len({prediction.probabilities.sum().round(2) for prediction in predictions}) > 3  # they are independent
    for prediction in predictions:
        reached = prediction.probabilities >= classifier.thresholds
        assert prediction.label == tuple(label for label, above in zip(LABELS, reached) if above)
        assert prediction.probability == prediction.top(1)[0][1] and len(prediction.top(3)) == 3
        assert prediction.as_dict()["label"] == list(prediction.label)
    found = classifier.predict_class(sounds[7])
    assert isinstance(found, set) and found == set(predictions[7].label)
    assert {len(prediction.label) for prediction in predictions} > {0, 1}


def test_a_timeline_has_the_labels_of_each_window(classifier):
    rng = np.random.default_rng(1)
    parts = [sound_of({"low"}, rng)[0], np.zeros(SR, np.float32), sound_of(set(LABELS), rng)[0]]
    timeline = classifier.predict_timeline((np.concatenate(parts), SR), window=0.5, hop=0.5)
    assert [window.label for window in timeline][1:3] == [None, None]
    for window in (timeline[0], timeline[-1]):
        above = window.probabilities >= classifier.thresholds
        assert window.label == tuple(label for label, one in zip(LABELS, above) if one)
    assert timeline[0].as_dict()["label"] == list(timeline[0].label)


def test_the_last_figure_is_the_mean_average_precision_of_the_report(classifier, pairs):
    _, test = held_out(pairs)
    report = classifier.evaluate(test)
    assert isinstance(report, MultiLabelReport) and report.n_clips == len(test)
    np.testing.assert_array_equal(report.thresholds, classifier.thresholds)
    assert report.mean_average_precision == pytest.approx(classifier.history["acc_test"][-1])
    predictions = [classifier.predict(sound) for sound, _ in test]
    targets = label_matrix([labels for _, labels in test], LABELS)
    expected = average_precision(targets, np.stack([prediction.probabilities for prediction in predictions]))
    np.testing.assert_allclose(report.average_precision, expected)
    assert report.n_exact == sum(set(p.label) == labels for p, (_, labels) in zip(predictions, test))


def held_out(pairs, test_size=0.25, seed=42):
    """Training and test clips as `fit` splits them."""
    from mxnet_audio.training import split

    targets = label_matrix([labels for _, labels in pairs], LABELS).astype(np.float32)
    return ([pairs[index] for index in side] for side in split(targets, test_size, seed))


def test_labels_can_be_sets_lists_tuples_single_ones_or_text(pairs, quick, tmp_path):
    forms = [
        frozenset(labels)
        if n % 4 == 0
        else [*labels, *labels]
        if n % 4 == 1
        else tuple(labels)
        if n % 4 == 2
        else labels
        for n, (_, labels) in enumerate(pairs)
    ]
    forms[1] = "high"
    text = ["| ".join(sorted(labels)) for _, labels in pairs]
    quick = quick | {"epochs": 1}
    expected = Cifar10AudioClassifier().fit(pairs, tmp_path / "sets", **quick)
    sounds = [sound for sound, _ in pairs]
    mixed, separated = Cifar10AudioClassifier(), Cifar10AudioClassifier()
    assert mixed.fit(list(zip(sounds, forms)), tmp_path / "mixed", **quick) == expected
    assert separated.fit(list(zip(sounds, text)), tmp_path / "text", **quick, label_separator="|") == expected
    assert separated.labels == mixed.labels == LABELS
    report = separated.evaluate(list(zip(sounds, text)), label_separator="|")
    assert report.to_dict() == mixed.evaluate(list(zip(sounds, forms))).to_dict()
    assert mixed.evaluate([(sounds[1], "high")]).n_clips == 1
    with pytest.raises(DatasetError, match=r"low\| noise"):
        separated.evaluate(list(zip(sounds, text)))


def test_numbers_can_be_labels_of_sets(pairs, quick, tmp_path):
    numbered = [(sound, [LABELS.index(label) for label in labels]) for sound, labels in pairs]
    classifier = Cifar10AudioClassifier()
    classifier.fit(numbered, tmp_path, **quick | {"epochs": 1}, nb_classes=4)
    assert classifier.labels == [0, 1, 2, 3] and classifier.predict_class(numbered[0][0]) <= {0, 1, 2, 3}
    assert classifier.thresholds[3] == 0.5  # no clip has it


@pytest.mark.parametrize("network", [ResNetV2AudioClassifier, M5AudioClassifier])
def test_other_networks_learn_sets(network, pairs, quick, tmp_path):
    shape = {"input_shape": (1, 1, 6000)} if network is M5AudioClassifier else {}
    classifier = network()
    history = classifier.fit(pairs, tmp_path, **quick | {"epochs": 2} | shape)
    assert np.isfinite(history["loss_test"]).all() and history["acc_test"][-1] > 0.3
    assert isinstance(classifier.predict_class(pairs[7][0]), set)


def test_cifar10_learns_what_sounds(pairs, quick, tmp_path):
    train, test = held_out(pairs)
    classifier = Cifar10AudioClassifier()
    history = classifier.fit(train, tmp_path, **quick | {"epochs": 9}, validation_pairs=test)
    assert history["loss_train"][-1] < history["loss_train"][0]
    assert history["acc_test"][-1] > 0.9
    assert classifier.evaluate(test).micro_f1 > 0.85


def test_without_held_out_clips_the_thresholds_are_one_half(pairs, quick, tmp_path):
    classifier = Cifar10AudioClassifier()
    history = classifier.fit(pairs, tmp_path, **quick | {"epochs": 1, "test_size": 0})
    assert history["acc_test"] == [] and classifier.thresholds.tolist() == [0.5, 0.5, 0.5]
    classifier.fit(pairs, tmp_path, **quick | {"epochs": 2, "test_size": 0}, resume=True)
    assert classifier.thresholds.tolist() == [0.5, 0.5, 0.5]


def test_a_resumed_run_equals_an_uninterrupted_one(pairs, quick, tmp_path):
    pairs, options = pairs[:16], quick | {"recipe": RECIPE, "epochs": 3}
    whole = Cifar10AudioClassifier()
    history = whole.fit(pairs, tmp_path / "whole", **options)

    def interrupt(history):
        if len(history["loss_train"]) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Cifar10AudioClassifier().fit(pairs, tmp_path / "parts", **options, callbacks=[interrupt])
    parts = Cifar10AudioClassifier()
    assert parts.fit(pairs, tmp_path / "parts", **options, resume=True) == history
    assert parts.model_id == whole.model_id
    manifests = [json.loads((tmp_path / name / "cifar10.json").read_text()) for name in ("whole", "parts")]
    assert manifests[0] == manifests[1]
    single = [(sound, "low" if "low" in labels else "high") for sound, labels in pairs]
    with pytest.raises(ModelError, match="clips"):
        Cifar10AudioClassifier().fit(single, tmp_path / "parts", **options, resume=True)


def test_a_model_keeps_its_thresholds_in_files_and_copies(folder, classifier, pairs, tmp_path):
    sounds = [sound for sound, _ in pairs[:8]]
    expected = list(classifier.predict_many(sounds))
    copy.copy(classifier).save_model(tmp_path)
    saved = Cifar10AudioClassifier()
    saved.load_model(tmp_path)
    for twin in (saved, pickle.loads(pickle.dumps(classifier)), copy.deepcopy(classifier)):
        assert list(twin.predict_many(sounds)) == expected
        assert twin.thresholds.tolist() == classifier.thresholds.tolist() and twin.model_id == classifier.model_id
    manifest = model_store.read_manifest(folder, "cifar10")
    assert manifest["thresholds"]["last"] == classifier.thresholds.tolist()
    saved.load_model(folder, parameters="best")
    assert saved.thresholds.tolist() == manifest["thresholds"]["best"]


def test_the_best_parameters_have_their_own_thresholds(pairs, quick, tmp_path):
    train, test = held_out(pairs)
    classifier = Cifar10AudioClassifier()
    history = classifier.fit(train, tmp_path, **quick, validation_pairs=test)
    best = max(range(4), key=lambda epoch: (history["acc_test"][epoch], -history["loss_test"][epoch]))
    assert model_store.read_manifest(tmp_path, "cifar10")["best_epoch"] == best + 1
    classifier.load_model(tmp_path, parameters="best")
    assert classifier.evaluate(test).mean_average_precision == pytest.approx(max(history["acc_test"]))


DAMAGES = {"none": None, "no last": {}, "short": {"last": [0.5]}, "above 1": {"last": [0.5, 0.5, 2]}, "text": "0.5"}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_thresholds_are_named(damage, folder, tmp_path):
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "cifar10.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"thresholds": DAMAGES[damage]}))
    with pytest.raises(ModelError, match="thresholds"):
        Cifar10AudioClassifier().load_model(tmp_path)


@pytest.mark.parametrize("front_end", [False, True])
def test_an_exported_model_answers_alike(front_end, classifier, pairs, tmp_path):
    path = tmp_path / "sets.onnx"
    export_onnx(classifier.model, path, front_end=front_end)
    exported = OnnxAudioClassifier(path)
    assert exported.thresholds.tolist() == classifier.thresholds.tolist()
    sounds = [sound for sound, _ in pairs]
    for one, other in zip(exported.predict_many(sounds), classifier.predict_many(sounds)):
        np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-4)
        assert one.label == other.label
    assert exported.predict_class(sounds[7]) == classifier.predict_class(sounds[7])
    assert exported.evaluate(pairs).n_exact == classifier.evaluate(pairs).n_exact
    with pytest.raises(ModelError, match="unknown"):
        exported.predict(sounds[0], unknown=True)


REFUSED_RECIPES = {
    "arc": Recipe(loss="arc"),
    "ge2e": Recipe(loss="ge2e"),
    "splice": Recipe(splice=0.2),
    "ring": Recipe(loss="ring"),
}


@pytest.mark.parametrize("name", REFUSED_RECIPES)
def test_losses_and_steps_for_speakers_are_refused(name, pairs, quick, tmp_path):
    with pytest.raises(ParameterError, match=r"loss|splice"):
        Cifar10AudioClassifier().fit(pairs, tmp_path, **quick | {"recipe": REFUSED_RECIPES[name]})


BAD = {
    "one class": [{"low"}, set()],
    "no class": [set(), set()],
    "text and numbers": [{"low"}, {3}],
    "nested": [["low"], [["high"]]],
    "missing": [{"low", "high"}, None],
    "a truth value": [{"low", "high"}, {True}],
}


@pytest.mark.parametrize("name", BAD)
def test_labels_that_are_no_sets_of_classes_are_refused(name, pairs, quick, tmp_path):
    clips = [(sound, label) for (sound, _), label in zip(pairs, BAD[name] * 8)]
    with pytest.raises(DatasetError):
        Cifar10AudioClassifier().fit(clips, tmp_path, **quick)


@pytest.mark.parametrize("separator", ["", 3, b"|"], ids=repr)
def test_a_separator_must_be_a_text(separator, classifier, pairs, quick, tmp_path):
    with pytest.raises(ParameterError, match="label_separator"):
        Cifar10AudioClassifier().fit(pairs, tmp_path, **quick, label_separator=separator)
    with pytest.raises(ParameterError, match="label_separator"):
        classifier.evaluate(pairs, label_separator=separator)
    with pytest.raises(DatasetError, match=r"high\|low; .*label_separator"):
        classifier.evaluate([(pairs[0][0], "high|low")])


def test_a_model_of_one_label_a_clip_refuses_sets(model_dir, corpus):
    classifier = Cifar10AudioClassifier()
    classifier.load_model(model_dir)
    assert classifier.thresholds is None and isinstance(classifier.predict_class(corpus[0][0]), str)
    with pytest.raises(DatasetError, match="one label"):
        classifier.evaluate([(corpus[0][0], {"low", "high"})])
    assert "thresholds" not in model_store.read_manifest(model_dir, "cifar10")


def test_text_with_a_bar_is_one_label_without_a_separator(pairs, quick, tmp_path):
    clips = [(sound, "dog|rain" if "low" in labels else "dog") for sound, labels in pairs]
    classifier = Cifar10AudioClassifier()
    classifier.fit(clips, tmp_path, **quick | {"epochs": 1})
    assert classifier.labels == ["dog", "dog|rain"] and classifier.thresholds is None


@pytest.fixture(scope="module")
def sounds_16k():
    return clips_of_sets(24, seconds=0.1, sr=16000)


def fitted(folder, pairs, **options):
    fit_options = {"test_size": 0.25, "batch_size": 8, "epochs": 2, "cache": False, "progress": False}
    fit_options |= options.pop("fit_options", {})
    classifier = PretrainedAudioClassifier("wav2vec2", source=HUB / "wav2vec2", **options)
    history = classifier.fit(pairs, folder, **fit_options)
    return classifier, history


@pytest.mark.parametrize("head", ["linear", "mlp"])
def test_a_head_on_a_frozen_encoder_learns_sets(head, sounds_16k, tmp_path):
    classifier, history = fitted(tmp_path / "model", sounds_16k, head=head)
    assert set(history) == {"loss_train", "loss_test", "acc_train", "acc_test"} and history["acc_train"][-1] > 0.5
    assert classifier.thresholds.shape == (3,) and len(set(classifier.thresholds.tolist())) > 1
    sounds = [sound for sound, _ in sounds_16k]
    expected = list(classifier.predict_many(sounds))
    loaded = PretrainedAudioClassifier("wav2vec2")
    loaded.load_model(tmp_path / "model")
    assert list(loaded.predict_many(sounds)) == expected
    assert isinstance(loaded.evaluate(sounds_16k), MultiLabelReport)
    if head == "mlp":
        resumed, again = fitted(tmp_path / "model", sounds_16k, head=head, fit_options={"resume": True})
        assert again == history and resumed.thresholds.tolist() == classifier.thresholds.tolist()
    else:
        export_onnx(classifier.model, tmp_path / "a.onnx")
        exported = OnnxAudioClassifier(tmp_path / "a.onnx")
        assert [one.label for one in exported.predict_many(sounds)] == [one.label for one in expected]
        assert exported.predict_timeline(sounds[7])[0].label == classifier.predict_timeline(sounds[7])[0].label
    with pytest.raises(ModelError, match="unknown"):
        classifier.predict(sounds[0], unknown=True)
    with pytest.raises(ModelError, match="unknown"):
        classifier.known_sounds  # noqa: B018
    with pytest.raises(ModelError, match="add_classes"):
        classifier.add_classes([(sounds[0], {"dog"})])


@pytest.mark.parametrize("options", [{"trainable": True}, {"adapter": "lora"}, {"embedding": "weighted:mean"}], ids=str)
def test_fine_tuned_encoders_learn_sets(options, sounds_16k, tmp_path):
    classifier, history = fitted(tmp_path / "model", sounds_16k[:16], fit_options={"epochs": 1}, **options)
    assert np.isfinite(history["loss_test"]).all() and "known" not in classifier.model.extras
    assert isinstance(classifier.predict_class(sounds_16k[7][0]), set)
    loaded = PretrainedAudioClassifier("wav2vec2")
    loaded.load_model(tmp_path / "model")
    assert loaded.thresholds.tolist() == classifier.thresholds.tolist()


def test_a_fine_tuned_encoder_without_held_out_clips_does_not_keep_the_thresholds_of_its_first_head(
    sounds_16k, tmp_path
):
    options = {"test_size": 0, "epochs": 1}
    classifier, _ = fitted(tmp_path, sounds_16k[:12], embedding="weighted:mean", fit_options=options)
    assert classifier.thresholds.tolist() == [0.5, 0.5, 0.5]


def test_a_single_label_classifier_cannot_add_sets(sounds_16k, tmp_path):
    single = [(sound, "low" if "low" in labels else "high") for sound, labels in sounds_16k]
    classifier, _ = fitted(tmp_path, single)
    with pytest.raises(DatasetError, match="one label"):
        classifier.add_classes([(sounds_16k[0][0], {"dog"})])


def test_a_prediction_without_labels_is_empty():
    prediction = Prediction("a.wav", (), np.float32([0.1, 0.2]), labels=["dog", "rain"])
    assert prediction.as_dict() == {
        "path": "a.wav",
        "label": [],
        "probability": pytest.approx(0.2),
        "probabilities": {"dog": pytest.approx(0.1), "rain": pytest.approx(0.2)},
        "error": None,
    }
    assert repr(prediction) == "Prediction(path='a.wav', label=(), probability=0.2)" and hash(prediction)

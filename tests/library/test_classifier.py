"""The classifiers' public face: fit, load, predict, encode, evaluate."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from mxnet_audio import model_store
from mxnet_audio.engine import mx
from mxnet_audio.errors import AudioDecodeError, DatasetError, ModelError
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.library import load_classifier
from mxnet_audio.library.cifar10 import Cifar10AudioClassifier
from mxnet_audio.library.resnet_v2 import ResNetV2AudioClassifier

MEASURES = {"loss_train", "loss_test", "acc_train", "acc_test"}


def parameters(directory, role="last", name="cifar10"):
    return model_store.read_tensors(directory, model_store.read_manifest(directory, name), role)


@pytest.mark.parametrize("kind", [Cifar10AudioClassifier, ResNetV2AudioClassifier])
def test_fit_learns_and_load_model_gives_the_same_answers(kind, corpus, options, tmp_path):
    fitted = kind()
    history = fitted.fit(corpus, tmp_path, **options | {"epochs": 12})
    assert history.keys() == MEASURES
    assert {len(values) for values in history.values()} == {12}
    assert history["loss_train"][-1] < history["loss_train"][0] / 2
    report = fitted.evaluate(corpus)
    assert report.accuracy > 0.9
    loaded = kind()
    loaded.load_model(model_dir_path=tmp_path)
    assert loaded.history == history
    assert loaded.labels == ["high", "low", "noise"]
    assert loaded.model_id == fitted.model_id
    path = corpus[0][0]
    np.testing.assert_allclose(
        loaded.predict(path).probabilities, fitted.predict(path).probabilities, rtol=1e-5, atol=1e-7
    )
    np.testing.assert_array_equal(loaded.encode_audio(path), fitted.encode_audio(path))


def test_integer_labels_come_back_as_given(corpus, options, tmp_path):
    names = {"low": 7, "high": 2, "noise": 4}
    classifier = Cifar10AudioClassifier()
    pairs = [(path, np.int64(names[label])) for path, label in corpus]
    classifier.fit(pairs, tmp_path, **options | {"nb_classes": 10, "epochs": 12})
    assert classifier.labels == list(range(10))
    predicted = {classifier.predict_class(path) for path, _ in corpus}
    assert predicted == {7, 2, 4}
    assert classifier.predict(corpus[0][0]).probabilities.shape == (10,)
    assert classifier.evaluate(pairs).accuracy > 0.8


def test_integer_labels_with_gaps_are_the_classes_where_no_number_is_given(corpus, options, tmp_path):
    names = {"low": -7, "high": 2000, "noise": 4}
    classifier = Cifar10AudioClassifier()
    pairs = [(path, names[label]) for path, label in corpus]
    classifier.fit(pairs, tmp_path, **options | {"nb_classes": None, "epochs": 1})
    assert classifier.labels == [-7, 4, 2000]
    assert load_classifier(tmp_path).predict_class(corpus[0][0]) in {-7, 4, 2000}


def test_labels_of_numpy_come_back_as_str(corpus, options, tmp_path):
    classifier = Cifar10AudioClassifier()
    pairs = [(path, np.str_(label)) for path, label in corpus]
    classifier.fit(pairs, tmp_path, **options | {"epochs": 1})
    assert {type(label) for label in [*classifier.labels, classifier.predict_class(corpus[0][0])]} == {str}
    assert classifier.evaluate(pairs).confusion.sum() == len(corpus)


@pytest.mark.parametrize("kind", [Cifar10AudioClassifier, ResNetV2AudioClassifier])
def test_a_device_that_is_not_the_default_one(kind, corpus, options, tmp_path):
    # MXNet takes cpu(1) for another device than cpu(0): parameters, batches and the optimiser's state must follow.
    contexts = {"model_ctx": mx.cpu(1), "data_ctx": mx.cpu(0)}
    plain = options | {"recipe": "plain"}  # whose epochs don't depend on how many follow
    expected = kind().fit(corpus, tmp_path / "default", **plain | {"epochs": 3})
    kind(**contexts).fit(corpus, tmp_path / "other", **plain | {"epochs": 2})
    history = kind(**contexts).fit(corpus, tmp_path / "other", **plain | {"epochs": 3}, resume=True)
    assert history == expected
    loaded = load_classifier(tmp_path / "other", model_ctx=mx.cpu(1))
    assert {p.list_ctx()[0] for p in loaded.model.net.collect_params().values()} == {mx.cpu(1)}
    assert loaded.encode_audio(corpus[0][0]).shape == (loaded.embedding_dim,)


def test_a_gpu_that_is_not_there_is_named_at_once():
    for contexts in ({"model_ctx": mx.gpu(99)}, {"data_ctx": mx.gpu(99)}):
        with pytest.raises(ModelError, match=r"no gpu\(99\)"):
            Cifar10AudioClassifier(**contexts)


@pytest.mark.parametrize("batch_size", [1, 17])
def test_a_batch_of_one_is_trained_on(batch_size, corpus, options, tmp_path):
    # 18 clips to train on. Of an input of 16 x 16 the last norm sees one value a channel: no spread to divide by.
    small = options | {"batch_size": batch_size, "epochs": 2, "input_shape": (1, 16, 16)}
    classifier = Cifar10AudioClassifier()
    history = classifier.fit(corpus, tmp_path, **small)
    assert np.isfinite([history[measure] for measure in MEASURES]).all()
    assert np.isfinite(classifier.encode_audio(corpus[0][0])).all()


def test_best_and_last_are_kept(corpus, options, tmp_path):
    classifier, options = Cifar10AudioClassifier(), options | {"recipe": "plain"}
    history = classifier.fit(corpus, tmp_path, **options)
    manifest = model_store.read_manifest(tmp_path, "cifar10")
    best = manifest["best_epoch"]
    assert history["acc_test"][best - 1] == max(history["acc_test"])
    shorter = tmp_path / "shorter"
    Cifar10AudioClassifier().fit(corpus, shorter, **options | {"epochs": best})
    assert model_store.fingerprint(parameters(tmp_path, "best")) == model_store.fingerprint(parameters(shorter, "last"))
    classifier.load_model(tmp_path, parameters="best")
    with pytest.raises(ModelError, match="'first'"):
        classifier.load_model(tmp_path, parameters="first")


def test_early_stopping_stops(corpus, options, tmp_path):
    stop = options | {"epochs": 200, "early_stopping": 2, "learning_rate": 0.01}
    history = Cifar10AudioClassifier().fit(corpus, tmp_path, **stop)
    assert len(history["loss_test"]) < 200
    lowest = history["loss_test"].index(min(history["loss_test"]))
    assert len(history["loss_test"]) == lowest + 3
    assert model_store.read_manifest(tmp_path, "cifar10")["history"] == history


def test_validation_pairs_are_what_is_measured_on(corpus, options, tmp_path):
    classifier = Cifar10AudioClassifier()
    history = classifier.fit(corpus[:18], tmp_path, **options, validation_pairs=corpus[18:])
    assert history["acc_test"][-1] == pytest.approx(classifier.evaluate(corpus[18:]).accuracy)
    with pytest.raises(DatasetError, match="training and the validation"):
        classifier.fit(corpus, tmp_path, **options, validation_pairs=corpus[:3])
    with pytest.raises(DatasetError, match="does not know: cat"):
        classifier.fit(corpus[:18], tmp_path, **options, validation_pairs=[(corpus[20][0], "cat")])
    with pytest.raises(DatasetError, match="not both"):
        classifier.fit(corpus[:18], tmp_path, **options, validation_pairs=corpus[18:], groups=range(18))


def test_a_clip_listed_twice_cannot_be_split_off(corpus, options, tmp_path):
    with pytest.raises(DatasetError, match=r"clip 0 é\.wav: is listed more than once"):
        Cifar10AudioClassifier().fit([*corpus, corpus[0]], tmp_path, **options)


def test_groups_may_be_an_array(corpus, options, tmp_path):
    groups = np.arange(24) // 6
    Cifar10AudioClassifier().fit(corpus, tmp_path, **options | {"epochs": 1, "test_size": 0.25}, groups=groups)
    assert model_store.read_manifest(tmp_path, "cifar10")["history"]["acc_test"][0] in {k / 6 for k in range(7)}


def test_groups_are_one_for_each_pair(corpus, options, tmp_path):
    with pytest.raises(DatasetError, match="2 groups for 24 clips"):
        Cifar10AudioClassifier().fit(corpus, tmp_path, **options, groups=["a", "b"])


def test_predict_many_is_predict_in_order_with_bad_files_in_place(classifier, corpus, tmp_path):
    bad = tmp_path / "text.wav"
    bad.write_text("not sound")
    paths = [path for path, _ in corpus]
    mixed = [*paths[:3], str(bad), *paths[3:20], str(tmp_path / "missing.wav")]
    answers = list(classifier.predict_many(iter(mixed), batch_size=4))
    assert [answer.path for answer in answers] == mixed
    for answer in answers:
        if answer.path in paths:
            assert answer.error is None
            np.testing.assert_allclose(
                answer.probabilities, classifier.predict(answer.path).probabilities, rtol=1e-4, atol=1e-6
            )
            assert answer.probabilities.sum() == pytest.approx(1, abs=1e-5)
            assert answer.label == classifier.labels[answer.probabilities.argmax()]
        else:
            assert answer.label is None
            assert isinstance(answer.error, AudioDecodeError)
            assert answer.path in str(answer.error)


def test_paths_come_back_as_strings_and_one_alone_will_do(classifier, corpus):
    path = corpus[0][0]
    for given in (path, Path(path), [path], [Path(path)]):
        (prediction,), (encoding,) = classifier.predict_many(given), classifier.encode_many(given)
        assert (prediction.path, encoding.path) == (path, path)
    assert classifier.predict((np.ones(6000, np.float32), 12000)).path is None
    with pytest.raises(ModelError, match="batch_size"):
        list(classifier.predict_many([path], batch_size=0))


def test_all_bad_and_none_at_all(classifier, tmp_path):
    (answer,) = classifier.predict_many([tmp_path / "missing.wav"])
    assert answer.error is not None
    assert list(classifier.predict_many([])) == []


def test_encode_is_the_penultimate_layer_of_fixed_length(classifier, corpus):
    vectors = [encoding.vector for encoding in classifier.encode_many(path for path, _ in corpus[:3])]
    assert {vector.shape for vector in vectors} == {(512,)} == {(classifier.embedding_dim,)}
    assert vectors[0].dtype == np.float32
    np.testing.assert_allclose(vectors[0], classifier.encode_audio(corpus[0][0]), rtol=1e-4, atol=1e-6)


def test_arrays_and_file_objects_are_sound_too(classifier, corpus):
    path = corpus[0][0]
    y, sr = sf.read(path, dtype="float32")
    expected = classifier.predict(path).probabilities
    np.testing.assert_allclose(classifier.predict((y, sr)).probabilities, expected, rtol=1e-4, atol=1e-6)
    with Path(path).open("rb") as file:
        np.testing.assert_allclose(classifier.predict(file).probabilities, expected, rtol=1e-4, atol=1e-6)


def test_evaluate_reports_and_lists_what_it_skipped(classifier, corpus, tmp_path):
    missing = str(tmp_path / "missing.wav")
    report = classifier.evaluate([*corpus, (missing, "low")])
    assert report.confusion.sum() == len(corpus)
    assert [path for path, _ in report.skipped] == [missing]
    with pytest.raises(DatasetError, match="cow"):
        classifier.evaluate([(corpus[0][0], "cow")])
    with pytest.raises(DatasetError, match="none of the 1 files"):
        classifier.evaluate([(missing, "low")])


def test_timeline_covers_the_sound_and_finds_the_change(classifier, corpus, tmp_path):
    low, high = (next(path for path, label in corpus if label == kind) for kind in ("low", "high"))
    parts = [sf.read(path)[0] for path in (low, low, low, high, high, high)]
    path = tmp_path / "long.wav"
    sf.write(path, np.concatenate([*parts, np.zeros(600)]), 12000)
    timeline = classifier.predict_timeline(path, window=1.0, hop=0.5)
    assert [entry.start for entry in timeline] == pytest.approx(np.arange(len(timeline)) * 0.5)
    assert timeline[-1].end == pytest.approx(6.05)
    assert timeline[0].label == "low" and timeline[6].label == "high"
    first = classifier.predict((parts[0].astype(np.float32), 12000))
    np.testing.assert_allclose(timeline[0].probabilities, first.probabilities, rtol=1e-4, atol=1e-6)
    default = classifier.predict_timeline(path)
    assert default[1].start == pytest.approx(default[0].end / 2, abs=1e-3)


def test_model_id_changes_with_the_parameters_and_the_features(corpus, options, tmp_path):
    config = AudioFeatureConfig(n_mels=32, n_frames=40)
    ids = set()
    for name, change in {
        "one": {},
        "seed": {"random_state": 1},
        "features": {"feature_config": config.model_copy(update={"htk": True})},
    }.items():
        classifier = Cifar10AudioClassifier()
        classifier.fit(corpus, tmp_path / name, **options | {"epochs": 1} | change)
        ids.add(classifier.model_id)
    assert len(ids) == 3


def test_load_classifier_finds_out_what_is_there(model_dir, corpus, options, tmp_path):
    assert isinstance(load_classifier(model_dir), Cifar10AudioClassifier)
    indexed = shutil.copytree(model_dir, tmp_path / "indexed")
    (indexed / "index.json").write_text("{}")  # an index in the same folder is no model
    assert isinstance(load_classifier(indexed), Cifar10AudioClassifier)
    both = shutil.copytree(model_dir, tmp_path / "both")
    ResNetV2AudioClassifier().fit(corpus, both, **options | {"epochs": 1})
    with pytest.raises(ModelError, match=r"cifar10, resnet_v2.*name one"):
        load_classifier(both)
    assert isinstance(load_classifier(both, "resnet_v2"), ResNetV2AudioClassifier)
    with pytest.raises(ModelError, match="no model here"):
        load_classifier(tmp_path / "nowhere")


def test_a_model_that_is_saved_is_small_and_says_the_same(classifier, model_dir, corpus, tmp_path):
    classifier.save_model(tmp_path)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json", ".safetensors"]
    loaded = load_classifier(tmp_path)
    assert loaded.model_id == classifier.model_id and loaded.history == classifier.history
    np.testing.assert_array_equal(
        loaded.predict(corpus[0][0]).probabilities, classifier.predict(corpus[0][0]).probabilities
    )
    assert loaded.model.notes == classifier.model.notes and "recipe.mixup" in loaded.model.notes["training"]
    with pytest.raises(ModelError, match="'best'"):
        loaded.load_model(tmp_path, parameters="best")


def test_a_run_ends_with_its_report(corpus, options, tmp_path):
    history = Cifar10AudioClassifier().fit(
        corpus, tmp_path / "m", **options | {"epochs": 1}, report=tmp_path / "report"
    )
    page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert f"{100 * history['acc_test'][0]:.1f}" in page and "mixup" in page

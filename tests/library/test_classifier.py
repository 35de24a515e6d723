"""Public methods of the classifiers: fit, load, predict, encode, evaluate."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from mxnet_audio import model_store
from mxnet_audio.engine import mx
from mxnet_audio.errors import AudioDecodeError, AudioError, DatasetError, ModelError, ParameterError
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.library import load_classifier
from mxnet_audio.library.cifar10 import Cifar10AudioClassifier
from mxnet_audio.library.resnet_v2 import ResNetV2AudioClassifier

WHOLE = {"input_shape": (1, 16, 47)}  # as long as the clips, of which one view is taken then
MEASURES = {"loss_train", "loss_test", "acc_train", "acc_test"}


def parameters(directory, role="last", name="cifar10"):
    return model_store.read_tensors(directory, model_store.read_manifest(directory, name), role)


@pytest.mark.parametrize("kind", [Cifar10AudioClassifier, ResNetV2AudioClassifier])
def test_fit_learns_and_load_model_gives_the_same_results(kind, corpus, options, tmp_path):
    fitted = kind()
    history = fitted.fit(
        corpus, tmp_path, **options | {"recipe": "plain", "batch_size": 6, "epochs": 5, "learning_rate": 0.003}
    )
    assert history.keys() == MEASURES
    assert {len(values) for values in history.values()} == {5}
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


def test_integer_labels_are_returned_unchanged(corpus, options, tmp_path):
    names = {"low": 7, "high": 2, "noise": 4}
    classifier = Cifar10AudioClassifier()
    pairs = [(path, np.int64(names[label])) for path, label in corpus]
    classifier.fit(pairs, tmp_path, **options | {"nb_classes": 10, "batch_size": 5, "learning_rate": 0.003})
    assert classifier.labels == list(range(10))
    predicted = {classifier.predict_class(path) for path, _ in corpus}
    assert predicted == {7, 2, 4}
    assert classifier.predict(corpus[0][0]).probabilities.shape == (10,)
    assert classifier.evaluate(pairs).accuracy > 0.8


def test_integer_labels_with_gaps_are_the_classes_without_nb_classes(corpus, options, tmp_path):
    names = {"low": -7, "high": 2000, "noise": 4}
    classifier = Cifar10AudioClassifier()
    pairs = [(path, names[label]) for path, label in corpus]
    classifier.fit(pairs, tmp_path, **options | {"nb_classes": None, "epochs": 1})
    assert classifier.labels == [-7, 4, 2000]
    assert load_classifier(tmp_path).predict_class(corpus[0][0]) in {-7, 4, 2000}


def test_numpy_labels_are_returned_as_str(corpus, options, tmp_path):
    classifier = Cifar10AudioClassifier()
    pairs = [(path, np.str_(label)) for path, label in corpus]
    classifier.fit(pairs, tmp_path, **options | {"epochs": 1})
    assert {type(label) for label in [*classifier.labels, classifier.predict_class(corpus[0][0])]} == {str}
    assert classifier.evaluate(pairs).confusion.sum() == len(corpus)


@pytest.mark.parametrize("kind", [Cifar10AudioClassifier, ResNetV2AudioClassifier])
def test_a_device_that_is_not_the_default_one(kind, corpus, options, tmp_path):
    # To MXNet cpu(1) is another device than cpu(0): parameters, batches and the optimizer's state must follow.
    contexts = {"model_ctx": mx.cpu(1), "data_ctx": mx.cpu(0)}
    plain = options | {"recipe": "plain"}  # its epochs do not depend on how many follow
    expected = kind().fit(corpus, tmp_path / "default", **plain | {"epochs": 2})
    kind(**contexts).fit(corpus, tmp_path / "other", **plain | {"epochs": 1})
    history = kind(**contexts).fit(corpus, tmp_path / "other", **plain | {"epochs": 2}, resume=True)
    assert history == expected
    loaded = load_classifier(tmp_path / "other", model_ctx=mx.cpu(1))
    assert {p.list_ctx()[0] for p in loaded.model.net.collect_params().values()} == {mx.cpu(1)}
    assert loaded.encode_audio(corpus[0][0]).shape == (loaded.embedding_dim,)


def test_a_missing_gpu_is_named_at_once():
    for contexts in ({"model_ctx": mx.gpu(99)}, {"data_ctx": mx.gpu(99)}):
        with pytest.raises(ParameterError, match=r"gpu\(99\)"):
            Cifar10AudioClassifier(**contexts)


@pytest.mark.parametrize("batch_size", [1, 17])
def test_batches_of_one_clip_train(batch_size, corpus, options, tmp_path):
    # 18 training clips. With an input of 16 x 16 the last norm gets one value a channel: no deviation to divide by.
    small = options | {"batch_size": batch_size, "epochs": 2, "input_shape": (1, 16, 16)}
    classifier = Cifar10AudioClassifier()
    history = classifier.fit(corpus, tmp_path, **small)
    assert np.isfinite([history[measure] for measure in MEASURES]).all()
    assert np.isfinite(classifier.encode_audio(corpus[0][0])).all()


def test_best_and_last_parameters_are_saved(corpus, options, tmp_path):
    classifier, options = Cifar10AudioClassifier(), options | {"recipe": "plain"}
    history = classifier.fit(corpus, tmp_path, **options)
    manifest = model_store.read_manifest(tmp_path, "cifar10")
    best = manifest["best_epoch"]
    assert history["acc_test"][best - 1] == max(history["acc_test"])
    shorter = tmp_path / "shorter"
    Cifar10AudioClassifier().fit(corpus, shorter, **options | {"epochs": best})
    assert model_store.fingerprint(parameters(tmp_path, "best")) == model_store.fingerprint(parameters(shorter, "last"))
    classifier.load_model(tmp_path, parameters="best")
    with pytest.raises(ParameterError, match="'first'"):
        classifier.load_model(tmp_path, parameters="first")


def test_early_stopping(corpus, options, tmp_path):
    stop = options | {"epochs": 200, "early_stopping": 2, "learning_rate": 0.01}
    history = Cifar10AudioClassifier().fit(corpus, tmp_path, **stop)
    assert len(history["loss_test"]) < 200
    lowest = history["loss_test"].index(min(history["loss_test"]))
    assert len(history["loss_test"]) == lowest + 3
    assert model_store.read_manifest(tmp_path, "cifar10")["history"] == history


def test_validation_pairs_are_measured_on(corpus, options, tmp_path):
    options = options | WHOLE
    classifier = Cifar10AudioClassifier()
    history = classifier.fit(corpus[:18], tmp_path, **options, validation_pairs=corpus[18:])
    assert history["acc_test"][-1] == pytest.approx(classifier.evaluate(corpus[18:]).accuracy)
    with pytest.raises(DatasetError, match="validation"):
        classifier.fit(corpus, tmp_path, **options, validation_pairs=corpus[:3])
    with pytest.raises(DatasetError, match="cat"):
        classifier.fit(corpus[:18], tmp_path, **options, validation_pairs=[(corpus[20][0], "cat")])
    with pytest.raises(ParameterError, match="groups"):
        classifier.fit(corpus[:18], tmp_path, **options, validation_pairs=corpus[18:], groups=range(18))


def test_a_clip_listed_twice_is_refused(corpus, options, tmp_path):
    with pytest.raises(DatasetError, match=r"clip 0 é\.wav: .*rows 0 and 24"):
        Cifar10AudioClassifier().fit([*corpus, corpus[0]], tmp_path, **options)


def test_groups_may_be_an_array(corpus, options, tmp_path):
    groups = np.arange(24) // 6
    Cifar10AudioClassifier().fit(corpus, tmp_path, **options | {"epochs": 1, "test_size": 0.25}, groups=groups)
    assert model_store.read_manifest(tmp_path, "cifar10")["history"]["acc_test"][0] in {k / 6 for k in range(7)}


def test_there_must_be_a_group_for_each_pair(corpus, options, tmp_path):
    with pytest.raises(DatasetError, match=r"2 .*24"):
        Cifar10AudioClassifier().fit(corpus, tmp_path, **options, groups=["a", "b"])


def test_predict_many_gives_the_results_of_predict_in_order(classifier, corpus, tmp_path):
    bad = tmp_path / "text.wav"
    bad.write_text("not sound")
    paths = [path for path, _ in corpus]
    mixed = [*paths[:3], str(bad), *paths[3:20], str(tmp_path / "missing.wav")]
    predictions = list(classifier.predict_many(iter(mixed), batch_size=4))
    assert [prediction.path for prediction in predictions] == mixed
    for prediction in predictions:
        if prediction.path in paths:
            assert prediction.error is None
            np.testing.assert_allclose(
                prediction.probabilities, classifier.predict(prediction.path).probabilities, rtol=1e-4, atol=1e-6
            )
            assert prediction.probabilities.sum() == pytest.approx(1, abs=1e-5)
            assert prediction.label == classifier.labels[prediction.probabilities.argmax()]
        else:
            assert prediction.label is None
            assert isinstance(prediction.error, AudioDecodeError)
            assert prediction.path in str(prediction.error)


def test_a_single_path_is_accepted_and_paths_are_returned_as_strings(classifier, corpus):
    path = corpus[0][0]
    for given in (path, Path(path), [path], [Path(path)]):
        (prediction,), (encoding,) = classifier.predict_many(given), classifier.encode_many(given)
        assert (prediction.path, encoding.path) == (path, path)
    assert classifier.predict((np.ones(6000, np.float32), 12000)).path is None
    with pytest.raises(ParameterError, match=r"batch_size .*got 0"):
        list(classifier.predict_many([path], batch_size=0))


def test_only_bad_files_and_no_files(classifier, tmp_path):
    (prediction,) = classifier.predict_many([tmp_path / "missing.wav"])
    assert prediction.error is not None
    assert list(classifier.predict_many([])) == []


def test_embeddings_have_a_fixed_length(classifier, corpus):
    vectors = [encoding.vector for encoding in classifier.encode_many(path for path, _ in corpus[:3])]
    assert {vector.shape for vector in vectors} == {(512,)} == {(classifier.embedding_dim,)}
    assert vectors[0].dtype == np.float32
    np.testing.assert_allclose(vectors[0], classifier.encode_audio(corpus[0][0]), rtol=1e-4, atol=1e-6)


def test_arrays_and_file_objects_are_accepted(classifier, corpus):
    path = corpus[0][0]
    y, sr = sf.read(path, dtype="float32")
    expected = classifier.predict(path).probabilities
    np.testing.assert_allclose(classifier.predict((y, sr)).probabilities, expected, rtol=1e-4, atol=1e-6)
    with Path(path).open("rb") as file:
        np.testing.assert_allclose(classifier.predict(file).probabilities, expected, rtol=1e-4, atol=1e-6)


def test_evaluate_lists_skipped_files(classifier, corpus, tmp_path):
    missing = str(tmp_path / "missing.wav")
    report = classifier.evaluate([*corpus, (missing, "low")])
    assert report.confusion.sum() == len(corpus)
    assert [path for path, _ in report.skipped] == [missing]
    with pytest.raises(DatasetError, match="cow"):
        classifier.evaluate([(corpus[0][0], "cow")])
    with pytest.raises(DatasetError, match=r"none of the 1 files.*missing"):
        classifier.evaluate([(missing, "low")])


def test_timeline_covers_the_sound_and_shows_the_change(classifier, corpus, tmp_path):
    low, high = (next(path for path, label in corpus if label == kind) for kind in ("low", "high"))
    parts = [sf.read(path)[0] for path in (low, low, low, high, high, high)]
    path = tmp_path / "long.wav"
    sf.write(path, np.concatenate([*parts, np.zeros(600)]), 12000)
    timeline = classifier.predict_timeline(path, window=1.0, hop=0.5)
    assert [entry.start for entry in timeline] == pytest.approx([*np.arange(11) * 0.5, 5.05])
    assert [entry.end for entry in timeline] == pytest.approx([*np.arange(11) * 0.5 + 1, 6.05])
    assert timeline[0].label == "low" and timeline[6].label == "high"
    first = classifier.predict((parts[0].astype(np.float32), 12000))
    np.testing.assert_allclose(timeline[0].probabilities, first.probabilities, rtol=1e-4, atol=1e-6)
    for wrong in ({"window": 0}, {"hop": -1.0}, {"window": float("nan")}, {"hop": "1"}, {"window": 1.0, "hop": 2.0}):
        with pytest.raises(ParameterError, match="hop" if "hop" in wrong else "window"):
            classifier.predict_timeline(path, **wrong)
    default = classifier.predict_timeline(path)
    assert default[1].start == pytest.approx(default[0].end / 2, abs=1e-3)


def test_model_id_changes_with_the_parameters_and_the_features(corpus, options, tmp_path):
    config = AudioFeatureConfig(n_mels=16, n_frames=24)
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


def test_load_classifier_finds_the_network(model_dir, corpus, options, tmp_path):
    assert isinstance(load_classifier(model_dir), Cifar10AudioClassifier)
    indexed = shutil.copytree(model_dir, tmp_path / "indexed")
    (indexed / "index.json").write_text("{}")  # an index in the same directory is not a model
    assert isinstance(load_classifier(indexed), Cifar10AudioClassifier)
    both = shutil.copytree(model_dir, tmp_path / "both")
    ResNetV2AudioClassifier().fit(corpus, both, **options | {"epochs": 1})
    with pytest.raises(ModelError, match="cifar10, resnet_v2"):
        load_classifier(both)
    assert isinstance(load_classifier(both, "resnet_v2"), ResNetV2AudioClassifier)
    with pytest.raises(ModelError, match="nowhere"):
        load_classifier(tmp_path / "nowhere")
    with pytest.raises(ParameterError, match=r"cifar10, m5, resnet_v2.*'vgg'"):
        load_classifier(both, "vgg")


def test_a_saved_model_is_small_and_gives_the_same_results(own_classifier, model_dir, corpus, tmp_path):
    own_classifier.save_model(tmp_path)
    assert sorted(path.suffix for path in tmp_path.glob("[!.]*")) == [".json", ".safetensors"]
    loaded = load_classifier(tmp_path)
    assert loaded.model_id == own_classifier.model_id and loaded.history == own_classifier.history
    np.testing.assert_array_equal(
        loaded.predict(corpus[0][0]).probabilities, own_classifier.predict(corpus[0][0]).probabilities
    )
    assert loaded.model.notes == own_classifier.model.notes and "recipe.mixup" in loaded.model.notes["training"]
    with pytest.raises(ModelError, match="'best'"):
        loaded.load_model(tmp_path, parameters="best")


def test_fit_writes_a_report(corpus, options, tmp_path):
    history = Cifar10AudioClassifier().fit(
        corpus, tmp_path / "m", **options | {"epochs": 1} | WHOLE, report=tmp_path / "report"
    )
    page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert f"{100 * history['acc_test'][0]:.1f}" in page and "mixup" in page and "6 measured, 0 left out" in page


def few(corpus, labels):
    """Return 12 clips of three kinds with other labels."""
    names = dict(zip(("low", "high", "noise"), labels))
    return [(path, names[label]) for path, label in corpus[:12]]


@pytest.mark.parametrize("labels", [("low", "high", "noise"), (4, 0, 7)])
def test_the_labels_that_occur_are_the_classes_by_default(labels, corpus, options, tmp_path):
    classifier = Cifar10AudioClassifier()
    classifier.fit(few(corpus, labels), tmp_path, epochs=1, batch_size=4, cache=options["cache"], progress=False)
    assert classifier.labels == sorted(labels) and classifier.nb_classes == 3
    assert classifier.input_shape == (1, 96, 47)  # clips of 1 s
    assert classifier.predict(corpus[0][0]).probabilities.shape == (3,)


def test_a_given_number_of_classes_is_checked(corpus, options, tmp_path):
    ten = options | {"nb_classes": 10, "epochs": 1}
    classifier = Cifar10AudioClassifier()
    classifier.fit(few(corpus, (4, 0, 9)), tmp_path, **ten)
    assert classifier.labels == list(range(10))
    with pytest.raises(DatasetError, match=r"nb_classes.*10"):
        classifier.fit(few(corpus, (4, 0, 10)), tmp_path, **ten)
    with pytest.raises(DatasetError, match=r"nb_classes.*10"):
        classifier.fit(few(corpus, "abc"), tmp_path, **ten)


def test_reprs_are_one_line(classifier, corpus):
    assert repr(classifier) == "Cifar10AudioClassifier(classes=3, input_shape=(1, 32, 40))"
    assert repr(ResNetV2AudioClassifier()) == "ResNetV2AudioClassifier(untrained)"
    results = [classifier.predict(corpus[0][0]), *classifier.encode_many(["missing.wav", corpus[0][0]])]
    results += classifier.predict_timeline(corpus[0][0])
    assert all("\n" not in repr(result) and type(result).__name__ in repr(result) for result in results)


def test_a_refused_load_changes_nothing(own_classifier, model_dir, corpus, tmp_path):
    own_classifier.adapt([*(path for path, _ in corpus), tmp_path / "missing.wav"])
    before, skipped = own_classifier.encode_audio(corpus[0][0]), own_classifier.skipped
    damaged = shutil.copytree(model_dir, tmp_path / "damaged")
    next(damaged.glob("*-last-*")).write_bytes(b"")
    for directory, parameters in ((tmp_path / "missing", "last"), (damaged, "last"), (model_dir, "first")):
        with pytest.raises(AudioError):
            own_classifier.load_model(directory, parameters=parameters)
        np.testing.assert_array_equal(own_classifier.encode_audio(corpus[0][0]), before)
        assert own_classifier.skipped is skipped and len(skipped) == 1

"""Classifier on a frozen encoder: training, prediction, unknown sounds, more classes, adaptation, copies, bad input."""

import copy
import json
import pickle
import shutil

import numpy as np
import pytest
import soundfile as sf

from mxnet_audio import (
    Cifar10AudioClassifier,
    OnnxAudioClassifier,
    PretrainedAudioClassifier,
    load_classifier,
    load_encoder,
)
from mxnet_audio.errors import AudioDecodeError, DatasetError, ModelError, ParameterError
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.library import find_classifier
from mxnet_audio.library.encoder_run import EncodeSound
from mxnet_audio.model_store import read_manifest
from mxnet_audio.training import get_parameters

LABELS = ["high", "low", "noise"]


@pytest.fixture(scope="module")
def chirps(tmp_path_factory):
    """Pairs of a fourth class."""
    folder, t = tmp_path_factory.mktemp("chirps"), np.arange(16000) / 16000
    pairs = [(str(folder / f"{i}.wav"), "chirp") for i in range(6)]
    for i, (path, _) in enumerate(pairs):
        sf.write(path, 0.5 * np.sin(2 * np.pi * (200 + 20 * i) * np.exp(6 * (t % 0.25) * 2)), 16000)
    return pairs


def test_fit_learns_holds_out_and_is_stored(pretrained, pretrained_dir, corpus):
    assert pretrained.labels == LABELS and pretrained.nb_classes == 3
    assert {measure: len(values) for measure, values in pretrained.history.items()} == {
        "loss_train": 1,
        "loss_test": 1,
        "acc_train": 1,
        "acc_test": 1,
    }
    assert pretrained.history["acc_test"] == [1.0] and pretrained.evaluate(corpus).accuracy == 1
    manifest = read_manifest(pretrained_dir, "yamnet")
    assert manifest["encoder"]["name"] == "yamnet" and manifest["encoder"]["C"] > 0
    assert manifest["network"]["head"] == "dense" and manifest["network"]["embedding"] == "mean_std"
    assert len(pretrained.model.extras["vectors"]["targets"]) == 18  # the others are held out
    assert pretrained.embedding_dim == 2048 and pretrained.model_name == "yamnet"
    assert find_classifier(pretrained_dir) == find_classifier(pretrained_dir, "yamnet") == "yamnet"
    assert isinstance(pretrained, PretrainedAudioClassifier)


def test_embeddings_are_those_of_the_encoder_for_sound_of_any_length(pretrained, corpus):
    encoder = load_encoder("yamnet", embedding="mean_std")
    long = (np.concatenate([sf.read(path)[0] for path, _ in corpus[:5]]), 12000)
    for sound in (corpus[0][0], long):
        np.testing.assert_allclose(pretrained.encode_audio(sound), encoder.encode_audio(sound), atol=1e-4)


def test_each_clip_is_encoded_once(corpus, published, tmp_path, monkeypatch):
    published("yamnet")
    corpus, encoded = corpus[:9], []
    apply = EncodeSound.apply
    monkeypatch.setattr(EncodeSound, "apply", lambda self, x: encoded.append(x) or apply(self, x))
    first = PretrainedAudioClassifier().fit(corpus, tmp_path / "a", cache=tmp_path / "cache", progress=False)
    assert len(encoded) == 9
    options = {"cache": tmp_path / "cache", "progress": False, "resume": True}
    assert PretrainedAudioClassifier().fit(corpus, tmp_path / "a", **options) == first
    with pytest.raises(ModelError, match="training clips"):  # the model of other clips is not replaced
        PretrainedAudioClassifier().fit(corpus[3:], tmp_path / "a", **options)
    with pytest.raises(ModelError, match="head changed"):
        PretrainedAudioClassifier(head="mlp").fit(corpus, tmp_path / "a", **options)
    assert PretrainedAudioClassifier(head="mlp").fit(corpus, tmp_path / "b", epochs=2, **options)
    assert len(encoded) == 9
    assert PretrainedAudioClassifier().fit(corpus, tmp_path / "c", cache=False, progress=False) == first
    assert len(encoded) == 18


@pytest.fixture(scope="module")
def mlp(corpus, vector_cache, published, tmp_path_factory):
    """A trained classifier with the head "mlp", the folder of its model and report, and what its callback has seen."""
    classifier = PretrainedAudioClassifier(published("yamnet"), head="mlp", embedding="mean")
    folder, seen = tmp_path_factory.mktemp("mlp"), []
    options = {"cache": vector_cache, "progress": False, "batch_size": 6, "report": folder / "report", "epochs": 4}
    callbacks = [lambda h: seen.append(len(h["acc_test"]))]
    classifier.fit(corpus, folder / "m", input_shape=(1, 64, 200), callbacks=callbacks, **options)
    return classifier, folder, seen


def test_mlp_has_one_value_an_epoch_and_calls_back(mlp, corpus, vector_cache, tmp_path):
    classifier, folder, seen = mlp
    history = classifier.history
    assert seen == [1, 2, 3, 4] and all(len(values) == 4 for values in history.values())
    assert history["acc_test"][-1] == 1 and classifier.embedding_dim == 1024
    assert (folder / "report" / "report.html").stat().st_size > 10000
    stopped = PretrainedAudioClassifier(head="mlp")
    stopped.fit(corpus, tmp_path / "s", epochs=4, callbacks=[lambda h: True], cache=vector_cache, progress=False)
    assert len(stopped.history["acc_train"]) == 1
    loaded = load_classifier(folder / "m")
    assert loaded.model.net.head_name == "mlp"
    (one, two) = ([p.probabilities for p in c.predict_many([p for p, _ in corpus[:4]])] for c in (classifier, loaded))
    np.testing.assert_allclose(one, two, atol=1e-5)


def test_validation_pairs_with_groups(corpus, vector_cache, published, tmp_path):
    classifier = PretrainedAudioClassifier(published("yamnet"))
    options = {"cache": vector_cache, "progress": False}
    classifier.fit(corpus[:18], tmp_path, validation_pairs=corpus[18:], groups=[i // 2 for i in range(18)], **options)
    assert len(set(classifier.model.extras["vectors"]["groups"])) == 9
    assert classifier.history["acc_test"] == [1.0]
    classifier.fit(corpus, tmp_path, test_size=0, **options)
    assert classifier.history["acc_test"] == [] and len(classifier.model.extras["vectors"]["targets"]) == 24
    with pytest.raises(DatasetError, match="3 groups for 24 clips"):
        classifier.fit(corpus, tmp_path, groups=[1, 2, 3], **options)


def test_integer_labels_come_back(corpus, vector_cache, published, tmp_path):
    pairs = [(path, 3 * LABELS.index(label)) for path, label in corpus]
    classifier = PretrainedAudioClassifier(published("yamnet"))
    classifier.fit(pairs, tmp_path, nb_classes=8, cache=vector_cache, progress=False)
    assert classifier.labels == list(range(8))
    assert [classifier.predict_class(path) for path, _ in pairs[:3]] == [label for _, label in pairs[:3]]


def test_unknown_sounds(pretrained, corpus, chirps):
    paths = [path for path, _ in corpus]
    known = [prediction.known for prediction in pretrained.predict_many(paths, unknown=True)]
    assert np.mean(known) > 0.8
    assert not any(
        prediction.known for prediction in pretrained.predict_many([path for path, _ in chirps], unknown=True)
    )
    assert np.mean([prediction.known for prediction in pretrained.predict_many(paths, unknown=0.5)]) < np.mean(known)
    prediction = pretrained.predict(chirps[0][0], unknown=True)
    assert prediction.as_dict()["known"] is False and "known=False" in repr(prediction)
    assert pretrained.predict(chirps[0][0]).known is None and "known" not in prediction._replace(label="x")._asdict()
    missing = next(pretrained.predict_many(["missing.wav"], unknown=True))
    assert missing.known is None and isinstance(missing.error, AudioDecodeError)
    for wrong in (0, 1, "yes", None):
        with pytest.raises(ParameterError, match="unknown"):
            pretrained.predict(paths[0], unknown=wrong)


def test_models_that_cannot_tell_unknown_sounds(classifier, corpus, vector_cache, published, tmp_path):
    for predict in (classifier.predict, classifier.predict_timeline):
        with pytest.raises(ModelError, match="PretrainedAudioClassifier"):
            predict(corpus[0][0], unknown=True)
    single = PretrainedAudioClassifier(published("yamnet"))
    single.fit(corpus[:3], tmp_path, test_size=0, cache=vector_cache, progress=False)
    assert single.predict_class(corpus[0][0]) == corpus[0][1]
    with pytest.raises(ModelError, match="two or more clips"):
        single.predict(corpus[0][0], unknown=True)


def test_timeline(pretrained, corpus):
    kinds = [path for label in ("noise", "low", "high") for path, kind in corpus if kind == label][::8]
    y = np.concatenate([np.tile(sf.read(path)[0], 3) for path in kinds])
    windows = pretrained.predict_timeline((y, 12000), window=2.0, hop=1.0)
    np.testing.assert_allclose([(w.start, w.end) for w in windows], [(i, i + 2) for i in range(8)], atol=0.01)
    assert [w.label for w in windows][::3] == ["noise", "low", "high"]
    short = pretrained.predict_timeline((y, 12000), window=0.5, unknown=True)
    assert (
        short[0].end == 0.5
        and short[-1].end == pytest.approx(9, abs=0.01)
        and {w.known for w in short} <= {True, False}
    )
    whole = pretrained.predict_timeline((y, 12000), window=100)
    assert len(whole) == 1 and whole[0].end == pytest.approx(9, abs=0.01)
    np.testing.assert_allclose(whole[0].probabilities, pretrained.predict((y, 12000)).probabilities, atol=1e-4)
    for wrong in ({"window": 0}, {"hop": -1}, {"window": 1, "hop": 2}, {"unknown": 3}):
        with pytest.raises(ParameterError):
            pretrained.predict_timeline((y, 12000), **wrong)


def test_add_classes(own_pretrained, corpus, chirps, vector_cache, tmp_path):
    encoder = get_parameters(own_pretrained.model.net)
    missing = [("missing.wav", "chirp")]
    own_pretrained.add_classes([*chirps, *missing], cache=vector_cache, progress=False)
    assert own_pretrained.labels == ["chirp", *LABELS] and len(own_pretrained.skipped) == 1
    assert own_pretrained.evaluate([*corpus, *chirps]).accuracy == 1
    assert own_pretrained.predict(chirps[0][0], unknown=0.01).known
    after = get_parameters(own_pretrained.model.net)
    assert all((encoder[name] == after[name]).all() for name in encoder if not name.startswith("head."))
    own_pretrained.save_model(tmp_path)
    again = load_classifier(tmp_path)
    again.add_classes(corpus, groups=[1] * 24, cache=vector_cache, progress=False)  # those held out are new
    assert again.labels == own_pretrained.labels and len(again.model.extras["vectors"]["targets"]) == 18 + 6 + 6
    assert len(set(again.model.extras["vectors"]["groups"])) == 18 + 6 + 1


def test_add_classes_to_fewer_clips_is_to_fit_all(corpus, vector_cache, published, tmp_path):
    options = {"test_size": 0, "cache": vector_cache, "progress": False}
    whole, parts = PretrainedAudioClassifier(published("yamnet")), PretrainedAudioClassifier("yamnet")
    whole.fit(corpus, tmp_path / "whole", **options)
    parts.fit([pair for pair in corpus if pair[1] != "noise"], tmp_path / "parts", **options)
    parts.add_classes([pair for pair in corpus if pair[1] == "noise"], cache=vector_cache, progress=False)
    assert parts.labels == whole.labels
    one, two = ([p.probabilities for p in c.predict_many(p for p, _ in corpus)] for c in (whole, parts))
    np.testing.assert_allclose(one, two, atol=0.02)  # the folds differ


def test_what_cannot_be_added(own_pretrained, corpus, chirps):
    before = own_pretrained.model_id
    for pairs, options, error, reason in (
        ([("missing.wav", "new")], {}, DatasetError, "none of the 1 files"),
        ([(chirps[0][0], 7)], {}, DatasetError, "all int or all str"),
        ([], {}, DatasetError, "no clips"),
        (None, {}, ParameterError, "audio_path_label_pairs"),
        (chirps, {"groups": [1]}, DatasetError, "1 groups for 6 clips"),
        (chirps, {"groups": 3}, ParameterError, "groups"),
        (chirps, {"cache": 3}, ParameterError, "cache"),
    ):
        with pytest.raises(error, match=reason):
            own_pretrained.add_classes(pairs, progress=False, **options)
        assert own_pretrained.model_id == before and own_pretrained.labels == LABELS
    with pytest.raises(ModelError, match="no model yet"):
        PretrainedAudioClassifier().add_classes(chirps)


def test_adapt(own_pretrained, corpus, tmp_path):
    elsewhere = []
    corpus, rng = corpus[:12], np.random.default_rng(0)
    for i, (path, label) in enumerate(corpus):
        y, sr = sf.read(path)
        elsewhere.append((str(tmp_path / f"{i}.wav"), label))
        sf.write(elsewhere[-1][0], 0.1 * y + rng.normal(0, 0.01, len(y)), sr)
    before = own_pretrained.model_id
    accuracy = own_pretrained.evaluate(elsewhere).accuracy
    own_pretrained.adapt([*(path for path, _ in elsewhere), "missing.wav"])
    assert [path for path, _ in own_pretrained.skipped] == ["missing.wav"] and own_pretrained.model_id != before
    assert own_pretrained.evaluate(elsewhere).accuracy >= accuracy
    own_pretrained.save_model(tmp_path / "m")
    again = load_classifier(tmp_path / "m")
    assert again.model_id == own_pretrained.model_id and again.model.notes["training"]["adapted to, inputs"] == 12
    for wrong, error in (([], DatasetError), (["missing.wav"], DatasetError), (elsewhere, ParameterError)):
        with pytest.raises(error):
            own_pretrained.adapt(wrong)
        assert own_pretrained.model_id == again.model_id


def test_copies(pretrained, corpus, chirps):
    paths = [corpus[0][0], chirps[0][0]]
    expected = list(pretrained.predict_many(paths, unknown=True))
    for twin in (pickle.loads(pickle.dumps(pretrained)), copy.deepcopy(pretrained)):
        found = list(twin.predict_many(paths, unknown=True))
        assert [p.known for p in found] == [p.known for p in expected] and twin.model_id == pretrained.model_id
        np.testing.assert_allclose([p.probabilities for p in found], [p.probabilities for p in expected], atol=1e-5)
    untrained = pickle.loads(
        pickle.dumps(PretrainedAudioClassifier("musicnn_mtt", head="mlp", embedding="penultimate"))
    )
    assert (untrained.encoder, untrained.head, untrained.embedding) == ("musicnn_mtt", "mlp", "penultimate")


def test_a_model_needs_no_published_weights(pretrained_dir, corpus, monkeypatch, tmp_path):
    monkeypatch.setenv("MXNET_AUDIO_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    classifier = PretrainedAudioClassifier("yamnet")
    classifier.load_model(pretrained_dir, parameters="best")
    assert classifier.predict_class(corpus[0][0]) == corpus[0][1]


def test_models_of_other_encoders(pretrained_dir, model_dir, tmp_path):
    for encoder in ("musicnn", "resemblyzer"):
        with pytest.raises(ModelError, match=r"no .* model here"):
            PretrainedAudioClassifier(encoder).load_model(pretrained_dir)
    shutil.copytree(pretrained_dir, tmp_path, dirs_exist_ok=True)
    manifest = json.loads((tmp_path / "yamnet.json").read_text())
    for damage, reason in (
        ({"encoder": {"name": "other"}}, "other"),
        ({"encoder": "x"}, "yamnet"),
        ({"files": 3}, "damaged|only the directory"),
    ):
        (tmp_path / "yamnet.json").write_text(json.dumps({**manifest, **damage}))
        with pytest.raises(ModelError, match=reason):
            PretrainedAudioClassifier("yamnet").load_model(tmp_path, parameters="best")
        with pytest.raises(ModelError):
            load_classifier(tmp_path)
    (tmp_path / "yamnet.json").write_text(json.dumps(manifest))
    with pytest.raises(ParameterError, match="yamnet"):
        load_classifier(tmp_path, "yamnet2")
    with pytest.raises(ModelError, match="no cifar10 model"):
        Cifar10AudioClassifier().load_model(tmp_path)
    for file in model_dir.iterdir():
        shutil.copy(file, tmp_path)
    with pytest.raises(ModelError, match="several models"):
        load_classifier(tmp_path)
    assert load_classifier(tmp_path, "yamnet").labels == LABELS


def test_bad_arguments(corpus, published, tmp_path):
    for options, reason in (
        ({"encoder": "vggish"}, "encoder must be one of 'yamnet'"),
        ({"encoder": 3}, "encoder"),
        ({"head": "cosine"}, "head must be one of 'linear', 'mlp'"),
        ({"embedding": "max_pool"}, "embedding of yamnet"),
        ({"model_ctx": "gpu"}, "model_ctx"),
    ):
        with pytest.raises(ParameterError, match=reason):
            PretrainedAudioClassifier(**options)
    classifier = PretrainedAudioClassifier(published("yamnet"))
    for options, reason in (
        ({"recipe": "speech"}, "recipe"),
        ({"recipe": "unheard of"}, "recipe"),
        ({"input_shape": (1, 64, 50)}, "96 frames"),
        ({"feature_config": AudioFeatureConfig()}, "feature_config of yamnet"),
        ({"epochs": 0}, "epochs"),
        ({"test_size": 1.0}, "test_size"),
        ({"report": tmp_path, "test_size": 0}, "test_size"),
    ):
        with pytest.raises(ParameterError, match=reason):
            classifier.fit(corpus, tmp_path, progress=False, **options)
    with pytest.raises(ModelError):
        PretrainedAudioClassifier("yamnet", source=tmp_path / "none").fit(corpus, tmp_path, progress=False)
    with pytest.raises(ModelError, match="no model yet"):
        classifier.predict(corpus[0][0])
    assert repr(classifier) == "PretrainedAudioClassifier(untrained)"


@pytest.mark.slow
def test_real_recordings(esc10, published, tmp_path):
    """Two seconds of four clips of each class of two folds; clips of another fold are labelled."""
    clips = sorted(esc10.glob("*/*.ogg"))
    train = [path for path in clips if path.name[0] in "12"][::4]
    test = [path for path in clips if path.name[0] == "4"][::4]
    train, test = ([(sf.read(path, stop=88200), path.parent.name) for path in paths] for paths in (train, test))
    classifier = PretrainedAudioClassifier(published("yamnet"))
    classifier.fit(train, tmp_path, validation_pairs=test, cache=False, progress=False)
    assert classifier.history["acc_test"][0] > 0.9


@pytest.fixture(scope="module")
def tuning(vector_cache):
    """Arguments of a quick fine-tuning."""
    return {"batch_size": 6, "epochs": 2, "checkpoint_interval": 1, "cache": vector_cache, "progress": False}


@pytest.fixture(scope="module")
def halves(corpus):
    """Pairs of half a second of a clip, which is a patch, and label."""
    return [((sf.read(path, stop=6000)[0], 12000), label) for path, label in corpus[:9]]


@pytest.fixture(scope="module")
def fine_tuned(halves, published, tuning, tmp_path_factory):
    """A fine-tuned classifier, and the folder of its model."""
    classifier, folder = (
        PretrainedAudioClassifier(published("yamnet"), trainable=True),
        tmp_path_factory.mktemp("tuned"),
    )
    classifier.fit(halves, folder, **tuning)
    return classifier, folder


def test_fine_tuning_changes_all_layers_the_last_ones_most(fine_tuned, corpus):
    classifier, folder = fine_tuned
    history = classifier.history
    assert [len(values) for values in history.values()] == [2] * 4 and history["acc_test"][-1] == 1
    published_net, net = (get_parameters(c) for c in (load_encoder("yamnet").net, classifier.model.net))
    change = [
        np.abs(net[name] - published_net[name]).max()
        for name in ("body.stem.weight", "body.blocks.6.pointwise.weight", "body.blocks.12.pointwise.weight")
    ]
    assert 0 < change[0] < change[1] < change[2] < 0.01
    assert net["head.weight"].shape == (3, 2048)
    loaded = load_classifier(folder)
    assert loaded.evaluate(corpus[:12]).accuracy > 0.9 and loaded.model.notes["encoder"]["name"] == "yamnet"
    assert loaded.predict(corpus[0][0], unknown=True).known in (True, False)
    with pytest.raises(ModelError, match="frozen encoder"):
        loaded.add_classes(corpus)
    with pytest.raises(ModelError, match="batch norms"):
        loaded.adapt([path for path, _ in corpus])
    loaded.load_model(folder, parameters="best")


@pytest.mark.slow
def test_resumed_fine_tuning_equals_an_uninterrupted_run(fine_tuned, halves, tuning, tmp_path):
    def interrupt(history):
        raise KeyboardInterrupt

    whole, _ = fine_tuned
    parts = PretrainedAudioClassifier(trainable=True)
    with pytest.raises(KeyboardInterrupt):
        parts.fit(halves, tmp_path, callbacks=[interrupt], **tuning)
    history = parts.fit(halves, tmp_path, resume=True, **tuning)
    assert history == whole.history and parts.model_id == whole.model_id
    with pytest.raises(ModelError, match="head changed"):
        PretrainedAudioClassifier(trainable=True, head="mlp").fit(halves, tmp_path, resume=True, **tuning)


def test_fine_tuning_with_bad_arguments(corpus, published, tuning, tmp_path):
    with pytest.raises(ParameterError, match="trainable must be False for resemblyzer"):
        PretrainedAudioClassifier("resemblyzer", trainable=True)
    with pytest.raises(ParameterError, match="trainable"):
        PretrainedAudioClassifier(trainable="yes")
    classifier = PretrainedAudioClassifier(published("yamnet"), trainable=True)
    with pytest.raises(ParameterError, match="loss"):
        classifier.fit(corpus, tmp_path, recipe="voice", **tuning)


@pytest.mark.parametrize("front_end", [False, True])
def test_exported_files_contain_front_end_encoder_and_head(pretrained, corpus, chirps, tmp_path, front_end):
    path = tmp_path / "model.onnx"
    pretrained.export_onnx(path, front_end=front_end)
    exported = OnnxAudioClassifier(path)
    assert exported.labels == LABELS and exported.network == "yamnet" and exported.model_id != pretrained.model_id
    assert exported.description.front_end is front_end and exported.embedding_dim == 2048
    sounds = [path for path, _ in [*corpus[:6], *chirps[:2]]]
    found, expected = (list(c.predict_many(sounds, unknown=True)) for c in (exported, pretrained))
    assert [p.label for p in found[:6]] == [p.label for p in expected[:6]]
    assert [p.known for p in found] == [p.known for p in expected]
    long = (np.tile(sf.read(corpus[0][0])[0], 3), 12000)
    assert exported.predict_class(long) == corpus[0][1]
    assert [w.label for w in exported.predict_timeline(long, 1.0, unknown=True)] == [corpus[0][1]] * 5


def test_exported_mlp(mlp, tmp_path):
    mlp[0].export_onnx(tmp_path / "m.onnx", front_end=True)
    assert OnnxAudioClassifier(tmp_path / "m.onnx").description.n_samples == 199 * 160 + 400


def test_other_encoders(corpus, published, tmp_path):
    for encoder, width in (("musicnn_vgg", 256), ("resemblyzer", 256)):
        classifier = PretrainedAudioClassifier(published(encoder))
        pairs = [pair for pair in corpus if pair[1] != "low"][:6]
        classifier.fit(pairs, tmp_path / encoder, test_size=0, cache=False, progress=False)
        assert classifier.embedding_dim == width and classifier.evaluate(pairs).accuracy > 0.6
        assert find_classifier(tmp_path / encoder) == encoder
        assert load_classifier(tmp_path / encoder).model_id == classifier.model_id
    with pytest.raises(ParameterError, match="level"):
        classifier.export_onnx(tmp_path / "m.onnx")

"""Effects of recipes on training, through `fit`."""

import numpy as np
import pytest

from mxnet_audio import audio, model_store
from mxnet_audio.data.transforms import AddNoise, Gain, TimeMasking
from mxnet_audio.engine import mx
from mxnet_audio.errors import DatasetError, ModelError, ParameterError
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.library.cifar10 import Cifar10AudioClassifier
from mxnet_audio.training import Constant, Cosine, CsvLog, Recipe, get_parameters, get_recipe
from mxnet_audio.training.criterion import Criterion
from mxnet_audio.viz import plot_history

EVERYTHING = Recipe(
    sound=(Gain(-6, 6), AddNoise(10, 30)),
    random_crop=True,
    features=(TimeMasking(0.2),),
    mixup=0.3,
    label_smoothing=0.1,
    balance="batches",
    schedule=Cosine(warmup=0.1),
    weight_decay=1e-4,
    clip_gradient=1.0,
    average=0.5,
)


def fingerprint(classifier):
    return model_store.fingerprint(get_parameters(classifier.model.net))


def test_all_parts_at_once_train_and_the_seed_determines_the_result(corpus, options, tmp_path):
    runs = []
    options = options | {"epochs": 3}
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        classifier = Cifar10AudioClassifier()
        history = classifier.fit(corpus, tmp_path / name, **options, recipe=EVERYTHING, random_state=seed)
        runs.append((history, fingerprint(classifier)))
    assert runs[0] == runs[1] and runs[0] != runs[2]
    assert np.isfinite(list(runs[0][0].values())).all()


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(sound=(Gain(-6, 6),)),
        Recipe(random_crop=True),
        Recipe(features=(TimeMasking(0.2),)),
        Recipe(mixup=0.3),
        Recipe(splice=0.3),
        Recipe(label_smoothing=0.1),
        Recipe(balance="batches"),
        Recipe(schedule=Constant(warmup=0.5)),
        Recipe(weight_decay=0.1),
        Recipe(clip_gradient=0.01),
        Recipe(average=1.0),
        Recipe(refresh_norms=True),
    ],
    ids=lambda recipe: next(iter({k: v for k, v in recipe.identity().items() if v != Recipe().identity().get(k)})),
)
def test_each_part_changes_the_parameters(recipe, corpus, options, tmp_path, plain):
    classifier = Cifar10AudioClassifier()
    classifier.fit(corpus, tmp_path, **options | {"epochs": 2}, recipe=recipe)
    assert fingerprint(classifier) != plain


def test_the_speech_recipe_trains_on_words_shorter_and_longer_than_the_input(corpus, options, tmp_path):
    config = AudioFeatureConfig(n_mels=16, n_frames=24, ref="max")
    words = [(audio.load(path, sr=None), label) for path, label in corpus]
    words = [((y[: int(sr * (0.3 + 0.05 * i))], sr), label) for i, ((y, sr), label) in enumerate(words)]
    classifier = Cifar10AudioClassifier()
    history = classifier.fit(words, tmp_path, **options | {"feature_config": config}, recipe="speech")
    assert history["loss_train"][-1] < history["loss_train"][0] and np.isfinite(history["loss_test"]).all()


@pytest.mark.parametrize("seconds", [0.5, 1.5, 5.0])
def test_at_most_twice_the_input_is_transformed_before_cropping(seconds):
    lengths, config = [], AudioFeatureConfig(n_mels=32, n_frames=47)

    def doubled(x):
        lengths.append(x.shape[-1])
        return np.concatenate([x, x])

    *steps, _, _ = Recipe(sound=(doubled,), random_crop=True).waveform_steps(config, 0)
    x = (np.ones(int(seconds * 12000), np.float32), 12000)
    for step in steps:
        x = step(x, (0, 0)) if getattr(step, "random", False) else step(x)
    assert lengths == [min(int(seconds * 12000), 2 * config.n_samples)] and len(x) == config.n_samples


@pytest.fixture(scope="module")
def plain(corpus, options, tmp_path_factory):
    classifier = Cifar10AudioClassifier()
    classifier.fit(corpus, tmp_path_factory.mktemp("plain"), **options | {"epochs": 2}, recipe="plain")
    return fingerprint(classifier)


def test_a_class_without_a_usable_clip_is_named(corpus, options, tmp_path):
    broken = tmp_path / "broken.wav"
    broken.write_text("not sound")
    with pytest.raises(DatasetError, match="silence"):
        Cifar10AudioClassifier().fit([*corpus, (broken, "silence")], tmp_path, **options | {"nb_classes": 4})


def test_without_held_out_clips_a_diverged_network_is_noticed(corpus, options, tmp_path):
    wild = options | {"test_size": 0, "epochs": 1, "batch_size": 24, "learning_rate": 1e38, "recipe": "plain"}
    with pytest.raises(ModelError, match="epoch 1"):
        Cifar10AudioClassifier().fit(corpus, tmp_path, **wild)
    assert not model_store.stored_models(tmp_path)
    with pytest.raises(ParameterError, match="early_stopping"):
        Cifar10AudioClassifier().fit(corpus, tmp_path, **options | {"test_size": 0, "early_stopping": 1})


def test_a_loss_that_diverges_after_a_checkpoint_keeps_it(corpus, options, tmp_path, monkeypatch):
    class Wild(Constant):
        def scheduler(self, learning_rate, epochs, steps):
            wild = mx.lr_scheduler.LRScheduler(learning_rate)
            monkeypatch.setattr(type(wild), "__call__", lambda self, update: 1e-3 if update <= 2 * steps else 1e38)
            return wild

    wild = options | {"checkpoint_interval": 1, "recipe": Recipe(schedule=Wild())}
    with pytest.raises(ModelError, match=r"batch \d \(.*epoch 2\b"):
        Cifar10AudioClassifier().fit(corpus, tmp_path, **wild)
    classifier = Cifar10AudioClassifier()
    classifier.load_model(tmp_path)
    assert (
        len(classifier.history["loss_train"]) == 2 and np.isfinite(classifier.predict(corpus[0][0]).probabilities).all()
    )


def test_the_last_measures_are_those_of_the_saved_parameters(corpus, options, tmp_path):
    train, test, options = corpus[:18], corpus[18:], options | {"input_shape": (1, 16, 47)}  # as long as the clips
    classifier = Cifar10AudioClassifier()
    history = classifier.fit(train, tmp_path, **options, validation_pairs=test, recipe=EVERYTHING)
    classifier.load_model(tmp_path)
    assert classifier.evaluate(test).accuracy == history["acc_test"][-1]


def test_callbacks_get_the_history_and_can_stop_training(corpus, options, tmp_path):
    calls = []

    def third(history):
        calls.append(len(history["acc_test"]))
        return len(history["acc_test"]) == 3

    history = Cifar10AudioClassifier().fit(corpus, tmp_path, **options, callbacks=[third])
    assert calls == [1, 2, 3] and len(history["loss_test"]) == 3
    again = Cifar10AudioClassifier().fit(corpus, tmp_path, **options, callbacks=[third], resume=True)
    assert again == history and calls == [1, 2, 3, 3]  # called once before another epoch


@pytest.mark.parametrize("balance", [None, "batches", "weights"])
def test_a_class_of_one_in_twenty_is_balanced(balance, options, tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    sounds = [(rng.normal(0, 0.1, 12000), 12000) for _ in range(44)]
    pairs = [(sound, "much" if i < 38 else "little") for i, sound in enumerate(sounds[:40])]
    held_out = [(sounds[40], "much"), (sounds[41], "little")]
    seen, weights = [], []

    class Watched(Criterion):
        def __init__(self, classes, label_smoothing=0.0, given=None):
            super().__init__(classes, label_smoothing, given)
            weights.append(given)

        def __call__(self, scores, labels, *embedding):
            seen.extend(labels.asnumpy().tolist())
            return super().__call__(scores, labels, *embedding)

    monkeypatch.setattr("mxnet_audio.training.loop.Criterion", Watched)
    one = options | {"nb_classes": 2, "epochs": 1, "batch_size": 8, "validation_pairs": held_out}
    history = Cifar10AudioClassifier().fit(pairs, tmp_path, **one, recipe=Recipe(balance=balance))
    assert np.isfinite(list(history.values())).all()
    assert seen[:40].count(0) == (20 if balance == "batches" else 2)  # classes are little, much
    if balance == "weights":
        np.testing.assert_allclose(weights[0], [10, 40 / 76])
    else:
        assert weights[0] is None


def test_a_class_of_one_clip_is_refused_or_only_trained_on(corpus, options, tmp_path):
    noise = [pair for pair in corpus if pair[1] == "noise"]
    low = [pair for pair in corpus if pair[1] == "low"]
    few = [*noise, low[0]]
    with pytest.raises(DatasetError, match=r"'low' .*test_size=0"):
        Cifar10AudioClassifier().fit(few, tmp_path, **options | {"nb_classes": 2})
    classifier = Cifar10AudioClassifier()
    classifier.fit(few, tmp_path, **options | {"nb_classes": 2}, validation_pairs=low[1:3], recipe=EVERYTHING)
    assert classifier.labels == ["low", "noise"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"mixup": -1},
        {"mixup": "0.3"},
        {"splice": 1.5},
        {"splice": 0.2, "mixup": 0.2},
        {"views": 0},
        {"views": 2.5},
        {"views": True},
        {"features": 3},
        {"sound": Gain},
        {"label_smoothing": 1.0},
        {"balance": "fair"},
        {"schedule": "cosine"},
        {"weight_decay": float("nan")},
        {"clip_gradient": 0},
        {"average": 1.5},
    ],
)
def test_bad_arguments_of_a_recipe_are_named(wrong):
    with pytest.raises(ParameterError, match=next(iter(wrong))):
        Recipe(**wrong)


@pytest.mark.parametrize("seconds", [0.5, 2.0], ids=["shifts", "windows"])
def test_views_are_averaged_and_saved_with_the_model(seconds, corpus, options, tmp_path):
    fitted = Cifar10AudioClassifier()
    fitted.fit(corpus, tmp_path, **options | {"epochs": 1}, recipe=Recipe(views=3))
    classifier = Cifar10AudioClassifier()
    classifier.load_model(tmp_path)
    y = np.random.default_rng(0).normal(0, 0.1, int(seconds * 12000)).astype(np.float32)
    found = classifier.predict((y, 12000))
    vector = classifier.encode_audio((y, 12000))
    classifier.model.views = 1
    parts = audio.views(y, classifier.feature_config.n_samples, 3)
    alone = list(classifier.predict_many([(part, 12000) for part in parts]))
    np.testing.assert_allclose(found.probabilities, np.mean([p.probabilities for p in alone], axis=0), atol=1e-6)
    vectors = [encoding.vector for encoding in classifier.encode_many([(part, 12000) for part in parts])]
    np.testing.assert_allclose(vector, np.mean(vectors, axis=0), atol=1e-5)
    assert fitted.model_id != classifier.model_id and np.ptp([p.probabilities[0] for p in alone]) > 1e-6


def test_training_on_all_clips(corpus, options, tmp_path):
    classifier, log = Cifar10AudioClassifier(), CsvLog(tmp_path / "log.csv")
    options = options | {"epochs": 2, "test_size": 0}
    history = classifier.fit(corpus, tmp_path / "m", **options, callbacks=[log])
    assert history["acc_test"] == history["loss_test"] == [] and len(history["acc_train"]) == 2
    assert classifier.fit(corpus, tmp_path / "m", **options, resume=True) == history
    assert model_store.read_manifest(tmp_path / "m", "cifar10")["best_epoch"] == 2
    assert (tmp_path / "log.csv").read_text().splitlines()[2].endswith(",")
    plot_history(history, tmp_path / "history.png")
    with pytest.raises(ParameterError, match="test_size"):
        classifier.fit(corpus, tmp_path / "m", **options, report=tmp_path)


def test_the_default_recipe_has_a_name(corpus, options, tmp_path):
    classifier = Cifar10AudioClassifier()
    classifier.fit(corpus, tmp_path, **options | {"epochs": 1}, recipe="default")
    expected = get_recipe("spectrogram").identity()
    found = classifier.model.notes["training"]
    assert {name: found[f"recipe.{name}"] for name in expected} == expected

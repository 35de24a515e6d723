"""Cross-validation: the clips of each run, its measures, saved runs, killed processes and refused arguments."""

import json
import logging
import os
import signal
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from mxnet_audio.cross_validation import jobs, store
from mxnet_audio.cross_validation.jobs import CrossValidationError
from mxnet_audio.cross_validation.run import cross_validate
from mxnet_audio.engine import mx
from mxnet_audio.errors import DatasetError, ModelError, ParameterError
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.library.cifar10 import Cifar10AudioClassifier
from mxnet_audio.library.classifier import AudioClassifier
from mxnet_audio.library.pretrained import PretrainedAudioClassifier
from mxnet_audio.library.search import AudioSearch
from mxnet_audio.metrics import precision_at_k
from mxnet_audio.training import RECIPES, Recipe

FOLDS = [1, 1, 1, 2, 2, 2, 3, 3, 3]  # every class is in every fold


class RecordingClassifier(Cifar10AudioClassifier):
    """Classifier that records the arguments of `fit`; calls whose numbers are in `failing` fail."""

    calls: list = []  # noqa: RUF012 - read by the tests
    failing: set = set()  # noqa: RUF012

    def fit(self, pairs, folder, **options):
        held_out = [path for path, _ in options["validation_pairs"]]
        self.calls.append((sorted(path for path, _ in pairs), sorted(held_out), options))
        if len(self.calls) in self.failing:
            raise ValueError("out of luck")
        return super().fit(pairs, folder, **options)


@pytest.fixture
def recording():
    """The recording classifier, without calls."""
    RecordingClassifier.calls, RecordingClassifier.failing = [], set()
    return RecordingClassifier


@pytest.fixture(scope="module")
def clips(corpus):
    """The first clips of the corpus: each class is once in each fold."""
    return corpus[: len(FOLDS)]


@pytest.fixture
def quick(options):
    """Arguments of a quick `fit`."""
    return {"epochs": 1, "batch_size": 8, "input_shape": (1, 32, 16), "cache": options["cache"], "progress": False}


def test_each_clip_is_measured_once_for_each_seed(clips, quick, recording):
    result = cross_validate(recording, clips, FOLDS, seeds=(3, 0), n_jobs=1, **quick)
    paths = [path for path, _ in clips]
    assert len(recording.calls) == 6
    runs = [(seed, fold) for seed in (3, 0) for fold in (1, 2, 3)]
    for (train, held_out, options), (seed, fold) in zip(recording.calls, runs):
        assert held_out == sorted(path for path, clip_fold in zip(paths, FOLDS) if clip_fold == fold)
        assert sorted(train + held_out) == sorted(paths)
        assert options["random_state"] == seed and options["nb_classes"] is None
    assert result.folds == [1, 2, 3] and result.seeds == [3, 0]
    assert [(run.fold, run.seed) for run in result.runs] == [(1, 3), (1, 0), (2, 3), (2, 0), (3, 3), (3, 0)]
    assert result.pooled(seed=0).n_clips == 9 and result.pooled().n_clips == 18
    assert (result.pooled().confusion.sum(axis=1) == 6).all()
    assert result.accuracy == pytest.approx(np.mean([run.report.accuracy for run in result.runs]))
    by_fold = [np.mean([run.report.accuracy for run in result.runs if run.fold == fold]) for fold in (1, 2, 3)]
    assert result.std_over_folds == pytest.approx(np.std(by_fold, ddof=1))
    by_seed = [np.mean([run.report.accuracy for run in result.runs if run.seed == seed]) for seed in (3, 0)]
    assert result.std_over_seeds == pytest.approx(np.std(by_seed, ddof=1))
    assert all(len(run.history["acc_test"]) == 1 and run.seconds > 0 for run in result.runs)
    with pytest.raises(ParameterError, match=r"seed .* 3, 0, got 1"):
        result.pooled(seed=1)


def test_a_run_has_the_results_of_fit_evaluate_and_search(clips, quick, tmp_path):
    """The last epoch is measured, not the best."""
    quick = {**quick, "epochs": 3}
    result = cross_validate("cifar10", clips, FOLDS, n_jobs=1, **quick)
    run = result.runs[1]
    held_out = [pair for pair, fold in zip(clips, FOLDS) if fold == 2]
    train = [pair for pair, fold in zip(clips, FOLDS) if fold != 2]
    classifier = Cifar10AudioClassifier()
    history = classifier.fit(train, tmp_path, validation_pairs=held_out, nb_classes=None, **quick)
    assert run.history == history
    assert (run.report.confusion == classifier.evaluate(held_out).confusion).all()
    assert run.report.accuracy == pytest.approx(history["acc_test"][-1])
    search = AudioSearch(classifier=classifier)
    search.index_many(path for path, _ in train)
    labels = dict(train)
    nearest = [[labels[str(n.path)] for n in search.query(path, top_k=5)] for path, _ in held_out]
    assert run.precision_at_5 == pytest.approx(precision_at_k([label for _, label in held_out], nearest, 5))


@pytest.fixture(scope="module")
def patient_processes():
    """Let the tests of several processes share them: importing MXNet takes longest. The last one kills them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jobs, "_IDLE_SECONDS", 60)
        yield


@pytest.mark.slow
@pytest.mark.usefixtures("patient_processes")
def test_processes_give_the_same_results(clips, quick, tmp_path):
    config = AudioFeatureConfig(n_mels=32, n_frames=16)
    quick = {**{name: value for name, value in quick.items() if name != "input_shape"}, "feature_config": config}
    one = cross_validate(Cifar10AudioClassifier, clips, FOLDS, n_jobs=1, output_dir=tmp_path, **quick)
    two = cross_validate(Cifar10AudioClassifier(mx.cpu(), mx.cpu()), clips, FOLDS, n_jobs=2, **quick)
    for a, b in zip(one.runs, two.runs):
        assert (a.fold, a.seed) == (b.fold, b.seed)
        assert (a.report.confusion == b.report.confusion).all()
        assert a.precision_at_5 == pytest.approx(b.precision_at_5)
        np.testing.assert_allclose(a.history["loss_train"], b.history["loss_train"], rtol=1e-3)


@pytest.mark.slow
@pytest.mark.usefixtures("patient_processes")
def test_encoders_in_several_processes(clips, published, tmp_path, caplog):
    classifier = PretrainedAudioClassifier(published("yamnet"), head="mlp")
    options = {"cache": tmp_path, "progress": False, "epochs": 10, "output_dir": tmp_path / "runs"}
    result = cross_validate(classifier, clips, FOLDS, n_jobs=2, **options)
    assert len(result.runs) == 3 and result.accuracy > 0.9
    with pytest.raises(ModelError, match="head"):
        cross_validate(PretrainedAudioClassifier("yamnet"), clips, FOLDS, n_jobs=1, **options)


class MortalClassifier(Cifar10AudioClassifier):
    """Classifier whose process is killed in fold 2, once fold 1 is saved."""

    def fit(self, pairs, folder, **options):
        if "clip 3 " in "".join(path for path, _ in options["validation_pairs"]):
            root, deadline = Path(options["cache"]).parent, time.monotonic() + 60
            (root / "folder.txt").write_text(str(folder))
            while not (root / "saved" / "runs" / "fold-1-seed-42.json").exists() and time.monotonic() < deadline:
                time.sleep(0.05)
            time.sleep(0.5)
            os.kill(os.getpid(), signal.SIGKILL)
        return super().fit(pairs, folder, **options)


@pytest.mark.slow
@pytest.mark.usefixtures("patient_processes")
def test_a_killed_process(clips, quick, tmp_path):
    quick = {**quick, "cache": tmp_path / "cache"}
    with pytest.raises(CrossValidationError, match=r"fold 2, seed 42.*: a process was killed") as caught:
        cross_validate(MortalClassifier, clips, FOLDS, n_jobs=2, output_dir=tmp_path / "saved", **quick)
    assert "fold 1, seed 42" not in str(caught.value) and str(tmp_path / "saved") in str(caught.value)
    assert [run.fold for run in caught.value.finished][:1] == [1]
    assert not Path((tmp_path / "folder.txt").read_text()).exists()  # removed, though not by the killed process


def test_without_a_shape_all_folds_have_the_length_of_a_typical_clip(clips, quick, recording):
    recording.failing = {1, 2, 3}  # training adds nothing
    with pytest.raises(CrossValidationError):
        cross_validate(recording, clips, FOLDS, n_jobs=1, **{**quick, "input_shape": None})
    configs = [options["feature_config"] for *_, options in recording.calls]
    assert [config.n_frames for config in configs] == [configs[0].frames_in(1)] * 3


def test_finished_runs_are_saved_and_the_call_continues(clips, quick, recording, tmp_path, caplog):
    recording.failing = {2}
    with pytest.raises(CrossValidationError) as caught:
        cross_validate(recording, clips, FOLDS, n_jobs=1, output_dir=tmp_path, **quick)
    assert "fold 2, seed 42: ValueError: out of luck. 2 of 3 runs" in str(caught.value)
    assert str(tmp_path) in str(caught.value)
    assert [run.fold for run in caught.value.finished] == [1, 3]
    assert "Traceback" in caplog.text  # not one of the package's errors
    first = json.loads((tmp_path / "runs" / "fold-1-seed-42.json").read_text())
    recording.calls.clear()
    recording.failing = set()
    result = cross_validate(recording, clips, FOLDS, n_jobs=1, output_dir=tmp_path, **quick)
    assert len(recording.calls) == 1 and len(result.runs) == 3
    assert result.runs[0].to_dict() == first
    (tmp_path / "runs" / "fold-3-seed-42.json").write_text("[" * 100_000)
    again = cross_validate(recording, clips, FOLDS, n_jobs=1, output_dir=tmp_path, seeds=(42, 7), **quick)
    assert len(recording.calls) == 1 + 1 + 3  # the damaged run, and those of the new seed
    assert "fold-3-seed-42.json: damaged" in caplog.text
    assert again.runs[4].report.accuracy == result.runs[2].report.accuracy
    document = json.loads((tmp_path / "cross_validation.json").read_text())
    assert document["accuracy"] == again.accuracy and document["settings"]["input_shape"] == [1, 32, 16]
    for change in ({"epochs": 2}, {"learning_rate": 0.01}):
        with pytest.raises(ModelError, match=rf"\({next(iter(change))} changed"):
            cross_validate(recording, clips, FOLDS, output_dir=tmp_path, **{**quick, **change})
    with pytest.raises(ModelError, match=r"\(clips changed"):
        cross_validate(recording, clips, FOLDS[::-1], output_dir=tmp_path, **quick)


def test_bad_clips_are_left_out_and_listed_once(clips, quick, tmp_path, caplog):
    bad = tmp_path / "bad.wav"
    bad.write_text("not sound")
    with caplog.at_level(logging.INFO, "mxnet_audio"):
        result = cross_validate("cifar10", [*clips, (str(bad), "low")], [*FOLDS, 3], n_jobs=1, **quick)
    assert [path for path, _ in result.skipped] == [str(bad)]
    assert result.pooled().n_clips == 9
    assert caplog.text.count("bad.wav") == 1
    assert "fold 3, seed 42: accuracy" in caplog.text
    assert str(bad) in str(result)


def test_folds_can_be_drawn(corpus, quick):
    result = cross_validate("cifar10", corpus[:12], 2, n_jobs=1, **quick)
    assert result.folds == [1, 2]
    assert [run.report.confusion.sum(axis=1).tolist() for run in result.runs] == [[2, 2, 2]] * 2
    assert str(result).count("\n") == 4


def test_runs_of_another_recipe_default_or_network_are_not_mixed(clips, quick, recording, tmp_path, monkeypatch):
    def again(**change):
        return cross_validate(recording, clips, FOLDS, n_jobs=1, output_dir=tmp_path, **quick, **change)

    again()
    again(recipe=recording.recipe)  # its own, by name
    assert len(recording.calls) == 3
    with pytest.raises(ModelError, match=r"\(recipe changed"):
        again(recipe="plain")
    with monkeypatch.context() as patch:
        patch.setitem(RECIPES, recording.recipe, Recipe(mixup=0.2))  # another recipe of the same name
        with pytest.raises(ModelError, match=r"\(recipe changed"):
            again()
    with monkeypatch.context() as patch:
        defaults = list(AudioClassifier.fit.__defaults__)
        defaults[defaults.index(0.001)] = 0.002
        patch.setattr(AudioClassifier.fit, "__defaults__", tuple(defaults))
        with pytest.raises(ModelError, match=r"\(learning_rate changed"):
            again()
    graph = store.get_model

    def deeper(*args, **options):
        net = graph(*args, **options)
        return lambda x: [output * 2 for output in net(x)]

    monkeypatch.setattr(store, "get_model", deeper)
    with pytest.raises(ModelError, match=r"\(graph changed"):
        again()


@pytest.mark.parametrize(
    ("change", "error", "names"),
    [
        ({"groups": ["one source", *range(7), "one source"]}, DatasetError, "'one source' is in folds 1 and 3"),
        ({"folds": FOLDS[:-1]}, DatasetError, "8 folds for 9 clips"),
        ({"folds": [5] * 9}, DatasetError, "one fold"),
        ({"folds": "x"}, ParameterError, "folds"),
        ({"groups": 3}, ParameterError, "groups"),
        ({"cache": 3}, ParameterError, "cache"),
        ({"output_dir": 3}, ParameterError, "output_dir"),
        ({"nb_classes": "3"}, ParameterError, "nb_classes"),
        ({"recipe": ["default"]}, ParameterError, "recipe"),
        ({"seeds": ()}, ParameterError, "seeds"),
        ({"seeds": (1, 1)}, ParameterError, "seeds"),
        ({"seeds": 3}, ParameterError, "seeds"),
        ({"seeds": (1, -1)}, ParameterError, "random_state"),
        ({"n_jobs": 0}, ParameterError, "n_jobs"),
        ({"n_jobs": "two"}, ParameterError, "n_jobs"),
        ({"early_stopping": 3}, ParameterError, "early_stopping"),
        ({"classifier": "nothing"}, ParameterError, "'nothing'"),
        ({"classifier": dict}, ParameterError, "classifier"),
        ({"epoch": 3}, TypeError, "epoch"),
        ({"validation_pairs": []}, TypeError, "validation_pairs"),
        ({"callbacks": [bool]}, TypeError, "callbacks"),
        ({"epochs": 0}, ParameterError, "epochs"),
        ({"recipe": "stew"}, ParameterError, "'stew'"),
        ({"input_shape": (1, 2, 2)}, ParameterError, "cifar10"),
        ({"nb_classes": 10}, DatasetError, "nb_classes"),
    ],
    ids=str,
)
def test_bad_arguments_are_refused_before_anything_is_written(clips, quick, tmp_path, change, error, names):
    call = {"classifier": "cifar10", "folds": FOLDS, "output_dir": tmp_path / "new", **quick, **change}
    with pytest.raises(error) as caught:
        cross_validate(call.pop("classifier"), clips, call.pop("folds"), **call)
    assert names in str(caught.value)
    assert not (tmp_path / "new").exists()


def test_a_file_is_in_one_fold(clips, quick):
    with pytest.raises(DatasetError, match=r"'.*clip 0.*' is in folds 1 and 3"):
        cross_validate("cifar10", [*clips, clips[0]], [*FOLDS, 3], **quick)


def test_a_directory_that_cannot_be_written_to(clips, quick, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError, match="file"):
        cross_validate("cifar10", clips, FOLDS, output_dir=tmp_path / "file", **quick)


def test_a_run_that_cannot_be_saved(clips, quick, recording, tmp_path):
    (tmp_path / "runs" / "fold-1-seed-42.json").mkdir(parents=True)
    with pytest.raises(ModelError, match=r"fold-1-seed-42\.json"):
        cross_validate(recording, clips, FOLDS, n_jobs=1, output_dir=tmp_path, **quick)


def test_a_call_waits_for_another_with_the_same_directory(clips, quick, recording, tmp_path, monkeypatch):
    """Its runs are not repeated."""
    second: list[Future] = []

    def call():
        return cross_validate(recording, clips, FOLDS, n_jobs=1, output_dir=tmp_path, **quick)

    def save(directory, run):
        store.save_run(directory, run)
        if not second:
            second.append(pool.submit(call))

    monkeypatch.setattr("mxnet_audio.cross_validation.run.save_run", save)
    with ThreadPoolExecutor(1) as pool:
        first = call()
        assert second[0].result().to_dict() == first.to_dict()
    assert len(recording.calls) == 3


def test_each_reason_is_named_once(clips, quick, recording):
    recording.failing = {1, 3}
    reason = r"fold 1, seed 42 and fold 3, seed 42: ValueError: out of luck\. 1 of 3 runs"
    with pytest.raises(CrossValidationError, match=reason):
        cross_validate(recording, clips, FOLDS, n_jobs=1, **quick)


def test_encoders_encode_each_clip_once_and_keep_groups_together(clips, published, tmp_path, monkeypatch):
    from mxnet_audio.library.encoder_run import EncodeSound

    published("yamnet")
    encoded, grouped = [], []
    apply, fit = EncodeSound.apply, PretrainedAudioClassifier.fit

    def record_fit(self, *arguments, **options):
        grouped.append(options["groups"])
        return fit(self, *arguments, **options)

    monkeypatch.setattr(EncodeSound, "apply", lambda self, x: encoded.append(x) or apply(self, x))
    monkeypatch.setattr(PretrainedAudioClassifier, "fit", record_fit)
    groups = [f"{fold} {row % 2}" for row, fold in enumerate(FOLDS)]
    options = {"groups": groups, "n_jobs": 1, "cache": tmp_path, "output_dir": tmp_path / "runs", "progress": False}
    result = cross_validate("yamnet", clips, FOLDS, **options)
    assert sorted(encoded) == sorted(path for path, _ in clips)
    assert grouped[0] == [group for group, fold in zip(groups, FOLDS) if fold != 1]
    assert result.accuracy > 0.9 and result.network == "yamnet"
    assert result.precision_at_5 == pytest.approx(2 / 5)  # two other clips of each class
    assert result.settings["encoder"] == "yamnet" and result.settings["head"] == "linear"
    with pytest.raises(ModelError, match="clips changed"):  # the inner folds would be others
        cross_validate("yamnet", clips, FOLDS, **{**options, "groups": None})

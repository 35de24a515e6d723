"""Leave one fold out: what is trained on what, what is measured, what is kept, and what goes wrong by name."""

import json
import logging
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from mxnet_audio.cross_validation import store
from mxnet_audio.cross_validation.run import cross_validate
from mxnet_audio.engine import mx
from mxnet_audio.errors import DatasetError, ModelError
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.library.cifar10 import Cifar10AudioClassifier
from mxnet_audio.library.classifier import AudioClassifier
from mxnet_audio.library.search import AudioSearch
from mxnet_audio.metrics import precision_at_k
from mxnet_audio.training import RECIPES, Recipe

FOLDS = [1, 1, 1, 2, 2, 2, 3, 3, 3] * 2 + [1, 1, 1, 2, 2, 2]  # every fold has every kind


class Watched(Cifar10AudioClassifier):
    """Remembers what it was told; fold 2 fails on demand."""

    calls: list = []  # noqa: RUF012 - the tests read it
    fails = ()

    def fit(self, pairs, folder, **options):
        held_out = [path for path, _ in options["validation_pairs"]]
        self.calls.append((sorted(path for path, _ in pairs), sorted(held_out), options))
        if len(self.calls) in self.fails:
            raise ValueError("out of luck")
        return super().fit(pairs, folder, **options)


@pytest.fixture
def watched():
    Watched.calls, Watched.fails = [], ()
    return Watched


@pytest.fixture
def quick(options):
    return {"epochs": 1, "batch_size": 8, "input_shape": (1, 32, 16), "cache": options["cache"], "progress": False}


def test_each_clip_is_measured_once_a_seed_by_the_others(corpus, quick, watched):
    result = cross_validate(watched, corpus, FOLDS, seeds=(3, 0), n_jobs=1, **quick)
    paths = [path for path, _ in corpus]
    assert len(watched.calls) == 6
    for (train, held_out, options), (seed, fold) in zip(watched.calls, [(s, f) for s in (3, 0) for f in (1, 2, 3)]):
        assert held_out == sorted(path for path, where in zip(paths, FOLDS) if where == fold)
        assert sorted(train + held_out) == sorted(paths)
        assert options["random_state"] == seed and options["nb_classes"] is None
    assert result.folds == [1, 2, 3] and result.seeds == [3, 0]
    assert [(run.fold, run.seed) for run in result.runs] == [(1, 3), (1, 0), (2, 3), (2, 0), (3, 3), (3, 0)]
    assert result.pooled(seed=0).n_clips == 24 and result.pooled().n_clips == 48
    assert (result.pooled().confusion.sum(axis=1) == 16).all()
    assert result.accuracy == pytest.approx(np.mean([run.report.accuracy for run in result.runs]))
    by_fold = [np.mean([run.report.accuracy for run in result.runs if run.fold == fold]) for fold in (1, 2, 3)]
    assert result.std_over_folds == pytest.approx(np.std(by_fold, ddof=1))
    by_seed = [np.mean([run.report.accuracy for run in result.runs if run.seed == seed]) for seed in (3, 0)]
    assert result.std_over_seeds == pytest.approx(np.std(by_seed, ddof=1))
    assert all(len(run.history["acc_test"]) == 1 and run.seconds > 0 for run in result.runs)
    with pytest.raises(KeyError):
        result.pooled(seed=1)


def test_a_run_is_what_fit_evaluate_and_search_give(corpus, quick, tmp_path):
    """The last epoch is measured, not the best."""
    quick = {**quick, "epochs": 4}
    result = cross_validate("cifar10", corpus, FOLDS, n_jobs=1, **quick)
    run = result.runs[1]
    held_out = [pair for pair, fold in zip(corpus, FOLDS) if fold == 2]
    train = [pair for pair, fold in zip(corpus, FOLDS) if fold != 2]
    classifier = Cifar10AudioClassifier()
    history = classifier.fit(train, tmp_path, validation_pairs=held_out, nb_classes=None, **quick)
    assert run.history == history
    assert (run.report.confusion == classifier.evaluate(held_out).confusion).all()
    assert run.report.accuracy == pytest.approx(history["acc_test"][-1])
    search = AudioSearch(classifier=classifier)
    search.index_many(path for path, _ in train)
    known = dict(train)
    found = [[known[str(n.path)] for n in search.query(path, top_k=5)] for path, _ in held_out]
    assert run.precision_at_5 == pytest.approx(precision_at_k([label for _, label in held_out], found, 5))


def test_in_processes_it_is_the_same(corpus, quick, tmp_path):
    config = AudioFeatureConfig(n_mels=32, n_frames=16)
    quick = {**{name: value for name, value in quick.items() if name != "input_shape"}, "feature_config": config}
    one = cross_validate(Cifar10AudioClassifier, corpus, FOLDS, n_jobs=1, output_dir=tmp_path, **quick)
    two = cross_validate(Cifar10AudioClassifier(mx.cpu(), mx.cpu()), corpus, FOLDS, n_jobs=2, **quick)
    for a, b in zip(one.runs, two.runs):
        assert (a.fold, a.seed) == (b.fold, b.seed)
        assert (a.report.confusion == b.report.confusion).all()
        assert a.precision_at_5 == pytest.approx(b.precision_at_5)
        np.testing.assert_allclose(a.history["loss_train"], b.history["loss_train"], rtol=1e-3)


def test_finished_runs_are_kept_and_the_call_goes_on(corpus, quick, watched, tmp_path, caplog):
    watched.fails = {2}
    with pytest.raises(ModelError) as caught:
        cross_validate(watched, corpus, FOLDS, n_jobs=1, output_dir=tmp_path, **quick)
    assert "fold 2, seed 42: ValueError: out of luck. 2 of 3 runs are finished and kept in" in str(caught.value)
    assert [run.fold for run in caught.value.finished] == [1, 3]
    assert "Traceback" in caplog.text  # not the input's fault: where it happened is told
    first = json.loads((tmp_path / "runs" / "fold-1-seed-42.json").read_text())
    watched.calls.clear()
    watched.fails = ()
    result = cross_validate(watched, corpus, FOLDS, n_jobs=1, output_dir=tmp_path, **quick)
    assert len(watched.calls) == 1 and len(result.runs) == 3
    assert result.runs[0].to_dict() == first
    (tmp_path / "runs" / "fold-3-seed-42.json").write_text("{")
    again = cross_validate(watched, corpus, FOLDS, n_jobs=1, output_dir=tmp_path, seeds=(42, 7), **quick)
    assert len(watched.calls) == 1 + 1 + 3  # the damaged one, and the new seed's
    assert "fold-3-seed-42.json: damaged" in caplog.text
    assert again.runs[4].report.accuracy == result.runs[2].report.accuracy
    document = json.loads((tmp_path / "cross_validation.json").read_text())
    assert document["accuracy"] == again.accuracy and document["settings"]["input_shape"] == [1, 32, 16]
    for change in ({"epochs": 2}, {"learning_rate": 0.01}):
        with pytest.raises(ModelError, match=f"other settings .{next(iter(change))} changed"):
            cross_validate(watched, corpus, FOLDS, output_dir=tmp_path, **{**quick, **change})
    with pytest.raises(ModelError, match=r"other settings .clips changed"):
        cross_validate(watched, corpus, FOLDS[::-1], output_dir=tmp_path, **quick)


def test_bad_clips_are_left_out_and_listed_once(corpus, quick, tmp_path, caplog):
    bad = tmp_path / "bad.wav"
    bad.write_text("not sound")
    with caplog.at_level(logging.INFO):
        result = cross_validate("cifar10", [*corpus, (str(bad), "low")], [*FOLDS, 3], n_jobs=1, **quick)
    assert [path for path, _ in result.skipped] == [str(bad)]
    assert result.pooled().n_clips == 24
    assert caplog.text.count("bad.wav") == 1
    assert "fold 3, seed 42: accuracy" in caplog.text
    assert str(bad) in str(result)


def test_folds_can_be_drawn(corpus, quick):
    result = cross_validate("cifar10", corpus, 2, n_jobs=1, **quick)
    assert result.folds == [1, 2]
    assert [run.report.confusion.sum(axis=1).tolist() for run in result.runs] == [[4, 4, 4]] * 2
    assert str(result).count("\n") == 4


def test_runs_of_another_recipe_default_or_network_are_not_mixed_in(corpus, quick, watched, tmp_path, monkeypatch):
    def again(**change):
        return cross_validate(watched, corpus, FOLDS, n_jobs=1, output_dir=tmp_path, **quick, **change)

    again()
    again(recipe=watched.recipe)  # its own, by name
    assert len(watched.calls) == 3
    with pytest.raises(ModelError, match=r"other settings .recipe changed"):
        again(recipe="plain")
    with monkeypatch.context() as patch:
        patch.setitem(RECIPES, watched.recipe, Recipe(mixup=0.2))  # the name stays, what it stands for does not
        with pytest.raises(ModelError, match=r"other settings .recipe changed"):
            again()
    with monkeypatch.context() as patch:
        patch.setattr(AudioClassifier.fit, "__defaults__", (64, 20, 0.2, 42, (1, 96, 1366), 10, 0.002, 10))
        with pytest.raises(ModelError, match=r"other settings .learning_rate changed"):
            again()
    graph = store.get_model

    def deeper(*words, **options):
        net = graph(*words, **options)
        return lambda x: [out * 2 for out in net(x)]

    monkeypatch.setattr(store, "get_model", deeper)
    with pytest.raises(ModelError, match=r"other settings .graph changed"):
        again()


@pytest.mark.parametrize(
    ("change", "error", "reason"),
    [
        ({"groups": ["one source", *range(22), "one source"]}, DatasetError, "group 'one source' is in folds 1 and 2"),
        ({"folds": FOLDS[:-1]}, DatasetError, "23 folds for 24 clips"),
        ({"folds": [5] * 24}, DatasetError, "one fold only"),
        ({"seeds": ()}, ModelError, "seeds are one or more"),
        ({"seeds": (1, 1)}, ModelError, "all different"),
        ({"n_jobs": 0}, ModelError, "n_jobs is 1 or more"),
        ({"early_stopping": 3}, ModelError, "held-out fold choose the epoch"),
        ({"classifier": "nothing"}, ModelError, "no network is called 'nothing'"),
        ({"classifier": dict}, ModelError, "expected a classifier"),
        ({"epoch": 3}, TypeError, "epoch"),
        ({"validation_pairs": []}, TypeError, "itself says fit's validation_pairs"),
        ({"callbacks": [lambda history: history["acc_test"][-1] > 0.5]}, TypeError, "itself says fit's callbacks"),
        ({"seeds": 3}, ModelError, "seeds are one or more numbers"),
        ({"seeds": (1, -1)}, ModelError, "random_state is 0 or more"),
        ({"epochs": 0}, ModelError, "epochs is 1 or more"),
        ({"recipe": "stew"}, ModelError, "no recipe 'stew'"),
        ({"input_shape": (1, 2, 2)}, ModelError, "cifar10 takes"),
        ({"nb_classes": 10}, DatasetError, "nb_classes is 10, but there are 3 labels"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is(corpus, quick, tmp_path, change, error, reason):
    call = {"classifier": "cifar10", "folds": FOLDS, "output_dir": tmp_path / "new", **quick, **change}
    with pytest.raises(error) as caught:
        cross_validate(call.pop("classifier"), corpus, call.pop("folds"), **call)
    assert reason in str(caught.value)
    assert not (tmp_path / "new").exists()


def test_a_file_is_in_one_fold(corpus, quick):
    with pytest.raises(DatasetError, match=r"file '.*clip 0.*' is in folds 1 and 3"):
        cross_validate("cifar10", [*corpus, corpus[0]], [*FOLDS, 3], **quick)


def test_a_place_that_cannot_be_written_to(corpus, quick, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError, match="runs cannot be kept here"):
        cross_validate("cifar10", corpus, FOLDS, output_dir=tmp_path / "file", **quick)


class Mortal(Cifar10AudioClassifier):
    """Dies in fold 2, once fold 1 is kept: two processes have folds 1 and 2 at hand."""

    def fit(self, pairs, folder, **options):
        if "clip 3 " in "".join(path for path, _ in options["validation_pairs"]):
            place, deadline = Path(options["cache"]).parent, time.monotonic() + 60
            (place / "folder.txt").write_text(str(folder))
            while not (place / "kept" / "runs" / "fold-1-seed-42.json").exists() and time.monotonic() < deadline:
                time.sleep(0.05)
            time.sleep(0.5)
            os.kill(os.getpid(), signal.SIGKILL)
        return super().fit(pairs, folder, **options)


def test_a_process_that_dies(corpus, quick, tmp_path):
    quick = {**quick, "cache": tmp_path / "cache"}
    with pytest.raises(ModelError, match=r"fold 2, seed 42.*: a process was ended, perhaps for want of mem") as caught:
        cross_validate(Mortal, corpus, FOLDS, n_jobs=2, output_dir=tmp_path / "kept", **quick)
    assert "fold 1, seed 42" not in str(caught.value) and "runs are finished and kept in" in str(caught.value)
    assert [run.fold for run in caught.value.finished][:1] == [1]
    assert not Path((tmp_path / "folder.txt").read_text()).exists()  # the dead one did not clear up


def test_one_reason_is_told_once(corpus, quick, watched):
    watched.fails = {1, 3}
    with pytest.raises(ModelError, match=r"fold 1, seed 42 and fold 3, seed 42: ValueError: out of luck\. 1 of 3 runs"):
        cross_validate(watched, corpus, FOLDS, n_jobs=1, **quick)

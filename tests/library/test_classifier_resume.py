"""Repeated, resumed and killed training."""

import dataclasses
import json
import multiprocessing
import shutil
import threading
import time

import numpy as np
import pytest

from mxnet_audio import model_store
from mxnet_audio.data.transforms import Compose, TimeMasking, TimeShift
from mxnet_audio.engine import gluon
from mxnet_audio.errors import ModelError, ParameterError
from mxnet_audio.library.cifar10 import Cifar10AudioClassifier
from mxnet_audio.training import Cosine, Recipe


def parameters(directory, role="last", name="cifar10"):
    return model_store.read_tensors(directory, model_store.read_manifest(directory, name), role)


def test_the_seed_determines_everything(corpus, options, tmp_path):
    runs = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        history = Cifar10AudioClassifier().fit(corpus, tmp_path / name, **options | {"epochs": 2}, random_state=seed)
        runs.append((history, model_store.fingerprint(parameters(tmp_path / name))))
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def test_resuming_with_more_epochs_of_the_plain_recipe_equals_an_uninterrupted_run(corpus, options, tmp_path):
    options = options | {"recipe": "plain"}
    whole = Cifar10AudioClassifier().fit(corpus, tmp_path / "whole", **options)
    Cifar10AudioClassifier().fit(corpus, tmp_path / "parts", **options | {"epochs": 2})
    parts = Cifar10AudioClassifier().fit(corpus, tmp_path / "parts", **options, resume=True)
    assert parts == whole
    for role in ("last", "best", "optimizer"):
        one, other = parameters(tmp_path / "whole", role), parameters(tmp_path / "parts", role)
        assert model_store.fingerprint(one) == model_store.fingerprint(other), role
    again = Cifar10AudioClassifier().fit(corpus, tmp_path / "parts", **options, resume=True)
    assert again == whole  # no epoch is left


def test_resuming_a_recipe_with_a_schedule_and_an_average_equals_an_uninterrupted_run(corpus, options, tmp_path):
    recipe = Recipe(
        features=(TimeShift(0.5), TimeMasking(0.2)), mixup=0.3, schedule=Cosine(0.1), average=0.5, weight_decay=1e-4
    )
    options = options | {"recipe": recipe, "checkpoint_interval": 1}
    whole = Cifar10AudioClassifier().fit(corpus, tmp_path / "whole", **options)
    stops = [1, 3]  # before averaging begins, and during it

    def interrupt(history):
        if len(history["loss_train"]) in stops:
            stops.remove(len(history["loss_train"]))
            raise KeyboardInterrupt

    for resume in (False, True):
        with pytest.raises(KeyboardInterrupt):
            Cifar10AudioClassifier().fit(corpus, tmp_path / "parts", **options, callbacks=[interrupt], resume=resume)
    assert Cifar10AudioClassifier().fit(corpus, tmp_path / "parts", **options, resume=True) == whole
    for role in ("last", "best", "optimizer", "average"):
        one, other = parameters(tmp_path / "whole", role), parameters(tmp_path / "parts", role)
        assert model_store.fingerprint(one) == model_store.fingerprint(other), role
    for name, other in (("mixup", 0.4), ("features", (TimeShift(0.5), TimeMasking(0.3))), ("schedule", Cosine(0.2))):
        changed = options | {"recipe": dataclasses.replace(recipe, **{name: other})}
        with pytest.raises(ModelError, match=rf"recipe\.{name}\b"):
            Cifar10AudioClassifier().fit(corpus, tmp_path / "parts", **changed, resume=True)


def test_a_recipe_with_functions_and_a_compose_can_be_resumed(corpus, options, tmp_path):
    recipe = Recipe(sound=(_louder,), features=Compose([TimeShift(0.5), TimeMasking(0.2)]), average=0.5)
    options = options | {"recipe": recipe, "epochs": 3, "checkpoint_interval": 1}
    whole = Cifar10AudioClassifier().fit(corpus, tmp_path / "whole", **options)
    stop = [lambda history: np.bool_(len(history["loss_train"]) == 1)]
    Cifar10AudioClassifier().fit(corpus, tmp_path / "parts", **options, callbacks=stop)
    assert Cifar10AudioClassifier().fit(corpus, tmp_path / "parts", **options, resume=True) == whole
    assert model_store.read_manifest(tmp_path / "parts", "cifar10")["training"]["recipe.sound"][0].endswith("._louder")


def test_training_that_stops_early_is_finished(corpus, options, tmp_path):
    stop = [lambda history: len(history["loss_train"]) == 3]
    recipe, options = Recipe(average=0.5), options | {"input_shape": (1, 16, 47)}  # as long as the clips
    classifier = Cifar10AudioClassifier()
    history = classifier.fit(
        corpus[:18], tmp_path, **options, recipe=recipe, callbacks=stop, validation_pairs=corpus[18:]
    )
    assert len(history["acc_test"]) == 3 and parameters(tmp_path, "average") == {}
    classifier.load_model(tmp_path)
    assert classifier.evaluate(corpus[18:]).accuracy == history["acc_test"][-1]


def _louder(y):
    return 2 * y


def test_resuming_with_fewer_epochs_than_are_done_is_refused_and_changes_nothing(corpus, options, tmp_path):
    Cifar10AudioClassifier().fit(corpus, tmp_path, **options | {"epochs": 3})
    before = model_store.read_manifest(tmp_path, "cifar10")
    with pytest.raises(ParameterError, match=r"epochs must be >= 3.*got 2"):
        Cifar10AudioClassifier().fit(corpus, tmp_path, **options | {"epochs": 2}, resume=True)
    assert model_store.read_manifest(tmp_path, "cifar10") == before


def test_resuming_with_early_stopping_stops_where_an_uninterrupted_run_does(corpus, options, tmp_path):
    stop = options | {"epochs": 200, "early_stopping": 2, "learning_rate": 0.01, "recipe": "plain"}
    whole = Cifar10AudioClassifier().fit(corpus, tmp_path / "whole", **stop)
    done = len(whole["loss_test"]) - 1
    Cifar10AudioClassifier().fit(corpus, tmp_path / "parts", **stop | {"epochs": done})
    for _ in range(2):  # the second time no epoch is left
        assert Cifar10AudioClassifier().fit(corpus, tmp_path / "parts", **stop, resume=True) == whole


def test_resuming_from_a_damaged_description_is_one_clear_error(model_dir, corpus, model_options, tmp_path):
    folder = shutil.copytree(model_dir, tmp_path / "m")
    manifest = json.loads((folder / "cifar10.json").read_text())
    for missing in ("history", "training", "labels", "files"):
        (folder / "cifar10.json").write_text(json.dumps({k: v for k, v in manifest.items() if k != missing}))
        with pytest.raises(ModelError):
            Cifar10AudioClassifier().fit(corpus, folder, **model_options, resume=True)


def test_an_interrupt_within_an_epoch_leaves_the_checkpoint_and_no_thread(corpus, options, tmp_path, monkeypatch):
    Cifar10AudioClassifier().fit(corpus, tmp_path, **options | {"epochs": 2})
    before = model_store.read_manifest(tmp_path, "cifar10")
    monkeypatch.setattr(gluon.Trainer, "step", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt) as raised:  # it keeps the frames, and their variables, alive
        Cifar10AudioClassifier().fit(corpus, tmp_path, **options, resume=True)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("mxnet-audio")]
    assert raised.value is not None and model_store.read_manifest(tmp_path, "cifar10") == before


def test_resuming_without_a_checkpoint_starts_training(corpus, options, tmp_path):
    history = Cifar10AudioClassifier().fit(corpus, tmp_path, **options | {"epochs": 1}, resume=True)
    assert len(history["acc_test"]) == 1


def test_resuming_another_run_is_refused(corpus, options, tmp_path):
    Cifar10AudioClassifier().fit(corpus, tmp_path, **options | {"epochs": 1})
    with pytest.raises(ModelError, match="batch_size"):
        Cifar10AudioClassifier().fit(corpus, tmp_path, **options | {"batch_size": 7}, resume=True)
    with pytest.raises(ModelError, match="training clips"):
        Cifar10AudioClassifier().fit(corpus[:-3], tmp_path, **options, resume=True)


@pytest.mark.slow
def test_a_kill_during_training_loses_only_the_unfinished_epoch(corpus, options, tmp_path):
    options = options | {"input_shape": (1, 16, 16), "checkpoint_interval": 1, "epochs": 24}
    interrupted = tmp_path / "interrupted"
    manifest = interrupted / "cifar10.json"
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["mxnet_audio.library.cifar10"])  # importing MXNet takes longer than the training
    epochs = []
    for least in (2, 4):
        train = Cifar10AudioClassifier().fit
        process = processes.Process(target=train, args=(corpus, interrupted), kwargs=options | {"resume": True})
        process.start()
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and process.is_alive():
            done = len(json.loads(manifest.read_text())["history"]["acc_test"]) if manifest.exists() else 0
            if done >= least:
                break
            time.sleep(0.005)
        process.kill()
        process.join()
        epochs.append(len(model_store.read_manifest(interrupted, "cifar10")["history"]["acc_test"]))
        parameters(interrupted)  # complete at every moment
    assert epochs == sorted(epochs) and epochs[0] < epochs[-1] < 24
    resumed = Cifar10AudioClassifier().fit(corpus, interrupted, **options, resume=True)
    assert resumed == Cifar10AudioClassifier().fit(corpus, tmp_path / "uninterrupted", **options)

"""Training again, going on with it, and being killed in the middle of it."""

import dataclasses
import json
import shutil
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from mxnet_audio import model_store
from mxnet_audio.data.transforms import Compose, TimeMasking, TimeShift
from mxnet_audio.engine import gluon
from mxnet_audio.errors import ModelError
from mxnet_audio.library.cifar10 import Cifar10AudioClassifier
from mxnet_audio.training import Cosine, Recipe


def parameters(directory, role="last", name="cifar10"):
    return model_store.read_tensors(directory, model_store.read_manifest(directory, name), role)


def test_one_seed_fixes_everything(corpus, options, tmp_path):
    runs = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        history = Cifar10AudioClassifier().fit(corpus, tmp_path / name, **options | {"epochs": 2}, random_state=seed)
        runs.append((history, model_store.fingerprint(parameters(tmp_path / name))))
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def test_resume_with_more_epochs_of_the_plain_recipe_ends_as_an_unbroken_run_does(corpus, options, tmp_path):
    options = options | {"recipe": "plain"}
    whole = Cifar10AudioClassifier().fit(corpus, tmp_path / "whole", **options)
    Cifar10AudioClassifier().fit(corpus, tmp_path / "parts", **options | {"epochs": 3})
    parts = Cifar10AudioClassifier().fit(corpus, tmp_path / "parts", **options, resume=True)
    assert parts == whole
    for role in ("last", "best", "optimizer"):
        one, other = parameters(tmp_path / "whole", role), parameters(tmp_path / "parts", role)
        assert model_store.fingerprint(one) == model_store.fingerprint(other), role
    again = Cifar10AudioClassifier().fit(corpus, tmp_path / "parts", **options, resume=True)
    assert again == whole  # nothing left to do


@pytest.mark.parametrize("after", [2, 5])  # before averaging begins, and in the midst of it
def test_resume_of_a_recipe_that_ends_with_the_last_epoch(corpus, options, tmp_path, after):
    recipe = Recipe(
        features=(TimeShift(0.5), TimeMasking(0.2)), mixup=0.3, schedule=Cosine(0.1), average=0.5, weight_decay=1e-4
    )
    options = options | {"recipe": recipe, "epochs": 7, "checkpoint_interval": 1}
    whole = Cifar10AudioClassifier().fit(corpus, tmp_path / "whole", **options)

    def interrupt(history):
        if len(history["loss_train"]) == after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Cifar10AudioClassifier().fit(corpus, tmp_path / "parts", **options, callbacks=[interrupt])
    assert Cifar10AudioClassifier().fit(corpus, tmp_path / "parts", **options, resume=True) == whole
    for role in ("last", "best", "optimizer", "average"):
        one, other = parameters(tmp_path / "whole", role), parameters(tmp_path / "parts", role)
        assert model_store.fingerprint(one) == model_store.fingerprint(other), role
    for name, other in (("mixup", 0.4), ("features", (TimeShift(0.5), TimeMasking(0.3))), ("schedule", Cosine(0.2))):
        changed = options | {"recipe": dataclasses.replace(recipe, **{name: other})}
        with pytest.raises(ModelError, match=rf"recipe\.{name} changed"):
            Cifar10AudioClassifier().fit(corpus, tmp_path / "parts", **changed, resume=True)


def test_a_recipe_with_functions_and_a_compose_goes_on(corpus, options, tmp_path):
    recipe = Recipe(sound=(_louder,), features=Compose([TimeShift(0.5), TimeMasking(0.2)]), average=0.5)
    options = options | {"recipe": recipe, "epochs": 4, "checkpoint_interval": 1}
    whole = Cifar10AudioClassifier().fit(corpus, tmp_path / "whole", **options)
    stop = [lambda history: np.bool_(len(history["loss_train"]) == 1)]
    Cifar10AudioClassifier().fit(corpus, tmp_path / "parts", **options, callbacks=stop)
    assert Cifar10AudioClassifier().fit(corpus, tmp_path / "parts", **options, resume=True) == whole
    assert model_store.read_manifest(tmp_path / "parts", "cifar10")["training"]["recipe.sound"][0].endswith("._louder")


def test_what_ends_early_is_finished_too(corpus, options, tmp_path):
    stop = [lambda history: len(history["loss_train"]) == 4]
    recipe = Recipe(average=0.5)
    classifier = Cifar10AudioClassifier()
    history = classifier.fit(
        corpus[:18], tmp_path, **options, recipe=recipe, callbacks=stop, validation_pairs=corpus[18:]
    )
    assert len(history["acc_test"]) == 4 and parameters(tmp_path, "average") == {}
    classifier.load_model(tmp_path)
    assert classifier.evaluate(corpus[18:]).accuracy == history["acc_test"][-1]


def _louder(y):
    return 2 * y


def test_resume_with_fewer_epochs_than_are_done_is_refused_and_harms_nothing(corpus, options, tmp_path):
    Cifar10AudioClassifier().fit(corpus, tmp_path, **options | {"epochs": 3})
    before = model_store.read_manifest(tmp_path, "cifar10")
    with pytest.raises(ModelError, match="3 epochs are done, more than the 2"):
        Cifar10AudioClassifier().fit(corpus, tmp_path, **options | {"epochs": 2}, resume=True)
    assert model_store.read_manifest(tmp_path, "cifar10") == before


def test_resume_under_early_stopping_stops_where_an_unbroken_run_does(corpus, options, tmp_path):
    stop = options | {"epochs": 200, "early_stopping": 2, "learning_rate": 0.01, "recipe": "plain"}
    whole = Cifar10AudioClassifier().fit(corpus, tmp_path / "whole", **stop)
    done = len(whole["loss_test"]) - 1
    Cifar10AudioClassifier().fit(corpus, tmp_path / "parts", **stop | {"epochs": done})
    for _ in range(2):  # the second time there is nothing left to do
        assert Cifar10AudioClassifier().fit(corpus, tmp_path / "parts", **stop, resume=True) == whole


def test_resume_from_a_damaged_description_is_one_clear_error(model_dir, corpus, options, tmp_path):
    folder = shutil.copytree(model_dir, tmp_path / "m")
    manifest = json.loads((folder / "cifar10.json").read_text())
    for lacking in ("history", "training", "labels", "files"):
        (folder / "cifar10.json").write_text(json.dumps({k: v for k, v in manifest.items() if k != lacking}))
        with pytest.raises(ModelError):
            Cifar10AudioClassifier().fit(corpus, folder, **options, resume=True)


def test_an_interrupt_in_mid_epoch_leaves_the_checkpoint_and_no_thread(corpus, options, tmp_path, monkeypatch):
    Cifar10AudioClassifier().fit(corpus, tmp_path, **options | {"epochs": 2})
    before = model_store.read_manifest(tmp_path, "cifar10")
    monkeypatch.setattr(gluon.Trainer, "step", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt) as raised:  # which keeps the frames, and what they hold, alive
        Cifar10AudioClassifier().fit(corpus, tmp_path, **options, resume=True)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("mxnet-audio")]
    assert raised.value is not None and model_store.read_manifest(tmp_path, "cifar10") == before


def test_resume_where_nothing_was_starts(corpus, options, tmp_path):
    history = Cifar10AudioClassifier().fit(corpus, tmp_path, **options | {"epochs": 1}, resume=True)
    assert len(history["acc_test"]) == 1


def test_resume_of_another_run_is_refused(corpus, options, tmp_path):
    Cifar10AudioClassifier().fit(corpus, tmp_path, **options | {"epochs": 1})
    with pytest.raises(ModelError, match="batch_size changed"):
        Cifar10AudioClassifier().fit(corpus, tmp_path, **options | {"batch_size": 7}, resume=True)
    with pytest.raises(ModelError, match="train"):
        Cifar10AudioClassifier().fit(corpus[:-3], tmp_path, **options, resume=True)


KILLED = """
import json, sys
from mxnet_audio.library.cifar10 import Cifar10AudioClassifier
corpus, options, directory = json.load(open(sys.argv[1]))
options["epochs"] = 40
history = Cifar10AudioClassifier().fit(corpus, directory, **options, resume=True)
json.dump(history, open(sys.argv[2], "w"))
"""


def test_kill_in_mid_training_loses_only_the_unfinished_step(corpus, options, tmp_path):
    options = options | {"cache": str(options["cache"]), "checkpoint_interval": 1}

    def command(directory):
        task, out = tmp_path / f"{directory}.json", tmp_path / f"{directory}-history.json"
        task.write_text(json.dumps([corpus, options, str(tmp_path / directory)]))
        return [sys.executable, "-c", KILLED, str(task), str(out)], out

    broken, out = command("broken")
    manifest = tmp_path / "broken" / "cifar10.json"
    epochs = []
    for least in (3, 9, 21):
        process = subprocess.Popen(broken, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and process.poll() is None:
            done = len(json.loads(manifest.read_text())["history"]["acc_test"]) if manifest.exists() else 0
            if done >= least:
                break
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
        epochs.append(len(model_store.read_manifest(tmp_path / "broken", "cifar10")["history"]["acc_test"]))
        parameters(tmp_path / "broken")  # whole at every moment
    assert epochs == sorted(epochs) and epochs[0] < epochs[-1] < 40
    subprocess.run(broken, check=True, stderr=subprocess.DEVNULL)
    unbroken, unbroken_out = command("unbroken")
    subprocess.run(unbroken, check=True, stderr=subprocess.DEVNULL)
    assert json.loads(out.read_text()) == json.loads(unbroken_out.read_text())

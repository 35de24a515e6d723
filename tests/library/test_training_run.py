"""Runs of training that share a folder: models are kept, and writers wait for each other."""

import shutil
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from mxnet_audio import locks, model_store
from mxnet_audio.errors import ModelError
from mxnet_audio.library.cifar10 import Cifar10AudioClassifier
from mxnet_audio.library.training_run import model_lock


@pytest.fixture
def waiting(monkeypatch, caplog):
    """Function that returns once a thread waits for a lock."""
    monkeypatch.setattr(locks, "_PATIENCE", 0.01)

    def waiting():
        deadline = time.monotonic() + 60
        while "waiting" not in caplog.text:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    return waiting


def test_a_model_is_kept_unless_it_may_be_overwritten(corpus, model_options, model_dir, tmp_path):
    folder = shutil.copytree(model_dir, tmp_path / "m")
    before = model_store.read_manifest(folder, "cifar10")
    unused = [(str(tmp_path / f"missing{row}.wav"), label) for row, (_, label) in enumerate(corpus)]
    with pytest.raises(ModelError, match="cifar10") as raised:  # before any clip is read
        Cifar10AudioClassifier().fit(unused, folder, **model_options, overwrite=False)
    assert raised.value.path == str(folder) and model_store.read_manifest(folder, "cifar10") == before
    resumed = Cifar10AudioClassifier().fit(corpus, folder, **model_options, overwrite=False, resume=True)
    assert resumed == before["history"]
    assert len(Cifar10AudioClassifier().fit(corpus, folder, **model_options | {"epochs": 1})["acc_test"]) == 1


def test_a_run_waits_for_another_and_keeps_its_model(corpus, options, model_dir, tmp_path, waiting):
    with ThreadPoolExecutor() as pool:
        with model_lock(tmp_path, "cifar10"):
            run = pool.submit(Cifar10AudioClassifier().fit, corpus, tmp_path, **options, overwrite=False)
            waiting()
            shutil.copytree(model_dir, tmp_path, dirs_exist_ok=True)  # the other run ends
        with pytest.raises(ModelError, match="cifar10"):
            run.result()
    assert model_store.read_manifest(tmp_path, "cifar10") == model_store.read_manifest(model_dir, "cifar10")


def test_saving_waits_for_a_run(own_classifier, tmp_path, waiting):
    with ThreadPoolExecutor() as pool:
        with model_lock(tmp_path, "cifar10"):
            saved = pool.submit(own_classifier.save_model, tmp_path)
            waiting()
            assert model_store.stored_models(tmp_path) == []
        saved.result()
    assert model_store.stored_models(tmp_path) == ["cifar10"]


def test_other_networks_do_not_wait(own_classifier, tmp_path):
    with model_lock(tmp_path, "m5"):
        own_classifier.save_model(tmp_path)
    assert model_store.stored_models(tmp_path) == ["cifar10"]

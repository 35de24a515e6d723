"""The fifteen music scripts, the feature script and the comparison of models, on a small folder."""

import subprocess
import sys

import pytest

from tests.demo_scripts import DEMO, run_script

NETWORKS = ("cifar10", "m5", "resnet_v2")
TASKS = ("train", "predict", "encode_audio", "search_music", "recommend_music")
TRAIN = ("--epochs", 1, "--seconds", 1)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


@pytest.mark.parametrize("network", NETWORKS)
def test_all_tasks(network, sound, models):
    common = ("--data", sound, "--models", models)
    assert "accuracy" in run_script(f"{network}_train.py", *common, *TRAIN)
    assert (models / f"{network}.json").exists()
    predictions = run_script(f"{network}_predict.py", *common)
    assert "predicted" in predictions and "a text.wav: " in predictions
    assert "numbers" in run_script(f"{network}_encode_audio.py", *common)
    assert run_script(f"{network}_search_music.py", *common).count(".wav") == 2 * 11 + 2
    recommendations = run_script(f"{network}_recommend_music.py", *common).splitlines()
    heard = {line.removeprefix("heard ") for line in recommendations[:2]}
    assert len(heard) == 2 and not any(path in line for path in heard for line in recommendations[2:])


def test_every_script_is_there_and_describes_its_network():
    for network in NETWORKS:
        for task in TASKS:
            text = run_script(f"{network}_{task}.py", "--help")
            assert network.replace("_", "") in text.lower().replace("_", "") and "--data" in text and "--models" in text


def test_comparison_of_models(sound, models, tmp_path):
    if not list(models.glob("*.json")):
        run_script("cifar10_train.py", "--data", sound, "--models", models, *TRAIN)
    assert "cifar10" in run_script("compare_models.py", "--models", models)
    assert (models / "training-history-comparison.png").stat().st_size > 1000
    with pytest.raises(SystemExit, match="no models"):
        run_script("compare_models.py", "--models", tmp_path)


def test_features_before_training(sound, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    arguments = ("--data", sound, "--models", tmp_path / "models", *TRAIN)
    output = run_script("utility/gtzan_loader.py", *arguments)
    assert "40 clips" in output and "a text.wav" in output
    files = sorted(tmp_path.rglob("*.features"))
    assert files
    run_script("cifar10_train.py", *arguments)
    assert sorted(tmp_path.rglob("*.features")) == files  # nothing was left to compute


def test_as_a_program_without_a_model(sound, tmp_path):
    words = [sys.executable, "cifar10_predict.py", "--data", sound, "--models", tmp_path]
    process = subprocess.run(words, cwd=DEMO, capture_output=True, text=True)
    assert process.returncode == 1
    assert str(tmp_path) in process.stderr and "cifar10" in process.stderr

"""Every demo runs on a folder of one's own, from the folder `demo/`."""

import subprocess
import sys
from pathlib import Path

import pytest

from mxnet_audio.datasets.synthetic import synthesise

DEMO = Path(__file__).resolve().parents[2] / "demo"
TRAIN = ("--epochs", "1", "--seconds", "1")


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sound of ours")
    synthesise(folder, clips_per_class=4, sr=12000, seconds=1.0)
    (folder / "bell" / "a text.wav").write_text("not sound")  # the first of all
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


def run(script, *arguments):
    done = subprocess.run(
        [sys.executable, script, *map(str, arguments)], cwd=DEMO, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("network", ["cifar10", "resnet_v2"])
def test_train_predict_encode_search_recommend(network, sound, models):
    common = ("--data", sound, "--models", models)
    assert "accuracy" in run(f"{network}_train.py", *common, *TRAIN)
    assert (models / f"{network}.json").exists()
    predicted = run(f"{network}_predict.py", *common)
    assert "predicted" in predicted and "a text.wav: no decoder" in predicted
    assert "numbers" in run(f"{network}_encode_audio.py", *common)
    assert run(f"{network}_search_music.py", *common).count(".wav") == 2 * 11 + 2
    recommended = run(f"{network}_recommend_music.py", *common).splitlines()
    heard = {line.removeprefix("heard ") for line in recommended[:2]}
    assert len(heard) == 2 and not any(path in line for path in heard for line in recommended[2:])


def test_compare_draws_what_is_there(sound, models):
    if not list(models.glob("*.json")):
        run("cifar10_train.py", "--data", sound, "--models", models, *TRAIN)
    assert "drew" in run("compare_models.py", "--models", models)
    assert (models / "training-history-comparison.png").stat().st_size > 1000


def test_urbansound8k_trains_on_a_folder_too(sound, models):
    assert "accuracy" in run("urbansound8k_train.py", "--data", sound, "--models", models, *TRAIN)
    assert (models / "urbansound8k" / "cifar10.json").exists()


def test_no_model_is_said(sound, tmp_path):
    done = subprocess.run(
        [sys.executable, "cifar10_predict.py", "--data", sound, "--models", tmp_path],
        cwd=DEMO, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "no cifar10 model here" in done.stderr

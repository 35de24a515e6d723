"""Every demo runs on a folder of one's own, from the folder `demo/`."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from mxnet_audio.datasets.synthetic import synthesise
from tests.voices import speak, synthesise_voices

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


def run(script, *arguments, env=None):
    done = subprocess.run(
        [sys.executable, script, *map(str, arguments)], cwd=DEMO, capture_output=True, text=True, check=False, env=env
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("network", ["cifar10", "m5", "resnet_v2"])
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


@pytest.mark.parametrize("network, script", [("cifar10", "urbansound8k_train.py"), ("m5", "urbansound8k_m5.py")])
def test_urbansound8k_trains_on_a_folder_too(network, script, sound, models):
    assert "accuracy" in run(script, "--data", sound, "--models", models, *TRAIN)
    assert (models / "urbansound8k" / f"{network}.json").exists()


def test_urbansound8k_is_trained_on_nine_folds_and_tested_on_the_one_that_was_chosen(tmp_path):
    rows = ["slice_file_name,fsID,start,end,salience,fold,classID,class"]
    rng = np.random.default_rng(0)
    for fold in range(1, 11):
        for place, (number, label) in enumerate([(3, "dog_bark"), (8, "siren"), (8, "siren")][: 3 if fold == 7 else 2]):
            name = f"{fold}00-{number}-0-{place}.wav"
            path = tmp_path / "UrbanSound8K" / "audio" / f"fold{fold}" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            sf.write(path, rng.uniform(-0.5, 0.5, 4000), 8000)
            rows.append(f"{name},{fold}00,0,0.5,1,{fold},{number},{label}")
    table = tmp_path / "UrbanSound8K" / "metadata" / "UrbanSound8K.csv"
    table.parent.mkdir()
    table.write_text("\n".join(rows) + "\n")
    said = run("urbansound8k_m5.py", "--data", tmp_path, "--models", tmp_path / "m", "--test-fold", 7, *TRAIN)
    manifest = json.loads((tmp_path / "m" / "urbansound8k" / "m5.json").read_text())
    assert manifest["network"]["input_shape"] == [1, 1, 8000] and manifest["labels"] == ["dog_bark", "siren"]
    assert manifest["history"]["acc_test"][0] * 3 in (0, 1, 2, 3)  # of the three clips of fold 7, and no others
    assert f"{manifest['history']['acc_test'][0]:.3f}" in said


def test_no_model_is_said(sound, tmp_path):
    done = subprocess.run(
        [sys.executable, "cifar10_predict.py", "--data", sound, "--models", tmp_path],
        cwd=DEMO, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "no cifar10 model here" in done.stderr


@pytest.mark.parametrize("own", [True, False])
def test_speakers_are_trained_on_enrolled_and_told_apart(own, tmp_path):
    if own:
        synthesise_voices(tmp_path / "people", takes=12, sessions=True)  # six of two takes: the last two are held out
        (tmp_path / "people" / "ann" / "talk 0" / "a text.wav").write_text("not sound")
        given, env = ("--data", tmp_path / "people"), None
    else:  # FSDD's names
        rng = np.random.default_rng(0)
        (tmp_path / "fsdd").mkdir()
        for digit, speaker, take in ((d, s, t) for d in "012379" for s in ("ann", "bob") for t in range(3)):
            sf.write(tmp_path / "fsdd" / f"{digit}_{speaker}_{take}.wav", speak(rng, speaker), 8000)
        given, env = (), {**os.environ, "MXNET_AUDIO_DATA": str(tmp_path)}
    said = run("speaker_train.py", *given, "--models", tmp_path / "m", "--epochs", 2, env=env)
    # Of twelve recordings held out, four of each speaker; or six.
    assert f"{18 if own else 30} of one speaker, {48 if own else 36} of two" in said
    for name in ("roc", "det", "accuracy"):
        assert (tmp_path / "m" / "speakers" / f"{name}.png").stat().st_size > 1000
    said = run("speaker_verify.py", *given, "--models", tmp_path / "m", env=env)
    assert "enrolled bob by" in said
    assert said.count("and a threshold of") == 2 and f"actual {'cem' if own else 'bob'}" in said
    kept = json.loads((tmp_path / "m" / "speakers" / "speaker.json").read_text())
    assert kept["speakers"] == ["ann", "bob", "cem"][: 3 if own else 2]


def test_speakers_that_are_nowhere(tmp_path):
    for name in ("common.py", "speaker_train.py"):
        shutil.copy(DEMO / name, tmp_path)
    env = {name: value for name, value in os.environ.items() if name != "MXNET_AUDIO_DATA"}
    env |= dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9")  # nobody answers there
    done = subprocess.run(
        [sys.executable, "speaker_train.py"], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1 and "could not be downloaded" in done.stderr
    assert "give --data DIR" in done.stderr and "Traceback" not in done.stderr

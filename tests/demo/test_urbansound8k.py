"""The UrbanSound8K scripts, on a folder and on a small copy of the corpus."""

import json

import numpy as np
import pytest
import soundfile as sf

from tests.demo_scripts import run_script

TRAIN = ("--epochs", 1, "--seconds", 1)


@pytest.mark.parametrize("network, script", [("cifar10", "urbansound8k_train.py"), ("m5", "urbansound8k_m5.py")])
def test_folder(network, script, sound, tmp_path):
    assert "accuracy" in run_script(script, "--data", sound, "--models", tmp_path, *TRAIN)
    assert (tmp_path / "urbansound8k" / f"{network}.json").exists()


def test_official_folds(tmp_path):
    rows = ["slice_file_name,fsID,start,end,salience,fold,classID,class"]
    rng = np.random.default_rng(0)
    for fold in range(1, 11):
        for take, (number, label) in enumerate([(3, "dog_bark"), (8, "siren"), (8, "siren")][: 3 if fold == 7 else 2]):
            name = f"{fold}00-{number}-0-{take}.wav"
            path = tmp_path / "UrbanSound8K" / "audio" / f"fold{fold}" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            sf.write(path, rng.uniform(-0.5, 0.5, 4000), 8000)
            rows.append(f"{name},{fold}00,0,0.5,1,{fold},{number},{label}")
    table = tmp_path / "UrbanSound8K" / "metadata" / "UrbanSound8K.csv"
    table.parent.mkdir()
    table.write_text("\n".join(rows) + "\n")
    words = ("--data", tmp_path, "--models", tmp_path / "m", "--test-fold", 7, *TRAIN)
    output = run_script("urbansound8k_m5.py", *words)
    manifest = json.loads((tmp_path / "m" / "urbansound8k" / "m5.json").read_text())
    assert manifest["network"]["input_shape"] == [1, 1, 8000] and manifest["labels"] == ["dog_bark", "siren"]
    assert manifest["history"]["acc_test"][0] * 3 in (0, 1, 2, 3)  # of the three clips of fold 7
    assert f"{manifest['history']['acc_test'][0]:.3f}" in output

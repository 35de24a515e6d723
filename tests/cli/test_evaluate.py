"""``evaluate``, with a real model on real files."""

import shutil

import numpy as np
import soundfile as sf


def test_text_and_document(run, run_json, trained, model, tones):
    document = run_json("evaluate", tones, *model)
    assert document["labels"] == ["high ♪", "low"]
    assert document["model_id"] == trained[1]["model_id"]
    assert document["n_clips"] == np.sum(document["confusion"]) == 16
    assert document["accuracy"] == np.trace(document["confusion"]) / 16 >= 0.75  # most are training clips
    text = run("evaluate", tones, *model).stdout
    assert "precision" in text
    assert f"accuracy {document['accuracy']:.3f}" in text


def test_unknown_label(run, model, tones, tmp_path):
    shutil.copytree(tones / "low", tmp_path / "data" / "müll")
    result = run("evaluate", tmp_path / "data", *model, code=1)
    assert "müll" in result.stderr
    assert result.stdout == ""


def test_no_usable_file(run, model, tmp_path):
    (tmp_path / "low").mkdir()
    sf.write(tmp_path / "low" / "silence.wav", np.zeros(8000), 8000)
    result = run("evaluate", tmp_path, *model, "--json", code=1)
    assert "silence.wav" in result.stderr
    assert result.stdout == ""


def test_missing_gpu(run, model, tones):
    assert "gpu(99)" in run("evaluate", tones, *model, "--gpu", 99, code=1).stderr

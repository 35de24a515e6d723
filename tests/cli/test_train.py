"""``train`` and ``evaluate``, with a real model on real files."""

import json
import shutil

import numpy as np
import pytest
import soundfile as sf

from mxnet_audio import model_store

LABELS = ["high ♪", "low"]
SMALL = ("--input-shape", "1,16,16", "--batch-size", 8)


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def csv_file(tones, tmp_path):
    """List of half of the tones."""
    path = tmp_path / "liste ü.csv"
    rows = [f"{tones / label / f'{i} é.wav'},{label}" for label in LABELS for i in range(4)]
    path.write_text("\n".join(["path,label", *rows]) + "\n", encoding="utf-8")
    return path


def test_train_says_what_became_of_it(trained):
    directory, document = trained
    assert document["model_dir"] == str(directory)
    assert document["network"] == "cifar10"
    assert document["labels"] == LABELS
    assert document["last"]["epoch"] == 12
    assert document["last"]["acc_test"] == document["history"]["acc_test"][-1]
    assert document["best"]["acc_test"] == max(document["history"]["acc_test"])
    assert all(len(values) == 12 for values in document["history"].values())
    assert document["skipped"] == []
    assert (directory / "cifar10.json").is_file()


def test_evaluate(run, run_json, trained, tones):
    directory, trained_document = trained
    document = run_json("evaluate", tones, "--model-dir", directory)
    assert document["labels"] == LABELS
    assert document["model_id"] == trained_document["model_id"]
    assert document["n_clips"] == np.sum(document["confusion"]) == 16
    assert document["accuracy"] == np.trace(document["confusion"]) / 16 >= 0.8  # trained on most of them
    text = run("evaluate", tones, "--model-dir", directory).stdout
    assert "precision" in text
    assert f"accuracy {document['accuracy']:.3f}" in text


def test_train_by_text_and_from_csv(run, csv_file, tmp_path):
    words = (
        "train",
        csv_file,
        "--model-dir",
        tmp_path / "mödel",
        "--network",
        "resnet_v2",
        "--epochs",
        2,
        *SMALL,
    )
    result = run(*words)
    assert result.stdout.startswith("trained resnet_v2 on 2 classes: test accuracy ")
    assert "after the last epoch (2)" in result.stdout
    assert (tmp_path / "mödel" / "resnet_v2.json").is_file()


def test_resume_goes_on_to_the_history_of_an_unbroken_run(run_json, tones, tmp_path):
    plain = (*SMALL, "--recipe", "plain", "--log", tmp_path / "log.csv", "--tensorboard", tmp_path / "events")
    whole = run_json("train", tones, "--model-dir", tmp_path / "a", "--epochs", 3, *plain)
    first = run_json("train", tones, "--model-dir", tmp_path / "b", "--epochs", 2, *plain)
    second = run_json("train", tones, "--model-dir", tmp_path / "b", "--epochs", 3, "--resume", *plain)
    assert whole["history"]["loss_train"][:2] == first["history"]["loss_train"]
    assert second["history"] == whole["history"]
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 4 and any((tmp_path / "events").iterdir())


def test_every_epoch_is_kept(run, tones, tmp_path, monkeypatch):
    kept, save = [], model_store.save_state

    def watched(directory, name, manifest, files):
        kept.append(len(manifest["history"]["loss_test"]))
        save(directory, name, manifest, files)

    monkeypatch.setattr(model_store, "save_state", watched)
    run("train", tones, "--model-dir", tmp_path / "model", "--epochs", 3, *SMALL)
    assert kept == [1, 2, 3]


def test_what_cannot_be_done_is_named(run, tones, tmp_path):
    words = ("train", tones, "--model-dir", tmp_path / "model", "--epochs", 3, *SMALL)
    run(*words)
    for wrong in (("--learning-rate", 0), ("--test-size", 1), ("--input-shape", "1,8,16")):
        name = wrong[0].strip("-").replace("-", "_")
        assert name in run(*words, *wrong, code=1).stderr
    result = run("train", tones, "--model-dir", tmp_path / "model", "--epochs", 2, "--resume", *SMALL, code=1)
    assert "3 epochs are done" in result.stderr
    (tmp_path / "file").touch()
    assert f"{tmp_path / 'file'}: " in run(*words[:2], "--model-dir", tmp_path / "file", *SMALL, code=1).stderr


def test_seconds_seed_and_validation_reach_the_training(run_json, csv_file, tones, tmp_path):
    held_out = tmp_path / "held out"
    for label in LABELS:
        (held_out / label).mkdir(parents=True)
        shutil.copy(tones / label / "7 é.wav", held_out / label)
    options = ("--seconds", 0.4, "--validation", held_out, "--epochs", 1, "--batch-size", 3)
    document = run_json("train", csv_file, "--model-dir", tmp_path / "a", *options)
    assert document["history"]["acc_test"][0] in (0, 0.5, 1)  # of two clips
    other = run_json("train", csv_file, "--model-dir", tmp_path / "b", "--seed", 7, *options)
    assert other["history"]["loss_train"] != document["history"]["loss_train"]
    manifest = (tmp_path / "a" / "cifar10.json").read_text()
    assert '"n_frames": 19' in manifest  # 1 + 0.4 s * 12000 Hz // 256


def test_files_left_out_are_named(run_json, run, tones, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(tones, data)
    (data / "low" / "broken ü.wav").write_bytes(b"RIFF, so to say")
    document = run_json("train", data, "--model-dir", tmp_path / "model", "--epochs", 1, *SMALL)
    assert [item["path"] for item in document["skipped"]] == [str(data / "low" / "broken ü.wav")]
    result = run("evaluate", data, "--model-dir", tmp_path / "model")
    assert "skipped 1:" in result.stdout
    assert result.stdout.count("broken ü.wav") == 1 and "broken" not in result.stderr


def test_one_class_only(run, tones, tmp_path):
    shutil.copytree(tones / "low", tmp_path / "data" / "low")
    result = run("train", tmp_path / "data", "--model-dir", tmp_path / "model", code=1)
    assert "one class" in result.stderr


def test_label_that_the_model_does_not_know(run, trained, tones, tmp_path):
    shutil.copytree(tones / "low", tmp_path / "data" / "müll")
    result = run("evaluate", tmp_path / "data", "--model-dir", trained[0], code=1)
    assert "müll" in result.stderr
    assert result.stdout == ""


def test_nothing_to_evaluate(run, trained, tmp_path):
    (tmp_path / "low").mkdir()
    sf.write(tmp_path / "low" / "silence.wav", np.zeros(8000), 8000)
    result = run("evaluate", tmp_path, "--model-dir", trained[0], "--json", code=1)
    assert "silence.wav" in result.stderr
    assert result.stdout == ""


def test_no_such_gpu(run, trained, tones):
    result = run("evaluate", tones, "--model-dir", trained[0], "--gpu", 99, code=1)
    assert "gpu(99)" in result.stderr


def test_the_input_is_as_long_as_a_typical_clip(run_json, tones, tmp_path):
    run_json("train", tones, "--model-dir", tmp_path, "--epochs", 1)
    manifest = json.loads((tmp_path / "cifar10.json").read_text())
    lengths = [sf.info(path).duration for path in tones.rglob("*.wav")]
    assert manifest["network"]["input_shape"] == [1, 96, 1 + round(np.median(lengths) * 12000) // 256]


def test_a_log_gets_a_line_for_each_epoch_and_no_bars(run, tones, tmp_path):
    asked = ("train", tones, "--model-dir", tmp_path, *SMALL)
    first = run(*asked, "--epochs", 2).stderr
    assert "epoch 1 of 2: loss" in first and "epoch 2 of 2: loss" in first and "%|" not in first
    assert "going on after epoch 2" in run(*asked, "--epochs", 3, "--resume").stderr
    assert "starting anew" in run("train", tones, "--model-dir", tmp_path / "new", *SMALL, "--resume").stderr


def test_a_ludwig_block_says_what_is_made_of_sound(run_json, run, tones, tmp_path):
    block = tmp_path / "feature ü.yaml"
    block.write_text("preprocessing:\n  type: fbank\n  num_filter_bands: 20\n  norm: per_file\n  in_memory: true\n")
    words = ("train", tones, "--epochs", 1, "--batch-size", 8, "--features", block, "--seconds", 0.5)
    document = run_json(*words, "--model-dir", tmp_path / "model")
    manifest = json.loads((tmp_path / "model" / "cifar10.json").read_text())
    rate = sf.info(next(tones.rglob("*.wav"))).samplerate
    assert manifest["features"]["type"] == "fbank" and manifest["features"]["sr"] == rate
    frames = int(np.ceil((int(0.5 * rate) - int(0.04 * rate)) / int(0.02 * rate) + 1))
    assert manifest["network"]["input_shape"] == [1, 20, frames]
    clip = next(tones.rglob("*.wav"))
    assert run("predict", clip, "--model-dir", tmp_path / "model").stdout.strip()
    assert document["labels"] == LABELS
    assert "not both" in run(*words, "--input-shape", "1,16,16", code=2).stderr
    block.write_text("type: fbanc")
    assert "feature ü.yaml" in run(*words, "--model-dir", tmp_path / "other", code=1).stderr
    assert "no.yaml" in run("train", tones, "--features", "no.yaml", code=1).stderr


def test_m5_hears_samples_at_8_kHz(run_json, run, tones, tmp_path):
    words = ("train", tones, "--network", "m5", "--epochs", 1, "--batch-size", 8)
    document = run_json(*words, "--seconds", 0.4, "--model-dir", tmp_path)
    assert document["network"] == "m5" and document["labels"] == LABELS
    manifest = json.loads((tmp_path / "m5.json").read_text())
    assert manifest["network"]["input_shape"] == [1, 1, 3200]
    assert (manifest["features"]["type"], manifest["features"]["sr"]) == ("raw", 8000)
    assert manifest["training"]["learning_rate"] == 0.01
    clip = next(tones.rglob("*.wav"))
    assert run("predict", clip, "--model-dir", tmp_path).stdout.strip()
    assert len(run("predict", clip, "--timeline", 0.2, "--model-dir", tmp_path).stdout.splitlines()) > 2
    for wrong in (("--input-shape", "1,96,100"), ("--seconds", 0.005)):
        said = run(*words, *wrong, "--model-dir", tmp_path / "wrong", code=1).stderr
        assert "(1, 1, samples) with 80 samples or more" in said and "m5" in said
    said = run("train", tones, "--input-shape", "1,1,3200", "--model-dir", tmp_path / "wrong", code=1).stderr
    assert "16 bands" in said and "cifar10" in said


def test_m5_is_as_long_as_its_paper_has_it_and_learns_as_fast_as_it_is_told(run_json, tones, tmp_path):
    words = ("train", tones, "--network", "m5", "--epochs", 1, "--batch-size", 16, "--learning-rate", 0.001)
    run_json(*words, "--model-dir", tmp_path)
    manifest = json.loads((tmp_path / "m5.json").read_text())
    assert manifest["network"]["input_shape"] == [1, 1, 32000]
    assert manifest["training"]["learning_rate"] == 0.001

"""``train``, with a real model on real files."""

import json
import shutil

import numpy as np
import pytest
import soundfile as sf

from mxnet_audio import model_store

pytestmark = pytest.mark.usefixtures("own_cache")

LABELS = ["high ♪", "low"]
SMALL = ("--input-shape", "1,16,16", "--batch-size", 8)


def read_manifest(folder, network="cifar10"):
    return json.loads((folder / f"{network}.json").read_text())


def test_document(trained):
    directory, document = trained
    assert document["network"] == "cifar10"
    assert document["labels"] == LABELS
    assert document["last"]["epoch"] == 12
    assert document["last"]["acc_test"] == document["history"]["acc_test"][-1]
    assert document["best"]["acc_test"] == max(document["history"]["acc_test"])
    assert all(len(values) == 12 for values in document["history"].values())
    assert document["skipped"] == []
    assert (directory / "cifar10.json").is_file()


def test_text_and_csv(run, write_table, tmp_path):
    model_dir = tmp_path / "mödel"
    result = run("train", write_table(), "--model-dir", model_dir, "--network", "resnet_v2", "--epochs", 2, *SMALL)
    assert result.stdout.startswith("trained resnet_v2 on 2 classes: ")
    assert "after the last epoch (2)" in result.stdout
    assert result.stdout.endswith(f"{model_dir}\n")
    assert (model_dir / "resnet_v2.json").is_file()


def test_resumed_run_has_the_history_of_an_uninterrupted_one(run_json, tones, tmp_path):
    plain = (*SMALL, "--recipe", "plain", "--log", tmp_path / "log.csv", "--tensorboard", tmp_path / "events")
    whole = run_json("train", tones, "--model-dir", tmp_path / "a", "--epochs", 3, *plain)
    first = run_json("train", tones, "--model-dir", tmp_path / "b", "--epochs", 2, *plain)
    second = run_json("train", tones, "--model-dir", tmp_path / "b", "--epochs", 3, "--resume", *plain)
    assert whole["model_dir"] == str(tmp_path / "a")
    assert whole["history"]["loss_train"][:2] == first["history"]["loss_train"]
    assert second["history"] == whole["history"]
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 4 and any((tmp_path / "events").iterdir())


def test_every_epoch_is_saved(run, tones, tmp_path, monkeypatch):
    saved, save = [], model_store.save_state

    def watched(directory, name, manifest, files):
        saved.append(len(manifest["history"]["loss_test"]))
        save(directory, name, manifest, files)

    monkeypatch.setattr(model_store, "save_state", watched)
    run("train", tones, "--model-dir", tmp_path / "model", "--epochs", 3, *SMALL)
    assert saved == [1, 2, 3]


def test_errors_name_the_argument(run, tones, tmp_path):
    words = ("train", tones, "--model-dir", tmp_path / "model", "--epochs", 2, *SMALL)
    run(*words)
    words = (*words, "--overwrite")
    for wrong in (("--learning-rate", 0), ("--test-size", 1), ("--input-shape", "1,8,16")):
        name = wrong[0].strip("-").replace("-", "_")
        assert name in run(*words, *wrong, code=1).stderr
    result = run("train", tones, "--model-dir", tmp_path / "model", "--epochs", 1, "--resume", *SMALL, code=1)
    assert "epochs" in result.stderr and "2" in result.stderr
    (tmp_path / "file").touch()
    assert f"{tmp_path / 'file'}: " in run(*words[:2], "--model-dir", tmp_path / "file", *SMALL, code=1).stderr


def test_a_model_in_the_folder_is_kept(run, trained, tones, tmp_path):
    folder = shutil.copytree(trained[0], tmp_path / "model")
    before = read_manifest(folder)
    words = ("train", tones, "--model-dir", folder, "--epochs", 1, *SMALL)
    message = run(*words, code=1).stderr
    assert f"error: {folder}: " in message and "cifar10" in message and "epoch" not in message
    assert "--overwrite" in message and "--resume" in message and read_manifest(folder) == before
    assert "--overwrite" in run(*words, "--overwrite", "--resume", code=2).stderr
    assert "batch_size" in run(*words, "--resume", code=1).stderr and read_manifest(folder) == before
    run(*words, "--network", "resnet_v2")  # another network in the same folder
    run(*words, "--overwrite")
    assert len(read_manifest(folder)["history"]["acc_test"]) == 1


def test_one_channel(run, run_json, tones, tmp_path):
    for path in tones.rglob("*.wav"):
        y, sr = sf.read(path)
        (folder := tmp_path / "stereo" / path.parent.name).mkdir(parents=True, exist_ok=True)
        sf.write(folder / path.name, np.stack([np.random.default_rng(0).normal(0, 0.1, len(y)), y], axis=1), sr)
    words = (tmp_path / "stereo", "--model-dir", tmp_path / "model", "--channel")
    run("train", *words, "right", "--epochs", 1, *SMALL)
    run("train", tones, "--model-dir", tmp_path / "mono", "--epochs", 1, *SMALL)
    histories = [read_manifest(tmp_path / name)["history"] for name in ("model", "mono")]
    assert histories[0]["loss_train"] == pytest.approx(histories[1]["loss_train"], rel=1e-3)
    assert run_json("evaluate", *words, "right")["n_clips"] == 16
    assert "channel 7" in run("evaluate", *words, 7, code=1).stderr
    assert "--channel" in run("evaluate", *words, "each", code=2).stderr


def test_seconds_seed_and_validation_set(run_json, write_table, tones, tmp_path):
    held_out, data = tmp_path / "held out", write_table(clips=4)
    for label in LABELS:
        (held_out / label).mkdir(parents=True)
        shutil.copy(tones / label / "7 é.wav", held_out / label)
    options = ("--seconds", 0.4, "--validation", held_out, "--epochs", 1, "--batch-size", 3)
    document = run_json("train", data, "--model-dir", tmp_path / "a", *options)
    assert document["history"]["acc_test"][0] in (0, 0.5, 1)  # of two clips
    other = run_json("train", data, "--model-dir", tmp_path / "b", "--seed", 7, *options)
    assert other["history"]["loss_train"] != document["history"]["loss_train"]
    assert read_manifest(tmp_path / "a")["features"]["n_frames"] == 19  # 1 + 0.4 s * 12000 Hz // 256


def test_unusable_files_are_left_out(run_json, run, tones, tmp_path):
    data = shutil.copytree(tones, tmp_path / "data")
    (data / "low" / "broken ü.wav").write_bytes(b"RIFF, so to say")
    document = run_json("train", data, "--model-dir", tmp_path / "model", "--epochs", 1, *SMALL, code=1)
    assert [item["path"] for item in document["skipped"]] == [str(data / "low" / "broken ü.wav")]
    result = run("evaluate", data, "--model-dir", tmp_path / "model", code=1)
    assert result.stderr.count("broken ü.wav") == 1 and "broken" not in result.stdout


def test_one_class(run, tones, tmp_path):
    shutil.copytree(tones / "low", tmp_path / "data" / "low")
    assert "class" in run("train", tmp_path / "data", "--model-dir", tmp_path / "model", code=1).stderr


def test_default_length_is_that_of_a_typical_clip(run_json, tones, tmp_path):
    run_json("train", tones, "--model-dir", tmp_path, "--epochs", 1)
    lengths = [sf.info(path).duration for path in tones.rglob("*.wav")]
    shape = [1, 96, 1 + round(np.median(lengths) * 12000) // 256]
    assert read_manifest(tmp_path)["network"]["input_shape"] == shape


def test_log_has_a_line_for_each_epoch_and_no_bars(run, tones, tmp_path):
    words = ("train", tones, "--model-dir", tmp_path, *SMALL)
    first = run(*words, "--epochs", 2).stderr
    assert "epoch 1 of 2" in first and "epoch 2 of 2" in first and "%|" not in first
    resumed = run(*words, "--epochs", 3, "--resume").stderr
    assert "epoch 3 of 3" in resumed and "epoch 2 of 3" not in resumed
    assert (
        "checkpoint" in run("train", tones, "--model-dir", tmp_path / "new", *SMALL, "--epochs", 1, "--resume").stderr
    )


def test_feature_file_of_ludwig(run_json, run, tones, tmp_path):
    block = tmp_path / "feature ü.yaml"
    block.write_text(
        "preprocessing:\n  type: fbank\n  num_filter_bands: 20\n  norm: per_file\n"
        "  in_memory: true\n  prefetch_size: 0\n"
    )
    words = ("train", tones, "--epochs", 1, "--batch-size", 8, "--features", block, "--seconds", 0.5)
    document = run_json(*words, "--model-dir", tmp_path / "model")
    manifest = read_manifest(tmp_path / "model")
    clip = next(tones.rglob("*.wav"))
    rate = sf.info(clip).samplerate
    assert manifest["features"]["type"] == "fbank" and manifest["features"]["sr"] == rate
    frames = int(np.ceil((int(0.5 * rate) - int(0.04 * rate)) / int(0.02 * rate) + 1))
    assert manifest["network"]["input_shape"] == [1, 20, frames]
    assert run("predict", clip, "--model-dir", tmp_path / "model").stdout.strip()
    assert document["labels"] == LABELS


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("type: fbanc", ["fbanc"]),
        ("type: fbank\nprefetch_size: -1", ["prefetch_size", "-1"]),
        ("preprocessing: {type: fbank}\nencoder: {type: stacked_cnn}", ["encoder"]),
        ("preprocessing: {type: fbank}\ntrainer: {epochs: 3}", ["trainer"]),
        ("- fbank", []),
        (None, []),
    ],
    ids=["type", "prefetch_size", "encoder", "trainer", "list", "missing"],
)
@pytest.mark.parametrize("command", ["train", "cross-validate"])
def test_wrong_feature_file(run, tones, tmp_path, command, text, names):
    path = tmp_path / "feature ü.yaml"
    if text is not None:
        path.write_text(text)
    message = run(command, tones, "--features", path, code=1).stderr
    assert path.name in message and all(name in message for name in names), message


def test_options_that_contradict_each_other(run, tones, tmp_path):
    path = tmp_path / "features.yaml"
    path.write_text("type: fbank")
    message = run("train", tones, "--features", path, "--input-shape", "1,16,16", code=2).stderr
    assert "--features" in message and "--input-shape" in message


def test_m5_takes_samples_at_8_khz(run_json, run, tones, tmp_path):
    words = ("train", tones, "--network", "m5", "--epochs", 1, "--batch-size", 8)
    document = run_json(*words, "--seconds", 0.4, "--model-dir", tmp_path)
    assert document["network"] == "m5" and document["labels"] == LABELS
    manifest = read_manifest(tmp_path, "m5")
    assert manifest["network"]["input_shape"] == [1, 1, 3200]
    assert (manifest["features"]["type"], manifest["features"]["sr"]) == ("raw", 8000)
    assert manifest["training"]["learning_rate"] == 0.01
    clip = next(tones.rglob("*.wav"))
    assert run("predict", clip, "--model-dir", tmp_path).stdout.strip()
    assert len(run("predict", clip, "--timeline", 0.2, "--model-dir", tmp_path).stdout.splitlines()) > 2
    for wrong in (("--input-shape", "1,96,100"), ("--seconds", 0.005)):
        message = run(*words, *wrong, "--model-dir", tmp_path / "wrong", code=1).stderr
        assert "(1, 1, samples)" in message and "80" in message and "m5" in message
    message = run("train", tones, "--input-shape", "1,1,3200", "--model-dir", tmp_path / "wrong", code=1).stderr
    assert "16" in message and "cifar10" in message


def test_m5_has_its_own_default_length_and_takes_another_learning_rate(run_json, write_table, tmp_path):
    words = ("train", write_table(clips=3), "--network", "m5", "--epochs", 1, "--batch-size", 16)
    run_json(*words, "--learning-rate", 0.001, "--model-dir", tmp_path)
    manifest = read_manifest(tmp_path, "m5")
    assert manifest["network"]["input_shape"] == [1, 1, 32000]
    assert manifest["training"]["learning_rate"] == 0.001


def test_folds_and_groups_of_a_table(run, run_json, write_table, tmp_path):
    words = ("--model-dir", tmp_path / "m", *SMALL, "--epochs", 1)
    assert "group" in run("train", write_table(["1"], ["Ann"]), *words, code=1).stderr
    data = write_table(["1", "2"], ["Ann", "Ann", "Ben", "Ben"])
    run("train", data, *words, "--folds", "1", "--test-size", 0.5, "--recipe", "plain", "--report", tmp_path / "r")
    assert (tmp_path / "r" / "report.html").is_file()
    assert run_json("evaluate", data, "--model-dir", tmp_path / "m", "--folds", "2")["n_clips"] == 8
    assert "fold '7'" in run("train", data, *words, "--overwrite", "--folds", "1,7", code=1).stderr


def test_on_an_encoder(run, run_json, published, tones, tmp_path):
    folder = tmp_path / "model"
    document = run_json("train", tones, "--encoder", published("yamnet"), "--model-dir", folder)
    assert document["network"] == "yamnet" and document["labels"] == LABELS
    assert document["last"]["acc_test"] == document["history"]["acc_test"][0] == 1
    predicted = run_json("predict", tones, "--model-dir", folder, "--unknown")
    assert predicted["encoder"] == "yamnet" and {item["known"] for item in predicted["predictions"]} <= {True, False}
    assert "known" not in run_json("predict", tones, "--model-dir", folder)["predictions"][0]
    noise = np.random.default_rng(0).normal(0, 0.2, 32000)
    sf.write(tmp_path / "noise.wav", noise, 16000)
    assert "unknown" in run("predict", tmp_path / "noise.wav", "--model-dir", folder, "--unknown").stdout
    assert run_json("evaluate", tones, "--model-dir", folder)["accuracy"] > 0.9


def test_groups_count_beside_a_validation_set_on_an_encoder(run, published, write_table, tones, tmp_path):
    table = write_table(groups=["Ann", "Ben"], clips=4)
    (held_out := tmp_path / "held out").mkdir()
    for label in LABELS:
        shutil.copytree(tones / label, held_out / label, ignore=lambda _, names: [n for n in names if n < "4"])
    words = ("train", table, "--encoder", published("yamnet"), "--validation", held_out)
    run(*words, "--model-dir", tmp_path / "model")
    manifest = read_manifest(tmp_path / "model", "yamnet")
    assert len(set(model_store.read_tensors(tmp_path / "model", manifest, "vectors")["groups"])) == 2


def test_the_encoder_at_hand_is_named(run, published, tones, tmp_path):
    published("yamnet")
    arguments = ("train", tones, "--epochs", 1, *SMALL, "--model-dir", tmp_path / "model")
    assert "--encoder yamnet" in run(*arguments).stderr


def test_unknown_needs_a_model_that_can_tell(run, published, model, tones, tmp_path, monkeypatch):
    assert "unknown" in run("predict", tones, *model, "--unknown", code=1).stderr
    published("yamnet")
    monkeypatch.chdir(tmp_path)
    assert "--encoder" in run("predict", tones, "--unknown", code=2).stderr


def test_several_workers_need_a_kvstore_and_an_environment(run, tones, tmp_path, monkeypatch):
    monkeypatch.delenv("DMLC_ROLE", raising=False)
    command = ("train", tones, "--model-dir", tmp_path / "model")
    for option in (("--workers", 2), ("--scheduler", "tcp://127.0.0.1:1")):
        assert "needs --kvstore" in run(*command, *option, code=2).stderr
    several = ("--kvstore", "dist_sync", "--workers", 2)
    assert "one GPU" in run(*command, *several, "--gpu", 0, code=2).stderr
    assert "DMLC_ROLE" in run(*command, "--kvstore", "dist_sync", code=1).stderr
    assert "--fine-tune" in run(*command, "--kvstore", "dist_sync", "--encoder", "yamnet", code=2).stderr
    monkeypatch.setattr("mxnet_audio.processes.launch.train_locally", lambda arguments, workers: 0)
    assert "holds no cifar10 model to resume" in run(*command, *several, "--resume").stderr
    assert not (tmp_path / "model").exists()

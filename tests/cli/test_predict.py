"""``predict``, with a real model on real files."""

import shutil

import numpy as np
import pytest
import soundfile as sf

from mxnet_audio import weights
from mxnet_audio.errors import ModelError


def test_files_and_folders(run, run_json, model, tones):
    high = tones / "high ♪"
    document = run_json("predict", high / "1 é.wav", high, *model)
    paths = [item["path"] for item in document["predictions"]]
    assert paths[0] == str(high / "1 é.wav")
    assert sorted(paths) == [str(high / f"{i} é.wav") for i in range(8)]  # each once
    assert document["labels"] == ["high ♪", "low"] and document["encoder"] is None
    assert document["skipped"] == []
    for item in document["predictions"]:
        assert sum(item["probabilities"]) == pytest.approx(1, abs=1e-5)
        assert item["probability"] == max(item["probabilities"])
        assert item["label"] == document["labels"][int(np.argmax(item["probabilities"]))]
    assert sum(item["label"] == "high ♪" for item in document["predictions"]) >= 6
    lines = run("predict", high, *model).stdout.splitlines()
    assert len(lines) == 8
    assert lines[0].endswith(f"%  {high / '0 é.wav'}")


@pytest.fixture
def no_models(monkeypatch, tmp_path, trained):
    """An empty current folder, which it returns, of a clone whose bundled model is the trained one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("mxnet_audio.cli.model.BUNDLED_MODELS", trained[0])
    return tmp_path


@pytest.fixture
def no_weights(monkeypatch):
    """A machine without published weights, and without a network."""

    def refuse(name, **options):
        raise ModelError(f"the weights of {name} are not on this machine. mxnet-audio models download {name}")

    monkeypatch.setattr("mxnet_audio.weights.available", lambda name: False)
    monkeypatch.setattr("mxnet_audio.weights.find", refuse)


def test_the_tagger_is_the_default(run, run_json, published, no_models, fsdd):
    published("yamnet")
    clip = fsdd / "0_jackson_0.wav"
    result = run("predict", clip)
    assert result.stdout.startswith("Speech ") and result.stdout.endswith(f"%  {clip}\n")
    assert result.stderr.startswith("no folder models here: ") and "yamnet" in result.stderr
    document = run_json("predict", clip, no_models / "missing.wav", code=1)
    assert document["encoder"] == "yamnet" and len(document["labels"]) == 521
    (item,) = document["predictions"]
    assert item["label"] == "Speech" and item["probability"] == max(item["probabilities"])
    assert [item["path"] for item in document["skipped"]] == [str(no_models / "missing.wav")]
    (timeline,) = run_json("predict", clip, "--timeline", 0.4)["timelines"]
    assert timeline["segments"][0]["label"] == "Speech" and timeline["segments"][0]["end"] == 0.4


def test_bundled_models_where_no_weights_can_be_had(run, run_json, no_weights, no_models, trained, tones, monkeypatch):
    clip = tones / "low" / "0 é.wav"
    result = run("predict", clip)
    assert "low" in result.stdout
    (line,) = result.stderr.splitlines()
    for words in (str(trained[0]), "cifar10", "ten sounds only", "mxnet-audio models download yamnet"):
        assert words in line
    assert run_json("predict", clip)["encoder"] is None
    monkeypatch.setattr("mxnet_audio.cli.model.BUNDLED_MODELS", no_models / "none")
    assert "models download yamnet" in run("predict", clip, code=1).stderr


def test_a_network_or_a_folder_is_a_choice(run, no_models, trained, tones):
    clip = tones / "low" / "0 é.wav"
    result = run("predict", clip, "--network", "cifar10")
    assert str(trained[0]) in result.stderr and "low" in result.stdout
    assert run("predict", clip, "--model-dir", "models", code=1).stderr.startswith("error: models: ")
    (no_models / "models").mkdir()
    assert run("predict", clip, code=1).stderr.startswith("error: models: ")


def test_damaged_weights_are_an_error(run, no_models, tones, monkeypatch):
    (no_models / "weights").mkdir()
    damaged = no_models / "weights" / weights.record("yamnet").files[0].name
    damaged.write_bytes(b"TFL3")
    monkeypatch.setenv("MXNET_AUDIO_WEIGHTS", str(damaged.parent))
    monkeypatch.setenv("XDG_CACHE_HOME", str(no_models / "cache"))
    assert run("predict", tones / "low" / "0 é.wav", code=1).stderr.splitlines()[-1].startswith(f"error: {damaged}: ")


def test_bad_files_are_skipped(run, run_json, model, tones, bad_file, tmp_path):
    good = tones / "low" / "0 é.wav"
    missing, empty = tmp_path / "mißing.wav", tmp_path / "empty folder"
    empty.mkdir()
    result = run("predict", bad_file, missing, empty, good, *model, code=1)
    assert len(result.stdout.splitlines()) == 1
    for path in (bad_file, missing, empty):
        assert f"skipped {path}: " in result.stderr
    assert "1 done, 3 skipped" in result.stderr
    document = run_json("predict", bad_file, missing, empty, good, *model, code=1)
    assert {item["path"] for item in document["skipped"]} == {str(bad_file), str(missing), str(empty)}
    assert all(item["reason"] for item in document["skipped"])


def test_only_bad_files_exit_with_1(run, run_json, trained, model, bad_file, tmp_path):
    for path in (bad_file, tmp_path / "missing.wav"):
        result = run("predict", path, *model, code=1)
        assert result.stdout == "" and f"skipped {path}: " in result.stderr and "0 done, 1 skipped" in result.stderr
        document = run_json("predict", path, *model, code=1)
        assert document["predictions"] == [] and document["model_id"] == trained[1]["model_id"]
        assert [item["path"] for item in document["skipped"]] == [str(path)]


def test_timeline(run, run_json, model, tones, bad_file, tmp_path):
    parts = [sf.read(tones / label / f"{i} é.wav")[0] for label in ("low", "high ♪") for i in range(3)]
    sf.write(tmp_path / "long.wav", np.concatenate(parts), 12000)  # 1.2 s low, 1.2 s high
    words = ("predict", tmp_path / "long.wav", bad_file, "--timeline", 0.4, "--hop", 0.2, *model)
    document = run_json(*words, code=1)
    (timeline,) = document["timelines"]
    segments = timeline["segments"]
    assert [s["start"] for s in segments] == pytest.approx(np.arange(11) * 0.2)
    assert segments[-1]["end"] == pytest.approx(2.4)
    assert (segments[0]["label"], segments[-1]["label"]) == ("low", "high ♪")
    assert [item["path"] for item in document["skipped"]] == [str(bad_file)]
    head, *lines = run(*words, code=1).stdout.splitlines()
    assert head == str(tmp_path / "long.wav")
    assert len(lines) == 11
    assert lines[1].split()[:4] == ["0.20", "to", "0.60", "s"]


def test_damaged_model(run, trained, tones, tmp_path):
    model_dir = shutil.copytree(trained[0], tmp_path / "mödel")
    for path in model_dir.glob("*.safetensors"):
        path.write_bytes(path.read_bytes()[:-10])
    result = run("predict", tones, "--model-dir", model_dir, code=1)
    assert "damaged" in result.stderr and "mödel" in result.stderr
    (model_dir / "cifar10.json").write_text("{")
    assert "damaged" in run("predict", tones, "--model-dir", model_dir, code=1).stderr


def test_missing_network(run, model, tones):
    assert "resnet_v2" in run("predict", tones, "--network", "resnet_v2", *model, code=1).stderr


def test_several_models_in_one_folder_need_network(run, trained, tmp_path):
    model_dir = shutil.copytree(trained[0], tmp_path / "models")
    shutil.copy(model_dir / "cifar10.json", model_dir / "m5.json")
    message = run("predict", "a.wav", "--model-dir", model_dir, code=1).stderr
    assert message.startswith(f"error: {model_dir}: ") and "cifar10, m5" in message and "--network" in message


def test_channels(run, run_json, model, tones, tmp_path):
    (low, sr), (high, _) = (sf.read(tones / label / "0 é.wav") for label in ("low", "high ♪"))
    sf.write(tmp_path / "call.wav", np.stack([low, high], axis=1), sr)
    words = ("predict", tmp_path / "call.wav", *model, "--channel")
    labels = {item["path"]: item["label"] for item in run_json(*words, "each")["predictions"]}
    assert labels == {f"{tmp_path / 'call.wav'} [left]": "low", f"{tmp_path / 'call.wav'} [right]": "high ♪"}
    for channel, label in (("left", "low"), (1, "high ♪")):
        assert run_json(*words, channel)["predictions"][0]["label"] == label
    heads = [line for line in run(*words, "each", "--timeline", 0.4).stdout.splitlines() if line[0] != " "]
    assert heads == list(labels)
    for wrong in ("middle", "-1", "1.0", "²"):
        assert "--channel" in run(*words, wrong, code=2).stderr


def test_the_part_of_a_long_sound_that_was_used_is_printed(run, run_json, model, tones, tmp_path):
    tone, rate = sf.read(tones / "low" / "0 é.wav")
    path = tmp_path / "long.wav"
    sf.write(path, np.tile(tone, 60), rate)
    (entry,) = run_json("predict", path, *model)["predictions"]
    seconds, used = entry["seconds"], entry["seconds_used"]
    assert seconds == pytest.approx(60 * len(tone) / rate) and 0 < used < 0.5 * seconds
    assert f"({used:.0f} of {seconds:.0f} s used" in run("predict", path, *model).stdout
    assert "used" not in run("predict", tones / "low" / "0 é.wav", *model).stdout


def test_silence_in_a_timeline_has_no_label(run, run_json, model, tones, tmp_path):
    tone, rate = sf.read(tones / "low" / "0 é.wav")
    path = tmp_path / "long.wav"
    sf.write(path, np.concatenate([tone, np.zeros(rate), tone]), rate)
    words = ("predict", path, "--timeline", 0.1, "--hop", 0.1, *model)
    segments = run_json(*words)["timelines"][0]["segments"]
    silent = [segment for segment in segments if segment["label"] is None]
    assert len(silent) >= 9 and all(segment["probability"] is segment["probabilities"] is None for segment in silent)
    assert run(*words).stdout.count("(silent)") == len(silent)

"""``predict`` and ``embed``, with a real model on real files."""

import csv
import shutil

import numpy as np
import pytest
import soundfile as sf


@pytest.fixture
def model(trained):
    return "--model-dir", trained[0]


def test_predict_files_and_folders(run, run_json, model, tones):
    high = tones / "high ♪"
    document = run_json("predict", high / "1 é.wav", high, *model)
    paths = [item["path"] for item in document["predictions"]]
    assert paths[0] == str(high / "1 é.wav")
    assert sorted(paths) == [str(high / f"{i} é.wav") for i in range(8)]  # each once
    assert document["labels"] == ["high ♪", "low"]
    assert document["skipped"] == []
    for item in document["predictions"]:
        assert sum(item["probabilities"]) == pytest.approx(1, abs=1e-5)
        assert item["probability"] == max(item["probabilities"])
        assert item["label"] == document["labels"][int(np.argmax(item["probabilities"]))]
    right = sum(item["label"] == "high ♪" for item in document["predictions"])
    assert right >= 6
    lines = run("predict", high, *model).stdout.splitlines()
    assert len(lines) == 8
    assert lines[0].endswith(f"%  {high / '0 é.wav'}")


def test_who_has_no_model_gets_the_one_in_the_box(run, run_json, trained, tones, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("mxnet_audio.cli.shell.BUNDLED_MODELS", trained[0])
    result = run("predict", tones / "low" / "0 é.wav")
    assert "no folder models here: taking cifar10 of" in result.stderr and "low" in result.stdout
    assert "no model here" in run("index", tones, code=1).stderr  # what would be kept is not made by chance
    assert "no model here" in run("predict", tones / "low" / "0 é.wav", "--model-dir", "models", code=1).stderr
    (tmp_path / "models").mkdir()
    assert "no model here" in run("predict", tones / "low" / "0 é.wav", code=1).stderr
    monkeypatch.setattr("mxnet_audio.cli.shell.BUNDLED_MODELS", tmp_path / "none")
    (tmp_path / "models").rmdir()
    assert "no model here" in run("predict", tones / "low" / "0 é.wav", code=1).stderr


def test_one_bad_file_stops_nothing(run, run_json, model, tones, bad_file, tmp_path):
    good = tones / "low" / "0 é.wav"
    missing, empty = tmp_path / "mißing.wav", tmp_path / "empty folder"
    empty.mkdir()
    result = run("predict", bad_file, missing, empty, good, *model)
    assert len(result.stdout.splitlines()) == 1
    for path in (bad_file, missing, empty):
        assert f"skipped {path}: " in result.stderr
    assert "1 done, 3 skipped" in result.stderr
    document = run_json("predict", bad_file, missing, empty, good, *model)
    assert {item["path"] for item in document["skipped"]} == {str(bad_file), str(missing), str(empty)}
    assert all(item["reason"] for item in document["skipped"])


def test_all_bad_is_1(run, run_json, model, bad_file):
    assert run("predict", bad_file, *model, code=1).stdout == ""
    document = run_json("predict", bad_file, *model, code=1)
    assert document["predictions"] == []
    assert len(document["skipped"]) == 1


def test_timeline(run, run_json, model, tones, bad_file, tmp_path):
    parts = [sf.read(tones / label / f"{i} é.wav")[0] for label in ("low", "high ♪") for i in range(3)]
    sf.write(tmp_path / "long.wav", np.concatenate(parts), 12000)  # 1.2 s low, 1.2 s high
    words = ("predict", tmp_path / "long.wav", bad_file, "--timeline", 0.4, "--hop", 0.2, *model)
    document = run_json(*words)
    (timeline,) = document["timelines"]
    segments = timeline["segments"]
    assert [s["start"] for s in segments] == pytest.approx(np.arange(11) * 0.2)
    assert segments[-1]["end"] == pytest.approx(2.4)
    assert (segments[0]["label"], segments[-1]["label"]) == ("low", "high ♪")
    assert [item["path"] for item in document["skipped"]] == [str(bad_file)]
    head, *lines = run(*words).stdout.splitlines()
    assert head == str(tmp_path / "long.wav")
    assert len(lines) == 11
    assert lines[1].split()[:4] == ["0.20", "to", "0.60", "s"]


def test_embed_as_npz_and_csv(run, run_json, model, tones, bad_file, tmp_path):
    npz, table = tmp_path / "vektören.npz", tmp_path / "vectors.csv"
    document = run_json("embed", tones, bad_file, "--output", npz, *model)
    with np.load(npz) as arrays:
        paths, vectors = arrays["paths"].tolist(), arrays["vectors"]
    assert paths == document["paths"]
    assert len(paths) == 16
    assert vectors.shape == (16, document["dim"])
    assert vectors.dtype == np.float32
    assert np.isfinite(vectors).all()
    assert [item["path"] for item in document["skipped"]] == [str(bad_file)]

    assert "16 vectors" in run("embed", tones, "--output", table, *model).stdout
    with table.open(newline="", encoding="utf-8") as file:
        head, *rows = csv.reader(file)
    assert head[:2] == ["path", "v0"]
    assert [row[0] for row in rows] == paths
    np.testing.assert_array_equal(np.float32([row[1:] for row in rows]), vectors)
    assert {path.name for path in tmp_path.iterdir()} == {npz.name, table.name, bad_file.name}


def test_nothing_to_embed_writes_nothing(run_json, model, bad_file, tmp_path):
    document = run_json("embed", bad_file, "--output", tmp_path / "v.npz", *model, code=1)
    assert document["output"] is None
    assert not (tmp_path / "v.npz").exists()


def test_output_that_cannot_be_written(run, model, tones, tmp_path):
    result = run("embed", tones / "low", "--output", tmp_path / "nö" / "v.npz", *model, code=1)
    assert result.stderr == f"error: {tmp_path / 'nö'}: no such folder\n"
    (tmp_path / "folder.npz").mkdir()
    assert "is a directory" in run("embed", tones / "low", "--output", tmp_path / "folder.npz", *model, code=2).stderr


def test_damaged_model_is_named(run, trained, tones, tmp_path):
    shutil.copytree(trained[0], tmp_path / "mödel")
    for path in (tmp_path / "mödel").glob("*.safetensors"):
        path.write_bytes(path.read_bytes()[:-10])
    result = run("predict", tones, "--model-dir", tmp_path / "mödel", code=1)
    assert "damaged" in result.stderr
    assert "mödel" in result.stderr
    (tmp_path / "mödel" / "cifar10.json").write_text("{")
    assert "damaged" in run("predict", tones, "--model-dir", tmp_path / "mödel", code=1).stderr


def test_network_that_is_not_there(run, model, tones):
    result = run("predict", tones, "--network", "resnet_v2", *model, code=1)
    assert "resnet_v2" in result.stderr

"""``search``, with a real model and a real index."""

import shutil

import pytest


def test_neighbours(run, run_json, model, indexed, tones):
    query = tones / "low" / "3 é.wav"
    words = ("search", query, "--index", indexed[0], *model)
    document = run_json(*words, "-k", 5)
    assert document["query"] == str(query) and document["index"] == str(indexed[0])
    found = document["neighbours"]
    distances = [item["distance"] for item in found]
    assert len(found) == 5
    assert distances == sorted(distances)
    assert str(query) not in [item["path"] for item in found]
    assert sum("low" in item["path"] for item in found) >= 4
    lines = run(*words, "--top-k", 5).stdout.splitlines()
    assert [line.split("  ", 1)[-1].strip() for line in lines] == [item["path"] for item in found]
    assert len(run_json(*words)["neighbours"]) == 10


def test_bad_query(run, model, indexed, bad_file, tmp_path):
    for path in (bad_file, tmp_path / "missing.wav"):
        result = run("search", path, "--index", indexed[0], *model, code=1)
        assert result.stderr.startswith(f"error: {path}: ")


def test_index_of_one_file(run, run_json, model, tones, tmp_path):
    words = (tones / "low" / "0 é.wav", "--index", tmp_path / "index", *model)
    run("index", *words)
    assert run_json("search", *words)["neighbours"] == []
    result = run("search", *words)
    assert str(tmp_path / "index") in result.stderr and result.stdout == ""


@pytest.mark.parametrize("command", ["search", "recommend"])
def test_missing_index(run, model, tones, tmp_path, command):
    result = run(command, tones / "low" / "0 é.wav", "--index", tmp_path / "nö", *model, code=1)
    assert result.stderr.startswith(f"error: {tmp_path / 'nö'}: ")


def test_only_the_index_is_needed(run, run_json, trained, indexed, tones, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    query = tones / "low" / "3 é.wav"
    words = ("search", query, "--index", "ix", "-k", 5)
    moved = shutil.copytree(trained[0], tmp_path / "model")
    run("index", tones, "--index", "ix", "--model-dir", "model")
    found = run_json(*words)["neighbours"]
    assert found == run_json("search", query, "--index", indexed[0], "-k", 5)["neighbours"]
    assert len(run_json("recommend", query, "--index", "ix")["recommendations"]) == 10
    moved.rename(tmp_path / "moved")
    result = run(*words, code=1)
    assert result.stderr.startswith(f"error: {moved}: ") and "--model-dir" in result.stderr
    assert run_json(*words, "--model-dir", "moved")["neighbours"] == found


@pytest.mark.usefixtures("own_cache")
def test_index_of_another_model(run, run_json, indexed, tones, tmp_path):
    other = ("--model-dir", tmp_path / "other")
    document = run_json("train", tones, *other, "--input-shape", "1,16,16", "--epochs", 1)
    for command in ("search", "index", "recommend"):
        result = run(command, tones / "low" / "0 é.wav", "--index", indexed[0], *other, code=1)
        assert document["model_id"] in result.stderr and indexed[1]["model_id"] in result.stderr
        assert str(indexed[0]) in result.stderr


def test_damaged_index(run, model, indexed, tones, tmp_path):
    shutil.copytree(indexed[0], tmp_path / "index")
    (tmp_path / "index" / "index.json").write_text("[", encoding="ascii")
    result = run("search", tones / "low" / "0 é.wav", "--index", tmp_path / "index", *model, code=1)
    assert "damaged" in result.stderr

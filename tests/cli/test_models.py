"""``models``: list, describe and download published weights."""

import dataclasses
from pathlib import Path

import pytest

from mxnet_audio import weights
from mxnet_audio.weights import registry

HUB = Path(__file__).parents[1] / "models" / "hub"
DEAD = "http://127.0.0.1:9/never"


def test_list(run, run_json):
    found = run_json("models", "list")["models"]
    assert [item["name"] for item in found] == weights.names()
    lines = run("models", "list").stdout.splitlines()
    for line, name in zip(lines, weights.names(), strict=True):
        record, location = weights.record(name), weights.location(name)
        words = line.split()
        assert words[0] == name and words[1] == record.domain and str(record.width) in words
        assert record.licence in line and line.endswith(str(location or "not here"))
        assert f"  {record.size_text}  " in line


@pytest.mark.parametrize("name", weights.names())
def test_info(run, run_json, name):
    record = weights.record(name)
    document = run_json("models", "info", name)
    assert document["citation"] == record.citation and document["size"] == record.size
    assert [file["sha256"] for file in document["files"]] == [file.sha256 for file in record.files]
    text = run("models", "info", name).stdout
    facts = [record.summary, record.network, record.domain, record.front_end, record.licence, record.remark]
    facts += [*record.embeddings, record.citation, record.command, record.size_text]
    facts += [record.repository, *record.other_repositories, *record.reductions]
    facts += [fact for file in record.files for fact in (file.name, file.sha256, file.md5, *file.urls)]
    assert [fact for fact in facts if fact not in text] == []


def test_unknown_name(run):
    for words in (("info", "yamnett"), ("download", "yamnett")):
        result = run("models", *words, code=1)
        assert "'yamnett'" in result.stderr and "'yamnet'" in result.stderr and result.stdout == ""


def test_download_of_what_is_here(run, run_json, published):
    name = published("musicnn_vgg")
    paths = [str(path) for path in weights.find(name)]
    assert run_json("models", "download", name) == {"name": name, "files": paths}
    assert run("models", "download", name).stdout.splitlines() == [f"{name} is in {path}" for path in paths]


def test_download_from_a_folder(run, run_json):
    folder = HUB / "whisper"
    paths = [str(folder / name) for name in ("config.json", "preprocessor_config.json", "model.safetensors")]
    assert run_json("models", "download", "whisper", "--source", folder)["files"] == paths
    result = run("models", "download", "hubert", "--source", folder, code=1)
    assert "this is a whisper model, not hubert" in result.stderr and result.stdout == ""
    result = run("models", "download", "whisper", "--source", folder, "--revision", "main", code=1)
    assert "error: revision must be left out" in result.stderr
    result = run("models", "download", "whisper", "--source", "nöwhere", code=1)
    assert "OWNER/NAME" in result.stderr


@pytest.mark.usefixtures("own_cache")
def test_download_without_a_network(run, monkeypatch, tmp_path):
    monkeypatch.setenv("MXNET_AUDIO_WEIGHTS", str(tmp_path / "nöne"))
    record = weights.record("yamnet")
    files = tuple(dataclasses.replace(file, urls=(DEAD,)) for file in record.files)
    monkeypatch.setitem(registry._RECORDS, "yamnet", dataclasses.replace(record, files=files))
    result = run("models", "download", "yamnet", code=1)
    assert result.stdout == "" and result.stderr.count("error: ") == 1
    assert f"MXNET_AUDIO_WEIGHTS={tmp_path / 'nöne'} is no folder" in result.stderr
    assert "models download" not in result.stderr and "--source FOLDER" in result.stderr
    assert run("models", "list").stdout.splitlines()[0].endswith("not here")
    assert "found       not here" in run("models", "info", "yamnet").stdout


@pytest.mark.usefixtures("own_cache")
def test_damaged_file(run, monkeypatch, tmp_path):
    monkeypatch.setenv("MXNET_AUDIO_WEIGHTS", str(tmp_path))
    path = tmp_path / weights.record("yamnet").files[0].name
    path.write_bytes(b"damaged")
    result = run("models", "download", "yamnet", code=1)
    assert f"error: {path}: " in result.stderr and weights.record("yamnet").files[0].sha256 in result.stderr

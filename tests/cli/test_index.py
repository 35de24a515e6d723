"""``index``, with a real model on real files, and with pretrained encoders."""

import os
import shutil

import numpy as np
import pytest
import soundfile as sf

from mxnet_audio.errors import ModelError
from tests.library.fake_encoder import load_fake_encoder


@pytest.fixture
def fake_encoders(monkeypatch, tmp_path):
    """Encoders without networks, and a current folder without a trained model."""
    monkeypatch.setattr("mxnet_audio.pretrained.load_encoder", load_fake_encoder)
    monkeypatch.chdir(tmp_path)


def test_document(indexed, trained):
    _, document = indexed
    assert document["model_id"] == trained[1]["model_id"]
    assert (document["added"], document["unchanged"], document["count"]) == (16, 0, 16)
    assert document["skipped"] == []


def test_unchanged_files_are_not_read_again(run, run_json, model, tones, bad_file, tmp_path):
    words = ("--index", tmp_path / "index", *model)
    document = run_json("index", tones / "low", *words)
    assert document["index"] == str(tmp_path / "index") and document["count"] == 8
    document = run_json("index", tones, bad_file, tmp_path / "missing.wav", *words, code=1)
    assert (document["added"], document["unchanged"], document["count"]) == (8, 8, 16)
    assert {item["path"] for item in document["skipped"]} == {str(bad_file), str(tmp_path / "missing.wav")}
    result = run("index", tones, bad_file, *words, code=1)
    assert result.stdout.startswith("0 added, 16 unchanged") and str(tmp_path / "index") in result.stdout
    assert result.stderr.count(str(bad_file)) == 1


def test_only_bad_files_exit_with_1(run, model, bad_file, tmp_path):
    result = run("index", bad_file, "--index", tmp_path / "index", *model, code=1)
    assert result.stdout == ""
    assert str(bad_file) in result.stderr


@pytest.mark.usefixtures("fake_encoders")
def test_without_a_trained_model_an_encoder_is_used(run, run_json, tones, bad_file):
    bad_file.write_text("bad")
    query = tones / "low" / "0 é.wav"
    result = run("index", tones / "low")
    assert "yamnet" in result.stderr and "--encoder" in result.stderr
    for command, key in (("search", "neighbours"), ("recommend", "recommendations")):
        document = run_json(command, query, "-k", 3)
        assert len(document[key]) == 3 and document["model"]["encoder"] == "yamnet"
    document = run_json("index", tones, bad_file, code=1)
    assert (document["added"], document["unchanged"]) == (8, 8)
    assert document["model"]["encoder"] == "yamnet"
    assert [item["path"] for item in document["skipped"]] == [str(bad_file)]


@pytest.mark.usefixtures("fake_encoders")
def test_an_index_is_continued_with_its_encoder(run, run_json, tones, model):
    words = ("index", tones, "--index", "ix")
    run("index", tones / "low", "--index", "ix", "--encoder", "musicnn", "--embedding", "penultimate")
    document = run_json(*words)
    assert document["model"] == {"encoder": "musicnn", "embedding": "penultimate", "source": None}
    assert (document["added"], document["unchanged"]) == (8, 8)
    for other in (("--encoder", "musicnn"), ("--encoder", "yamnet"), model):
        result = run(*words, *other, code=1)
        assert result.stderr.startswith("error: ix: ") and "musicnn, penultimate" in result.stderr
    result = run("search", tones / "low" / "0 é.wav", "--index", "ix", *model, code=1)
    assert "musicnn, penultimate" in result.stderr and str(model[1]) in result.stderr


@pytest.mark.usefixtures("fake_encoders")
def test_a_trained_model_in_the_current_folder_is_used(run_json, tones, trained, tmp_path):
    shutil.copytree(trained[0], tmp_path / "models")
    document = run_json("index", tones / "low")
    assert document["model_id"] == trained[1]["model_id"]
    assert document["model"] == {"model": str(tmp_path / "models"), "network": "cifar10"}


@pytest.mark.usefixtures("fake_encoders")
def test_without_any_encoder_the_model_of_a_clone_is_used(run, run_json, tones, monkeypatch):
    def load_encoder(*_, **__):
        raise ModelError("the weights of musicnn are not on this machine")

    monkeypatch.setattr("mxnet_audio.pretrained.load_encoder", load_encoder)
    result = run("index", tones / "low")
    assert "weights of musicnn" in result.stderr and "esc10" in result.stderr
    assert len(run_json("search", tones / "low" / "0 é.wav", "-k", 3)["neighbours"]) == 3
    monkeypatch.setattr("mxnet_audio.cli.vector_model.BUNDLED_MODELS", tones / "nowhere")
    result = run("index", tones / "low", "--index", "other", code=1)
    assert "weights of musicnn" in result.stderr


def test_encoder_and_trained_model_are_alternatives(run, model, tones):
    for command in ("index", "encode"):
        assert "--model-dir" in run(command, tones, "--encoder", "yamnet", *model, code=2).stderr
        assert "--encoder" in run(command, tones, "--embedding", "mean", code=2).stderr
        message = run(command, tones, "--encoder", "yamnett", code=1).stderr
        assert "--encoder must be one of 'auto', 'yamnet'" in message and "'yamnett'" in message
        assert "mean_std" in run(command, tones, "--encoder", "yamnet", "--embedding", "max_pool", code=1).stderr


@pytest.fixture
def library(fake_encoders, run, tones, tmp_path):
    """Folder with eight tones, indexed by their relative paths in the folder ``index``."""
    shutil.copytree(tones / "low", tmp_path / "songs")
    run("index", "songs")
    return tmp_path / "songs"


def listed(run_json, *words):
    return [item["path"] for item in run_json("index", "list", *words)["files"]]


def test_list(run, run_json, library):
    names = sorted(f"songs/{i} é.wav" for i in range(8))
    assert sorted(run("index", "list").stdout.splitlines()) == sorted(listed(run_json)) == names
    (library / "3 é.wav").unlink()
    result = run("index", "list")
    assert "songs/3 é.wav  (missing)" in result.stdout.splitlines() and "1 of 8" in result.stderr
    document = run_json("index", "list")
    assert document["missing"] == 1 and document["model"]["encoder"] == "yamnet"
    assert [item["path"] for item in document["files"] if item["missing"]] == ["songs/3 é.wav"]
    assert "no index" in run("index", "list", "--index", "nowhere", code=1).stderr


def test_prune(run, run_json, library):
    for i in (1, 2):
        (library / f"{i} é.wav").unlink()
    assert run("index", "--prune").stdout == "2 removed: index holds 6 files\n"
    (library / "3 é.wav").unlink()
    document = run_json("index", "songs", "--prune")
    assert (document["unchanged"], document["pruned"], document["count"]) == (5, ["songs/3 é.wav"], 5)
    assert run_json("index", "--prune")["pruned"] == []
    assert "--prune" in run("index", code=2).stderr
    assert "PATH" in run("index", "--prune", "--encoder", "yamnet", code=2).stderr
    assert "no index" in run("index", "--prune", "--index", "nowhere", code=1).stderr


def test_prune_without_the_disk(run, run_json, library, tones, tmp_path):
    library.rename(tmp_path / "disk")
    assert run("index", "--prune", code=1).stderr.startswith(f"error: {library}: ")
    document = run_json("index", tones, "--prune", code=1)
    assert (document["added"], document["pruned"], document["count"]) == (16, [], 24)
    assert [item["path"] for item in document["skipped"]] == [str(library)]
    (tmp_path / "disk").rename(library)
    assert run_json("index", "--prune")["count"] == 24


def test_remove(run, run_json, library):
    document = run_json("index", "remove", "songs/1 é.wav", "songs/nowhere.wav", code=1)
    assert (document["removed"], document["count"]) == (["songs/1 é.wav"], 7)
    assert [item["path"] for item in document["skipped"]] == ["songs/nowhere.wav"]
    shutil.rmtree(library)
    assert run("index", "remove", library).stdout.startswith("7 removed")
    assert listed(run_json) == []
    assert "songs/nowhere.wav" in run("index", "remove", "songs/nowhere.wav", code=1).stderr


def test_relocate(run, run_json, library, tmp_path):
    library.rename(tmp_path / "archive")
    for command in (("search", "archive/1 é.wav"), ("recommend", "archive/1 é.wav")):
        document = run_json(*command)
        assert (document["missing"], document.get("neighbours"), document.get("recommendations")) in (
            (8, [], None), (8, None, []),
        )  # fmt: skip
        assert "relocate OLD NEW" in run(*command).stderr
    document = run_json("index", "relocate", "songs", "archive")
    assert (len(document["relocated"]), document["missing"], document["count"]) == (8, 0, 8)
    assert all(path.startswith("archive/") for path in listed(run_json))
    assert run_json("index", "archive")["unchanged"] == 8
    assert run_json("search", "archive/1 é.wav", "-k", 3)["missing"] == 0
    assert "8 of 8" in run("index", "relocate", "archive", "elsewhere").stderr
    assert run("index", "relocate", "songs", "archive", code=1).stderr.startswith("error: songs: ")


def test_folders_named_like_commands(run, run_json, library, tmp_path):
    for name in ("list", "remove"):
        shutil.copytree(library, tmp_path / name)
        assert run_json("index", f"./{name}")["added"] == 8
        assert run_json("index", "add", name)["unchanged"] == 8
    assert len(listed(run_json)) == 24
    for words in (("--help",), ("add", "--help")):
        assert "index" in run("index", *words).stdout


def test_channels(run, run_json, fake_encoders, tmp_path):
    sf.write(tmp_path / "call.wav", 0.1 * np.random.default_rng(0).standard_normal((800, 2)), 8000)
    document = run_json("index", "call.wav", "--channel", "each")
    assert (document["added"], listed(run_json)) == (2, ["call.wav [left]", "call.wav [right]"])
    run("index", "remove", "call.wav [left]")
    assert run_json("index", "call.wav", "--channel", "1")["count"] == 2
    for command in ("search", "recommend"):
        assert run_json(command, "call.wav", "--channel", "left")["missing"] == 0
        assert "channel" in run(command, "call.wav", "--channel", "each", code=2).stderr


def test_names_that_are_not_printable(run, run_json, fake_encoders, tones, tmp_path):
    name = os.fsdecode(b"a\nb\x1b[31m\xff.wav")
    shutil.copy(tones / "low" / "0 é.wav", tmp_path / name)
    assert run_json("index", tmp_path / name)["added"] == 1
    assert listed(run_json) == [str(tmp_path / name)]
    assert run("index", "list").stdout == f"{tmp_path}/a\\nb\\x1b[31m\\xff.wav\n"
    found = run("search", tones / "low" / "0 é.wav").stdout
    assert found.endswith("a\\nb\\x1b[31m\\xff.wav\n") and len(found.splitlines()) == 1
    (tmp_path / name).unlink()
    run("index", tones / "low")
    assert run_json("index", "--prune")["pruned"] == [str(tmp_path / name)]

"""``index``, with a real model on real files, and with pretrained encoders."""

import shutil

import pytest

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

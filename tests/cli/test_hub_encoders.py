"""``encode``, ``index``, ``search``, ``recommend`` and ``tag`` with encoders of the hub."""

import shutil

import numpy as np
import pytest
import soundfile

from tests.models.hub_folders import HUB


@pytest.fixture
def clips(tmp_path):
    """Folder of three clips of noise."""
    folder = tmp_path / "clips"
    folder.mkdir()
    for seed in range(3):
        y = np.random.default_rng(seed).normal(0, 0.1, 1600 + 400 * seed)
        soundfile.write(folder / f"{seed}.wav", y, 16_000)
    return folder


def test_encode(run_json, clips, tmp_path):
    output = tmp_path / "v.npz"
    options = ("--encoder", "wavlm", "--source", HUB / "wavlm", "--embedding", "1:max", "-o", output)
    document = run_json("encode", clips, *options)
    assert document["dim"] == 16 and len(document["paths"]) == 3
    assert document["model"] == {"encoder": "wavlm", "embedding": "1:max", "source": str(HUB / "wavlm")}


def test_index_and_search(run, run_json, clips, tmp_path):
    folder = shutil.copytree(HUB / "hubert", tmp_path / "hubert")
    index, query = ("--index", tmp_path / "index"), clips / "0.wav"
    run("index", clips, *index, "--encoder", "hubert", "--source", folder)
    found = run_json("search", query, *index)["neighbours"]
    assert len(found) == 2
    folder.rename(tmp_path / "moved")
    result = run("search", query, *index, code=1)
    assert str(folder) in result.stderr and "--source" in result.stderr
    place = ("--encoder", "hubert", "--source", tmp_path / "moved")
    assert run_json("search", query, *index, *place)["neighbours"] == found
    assert run_json("search", query, *index, *place[2:])["neighbours"] == found
    assert run_json("index", clips, *index, *place[2:])["unchanged"] == 3
    assert "embeddings of" in run("search", query, *index, *place[2:], "--embedding", "0:mean", code=1).stderr
    assert len(run_json("recommend", query, *index, *place[2:])["recommendations"]) == 2
    assert "embeddings of" in run("search", query, *index, *place, "--embedding", "0:mean", code=1).stderr


def test_tag(run, run_json, clips):
    place = ("--encoder", "ast", "--source", HUB / "ast_classifier")
    document = run_json("tag", clips, *place, "-k", 4)
    assert len(document["files"]) == 3 and len(document["files"][0]["tags"]) == 4
    assert len(run("tag", clips / "0.wav", *place, "--timeline").stdout.splitlines()) == 2
    assert "classes" in run("tag", clips, "--encoder", "wavlm", "--source", HUB / "wavlm", code=1).stderr


def test_options_are_checked_before_mxnet_is_imported(run_without_mxnet, clips, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    wavlm = ("--encoder", "wavlm")
    commands = {
        ("encode", clips, *wavlm, "--source", empty): "config.json",
        ("encode", clips, *wavlm, "--source", tmp_path / "missing"): "missing",
        ("encode", clips, *wavlm, "--source", HUB / "hubert"): "hubert",
        ("encode", clips, *wavlm, "--source", HUB / "wavlm", "--revision", "main"): "revision",
        ("encode", clips, *wavlm, "--embedding", "1:median"): "median",
        ("encode", clips, "--encoder", "yamnet", "--source", tmp_path / "missing"): "missing",
        ("encode", clips, "--encoder", "yamnet", "--revision", "main"): "revision",
        ("index", clips, *wavlm, "--source", empty): "config.json",
        ("search", clips / "0.wav", "--index", empty, *wavlm, "--source", HUB / "wavlm"): "index",
        ("search", clips / "0.wav", "--index", empty, "--source", HUB / "wavlm"): "index",
        ("tag", clips, *wavlm): "wavlm",
        ("tag", clips, "--encoder", "ast", "--source", empty): "config.json",
    }
    wrong = {
        ("encode", clips, "--source", empty): "--source",
        ("index", clips, "--revision", "main"): "--revision",
        ("index", clips, "--source", empty): "--source",
        ("search", clips / "0.wav", "--embedding", "mean"): "--embedding",
        ("encode", clips, "--encoder", "auto", "--source", "a/b"): "--source",
        ("encode", clips, *wavlm, "--model-dir", empty): "--encoder",
    }
    results = run_without_mxnet(*commands, *wrong, cwd=tmp_path)
    for (words, text), (code, _, stderr) in zip((commands | wrong).items(), results, strict=True):
        assert code == (2 if words in wrong else 1) and text in stderr and "MXNet" not in stderr, (words, stderr)

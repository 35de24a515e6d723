"""``index``, ``search`` and ``recommend`` on a Milvus server, with encoders without networks."""

import shutil
from pathlib import Path

import pytest

from tests.library.fake_encoder import load_fake_encoder


@pytest.fixture
def songs(monkeypatch, tones, tmp_path):
    """Folder of eight tones in the current folder, and encoders without networks."""
    monkeypatch.setattr("mxnet_audio.pretrained.load_encoder", load_fake_encoder)
    monkeypatch.chdir(tmp_path)
    return shutil.copytree(tones / "low", tmp_path / "songs")


@pytest.fixture
def lite(tmp_path):
    """The options that name a collection in a file of Milvus Lite, which is faster made than one of a server."""
    pytest.importorskip("milvus_lite")
    return "--engine", "milvus", "--uri", str(tmp_path / "songs.db"), "--collection", "tones"


@pytest.fixture
def server(milvus_server, milvus_collection, monkeypatch):
    """The options that name a collection on a server that asks for a token."""
    monkeypatch.setenv("MXNET_AUDIO_MILVUS_TOKEN", milvus_server.token)
    return "--engine", "milvus", "--uri", milvus_server.uri, "--collection", milvus_collection


def test_the_commands_work_on_a_collection(run, run_json, songs, lite):
    (songs / "bad.wav").write_text("bad")
    document = run_json("index", "songs", *lite, "--encoder", "musicnn", code=1)
    assert (document["index"], document["collection"]) == (lite[3], "tones")
    assert (document["added"], document["count"]) == (8, 8)
    assert [item["path"] for item in document["skipped"]] == ["songs/bad.wav"]
    (songs / "bad.wav").unlink()
    assert run("index", "songs", *lite).stdout == f"0 added, 8 unchanged: tones of {lite[3]} holds 8 files\n"
    document = run_json("search", "songs/0 é.wav", *lite, "-k", 3)
    assert document["model"]["encoder"] == "musicnn" and len(document["neighbours"]) == 3
    shutil.copytree(songs, "others")
    run("index", "others", "--index", "ix", "--encoder", "musicnn")
    expected = run_json("search", "others/0 é.wav", "--index", "ix", "-k", 3)["neighbours"]
    found = document["neighbours"]
    assert [Path(item["path"]).name for item in found] == [Path(item["path"]).name for item in expected]
    assert len(run_json("recommend", "songs/0 é.wav", *lite)["recommendations"]) == 7
    assert "musicnn, max_pool" in run("index", "songs", *lite, "--encoder", "yamnet", code=1).stderr

    for command in ("search", "recommend"):
        assert "--where" in run(command, "songs/0 é.wav", *lite, "--where", "yaer > 1970").stderr

    assert "--uri" in run("index", "list", "--index", lite[3], code=1).stderr

    songs.rename("archive")
    assert len(run_json("index", "relocate", "songs", "archive", *lite)["relocated"]) == 8
    Path("archive/1 é.wav").unlink()
    result = run("index", "list", *lite)
    assert "1 of 8" in result.stderr and " ".join(lite[2:]) in result.stderr
    assert str(Path("archive/2 é.wav").absolute()) in result.stdout.splitlines()
    assert run_json("index", "--prune", *lite)["pruned"] == [str(Path("archive/1 é.wav").absolute())]
    assert run_json("index", "remove", "archive/2 é.wav", *lite)["count"] == 6


def test_push_and_pull_with_a_milvus_server(run, run_json, songs, server):
    run("index", "songs", "--index", "ix", "--encoder", "musicnn")
    uri, collection = server[3], server[5]
    target = server[2:]
    assert run("index", "push", "--index", "ix", *target).stdout == (
        f"8 copied, 0 unchanged: {collection} of {uri} holds 8 files\n"
    )
    document = run_json("index", "push", "--index", "ix", *target)
    assert (document["copied"], document["unchanged"], document["count"]) == (0, 8, 8)
    assert run_json("index", "pull", *target, "--index", "copy")["copied"] == 8
    found = [run_json("search", "songs/0 é.wav", *words) for words in (server, ("--index", "ix"), ("--index", "copy"))]
    expected = [{**item, "path": str(Path(item["path"]).absolute())} for item in found[1]["neighbours"]]
    assert found[0]["neighbours"] == found[2]["neighbours"] == expected
    shutil.copytree(songs, "other songs")
    assert "sound files" in run("index", "pull", *target, "--index", "other songs").stderr
    run("index", "songs", "--index", "other", "--encoder", "yamnet")
    for command in ("push", "pull"):
        result = run("index", command, "--index", "other", *target, code=1)
        assert "musicnn, max_pool" in result.stderr and "yamnet, mean" in result.stderr


def test_a_missing_collection_of_a_milvus_server(run, songs, server):
    for words in (("search", "songs/0 é.wav"), ("index", "list"), ("index", "--prune")):
        assert server[5] in run(*words, *server, code=1).stderr
    assert server[5] in run("index", "pull", *server[2:], code=1).stderr


def test_wrong_usage(run, tmp_path):
    uri = ("--uri", "http://127.0.0.1:1")
    for words, reason in (
        (("--engine", "milvus"), "--uri"),
        (("--collection", "songs"), "--uri"),
        (("--partition", "old"), "--uri"),
        ((*uri, "--index", "ix"), "--index"),
        ((*uri, "--engine", "voyager"), "milvus"),
    ):
        assert reason in run("index", tmp_path, *words, code=2).stderr
    assert "--uri" in run("index", "push", code=2).stderr
    assert "--where" in run("search", tmp_path, "--where", "a == 1", code=2).stderr


def test_a_wrong_token_of_a_milvus_server(run, songs, server, monkeypatch):
    monkeypatch.setenv("MXNET_AUDIO_MILVUS_TOKEN", "root:secret")
    message = run("search", "songs/0 é.wav", *server, code=1).stderr
    assert "token" in message and "secret" not in message

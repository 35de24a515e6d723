"""Commands on a Dask cluster, whose workers are threads of this process."""

import logging

import fsspec
import numpy as np
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from tests.library.fake_encoder import load_fake_encoder

pytest.importorskip("distributed")
parquet = pytest.importorskip("pyarrow.parquet")


@pytest.fixture(scope="module")
def scheduler():
    """Option for a scheduler with two workers."""
    from distributed import LocalCluster

    options = {"dashboard_address": "127.0.0.1:0", "threads_per_worker": 1, "silence_logs": logging.CRITICAL}
    options["scheduler_kwargs"] = {"dashboard": False}
    with LocalCluster(n_workers=2, processes=False, **options) as cluster:
        yield "--scheduler", cluster.scheduler_address


@pytest.fixture
def store(tones):
    """URL of a store with the tones of one class, and a text file with the suffix of a sound."""
    MemoryFileSystem.store.clear()
    memory = fsspec.filesystem("memory")
    for path in sorted((tones / "low").iterdir()):
        memory.pipe_file(f"/bucket/low/{path.name}", path.read_bytes())
    memory.pipe_file("/bucket/bad.wav", b"this is not sound")
    return "memory://bucket"


def test_encode(run, run_json, scheduler, store, model, tones, tmp_path):
    words = ("encode", store, *model, *scheduler, "--partition-size", 1, "--output", "memory://bucket/vectors")
    document = run_json(*words, code=1)
    assert (document["added"], document["unchanged"], document["failed"]) == (8, 0, [])
    assert document["output"] == "memory://bucket/vectors"
    assert [item["path"] for item in document["skipped"]] == ["memory://bucket/bad.wav"]
    memory = fsspec.filesystem("memory")
    tables = [parquet.read_table(memory.open(name)) for name in memory.ls("/bucket/vectors", detail=False)]
    rows = {row["path"]: row["vector"] for table in tables for row in table.to_pylist()}
    assert len(rows) == 8
    run("encode", tones / "low", *model, "--output", tmp_path / "v.npz")
    with np.load(tmp_path / "v.npz") as arrays:
        for path, vector in zip(arrays["paths"].tolist(), arrays["vectors"]):
            name = path.rpartition("/")[2]
            np.testing.assert_allclose(rows[f"memory://bucket/low/{name}"], vector, rtol=1e-4, atol=1e-5)
    memory.rm_file("/bucket/bad.wav")
    again = run(*words)
    assert again.stdout == "0 added, 8 unchanged\n" and "skipped" not in again.stderr
    assert run_json(*words, "--overwrite")["added"] == 8
    assert run_json("embed", store, *model, *scheduler, "--output", tmp_path / "vectors")["added"] == 8
    assert [path.suffix for path in (tmp_path / "vectors").iterdir()] == [".parquet"]


def test_events(run_json, scheduler, model, tones, tmp_path):
    options = (*model, "--window", 0.2, "--hop", 0.2, "--threshold", 0.9, "--label", "low")
    clips = [tones / "low" / "0 é.wav", tones / "high ♪" / "0 é.wav"]
    (here, _) = run_json("events", *clips, *options)["files"]
    assert run_json("events", *clips, *options, *scheduler, "--output", tmp_path / "events")["added"] == 2
    rows = parquet.read_table(tmp_path / "events").to_pylist()
    assert [(row["path"], row["start"], row["end"], row["label"]) for row in rows] == [
        (str(clips[0]), event["start"], event["end"], "low") for event in here["events"]
    ]


def test_tag(run_json, scheduler, published, fsdd, tmp_path):
    published("yamnet")
    words = ("tag", fsdd / "0_jackson_0.wav", "-k", 2)
    (here,) = run_json(*words)["files"]
    assert run_json(*words, *scheduler, "--output", tmp_path / "tags")["added"] == 1
    (row,) = parquet.read_table(tmp_path / "tags").to_pylist()
    assert row["labels"] == [tag["tag"] for tag in here["tags"]]
    np.testing.assert_allclose(row["scores"], [tag["score"] for tag in here["tags"]], atol=1e-4)


def test_index(run, run_json, scheduler, store, model, tones, tmp_path):
    pytest.importorskip("milvus_lite")
    collection = ("--engine", "milvus", "--uri", tmp_path / "songs.db", "--collection", "tones")
    document = run_json("index", tones / "low", store, *collection, *model, *scheduler, code=1)
    assert (document["added"], document["unchanged"], document["collection"]) == (16, 0, "tones")
    assert [item["path"] for item in document["skipped"]] == ["memory://bucket/bad.wav"]
    # The collection knows its model, and a local index has the same stamps.
    assert run("index", tones / "low", *collection, *scheduler).stdout == "0 added, 8 unchanged\n"
    assert run_json("index", tones / "low", *collection)["unchanged"] == 8
    (nearest,) = run_json("search", tones / "low" / "3 é.wav", *collection, "-k", 1)["neighbours"]
    assert nearest["path"] == "memory://bucket/low/3 é.wav" and nearest["distance"] < 1e-5


def test_no_cluster_for_nothing(run, model, tmp_path):
    result = run("encode", tmp_path, "memory://missing", *model, "--workers", 1, "--output", tmp_path / "v", code=1)
    assert "no sound files" in result.stderr and "skipped memory://missing: no such" in result.stderr
    assert not list(tmp_path.iterdir())


def test_scheduler_that_cannot_be_reached(run, model, tones, tmp_path, monkeypatch):
    monkeypatch.setattr("mxnet_audio.cluster.connection.CONNECT_SECONDS", 0.5)
    words = ("encode", tones, *model, "--scheduler", "tcp://127.0.0.1:9", "--output", tmp_path / "v")
    assert "error: tcp://127.0.0.1:9: " in run(*words, code=1).stderr


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("encode", "x", "--workers", 1), "--output"),
        (("encode", "x", "--workers", 1, "--output", "v.npz"), "--output"),
        (("encode", "x", "--workers", 1, "--scheduler", "tcp://host:8786", "--output", "v"), "--scheduler"),
        (("encode", "x", "--workers", 0, "--output", "v"), "--workers"),
        (("encode", "x", "--workers", 1, "--partition-size", 0, "--output", "v"), "--partition-size"),
        (("encode", "x", "--output", "s3://bucket/v"), "--output"),
        (("encode", "x", "--overwrite"), "--overwrite"),
        (("encode", "x", "--partition-size", 8), "--partition-size"),
        (("tag", "x", "--output", "v"), "--output"),
        (("tag", "x", "--workers", 1, "--timeline", "--output", "v"), "--timeline"),
        (("events", "x", "--workers", 1), "--output"),
        (("index", "x", "--workers", 1), "--engine milvus"),
        (("index", "x", "--workers", 1, "--prune", "--engine", "milvus", "--uri", "a.db"), "--prune"),
        (("index", "x", "--partition-size", 1), "--partition-size"),
    ],
    ids=str,
)
def test_wrong_usage(run, words, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert name in run(*words, code=2).stderr


def test_a_url_without_a_cluster(run, model):
    message = run("encode", "s3://bucket/a.wav", *model, code=1).stderr
    assert "skipped s3://bucket/a.wav: a remote path (s3://)" in message


def test_default_model(run, scheduler, tones, tmp_path, monkeypatch):
    monkeypatch.setattr("mxnet_audio.pretrained.load_encoder", load_fake_encoder)
    monkeypatch.chdir(tmp_path)
    message = run("encode", tones / "low", *scheduler, "--output", "v").stderr
    assert "encoder auto" in message and len(parquet.read_table("v")) == 8

"""Workers write to a Milvus collection themselves: each file once, unchanged ones are left out, bad ones are listed."""

import contextlib
import os
import threading
import time
from importlib.util import find_spec

import numpy as np
import pytest
import soundfile as sf

from mxnet_audio.cluster import EmbedJob, IndexJob, connect, find_sounds, run
from mxnet_audio.errors import ParameterError, SearchError
from mxnet_audio.inference import OnnxAudioClassifier
from tests.cluster.conftest import write_sound

# The package is not imported before a test needs it: this takes a second.
pytestmark = pytest.mark.skipif(find_spec("pymilvus") is None, reason="pymilvus is not installed")


@pytest.fixture
def job(tmp_path, onnx_model):
    """Job that writes to a file of Milvus Lite."""
    pytest.importorskip("milvus_lite")
    return IndexJob(model_dir=str(onnx_model), uri=str(tmp_path / "a.db"), collection="songs")


@pytest.fixture
def index_songs(client, songs):
    """Function that indexes the songs in partitions of three: ``index_songs(job) -> report``."""

    def index_songs(job, **options):
        return run(job, find_sounds([songs]), None, client, partition_bytes=30_000, progress=False, **options)

    return index_songs


def test_vectors_arrive_and_a_rerun_leaves_out_what_is_unchanged(job, index_songs, songs, onnx_model):
    (songs / "04.wav").write_bytes(b"not a sound")
    report = index_songs(job)
    assert (report.done, report.already_done, report.failed) == (11, 0, [])
    assert [path for path, _ in report.skipped] == [str(songs / "04.wav")]
    path = str(songs / "07.wav")
    with contextlib.closing(job.index()) as index:
        assert len(index) == 11
        assert index.model_id == report.model_id
        assert index.model == {"model": str(onnx_model), "network": "cifar10"}
        expected = OnnxAudioClassifier(onnx_model).encode_audio(path)
        assert np.allclose(index.vector(path), expected, rtol=1e-5, atol=1e-6)
    write_sound(songs / "07.wav", 100)
    os.utime(path, ns=(1, 1))
    write_sound(songs / "12.wav", 12)
    report = index_songs(job)
    assert (report.done, report.already_done, len(report.skipped)) == (2, 10, 1)
    assert index_songs(job, resume=False).done == 12
    with contextlib.closing(job.index()) as index:
        assert len(index) == 12
        assert not np.allclose(index.vector(path), expected, rtol=1e-5, atol=1e-6)


def test_vectors_that_the_index_refuses_are_skipped(job, index_songs, songs, monkeypatch):
    rows = EmbedJob.rows

    def with_zeros(self, model, sounds):
        for number, (some, error) in enumerate(rows(self, model, sounds)):
            yield [{**row, "vector": row["vector"] * (number != 1)} for row in some], error

    monkeypatch.setattr(EmbedJob, "rows", with_zeros)
    report = index_songs(job)
    assert report.done == 8  # of four partitions of three files
    assert [type(error) for _, error in report.skipped] == [SearchError] * 4
    assert str(songs / "01.wav") in dict(report.skipped)


def test_a_collection_of_another_model_is_refused_before_the_work(job, index_songs, onnx_model):
    index_songs(job)
    other = IndexJob(model_dir=str(onnx_model.with_name("1.onnx")), uri=job.uri, collection="songs")
    with pytest.raises(SearchError, match="model"):
        index_songs(other)


def test_a_token_is_not_shown(onnx_model):
    job = IndexJob(model_dir=str(onnx_model), uri="http://127.0.0.1:1", collection="songs", token="root:secret")
    assert "secret" not in repr(job)
    with pytest.raises(ParameterError):
        IndexJob(encoder="yamnet", model_dir=str(onnx_model), uri="a.db", collection="songs")


def test_a_file_is_refused_for_workers_in_other_processes(job, client, songs, monkeypatch):
    monkeypatch.setattr(type(client), "nthreads", lambda self: {"tcp://127.0.0.1:1": 1})
    with pytest.raises(ParameterError, match="uri"):
        run(job, find_sounds([songs]), None, client)


@pytest.mark.slow
def test_killed_worker_of_a_job_with_a_milvus_server(tmp_path, onnx_model, milvus_server, milvus_collection):
    folder = tmp_path / "songs"
    folder.mkdir()
    for number in range(200):
        sf.write(folder / f"{number}.wav", np.random.default_rng(number).normal(0, 0.1, 1600), 8000)
    server = {"uri": milvus_server.uri, "token": milvus_server.token, "collection": milvus_collection}
    job = IndexJob(model_dir=str(onnx_model), **server)
    killed = []

    def kill_one(pid):
        with contextlib.closing(job.index()) as index:
            end = time.monotonic() + 60
            while not len(index) and time.monotonic() < end:
                time.sleep(0.02)
            os.kill(pid, 9)
            killed.append(len(index))

    with connect(workers=2) as client:
        pid = min(client.run(os.getpid).values())
        thread = threading.Thread(target=kill_one, args=(pid,), daemon=True)
        thread.start()
        report = run(job, find_sounds([folder]), None, client, partition_bytes=30_000, progress=False)
        thread.join()
        assert run(job, find_sounds([folder]), None, client, progress=False).already_done == 200
    assert killed[0] < 200
    assert (report.skipped, report.failed) == ([], [])
    with contextlib.closing(job.index()) as index:
        assert sorted(index.paths) == sorted(str(path) for path in folder.iterdir())

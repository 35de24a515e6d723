"""Connections to clusters: what cannot be reached is named, and local processes leave nothing."""

import gc
import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from distributed import Client

from mxnet_audio.cluster import EmbedJob, connect, connection, find_sounds, run
from mxnet_audio.errors import ClusterError, ParameterError
from tests.cluster.conftest import write_sound


@pytest.mark.parametrize(
    "arguments",
    [
        *({}, {"scheduler": "tcp://a:1", "workers": 1}, {"scheduler": ""}),
        *({"workers": 0}, {"workers": "two"}, {"workers": 100_000}),
    ],
    ids=["none", "both", "no address", "no worker", "text", "far too many"],
)
def test_arguments(arguments):
    with pytest.raises(ParameterError), connect(**arguments):
        pass


def clients():
    """Return the identities of Dask's clients in memory."""
    return {id(each) for each in gc.get_objects() if isinstance(each, Client)}


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "127.0.0.1:1", "nonsense://a", "tcp://a.invalid:1", "a b"])
def test_a_scheduler_that_cannot_be_reached(address, monkeypatch):
    monkeypatch.setattr(connection, "CONNECT_SECONDS", 0.3)
    before = clients()
    with pytest.raises(ClusterError, match="scheduler cannot be reached") as caught, connect(address):
        pass
    assert caught.value.path == address
    assert clients() <= before  # one that is collected later may wait for ever


def test_dask_logs_no_errors_in_the_block_and_as_before_after_it(client):
    loggers = [logging.getLogger(name) for name in ("distributed", "distributed.client", "distributed.core")]
    before = [logger.getEffectiveLevel() for logger in loggers]
    with connect(client.scheduler.address):
        assert not any(logger.isEnabledFor(logging.ERROR) for logger in loggers)
    assert [logger.getEffectiveLevel() for logger in loggers] == before


def test_a_scheduler_without_workers(monkeypatch):
    from distributed import LocalCluster

    monkeypatch.setattr(connection, "WORKER_SECONDS", 0.1)
    with (
        LocalCluster(n_workers=0, processes=False, dashboard_address="127.0.0.1:0") as cluster,
        pytest.raises(ClusterError, match=r"no worker.*dask worker"),
        connect(cluster.scheduler_address),
    ):
        pass


def test_without_dask(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ClusterError, match=r"pip install .*'pyarrow<26'"), connect(workers=1):
        pass


def kill_when_a_part_is_written(pid, folder, seen):
    """Kill a process as soon as there is a result, and note how many there are."""
    while not (folder.is_dir() and list(folder.glob("part-*"))):
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)
    seen.append(len(list(folder.glob("part-*"))))


@pytest.mark.slow
def test_a_killed_worker_costs_only_its_partition(tmp_path, onnx_model, monkeypatch):
    folder, output, temporary = tmp_path / "songs", tmp_path / "out", tmp_path / "temporary"
    folder.mkdir()
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    for number in range(400):
        write_sound(folder / f"{number}.wav", number, seconds=0.2)
    seen: list[int] = []
    with connect(workers=2) as client:
        pids = client.run(os.getpid).values()
        arguments = (min(pids), output, seen)
        thread = threading.Thread(target=kill_when_a_part_is_written, args=arguments, daemon=True)
        thread.start()
        job = EmbedJob(model_dir=str(onnx_model))
        report = run(job, find_sounds([folder]), str(output), client, partition_bytes=10_000, progress=False)
        thread.join()
        others = client.run(os.getpid).values()
    assert seen[0] < report.partitions
    assert (report.done, report.failed, report.skipped) == (400, [], [])
    paths = pq.read_table(output).column("path").to_pylist()
    assert sorted(paths) == sorted(str(path) for path in folder.iterdir())
    assert not list(temporary.iterdir())
    assert not any(is_alive(pid) for pid in (*pids, *others))


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "zombie" not in Path(f"/proc/{pid}/status").read_text() if Path("/proc").is_dir() else True


SCRIPT = """
import sys
print("once")
from mxnet_audio.cluster import EmbedJob, connect, find_sounds, run
with connect(workers=1) as client:
    print(run(EmbedJob(model_dir=sys.argv[1]), find_sounds([sys.argv[2]]), sys.argv[3], client, progress=False).done)
    raise SystemExit("an error")
"""


@pytest.mark.slow
def test_a_script_needs_no_guard_and_leaves_nothing_after_an_error(tmp_path, onnx_model):
    write_sound(tmp_path / "a.wav", 0)
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "temporary").mkdir()
    result = subprocess.run(
        [sys.executable, tmp_path / "script.py", onnx_model, tmp_path / "a.wav", tmp_path / "out"],
        env={**os.environ, "TMPDIR": str(tmp_path / "temporary")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.stdout.split() == ["once", "1"]
    assert result.stderr.strip().endswith("an error")
    assert not list((tmp_path / "temporary").iterdir())

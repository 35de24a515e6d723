"""Training on the machines of a Dask cluster: here, two Dask workers of this process."""

import json
import subprocess
import sys
import threading
import time

import numpy as np
import psutil
import pytest
import soundfile as sf
from distributed import Client, LocalCluster

from mxnet_audio.cluster import train_on_cluster, training
from mxnet_audio.errors import ClusterError, ParameterError
from mxnet_audio.processes.watchdog import EXIT_CODE


@pytest.fixture(scope="module")
def tcp_client():
    """Client of a cluster that listens on the local address only."""
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": False, "dashboard_address": None}
    with (
        LocalCluster(protocol="tcp", host="127.0.0.1", **options) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


def test_output_and_exit_codes_come_back(tcp_client, tmp_path, capfd):
    assert train_on_cluster(["--version"], tcp_client, folder=tmp_path) == 0
    assert len(capfd.readouterr().out.splitlines()) == 2  # of the two workers
    assert train_on_cluster(["--unknown"], tcp_client, 1, folder=tmp_path) == 2
    assert "--unknown" in capfd.readouterr().err


def test_wrong_arguments_are_named(tcp_client, tmp_path):
    with pytest.raises(ParameterError, match="workers must be <= 2"):
        train_on_cluster(["--version"], tcp_client, 3, folder=tmp_path)
    with pytest.raises(ClusterError, match="missing"):
        train_on_cluster(["--version"], tcp_client, folder=tmp_path / "missing")


def test_processes_of_other_machines_end_when_one_fails(tcp_client, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "POLL_SECONDS", 0.1)
    started = []

    def start(command, roles, *arguments, **options):
        code = "import sys; sys.exit(7)" if "scheduler" in roles else "import time; time.sleep(60)"
        started.append(subprocess.Popen([sys.executable, "-c", code], **options))
        return started[-1:]

    monkeypatch.setattr(training, "start", start)
    assert train_on_cluster([], tcp_client, folder=tmp_path) == 7
    assert sorted(process.wait(30) for process in started) == [-9, 7]


def role_of(process):
    """Return the role of a process in a run; None if it has none, or has ended."""
    try:
        return process.environ().get("DMLC_ROLE")
    except psutil.Error:
        return None


@pytest.mark.slow
def test_a_killed_worker_ends_all_and_the_run_can_be_resumed(tcp_client, tmp_path, capfd, monkeypatch):
    from typer.testing import CliRunner

    from mxnet_audio.cli import app

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    rng, folder = np.random.default_rng(0), tmp_path / "tones"
    for label, pitch in (("high", 0.8), ("low", 0.1)):
        (folder / label).mkdir(parents=True)
        for number in range(6):
            sf.write(folder / label / f"{number}.wav", 0.3 * np.sin(np.arange(4800) * pitch * rng.uniform(1, 2)), 12000)
    model, codes = tmp_path / "model" / "cifar10.json", []
    command = ["train", "tones", "--model-dir", "model", "--input-shape", "1,16,16", "--batch-size", "2", "--resume"]
    arguments = [*command, "--kvstore", "dist_sync", "--epochs", "2000"]
    thread = threading.Thread(
        target=lambda: codes.append(train_on_cluster(arguments, tcp_client, 1, folder=tmp_path)), daemon=True
    )
    thread.start()
    deadline = time.monotonic() + 240
    while not model.exists():
        assert thread.is_alive() and time.monotonic() < deadline, capfd.readouterr()
        time.sleep(0.1)
    processes = {role: process for process in psutil.Process().children() if (role := role_of(process))}
    assert set(processes) == {"scheduler", "server", "worker"}
    processes["worker"].kill()
    thread.join(60)
    assert codes == [EXIT_CODE]
    assert "--resume" in capfd.readouterr().err
    assert not [process for process in psutil.Process().children() if process in processes.values()]
    done = len(json.loads(model.read_text())["history"]["loss_train"])
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, [*command, "--epochs", str(done + 1)])
    assert result.exit_code == 0, result.output
    assert len(json.loads(model.read_text())["history"]["loss_train"]) == done + 1

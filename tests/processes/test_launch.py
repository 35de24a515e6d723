"""Processes of a training run on this machine."""

import subprocess
import sys

import pytest

from mxnet_audio.errors import ParameterError
from mxnet_audio.processes import launch

# The role in the arguments fails; the others wait.
PROGRAM = "import os, sys, time; role = os.environ['DMLC_ROLE']; sys.exit(7) if role in sys.argv else time.sleep(60)"


def test_workers_of_this_machine_are_started(capfd):
    assert launch.train_locally(["--version"], 2) == 0
    assert len(capfd.readouterr().out.splitlines()) == 4
    assert launch.train_locally(["--unknown"], 1) == 2


def test_far_more_workers_than_cpus_are_refused(monkeypatch):
    monkeypatch.setattr(launch, "usable_cpus", lambda: 2)
    assert launch.local_workers(8) == 8
    with pytest.raises(ParameterError, match=r"workers must be <= 8 .*got 9"):
        launch.train_locally(["--version"], 9)


def test_the_others_are_killed_some_time_after_one_fails(monkeypatch):
    monkeypatch.setattr(launch, "END_SECONDS", 0.2)
    command = [sys.executable, "-c", PROGRAM, "server"]
    processes = launch.start(command, ("scheduler", "server", "worker"), "127.0.0.1", 9000, 1, 1)
    assert launch.await_end(processes, 1) == 7
    assert [process.returncode for process in processes] == [-9, 7, -9]


def test_a_worker_may_go_on_after_another_has_ended(monkeypatch):
    monkeypatch.setattr(launch, "END_SECONDS", 0)
    programs = ("import time; time.sleep(60)", "input()", "")  # of the server and two workers
    processes = [subprocess.Popen([sys.executable, "-c", text], stdin=subprocess.PIPE) for text in programs]
    processes[2].wait(60)
    answers = iter([False, False, False])  # three times, the first worker has not ended

    def is_cancelled():
        if next(answers, None) is None:
            processes[1].communicate(b"\n", timeout=60)
        return False

    assert launch.await_end(processes, 2, is_cancelled) == 1
    assert [process.returncode for process in processes] == [-9, 0, 0]

"""Watchdog: all processes end when one does."""

import subprocess
import sys
from pathlib import Path

import pytest

from mxnet_audio.errors import EngineError
from mxnet_audio.processes import watchdog
from mxnet_audio.processes.launch import free_port

ROOT = Path(__file__).resolve().parents[2]


def test_a_member_ends_when_another_does_not_leave(tmp_path):
    program = (
        "import sys, time\nfrom mxnet_audio.processes import watchdog\n"
        "kind, port = sys.argv[1], int(sys.argv[2])\n"
        "if kind == 'scheduler':\n    watchdog.Watchdog('127.0.0.1', port, 2)\n    time.sleep(60)\n"
        "member = watchdog.Member('127.0.0.1', port, kind)\nmember.join(kind)\n"
        "print('joined', flush=True)\ninput()\nmember.leave(done=kind == 'good')\n"
        "input()\n"
    )
    port = free_port("127.0.0.1")
    options = {
        "stdin": subprocess.PIPE,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "text": True,
        "cwd": ROOT,
    }
    kinds = ("scheduler", "good", "bad", "last")
    processes = [subprocess.Popen([sys.executable, "-c", program, kind, str(port)], **options) for kind in kinds]
    for process in processes[1:]:
        assert process.stdout.readline() == "joined\n"
    for process in processes[1:3]:
        process.stdin.write("\n")
        process.stdin.flush()
    assert processes[3].wait(60) == processes[0].wait(60) == watchdog.EXIT_CODE
    assert "bad ended; resume with --resume" in processes[3].communicate()[1]
    assert processes[1].poll() is None and processes[2].poll() is None  # have left, and live on
    for process in processes:
        process.kill()
        process.communicate()


def test_a_scheduler_that_is_missing_or_cannot_listen(monkeypatch):
    monkeypatch.setattr(watchdog, "JOIN_SECONDS", 0)
    port = free_port("127.0.0.1")
    with pytest.raises(EngineError, match="DMLC_PS_ROOT_PORT"):
        watchdog.Member("127.0.0.1", port, "a worker")
    with pytest.raises(EngineError, match="cannot be listened on"):
        watchdog.Watchdog("192.0.2.1", port, 1)  # of documentation, not of this machine

"""The command as a program: both entry points, terminals, pipes, signals."""

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

import mxnet_audio

MODULE = (sys.executable, "-m", "mxnet_audio")


def test_console_script():
    script = Path(sys.executable).with_name("mxnet-audio")
    process = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    assert process.stdout.strip() == mxnet_audio.__version__


@pytest.mark.parametrize("encoding, shown", [("utf-8", "m♪dels"), ("latin-1", "m\\u266adels")])
def test_terminal_that_cannot_show_a_file_name(tmp_path, encoding, shown):
    environment = {"PYTHONIOENCODING": encoding, "PATH": "/usr/bin:/bin"}
    words = [*MODULE, "predict", "ü.wav", "--model-dir", str(tmp_path / "m♪dels")]
    process = subprocess.run(words, capture_output=True, encoding=encoding, env=environment)
    assert (process.returncode, process.stdout) == (1, "")
    assert process.stderr.startswith(f"error: {tmp_path / shown}: ") and process.stderr.count("\n") == 1


def test_file_name_that_is_not_unicode(run, trained, tones, tmp_path):
    model = tmp_path / "model.onnx"  # needs no MXNet, whose import takes longest
    run("export", model, "--model-dir", trained[0])
    words = [*MODULE, "predict", tones / "low" / "0 é.wav", b"\xff.wav", "--model-dir", model, "--json"]
    process = subprocess.run(words, capture_output=True)
    assert process.returncode == 1 and rb"skipped \xff.wav: no such file" in process.stderr
    assert os.fsencode(json.loads(process.stdout)["skipped"][0]["path"]) == b"\xff.wav"


def test_closed_pipe_is_no_traceback():
    code = "from mxnet_audio.cli import main; import time; time.sleep(0.5); main()"
    words = [sys.executable, "-c", code, "datasets", "info", "esc50", "--json"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.close()
        message = process.stderr.read()
        assert process.wait() == 0
    assert "Traceback" not in message
    assert "BrokenPipe" not in message


@pytest.mark.parametrize(
    ("redirection", "code", "messages"),
    [
        (">&-", 0, 0),
        ("2>&-", 0, 0),
        ("<&- >&- 2>&-", 0, 0),
        ("> /dev/full", 1, 1),
        ("2> /dev/full", 0, 0),
    ],
)
def test_streams_that_are_closed_or_full(redirection, code, messages):
    command = f"{MODULE[0]} -m mxnet_audio datasets list {redirection}"
    process = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
    assert process.returncode == code and "Traceback" not in process.stderr
    assert process.stderr.count("error: standard output: ") == process.stderr.count("\n") == messages


CLOSED = """
import os, sys
from mxnet_audio.cli.output import open_streams
open_streams()
assert open(sys.argv[1], "w").fileno() > 2
os.write(2, b"a message of a library in C")
assert os.path.getsize(sys.argv[1]) == 0
"""


def test_a_file_never_gets_the_number_of_a_closed_stream(tmp_path):
    command = [f"exec {sys.executable} -c '{CLOSED}' {tmp_path}/model <&- >&- 2>&-"]
    assert subprocess.run(["sh", "-c", *command]).returncode == 0


def test_messages_that_nobody_reads_do_not_stop_the_work(tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    words = [*MODULE, "predict", "a.wav", "b.wav", "--model-dir", tmp_path, "--json"]
    process = subprocess.run([*words], stderr=writer, stdout=subprocess.PIPE)
    os.close(writer)
    assert process.returncode == 1


@pytest.mark.slow
def test_interrupt_exits_with_130(tones, tmp_path):
    words = [*MODULE, "train", str(tones), "--model-dir", str(tmp_path / "model")]
    words += ["--input-shape", "1,16,16", "--epochs", "100000"]
    environment = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"}
    # A test suite in the background ignores the signal, and its children inherit that.
    handle = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(words, env=environment, preexec_fn=handle, **pipes) as process:
        deadline = time.monotonic() + 60
        # The first checkpoint shows that training has begun.
        while not list((tmp_path / "model").glob("*.json")) and time.monotonic() < deadline:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        output, message = process.communicate(timeout=60)
    assert process.returncode == 130
    assert output == ""
    assert message.rstrip().endswith("stopped"), message
    assert "Traceback" not in message

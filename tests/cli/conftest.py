"""A small corpus of tones, a model that the command trained on it, and functions that run commands."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from typer.testing import CliRunner

from mxnet_audio.cli import app
from tests.voices import write_speaker_model

FREQUENCIES = {"high ♪": (2000, 3500), "low": (200, 500)}

# Any import of MXNet fails. Each line of input is a request, each line of output the results of its commands.
WITHOUT_MXNET = """
import functools, json, os, sys
sys.modules["mxnet"] = None
import typer.testing
from typer.testing import CliRunner
from mxnet_audio.cli import app
typer.testing._get_command = functools.cache(typer.testing._get_command)  # built once for all commands
for line in sys.stdin:
    request = json.loads(line)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    results = [CliRunner().invoke(app, words, prog_name="mxnet-audio") for words in request["commands"]]
    print(json.dumps([[result.exit_code, result.stdout, result.stderr] for result in results]), flush=True)
"""


@pytest.fixture(scope="session")
def run():
    """Function that runs a command and checks its exit code, and that there is no traceback: ``run('info')``."""

    def run(*words, code=0):
        result = CliRunner().invoke(app, [str(word) for word in words], prog_name="mxnet-audio")
        assert result.exit_code == code, (result.output, result.exception)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        assert "Traceback" not in result.output
        return result

    return run


@pytest.fixture(scope="session")
def run_json(run):
    """Function that runs a command with ``--json`` and returns the document, which must be all of stdout."""

    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    def run_json(*words, code=0):
        return json.loads(run(*words, "--json", code=code).stdout, parse_constant=refuse)

    return run_json


@pytest.fixture(scope="session")
def run_without_mxnet():
    """Function that runs commands in a process that cannot import MXNet; it returns (code, stdout, stderr) of each.

    All tests share the process, which imports large packages once.
    """
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", WITHOUT_MXNET], **pipes, text=True) as process:

        def run(*commands, cwd=None):
            request = {
                "commands": [[str(word) for word in words] for words in commands],
                "folder": str(cwd or Path.cwd()),
                "environment": dict(os.environ),
            }
            print(json.dumps(request), file=process.stdin, flush=True)
            answer = process.stdout.readline()
            assert answer, "the process that cannot import MXNet has ended"
            return json.loads(answer)

        yield run


@pytest.fixture(scope="session")
def tones(make_once) -> Path:
    """Folder of two class folders, eight clips of 0.4 s each, with a space and letters beyond ASCII."""

    def fill(folder):
        rng = np.random.default_rng(0)
        t = np.arange(4800) / 12000
        for label, (lowest, highest) in FREQUENCIES.items():
            (folder / label).mkdir()
            for i in range(8):
                y = np.sin(2 * np.pi * rng.uniform(lowest, highest) * t) + 0.05 * rng.standard_normal(t.size)
                sf.write(folder / label / f"{i} é.wav", 0.5 * y, 12000)

    return make_once("my töne", fill)


@pytest.fixture(scope="session")
def trained(run, tones, make_once) -> tuple[Path, dict]:
    """Folder of a trained model, and the document of ``train --json``."""

    def fill(folder):
        options = ("--input-shape", "1,32,16", "--epochs", 12, "--batch-size", 4, "--learning-rate", 0.002)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
            output = run("train", tones, "--model-dir", folder / "model", *options, "--json").stdout
        (folder / "train.json").write_text(output, encoding="utf-8")

    folder = make_once("cli-model", fill)
    return folder / "model", json.loads((folder / "train.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def indexed(run, trained, tones, make_once):
    """Folder of an index of all tones, and the document of ``index --json``."""

    def fill(folder):
        output = run("index", tones, "--index", folder / "my índex", "--model-dir", trained[0], "--json").stdout
        (folder / "index.json").write_text(output, encoding="utf-8")

    folder = make_once("cli-index", fill)
    return folder / "my índex", json.loads((folder / "index.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def speaker_folder(make_once) -> Path:
    """Folder of recordings and of a recognizer trained on them, which the tests of the library use, too."""
    return make_once("speakers", write_speaker_model)


@pytest.fixture(scope="session")
def speaker_model(speaker_folder) -> Path:
    """Folder of the trained recognizer; nobody is enrolled."""
    return speaker_folder / "model"


@pytest.fixture(scope="session")
def people(speaker_folder) -> Path:
    """Folder of recordings ``<speaker>/<take>.wav``."""
    return speaker_folder / "people"


@pytest.fixture
def model(trained):
    """The option for the trained model."""
    return "--model-dir", trained[0]


@pytest.fixture
def own_cache(monkeypatch, tmp_path):
    """Feature cache of this test alone."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def bad_file(tmp_path) -> Path:
    """Text file with the suffix of a WAV file."""
    path = tmp_path / "not sound ü.wav"
    path.write_text("this is not sound")
    return path


@pytest.fixture
def write_table(tones, tmp_path):
    """Function that writes a CSV file of the tones; fold and group of clip i repeat ``folds`` and ``groups``."""

    def write(folds=("",), groups=("",), clips=8):
        rows = [
            f"{tones / label / f'{i} é.wav'},{label},{folds[i % len(folds)]},{groups[i % len(groups)]}"
            for label in FREQUENCIES
            for i in range(clips)
        ]
        path = tmp_path / "liste ü.csv"
        path.write_text("\n".join(["path,label,fold,group", *rows]) + "\n", encoding="utf-8")
        return path

    return write

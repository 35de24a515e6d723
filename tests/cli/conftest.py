"""A small corpus of tones, a model trained on it by the command itself, and a way to run commands."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from typer.testing import CliRunner

from mxnet_audio.cli import app

FREQUENCIES = {"high ♪": (2000, 3500), "low": (200, 500)}


@pytest.fixture(scope="session")
def run():
    """Runner of commands, which checks the exit code and that there is no traceback: ``run('info')``."""

    def run(*words, code=0):
        result = CliRunner().invoke(app, [str(word) for word in words], prog_name="mxnet-audio")
        assert result.exit_code == code, (result.output, result.exception)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        assert "Traceback" not in result.output
        return result

    return run


@pytest.fixture(scope="session")
def run_json(run):
    """The same with ``--json``: the document, of which all of stdout must consist, strictly."""

    def refuse(word):
        raise AssertionError(f"{word} is not JSON")

    def run_json(*words, code=0):
        return json.loads(run(*words, "--json", code=code).stdout, parse_constant=refuse)

    return run_json


@pytest.fixture(scope="session")
def tones(tmp_path_factory) -> Path:
    """Folder of two class folders, eight clips of 0.4 s each, with a space and letters beyond ASCII."""
    folder = tmp_path_factory.mktemp("my töne")
    rng = np.random.default_rng(0)
    t = np.arange(4800) / 12000
    for label, (least, most) in FREQUENCIES.items():
        (folder / label).mkdir()
        for i in range(8):
            y = np.sin(2 * np.pi * rng.uniform(least, most) * t) + 0.05 * rng.standard_normal(t.size)
            sf.write(folder / label / f"{i} é.wav", 0.5 * y, 12000)
    return folder


@pytest.fixture(scope="session")
def trained(run_json, tones, tmp_path_factory) -> tuple[Path, dict]:
    """Directory of a trained model, and what ``train --json`` said of it."""
    directory = tmp_path_factory.mktemp("model")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        options = ("--input-shape", "1,32,16", "--epochs", 12, "--batch-size", 4, "--learning-rate", 0.002)
        document = run_json("train", tones, "--model-dir", directory, *options)
    return directory, document


@pytest.fixture
def bad_file(tmp_path) -> Path:
    """Text that calls itself WAV."""
    path = tmp_path / "not sound ü.wav"
    path.write_text("this is not sound")
    return path

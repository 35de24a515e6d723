"""The manners of all commands: help without MXNet, exit codes, no tracebacks, strict JSON."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from functools import partial

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

import mxnet_audio
from mxnet_audio.cli.options import Network
from mxnet_audio.cli.shell import CarefulGroup, emit
from mxnet_audio.cli.speaker import Loss, VoiceNetwork
from mxnet_audio.cli.training_options import RecipeName
from mxnet_audio.errors import ModelError

COMMANDS = ["train", "evaluate", "predict", "embed", "index", "search", "recommend", "info", "demo"]
COMMANDS += ["adapt", "export", "datasets list", "datasets info", "datasets download"]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_examples(run, command):
    text = run(*command.split(), "--help").stdout
    assert "Example" in text
    assert f"mxnet-audio {command}" in text
    assert "--json" in text


@pytest.mark.parametrize("command", ["evaluate", "predict", "embed", "index", "search", "recommend", "train", "adapt"])
def test_models_are_looked_for_in_models(run, command):
    text = " ".join(run(command, "--help").stdout.split())
    boxed = ", or the one that came with the clone" if command in ("predict", "embed") else ""
    assert re.search(
        rf"--model-dir DIR Folder of the trained model(, or the \.onnx file made of it)?\. \[default: models{boxed}\]",
        text,
    )


def test_help_imports_nothing_heavy():
    code = """
import sys
from mxnet_audio.cli import main
try:
    sys.argv = ['mxnet-audio', *sys.argv[1:]]
    main()
finally:
    heavy = ('mxnet', 'librosa', 'sklearn', 'scipy', 'matplotlib', 'numpy', 'soundfile')
    print([name for name in heavy if name in sys.modules], file=sys.stderr)
"""
    for words in (["--help"], ["train", "--help"], ["datasets", "--help"], ["predict"]):
        done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True)
        assert done.stderr.splitlines()[-1] == "[]"


def test_names_are_those_of_the_library():
    from mxnet_audio.library import classifiers
    from mxnet_audio.models import model_names
    from mxnet_audio.nn import loss_names
    from mxnet_audio.training import RECIPES

    assert sorted(network.value for network in Network) == sorted(classifiers())
    assert sorted([network.value for network in Network] + [network.value for network in VoiceNetwork]) == model_names()
    assert sorted(loss.value for loss in Loss) == loss_names()
    assert {recipe.value for recipe in RecipeName} - {"default"} <= set(RECIPES)


def test_version(run):
    assert run("--version").stdout.strip() == mxnet_audio.__version__


@pytest.mark.parametrize(
    "words, said",
    [
        ((), "Usage"),
        (("train",), "Missing argument"),
        (("dance",), "No such command"),
        (("train", "x", "--seconds", "5", "--input-shape", "1,96,100"), "not both"),
        (("train", "x", "--seconds", "0"), "above 0"),
        (("train", "x", "--seconds", "nan"), "above 0"),
        (("train", "x", "--input-shape", "96x1366"), "1,BANDS,FRAMES"),
        (("train", "x", "--epochs", "0"), "--epochs"),
        (("train", "x", "--seed", "-1"), "--seed"),
        (("train", "x", "--early-stopping", "0"), "--early-stopping"),
        (("train", "x", "--network", "vgg"), "resnet_v2"),
        (("train", "x", "--folds", "1,2"), "--corpus"),
        (("predict", "x.wav", "--hop", "1"), "--timeline"),
        (("predict", "x.wav", "--timeline", "-1"), "above 0"),
        (("predict", "x.wav", "--timeline", "inf"), "above 0"),
        (("predict", "x.wav", "--timeline", "1", "--hop", "2"), "at most the window"),
        (("embed", "x.wav", "--output", "vectors.mat"), ".npz or .csv"),
        (("search", "x.wav", "-k", "0"), "-k"),
        (("datasets", "download", "esc50", "d", "--url", "u", "--archive", "a"), "not both"),
    ],
)
def test_wrong_usage_is_2(run, words, said):
    result = run(*words, code=2)
    assert said in result.output


@pytest.mark.parametrize(
    "words",
    [
        ("train", "nowhere/"),
        ("evaluate", "nowhere.csv"),
        ("predict", "nowhere.wav", "--model-dir", "no-model"),
        ("embed", "nowhere.wav", "--model-dir", "no-model"),
        ("index", "nowhere.wav", "--model-dir", "no-model"),
        ("search", "nowhere.wav", "--model-dir", "no-model"),
        ("recommend", "nowhere.wav", "--model-dir", "no-model"),
    ],
)
def test_nothing_there_is_1_and_named(run, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run(*words, "--json", code=1)
    assert result.stdout == ""
    assert result.stderr.startswith("error: no")
    assert ("nowhere" in result.stderr) or ("no-model" in result.stderr)
    assert not list(tmp_path.iterdir())


def failing(error):
    app = typer.Typer(cls=CarefulGroup, pretty_exceptions_enable=False)
    app.callback()(lambda: None)

    @app.command()
    def fail():
        raise error

    return CliRunner().invoke(app, ["fail"])


def test_errors_become_one_line():
    result = failing(ModelError("no model here", "modèles"))
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "error: modèles: no model here\n")
    result = failing(PermissionError(13, "Permission denied", "/root/x"))
    assert (result.exit_code, result.stderr) == (1, "error: /root/x: Permission denied\n")
    assert failing(OSError("disk on fire")).stderr == "error: disk on fire\n"
    assert failing(KeyboardInterrupt()).exit_code == 130


def test_defects_are_not_hidden():
    assert isinstance(failing(ZeroDivisionError()).exception, ZeroDivisionError)


def test_json_is_strict(capsys, tmp_path):
    values = {
        "nan": float("nan"),
        "vector": np.float32([1, np.inf]),
        "label": np.int64(3),
        "path": tmp_path,
        4: ("ü",),
    }
    emit(values, "", as_json=True)
    document = json.loads(capsys.readouterr().out)
    assert document == {"nan": None, "vector": [1.0, None], "label": 3, "path": str(tmp_path), "4": ["ü"]}


@pytest.mark.parametrize("encoding, shown", [("utf-8", "m♪dels"), ("latin-1", "m\\u266adels")])
def test_as_a_program_on_terminals_of_all_kinds(tmp_path, encoding, shown):
    environment = {"PYTHONIOENCODING": encoding, "PATH": "/usr/bin:/bin"}
    words = [sys.executable, "-m", "mxnet_audio", "predict", "ü.wav", "--model-dir", str(tmp_path / "m♪dels")]
    done = subprocess.run(words, capture_output=True, encoding=encoding, env=environment)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"error: {tmp_path / shown}: no model here: train one first, or name the folder of one\n"


def test_file_name_that_is_not_unicode(trained, tones):
    good = tones / "low" / "0 é.wav"
    words = [sys.executable, "-m", "mxnet_audio", "predict", good, b"\xff.wav", "--model-dir", trained[0]]
    done = subprocess.run(words, capture_output=True, check=True)
    assert rb"skipped \udcff.wav: no such file" in done.stderr
    done = subprocess.run([*words, "--json"], capture_output=True, check=True)
    assert os.fsencode(json.loads(done.stdout)["skipped"][0]["path"]) == b"\xff.wav"


def test_output_that_nobody_reads_is_no_traceback():
    code = "from mxnet_audio.cli import main; import time; time.sleep(0.5); main()"
    words = [sys.executable, "-c", code, "info", "--json"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.close()
        said = process.stderr.read()
        assert process.wait() in (0, 1)
    assert "Traceback" not in said
    assert "BrokenPipe" not in said


def test_interrupt_is_130(tones, tmp_path):
    words = [sys.executable, "-m", "mxnet_audio", "train", str(tones), "--model-dir", str(tmp_path / "model")]
    words += ["--input-shape", "1,16,16", "--epochs", "100000"]
    environment = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"}
    # A suite that runs in the background ignores it, and so would this.
    heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(words, env=environment, preexec_fn=heed, **pipes) as process:
        deadline = time.monotonic() + 60
        # The first checkpoint says that the training is on its way.
        while not list((tmp_path / "model").glob("*.json")) and time.monotonic() < deadline:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        out, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == ""
    assert said.rstrip().endswith("stopped"), said
    assert "Traceback" not in said

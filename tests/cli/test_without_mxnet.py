"""What commands do without importing MXNet or other large packages."""

import shutil
import subprocess
import sys

HEAVY = ("mxnet", "librosa", "sklearn", "scipy", "matplotlib", "numpy", "soundfile", "pydantic")
HELP = f"""
import functools, sys
import typer.testing
from typer.testing import CliRunner
from mxnet_audio.cli import app
typer.testing._get_command = functools.cache(typer.testing._get_command)  # built once for all commands
commands = ["--help", "--version", "train --help", "speaker train --help", "datasets --help", "models --help"]
for words in [*commands, "predict", "speaker verify a.wav"]:
    CliRunner().invoke(app, words.split())
print(*(name for name in {HEAVY!r} if name in sys.modules))
"""


def test_help_and_wrong_usage_import_no_large_package():
    process = subprocess.run([sys.executable, "-c", HELP], capture_output=True, text=True, check=True)
    assert process.stdout.split() in ([], ["pydantic"])  # typer imports pydantic once it converts arguments


def test_commands_that_need_no_network(run_without_mxnet, speaker_model, tmp_path):
    model = ("--model-dir", shutil.copytree(speaker_model, tmp_path / "voices"))
    config = tmp_path / "c.yaml"
    config.write_text("input_features: [{name: clip, type: audio}]\noutput_features: [{name: label, type: category}]\n")
    results = run_without_mxnet(
        ["info"],
        ["config", "schema"],
        ["config", "check", config],
        ["datasets", "list"],
        ["datasets", "info", "fsdd"],
        ["models", "list"],
        ["models", "info", "musicnn"],
        ["speaker", "list", *model],
        ["speaker", "forget", "eve", *model],
    )
    codes = [code for code, *_ in results]
    assert codes == [0, 0, 0, 0, 0, 0, 0, 0, 1], results
    assert "unknown: " in results[0][1] and "mxnet" in results[0][1]
    assert "eve" in results[-1][2]


def test_input_is_checked_before_mxnet_is_imported(
    run_without_mxnet, trained, indexed, speaker_model, tones, bad_file, tmp_path
):
    clip, model, index = tones / "low" / "0 é.wav", ("--model-dir", trained[0]), ("--index", indexed[0])
    voices = ("--model-dir", speaker_model)
    missing, empty = tmp_path / "missing", tmp_path / "empty"
    empty.mkdir()
    (tmp_path / "features.yaml").write_text("type: fbanc")
    (tmp_path / "table.csv").write_bytes(b"path,label\n\xff,low\n")
    (tmp_path / "trials.txt").write_text("2 a.wav b.wav\n")
    damaged = shutil.copytree(trained[0], tmp_path / "damaged")
    (damaged / "cifar10.json").write_text("{")
    commands = {
        ("train", missing): missing,
        ("train", empty): empty,
        ("train", tmp_path / "table.csv"): "table.csv",
        ("train", tones, "--features", tmp_path / "features.yaml"): "features.yaml",
        ("train", tones, "--corpus", "gzan"): "gzan",
        ("train", tones, "--validation", missing): missing,
        ("train", tones, "--test-size", 1): "test_size",
        ("train", tones, "--learning-rate", 0): "learning_rate",
        ("cross-validate", missing): missing,
        ("evaluate", missing, *model): missing,
        ("evaluate", tones, "--model-dir", missing): missing,
        ("evaluate", tones, "--model-dir", empty): empty,
        ("report", missing, *model): missing,
        ("predict", missing, *model): missing,
        ("predict", empty, *model): empty,
        ("predict", clip, "--model-dir", missing): missing,
        ("predict", clip, "--model-dir", damaged): damaged,
        ("predict", clip, "--network", "m5", *model): "m5",
        ("predict", missing): missing,
        ("tag", missing): missing,
        ("tag", clip, "--encoder", "resemblyzer"): "resemblyzer",
        ("encode", missing, *model): missing,
        ("encode", clip, "-o", missing / "v.npz", *model): missing,
        ("adapt", missing, "-o", tmp_path / "new", *model): missing,
        ("adapt", clip, "-o", bad_file, *model): bad_file,
        ("index", missing, *model): missing,
        ("search", missing, *index, *model): missing,
        ("search", clip, "--index", missing, *model): missing,
        ("recommend", clip, "--index", missing, *model): missing,
        ("export", tmp_path / "a.onnx", "--model-dir", missing): missing,
        ("demo", "--data", missing): missing,
        ("models", "info", "yamnett"): "yamnett",
        ("models", "download", "yamnett"): "yamnett",
        ("speaker", "train", missing): missing,
        ("speaker", "train", tones, "--features", tmp_path / "features.yaml"): "features.yaml",
        ("speaker", "enroll", "ann", missing, *voices): missing,
        ("speaker", "verify", clip, missing, *voices): missing,
        ("speaker", "verify", clip, "--speaker", "eve", *voices): "eve",
        ("speaker", "identify", clip, *voices): "enrolled",
        ("speaker", "calibrate", missing, *voices): missing,
        ("speaker", "evaluate", missing, *voices): missing,
        ("speaker", "evaluate", tmp_path / "trials.txt", *voices): "trials.txt",
        ("speaker", "export", tmp_path / "a.onnx", "--model-dir", missing): missing,
    }
    results = run_without_mxnet(*commands, cwd=tmp_path)
    for (words, name), (code, stdout, stderr) in zip(commands.items(), results):
        assert code == 1 and stdout == "" and str(name) in stderr and "MXNet" not in stderr, (words, stdout, stderr)
    assert not (tmp_path / "new").exists()

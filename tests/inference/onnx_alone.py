"""Predict with an .onnx file in a virtual environment that contains the needed packages only, and no MXNet.

Run by ``tests/inference/test_onnx_alone.py``, or by hand: ``python tests/inference/onnx_alone.py MODEL.onnx SOUND...``.
The environment is kept in the user's cache directory.
"""

import json
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

import platformdirs

ROOT = Path(__file__).resolve().parents[2]
CACHE = platformdirs.user_cache_path("mxnet-audio") / "onnx-alone"  # tests have another cache directory
# For files with a front end, on sound files.
NEEDED = (
    "onnxruntime",
    "numpy",
    "joblib",
    "lazy_loader",
    "soundfile",
    "soxr",
)

BUILD = "setuptools>=77"  # as in pyproject.toml; installed once, beside the environment, which does not see it

UNCOMPILED = {**os.environ, "PIP_NO_COMPILE": "1"}  # few of the modules are imported

CODE = """
import importlib.util, json, sys
from mxnet_audio.inference.onnx_classifier import OnnxAudioClassifier
assert not any(importlib.util.find_spec(name) for name in ("mxnet", "scipy", "librosa", "onnx"))
from mxnet_audio.library import BUNDLED_MODELS
assert "site-packages" in str(BUNDLED_MODELS) and (BUNDLED_MODELS / "cifar10.json").is_file()
print(json.dumps([prediction.label for prediction in OnnxAudioClassifier(sys.argv[1]).predict_many(sys.argv[2:])]))
"""


def environment() -> Path:
    """Return the Python of the environment with the needed packages; LookupError if they cannot be installed."""
    python, done = CACHE / "bin" / "python", CACHE / "installed.txt"
    contents = "\n".join((sys.version, *NEEDED, BUILD))
    if not done.exists() or done.read_text() != contents:
        venv.create(CACHE, clear=True)
        for words in (NEEDED, ("--target", CACHE / "build", BUILD)):
            words = [*pip(python), *words]
            install = subprocess.run(words, capture_output=True, text=True, check=False, env=UNCOMPILED)
            if install.returncode:
                raise LookupError(install.stderr)
        done.write_text(contents)
    return python


def pip(python: Path) -> list:
    """Return the first words of a command that installs packages."""
    return [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--disable-pip-version-check"]


def labels(model: Path, sounds: list) -> list:
    """Return the labels that the file gives in that environment."""
    python = environment()
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / "site-packages"  # the package is installed anew each time
        words = [*pip(python), "--no-deps", "--no-build-isolation", "--target", package, ROOT]
        subprocess.run(words, check=True, capture_output=True, env=UNCOMPILED | {"PYTHONPATH": str(CACHE / "build")})
        words = [python, "-c", CODE, model.resolve(), *(Path(sound).resolve() for sound in sounds)]
        path = {**os.environ, "PYTHONPATH": str(package)}
        return json.loads(subprocess.run(words, cwd=folder, env=path, stdout=subprocess.PIPE, check=True).stdout)


if __name__ == "__main__":
    print(*labels(Path(sys.argv[1]), sys.argv[2:]), sep="\n")

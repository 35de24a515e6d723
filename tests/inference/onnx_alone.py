"""Predict with an .onnx file in a new virtual environment that contains the needed packages only, and no MXNet.

Run by ``tests/inference/test_onnx_alone.py``, or by hand: ``python tests/inference/onnx_alone.py MODEL.onnx SOUND...``.
"""

import json
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# For files with a front end, on sound files.
NEEDED = (
    "onnxruntime",
    "numpy",
    "joblib",
    "lazy_loader",
    "soundfile",
    "soxr",
)

CODE = """
import importlib.util, json, sys
from mxnet_audio.inference.onnx_classifier import OnnxAudioClassifier
assert not any(importlib.util.find_spec(name) for name in ("mxnet", "scipy", "librosa", "onnx"))
from mxnet_audio.library import BUNDLED_MODELS
assert "site-packages" in str(BUNDLED_MODELS) and (BUNDLED_MODELS / "cifar10.json").is_file()
print(json.dumps([prediction.label for prediction in OnnxAudioClassifier(sys.argv[1]).predict_many(sys.argv[2:])]))
"""


def environment(folder: Path) -> Path:
    """Return the Python of a new environment with the needed packages; LookupError if they cannot be installed."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    installed = subprocess.run([*pip, *NEEDED], capture_output=True, text=True, check=False)
    if installed.returncode:
        raise LookupError(installed.stderr)
    subprocess.run([*pip, "--no-deps", ROOT], check=True, capture_output=True)
    return python


def labels(model: Path, sounds: list) -> list:
    """Return the labels that the file gives in that environment."""
    with tempfile.TemporaryDirectory() as folder:
        python = environment(Path(folder) / "venv")
        words = [python, "-c", CODE, model.resolve(), *(Path(sound).resolve() for sound in sounds)]
        return json.loads(subprocess.run(words, cwd=folder, stdout=subprocess.PIPE, check=True).stdout)


if __name__ == "__main__":
    print(*labels(Path(sys.argv[1]), sys.argv[2:]), sep="\n")

"""ONNX Runtime is imported in one file, and sends nothing."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import mxnet_audio

PACKAGE = Path(mxnet_audio.__file__).parent

OPEN = """
import sys, time
from mxnet_audio.inference.onnx_classifier import OnnxAudioClassifier
classifier = OnnxAudioClassifier(sys.argv[1], threads=1)
print(classifier.network)
time.sleep(1)  # telemetry has a thread of its own
"""


def test_one_file_imports_onnx_runtime():
    importers = set()
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)) if "onnxruntime" in text else ():
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if any(name.partition(".")[0] == "onnxruntime" for name in names):
                importers.add(path.relative_to(PACKAGE).as_posix())
    assert importers == {"inference/onnx_session.py"}


@pytest.fixture
def open_model(tmp_path):
    """Function that opens a bundled model in a process with an empty home folder: ``open_model(*words) -> Path``."""
    model = PACKAGE.parent / "demo" / "models" / "esc10" / "m5.onnx"
    if not model.is_file():
        pytest.skip("no bundled models beside the package")

    def run(*words):
        home = tmp_path / "home"
        home.mkdir()
        places = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "TMPDIR"), str(home))
        kept = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
        command = [*words, sys.executable, "-c", OPEN, str(model)]
        done = subprocess.run(command, env=kept | places, capture_output=True, text=True, check=True)
        assert done.stdout.split() == ["m5"]
        return home

    return run


def test_telemetry_writes_no_identity_of_the_device(open_model):
    assert list(open_model().rglob("*")) == []


@pytest.mark.skipif(shutil.which("strace") is None, reason="no strace on this machine")
def test_no_network_is_used(open_model, tmp_path):
    trace = tmp_path / "trace.txt"
    open_model("strace", "-f", "-qq", "-e", "trace=network", "-o", str(trace))
    calls = [line for line in trace.read_text().splitlines() if "AF_INET" in line or "AF_UNIX" in line]
    assert calls == []  # looking up a name needs one of them

"""Import MXNet and take one training step under every supported interpreter of this machine.

Run by ``tests/test_interpreters.py``, or by hand: ``python tests/interpreters.py``. Each interpreter gets a virtual
environment in the user's cache directory, with only the requirements of the engine and the networks. Missing
interpreters are named.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import platformdirs

ROOT = Path(__file__).resolve().parents[1]
SUPPORTED = ("3.10", "3.11", "3.12")
CACHE = platformdirs.user_cache_path("mxnet-audio") / "interpreters"  # kept; tests have another cache directory
REQUIREMENTS = ("mxnet", "numpy", "scipy", "joblib", "filelock", "pydantic", "PyYAML", "safetensors", "platformdirs")

STEP = """
import numpy as np
had_bool = "bool" in vars(np)
from mxnet_audio.engine import autograd, gluon, mx, nd
from mxnet_audio.models import get_model
assert ("bool" in vars(np)) == had_bool
net = get_model("cifar10", classes=2, input_shape=(1, 16, 16))
net.initialize(mx.init.Xavier())
trainer = gluon.Trainer(net.collect_params(), "adam", kvstore=None)
loss = gluon.loss.SoftmaxCrossEntropyLoss()
x, y = nd.random.normal(shape=(4, 1, 16, 16)), nd.array([0, 1, 0, 1])
with autograd.record():
    value = loss(net(x)[0], y).mean()
value.backward()
before = net.head[-1].weight.data().asnumpy()
trainer.step(4)
assert np.isfinite(value.asscalar())
assert not np.array_equal(before, net.head[-1].weight.data().asnumpy())
"""


def find(version: str) -> str | None:
    """Return the path of a working interpreter of this version, on the PATH or under pyenv."""
    candidates = [shutil.which(f"python{version}")]
    candidates += sorted(map(str, Path.home().glob(f".pyenv/versions/{version}.*/bin/python")))
    for candidate in filter(None, candidates):
        answer = subprocess.run(
            [candidate, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
            capture_output=True,
            text=True,
            check=False,
        )
        if answer.stdout.strip() == version:
            return candidate
    return None


def environment(interpreter: str, version: str) -> Path:
    """Return the Python of a virtual environment with the requirements, at the versions of ``requirements.txt``."""
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    pins = [line.partition(";")[0].strip() for line in lines if line.partition("==")[0] in REQUIREMENTS]
    folder = CACHE / version
    python, done = folder / "bin" / "python", folder / "installed.txt"
    if not done.exists() or done.read_text() != "\n".join(pins):
        subprocess.run([interpreter, "-m", "venv", "--clear", folder], check=True)
        subprocess.run(
            [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "lazy_loader", *pins], check=True
        )
        done.write_text("\n".join(pins))
    return python


def take_step(version: str) -> str | None:
    """Run the training step, and return its error, or None; raise LookupError if there is no interpreter."""
    interpreter = find(version)
    if interpreter is None:
        raise LookupError(f"no CPython {version} on this machine")
    python = environment(interpreter, version)
    done = subprocess.run([python, "-W", "error", "-c", STEP], cwd=ROOT, capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else done.stderr


if __name__ == "__main__":
    failed = False
    for supported in SUPPORTED:
        try:
            error = take_step(supported)
        except LookupError as missing:
            print(f"{supported}: skipped, {missing}")
            continue
        failed |= error is not None
        print(f"{supported}: {error or 'import and one training step work'}")
    sys.exit(failed)

"""The package's face: quick to import, without MXNet, every public name within reach."""

import subprocess
import sys

import mxnet_audio

QUICK = """
import sys, time
start = time.perf_counter()
import mxnet_audio
seconds = time.perf_counter() - start
heavy = [m for m in ("mxnet", "librosa", "sklearn", "matplotlib", "scipy") if m in sys.modules]
print(seconds, *heavy)
"""


def test_import_is_quick_and_without_mxnet():
    times = []
    for _ in range(3):
        seconds, *heavy = subprocess.check_output([sys.executable, "-c", QUICK], text=True).split()
        assert not heavy
        times.append(float(seconds))
    assert min(times) < 0.2


def test_every_public_name_is_there():
    for name in mxnet_audio.__all__:
        assert getattr(mxnet_audio, name) is not None
    assert mxnet_audio.__version__

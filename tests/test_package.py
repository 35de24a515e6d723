"""The package's face: quick to import, without MXNet, every public name within reach."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import setuptools
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

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


@pytest.mark.parametrize("version", ["3.10", "3.12", "3.13", "3.14"])
def test_mxnet_is_needed_where_it_runs_and_nowhere_else(version, monkeypatch):
    told = {}
    monkeypatch.setattr(setuptools, "setup", told.update)
    runpy.run_path(str(Path(__file__).parents[1] / "setup.py"))
    needs = [Requirement(line) for line in told["install_requires"]]
    here = {need.name: need for need in needs if not need.marker or need.marker.evaluate({"python_version": version})}
    old = version in ("3.10", "3.12")
    assert ("mxnet" in here) == old and here["numpy"].specifier.contains("1.26.4") == old
    assert here["numpy"].specifier.contains("2.3.0") != old
    assert version in SpecifierSet(told["python_requires"])

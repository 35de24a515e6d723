"""The engine under every other supported interpreter of this machine."""

import importlib.util
import sys
from pathlib import Path

import pytest

spec = importlib.util.spec_from_file_location("interpreters", Path(__file__).with_name("interpreters.py"))
interpreters = importlib.util.module_from_spec(spec)
spec.loader.exec_module(interpreters)
THIS = "{}.{}".format(*sys.version_info)  # runs all the other tests


@pytest.mark.slow
@pytest.mark.parametrize("version", [version for version in interpreters.SUPPORTED if version != THIS])
def test_import_and_one_training_step(version):
    try:
        error = interpreters.take_step(version)
    except LookupError as missing:
        pytest.skip(str(missing))
    assert error is None, f"{version}, from {sys.version}: {error}"

"""Run the scripts of demo/ in this process."""

import contextlib
import io
import os
import runpy
import shutil
import sys
from pathlib import Path
from unittest import mock

DEMO = Path(__file__).resolve().parents[1] / "demo"


def run_script(script: str, *arguments, demo: Path = DEMO) -> str:
    """Run a script in its folder, as a program, and return its output; SystemExit if it fails."""
    path, output = demo / script, io.StringIO()
    modules, cwd = set(sys.modules), Path.cwd()
    argv = [path.name, *map(str, arguments)]
    os.chdir(path.parent)
    try:
        with (
            mock.patch.object(sys, "argv", argv),
            mock.patch.object(sys, "path", [str(path.parent), *sys.path]),
            contextlib.redirect_stdout(output),
        ):
            runpy.run_path(str(path), run_name="__main__")
    except SystemExit as error:
        if error.code not in (None, 0):
            raise
    finally:
        os.chdir(cwd)
        for name in set(sys.modules) - modules:  # other folders may have modules of the same names
            if str(demo) in (getattr(sys.modules[name], "__file__", None) or ""):
                del sys.modules[name]
    return output.getvalue()


def copy_demo(folder: Path) -> Path:
    """Copy demo/ without models and data into a folder, so that scripts can write there."""
    ignored = shutil.ignore_patterns("models", "output", "very_large_data", "audio_samples", "__pycache__")
    copy = Path(shutil.copytree(DEMO, folder / "demo", ignore=ignored))
    (copy / "models").mkdir()
    return copy

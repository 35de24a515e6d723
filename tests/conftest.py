"""Fixtures of the whole suite: real recordings, synthesised tones, and folders that all test processes share."""

import os
from pathlib import Path

# Set before NumPy and MXNet are imported: small networks gain nothing from threads, which wait for busy processes.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
import soundfile as sf
from filelock import FileLock
from hypothesis import settings

settings.register_profile("deterministic", derandomize=True, deadline=None)
settings.load_profile("deterministic")

DATA = Path(os.environ.get("MXNET_AUDIO_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")


def _corpus(name: str) -> Path:
    folder = DATA / name
    if not folder.is_dir():
        pytest.skip(f"no real recordings at {folder}: set MXNET_AUDIO_DATA")
    return folder


@pytest.fixture(scope="session")
def esc10() -> Path:
    """Folder of ESC-10, folds 1 to 4: ``<class>/<fold>-<id>-<take>.ogg``."""
    return _corpus("esc10")


@pytest.fixture(scope="session")
def fsdd() -> Path:
    """Folder of spoken digits: ``<digit>_<speaker>_<take>.wav``."""
    return _corpus("fsdd")


@pytest.fixture(scope="session")
def music() -> Path:
    """Folder of longer recordings."""
    return _corpus("music")


@pytest.fixture(scope="session")
def make_once(tmp_path_factory, worker_id):
    """Function that fills a folder once for all test processes: ``make_once(name, fill) -> Path``.

    ``fill(folder)`` is called by the first process; the others wait for it. Tests must not change the folder.
    """

    def make_once(name, fill):
        root = tmp_path_factory.getbasetemp()
        folder = (root if worker_id == "master" else root.parent) / f"shared-{name}"
        with FileLock(f"{folder}.lock"):
            if not folder.exists():
                unfinished = tmp_path_factory.mktemp(name)
                fill(unfinished)
                unfinished.rename(folder)
        return folder

    return make_once


@pytest.fixture
def write_tone():
    """Function that writes a test tone: ``write_tone(path, frequency=440.0, seconds=1.0, sr=22050, channels=1)``."""

    def write(path, frequency=440.0, seconds=1.0, sr=22050, channels=1, amplitude=0.5, **kwargs):
        t = np.arange(int(seconds * sr)) / sr
        y = amplitude * np.sin(2 * np.pi * frequency * t)
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        sf.write(path, np.stack([y] * channels, axis=-1), sr, **kwargs)
        return path

    return write
